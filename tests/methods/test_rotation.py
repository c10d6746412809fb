"""RotNet: turns that can be undone bit for bit, balanced labels, and that it learns to tell them."""

import math

import pytest
import torch
from torch import Tensor, nn

import tacit
from tacit.errors import OptionError
from tacit.methods.selfsupervised.rotation import Rotation, rotations, square
from tacit.protocol import Batch, Spec, capabilities


def image(height: int, width: int | None = None, channels: int = 3) -> Spec:
    return Spec("image", (channels, height, width or height), (0.0, 1.0))


@pytest.fixture
def x() -> Tensor:
    return torch.rand(5, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def test_turns_are_exact_and_can_be_undone(x: Tensor) -> None:
    for k, turned in enumerate(rotations(x).chunk(4)):
        assert torch.equal(turned, torch.rot90(x, k, (2, 3)))
        assert torch.equal(rotations(turned).chunk(4)[(4 - k) % 4], x)


@pytest.mark.parametrize(("shape", "rows", "columns"), [((7, 4), (1, 5), (0, 4)), ((4, 9), (0, 4), (2, 6))])
def test_the_middle_of_what_is_not_square(shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
                                          ) -> None:
    x = torch.rand(2, 1, *shape)
    assert torch.equal(square(x), x[:, :, slice(*rows), slice(*columns)])


class Marked(nn.Module):
    """Answers with the turn of an image whose mark is in one corner."""

    def forward(self, x: Tensor) -> Tensor:
        corners = torch.stack([x[:, 0, 0, 0], x[:, 0, -1, 0], x[:, 0, -1, -1], x[:, 0, 0, -1]], dim=1)
        return 50 * corners  # a turn to the left takes the upper left corner to the lower left


def test_the_loss_is_that_of_balanced_turns() -> None:
    method = Rotation(image(6, 10), views="", encoder=Marked())
    with torch.no_grad():
        method.head.weight.copy_(torch.eye(4))
        method.head.bias.zero_()
    x = torch.zeros(3, 3, 6, 10)
    x[:, :, 0, 2] = 1  # the upper left corner of the middle
    (loss,) = method.losses(Batch(x))
    assert loss.value < 1e-6 and loss.terms["accuracy"] == 1 and loss.terms["chance"] == 0.25
    (blank,) = method.losses(Batch(torch.zeros_like(x)))
    torch.testing.assert_close(blank.value.detach(), torch.tensor(math.log(4)))
    assert blank.terms["accuracy"] == 0.25  # whoever always says the same is right once in four times


def test_views_are_drawn_from_the_global_generator(x: Tensor) -> None:
    torch.manual_seed(0)
    method, losses = Rotation(image(9), width=4), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(float(next(method.losses(Batch(x))).value.detach()))
    assert losses[0] == losses[1] != losses[2]


def test_features_by_layer(x: Tensor) -> None:
    method = Rotation(image(9), width=4).eval()
    assert capabilities(method) == {"Encodes"} and method.layers() == ["conv1", "conv2", "conv3", "conv4"]
    last = method.encode(x, layer="conv4")
    assert last.shape[:2] == (5, 32)
    torch.testing.assert_close(method.encode(x), nn.functional.adaptive_avg_pool2d(last, 2).flatten(1))
    with pytest.raises(OptionError, match="no layer 'conv7'"):
        method.encode(x, layer="conv7")
    with pytest.raises(OptionError, match="augmentation 'flop' is unknown"):
        Rotation(image(9), views="flop")
    assert Rotation(image(8, 20), width=4).eval().encode(torch.rand(2, 3, 8, 20)).shape == (2, 128)


def test_learns_to_tell_the_turns_of_digits(digits_data, tmp_path) -> None:
    run = tacit.fit("rotation", digits_data, out=tmp_path / "run", steps=40, batch=64, width=8, views="", seed=1)
    method, x = run.method, digits_data.batch(torch.arange(100)).x
    with torch.inference_mode():
        (loss,) = method.losses(Batch(x))
    assert loss.terms["accuracy"] > 0.6

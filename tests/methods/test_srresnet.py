"""SRResNet: scales, tiles that agree with the whole, and that it enlarges better than bicubic interpolation."""

import pytest
import torch
from torch.nn.functional import interpolate, mse_loss

from tacit.errors import DataError, OptionError
from tacit.methods.adversarial.srresnet import SRResNet
from tacit.nets.superres import enlarged
from tacit.protocol import Batch, Reach, Spec, capabilities

LITTLE = {"width": 8, "blocks": 1}


def spec(side=8, scale=2, channels=1):
    return Spec("image", (channels, side, side), (0, 1), pair=(channels, scale * side, scale * side))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("skip", ["none", "bicubic"])
def test_images_of_any_size_grow_by_the_scale(scale, skip):
    method = SRResNet(spec(4, scale, 3), **LITTLE, skip=skip).eval()
    with torch.no_grad():
        made = method.translate(torch.rand(2, 3, 5, 9))
    assert made.shape == (2, 3, 5 * scale, 9 * scale) and made.min() >= 0 and made.max() <= 1
    assert method.reach == Reach(1, 10, scale)
    assert capabilities(method) == {"Translates"}


@pytest.mark.parametrize("skip", ["none", "bicubic"])
def test_a_tile_agrees_with_the_whole_inside_of_its_reach(skip):
    torch.manual_seed(0)
    method = SRResNet(spec(8, 2), **LITTLE, skip=skip)
    for _ in range(3):  # moves the running statistics
        next(method.losses(Batch(torch.rand(8, 1, 8, 8), pair=torch.rand(8, 1, 16, 16))))
    method.eval()
    x, reach = torch.rand(1, 1, 48, 40), method.reach.pixels
    with torch.no_grad():
        whole = method.enlarge(x)
        tile = method.enlarge(x[:, :, 4:44, 2:38])
        inside = slice(2 * reach, -2 * reach)
        torch.testing.assert_close(tile[:, :, inside, inside], whole[:, :, 8:88, 4:76][:, :, inside, inside],
                                   atol=1e-5, rtol=0)
        assert not torch.allclose(tile, whole[:, :, 8:88, 4:76], atol=1e-5)


def test_the_loss_is_the_squared_error_between_minus_one_and_one():
    method, x, y = SRResNet(spec(8, 4), **LITTLE, skip="none"), torch.rand(3, 1, 8, 8), torch.rand(3, 1, 32, 32)
    (loss,) = method.losses(Batch(x, pair=y))
    assert loss.player == "model" and set(method.players()) == set(method.recipe().optim) == {"model"}
    torch.testing.assert_close(loss.value, mse_loss(method.net(x), 2 * y - 1))


def test_the_skip_is_the_bicubic_enlargement():
    method, x = SRResNet(spec(8, 2), **LITTLE, skip="bicubic"), torch.rand(2, 1, 8, 8)
    torch.nn.init.zeros_(method.net.tail[-1].weight)
    torch.nn.init.zeros_(method.net.tail[-1].bias)
    torch.testing.assert_close(method.translate(x), enlarged(x, 16, 16).clamp(0, 1))


def test_crops_are_drawn_by_torchs_generator():
    method, x = SRResNet(spec(32, 2), **LITTLE, patch=16), torch.rand(4, 1, 32, 32)
    batch, drawn = Batch(x, pair=enlarged(x, 64, 64)), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(method.crops(batch)[1])
    assert drawn[0].shape == (4, 1, 16, 16)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_what_is_refused():
    with pytest.raises(DataError, match="--derive low-resolution:4"):
        SRResNet(Spec("image", (1, 8, 8), (0, 1)))
    with pytest.raises(DataError, match="with pairs of 1 x 8 x 8"):
        SRResNet(spec(8, 1))
    with pytest.raises(OptionError, match="--patch is 8; it must be at least 16"):
        SRResNet(spec(), patch=8)
    with pytest.raises(OptionError, match="--blocks is 0"):
        SRResNet(spec(), blocks=0)


def bars(n):
    """Images of one straight edge each, and their averages over 2 x 2."""
    angle, offset = 6.3 * torch.rand(n, 1, 1), 6 * torch.rand(n, 1, 1) - 3
    y, x = torch.meshgrid(torch.arange(16) - 7.5, torch.arange(16) - 7.5, indexing="ij")
    large = (x * angle.cos() + y * angle.sin() > offset).float()[:, None]
    return interpolate(large, scale_factor=0.5, mode="area"), large


def test_it_learns_to_enlarge_edges_better_than_bicubic_interpolation():
    torch.manual_seed(0)
    method = SRResNet(spec(8, 2), width=16, blocks=2, skip="bicubic")
    adam = torch.optim.Adam(method.parameters())
    for step in range(150):
        adam.param_groups[0]["lr"] = 3e-3 * (1 - step / 150)
        small, large = bars(16)
        (loss,) = method.losses(Batch(small, pair=large))
        adam.zero_grad()
        loss.value.backward()
        adam.step()
    small, large = bars(200)
    with torch.no_grad():
        ours = mse_loss(method.eval().translate(small), large)
    assert ours < 0.95 * mse_loss(enlarged(small, 16, 16).clamp(0, 1), large)

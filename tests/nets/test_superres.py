"""Super-resolution's nets: counts by hand, what a pixel depends on, aligned crops, the enlargement of the field."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tacit.errors import DataError
from tacit.nets.superres import PatchCritic, SuperResolution, aligned_crops, enlarged, scale_of
from tacit.protocol import Spec


def count(net):
    return sum(p.numel() for p in net.parameters())


def convolution(inputs, outputs, side, bias):
    return inputs * outputs * side**2 + bias * outputs


@pytest.mark.parametrize(("scale", "factors"), [(2, [2]), (3, [3]), (4, [2, 2]), (8, [2, 2, 2])])
def test_parameters_of_the_paper(scale, factors):
    norm, block = 2 * 64, 2 * convolution(64, 64, 3, False) + 2 * 2 * 64 + 1  # of its PReLU
    expected = convolution(3, 64, 9, True) + 1 + 16 * block + convolution(64, 64, 3, False) + norm
    expected += sum(convolution(64, 64 * f**2, 3, True) + 1 for f in factors) + convolution(64, 3, 9, True)
    assert count(SuperResolution(3, scale)) == expected
    assert scale != 4 or expected == 1_547_350


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_pixel_depends_on_what_the_radius_says_and_no_more(scale):
    torch.manual_seed(0)
    net = SuperResolution(1, scale, width=2, blocks=1).double().eval()
    side = 2 * net.radius + 5
    centre, found = side // 2, []
    for phase in (0, scale - 1):
        x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
        net(x)[0, 0, scale * centre + phase, scale * centre + phase].backward()
        rows = (x.grad[0, 0] != 0).any(1).nonzero().flatten()
        found += [centre - int(rows.min()), int(rows.max()) - centre]
    assert max(found) == net.radius


def test_a_block_adds_to_its_input_and_ends_in_a_norm():
    net = SuperResolution(3, 2, width=8, blocks=1)
    block = net.body[0]
    assert [type(m).__name__ for m in block.layers] == ["Conv2d", "BatchNorm2d", "PReLU", "Conv2d", "BatchNorm2d"]
    nn.init.zeros_(block.layers[-1].weight)
    x = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(block(x), x)


def test_critic_of_the_paper_at_96():
    critic = PatchCritic((3, 96, 96))
    convolutions = [m for m in critic.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [m.stride[0] for m in convolutions] == [1, 2] * 4
    assert len([m for m in critic.modules() if isinstance(m, nn.BatchNorm2d)]) == 7  # not on the first
    linear = [m for m in critic.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [(512 * 6 * 6, 1024), (1024, 1)]


@pytest.mark.parametrize(("side", "halvings"), [(8, 1), (16, 2), (32, 3), (33, 4), (48, 4)])
def test_critic_of_small_patches(side, halvings):
    critic = PatchCritic((1, side, side), 4)
    assert sum(m.stride[0] == 2 for m in critic.modules() if isinstance(m, nn.Conv2d)) == halvings
    assert critic(torch.rand(3, 1, side, side)).shape == (3,)


def test_crops_are_of_one_place():
    small = torch.arange(2 * 9 * 11).view(2, 1, 9, 11).float()
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.manual_seed(0)
    a, b = aligned_crops(small.repeat(50, 1, 1, 1), large.repeat(50, 1, 1, 1), 18)
    assert a.shape == (100, 1, 4, 4) and b.shape == (100, 1, 16, 16)
    torch.testing.assert_close(a.repeat_interleave(4, 2).repeat_interleave(4, 3), b)
    corners = a[:, 0, 0, 0] % 99
    assert (corners // 11).unique().tolist() == list(range(6)) and (corners % 11).unique().tolist() == list(range(8))


def test_small_images_are_taken_whole():
    x, y = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 16, 16)
    a, b = aligned_crops(x, y, 16)
    assert a is x and b is y
    a, b = aligned_crops(torch.rand(2, 1, 8, 40), torch.rand(2, 1, 16, 80), 32)
    assert a.shape == (2, 1, 8, 16) and b.shape == (2, 1, 16, 32)


def test_enlarged_as_pillow_does_it():
    x = np.random.default_rng(0).random((8, 6)).astype(np.float32)
    expected = np.asarray(Image.fromarray(x).resize((24, 32), Image.Resampling.BICUBIC))
    torch.testing.assert_close(enlarged(torch.from_numpy(x)[None, None], 32, 24)[0, 0], torch.tensor(expected))


@pytest.mark.parametrize(
    ("pair", "message"),
    [((), "the data are image 3 x 8 x 8 alone"), ((3, 40, 40), "with pairs of 3 x 40 x 40"),
     ((1, 16, 16), "with pairs of 1 x 16 x 16"), ((3, 16, 32), "with pairs of 3 x 16 x 32")],
)
def test_pairs_that_do_not_fit(pair, message):
    with pytest.raises(DataError, match=f"{message}; --derive low-resolution:4 makes pairs"):
        scale_of(Spec("image", (3, 8, 8), (0, 1), pair=pair))

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from tacit.functional.penalties import r1
from tacit.nets.r3 import Downsampled, R3Block, R3Discriminator, R3Generator, Upsampled

SHAPES = [(1, 8, 8), (3, 9, 13), (1, 28, 28), (3, 32, 32), (2, 33, 47)]


def awake(net: nn.Module) -> nn.Module:
    """The net with weights in the convolutions that start at zero, so that nothing hides behind them."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return net


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_comes_back_as_it_was_and_every_pixel_counts(shape):
    generator = awake(R3Generator(5, shape, width=4, group=4))
    judge = awake(R3Discriminator(shape, 3, width=4, group=4))
    made = generator(torch.randn(6, 5))
    assert made.shape == (6, *shape) and (made.std(0) > 0).all()
    x = torch.rand(2, *shape, requires_grad=True)
    out = judge(x)
    out.square().sum().backward()
    assert out.shape == (2, 3) and (x.grad != 0).any(1).float().mean() > 0.7  # the rest falls off the odd edge


def test_nothing_normalises_and_samples_are_apart():
    generator, judge = awake(R3Generator(5, (3, 16, 16), width=8)), awake(R3Discriminator((3, 16, 16), 1, width=8))
    kinds = {type(m).__name__ for net in (generator, judge) for m in net.modules()}
    assert not any("Norm" in kind for kind in kinds)
    x = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(judge(x)[:1], judge(x[:1]))
    layers = [m for net in (generator, judge) for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all(layer.bias is None for layer in layers)


def test_every_block_starts_as_the_identity():
    for net in (R3Generator(5, (3, 32, 32), blocks=2), R3Discriminator((3, 32, 32), 1, blocks=2)):
        blocks = [m for m in net.modules() if isinstance(m, R3Block)]
        assert len(blocks) == 8  # two at each of 32, 16, 8 and 4
        for block in blocks:
            x = torch.randn(2, block.layers[0].in_channels, 4, 4)
            assert torch.equal(block(x), x)


def test_the_block_is_its_slow_composition():
    torch.manual_seed(0)
    block = awake(R3Block(4, 2, 3))
    first, bias1, grouped, bias2, last = block.parameters()
    x = torch.randn(2, 4, 5, 5)
    h = leaky_relu(torch.einsum("oc,nchw->nohw", first[:, :, 0, 0], x) + bias1, 0.2)
    parts = [conv2d(h[:, i : i + 2], grouped[i : i + 2], padding=1) for i in range(0, 8, 2)]
    h = leaky_relu(torch.cat(parts, 1) + bias2, 0.2)
    torch.testing.assert_close(block(x), x + torch.einsum("oc,nchw->nohw", last[:, :, 0, 0], h))


def test_the_start_is_scaled_by_depth():
    for depth in (1, 16):
        first, _, grouped, _, last = R3Block(128, 16, depth).layers
        gain = math.sqrt(2 / 1.04) * depth**-0.25
        assert abs(first.weight.std() * math.sqrt(128) / gain - 1) < 0.03
        assert abs(grouped.weight.std() * math.sqrt(16 * 9) / gain - 1) < 0.03
        assert not last.weight.any()


def test_resampling_is_the_filter_of_one_two_one():
    """Repeated pixels, or pairs averaged, and the filter (1, 2, 1) / 4 along both axes; zeros beyond the edge."""
    x = torch.randn(2, 3, 6, 8, dtype=torch.double)
    line = torch.tensor([1.0, 2.0, 1.0], dtype=torch.double) / 4
    blur = (line[:, None] * line).expand(3, 1, 3, 3)
    up = conv2d(x.repeat_interleave(2, 2).repeat_interleave(2, 3), blur, padding=1, groups=3)
    torch.testing.assert_close(Upsampled().double()(x), up)
    down = conv2d(nn.functional.pad(x, (1, 1, 1, 1)), blur, padding=1, groups=3)
    expected = nn.functional.avg_pool2d(down[:, :, 1:-1, 1:-1], 2)
    torch.testing.assert_close(Downsampled().double()(x), expected)
    assert Downsampled()(torch.rand(1, 2, 7, 9)).shape == (1, 2, 3, 4)


def test_the_grid_is_scaled_by_the_noise():
    net = R3Generator(5, (3, 32, 32))
    z = torch.randn(4, 5)
    assert net.basis.shape == (96, 4, 4)
    torch.testing.assert_close(net(2 * z), 2 * net(z))  # linear until the residual blocks learn
    torch.manual_seed(0)
    deviation = R3Generator(64, (3, 32, 32))(torch.randn(64, 64)).std()
    assert 0.3 < deviation < 2


def test_double_backward_reaches_every_parameter():
    judge = awake(R3Discriminator((3, 16, 16), 1, width=8))
    x = torch.rand(2, 3, 16, 16, requires_grad=True)
    logits = judge(x)
    weights = {name: p for name, p in judge.named_parameters() if "bias" not in name}
    r1(logits, x).sum().backward(inputs=list(weights.values()), retain_graph=True)
    assert all(p.grad.any() for p in weights.values())  # the slope of leaky ReLUs is flat in their biases
    (nn.functional.softplus(-logits).mean() + r1(logits, x).mean()).backward()
    assert all(p.grad is not None and p.grad.any() for p in judge.parameters())


def test_the_penalty_is_what_finite_differences_say():
    judge = awake(R3Discriminator((1, 8, 8), 1, width=2, group=2)).double()
    x, step = torch.rand(1, 1, 8, 8, dtype=torch.double, requires_grad=True), 1e-6
    r1(judge(x), x).sum().backward()
    for parameter in (judge.stem.weight, judge.stages[0][0].layers[2].weight, judge.stages[1][1].weight):
        slope = parameter.grad.flatten()[0].item()
        values = []
        for sign in (1, -1):
            parameter.data.view(-1)[0] += sign * step
            values.append(r1(judge(x), x).item())
            parameter.data.view(-1)[0] -= sign * step
        assert abs((values[0] - values[1]) / (2 * step) - slope) < 1e-5 * (1 + abs(slope))


def test_features_are_the_stages_on_the_way():
    net = R3Discriminator((1, 28, 28), 2, width=8)
    made = net.features(torch.rand(2, 1, 28, 28))
    assert net.layers() == ["stage1", "stage2", "stage3", "stage4"]
    assert [tuple(f.shape[1:]) for f in made] == [(8, 28, 28), (16, 14, 14), (32, 7, 7), (64, 3, 3)]


def test_the_parameters_are_as_many_as_the_formula_says():
    def block(c: int, group: int) -> int:
        return 2 * c * c + 2 * c + 2 * c * group * 9 + 2 * c + 2 * c * c

    def count(net: nn.Module) -> int:
        return sum(p.numel() for p in net.parameters())

    common = 2 * (block(4, 8) + block(8, 8)) + 8 * 4 + 3 * 4 + 8 * 4 * 4  # two stages, change, stem or head, grid
    assert count(R3Generator(5, (3, 8, 8), width=4, blocks=2, group=8)) == common + 5 * 8
    assert count(R3Discriminator((3, 8, 8), 6, width=4, blocks=2, group=8)) == common + 8 * 6


def test_groups_are_as_wide_as_divides():
    assert [R3Block(channels, 16, 1).layers[2].groups for channels in (4, 12, 24, 48)] == [1, 3, 3, 6]


def test_the_judge_learns_to_tell_stripes() -> None:
    torch.manual_seed(0)
    net = R3Discriminator((1, 8, 8), 1, width=8)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)

    def batch() -> tuple[Tensor, Tensor]:
        label = torch.randint(2, (32,))
        stripes = (torch.arange(8) % 2).float().expand(32, 1, 8, 8)
        x = torch.where(label[:, None, None, None] > 0, stripes, stripes.mT) * torch.rand(32, 1, 1, 1)
        return x + 0.1 * torch.randn_like(x), label.float()[:, None]

    for _ in range(40):
        x, label = batch()
        loss = nn.functional.binary_cross_entropy_with_logits(net(x), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, label = batch()
    assert ((net(x) > 0) == (label > 0)).float().mean() > 0.9

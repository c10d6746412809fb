from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, max_pool2d, pad, unfold

from tacit.errors import OptionError
from tacit.nets.inception import BLOCKS, InceptionV3, load_inception, resize_tensorflow


@pytest.fixture(scope="module")
def net() -> InceptionV3:
    """The network with random weights, and statistics of batch norm that are not those it starts with."""
    torch.manual_seed(0)
    made = InceptionV3().eval()
    for name, tensor in made.state_dict().items():
        if ".bn." in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return made


def unit(net: nn.Module, name: str) -> Callable[..., Tensor]:
    """The unit of a name as the functions that it stands for."""
    part = net.get_submodule(name).state_dict()

    def apply(x: Tensor, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
        x = conv2d(x, part["conv.weight"], stride=stride, padding=padding)
        x = batch_norm(x, part["bn.running_mean"], part["bn.running_var"], part["bn.weight"], part["bn.bias"], eps=1e-3)
        return x.clamp_min(0)

    return apply


def neighbourhood_mean(x: Tensor) -> Tensor:
    """The mean of those of the nine neighbours that are there."""
    filled = pad(x, (1, 1, 1, 1), value=float("nan"))
    return unfold(filled, 3).view(*x.shape[:2], 9, *x.shape[2:]).nanmean(2)


def neighbourhood_greatest(x: Tensor) -> Tensor:
    filled = pad(x, (1, 1, 1, 1), value=-float("inf"))
    return unfold(filled, 3).view(*x.shape[:2], 9, *x.shape[2:]).amax(2)


def at_35(net: nn.Module, x: Tensor, block: str) -> list[Tensor]:
    u = lambda name: unit(net, f"{block}.{name}")  # noqa: E731
    five = u("branch5x5_2")(u("branch5x5_1")(x), padding=(2, 2))
    three = u("branch3x3dbl_2")(u("branch3x3dbl_1")(x), padding=(1, 1))
    three = u("branch3x3dbl_3")(three, padding=(1, 1))
    return [u("branch1x1")(x), five, three, u("branch_pool")(neighbourhood_mean(x))]


def to_17(net: nn.Module, x: Tensor, block: str) -> list[Tensor]:
    u = lambda name: unit(net, f"{block}.{name}")  # noqa: E731
    three = u("branch3x3dbl_2")(u("branch3x3dbl_1")(x), padding=(1, 1))
    return [u("branch3x3")(x, 2), u("branch3x3dbl_3")(three, 2), max_pool2d(x, 3, 2)]


def at_17(net: nn.Module, x: Tensor, block: str) -> list[Tensor]:
    u = lambda name: unit(net, f"{block}.{name}")  # noqa: E731
    wide, tall = (0, 3), (3, 0)  # padding of 1 x 7 and 7 x 1
    seven = u("branch7x7_3")(u("branch7x7_2")(u("branch7x7_1")(x), padding=wide), padding=tall)
    twice = u("branch7x7dbl_1")(x)
    for i, padding in enumerate([tall, wide, tall, wide], 2):
        twice = u(f"branch7x7dbl_{i}")(twice, padding=padding)
    return [u("branch1x1")(x), seven, twice, u("branch_pool")(neighbourhood_mean(x))]


def to_8(net: nn.Module, x: Tensor, block: str) -> list[Tensor]:
    u = lambda name: unit(net, f"{block}.{name}")  # noqa: E731
    seven = u("branch7x7x3_2")(u("branch7x7x3_1")(x), padding=(0, 3))
    seven = u("branch7x7x3_3")(seven, padding=(3, 0))
    return [u("branch3x3_2")(u("branch3x3_1")(x), 2), u("branch7x7x3_4")(seven, 2), max_pool2d(x, 3, 2)]


def at_8(net: nn.Module, x: Tensor, block: str) -> list[Tensor]:
    u = lambda name: unit(net, f"{block}.{name}")  # noqa: E731
    three, twice = u("branch3x3_1")(x), u("branch3x3dbl_2")(u("branch3x3dbl_1")(x), padding=(1, 1))
    pooled = (neighbourhood_greatest if block == "Mixed_7c" else neighbourhood_mean)(x)
    return [u("branch1x1")(x), u("branch3x3_2a")(three, padding=(0, 1)), u("branch3x3_2b")(three, padding=(1, 0)),
            u("branch3x3dbl_3a")(twice, padding=(0, 1)), u("branch3x3dbl_3b")(twice, padding=(1, 0)),
            u("branch_pool")(pooled)]


SLOW = {
    "Mixed_5b": at_35, "Mixed_5c": at_35, "Mixed_5d": at_35, "Mixed_6a": to_17, "Mixed_6b": at_17, "Mixed_6c": at_17,
    "Mixed_6d": at_17, "Mixed_6e": at_17, "Mixed_7a": to_8, "Mixed_7b": at_8, "Mixed_7c": at_8,
}
STEM = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
CHANNELS = [192, 256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]


def test_every_block_is_the_one_composed_by_hand(net: InceptionV3) -> None:
    assert list(BLOCKS) == list(SLOW)
    with torch.no_grad():
        for block, inputs, outputs in zip(SLOW, CHANNELS, CHANNELS[1:], strict=False):
            x = torch.rand(1, inputs, 4, 5)
            expected = torch.cat(SLOW[block](net, x, block), 1)
            found = net.get_submodule(block)(x)
            assert found.shape[1] == outputs
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, msg=block)


def test_an_average_at_the_border_leaves_the_padding_out(net: InceptionV3) -> None:
    x = torch.ones(1, 192, 3, 3)
    with torch.no_grad():
        pooled = net.get_submodule("Mixed_5b").follow("branch_pool", x)
    torch.testing.assert_close(pooled, pooled[..., :1, :1].expand_as(pooled))


def test_it_has_as_many_weights_as_are_published(net: InceptionV3) -> None:
    """Keras counts 21,802,784 without the classes, of which biases and statistics of batch norm are 51,648."""
    convolutions = sum(p.numel() for name, p in net.named_parameters() if ".conv." in name)
    assert convolutions == 21_802_784 - 51_648
    assert sum(p.numel() for p in net.parameters()) == convolutions + 2 * 17_216 + 2048 * 1008 + 1008 == 23_850_960
    assert len(net.state_dict()) == 94 * 6 + 2


def test_maps_have_the_sizes_of_the_paper(net: InceptionV3) -> None:
    made: dict[str, Tensor] = {}
    hooks = [module.register_forward_hook(lambda _, __, out, name=name: made.update({name: out}))
             for name, module in net.named_children()]
    fed: list[Tensor] = []
    hooks.append(net.fc.register_forward_pre_hook(lambda _, x: fed.extend(x)))
    with torch.no_grad():
        assert net.logits(torch.rand(1, 3, 32, 20)).shape == (1, 1008)
    for hook in hooks:
        hook.remove()
    assert [tuple(made[name].shape[1:]) for name in STEM] == [
        (32, 149, 149), (32, 147, 147), (64, 147, 147), (80, 73, 73), (192, 71, 71)]
    sides = [35] * 3 + [17] * 5 + [8] * 3
    assert [tuple(made[name].shape[1:]) for name in BLOCKS] == [
        (c, s, s) for c, s in zip(CHANNELS[1:], sides, strict=True)]
    torch.testing.assert_close(fed[0], made["Mixed_7c"].flatten(2).mean(2))


class Seen(Exception):
    """Carries what the first convolution is given."""


def first_input(net: InceptionV3, x: Tensor) -> Tensor:
    def tell(_: nn.Module, given: tuple[Tensor]) -> None:
        raise Seen(given[0])

    hook = net.Conv2d_1a_3x3.register_forward_pre_hook(tell)
    with pytest.raises(Seen) as caught:
        net(x)
    hook.remove()
    seen: Tensor = caught.value.args[0]
    return seen


def test_eight_bits_and_floats_are_the_same_images(net: InceptionV3) -> None:
    levels = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    seen = first_input(net, levels)
    assert seen.shape == (1, 3, 299, 299)
    assert seen.amin((0, 2, 3)).tolist() == seen.amax((0, 2, 3)).tolist() == [-1, 0, 127 / 128]
    torch.testing.assert_close(first_input(net, levels / 255), seen, rtol=0, atol=1e-6)


def test_resizing_keeps_the_first_corner_and_repeats_the_last() -> None:
    x = torch.tensor([[0.0, 1.0], [4.0, 5.0]]).view(1, 1, 2, 2)
    row = torch.tensor([0, 0.5, 1, 1])  # at 0, 1/2, 1 and 3/2, beyond which there is nothing
    expected = row + 4 * row[:, None]
    assert torch.equal(resize_tensorflow(x, 4, 4)[0, 0], expected)
    line = torch.tensor([3.0, 5.0, 9.0]).view(1, 1, 1, 3)
    assert resize_tensorflow(line, 1, 2).flatten().tolist() == [3, 7]  # at 0 and 3/2: no antialiasing


@pytest.mark.parametrize(("height", "width"), [(9, 4), (5, 7), (2, 16), (1, 1)])
def test_resizing_is_tensorflows_formula(height: int, width: int) -> None:
    x = torch.rand(2, 3, 5, 7)
    found = resize_tensorflow(x, height, width)
    for i in range(height):
        for j in range(width):
            y, z = i * 5 / height, j * 7 / width
            top, left = int(y), int(z)
            bottom, right, dy, dz = min(top + 1, 4), min(left + 1, 6), y - top, z - left
            upper = x[..., top, left] * (1 - dz) + x[..., top, right] * dz
            lower = x[..., bottom, left] * (1 - dz) + x[..., bottom, right] * dz
            torch.testing.assert_close(found[..., i, j], upper * (1 - dy) + lower * dy)


def test_a_file_of_its_weights_is_loaded(net: InceptionV3, tmp_path: Path) -> None:
    path = tmp_path / "pt_inception.safetensors"
    tensors = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}  # older files
    safetensors.torch.save_file(tensors, path)
    loaded = load_inception(path)
    assert not loaded.training
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in tensors.items())


def test_another_nets_weights_are_refused(net: InceptionV3, tmp_path: Path) -> None:
    path, names = tmp_path / "other.pth", dict.fromkeys(net.state_dict(), torch.zeros(1))
    torch.save(names | {"AuxLogits.fc.bias": torch.zeros(1)}, path)
    with pytest.raises(OptionError, match="does not fit InceptionV3: it holds 'AuxLogits.fc.bias', which"):
        load_inception(path)
    torch.save(names, path)
    with pytest.raises(OptionError, match=r"'.*' has shape \(1,\); InceptionV3 expects \("):
        load_inception(path)

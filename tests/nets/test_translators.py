"""Generators and discriminators of image translation: the papers' sizes, and any size of images."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from tacit.errors import DataError, OptionError
from tacit.nets.conv import initialise
from tacit.nets.translators import (
    KeptDropout,
    PatchGAN,
    ResNetGenerator,
    UNetGenerator,
    halvings_of,
    image_norm,
    layers_of,
    patch,
)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_parameters_are_as_many_as_in_the_authors_code() -> None:
    with torch.device("meta"):
        assert count(ResNetGenerator(3, 3)) == 11_378_179
        for norm in (image_norm, nn.BatchNorm2d):
            assert count(UNetGenerator(3, 3, norm=norm)) == 54_413_955
            assert count(PatchGAN(6, norm=norm)) == 2_768_705
        assert count(PatchGAN(3)) == 2_764_737


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_logit_depends_on_one_patch(layers: int) -> None:
    torch.manual_seed(0)
    net = PatchGAN(1, 2, layers, norm=lambda _: nn.Identity())  # a norm looks at the whole image
    x = torch.rand(1, 1, 128, 128, requires_grad=True)
    logits = net(x)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    rows, columns = x.grad[0, 0].nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == patch(layers)


def test_three_layers_judge_70_by_70_pixels_900_times() -> None:
    assert patch(3) == 70
    assert PatchGAN(3, 2)(torch.rand(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_norms_follow_all_but_the_first_and_last_layer_of_the_judge() -> None:
    kinds = [type(m) for m in PatchGAN(3).layers]
    conv, leaky, norm = nn.Conv2d, nn.LeakyReLU, nn.InstanceNorm2d
    assert kinds == [conv, leaky, *[conv, norm, leaky] * 3, conv]
    convs = [m for m in PatchGAN(3).layers if isinstance(m, conv)]
    assert [c.stride[0] for c in convs] == [2, 2, 2, 1, 1]
    assert [c.out_channels for c in convs] == [64, 128, 256, 512, 1]


def test_the_unets_dropout_is_in_its_three_innermost_doublings() -> None:
    with torch.device("meta"):
        net = UNetGenerator(3, 3)
    kept = [any(isinstance(m, KeptDropout) for m in block) for block in net.up]
    assert kept == [True] * 3 + [False] * 5
    assert [type(block[-1]) for block in net.down[1:]] == [nn.InstanceNorm2d] * 6 + [nn.Identity]


def test_what_the_innermost_pixel_holds_reaches_the_output() -> None:
    torch.manual_seed(0)
    net, x = UNetGenerator(1, 1, 4, halvings_of((1, 16, 16))).eval(), torch.rand(1, 1, 16, 16)
    inner: list[torch.Tensor] = []
    net.down[-1].register_forward_hook(lambda _m, _i, out: inner.append(out))
    net(x).sum().backward()
    assert inner[0].shape[2:] == (1, 1) and inner[0].abs().min() > 0
    assert net.down[-1][1].weight.grad.abs().sum() > 0


def test_conv_biases_only_before_norms_without_biases() -> None:
    def before_norms(net: nn.Module) -> set[bool]:
        layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d)]
        pairs = zip(layers, layers[1:], strict=False)
        return {a.bias is not None for a, b in pairs if isinstance(b, nn.InstanceNorm2d)}

    assert before_norms(ResNetGenerator(1, 1, 4, 2)) == before_norms(PatchGAN(1, 4)) == {True}
    assert before_norms(UNetGenerator(1, 1, 4)) == before_norms(PatchGAN(1, 4, norm=image_norm)) == {False}


def test_image_norm_is_batch_norm_with_batches_of_one() -> None:
    norm, x = image_norm(3), torch.randn(4, 3, 5, 5)
    batch = nn.BatchNorm2d(3)
    for net in (norm, batch):
        torch.manual_seed(0)
        initialise(net)
    assert 0 < (norm.weight - 1).abs().max() < 0.1
    torch.testing.assert_close(norm(x), torch.cat([batch(one[None]) for one in x]))


def test_initial_weights() -> None:
    torch.manual_seed(0)
    net = UNetGenerator(3, 3, 16, 5).apply(initialise)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert abs(layer.weight.mean()) < 0.004 and 0.015 < layer.weight.std() < 0.025
            assert layer.bias is None or not layer.bias.any()
    gains = torch.cat([m.weight for m in net.modules() if isinstance(m, nn.InstanceNorm2d)])
    assert abs(gains.mean() - 1) < 0.01 and 0.015 < gains.std() < 0.025


@pytest.mark.parametrize("size", [(8, 8), (9, 23), (28, 28), (33, 64)])
def test_images_of_any_size_come_back_as_large(size: tuple[int, int]) -> None:
    shape = (3, *size)
    x = torch.rand(2, *shape)
    for net in (ResNetGenerator(3, 1, 2, 1), UNetGenerator(3, 1, 2, halvings_of(shape))):
        made = net(x)
        assert made.shape == (2, 1, *size) and made.abs().max() <= 1
    assert PatchGAN(3, 2, layers_of(shape))(x).numel() >= 2


@pytest.mark.parametrize("kind", [ResNetGenerator, UNetGenerator])
def test_odd_sizes_are_reflected_evenly_and_cropped(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net, x = kind(1, 1, 2, 3).eval(), torch.rand(1, 1, 13, 14)
    larger = nn.functional.pad(x, (1, 1, 1, 2), mode="reflect")  # 16 x 16
    torch.testing.assert_close(net(x), net(larger)[:, :, 1:14, 1:15])


@pytest.mark.parametrize("kind", [ResNetGenerator, UNetGenerator])
def test_an_image_does_not_depend_on_the_others(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net, x = kind(1, 1, 4, 5).eval(), torch.rand(4, 1, 32, 32)
    with torch.no_grad():
        together = net(x)
        torch.testing.assert_close(together, torch.cat([net(one[None]) for one in x]))
        assert torch.equal(together, net(x))


def test_kept_dropout_outside_training_is_one_mask_of_the_right_mean() -> None:
    layer, x = KeptDropout(0.25), torch.ones(3, 8, 16, 16)
    drawn = layer(x)
    assert abs((drawn == 0).float().mean() - 0.25) < 0.03
    assert not torch.equal(drawn[0], drawn[1])
    kept = layer.eval()(x)
    assert torch.equal(kept[0], kept[1]) and torch.equal(kept, layer(x))
    assert set(kept.unique().tolist()) == {0.0, torch.tensor(4 / 3).item()}
    assert abs((kept == 0).float().mean() - 0.25) < 0.05


def test_patches_fit_into_the_image() -> None:
    for side in (16, 33, 34, 69, 70, 400):
        layers = layers_of((1, side, 500))
        assert patch(layers) <= side and (layers == 3 or patch(layers + 1) > side)
    with pytest.raises(OptionError, match="--layers is 4; images of 32 x 40 are judged with at most 3"):
        layers_of((1, 32, 40), 4)
    assert PatchGAN(1, 2, layers_of((1, 32, 40), 3))(torch.rand(1, 1, 32, 40)).numel()


def test_what_is_too_small_or_too_deep_is_refused_with_the_mend() -> None:
    for ask in (layers_of, halvings_of):
        with pytest.raises(DataError, match="images are 7 x 9 .* 8 x 8 and larger; --size 8 enlarges them"):
            ask((3, 7, 9))
    with pytest.raises(OptionError, match="--depth is 6; images of 32 x 64 are halved at most 5 times"):
        halvings_of((3, 32, 64), 6)
    assert halvings_of((3, 32, 64), 2) == 2 and halvings_of((3, 2**9, 2**9), 9) == 9
    assert halvings_of((3, 4096, 4096)) == 8 and math.log2(32) == halvings_of((3, 63, 32))


def test_images_without_enough_to_be_reflected_are_refused() -> None:
    with pytest.raises(DataError, match="images are 15 x 32 and this translator takes 16 x 16 and larger"):
        UNetGenerator(1, 1, 2, 5)(torch.rand(1, 1, 15, 32))
    with pytest.raises(DataError, match="images are 8 x 7 and this translator takes 8 x 8 and larger"):
        ResNetGenerator(1, 1, 2, 1)(torch.rand(1, 1, 8, 7))
    assert UNetGenerator(1, 1, 2, 5)(torch.rand(1, 1, 16, 17)).shape == (1, 1, 16, 17)

"""Images of any size through a translator: tiles agree with the whole, and sizes are kept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tacit.errors import DataError
from tacit.methods.adversarial.cyclegan import CycleGAN
from tacit.methods.adversarial.pix2pix import Pix2Pix
from tacit.protocol import Chain, Method, Reach, Spec
from tacit.runs.tiling import at_size, translated


class Blur(Method):
    """Three convolutions, which look 3 pixels far, then an enlargement."""

    accepts = ("image",)

    def __init__(self, spec: Spec, reach: Reach | None) -> None:
        super().__init__(spec)
        torch.manual_seed(0)
        norms = [nn.InstanceNorm2d(1)] if reach and reach.pixels is None else []
        self.net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect") for _ in range(3)), *norms)
        self.zoom = reach.zoom if reach else 1
        self.sizes: list[tuple[int, int]] = []
        if reach is not None:
            self.reach = reach

    def translate(self, x: Tensor, *, to: Any = None) -> Tensor:
        self.sizes.append((x.shape[2], x.shape[3]))
        return interpolate(self.net(x), scale_factor=self.zoom, mode="nearest")


def run_of(reach: Reach | None) -> Any:
    chain = Chain(Blur(Spec("image", (1, 16, 16), (0.0, 1.0)), reach))
    return SimpleNamespace(chain=chain, method=chain.method, spec=chain.spec, parent=None, device=torch.device("cpu"))


@pytest.mark.parametrize("zoom", [1, 2])
def test_tiles_are_what_the_whole_image_gives(zoom: int) -> None:
    run = run_of(Reach(multiple=4, pixels=3, zoom=zoom))
    x = torch.rand(1, 90, 57)
    whole = translated(run, x)
    assert whole.shape == (1, 90 * zoom, 57 * zoom) and run.method.sizes == [(92, 60)]
    tiled = translated(run, x, pixels=(32 * zoom) ** 2)
    assert max(max(size) for size in run.method.sizes[1:]) <= 32 and len(run.method.sizes) > 5
    torch.testing.assert_close(tiled, whole)


def test_a_net_that_looks_everywhere_sees_all_of_an_image_at_once() -> None:
    """Half dark, half light: norms over tiles would give both halves the same grey."""
    run = run_of(Reach(multiple=4))
    x = torch.cat([torch.zeros(1, 96, 48), torch.ones(1, 96, 48)], 2) + 0.01 * torch.rand(1, 96, 96)
    whole = translated(run, x, pixels=40**2)
    assert run.method.sizes == [(96, 96)]
    smaller = translated(run, x, most=48**2)
    assert run.method.sizes[1:] == [(48, 48)] and smaller.shape == whole.shape
    assert at_size(run, x.shape, 48**2) == (48, 48) and at_size(run, x.shape) is None
    assert (smaller - whole.clamp(0, 1)).abs().mean() < 0.1


def test_a_net_that_looks_far_gets_larger_tiles() -> None:
    run = run_of(Reach(multiple=1, pixels=20))
    translated(run, torch.rand(1, 300, 90), pixels=32**2)
    assert max(h for h, _ in run.method.sizes) == 81


@pytest.mark.parametrize("size", [(8, 9), (33, 17)])
def test_odd_images_keep_their_size(size: tuple[int, int]) -> None:
    run = run_of(Reach(multiple=8, zoom=2))
    assert translated(run, torch.rand(1, *size)).shape == (1, 2 * size[0], 2 * size[1])
    assert all(h % 8 == 0 and w % 8 == 0 for h, w in run.method.sizes)


def test_tiny_images_are_refused_by_the_size_that_they_have() -> None:
    with pytest.raises(DataError, match="images are 5 x 3 and this translator takes 8 x 8 and larger"):
        translated(run_of(Reach(multiple=4)), torch.rand(1, 5, 3))
    assert translated(run_of(Reach(zoom=2)), torch.rand(1, 5, 3)).shape == (1, 10, 6)


@pytest.mark.parametrize("size", [(12, 10), (28, 28), (33, 47)])
def test_images_lie_among_their_continuation_as_in_training(size: tuple[int, int]) -> None:
    spec = Spec("image", (1, *size), (0.0, 1.0), pair=(1, *size))
    for method in (Pix2Pix(spec, width=2), CycleGAN(spec, width=2, blocks=1)):
        chain, x = Chain(method.eval()), torch.rand(2, 1, *size)
        run = SimpleNamespace(chain=chain, method=method, spec=spec, parent=None, device=torch.device("cpu"))
        with torch.inference_mode():
            direct = method.translate(x)
        torch.testing.assert_close(torch.stack([translated(run, one) for one in x]), direct)


def test_a_translator_of_one_size_is_given_that() -> None:
    run = run_of(None)
    assert translated(run, torch.rand(1, 50, 30)).shape == (1, 50, 30)
    assert run.method.sizes == [(16, 16)]

"""Augmentation of images: tensor code over a whole batch, on its device, with parameters of its own for each sample."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from tacit.errors import OptionError, did_you_mean

__all__ = [
    "OPERATIONS", "Augment", "affine", "blur", "colour", "crop", "erase", "flip", "grey", "jitter", "noise", "zoom"
]

Operation = Callable[[Tensor, Generator], Tensor]
"""From images, (N, C, H, W), to images."""

Window = Callable[[Tensor, Generator], Tensor]
"""From images to where each pixel comes from: matrices of `affine_grid`, (N, 2, 3)."""

Colouring = Callable[[Tensor, Generator], tuple[Tensor, Tensor]]
"""From the mean colour of images, (N, C, 1), to a change x -> A x + b of their colours: (N, C, C) and (N, C, 1)."""


@dataclass(frozen=True)
class Augment:
    """Operations, one after the other, on images (N, C, H, W) in [0, 1]; all randomness comes from the generator.

    Changes of colour that follow one another are made as one, and so are a window and the mirroring that follows it:
    each pixel is read and written once, and cut to [0, 1] at the end only.

    Arguments:
        names: Of `OPERATIONS`, in the order in which they act.

    Example:
        >>> augment = Augment.parse("flip,crop")
        >>> augment(torch.rand(4, 3, 8, 8), Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])
    """

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, listed: str) -> Self:
        """Reads names that commas separate.

        Raises:
            OptionError: If a name is unknown.
        """
        names = tuple(name.strip() for name in listed.split(",") if name.strip())
        for name in names:
            if name not in OPERATIONS:
                raise OptionError(f"augmentation {name!r} is unknown; there are {', '.join(OPERATIONS)}."
                                  + did_you_mean(name, OPERATIONS))
        return cls(names)

    def __bool__(self) -> bool:
        """Returns whether there is anything to do."""
        return bool(self.names)

    def __str__(self) -> str:
        """Returns what `parse` reads."""
        return ",".join(self.names)

    def __call__(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Returns images of the same shape and range, in full precision whatever the forward around it has.

        Arguments:
            x: Images, (N, C, H, W).
            generator: The source of randomness; by default one that torch's global generator seeds.
        """
        source = generator or Generator(x.device).manual_seed(int(torch.randint(2**62, ())))
        with torch.autocast(x.device.type, enabled=False):
            for together, names in itertools.groupby(self.names, key=fused_as):
                if together is windowed:
                    x = windowed(x, source, [WINDOWS[name] for name in names])
                elif together is recoloured:
                    x = recoloured(x, source, [COLOURINGS[name] for name in names])
                else:
                    for name in names:
                        x = OPERATIONS[name](x, source)
        return x


def fused_as(name: str) -> Callable[..., Tensor] | None:
    """Returns what makes an operation together with others of its kind, if anything does."""
    return windowed if name in WINDOWS else recoloured if name in COLOURINGS else None


def windowed(x: Tensor, generator: Generator, windows: Sequence[Window]) -> Tensor:
    """Returns images as seen through windows, one after the other, each value interpolated once."""
    if windows == [mirroring]:
        return flip(x, generator)  # bit for bit, and at no interpolation's cost
    total = windows[0](x, generator)
    for window in windows[1:]:
        theta = window(x, generator)
        turn = total[:, :, :2]
        total = torch.cat([turn @ theta[:, :, :2], turn @ theta[:, :, 2:] + total[:, :, 2:]], dim=2)
    grid = F.affine_grid(total, list(x.shape), align_corners=False)  # (N, H, W, 2)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False).clamp_(0, 1)


def recoloured(x: Tensor, generator: Generator, colourings: Sequence[Colouring]) -> Tensor:
    """Returns images whose colours are changed in several ways, one after the other."""
    pixels = x.flatten(2)  # (N, C, H W)
    mean = pixels.mean(2, keepdim=True)
    matrix, offset = torch.eye(x.shape[1], device=x.device, dtype=x.dtype), torch.zeros_like(mean)
    for colouring in colourings:
        turn, shift = colouring(mean, generator)
        matrix, offset, mean = turn @ matrix, turn @ offset + shift, turn @ mean + shift
    return torch.baddbmm(offset, matrix, pixels).clamp_(0, 1).view_as(x)


def crop(x: Tensor, generator: Generator, share: float = 1 / 8, reflect: bool = True) -> Tensor:
    """Returns images shifted by whole pixels: a crop out of the padded image.

    Arguments:
        x: Images, (N, C, H, W).
        generator: Of the shifts.
        share: Greatest shift in heights and widths.
        reflect: Whether the padding is the mirrored image; otherwise it is 0.
    """
    n, c, h, w = x.shape
    down, right = (_shift(x, generator, size, share) for size in (h, w))  # each (N, 1)
    rows = torch.arange(h, device=x.device) + down  # (N, H)
    columns = torch.arange(w, device=x.device) + right  # (N, W)
    place = _mirrored(rows, h)[:, :, None] * w + _mirrored(columns, w)[:, None, :]  # (N, H, W)
    moved = x.flatten(2).gather(2, place.view(n, 1, h * w).expand(n, c, h * w)).view(n, c, h, w)
    if reflect:
        return moved
    inside = ((rows >= 0) & (rows < h))[:, None, :, None] & ((columns >= 0) & (columns < w))[:, None, None, :]
    return moved * inside


def flip(x: Tensor, generator: Generator, share: float = 0.5) -> Tensor:
    """Returns images of which a share, drawn one by one, is mirrored left to right."""
    return torch.where(_uniform(x, generator) < share, x.flip(3), x)


def zoom(x: Tensor, generator: Generator, least: float = 0.2, most: float = 1.0, stretch: float = 4 / 3) -> Tensor:
    """Returns a random window of each image, brought back to the image's size by bilinear interpolation.

    A window that would be wider or higher than the image is cut to it.

    Arguments:
        x: Images, (N, C, H, W).
        generator: Of the windows.
        least: Least area of the window, of the image's.
        most: Greatest area.
        stretch: Greatest ratio of the window's sides, in heights and widths of the image.

    References:
        Szegedy et al. 2014, arXiv:1409.4842 (section 6). Chen et al. 2020, arXiv:2002.05709 (appendix A).
    """
    return windowed(x, generator, [partial(window, least=least, most=most, stretch=stretch)])


def window(x: Tensor, generator: Generator, least: float = 0.2, most: float = 1.0, stretch: float = 4 / 3) -> Tensor:
    """Returns the windows of `zoom`, (N, 2, 3)."""
    side = _uniform(x, generator, least, most).sqrt().view(-1)
    ratio = _uniform(x, generator, -0.5, 0.5).mul(math.log(stretch)).exp().view(-1)  # root of height over width
    height, width = (side * ratio).clamp(max=1), (side / ratio).clamp(max=1)
    down, right = ((1 - size) * _uniform(x, generator, -1, 1).view(-1) for size in (height, width))
    zero = torch.zeros_like(side)
    return torch.stack([width, zero, right, zero, height, down], dim=1).view(-1, 2, 3)


def mirroring(x: Tensor, generator: Generator, share: float = 0.5) -> Tensor:
    """Returns the windows that mirror a share of images left to right, (N, 2, 3)."""
    side = torch.where(_uniform(x, generator).view(-1) < share, -1.0, 1.0).to(x)
    zero = torch.zeros_like(side)
    return torch.stack([side, zero, zero, zero, zero + 1, zero], dim=1).view(-1, 2, 3)


def affine(x: Tensor, generator: Generator, degrees: float = 10.0, zoom: float = 0.1, share: float = 1 / 16) -> Tensor:
    """Returns images turned, zoomed and shifted, mirrored at the border.

    Arguments:
        x: Images, (N, C, H, W).
        generator: Of the parameters.
        degrees: Greatest angle either way.
        zoom: Greatest change of size either way, as a share.
        share: Greatest shift either way in heights and widths.
    """
    h, w = x.shape[2:]
    angle = math.radians(degrees) * _uniform(x, generator, -1, 1).view(-1)
    size = 1 + zoom * _uniform(x, generator, -1, 1).view(-1)
    right, down = (2 * share * _uniform(x, generator, -1, 1).view(-1) for _ in range(2))  # the image spans [-1, 1]
    cos, sin = angle.cos() / size, angle.sin() / size
    theta = torch.stack([cos, -sin * (h / w), right, sin * (w / h), cos, down], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)  # (N, H, W, 2)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False).clamp(0, 1)


def colour(x: Tensor, generator: Generator, brightness: float = 0.2, contrast: float = 0.2, saturation: float = 0.3,
           hue: float = 0.05) -> Tensor:
    """Returns images of changed brightness and contrast and, where they have three channels, saturation and hue.

    Arguments:
        x: Images, (N, C, H, W).
        generator: Of the parameters.
        brightness: Greatest change either way, as a share.
        contrast: Greatest change either way around the image's mean, as a share.
        saturation: Greatest change either way, as a share.
        hue: Greatest turn of the hue either way, in full turns.
    """
    change = partial(colouring, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
    return recoloured(x, generator, [change])


def colouring(mean: Tensor, generator: Generator, brightness: float = 0.2, contrast: float = 0.2,
              saturation: float = 0.3, hue: float = 0.05) -> tuple[Tensor, Tensor]:
    """Returns the changes of `colour`, (N, C, C) and (N, C, 1), for images of some mean colour, (N, C, 1)."""
    matrix = _identity(mean)
    if mean.shape[1] == 3:
        chroma = 1 + saturation * _uniform(mean, generator, -1, 1).view(-1)
        turn = 2 * math.pi * hue * _uniform(mean, generator, -1, 1).view(-1)
        matrix = _colour_matrix(chroma, turn)
    bright = 1 + brightness * _uniform(mean, generator, -1, 1).view(-1, 1, 1)
    strong = 1 + contrast * _uniform(mean, generator, -1, 1).view(-1, 1, 1)
    middle = (bright * (matrix @ mean)).mean(1, keepdim=True)  # (N, 1, 1)
    return strong * bright * matrix, ((1 - strong) * middle).expand_as(mean)


def jitter(x: Tensor, generator: Generator, share: float = 0.8) -> Tensor:
    """Returns images of which a share, drawn one by one, has its colours changed about twice as far as by `colour`.

    References:
        Chen et al. 2020, arXiv:2002.05709 (appendix B.9: the strength for CIFAR-10).
    """
    return recoloured(x, generator, [partial(jittering, share=share)])


def jittering(mean: Tensor, generator: Generator, share: float = 0.8) -> tuple[Tensor, Tensor]:
    """Returns the changes of `jitter`, (N, C, C) and (N, C, 1), for images of some mean colour, (N, C, 1)."""
    matrix, offset = colouring(mean, generator, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    changed = _uniform(mean, generator).view(-1, 1, 1) < share
    return torch.where(changed, matrix, _identity(mean)), offset * changed


def grey(x: Tensor, generator: Generator, share: float = 0.1) -> Tensor:
    """Returns images of three channels of which a share, drawn one by one, has lost its colours; others as they are."""
    return recoloured(x, generator, [partial(greying, share=share)])


def greying(mean: Tensor, generator: Generator, share: float = 0.1) -> tuple[Tensor, Tensor]:
    """Returns the changes of `grey`, (N, C, C) and (N, C, 1), for images of some mean colour, (N, C, 1)."""
    matrix = _identity(mean)
    if mean.shape[1] == 3:
        luma = _yiq(mean.device, mean.dtype)[0][0].expand(3, 3)
        matrix = torch.where(_uniform(mean, generator).view(-1, 1, 1) < share, luma, matrix)
    return matrix, torch.zeros_like(mean)


def blur(x: Tensor, generator: Generator, share: float = 1 / 32) -> Tensor:
    """Returns images blurred by Gaussians.

    Arguments:
        x: Images, (N, C, H, W).
        generator: Of the Gaussians' widths.
        share: Greatest standard deviation, in heights or widths, whichever is greater.
    """
    n, c, h, w = x.shape
    widest = share * max(h, w)
    reach = math.ceil(3 * widest)
    sigma = _uniform(x, generator, 0.05 * widest, widest).view(-1, 1)
    offsets = torch.arange(-reach, reach + 1, device=x.device)
    weight = torch.softmax(-0.5 * (offsets / sigma) ** 2, dim=1)  # (N, K): a Gaussian that sums to 1
    weight = weight.repeat_interleave(c, 0).view(n * c, 1, 1, -1)
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate").reshape(1, n * c, h + 2 * reach, w + 2 * reach)
    across = F.conv2d(padded, weight, groups=n * c)  # (1, N C, H + 2 reach, W)
    return F.conv2d(across, weight.transpose(2, 3), groups=n * c).view(n, c, h, w).clamp(0, 1)


def noise(x: Tensor, generator: Generator, most: float = 0.1) -> Tensor:
    """Returns images with Gaussian noise whose standard deviation is drawn from 0 to `most`."""
    grain = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
    return (x + _uniform(x, generator, 0, most) * grain).clamp(0, 1)


def erase(x: Tensor, generator: Generator, share: float = 0.5, least: float = 0.02, most: float = 0.2) -> Tensor:
    """Returns images of which a share, drawn one by one, has a rectangle replaced by noise.

    Arguments:
        x: Images, (N, C, H, W).
        generator: Of the rectangles and the noise.
        share: Of images that lose a rectangle.
        least: Least area of the rectangle, of the image's.
        most: Greatest area.

    References:
        Zhong et al., Random Erasing Data Augmentation, 2017, arXiv 1708.04896.
    """
    h, w = x.shape[2:]
    area = _uniform(x, generator, least, most)
    stretch = _uniform(x, generator, -0.5, 0.5).exp2()  # root of height over width, in image heights and widths
    rows = _span(x, generator, h, area.sqrt() * stretch).view(-1, 1, h, 1)
    columns = _span(x, generator, w, area.sqrt() / stretch).view(-1, 1, 1, w)
    gone = rows & columns & (_uniform(x, generator) < share)  # (N, 1, H, W)
    grain = torch.rand(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
    return torch.where(gone, grain, x)


OPERATIONS: Mapping[str, Operation] = {
    "crop": crop,
    "flip": flip,
    "zoom": zoom,
    "affine": affine,
    "colour": colour,
    "jitter": jitter,
    "grey": grey,
    "blur": blur,
    "noise": noise,
    "erase": erase,
}


WINDOWS: Mapping[str, Window] = {"flip": mirroring, "zoom": window}
COLOURINGS: Mapping[str, Colouring] = {"colour": colouring, "jitter": jittering, "grey": greying}


def _identity(mean: Tensor) -> Tensor:
    """Returns a matrix on colours for each sample that leaves them as they are, (N, C, C)."""
    channels = mean.shape[1]
    return torch.eye(channels, device=mean.device, dtype=mean.dtype).expand(len(mean), channels, channels)


def _uniform(x: Tensor, generator: Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Returns one number in [low, high) for each sample, (N, 1, 1, 1)."""
    drawn = torch.rand(len(x), 1, 1, 1, generator=generator, device=generator.device, dtype=x.dtype)
    return drawn.to(x.device).mul_(high - low).add_(low)


def _shift(x: Tensor, generator: Generator, size: int, share: float) -> Tensor:
    """Returns one whole number of pixels in [-share size, share size] for each sample, (N, 1)."""
    most = min(round(share * size), size - 1)
    drawn = torch.randint(-most, most + 1, (len(x), 1), generator=generator, device=generator.device)
    return drawn.to(x.device)


def _mirrored(place: Tensor, size: int) -> Tensor:
    """Returns places outside [0, size) mirrored at the first and the last."""
    return (size - 1) - ((size - 1) - place.abs()).abs()


def _span(x: Tensor, generator: Generator, size: int, share: Tensor) -> Tensor:
    """Returns which of `size` pixels lie in a span that covers a share of them at a random place, (N, size)."""
    length = (share.view(-1, 1) * size).clamp(1, size)
    start = _uniform(x, generator).view(-1, 1) * (size - length)
    middle = torch.arange(size, device=x.device) + 0.5
    return (middle >= start) & (middle < start + length)


def _colour_matrix(chroma: Tensor, turn: Tensor) -> Tensor:
    """Returns matrices on RGB that scale (N,) and turn (N,) the plane of colours and keep greys, (N, 3, 3)."""
    there, back = _yiq(chroma.device, chroma.dtype)
    cos, sin, zero = chroma * turn.cos(), chroma * turn.sin(), torch.zeros_like(turn)
    inner = torch.stack([zero + 1, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).view(-1, 3, 3)
    return back @ inner @ there


@functools.cache
def _yiq(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Returns the matrix from RGB to luma and two axes of colour, and its inverse."""
    there = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]], dtype=torch.float64)
    return there.to(device, dtype), there.inverse().to(device, dtype)

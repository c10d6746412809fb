"""Adaptive discriminator augmentation: augmented images for a discriminator, as often as its overfitting asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tacit.functional.warping import warped

__all__ = ["COLOURS", "GEOMETRY", "Ada", "Operation", "augmented"]


class Operation(NamedTuple):
    """One augmentation.

    Arguments:
        draw: Makes a matrix for each of the images, shape (N, 3, 3) for places and (N, 4, 4) for colours.
        chance: From the probability p to how often it is applied.
    """

    draw: Callable[[Tensor], Tensor]
    chance: Callable[[Tensor], Tensor] = lambda p: p


def moved(x: Tensor, y: Tensor) -> Tensor:
    """Returns translations by x to the right and y down, in pixels, shape (N, 3, 3)."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([one, zero, x, zero, one, y, zero, zero, one], 1).view(-1, 3, 3)


def scaled(x: Tensor, y: Tensor) -> Tensor:
    """Returns scalings of both axes, shape (N, 3, 3)."""
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1))


def turned(cosine: Tensor, sine: Tensor) -> Tensor:
    """Returns rotations by an angle, shape (N, 3, 3)."""
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    return torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1).view(-1, 3, 3)


def uniform(images: Tensor) -> Tensor:
    """Returns a draw of U[-1, 1) for each image, shape (N,)."""
    return 2 * torch.rand(len(images), device=images.device) - 1


def normal(images: Tensor) -> Tensor:
    """Returns a draw of N(0, 1) for each image, shape (N,)."""
    return torch.randn(len(images), device=images.device)


def flips(images: Tensor) -> Tensor:
    """Returns mirrors of left and right, or nothing, with equal chance."""
    side = torch.randint(2, (len(images),), device=images.device) * 2.0 - 1
    return scaled(side, torch.ones_like(side))


def quarter_turns(images: Tensor) -> Tensor:
    """Returns turns by 0, 90, 180 and 270 degrees with equal chance; by 0 and 180 of images that are not square."""
    step = 1 if images.shape[2] == images.shape[3] else 2
    turns = step * torch.randint(4 // step, (len(images),), device=images.device)
    even, odd = 1 - turns % 2, turns % 2
    return turned((even * (1 - turns)).float(), (odd * (2 - turns)).float())  # cosine 1, 0, -1, 0; sine 0, 1, 0, -1


def whole_shifts(images: Tensor) -> Tensor:
    """Returns translations by whole pixels, up to an eighth of the image."""
    height, width = images.shape[2:]
    return moved((uniform(images) * width / 8).round(), (uniform(images) * height / 8).round())


def zooms(images: Tensor) -> Tensor:
    """Returns scalings of both axes alike, log-normal with a deviation of 0.2 octaves."""
    scale = torch.exp2(0.2 * normal(images))
    return scaled(scale, scale)


def turns(images: Tensor) -> Tensor:
    """Returns rotations by any angle."""
    angle = math.pi * uniform(images)
    return turned(angle.cos(), angle.sin())


def stretches(images: Tensor) -> Tensor:
    """Returns scalings of one axis and the inverse of the other, log-normal with a deviation of 0.2 octaves."""
    scale = torch.exp2(0.2 * normal(images))
    return scaled(scale, 1 / scale)


def shifts(images: Tensor) -> Tensor:
    """Returns translations with a standard deviation of an eighth of the image."""
    height, width = images.shape[2:]
    return moved(normal(images) * width / 8, normal(images) * height / 8)


def on_luma(along: Tensor, across: Tensor) -> Tensor:
    """Returns colour maps that scale what is grey by one factor and what is not by another, shape (N, 4, 4)."""
    grey = torch.full((3, 3), 1 / 3, device=along.device)  # v v' of the luma axis v = (1, 1, 1) / sqrt(3)
    rest = torch.eye(3, device=along.device) - grey
    return padded(along[:, None, None] * grey + across[:, None, None] * rest)


def padded(linear: Tensor) -> Tensor:
    """Returns maps of three colours without an offset, shape (N, 4, 4) of (N, 3, 3)."""
    result = torch.eye(4, device=linear.device).repeat(len(linear), 1, 1)
    result[:, :3, :3] = linear
    return result


def brightnesses(images: Tensor) -> Tensor:
    """Returns offsets with a standard deviation of 0.2, of colours in [-1, 1]."""
    result = torch.eye(4, device=images.device).repeat(len(images), 1, 1)
    result[:, :3, 3] = 0.2 * normal(images)[:, None]
    return result


def contrasts(images: Tensor) -> Tensor:
    """Returns scalings about mid-grey, log-normal with a deviation of 0.5 octaves."""
    scale = torch.exp2(0.5 * normal(images))
    return padded(scale[:, None, None] * torch.eye(3, device=images.device))


def luma_flips(images: Tensor) -> Tensor:
    """Returns mirrors of light and dark that keep the hue, or nothing, with equal chance."""
    side = torch.randint(2, (len(images),), device=images.device) * 2.0 - 1
    return on_luma(side, torch.ones_like(side))


def hues(images: Tensor) -> Tensor:
    """Returns rotations of the colours about the grey axis by any angle."""
    angle = math.pi * uniform(images)[:, None, None]
    skew = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=images.device) / math.sqrt(3)  # v x ...
    eye = torch.eye(3, device=images.device)
    return padded(eye + angle.sin() * skew + (1 - angle.cos()) * (skew @ skew))  # Rodrigues's formula


def saturations(images: Tensor) -> Tensor:
    """Returns scalings of colours' distance from grey, log-normal with a deviation of one octave."""
    scale = torch.exp2(normal(images))
    return on_luma(torch.ones_like(scale), scale)


def half_of_two(p: Tensor) -> Tensor:
    """Returns how often each of two operations is applied, so that either is with probability p."""
    return 1 - (1 - p).clamp(min=0).sqrt()


# in the order in which they are applied; the distributions are those of appendix B
GEOMETRY: Mapping[str, Operation] = {
    "flip": Operation(flips),
    "quarter": Operation(quarter_turns),
    "whole": Operation(whole_shifts),
    "zoom": Operation(zooms),
    "turn": Operation(turns, half_of_two),
    "stretch": Operation(stretches),
    "return": Operation(turns, half_of_two),
    "shift": Operation(shifts),
}
COLOURS: Mapping[str, Operation] = {
    "brightness": Operation(brightnesses),
    "contrast": Operation(contrasts),
    "luma": Operation(luma_flips),
    "hue": Operation(hues),
    "saturation": Operation(saturations),
}


def drawn(operations: Mapping[str, Operation], images: Tensor, p: Tensor, order: int) -> list[Tensor]:
    """Returns each operation's matrices, the identity where it is not applied, shape (N, order, order) each."""
    eye = torch.eye(order, device=images.device)
    result = [eye.expand(len(images), order, order)]
    for draw, chance in operations.values():
        chosen = torch.rand(len(images), 1, 1, device=images.device) < chance(p)
        result.append(torch.where(chosen, draw(images), eye))
    return result


def coloured(images: Tensor, matrices: Tensor) -> Tensor:
    """Returns images in [0, 1] whose colours in [-1, 1] are mapped; without three channels, along the grey axis only.

    Arguments:
        images: Shape (N, C, H, W).
        matrices: Of homogeneous colours, shape (N, 4, 4).
    """
    linear, offset = matrices[:, :3, :3], matrices[:, :3, 3]
    offset = (offset + 1 - linear.sum(2)) / 2  # 2 y - 1 = A (2 x - 1) + b
    if images.shape[1] != 3:
        gain, offset = linear.sum((1, 2)) / 3, offset.mean(1)
        return images * gain[:, None, None, None] + offset[:, None, None, None]
    mixed = (linear[..., None, None] * images[:, None]).sum(2)  # (N, 3, 3, H, W) -> (N, 3, H, W)
    return mixed + offset[..., None, None]


def augmented(
    images: Tensor,
    p: Tensor,
    geometry: Mapping[str, Operation] = GEOMETRY,
    colours: Mapping[str, Operation] = COLOURS,
) -> Tensor:
    """Returns images each of which went through each operation with probability p, without clamping.

    Not clamped and drawn anew for each image, the augmentations change what a generator learns only if they hide
    something on average: they do not leak while p is below about 0.8.

    References:
        Karras et al. 2020, arXiv:2006.06676, appendix B ("bgc"), with bilinear sampling of the image as it is in place
        of that of the image enlarged twice.

    Arguments:
        images: In [0, 1], shape (N, C, H, W); derivatives of any order flow to them.
        p: Probability, a scalar tensor.
        geometry: Operations on places, in the order in which they are applied.
        colours: Operations on colours.

    Returns:
        Shape (N, C, H, W).
    """
    with torch.autocast(images.device.type, enabled=False):
        images = images.float()
        # places are fetched through inverses, the first operation's outermost; each is distributed as its inverse is
        images = warped(images, reduce(torch.matmul, drawn(geometry, images, p, 3)))
        return coloured(images, reduce(torch.matmul, reversed(drawn(colours, images, p, 4))))


class Ada(nn.Module):
    """Adaptive discriminator augmentation: the discriminator sees augmented images only, of data and of samples alike.

    The probability p rises while the discriminator is too sure of the data and falls otherwise, by the mean sign r of
    its logits of data.

    References:
        Karras et al. 2020, arXiv:2006.06676, section 3.1.

    Arguments:
        target: Of r, in (-1, 1).
        images: Images after which p, always rising, goes from 0 to 1.
        every: Moves of the discriminator between two of p.

    Example:
        >>> ada = Ada(every=1, images=8)
        >>> ada.on = True
        >>> ada.update(ada.stats(torch.tensor([3.0, 1.0, 2.0, 5.0])))
        >>> ada.p
        tensor(0.5000)
    """

    p: Tensor
    signs: Tensor
    count: Tensor
    moves: Tensor

    def __init__(self, *, target: float = 0.6, images: int = 500_000, every: int = 4) -> None:
        super().__init__()
        self.target, self.images, self.every = target, images, every
        self.on = False
        for name in ("p", "signs", "count", "moves"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Returns what the discriminator is to see of images in [0, 1], shape (N, C, H, W); anything else as it is."""
        return augmented(x, self.p) if self.on and x.dim() == 4 else x

    def stats(self, real_logits: Tensor) -> dict[str, Tensor]:
        """Returns sums of a batch of data, for `Loss.stats`; several logits of one image count as their mean sign.

        Arguments:
            real_logits: The discriminator's, of augmented data, shape (N, ...).
        """
        signs = real_logits.detach().float().sign().reshape(len(real_logits), -1).mean(1)  # (N, ...) -> (N,)
        return {"ada_sign": signs.sum(), "ada_count": torch.ones_like(signs).sum()}

    @torch.no_grad()
    def update(self, stats: Mapping[str, Tensor]) -> None:
        """Takes in a move's sums, for `Loss.after`, and each few moves adapts p.

        Arguments:
            stats: What `stats` returned, summed over the move; others are left alone.
        """
        if not self.on:
            return
        self.signs += stats["ada_sign"]
        self.count += stats["ada_count"]
        self.moves += 1
        due = self.moves >= self.every
        direction = (self.signs / self.count.clamp(min=1) - self.target).sign()
        risen = (self.p + direction * self.count / self.images).clamp(0, 1)
        self.p.copy_(torch.where(due, risen, self.p))
        for total in (self.signs, self.count, self.moves):
            total.masked_fill_(due, 0)

"""Held-out images and what a translator makes of them, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from tacit.data.dataset import Data
from tacit.functional.draws import some
from tacit.pictures.grid import rows, stacked

__all__ = ["shown_both_ways"]


class Translate(Protocol):
    """Carries images over to the other domain, or to a named one."""

    def __call__(self, x: Tensor, *, to: str | None = None) -> Tensor:
        """Returns the translations."""
        ...


@torch.no_grad()
def shown_both_ways(translate: Translate, data: Data, count: int, seed: int = 0) -> Image.Image:
    """Returns images above what they are translated to, and that above their partners, or above what goes back.

    Of data with two domains there are two bands: the source's images to the target and back, and the other way round.

    Arguments:
        translate: The translator.
        data: Held-out images are shown, or any where none are held out.
        count: Most images of each domain.
        seed: Of which are shown.
    """
    if data.domain is None:
        index = chosen(data, torch.ones(len(data), dtype=torch.bool), count, seed)
        x = data.batch(index).x
        sets, names = [x, translate(x)], ["data", "translated"]
        if data.pair is not None:
            partner = data.batch(index, ("pair",)).pair
            sets, names = [*sets, partner if partner is not None else x], [*names, "partner"]
        return rows(alike(sets), columns=len(x), names=names)
    there = [data.batch(chosen(data, data.domain == domain, count, seed)).x for domain in (0, 1)]
    count = min(map(len, there))
    return stacked(*(
        rows([x, over := translate(x, to=other), translate(over, to=own)], columns=count,
             names=(own, f"as {other}", "and back"))
        for x, own, other in zip((x[:count] for x in there), ("source", "target"), ("target", "source"), strict=True)
    ))


def chosen(data: Data, members: Tensor, count: int, seed: int) -> Tensor:
    """Returns positions of held-out members, or of any where none are held out."""
    held = members & data.held_out
    return some((held if held.any() else members).nonzero().flatten(), count, seed)


def alike(sets: Sequence[Tensor]) -> list[Tensor]:
    """Returns images all of the size of the largest, with square pixels where they were smaller."""
    size = max(tuple(images.shape[-2:]) for images in sets)
    return [images if images.shape[-2:] == size else interpolate(images, size, mode="nearest") for images in sets]

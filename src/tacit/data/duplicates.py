"""Samples that are the same, or nearly: copies, and images that were saved again, resized, brightened or cropped a bit.

A near duplicate is a pair of images that agree once one is laid over the other, and that lie much closer together than
the data are dense around them: this keeps apart what is merely alike (handwritten ones, ships on blue). All of a group
look like one image of it: this keeps pairs from chaining into groups of unrelated images.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["NEAR", "equal_rows", "near_images"]

Array = np.ndarray[Any, Any]

NEAR = "near duplicates 1"  # another number where groups may come out differently
LEAST_SIDE = 16  # pixels; smaller images hold too little to tell alike from same
COARSE, MIDDLE, FINE = 6, 16, 32  # pixels at the side of what is searched, aligned, compared
DENSITY, LEAST_DENSITY = 24, 4  # the neighbour whose distance says how dense the data are, in many images and in few
PARTNERS = 3  # nearest neighbours that are looked at
SEARCH, GATE, AGREE = 0.85, 0.87, 0.95  # correlations: to be looked at, looked at closely, the same
NEARER, CLOSER = 0.7, 0.5  # of the distance to the neighbour of `DENSITY`, before and after laying one over the other
SHIFT, SCALE = 0.13, 0.15  # most by which one image is laid over another, of half its side
FLAT = 3.0  # grey levels of deviation below which noise is all there is
CHUNK = 4096


def equal_rows(x: Tensor) -> Array:
    """Returns for each sample the position of the first one that is equal to it, int64 (N,).

    Arguments:
        x: Samples, shape (N, ...).

    Example:
        >>> equal_rows(torch.tensor([[1, 2], [3, 4], [1, 2]])).tolist()
        [0, 1, 0]
    """
    first: dict[bytes, int] = {}
    same = np.empty(len(x), np.int64)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK].numpy()
        part = np.ascontiguousarray(part).reshape(len(part), -1)
        for i, row in enumerate(part, start):
            same[i] = first.setdefault(hashlib.blake2b(row.data, digest_size=16).digest(), i)
    return same


def near_images(x: Tensor) -> Array:
    """Returns for each image the position of the first one of its group of duplicates, int64 (N,).

    Arguments:
        x: Images, uint8 or float in [0, 1], shape (N, C, H, W).
    """
    same = equal_rows(x)
    alone = (same == np.arange(len(x))).nonzero()[0]
    if min(x.shape[-2:]) < LEAST_SIDE or len(alone) < 3:
        return same
    with torch.inference_mode():
        pairs = alone[_near_pairs(x, torch.from_numpy(alone)).numpy()]
    return join(same, pairs)


def join(same: Array, pairs: Array) -> Array:
    """Returns groups after joining pairs: for each sample the least position that it is joined with, int64 (N,).

    Arguments:
        same: For each sample the first of its group, int64 (N,).
        pairs: Positions that belong together, int (P, 2).

    Example:
        >>> join(np.array([0, 1, 2, 1]), np.array([[2, 3]])).tolist()
        [0, 1, 1, 1]
    """
    root = same.copy()

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    for a, b in pairs.tolist():
        low, high = sorted((find(a), find(b)))
        root[high] = low
    return np.fromiter((find(i) for i in range(len(root))), np.int64, len(root))


def _near_pairs(x: Tensor, alone: Tensor) -> Tensor:
    """Returns pairs of near duplicates among some images, as places in `alone`, int64 (P, 2)."""
    coarse, middle, flat = _described(x, alone)
    near, who = _neighbours(coarse, min(DENSITY, max(LEAST_DENSITY, len(alone) // 20), len(alone) - 1))
    dense = _distance(near[:, -1])  # (n,)
    left = torch.arange(len(alone))[:, None].expand_as(who)[:, :PARTNERS]
    right, agree = who[:, :PARTNERS], near[:, :PARTNERS]
    look = (agree >= SEARCH) & (_distance(agree) < NEARER * dense[:, None]) & ~flat[left] & ~flat[right]
    pairs = torch.stack([left[look], right[look]], 1).sort(1).values.unique(dim=0)  # (P, 2)
    found = [pairs[:0]]
    for part in pairs.split(CHUNK) if len(pairs) else ():
        part, agree = _compared(x, alone, middle, part)
        close = _distance(agree) < CLOSER * dense[part].amin(1)
        found.append(part[(agree >= AGREE) & close])
    return _gathered(coarse, torch.cat(found))


def _gathered(coarse: Tensor, pairs: Tensor) -> Tensor:
    """Returns pairs after breaking chains: all of a group look like one of it, and not only like the next in a row.

    Arguments:
        coarse: Images as unit vectors (n, D).
        pairs: Near duplicates, int64 (P, 2).
    """
    degree = torch.bincount(pairs.flatten(), minlength=len(coarse))
    group = torch.from_numpy(join(np.arange(len(coarse)), pairs.numpy()))
    members = pairs.flatten().unique()
    around = [pairs[:0]]
    for root in group[members].unique().tolist():
        left = members[group[members] == root]
        while len(left) > 1:
            middle = left[degree[left].argmax()]
            near = coarse[left] @ coarse[middle] >= SEARCH
            near[left == middle] = True
            around.append(torch.stack([middle.expand(int(near.sum())), left[near]], 1))
            left = left[~near]
    return torch.cat(around)


def _described(x: Tensor, alone: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns unit vectors to search by (n, 36 C), grey thumbnails to align (n, 1, 16, 16), and what is flat (n,)."""
    coarse, middle, flat = [], [], []
    for part in alone.split(CHUNK):
        image = _levels(x[part])
        small = F.adaptive_avg_pool2d(image, COARSE).flatten(1)
        flat.append(small.std(1) < FLAT)
        coarse.append(_unit(small))
        middle.append(_thumbnail(image.mean(1, keepdim=True), MIDDLE).round().to(torch.uint8))
    return torch.cat(coarse), torch.cat(middle), torch.cat(flat)


def _neighbours(unit: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Returns correlation with and position of the k nearest of n unit vectors, each (n, k), nearest first.

    The vectors are sorted into cells around about sqrt(n) of them, each into its two nearest cells, and compared within
    cells only: n^1.5 products instead of n^2, at the price of a neighbour missed now and then.
    """
    n = len(unit)
    best, who = torch.full((n, k), -1.0), torch.zeros(n, k, dtype=torch.long)
    cells = 1 if n <= 2048 else math.isqrt(n)
    middles = unit[torch.linspace(0, n - 1, cells).long()]
    member = torch.cat([(part @ middles.T).topk(min(2, cells)).indices for part in unit.split(CHUNK)])  # (n, 2)
    order = member.flatten().argsort(stable=True)
    sizes = torch.bincount(member.flatten(), minlength=cells)
    for cell in (order // member.shape[1]).split(sizes.tolist()):
        for part in cell.split(CHUNK):
            agree = unit[part] @ unit[cell].T  # (p, m)
            agree.masked_fill_(part[:, None] == cell, -1)
            near, place = agree.topk(min(k, len(cell)))
            best[part], who[part] = _merged(best[part], who[part], near, cell[place])
    return best, who


def _merged(best: Tensor, who: Tensor, near: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the best of two lists of neighbours, without doubles."""
    k = best.shape[1]
    who, order = torch.cat([who, place], 1).sort(dim=1, stable=True)
    best = torch.cat([best, near], 1).gather(1, order)
    # of two entries for one neighbour the first may be the -1 of an empty place: keep the greater one
    twice = who[:, 1:] == who[:, :-1]
    best[:, 1:] = torch.where(twice, torch.maximum(best[:, 1:], best[:, :-1]), best[:, 1:])
    best[:, :-1].masked_fill_(twice, -1)
    best, order = best.topk(k)
    return best, who.gather(1, order)


# Laying one image over another ---------------------------------------------------------------------------------------


def _compared(x: Tensor, alone: Tensor, middle: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the pairs that may be duplicates, and how well each agrees once one is laid over the other."""
    a, b = middle[pairs[:, 0]].float(), middle[pairs[:, 1]].float()
    laid = _aligned(a, b, torch.tensor([[0.0, 1, 0, 1]]).repeat(len(pairs), 1))
    keep = torch.maximum(_agreement(a, b), _agreement(a, _warped(b, laid))) >= GATE
    pairs, laid = pairs[keep], laid[keep]
    if not len(pairs):
        return pairs, torch.zeros(0)
    a, b = (_thumbnail(_levels(x[alone[pairs[:, side]]]), FINE) for side in (0, 1))
    once = _warped(b, laid)
    twice = _warped(b, _aligned(_thumbnail(a, MIDDLE), _thumbnail(once, MIDDLE), laid))
    return pairs, torch.stack([_agreement(a, other) for other in (b, once, twice)]).amax(0)


def _aligned(a: Tensor, b: Tensor, laid: Tensor) -> Tensor:
    """Returns shifts and scales after one Gauss-Newton step that brings b nearer to a.

    Arguments:
        a: Images (n, C, s, s).
        b: Images that were warped as `laid` says, of the same shape.
        laid: From places in a to places in b: shift and scale to the right, shift and scale down, (n, 4).

    References:
        B. Lucas, T. Kanade: An iterative image registration technique (1981).
    """
    n, _, side, _ = a.shape
    a, b = _unit(a).reshape(a.shape), _unit(b).reshape(b.shape)
    places = _places(side)
    down, right = torch.gradient((a + b) / 2, dim=(2, 3), spacing=2 / side)
    slopes = [right, right * places, down, down * places[:, None], b]  # shift and scale in x and y, contrast
    slope = torch.stack(slopes, -1).flatten(1, 3)  # (n, C s s, 5)
    square = slope.mT @ slope  # (n, 5, 5)
    square += torch.diag_embed(1e-3 * square.diagonal(dim1=1, dim2=2) + 1e-8)
    step: Tensor = torch.linalg.solve(square, slope.mT @ (a - b).flatten(1)[..., None])[..., 0]  # (n, 5)
    most = torch.tensor([SHIFT, SCALE, SHIFT, SCALE])
    still = torch.tensor([0.0, 1, 0, 1])
    return torch.minimum(torch.maximum(laid + step[:, :4], still - most), still + most)


def _warped(images: Tensor, laid: Tensor) -> Tensor:
    """Returns images as they look when places are shifted and scaled."""
    places = _places(images.shape[-1])
    right, down = (laid[:, i, None] + laid[:, i + 1, None] * places for i in (0, 2))  # each (n, s)
    grid = torch.stack(torch.broadcast_tensors(right[:, None, :], down[:, :, None]), -1)  # (n, s, s, 2)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _places(side: int) -> Tensor:
    return (torch.arange(side) + 0.5) / side * 2 - 1  # centres of pixels in [-1, 1]


def _agreement(a: Tensor, b: Tensor) -> Tensor:
    """Returns the correlation of pairs of images inside a margin of one sixteenth, (n,)."""
    edge = a.shape[-1] // 16
    inside = (..., slice(edge, -edge), slice(edge, -edge))
    return (_unit(a[inside]) * _unit(b[inside])).sum(1)


def _distance(correlation: Tensor) -> Tensor:
    return (2 - 2 * correlation).clamp(min=0).sqrt()  # between unit vectors


def _unit(x: Tensor) -> Tensor:
    """Returns samples as vectors of mean 0 and length 1, which brightness and contrast do not change: (n, D)."""
    flat = x.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), dim=1)


def _levels(x: Tensor) -> Tensor:
    """Returns images as floats from 0 to 255."""
    return x.float() if x.dtype == torch.uint8 else x.float() * 255


def _thumbnail(x: Tensor, side: int) -> Tensor:
    if x.shape[-2:] == (side, side):
        return x
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)

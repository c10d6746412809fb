"""Images moved by affine maps, by bilinear sampling that can be differentiated twice."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["reflected", "warped"]


def reflected(at: Tensor, size: int) -> Tensor:
    """Returns coordinates brought inside an axis by mirrors at the outer edges of its first and last pixel.

    Arguments:
        at: Coordinates in pixels, the centre of the first at 0; any shape.
        size: Pixels along the axis.

    Returns:
        In [0, size - 1]: the half pixels beyond the outer centres have those pixels' values.

    Example:
        >>> reflected(torch.tensor([-2.0, -1.0, -0.3, 0.0, 2.0, 3.0, 7.0]), 3)
        tensor([1., 0., 0., 0., 2., 2., 1.])
    """
    within = torch.remainder(at + 0.5, 2 * size)  # [0, 2 size), from the first pixel's outer edge
    return (torch.minimum(within, 2 * size - within) - 0.5).clamp(0, size - 1)


def warped(x: Tensor, matrices: Tensor) -> Tensor:
    """Returns images whose pixels are fetched from where an affine map sends them, mirrored outside.

    It is what ``torch.nn.functional.grid_sample`` does with ``padding_mode="reflection"`` and ``align_corners=False``,
    which cannot be differentiated twice. Maps of pixels onto pixels move values exactly.

    Arguments:
        x: Images, shape (N, C, H, W); derivatives of any order flow to it, none to the maps.
        matrices: From a place in the result to one in x, in pixels to the right and down from the centre, shape
            (N, 2, 3) or (N, 3, 3).

    Returns:
        Shape (N, C, H, W).

    Example:
        >>> mirror = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> warped(torch.tensor([[[[1.0, 2.0, 3.0]]]]), mirror)
        tensor([[[[3., 2., 1.]]]])
    """
    n, channels, height, width = x.shape
    with torch.no_grad():
        corner, weight = neighbours(matrices, height, width)
    values = x.flatten(2)  # (N, C, H W)
    result: Tensor = sum(  # type: ignore[assignment]
        values.gather(2, corner[:, k, None].expand(n, channels, -1)) * weight[:, k, None].to(x.dtype) for k in range(4)
    )
    return result.view_as(x)


def neighbours(matrices: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Returns the four pixels around each place that is fetched, and what each counts.

    Arguments:
        matrices: Shape (N, 2, 3) or (N, 3, 3).
        height: Of the images.
        width: Of the images.

    Returns:
        Indices into the flattened image, and weights, each of shape (N, 4, H W).
    """
    right, down = (torch.arange(size).to(matrices) - (size - 1) / 2 for size in (width, height))
    a, b, c = matrices[:, :2, :, None, None].unbind(2)  # (N, 2, 1, 1) each
    across, along = (a * right + b * down[:, None] + c).unbind(1)  # (N, H, W) each
    x, y = reflected(across + (width - 1) / 2, width), reflected(along + (height - 1) / 2, height)
    left, top = x.floor(), y.floor()
    columns = [left.long(), (left.long() + 1).clamp(max=width - 1)]  # beyond the last pixel the weight is 0
    rows = [top.long(), (top.long() + 1).clamp(max=height - 1)]
    shares_x, shares_y = [1 - (x - left), x - left], [1 - (y - top), y - top]
    corner = torch.stack([row * width + column for row in rows for column in columns], 1)
    weight = torch.stack([v * u for v in shares_y for u in shares_x], 1)
    return corner.flatten(2), weight.flatten(2)  # (N, 4, H, W) -> (N, 4, H W)

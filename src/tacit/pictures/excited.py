"""What the units of a representation stand for: the images that excite each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["excited", "telling"]


def excited(z: Tensor, x: Tensor, units: Sequence[int], top: int = 12) -> list[tuple[str, Tensor]]:
    """Returns for each unit a caption and the images that excite it most, the strongest first: rows of `exemplars`.

    Arguments:
        z: Activations of any run's features, shape (N, d).
        x: The images, shape (N, C, H, W).
        units: Which units, from 0 to d - 1.
        top: Images for each unit.

    Returns:
        Pairs of a caption, which has a second line, and images, shape (min(top, N), C, H, W).

    Example:
        >>> z, x = torch.tensor([[0.0], [3.0], [1.0]]), torch.rand(3, 1, 8, 8)
        >>> ((caption, images),) = excited(z, x, units=[0], top=2)
        >>> caption.splitlines(), bool((images == x[[1, 2]]).all())
        (['unit 0', 'to 3, mean 1.3'], True)
    """
    shown = []
    for unit in units:
        values, index = z[:, unit].topk(min(top, len(z)))
        about = f"to {float(values[0]):.2g}, mean {float(z[:, unit].mean()):.2g}"
        shown.append((f"unit {unit}\n{about}", x[index]))
    return shown


def telling(z: Tensor, count: int) -> list[int]:
    """Returns the units that stand out most when they are excited, the first most: few samples excite them, far.

    That is where activations are skewed upwards, the third of their moments; a unit that is excited by half of the
    samples, or always alike, has no skewness and tells nothing.

    Arguments:
        z: Activations, shape (N, d).
        count: Greatest number of units.

    Returns:
        Their numbers, from 0 to d - 1.
    """
    centred = z.double() - z.double().mean(0)
    deviation = centred.square().mean(0).sqrt()
    skewness = centred.pow(3).mean(0) / deviation.pow(3).clamp_min(torch.finfo(torch.float64).tiny)  # (d,)
    return skewness.argsort(descending=True, stable=True)[:count].tolist()

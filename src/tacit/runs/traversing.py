"""What each dimension of a run's code does: samples decoded while it walks and the others stand still."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.functional.divergences import kl_standard_normal
from tacit.functional.draws import some
from tacit.runs.run import Run

__all__ = ["Traversal", "posterior_of", "traversal"]

CODES = 2_000  # samples whose codes say how much each dimension carries
STEPS, REACH = 9, 2.0  # images of a row, and standard deviations to its ends
WIDEST, ROWS = 64, 32  # dimensions of a code, and of those the ones that are shown
COLLAPSED = 0.01  # nats, or variance of the code, below which a dimension carries nothing
ROUND = 1e-4  # up to which two forwards of the same net agree


@dataclass(frozen=True)
class Traversal:
    """Rows of samples, one for each dimension of a code, by falling weight.

    Arguments:
        samples: Shape (rows, steps, *spec.shape).
        captions: What each row is: its dimension, and what it carries.
        grey: Whether each dimension has collapsed.
        about: What walks where.
        hidden: Number of dimensions that are not shown.
    """

    samples: Tensor
    captions: tuple[str, ...]
    grey: tuple[bool, ...]
    about: str
    hidden: int = 0


def traversal(run: Run, data: Data, *, seed: int = 0) -> Traversal | None:
    """Decodes walks along each dimension of a run's code, from a typical held-out sample.

    Where a run has a Gaussian posterior, dimensions are ordered by the KL divergence that they carry, and walk over
    the prior; else they are ordered by their variance, and walk over as many standard deviations of their own.

    Arguments:
        run: The run.
        data: Its root's data.
        seed: Of the draw of samples whose codes are looked at.

    Returns:
        The walks; None where the run does not encode to vectors and decode them, or to vectors of so many dimensions
        that no single one shows.
    """
    if not {"Encodes", "Decodes", "Reconstructs"} <= run.capabilities:
        return None
    seen = data.take(some(data.testing if len(data.testing) else torch.arange(len(data)), CODES, seed))
    z = run.encode(seen)
    if z.dim() != 2 or z.shape[1] > WIDEST:
        return None
    spread, centre = z.var(0, correction=0), z.mean(0)  # (d,) each
    posterior = posterior_of(run, seen, z)
    carried = spread if posterior is None else kl_standard_normal(*posterior).mean(0)
    scale = spread.sqrt() if posterior is None else torch.ones_like(spread)
    collapsed = spread < COLLAPSED * spread.max() if posterior is None else \
        (carried < COLLAPSED) | (spread < COLLAPSED)
    start = z[(z - centre).square().sum(1).argmin()]  # the code of the sample in the middle
    middle = centre if posterior is None else torch.zeros_like(centre)
    order = carried.argsort(descending=True)[:ROWS]
    reach = torch.linspace(-REACH, REACH, STEPS)
    walks = start.repeat(len(order), STEPS, 1)  # (rows, steps, d)
    for row, j in enumerate(order.tolist()):
        walks[row, :, j] = middle[j] + reach * scale[j]
    unit = "variance {:.2g}" if posterior is None else "KL {:.2f} nats"
    measure = "standard deviations around its mean" if posterior is None else "standard deviations of the prior"
    return Traversal(
        run.decode(walks.flatten(0, 1)).unflatten(0, (len(order), STEPS)),
        tuple(f"dimension {j + 1}\n{unit.format(float(carried[j]))}{', collapsed' * bool(collapsed[j])}"
              for j in order.tolist()),
        tuple(collapsed[order].tolist()),
        f"In each row one dimension goes from -{REACH:g} to {REACH:g} {measure}; the others stay at a typical sample's",
        z.shape[1] - len(order),
    )


def posterior_of(run: Run, data: Data, z: Tensor) -> tuple[Tensor, Tensor] | None:
    """Returns mean and log-variance of a Gaussian posterior q(z | x) of samples, (N, d) each, where the run has one.

    It has one if its method's ``posterior`` takes samples alone and gives two tensors, the first of which is the code.

    Arguments:
        run: The run.
        data: The samples.
        z: Their code, shape (N, d).
    """
    posterior = getattr(run.method, "posterior", None)
    if posterior is None or list(inspect.signature(posterior).parameters) != ["x"]:
        return None
    parts = []
    with torch.inference_mode():
        for index in torch.arange(len(data)).split(512):
            found = posterior(run.chain.features(data.batch(index, device=run.device).x))
            if not isinstance(found, tuple):
                return None
            parts.append([part.cpu() for part in found])
    mean, *others = (torch.cat(column).clone() for column in zip(*parts, strict=True))
    same = mean.shape == z.shape and torch.allclose(mean, z, atol=ROUND, rtol=ROUND)
    return (mean, others[0]) if same and len(others) == 1 and others[0].shape == mean.shape else None

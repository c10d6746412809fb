"""Measures of 50,000 features of 512 values against the formulas of torchmetrics and scipy."""

import argparse

import scipy.linalg
import torch
from torch import Tensor
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from benchmarks.pairs import HEADER, Ratio, compare, machine, timed
from tacit.functional.frechet import Moments, frechet_distance
from tacit.functional.sets import kernel_distance, kernel_distances, precision_recall

SIZE, DIMS = 50_000, 512
SUBSETS, SUBSET = 10, 1_000
FEW = 5_000  # features of a table of pairs that others hold whole


def features(n: int, shift: float, seed: int) -> Tensor:
    """Returns correlated features, shape (n, 512)."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(DIMS, DIMS, generator=generator) / DIMS**0.5
    return torch.randn(n, DIMS, generator=generator) @ mix + shift


def ours_frechet(x: Tensor, y: Tensor) -> float:
    return frechet_distance(Moments.of(x), Moments.of(y))


def theirs_frechet(x: Tensor, y: Tensor) -> float:
    """Returns torchmetrics' distance, of sums in double precision as its metric holds them."""
    moments = []
    for z in (x.double(), y.double()):
        mean = z.mean(0)
        moments += [mean, (z.T @ z - len(z) * torch.outer(mean, mean)) / (len(z) - 1)]
    return float(_compute_fid(*moments))


def scipys_frechet(x: Tensor, y: Tensor) -> float:
    """Returns the distance by a root of the product, as it was first published."""
    (a, first), (b, second) = ((z.double().mean(0), z.double().T.cov()) for z in (x, y))
    root = scipy.linalg.sqrtm((first @ second).numpy()).real.trace()
    return float((a - b).square().sum() + first.trace() + second.trace() - 2 * root)


def theirs_kernel(x: Tensor, y: Tensor) -> Tensor:
    """Returns torchmetrics' estimates over random subsets."""
    draws = torch.Generator().manual_seed(0)
    found = []
    for _ in range(SUBSETS):
        i, j = (torch.randperm(len(z), generator=draws)[:SUBSET] for z in (x, y))
        found.append(poly_mmd(x[i], y[j]))
    return torch.stack(found)


def whole_precision_recall(real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """Returns precision and recall by whole tables of distances."""
    radius = [torch.cdist(z, z).kthvalue(4, dim=1).values for z in (real, made)]
    between = torch.cdist(made, real)
    return (between <= radius[0]).any(1), (between.T <= radius[1]).any(1)


def run(pairs: int = 30, size: int = SIZE) -> list[Ratio]:
    """Compares each measure where others have it, and says how long the whole takes."""
    x, y = features(size, 0.0, 0), features(size, 0.02, 1)
    few = x[:FEW], y[:FEW]
    for theirs in (theirs_frechet, scipys_frechet):
        assert abs(ours_frechet(x, y) / theirs(x, y) - 1) < 1e-6
    draws = torch.Generator().manual_seed(0)
    ours = kernel_distances(x.double(), y.double(), subsets=SUBSETS, size=SUBSET, generator=draws)
    assert torch.allclose(ours, theirs_kernel(x.double(), y.double()), rtol=1e-6)
    for a, b in zip(precision_recall(*few), whole_precision_recall(*few), strict=True):
        assert abs(float(a.float().mean() - b.float().mean())) < 1e-3
    results = [
        compare(f"Frechet distance, 2 x {size:,} features of {DIMS}, against torchmetrics' formula",
                lambda: ours_frechet(x, y), lambda: theirs_frechet(x, y), work=2 * size, pairs=pairs, warm=1),
        compare(f"Frechet distance, 2 x {size:,} features of {DIMS}, against a root by scipy",
                lambda: ours_frechet(x, y), lambda: scipys_frechet(x, y), work=2 * size, pairs=pairs, warm=1),
        compare(f"kernel distance, {SUBSETS} subsets of {SUBSET:,}, against torchmetrics' formula",
                lambda: kernel_distances(x, y, subsets=SUBSETS, size=SUBSET), lambda: theirs_kernel(x, y),
                work=2 * SUBSETS * SUBSET, pairs=pairs, warm=1),
        compare(f"precision and recall, 2 x {FEW:,} features, against whole tables of distances",
                lambda: precision_recall(*few), lambda: whole_precision_recall(*few),
                work=2 * FEW, pairs=pairs, warm=1),
    ]
    for name, work in (("Frechet distance", ours_frechet), ("kernel distance over all pairs", kernel_distance),
                       ("precision and recall over all pairs", precision_recall)):
        print(f"{name} of 2 x {size:,} features of {DIMS}: {timed(lambda work=work: work(x, y)):.1f} s", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--size", type=int, default=SIZE)
    given = parser.parse_args()
    print(f"{machine()}\n{HEADER}")
    run(given.pairs, given.size)

"""Logistic regression at its optimum."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits
from torch import Tensor

__all__ = ["scale_of", "softmax_regression"]

PART = 2**20  # values that a sum over samples holds at a time, so that they stay in the processor's cache


def softmax_regression(rows: Tensor, place: Tensor, penalty: float, *, iterations: int) -> tuple[Tensor, Tensor, int]:
    """Finds the minimum of the mean cross-entropy plus penalty / 2 times the squared weights.

    L-BFGS in coordinates in which the bound on the curvature of the loss, that of the features' second moments, is
    the identity: as many steps for features that resemble one another, such as pixels, as for independent ones. Where
    features outnumber samples, it works in the samples' span, which holds the optimum.

    Arguments:
        rows: Features, shape (N, D), of the precision in which products are taken.
        place: Class of each, int64 (N,); every class from 0 to the last is there.
        penalty: Weight of the squared weights, above 0; the inverse of N times scikit-learn's C.
        iterations: Greatest number of steps.

    Returns:
        Weights, shape (K, D), biases, shape (K,), and the number of steps, which is `iterations` where they did not
        suffice.

    References:
        Boehning 1992, Multinomial logistic regression algorithm, Ann. Inst. Statist. Math. 44 (the bound).
    """
    if len(rows) < rows.shape[1]:
        span, inner = torch.linalg.qr(rows.T)  # rows = inner^T span^T
        weight, bias, steps = softmax_regression(inner.T.contiguous(), place, penalty, iterations=iterations)
        return weight @ span.T.to(weight), bias, steps
    classes, wide = int(place.max()) + 1, rows.shape[1]
    parts = list(zip(rows.split(max(1, PART // wide)), place.split(max(1, PART // wide)), strict=True))
    scale = inverse_factor(curvature(rows, penalty, classes))

    def objective(flat: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        u = torch.from_numpy(flat).to(rows.device).view(classes, -1)
        w = u @ scale  # (K, D + 1), the bias last
        loss, gradient = penalty / 2 * w[:, :-1].square().sum(), penalty * w
        gradient[:, -1] = 0
        weight, bias = w[:, :-1].to(rows), w[:, -1].to(rows)
        for x, y in parts:
            log_p = torch.addmm(bias, x, weight.T).double().log_softmax(1)  # (n, K)
            loss = loss - log_p.gather(1, y[:, None]).sum() / len(rows)
            slope = log_p.exp().scatter_add_(1, y[:, None], log_p.new_full((len(y), 1), -1.0)) / len(rows)
            gradient[:, :-1] += slope.to(x).T @ x
            gradient[:, -1] += slope.sum(0)
        return float(loss), (gradient @ scale.T).cpu().numpy().ravel()

    double = rows.dtype == torch.float64
    limits = {"gtol": 1e-8, "ftol": 0.0} if double else {"gtol": 1e-5, "ftol": 1e-8}  # what rounding lets be reached
    with threads_for(rows):
        end = minimize(objective, np.zeros(classes * (wide + 1)), jac=True, method="L-BFGS-B",
                       options={"maxiter": iterations, **limits})
    found = torch.from_numpy(end.x).to(rows.device).view(classes, -1) @ scale
    return found[:, :-1], found[:, -1], int(end.nit)


def scale_of(deviation: Tensor) -> Tensor:
    """Returns what features are divided by before a regression: their standard deviation, 1 where they are constant.

    Arguments:
        deviation: Standard deviation of each feature, shape (D,).

    Example:
        >>> scale_of(torch.tensor([2.0, 1e-9]))
        tensor([2., 1.])
    """
    return torch.where(deviation > 1e-6 * deviation.mean(), deviation, torch.ones_like(deviation))


@contextlib.contextmanager
def threads_for(rows: Tensor) -> Iterator[None]:
    """Leaves torch's threads to products that are large; in small ones they wait for one another longer than work.

    So do the threads of the library that scipy calls, always.
    """
    usual = torch.get_num_threads()
    torch.set_num_threads(1 if rows.numel() <= PART else usual)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        torch.set_num_threads(usual)


def curvature(rows: Tensor, penalty: float, classes: int) -> Tensor:
    """Returns the curvature of the objective at equal probabilities, but for what couples the classes.

    Shape (D + 1, D + 1), in double precision; the last is the bias.
    """
    square = torch.zeros(rows.shape[1] + 1, rows.shape[1] + 1, dtype=torch.float64, device=rows.device)
    for part in rows.split(4_096):
        square[:-1, :-1] += part.T @ part
    square[-1, :-1] = square[:-1, -1] = rows.sum(0, dtype=torch.float64)
    square[-1, -1] = len(rows)
    square /= classes * len(rows)
    square.diagonal()[:-1] += penalty
    square.diagonal()[-1] *= 1 + 1e-6  # the bias has no penalty that would keep it apart from the others
    return square


def inverse_factor(square: Tensor) -> Tensor:
    """Returns the inverse of the Cholesky factor L of a matrix L L^T."""
    factor = torch.linalg.cholesky(square)
    inverse: Tensor = torch.linalg.solve_triangular(factor, torch.eye(len(factor)).to(factor), upper=False)
    return inverse

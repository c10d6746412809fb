"""How far features are from having collapsed: how many directions they fill, and how much they differ."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["effective_rank", "feature_deviation"]


def effective_rank(x: Tensor) -> Tensor:
    """Returns how many directions a matrix fills: the exponential of the entropy of its normalised singular values.

    Between 1, where all rows are multiples of one, and min(N, D), where all singular values are equal; 0 where the
    matrix is 0. Of centred features it is that of their covariance's square root.

    Arguments:
        x: Features, shape (N, D).

    Returns:
        A scalar, float64.

    References:
        Roy & Vetterli 2007, The effective rank, EUSIPCO. Garrido et al. 2022, arXiv:2210.02885 (RankMe).

    Example:
        >>> round(float(effective_rank(torch.eye(5))), 6)
        5.0
    """
    x = x.double()
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x  # the smaller of (N, N) and (D, D)
    values = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    total = values.sum()
    share = values / total.clamp_min(torch.finfo(torch.float64).tiny)
    rank: Tensor = torch.special.entr(share).sum().exp() * (total > 0)
    return rank


def feature_deviation(x: Tensor) -> Tensor:
    """Returns the mean over dimensions of the standard deviation of features that are brought to length 1.

    It is 0 where all features point the same way and 1 / sqrt(D) at most, where they point everywhere.

    Arguments:
        x: Features, shape (N, D).

    References:
        Chen & He 2020, Exploring simple Siamese representation learning, arXiv:2011.10566, section 4.1.

    Example:
        >>> feature_deviation(torch.ones(5, 3))
        tensor(0.)
    """
    return normalize(x).std(0, correction=0).mean()

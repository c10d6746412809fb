"""Who is near whom."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

__all__ = ["memberships", "nearest", "nearest_others", "voted"]

ROWS = 1_024  # samples whose distances to all references are held at a time


def memberships(distance: Tensor) -> Tensor:
    """Returns how much each neighbour belongs to a sample's neighbourhood, in (0, 1].

    It is exp(-(d - rho) / sigma), rho being the distance to the nearest neighbour that is not equal to the sample, and
    sigma such that the memberships of k neighbours add up to log2(k + 1).

    References:
        McInnes, Healy & Melville 2018, arXiv:1802.03426; algorithms 2 and 3.

    Arguments:
        distance: To the nearest others by rising order, at least two, shape (N, k).

    Example:
        >>> memberships(torch.tensor([[1.0, 2.0, 3.0]])).sum().round(decimals=4)
        tensor(2.)
    """
    k = distance.shape[1]
    target = math.log2(k + 1)
    rho = distance.masked_fill(distance == 0, torch.inf).amin(1, keepdim=True)  # (N, 1)
    beyond = (distance - rho).clamp_min(0)
    least = 1e-3 * distance.mean(1, keepdim=True) + torch.finfo(distance.dtype).tiny  # sigma's, where many are equal
    low, high = torch.zeros_like(rho), beyond[:, -1:] / math.log(k / target)  # with `high` the sum is large enough
    for _ in range(40):
        sigma = (low + high) / 2
        wide = torch.exp(-beyond / sigma.maximum(least)).sum(1, keepdim=True) > target
        low, high = torch.where(wide, low, sigma), torch.where(wide, sigma, high)
    return torch.exp(-beyond / high.maximum(least))


def nearest(x: Tensor, reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Finds the nearest references of each sample, exactly.

    Arguments:
        x: Samples, shape (N, D).
        reference: Those among which to look, shape (M, D).
        count: How many to find, at most M.

    Returns:
        Euclidean distances by rising order, shape (N, count), and positions in `reference`, int64 (N, count).

    Example:
        >>> distance, index = nearest(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0], [3.0]]), 2)
        >>> index
        tensor([[1, 0]])
    """
    centre = reference.mean(0)  # far from zero, cdist would lose distances to cancellation
    centred = reference - centre
    found = [_nearest(part - centre, centred, count) for part in x.split(ROWS)]
    distance, index = zip(*found, strict=True)
    return torch.cat(distance), torch.cat(index)


def nearest_others(reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Finds the nearest neighbours of each reference among all others, exactly.

    Arguments:
        reference: Samples, shape (M, D).
        count: How many to find, less than M.

    Returns:
        Euclidean distances by rising order, shape (M, count), and positions, int64 (M, count).

    Example:
        >>> nearest_others(torch.tensor([[0.0], [1.0], [3.0]]), 1)[1].flatten()
        tensor([1, 0, 1])
    """
    distance, index = nearest(reference, reference, count + 1)
    own = index == torch.arange(len(index), device=index.device)[:, None]
    own[:, -1] |= ~own.any(1)  # more equals than count hide a sample from itself
    return distance[~own].view(-1, count), index[~own].view(-1, count)


def _nearest(x: Tensor, reference: Tensor, count: int) -> tuple[Tensor, Tensor]:
    index = torch.cdist(x, reference).topk(count, largest=False).indices
    # small distances are lost all the same: those that count are taken again, from the differences
    distance = torch.linalg.vector_norm(x[:, None] - reference[index], dim=-1)  # (n, count)
    distance, order = distance.sort(dim=1)
    return distance, index.gather(1, order)


def voted(x: Tensor, reference: Tensor, label: Tensor, count: int = 20, temperature: float = 0.07) -> Tensor:
    """Returns the class for which the nearest references vote, int64 (N,).

    Near is what has a high cosine; a vote weighs exp(cosine / temperature).

    Arguments:
        x: Features, shape (N, D); only their directions count.
        reference: Features of those who vote, shape (M, D).
        label: Their classes, int64 (M,), from 0.
        count: How many vote; all, if there are fewer.
        temperature: Of the weights.

    References:
        Wu et al. 2018, arXiv:1805.01978 (section 3.4).

    Example:
        >>> voted(torch.tensor([[2.0, 0.1]]), torch.eye(2), torch.tensor([1, 0]), count=1)
        tensor([1])
    """
    voices, reference = one_hot(label).to(x), normalize(reference)
    guessed = []
    for part in normalize(x).split(ROWS):
        cosine, place = (part @ reference.T).topk(min(count, len(reference)))  # (n, count)
        weight = (cosine / temperature).softmax(1)  # the same votes, but for a factor for each sample
        guessed.append(torch.einsum("nc,nck->nk", weight, voices[place]).argmax(1))
    return torch.cat(guessed)

"""How many clusters there are, as far as samples say it without labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import scipy.stats
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from tacit.errors import DataError
from tacit.evaluation.clusters import adjusted_rand
from tacit.evaluation.intervals import TIMES, ends
from tacit.evaluation.measure import Measure
from tacit.functional.draws import some
from tacit.functional.principal import principal_axes

__all__ = ["LEAST", "MOST", "Counted", "Tried", "count_clusters"]

NAME = "clusters"
MOST, AXES = 2_000, 50  # samples, and principal axes, that are looked at
LEAST = 40  # samples of which the question can be asked
EACH = 10  # samples for each cluster, at least
SPLITS = 10  # of the samples
SETS, AGAIN = 15, 2  # sets of each reference, and splits of each set
STARTS = 2  # of k-means
PASSES = 100  # of k-means, at most
TOP = 0.999  # of stabilities, beyond which they do not differ
CHANCE = 0.02  # p_max of Dudoit & Fridlyand, lower than theirs as many numbers are tried
EXCESS = 1 / 3  # in place of their d_min: share of the way from a reference's stability to 1 that must be gone


@dataclass(frozen=True)
class Tried:
    """How alike one number of clusters comes out in two halves of the samples.

    Arguments:
        count: The number of clusters.
        stability: Adjusted Rand index between the halves, mean over splits.
        low: Lower end of its 95 % interval.
        high: Upper end.
        reference: The same of samples without clusters.
        excess: (stability - reference) / (1 - reference): 0 for what one cloud gives, 1 for the same clusters each
            time.
        excess_low: Lower end of its 95 % interval.
        excess_high: Upper end.
        chance: How probable it is that samples without clusters come out as alike, or more.
    """

    count: int
    stability: float
    low: float
    high: float
    reference: float
    excess: float
    excess_low: float
    excess_high: float
    chance: float

    @property
    def holds(self) -> bool:
        """Whether these clusters come out again more often than chance would have them."""
        return self.chance <= CHANCE and self.excess >= EXCESS


@dataclass(frozen=True)
class Counted:
    """How many clusters were found.

    Arguments:
        chosen: Their number; None where no number does better than samples without clusters do.
        tried: Each number that was tried.
        samples: How many samples were looked at.
    """

    chosen: int | None
    tried: tuple[Tried, ...]
    samples: int

    @property
    def as_good(self) -> tuple[int, ...]:
        """The numbers whose intervals reach the excess of the one that was chosen, itself among them."""
        best = max((t.excess for t in self.tried if t.count == self.chosen), default=0.0)
        return tuple(t.count for t in self.tried if self.chosen is not None and t.holds and t.excess_high >= best)

    def measures(self, whom: str) -> tuple[Measure, ...]:
        """Returns the number chosen, 0 for none, and each one's stability; `whom` is how protocols call the samples."""
        about = f"{self}. Of the numbers tried, the one whose clusters come out again most surely beyond chance."
        return Measure(NAME, "number of clusters", self.chosen or 0, about), *self.stabilities(whom)

    def stabilities(self, whom: str) -> tuple[Measure, ...]:
        """Returns each number's stability beyond chance."""
        return tuple(
            Measure(
                NAME, "stability of k clusters beyond chance", tried.excess,
                f"{whom}, of which {self.samples:,} were looked at along at most {AXES} principal axes, are split in "
                f"halves {SPLITS} times. k-means finds {tried.count} clusters in each half; the adjusted Rand index "
                f"says how alike both group the second half, the first by its nearest centroids: on average S = "
                f"{tried.stability:.3f} [{tried.low:.3f}, {tried.high:.3f}]. The same of samples without clusters, "
                f"{SETS} sets drawn from a Gaussian and {SETS} from a box with the samples' covariance, each split "
                f"{AGAIN} times: R = {tried.reference:.3f}, the greater mean of the two; a further set comes out as "
                f"alike as the samples with a chance of {tried.chance:.2g}. The value is (S - R) / (1 - R): 0 for what "
                "one cloud gives, 1 for the same clusters each time; 95 % interval by the bootstrap over splits and "
                "sets (Clest, Dudoit & Fridlyand 2002).",
                of=f"k = {tried.count}", low=tried.excess_low, high=tried.excess_high, better="higher",
            )
            for tried in self.tried
        )

    def __str__(self) -> str:
        """Returns the answer as a person reads it."""
        if self.chosen is None:
            return "no number of clusters comes out again more often than chance would have it"
        others = [str(k) for k in self.as_good if k != self.chosen]
        return f"{self.chosen} clusters" + (f"; {', '.join(others)} do as well" if others else "")


def count_clusters(x: Tensor, counts: Sequence[int], *, seed: int = 0) -> Counted:
    """Finds the number of clusters that come out again best in other samples, beyond what chance gives.

    Prediction-based resampling: the samples are split in halves, k-means clusters both, and the first half's centroids
    predict the clusters of the second. Any cloud has numbers of clusters that come out again, as two in a long one:
    what counts is the excess over samples without clusters. These are drawn with the covariance of the samples, from
    a Gaussian and from a uniform box along the principal axes, and the more stable of the two is the reference: a box
    alone would let no small excess through, but corners can make it less stable than a long Gaussian; a Gaussian alone
    would find four clusters in a square. Where no number holds, there is one cloud and no clusters to speak of.

    It counts round clusters, as k-means sees them: a bent one counts as the pieces into which it is cut, and the long
    tail of a skewed cloud may count as clusters of their own.

    Arguments:
        x: Samples, or representations of them, on comparable scales, shape (N, ...).
        counts: Numbers of clusters to try, at least 2; those with fewer than ten samples a cluster are left out.
        seed: Of all draws.

    Raises:
        DataError: If there are fewer than 40 samples.

    References:
        Dudoit & Fridlyand 2002, A prediction-based resampling method for estimating the number of clusters in a
        dataset, Genome Biology 3(7) (Clest, with k-means, nearest centroids, the adjusted Rand index, halves and means
        in place of their choices; p by a t distribution of Fisher's z over the sets, which are few; the excess as a
        share of what it can be, at least a third, as one long cloud comes out in the same two clusters nearly always
        and leaves little to exceed).
        Tibshirani, Walther & Hastie 2001, Estimating the number of clusters in a data set via the gap statistic,
        JRSS B 63 (the box along principal axes).

    Example:
        >>> x = torch.randn(120, 2, generator=torch.Generator().manual_seed(0))
        >>> str(count_clusters(x + 20 * (torch.arange(120) % 3)[:, None], (2, 3, 4)))
        '3 clusters'
    """
    if len(x) < LEAST:
        raise DataError(f"how many clusters there are is asked of {LEAST} samples or more and there are {len(x):,}; "
                        "name a larger source")
    z = reduced(x, seed)
    generator = torch.Generator().manual_seed(seed)
    own = [split(z, generator) for _ in range(SPLITS)]
    clouds = [[split(one, generator) for one in kind for _ in range(AGAIN)] for kind in without(z, generator)]
    with threadpool_limits(1):  # on so few samples, threads wait for one another
        tried = tuple(
            compared(count, alike(own, count, seed), [alike(c, count, seed).view(SETS, AGAIN) for c in clouds], seed)
            for count in sorted(set(counts)) if 2 <= count <= len(z) // EACH
        )
    held = [t for t in tried if t.holds]
    return Counted(max(held, key=lambda t: (t.excess, t.count)).count if held else None, tried, len(z))


def reduced(x: Tensor, seed: int) -> Tensor:
    """Returns at most 2,000 samples along at most 50 principal axes, shape (n, d)."""
    rows = x[some(torch.arange(len(x)), MOST, seed)].flatten(1).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        axes = principal_axes(rows, min(AXES, rows.shape[1], len(rows) - 1))
    return (rows - axes.mean.float()) @ axes.directions.float().T


def split(z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Returns the halves of samples, drawn at random."""
    first, second = z[torch.randperm(len(z), generator=generator)].tensor_split(2)
    return first, second


def without(z: Tensor, generator: torch.Generator) -> tuple[list[Tensor], list[Tensor]]:
    """Returns sets of samples without clusters, Gaussian and uniform, of the variances of z (n, d) along its axes."""
    scale = z.std(0, correction=0)
    gaussian = [scale * torch.randn(z.shape, generator=generator) for _ in range(SETS)]
    uniform = [scale * math.sqrt(12) * (torch.rand(z.shape, generator=generator) - 0.5) for _ in range(SETS)]
    return gaussian, uniform


def alike(splits: Sequence[tuple[Tensor, Tensor]], count: int, seed: int) -> Tensor:
    """Returns how alike the clusters of both halves are, float64 (splits,)."""
    found = [halves_alike(*halves, count, seed + i) for i, halves in enumerate(splits)]
    return torch.tensor(found, dtype=torch.float64)


def halves_alike(learned: Tensor, asked: Tensor, count: int, seed: int) -> float:
    """Returns the adjusted Rand index of two groupings of the second half: by the first half's clusters, by its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different samples than clusters
        first, second = (KMeans(count, n_init=STARTS, max_iter=PASSES, random_state=seed).fit(part.numpy())
                         for part in (learned, asked))
    return adjusted_rand(torch.from_numpy(second.labels_), torch.from_numpy(first.predict(asked.numpy())))


def compared(count: int, own: Tensor, clouds: Sequence[Tensor], seed: int) -> Tried:
    """Returns what is known of a number of clusters.

    Arguments:
        count: The number.
        own: How alike it comes out in splits of the samples, (splits,).
        clouds: The same of each kind of cloud, (sets, splits of each).
        seed: Of the bootstrap.
    """
    generator = torch.Generator().manual_seed(seed)
    sets = [cloud.mean(1) for cloud in clouds]  # each (sets,)
    stability, reference = float(own.mean()), max(float(values.mean()) for values in sets)
    level, *others = (redrawn_means(values, generator) for values in (own, *sets))
    beyond = ends(share_above(level, torch.stack(others).amax(0)))
    excess = float(share_above(own.mean(), own.new_tensor(reference)))
    chance = max(beyond_chance(stability, values) for values in sets)
    return Tried(count, stability, *ends(level), reference, excess, *beyond, chance)


def share_above(stability: Tensor, reference: Tensor) -> Tensor:
    """Returns how much of the way from a reference to 1 a stability has come."""
    return (stability - reference) / (1 - reference).clamp_min(1 - TOP)


def beyond_chance(stability: float, sets: Tensor) -> float:
    """Returns how probable it is that a further set without clusters has such a stability or more.

    Fisher's transform makes stabilities near 1 about normal; of the sets' mean and deviation there is an estimate only.

    Arguments:
        stability: Of the samples.
        sets: Of sets without clusters, (sets,).
    """
    own, levels = math.atanh(min(stability, TOP)), sets.clamp_max(TOP).atanh()
    deviation = float(levels.std()) * math.sqrt(1 + 1 / len(sets))
    above = own - float(levels.mean())
    return float(scipy.stats.t.sf(above / deviation, len(sets) - 1)) if deviation > 0 else float(above <= 0)


def redrawn_means(values: Tensor, generator: torch.Generator) -> Tensor:
    """Returns the means of bootstrap draws of values, float64 (times,)."""
    return values[torch.randint(len(values), (TIMES, len(values)), generator=generator)].mean(1)

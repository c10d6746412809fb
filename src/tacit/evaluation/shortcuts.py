"""Whether a map or a grouping is mostly something beside meaning: brightness, file size, folder, date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.evaluation.factors import Array, Explained, explained, factors_of, grouped
from tacit.evaluation.measure import Measure
from tacit.functional.association import groups_explained, largest_share
from tacit.functional.explained import share_explained

__all__ = ["ANY", "CENTRE", "factors_beside_labels", "group_shares", "map_shares", "set_apart", "warning_of"]

MAPS, CLUSTERS = "maps", "clusters"
EXPLAINED = "explained by "
AXIS, ANY, CENTRE = "axis", "any direction", "distance from the centre"
MOSTLY, PARTLY = 0.5, 0.25  # from which share on a person is warned
NEARLY = 0.9  # of the largest share along any direction: from there on an axis stands for the map
APART = 0.1  # of a factor's variance that lies between a cluster and all others, to be worth a word
PLAIN = {"bytes": "file size", "width": "image width", "height": "image height", "mode": "colour mode"}
SUBJECTS = {MAPS: "this map is", CLUSTERS: "these clusters are"}


def factors_beside_labels(data: Data) -> dict[str, Array]:
    """Returns all that is known of samples beside what they are, as `factors_of`, but for what their labels say.

    A folder that is the label is what a map should show.
    """
    factors = factors_of(data)
    if data.label is None:
        return factors
    label = data.label
    return {name: f for name, f in factors.items() if f.dtype.kind in "fiub" or not same_groups(grouped(f), label)}


def same_groups(a: Tensor, b: Tensor) -> bool:
    """Returns whether two groupings, int64 (N,), keep the same samples together."""
    pairs = len(torch.stack([a, b]).unique(dim=1).T)
    return pairs == len(a.unique()) == len(b.unique())


def map_shares(places: Tensor, factors: Mapping[str, Array], whom: str, *, seed: int = 0) -> Iterator[Measure]:
    """Yields how much each factor explains of a map: of its axes, along any direction, and of who lies how far out.

    Few maps have axes that mean more than other directions: t-SNE may turn as it likes, and often lays what is faint
    in the middle and what is strong around it.

    Arguments:
        places: On the map, shape (N, 2).
        factors: Numbers or words, N for each name, as `factors_beside_labels` gives them.
        whom: How protocols call the samples.
        seed: Of the intervals.
    """
    for number, axis in enumerate(places.unbind(1), 1):
        for name, found in explained(axis, factors, seed=seed).items():
            yield share_measure(MAPS, name, found, whom, f"Share of the variance of axis {number}", f"{AXIS} {number}")
    for name, found in explained(places, factors, share=largest_share, seed=seed).items():
        words = "Largest share of the variance along any direction of the map, however it is turned,"
        yield share_measure(MAPS, name, found, whom, words, ANY)
    for name, found in explained((places - places.median(0).values).norm(dim=1), factors, seed=seed).items():
        words = "Share of the variance of the distance from the centre of the map, its median,"
        yield share_measure(MAPS, name, found, whom, words, CENTRE)


def group_shares(group: Tensor, factors: Mapping[str, Array], whom: str, *, seed: int = 0) -> Iterator[Measure]:
    """Yields how much of a grouping each factor explains.

    Arguments:
        group: The group of each sample, int64 (N,); -1, for none, is a group as well.
        factors: Numbers or words, N for each name.
        whom: How protocols call the samples.
        seed: Of the intervals.
    """
    words = "Goodman and Kruskal's tau: share by which errors fall when the cluster of a sample is guessed, in the " \
            "clusters' proportions, with its factor known; the variance of membership that lies"
    for name, found in explained(group, factors, share=groups_explained, seed=seed).items():
        yield share_measure(CLUSTERS, name, found, whom, words, "")


def share_measure(question: str, name: str, found: Explained, whom: str, words: str, of: str) -> Measure:
    """Returns how much a factor explains, as a measure."""
    value, low, high = found
    return Measure(
        question, f"{EXPLAINED}{name}", value,
        f"{words} between samples of equal {name}, or between tenths of them where it is a number of many values, over "
        f"{whom}; corrected so that chance has 0 on average. Interval: jackknife over 20 groups of samples.",
        of=of, low=low, high=high, unit="share",
    )


def warning_of(measures: Iterable[Measure]) -> str:
    """Returns in plain words what a map and clusters are beside meaning; nothing where no factor explains much.

    A factor that surely explains half, as the lower end of its interval says, is what they mostly are; from a quarter
    on, partly. Of factors that go together each is named.

    Arguments:
        measures: Of one run; those that are no shares of `map_shares` or `group_shares` are passed over.

    Example:
        >>> bright = Measure("maps", "explained by brightness", 0.83, "", of="axis 1", low=0.8, high=0.86)
        >>> warning_of([bright, Measure("clusters", "explained by bytes", 0.4, "", low=0.3, high=0.5)])
        'this map is mostly brightness (axis 1: 83 %); these clusters are partly file size (40 %)'
    """
    shares = [m for m in measures if m.name.startswith(EXPLAINED)]
    sentences = (sentence(start, [m for m in shares if m.question == question]) for question, start in SUBJECTS.items())
    return "; ".join(s for s in sentences if s)


def sentence(start: str, shares: list[Measure]) -> str:
    """Returns what a map or clusters are mostly and partly, strongest first, or nothing."""
    best = [telling([m for m in shares if m.name == name]) for name in dict.fromkeys(m.name for m in shares)]
    best.sort(key=lambda m: -m.value)
    low = {m.name: m.value if m.low is None else m.low for m in best}
    levels = {
        "mostly": [m for m in best if low[m.name] >= MOSTLY],
        "partly": [m for m in best if PARTLY <= low[m.name] < MOSTLY],
    }
    parts = [f"{word} {' and '.join(map(in_words, those))}" for word, those in levels.items() if those]
    return f"{start} {', '.join(parts)}" if parts else ""


def telling(shares: list[Measure]) -> Measure:
    """Returns which of the shares of one factor to show: the greatest, or an axis that says nearly as much."""
    most = max(shares, key=lambda m: m.value)
    axis = max((m for m in shares if m.of.startswith(AXIS)), key=lambda m: m.value, default=most)
    return axis if axis.value >= NEARLY * most.value else most


def in_words(share: Measure) -> str:
    """Returns for instance ``brightness (axis 1: 83 %)``."""
    name = share.name.removeprefix(EXPLAINED)
    where = "along one direction: " if share.of == ANY else f"{share.of}: " if share.of else ""
    return f"{PLAIN.get(name, name)} ({where}{100 * share.value:.0f} %)"


def set_apart(group: Tensor, factors: Mapping[str, Array], *, most: int = 3) -> dict[int, tuple[str, ...]]:
    """Returns by which factors each cluster differs from all other samples, in a few words each, strongest first.

    The strength is the share of a factor's variance that lies between the cluster and the others; of words, that of
    the word which differs most. What is under a tenth is passed over.

    Arguments:
        group: The cluster of each sample, int64 (N,); -1 for none.
        factors: Numbers or words, N for each name.
        most: Factors that are named of a cluster.

    Example:
        >>> set_apart(torch.tensor([0, 0, 1, 1]), {"folder": np.array(["a", "a", "b", "b"]), "age": np.arange(4.0)})[0]
        ('folder a: 100 %, else 0 %', 'age 0.5, else 2.5')
    """
    found: dict[int, tuple[str, ...]] = {}
    for number in group[group >= 0].unique().tolist():
        member = (group == number).numpy()
        told = [difference(name, factor, member) for name, factor in factors.items()]
        told = sorted((t for t in told if t[0] >= APART), key=lambda t: -t[0])
        found[number] = tuple(words for _, words in told[:most])
    return found


def difference(name: str, factor: Array, member: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> tuple[float, str]:
    """Returns how far the members of a cluster differ by a factor, as a share of variance, and in words."""
    name = PLAIN.get(name, name)
    if factor.dtype.kind in "fiub":
        known = np.isfinite(values := factor.astype(np.float64))
        share, inside, outside = contrast(values[known], member[known])
        return share, f"{name} {inside:.4g}, else {outside:.4g}"
    best = (-1.0, "")
    for word in np.unique(words := factor.astype(str)).tolist():
        share, inside, outside = contrast((words == word).astype(np.float64), member)
        if share > best[0] and inside > outside:
            best = (share, f"{name} {word}: {100 * inside:.0f} %, else {100 * outside:.0f} %")
    return best


def contrast(values: Array, member: Array) -> tuple[float, float, float]:
    """Returns the share of variance between members and others, -1 where there is none, and the mean of both."""
    if not 0 < member.sum() < len(member) or np.ptp(values) == 0:
        return -1.0, 0.0, 0.0
    share = share_explained(torch.from_numpy(values), torch.from_numpy(member).long())
    return share, float(values[member].mean()), float(values[~member].mean())

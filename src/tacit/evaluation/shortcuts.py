"""Whether a map or a grouping is mostly something beside meaning: brightness, file size, folder, date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

from tacit.data.dataset import Data
from tacit.evaluation.factors import Array, Explained, explained, factors_of, is_class
from tacit.evaluation.measure import Measure
from tacit.functional.association import groups_explained, largest_share

__all__ = ["ANY", "CENTRE", "factors_beside_labels", "group_shares", "map_shares", "warning_of"]

MAPS, CLUSTERS = "maps", "clusters"
EXPLAINED = "explained by "
AXIS, ANY, CENTRE = "axis", "any direction", "distance from the centre"
MOSTLY, PARTLY = 0.5, 0.25  # from which share on a person is warned
NEARLY = 0.9  # of the largest share along any direction: from there on an axis stands for the map
PLAIN = {"bytes": "file size", "width": "image width", "height": "image height", "mode": "colour mode"}
SUBJECTS = {MAPS: "this map is", CLUSTERS: "these clusters are"}


def factors_beside_labels(data: Data) -> dict[str, Array]:
    """Returns all that is known of samples beside what they are, as `factors_of`, but for what their labels say.

    A folder that is the label is what a map should show.
    """
    return {name: f for name, f in factors_of(data).items()
            if f.dtype.kind in "fiub" or not is_class(f.astype(str), data.label)}


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

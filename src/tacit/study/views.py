"""What a study shows of its runs, a function for each view; those that take no more than a few lines are here.

Each asks for capabilities, and returns nothing where a run lacks them. Images are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tacit.data.dataset import Data
from tacit.functional.draws import shuffled
from tacit.functional.facility import representative_order
from tacit.runs.log import read_lines
from tacit.runs.run import Run
from tacit.study.groups import clusters_of
from tacit.study.made import generated_of
from tacit.study.result import Curve, Map, Restorations, Restored, Shown
from tacit.study.shown import distinct, in_range, shown_of
from tacit.study.strange import strangest_of
from tacit.study.walks import traversals_of

__all__ = [
    "clusters_of",
    "curve_of",
    "generated_of",
    "map_of",
    "restorations_of",
    "shown_of",
    "strangest_of",
    "to_label_of",
    "traversals_of",
]

RESTORED = 12


def map_of(member: str, run: Run, data: Data, shown: Shown, seed: int = 0) -> Map | None:
    """Lays the shown samples out on a run's map; None where it has none."""
    return Map(member, run.embed(shown.data)) if "Embeds" in run.capabilities else None


def curve_of(member: str, run: Run, data: Data, shown: Shown, seed: int = 0) -> Curve | None:
    """Returns what a run's training logged; None where that is less than two lines."""
    lines = read_lines(run.path / "metrics.jsonl")
    return Curve(member, lines) if len(lines) > 1 else None


def restorations_of(runs: Sequence[tuple[str, Run]], data: Data, seed: int = 0) -> Restorations | None:
    """Restores the same 12 held-out samples by each run that can.

    Arguments:
        runs: Names in the study, and runs.
        data: The data of their root.
        seed: Of the draw.

    Returns:
        Images or rows; None where the samples are neither, or no run reconstructs.
    """
    able = [(name, run) for name, run in runs if "Reconstructs" in run.capabilities]
    if not able or data.spec.kind not in ("image", "table"):
        return None
    places = data.testing if len(data.testing) else torch.arange(len(data))
    samples = data.take(distinct(shuffled(places, seed), data.twins, RESTORED))
    return Restorations(samples, tuple(
        Restored(name, in_range(run.reconstruct(samples), data.spec.range)) for name, run in able
    ))


def to_label_of(run: Run | None, data: Data, shown: Shown, count: int = 20, seed: int = 0) -> Data:
    """Returns the samples whose labels would say most of all others: they stand for as many as possible, best first.

    Arguments:
        run: Whose representation says what is alike; the samples themselves do where it is None or cannot encode.
        data: The data of its root.
        shown: The samples that can be shown, of which they are taken.
        count: How many.
        seed: Of the draws.
    """
    single = shown.data.take(distinct(torch.arange(len(shown.data)), shown.data.twins, len(shown.data)))
    able = run is not None and "Encodes" in run.capabilities
    z = run.encode(single) if run is not None and able else single.everything()
    return single.take(representative_order(z.flatten(1).float(), min(count, len(single)), seed=seed))

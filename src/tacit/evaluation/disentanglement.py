"""Whether each dimension of a run's code stands for one factor that the data are made of, where these are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tacit.data.dataset import Data
from tacit.errors import DataError
from tacit.evaluation.case import Case
from tacit.evaluation.factors import Array, grouped
from tacit.evaluation.measure import Measure
from tacit.functional.disentanglement import (
    active_dimensions,
    dci,
    factor_votes,
    gap,
    held_fixed,
    majority,
    mutual_information_gap,
    predictability,
)
from tacit.functional.jackknife import groups, jackknife_interval
from tacit.functional.principal import principal_axes

__all__ = ["Known", "ask", "known_factors"]

QUESTION = "disentanglement"
OF_FILES = frozenset({"bytes", "date", "folder", "height", "mode", "width"})  # known of files, not of what they show
LEVELS = 10  # groups of a continuous factor
RARE, FEWEST = 0.02, 3  # share and number of samples that two values of a factor have at least
PER_GROUP = 5  # samples of a group, on average, below which a column is no factor
LEAST, WIDEST = 50, 128  # unseen samples, and dimensions of a code: beyond, nobody looks at each
VOTES, UNSEEN_VOTES, SHARING = 4_000, 2_000, 64
ACTIVE = 0.05  # of the greatest standard deviation, below which a dimension has no vote
FITS, LEARNED = 4, 500  # of boosted trees, and the samples that each learns from

Pair = tuple[Tensor, Tensor]
Statistic = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Known:
    """The factors of training and of unseen samples.

    Arguments:
        names: Of the factors, K of them.
        continuous: Whether each is a number with many values.
        values: Numbers, or numbers that stand for words, double (N, K): of the training, and of the unseen samples.
        levels: The same, continuous factors cut into ten groups of equal size, int64 (N, K), both.
    """

    names: tuple[str, ...]
    continuous: tuple[bool, ...]
    values: Pair
    levels: Pair

    def __str__(self) -> str:
        """Returns what a protocol says of them."""
        cut = [name for name, many in zip(self.names, self.continuous, strict=True) if many]
        said = f"{', '.join(cut)} {'is' if len(cut) == 1 else 'are'} cut into ten groups of equal size" if cut else ""
        return f"Factors: {', '.join(self.names)}{'; ' if said else ''}{said}."


def ask(case: Case) -> Iterator[Measure]:
    """Measures MIG, SAP, FactorVAE score and DCI of a run's code, and the first three of two codes beside it.

    These are as many principal components of the data, and the run's own code turned at random, which holds the same
    and has no axes of its own.

    Raises:
        DataError: If no two factors of the data are known, the code is no vector of 2 to 128 dimensions, or there are
            too few samples.
    """
    known = known_factors(case.train, case.test)
    if len(case.test) < LEAST:
        raise DataError(f"there are {case.names[1]}; disentanglement is measured on {LEAST} or more; fit with a "
                        "greater --split")
    codes = case.run.encode(case.train), case.run.encode(case.test)
    width = codes[0][0].numel()
    if codes[0].dim() != 2 or not 2 <= width <= WIDEST:
        shape = " x ".join(map(str, codes[0].shape[1:]))
        raise DataError(f"disentanglement is asked of vectors of 2 to {WIDEST} dimensions; the run's code is {shape}")
    yield from gaps(case, known, codes)
    yield from scores(case, known, codes)
    x = case.train.everything().flatten(1), case.test.everything().flatten(1)
    if width < min(x[0].shape):
        axes = principal_axes(x[0], width)
        first, second = ((part - axes.mean.to(part)) @ axes.directions.to(part).T for part in x)
        yield from scores(case, known, (first, second), f"{width} principal components")
    turn = rotation(width, case.seed).to(codes[0])
    yield from scores(case, known, (codes[0] @ turn, codes[1] @ turn), "the code turned at random")
    yield from by_trees(case, known, codes)


def known_factors(train: Data, test: Data) -> Known:
    """Returns the columns of the data that may be factors of them: numbers or words that vary, none missing.

    What tells of a file and not of what it shows is left out, and so are columns whose groups have fewer than five
    samples on average, such as names, or of which fewer than two are frequent.

    Raises:
        DataError: If there are fewer than two.
    """
    both = {n: np.concatenate([train.columns[n], test.columns[n]]) for n in train.columns if n in test.columns}
    n = len(train)
    found = {name: column for name, column in both.items()
             if name not in OF_FILES and is_factor(column) and in_both(grouped(column), n)}
    if len(found) < 2:
        has = f"names one factor, {next(iter(found))}," if found else "names no factor"
        raise DataError(f"{test.source} {has} that its samples are made of; it takes two or more columns of them, and "
                        "without factors nothing can be said of disentanglement: the report claims none")
    values = torch.stack([torch.from_numpy(numbered(column)) for column in found.values()], 1)  # (N, K)
    levels = torch.stack([grouped(column) for column in found.values()], 1)
    many = tuple(is_number(c) and len(np.unique(c)) > LEVELS for c in found.values())
    return Known(tuple(found), many, (values[:n], values[n:]), (levels[:n], levels[n:]))


def is_number(column: Array) -> bool:
    """Returns whether a column holds numbers, not words."""
    return column.dtype.kind in "fiu"


def numbered(column: Array) -> Array:
    """Returns numbers, or those that stand for words, double (N,)."""
    plain = column if is_number(column) else np.unique(column.astype(str), return_inverse=True)[1]
    return plain.reshape(-1).astype(np.float64)


def is_factor(column: Array) -> bool:
    """Returns whether a column varies, misses nothing, and has groups of five samples or more on average."""
    if column.dtype.kind not in "fiubOU" or not all(str(value) not in ("", "nan", "None") for value in column.tolist()):
        return False
    return 1 < len(grouped(column).unique()) <= len(column) / PER_GROUP


def in_both(group: Tensor, n: int) -> bool:
    """Returns whether there are two groups to tell apart, neither rare, among the first n samples and the others."""
    seconds = [(torch.bincount(part, minlength=2).sort().values[-2], len(part)) for part in (group[:n], group[n:])]
    return all(int(count) >= max(FEWEST, RARE * size) for count, size in seconds)


def gaps(case: Case, known: Known, codes: Pair) -> Iterator[Measure]:
    """Measures the information gap of each factor by itself."""
    for k, name in enumerate(known.names):
        levels = known.levels[1][:, [k]]

        def of_factor(_: Tensor, keep: Tensor, levels: Tensor = levels) -> float:
            return float(mutual_information_gap(codes[1][keep], levels[keep]))

        yield measured(
            case, "information gap of a factor", of_factor,
            f"How much more of {name} one dimension knows than the next, in shares of its entropy, dimensions cut "
            f"into 20 bins of equal width; on {case.names[1]}. {known} What goes round in a circle, as angles and hues "
            "do, fits no single dimension, nor does an angle that the symmetry of a shape hides.",
            of=name,
        )


def scores(case: Case, known: Known, codes: Pair, of: str = "") -> Iterator[Measure]:
    """Measures MIG, SAP and FactorVAE score."""
    def mig(_: Tensor, keep: Tensor) -> float:
        return float(mutual_information_gap(codes[1][keep], known.levels[1][keep]).mean())

    def sap(learned: Tensor, keep: Tensor) -> float:
        return float(gap(predictability(
            codes[0][learned], known.values[0][learned], codes[1][keep], known.values[1][keep], known.continuous,
            seed=case.seed,
        )).mean())  # fmt: skip

    def votes(learned: Tensor, keep: Tensor) -> float:
        return vote_score((codes[0][learned], codes[1][keep]), (known.levels[0][learned], known.levels[1][keep]),
                          case.seed)

    yield measured(
        case, "MIG", mig, "Mutual information gap (Chen et al. 2018): how much more of a factor one dimension knows "
        "than the next, in shares of its entropy, mean over the factors; dimensions cut into 20 bins of equal width; "
        f"on {case.names[1]}. {known}", of,
    )
    yield measured(
        case, "SAP", sap, "Separated attribute predictability (Kumar et al. 2018): how much better one dimension tells "
        "a factor than the next, mean over the factors; a number by R^2 of a line, a class by the accuracy of a linear "
        f"support vector machine; learned from {case.names[0]}, accuracy on {case.names[1]}. {known}", of,
    )
    yield measured(
        case, "FactorVAE score", votes, "Share of batches of which it is told which factor all samples share, by the "
        f"dimension that varies least (Kim & Mnih 2018): {UNSEEN_VOTES:,} batches of {SHARING} from {case.names[1]}, "
        f"told as most of {VOTES:,} from {case.names[0]} were. {known} By chance about 1 / {len(known.names)}. "
        f"Dimensions with less than {ACTIVE:g} of the greatest standard deviation have no vote.", of, "share",
    )


def vote_score(codes: Pair, levels: Pair, seed: int) -> float:
    """Returns the FactorVAE score with batches drawn from training and from unseen samples."""
    greatest = float(codes[0].double().std(0).max())
    if not greatest:
        return 0.0  # as of a code all of whose dimensions are pruned
    active = active_dimensions(codes[0], threshold=ACTIVE * greatest)
    told = []
    for z, level, count, own in zip(codes, levels, (VOTES, UNSEEN_VOTES), (seed, seed + 1), strict=True):
        batches = held_fixed(level, count, size=SHARING, seed=own)
        told += [batches.factor, factor_votes(z, batches.positions, active)]
    return majority(*told)


def by_trees(case: Case, known: Known, codes: Pair) -> Iterator[Measure]:
    """Measures disentanglement, completeness and informativeness, each the mean over trees of different samples."""
    parts = [part[:LEARNED] for part in groups(len(codes[0]), FITS, seed=case.seed)]
    fits = [dci(codes[0][i], known.levels[0][i], codes[1], known.levels[1], seed=case.seed) for i in parts]
    setting = f"(Eastwood & Williams 2018), by boosted trees, mean over {FITS} times {len(parts[-1]):,} of " \
              f"{case.names[0]} that they learn from. {known} Interval: t over these."
    answers = (
        ("DCI disentanglement", [f.disentanglement for f in fits], "How far each dimension serves one factor only", ""),
        ("DCI completeness", [f.completeness for f in fits], "How far each factor is served by one dimension only", ""),
        ("DCI informativeness", [f.informativeness for f in fits],
         f"Share of {case.names[1]} whose factor is told right from the code, mean over factors", "share"),
    )
    for name, values, words, unit in answers:
        each = torch.tensor(values, dtype=torch.float64)
        without = (each.sum() - each) / (FITS - 1)
        low, high = jackknife_interval(float(each.mean()), without)
        yield Measure(QUESTION, name, float(each.mean()), f"{words} {setting}", low=max(low, 0.0), high=min(high, 1.0),
                      unit=unit, better="higher")


def measured(case: Case, name: str, statistic: Statistic, protocol: str, of: str = "", unit: str = "") -> Measure:
    """Returns a statistic of positions of training and of unseen samples, with its interval."""
    n, m = len(case.train), len(case.test)
    value = statistic(torch.arange(n), torch.arange(m))
    learned, unseen = groups(n, seed=case.seed), groups(m, seed=case.seed)
    without = [statistic(rest(learned, i), rest(unseen, i)) for i in range(min(len(learned), len(unseen)))]
    low, high = jackknife_interval(value, torch.tensor(without, dtype=torch.float64))
    protocol += " Interval: jackknife, a twentieth of the samples left out at a time."
    return Measure(QUESTION, name, value, protocol, of=of, low=max(low, 0.0), high=min(high, 1.0), unit=unit,
                   better="higher")


def rest(parts: tuple[Tensor, ...], left_out: int) -> Tensor:
    """Returns the positions of all parts but one."""
    return torch.cat([part for i, part in enumerate(parts) if i != left_out])


def rotation(width: int, seed: int) -> Tensor:
    """Returns an orthogonal matrix drawn evenly from all, double (width, width)."""
    draws = torch.randn(width, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    q, r = torch.linalg.qr(draws)
    return q * r.diagonal().sign()  # type: ignore[no-any-return]

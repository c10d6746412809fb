"""How near translations are to the true partners, or, of two domains without pairs, to the other domain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tacit.data.dataset import Data, as_float
from tacit.errors import DataError, RunError
from tacit.evaluation.case import Case, drawn
from tacit.evaluation.intervals import mean_interval
from tacit.evaluation.measure import Measure
from tacit.evaluation.probing import Features, linear_probe, standardised
from tacit.evaluation.samples import GROUPS, LEAST, frechet_with_interval
from tacit.evaluation.spaces import Space, random_network
from tacit.functional.draws import shuffled
from tacit.functional.fidelity import SSIM_WINDOW, luma, psnr, ssim
from tacit.nets.superres import enlarged
from tacit.protocol import Spec
from tacit.runs.run import Run

__all__ = ["ask", "plain_copy", "translated"]

QUESTION = "translation"
CEILING = 100.0  # dB that equal images get
BATCH, VALUES = 256, 2**22  # images, and values of images, that are translated or compared at a time
SOURCE, TARGET = 0, 1  # in `Data.domain`
NAMES = {SOURCE: "source", TARGET: "target"}  # by which translators know them
HELD_OUT = "held-out data"


def ask(case: Case) -> Iterator[Measure]:
    """Measures translations of held-out samples, beside the samples as they are.

    Raises:
        DataError: If samples have neither partners nor a second domain, or are too few.
        RunError: If the run makes images that are not numbers.
    """
    if case.run.spec.kind != "image":
        raise DataError(f"translations are measured on images; the samples are {case.run.spec}")
    if case.train.pair is not None and case.test.pair is not None:
        yield from paired(case)
    elif case.train.domain is not None and case.test.domain is not None:
        yield from unpaired(case)
    else:
        raise DataError(f"{case.test.source} has neither partners nor a second domain to judge translations by; "
                        "name data that have some with --against, or leave it out")


def translated(run: Run, x: Tensor, *, to: str | None = None, eight_bits: bool = True) -> Tensor:
    """Returns translations of images in [0, 1], made in bounded batches.

    Arguments:
        run: A run that translates.
        x: Images, shape (N, *spec.shape).
        to: Which of two domains.
        eight_bits: Whether they are rounded as a file would hold them.

    Raises:
        RunError: If some are not finite.
    """
    size = bounded(max(math.prod(run.spec.shape), math.prod(run.spec.pair)))
    with torch.inference_mode():
        made = torch.cat([run.chain.translate(part.to(run.device), to=to).cpu() for part in x.split(size)]).clone()
    if not made.isfinite().all():
        bad = int((~made.flatten(1).isfinite()).any(1).sum())
        raise RunError(f"{bad:,} of {len(made):,} translations of {run.name} hold values that are not finite; "
                       "fit it again, with a lower --lr")
    return made.mul(255).round().clamp(0, 255) / 255 if eight_bits else made


def bounded(values: int) -> int:
    """Returns how many images of so many values are worked on at a time."""
    return max(1, min(BATCH, VALUES // values))


# Partners ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fidelity:
    """A measure of how near images are to the true ones, one by one.

    Arguments:
        name: What it is called.
        about: In words.
        call: Takes two sets of images, returns one value for each pair, shape (N,).
        unit: As `Measure.unit`.
    """

    name: str
    about: str
    call: Callable[[Tensor, Tensor], Tensor]
    unit: str = ""

    def each(self, made: Tensor, true: Tensor) -> Tensor:
        """Returns one value for each pair of images, float64, shape (N,), in bounded batches."""
        size = bounded(math.prod(true.shape[1:]))
        return torch.cat([self.call(a, b) for a, b in zip(made.split(size), true.split(size), strict=True)])


def paired(case: Case) -> Iterator[Measure]:
    """Measures translations against the partners of held-out samples, and the samples as they are."""
    held, shape = drawn(case.test, torch.arange(len(case.test)), case.made, case.seed), case.run.spec.pair
    who = counted(len(held), case.test, case.names[1])
    true, eight_bits = partners(held), held.pair is not None and held.pair.dtype == torch.uint8
    made = translated(case.run, held.everything(), eight_bits=eight_bits)
    plain, of, words = plain_copy(held.everything(), shape)
    for fidelity in fidelities(case.run.spec):
        ours, theirs = fidelity.each(made, true), fidelity.each(plain, true)
        how = f"{fidelity.about}, against the partners of {who}, mean over images"
        more: dict[str, Any] = {"seed": case.seed, "unit": fidelity.unit}
        yield averaged(fidelity.name, ours, f"{how}: of translations.", better="higher", **more)
        yield averaged(fidelity.name, theirs, f"{how}: of {words}.", of=of, **more)
        yield averaged(fidelity.name, ours - theirs, f"{how}: of translations, less that of {words}, image by image.",
                       of=f"less {of}", **more)
    train, space = partners(case.train), space_of_partners(case)
    yield from distances(case, space, (f"the partners of {case.names[0]}", train), (
        ("", f"translations of {who}", made),
        (of, f"{words}, {who}", plain),
        (HELD_OUT, f"the partners of {who}", true),
    ))


def partners(data: Data) -> Tensor:
    """Returns the partners of all samples as floats, shape (N, *spec.pair)."""
    known: Any = data.pair
    return as_float(known)


def plain_copy(x: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str, str]:
    """Returns samples as they are, in the shape of their partners, with a short and a longer name for what was done.

    Grey is repeated where partners have more channels, colours are averaged where they have fewer, and another size
    is reached by bicubic interpolation.

    Arguments:
        x: Images, shape (N, C, H, W).
        shape: Of a partner.
    """
    if x.shape[1] != shape[0]:
        x = x.mean(1, keepdim=True).expand(-1, shape[0], -1, -1)
    if x.shape[2:] == shape[1:]:
        return x, "copy", "the samples as they are"
    size = bounded(math.prod(shape))
    x = torch.cat([enlarged(part, shape[1], shape[2]) for part in x.split(size)])
    return x.clamp(0, 1), "bicubic", "the samples brought to size by bicubic interpolation"


def fidelities(spec: Spec) -> Iterator[Fidelity]:
    """Yields PSNR and SSIM as they are usual: of larger partners on Y without a border, else on all channels and Y.

    The border that does not count is as wide as the partner is times larger: 4 pixels at a scale of 4.
    """
    channels, height, _ = spec.pair
    larger = height > spec.shape[1]
    border = round(height / spec.shape[1]) if larger else 0
    without = f", without {border} pixels at each border" if border else ""
    if channels != 3 or not larger:
        yield from viewed(torch.clone, "", without, border, spec)
    if channels == 3:
        yield from viewed(luma, " on Y", f" of BT.601 at studio swing{without}", border, spec)


def viewed(view: Callable[[Tensor], Tensor], name: str, words: str, border: int, spec: Spec) -> Iterator[Fidelity]:
    """Yields PSNR and SSIM of a view of images; SSIM where its window finds room."""
    yield Fidelity(
        f"PSNR{name}", f"Peak signal-to-noise ratio at a range of 1{name}{words}, {CEILING:g} dB at most",
        lambda a, b: psnr(view(a), view(b), border).clamp_max(CEILING), "dB",
    )
    if min(spec.pair[1:]) - 2 * border >= SSIM_WINDOW:
        yield Fidelity(
            f"SSIM{name}", f"Structural similarity{name}{words}, in Gaussian windows of 11 x 11 pixels that lie inside",
            lambda a, b: ssim(view(a), view(b), border),
        )


def space_of_partners(case: Case) -> Space:
    """Returns the features in which partners are compared: the case's own, where these take them."""
    spec = case.run.spec
    if spec.pair == spec.shape or case.space.name.startswith("Inception"):  # which takes images of any size
        return case.space
    return random_network(dataclasses.replace(spec, shape=spec.pair, pair=()), case.seed)


# Two domains ---------------------------------------------------------------------------------------------------------


def unpaired(case: Case) -> Iterator[Measure]:
    """Measures translations of held-out samples of the source, and how much of both domains comes back."""
    train, held = ([of_domain(data, d) for d in (SOURCE, TARGET)] for data in (case.train, case.test))
    if min(len(part) for part in (*train, *held)) < LEAST:
        raise DataError(f"of the source there are {len(train[SOURCE])} training and {len(held[SOURCE])} held-out "
                        f"samples, of the target {len(train[TARGET])} and {len(held[TARGET])}; translations are judged "
                        f"by {LEAST} of each; fit with a greater --split, or name other data with --against")
    held = [drawn(part, torch.arange(len(part)), case.made, case.seed) for part in held]
    eight_bits = case.test.x.dtype == torch.uint8
    x, real = held[SOURCE].everything(), held[TARGET].everything()
    words = {d: f"{len(held[d]):,} samples of the {name} domain among {case.names[1]}" for d, name in NAMES.items()}
    made = translated(case.run, x, to=NAMES[TARGET], eight_bits=eight_bits)
    back = translated(case.run, made, to=NAMES[SOURCE], eight_bits=eight_bits)
    yield from cycle(case, x, back, words[SOURCE], NAMES[SOURCE])
    there = translated(case.run, real, to=NAMES[SOURCE], eight_bits=eight_bits)
    again = translated(case.run, there, to=NAMES[TARGET], eight_bits=eight_bits)
    yield from cycle(case, real, again, words[TARGET], NAMES[TARGET])
    sets = (("", f"translations of {words[SOURCE]}", made), ("untranslated", words[SOURCE], x),
            (HELD_OUT, words[TARGET], real))
    learned = (f"the target's {len(train[TARGET]):,} among {case.names[0]}", train[TARGET].everything())
    yield from distances(case, case.space, learned, sets)
    yield from called_target(case, train, sets)


def of_domain(data: Data, domain: int) -> Data:
    """Returns the samples of one domain."""
    known: Any = data.domain
    return data.take((known == domain).nonzero().flatten())


def cycle(case: Case, x: Tensor, back: Tensor, words: str, domain: str) -> Iterator[Measure]:
    """Measures how near samples come to themselves that were translated there and back."""
    how = f"{words}, translated to the other domain and back, against themselves; mean over images."
    error = (back.double() - x.double()).abs().mean((1, 2, 3))
    ratio = psnr(back, x).clamp_max(CEILING)
    yield averaged("cycle error", error, f"Absolute error of a value in [0, 1], of {how}", of=domain, seed=case.seed,
                   better="lower")
    yield averaged("cycle PSNR", ratio, f"Peak signal-to-noise ratio at a range of 1, {CEILING:g} dB at most, of {how}",
                   of=domain, seed=case.seed, unit="dB", better="higher")


def called_target(case: Case, train: list[Data], sets: Sequence[tuple[str, str, Tensor]]) -> Iterator[Measure]:
    """Measures which share of each set a classifier of the domains takes for the target."""
    space, n = random_network(case.run.spec, case.seed), min(map(len, train))
    learned = [space.features(data.take(shuffled(torch.arange(len(data)), case.seed)[:n]).everything())
               for data in train]
    asked = [space.features(x) for _, _, x in sets]
    labels = torch.arange(2).repeat_interleave(n)
    both = standardised(Features(torch.cat(learned), labels, torch.cat(asked), torch.zeros(0, dtype=torch.int64)))
    called = linear_probe(both.train, labels, both.test) == TARGET
    shares = dict(zip((of for of, _, _ in sets), called.double().split([len(x) for x in asked]), strict=True))
    right = (1 - shares["untranslated"].mean() + shares[HELD_OUT].mean()) / 2
    for of, words, _ in sets:
        yield averaged(
            "called target", shares[of],
            f"Share of {words} that logistic regression takes for the target domain, fitted on {n:,} training samples "
            f"of each domain; it is right about {100 * float(right):.1f} % of held-out samples, the domains weighed "
            "alike.", of=of, seed=case.seed, unit="share", better="" if of else "higher", space=space.name,
        )


# Both ----------------------------------------------------------------------------------------------------------------


def counted(n: int, data: Data, words: str) -> str:
    """Returns how protocols call held-out samples, of which some were drawn."""
    return f"{n:,} of {words}" if n < len(data) else words


def averaged(name: str, values: Tensor, protocol: str, *, seed: int, **more: Any) -> Measure:
    """Returns the mean of one value for each image, with its interval."""
    value, low, high = mean_interval(values, seed=seed)
    return Measure(QUESTION, name, value, f"{protocol} Interval: bootstrap over images.", low=low, high=high, **more)


def distances(
    case: Case, space: Space, learned: tuple[str, Tensor], sets: Sequence[tuple[str, str, Tensor]]
) -> Iterator[Measure]:
    """Measures how far sets of images are from training samples, by the Frechet distance.

    Arguments:
        case: Whose.
        space: In which features.
        learned: The training samples, in words and shape (N, C, H, W).
        sets: `Measure.of`, words, and images, shape (n, C, H, W), of each.
    """
    least = min(len(learned[1]), *(len(x) for _, _, x in sets))
    if least < LEAST:
        raise DataError(f"there are {least} images; a distance between sets of images needs {LEAST} of each; fit with "
                        "a greater --split, or name other data with --against")
    train = space.features(learned[1])
    for of, words, x in sets:
        value, low, high = frechet_with_interval(train, space.features(x), case.seed)
        yield Measure(
            QUESTION, "Frechet distance", value,
            f"Between the Gaussians that have the mean and unbiased covariance of the features of {words}, and of "
            f"{learned[0]}. It falls with the number of images: values compare at equal numbers only. Interval: "
            f"jackknife over {GROUPS} groups of both sets; it says nothing of another training.",
            of=of, low=low, high=high, better="" if of else "lower", space=space.name,
        )

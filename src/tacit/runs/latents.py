"""Latents that a run draws and decodes: numbered, truncated, walked between, and reckoned with."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from tacit.data.dataset import Data
from tacit.errors import CapabilityError, DataError, OptionError, at_least, did_you_mean
from tacit.functional.draws import some
from tacit.functional.interpolation import lerp, slerp
from tacit.functional.noise import uniform
from tacit.runs.run import Run

__all__ = [
    "ASIDE", "Item", "Sum", "Term", "Way", "draw", "gaussian_dimensions", "parse", "reckon", "truncated", "walks"
]

Way = Literal["spherical", "linear"]

BLOCK = 32  # latents that are drawn at a time, so that a sample's number does not depend on how many are drawn
MOST = 100_000  # samples that may be named by their numbers
STEPS = 9  # samples of a walk, its ends among them
FOUND = 2_000  # training samples whose mean latent stands for a name
NEAR, NEIGHBOURS = 0.25, 8  # reach of the noise about a result, and how many samples show it (Radford et al.)
ASIDE = 2**40  # what makes another seed of a seed, for draws that must not repeat those of the latents
TOKEN = re.compile(r"""\s*([+,-]|(?:"[^"]*"|'[^']*'|[^\s+,"'-])+)\s*""")
NAMED = re.compile(r"""((?:"[^"]*"|'[^']*'|[^"'=])*)=(.*)""")  # column=value, either or both in quotes
SPECIAL = re.compile(r"""[\s+,=-]""")
MARKS, END = ("+", "-", ","), "the end"


def gaussian_dimensions(run: Run) -> int:
    """Returns the number of leading dimensions of a run's latents that are independent standard normal draws.

    Raises:
        CapabilityError: If the run does not draw latents and decode them.
    """
    if not {"Prior", "Decodes"} <= run.capabilities:
        raise CapabilityError(f"{run.title} does not draw latents and decode them; 'tacit methods "
                              "--can decode' lists what may")
    return int(run.method.gaussian)  # type: ignore[arg-type]


def draw(
    run: Run, n: int, *, label: int | None = None, truncation: float | None = None, seed: int = 0
) -> Tensor:
    """Returns the latents of n new samples, shape (n, d), on the CPU; the first are the same however many follow.

    Arguments:
        run: A run that draws latents and decodes them.
        n: How many.
        label: The class or category of all of them, where the run's samples have one.
        truncation: Greatest absolute value of a Gaussian dimension; values beyond are drawn anew.
        seed: Of all their randomness.

    References:
        Brock, Donahue & Simonyan 2019, arXiv:1809.11096, section 3.1 (the truncation trick).

    Raises:
        CapabilityError: If the run does not draw latents and decode them.
        OptionError: If a number is out of range, or the run does not know the option.
    """
    gaussian = gaussian_dimensions(run)
    at_least(1, n=n)
    at_least(0, seed=seed)
    known = inspect.signature(run.method.sample).parameters  # type: ignore[arg-type]
    if label is not None and not {"label", "category"} & set(known):
        raise OptionError(f"{run.method_name} draws no latents of one class; leave out the label")
    if truncation is not None and not truncation > 0:
        raise OptionError(f"--truncation is {truncation:g}; it must be above 0")
    if truncation is not None and not gaussian:
        raise OptionError(f"{run.title} has no Gaussian dimensions that could be truncated; leave out --truncation")
    generator, aside = (torch.Generator(run.device).manual_seed(s) for s in (seed, seed ^ ASIDE))
    blocks = []
    with torch.no_grad():
        for _ in range(math.ceil(n / BLOCK)):
            z = run.chain.prior(BLOCK, label=label, generator=generator).float()
            if truncation is not None:
                z[:, :gaussian] = truncated(z[:, :gaussian], truncation, aside)
            blocks.append(z.cpu())
    return torch.cat(blocks)[:n]


def truncated(z: Tensor, bound: float, generator: Generator | None = None) -> Tensor:
    """Returns normal draws of which those beyond a bound are drawn anew until they are within.

    That is one draw of the truncated normal distribution, made here by inverting its distribution function.

    Arguments:
        z: Draws of N(0, 1), any shape.
        bound: Greatest absolute value, above 0.
        generator: The source of randomness.
    """
    u = 2 * uniform(*z.shape, device=z.device, generator=generator).double() - 1
    anew = math.sqrt(2) * torch.erfinv(u * math.erf(bound / math.sqrt(2)))  # of U(-1, 1)
    return torch.where(z.abs() > bound, anew.clamp(-bound, bound).to(z.dtype), z)


def walks(run: Run, z: Tensor, *, way: Way = "spherical", steps: int = STEPS) -> Tensor:
    """Returns walks between pairs of latents, shape (n, steps, d), the pairs being neighbours in a list.

    Arguments:
        run: A run that draws latents and decodes them.
        z: Latents, shape (2 n, d).
        way: Over the Gaussian dimensions; all others are walked through on a straight line.
        steps: Latents of each walk, its ends among them, at least 2.

    Raises:
        OptionError: If the way is spherical and there are no Gaussian dimensions.
    """
    gaussian = gaussian_dimensions(run)
    at_least(2, steps=steps)
    if way == "spherical" and not gaussian:
        raise OptionError(f"{run.title} has no Gaussian dimensions that lie near a sphere; take --interpolate linear")
    a, b = z[0::2, None], z[1::2, None]  # (n, 1, d)
    t = torch.linspace(0, 1, steps)[None]  # (1, steps)
    straight = lerp(a, b, t)
    if way == "linear":
        return straight
    return torch.cat([slerp(a[..., :gaussian], b[..., :gaussian], t), straight[..., gaussian:]], -1)


# Sums of means of latents ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """A sample by its number, or samples by a name.

    Arguments:
        name: The class, the value of a column, or the number as it was written.
        number: Of the sample; None where it is a name.
        column: Whose value the name is; nothing for a class.
    """

    name: str
    number: int | None = None
    column: str = ""

    def __str__(self) -> str:
        """Returns for instance ``hair=brown``, in quotes where it would else be read as something else."""
        column, name = (f'"{p}"' if SPECIAL.search(p) else p for p in (self.column, self.name))
        if column:
            return f"{column}={name}"
        return f'"{name}"' if self.number is None and name.isdecimal() else name


@dataclass(frozen=True)
class Term:
    """What is added or taken away: the mean of some items."""

    sign: int
    items: tuple[Item, ...]

    def __str__(self) -> str:
        """Returns for instance ``- 5, 6, 7``."""
        return f"{'+' if self.sign > 0 else '-'} {', '.join(map(str, self.items))}"


@dataclass(frozen=True)
class Sum:
    """A sum of latents, and what it was made of.

    Arguments:
        terms: What was added and taken away.
        picked: The latents of each term's samples, shape (k, d); of a name none, as its samples were only encoded.
        means: The mean latent of each term, shape (terms, d).
        result: The sum, and neighbours of it where there are Gaussian dimensions, shape (1 or 9, d).
    """

    terms: tuple[Term, ...]
    picked: tuple[Tensor, ...]
    means: Tensor
    result: Tensor


def reckon(run: Run, text: str, *, truncation: float | None = None, seed: int = 0) -> Sum:
    """Returns a sum of mean latents, such as that of smiling women less neutral women plus neutral men.

    Arguments:
        run: A run that draws latents and decodes them.
        text: For instance ``3,17,22 - 5,6 + 9``, see `parse`. Numbers are those of `draw` with this seed. A name is
            a class, or ``column=value`` of the run's own data, and stands for the mean latent of such training samples.
        truncation: As `draw` takes it.
        seed: Of the samples that are numbered, and of the noise about the result.

    References:
        Radford, Metz & Chintala 2015, arXiv:1511.06434, figure 7.

    Raises:
        CapabilityError: If the run does not draw latents and decode them, or does not encode what it decodes.
        OptionError: If the text is no such sum, or names what is not there.
    """
    gaussian, terms = gaussian_dimensions(run), parse(text)
    numbers = [item.number for term in terms for item in term.items if item.number is not None]
    if max(numbers, default=0) >= MOST:
        raise OptionError(f"--arithmetic {text!r}: there is no sample {max(numbers)}; they are numbered from 0 to "
                          f"{MOST - 1}")
    z = draw(run, 1 + max(numbers, default=0), truncation=truncation, seed=seed)
    picked = tuple(z[[i.number for i in term.items if i.number is not None]] for term in terms)
    means = torch.stack([
        torch.stack([named(run, i) if i.number is None else z[i.number] for i in term.items]).mean(0) for term in terms
    ])  # (terms, d)
    total = (torch.tensor([float(term.sign) for term in terms])[:, None] * means).sum(0, keepdim=True)
    about = total.repeat(NEIGHBOURS if gaussian else 0, 1)
    noise = 2 * torch.rand(len(about), gaussian, generator=torch.Generator().manual_seed(seed ^ ASIDE)) - 1
    about[:, :gaussian] += NEAR * noise
    return Sum(terms, picked, means, torch.cat([total, about]))


def parse(text: str) -> tuple[Term, ...]:
    """Reads a sum of means: terms joined by + and -, each of numbers or names joined by commas.

    A name with spaces, commas, signs, or of digits alone, stands in quotes: ``"light brown"``, ``hair='light-brown'``.

    Raises:
        OptionError: If it is none.

    Example:
        >>> [str(term) for term in parse("3,17 - smiling + hair='light brown'")]
        ['+ 3, 17', '- smiling', '+ hair="light brown"']
    """
    tokens = tokenised(text)
    if tokens[0] not in ("+", "-"):
        tokens = ["+", *tokens]
    terms: list[Term] = []
    for mark, word in itertools.zip_longest(tokens[0::2], tokens[1::2], fillvalue=END):
        if mark not in MARKS:
            raise OptionError(f"--arithmetic {text!r}: {mark} follows a number or a name; expected +, - or a comma "
                              "before it, or quotes around a name of several words")
        if word in (*MARKS, END):
            raise OptionError(f"--arithmetic {text!r}: {word} follows {mark}; expected the number of a sample, or a "
                              "name")
        if mark == ",":
            terms[-1] = Term(terms[-1].sign, (*terms[-1].items, read(word, text)))
        else:
            terms.append(Term(1 if mark == "+" else -1, (read(word, text),)))
    return tuple(terms)


def tokenised(text: str) -> list[str]:
    """Returns the signs, commas and words of a sum, quotes included."""
    tokens, at = [], 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise OptionError(f"--arithmetic {text!r}: the quote at {text[at:]!r} has no end")
        tokens.append(found[1])
        at = found.end()
    if not tokens:
        raise OptionError("--arithmetic is empty; expected for instance '3,17 - 5,6 + 9', the numbers of samples that "
                          "--numbered shows")
    return tokens


def read(word: str, text: str) -> Item:
    """Returns what a word names, without its quotes."""
    if word.isdecimal():
        return Item(word, number=int(word))
    found = NAMED.fullmatch(word)
    column, name = (part.replace('"', "").replace("'", "") for part in (found.groups() if found else ("", word)))
    if not name or (found and not column):
        raise OptionError(f"--arithmetic {text!r}: {word!r} names nothing; expected the number of a sample, a class, "
                          "or column=value")
    return Item(name, column=column)


def named(run: Run, item: Item) -> Tensor:
    """Returns the mean latent of training samples of a class, or with a value in a column, shape (d,)."""
    if not {"Encodes", "Reconstructs"} <= run.capabilities:
        raise CapabilityError(f"{run.title} cannot encode what it decodes, so that {str(item)!r} has no latents; pick "
                              "samples by the numbers that --numbered shows")
    data = run.data()
    chosen = data.training[such(data, item)[data.training]]
    if not len(chosen):
        raise DataError(f"there is no training sample with {item} in {data.source}; name another")
    return run.encode(data.take(some(chosen, FOUND, 0))).mean(0)


def such(data: Data, item: Item) -> Tensor:
    """Returns which samples an item names, bool (N,); raises `OptionError` where there is no such class or column."""
    if not item.column:
        known(item.name, data.spec.classes, "class")
        label: Any = data.label  # there are classes
        found: Tensor = label == data.spec.classes.index(item.name)
        return found
    known(item.column, list(data.columns), "column")
    values = [str(value) for value in data.columns[item.column]]
    known(item.name, sorted(set(values)), f"{item.column} of")
    return torch.tensor([value == item.name for value in values])


def known(name: str, there: Sequence[str], what: str) -> None:
    """Raises `OptionError` if a name is not among those that there are."""
    if name not in there:
        listed = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "")
        raise OptionError(f"--arithmetic: there is no {what} {name!r}.{did_you_mean(name, there)} There is "
                          f"{listed or 'none: the data have no labels; --labels names some'}")

"""``tacit few-labels DATA``: learns from everything, and classifies from few labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tacit.catalog import row
from tacit.cli.options import Option
from tacit.cli.output import Say, aligned
from tacit.cli.parser import Call, Usage, read
from tacit.cli.verbs.fit import OF_ONE_FIT, method_options, reading_options, training_options
from tacit.errors import Interrupted, OptionError, did_you_mean

if TYPE_CHECKING:
    from tacit.study.few_labels import FewLabels

__all__ = ["run", "usage"]

OPTIONS = (
    Option("counts", tuple[int, ...], (10, 30, 100, 300, 1000), "Numbers of labels, over all classes.", "curve"),
    Option("methods", tuple[str, ...], (), "Only these, in place of the usual panel: a name, or NAME on NAME for one "
           "that is fitted on the representation of another, each with options of its own as NAME:OPTION=VALUE.",
           "curve", metavar="NAME,..."),
    Option("repeats", int, 5, "How often labels are drawn, and what learns from them is fitted anew.", "curve"),
    Option("seed", int, 0, "Seed of the draws and of every fit.", "curve"),
    Option("steps", int | None, None, "Rounds of each fit; by default the method's own number.", "every fit"),
    Option("minutes", float | None, None, "Time of each fit.", "every fit"),
    Option("net", Literal["auto", "mlp", "conv", "resnet"], "auto", "Which net, of all methods that have one.",
           "every fit"),
    Option("width", int | None, None, "Units of each hidden layer, or channels of the first convolution, likewise.",
           "every fit"),
    Option("out", str, "runs/few", "The folder of the figures, of their picture and of the pre-trained runs.",
           "output", "o", "FOLDER"),
    Option("overwrite", bool, False, "Replaces the figures in that folder.", "output"),
)
SHARED = ("steps", "minutes", "net", "width")
ABOUT = """Learns from everything, classifies from few labels: draws accuracy on held-out samples against the number of
labels, for the data as they are, an untrained net, what learns from all samples without labels and is then read by a
linear probe, and what learns from samples with and without labels at once, beside a classifier that sees the labels
alone. Everybody gets the same labels, drawn evenly over the classes.

few-labels.json holds the figures. What it holds is not measured again, so that the same command goes on after Ctrl-C,
and more --counts, --repeats or --methods add to it."""
EXAMPLES = """examples:
  tacit few-labels digits --steps 500
  tacit few-labels photos/ --counts 100 --methods vae,m2,"m2 on vae",classifier
  tacit few-labels photos/ --methods vae:latent=32:likelihood=bernoulli,classifier:dropout=0.5"""


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called."""
    reading = reading_options()
    heeded = tuple(o for o in reading if o.name not in OF_ONE_FIT)
    missing = {o.name: "the curve is of one source" for o in reading if o not in heeded}
    missing["label_count"] = "--counts says how many labels are kept"
    return Usage("few-labels", ABOUT, ("DATA",), (*OPTIONS, *heeded), EXAMPLES, words=tuple(words), missing=missing)


def run(call: Call, say: Say) -> None:
    """Draws the curve, says it as a table, and where it is."""
    methods: dict[str, Mapping[str, Any]] = {}
    for text in call["methods"]:  # a wrong name is an error that needs no torch
        title, options = asked(text)
        if title in methods:
            raise OptionError(f"--methods names {title!r} twice; a word behind the name tells two apart, "
                              f"as '{title} wide'")
        methods[title] = options

    from tacit.study.few_labels import FILE, PICTURE, few_labels

    shared = {name: call.given[name] for name in SHARED if name in call.given}
    found = few_labels(
        call.places["DATA"], counts=call["counts"], methods=methods or None, repeats=call["repeats"], shared=shared,
        out=call["out"], overwrite=call["overwrite"], seed=call["seed"], command=call.command, say=say,
        **call.group("data"),
    )
    if found.accuracies:
        for line in ["", *table(found), "", *gains(found)]:
            say(line)
        say(f"wrote {found.folder / FILE} and {found.folder / PICTURE}")
    if found.stopped:
        raise Interrupted(f"interrupted; {found.folder / FILE} keeps what was found, and '{call.command}' goes on")


def asked(text: str) -> tuple[str, Mapping[str, Any]]:
    """Returns the title of a member and its own options, of ``vae:latent=32``.

    Raises:
        OptionError: If there is no such method or option, or it has a value that it cannot have.
    """
    title, *parts = (part.strip() for part in text.split(":"))
    name, _, rest = title.partition(" ")
    known = row(name)
    if rest.startswith("on "):
        row(rest.removeprefix("on ").partition(" ")[0])
    options = {o.name: o for o in (*method_options(known), *training_options(known)) if o.hint is not None}
    texts = {}
    for part in parts:
        option, equals, value = part.partition("=")
        option = option.replace("-", "_")
        if option not in options or not equals:
            raise OptionError(f"--methods has {text!r}; expected NAME:OPTION=VALUE with an option of {name}."
                              f"{did_you_mean(option, options)} 'tacit fit {name} --help' lists them")
        texts[option] = value
    return title, read(options.values(), texts)


def table(found: FewLabels) -> list[str]:
    """Returns the lines of a table: a member a line, a number of labels a column."""
    from tacit.study.few_labels import cell

    counts = sorted({count for known in found.accuracies.values() for count in known})
    rows = [["accuracy, %", *(f"{count:,} labels" for count in counts)]]
    for title, known in found.accuracies.items():
        rows.append([title, *(cell(known[count]) if count in known else "-" for count in counts)])
    return aligned(rows)


def gains(found: FewLabels) -> list[str]:
    """Returns what the samples without labels were worth."""
    return [f"with {g.labels:,} labels, {g.best} has {100 * g.mean:+.1f} points [{100 * g.ends[0]:+.1f}, "
            f"{100 * g.ends[1]:+.1f}] over {g.reference}" for g in found.gains()]

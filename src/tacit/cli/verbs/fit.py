"""``tacit fit METHOD DATA``: fits a method to data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tacit.catalog import CATALOG, Row, row
from tacit.cli.config import Config, load_config
from tacit.cli.options import TRUST, Option
from tacit.cli.output import Say
from tacit.cli.parser import Call, Usage, asks_help, peek
from tacit.cli.signatures import field_options, keyword_options
from tacit.errors import OptionError

__all__ = ["OF_ONE_FIT", "reading_options", "run", "usage"]

GROUPS = {"options": "method", "training": "training", "data": "data"}  # each section of a config, as help calls it
OF_ONE_FIT = ("pair", "target", "derive", "label_count", "layer", "stochastic")  # reading options that suit one method
AT_ONCE = ("minutes", "seed", "device", "threads")
RUN = (
    Option("out", str | None, None, "The run's folder; by default the next number under runs/.", "run", "o", "FOLDER"),
    Option("overwrite", bool, False, "Replaces a run in that folder.", "run"),
    Option("init_from", str | None, None, "Starts from the weights of another run of the method.", "run",
           metavar="RUN"),
    Option("config", str | None, None, "Takes method, data and options from a file, such as a run's config.yaml; "
           "what stands on the command line goes before.", "run", metavar="FILE"),
    Option("dry_run", bool, False, "Shows all that would be used, as such a file, and ends.", "run"),
    TRUST,
)
RESUME = Option("resume", str | None, None, "Continues a run that was interrupted, as it was begun.", "run",
                metavar="RUN")
ABOUT = """Fits a method to data and saves it as a run.

DATA is a file, a folder or an archive of images, a table, arrays, a built-in source (digits, shapes, moons,
rings, mixture-1d), or another run, whose representation is then the data. 'tacit methods' lists the METHODs."""
EXAMPLES = """examples:
  tacit fit vae photos/ --minutes 10
  tacit fit kmeans runs/0001-vae-photos
  tacit fit --config runs/0001-vae-photos/config.yaml --seed 1
  tacit fit --resume runs/0001-vae-photos"""


def usage(words: Sequence[str]) -> Usage:
    """Returns how the verb is called: with the options of the METHOD that the words or a config name."""
    if peek(words, "--resume") is not None:
        return usage_of_resuming(words)
    path = peek(words, "--config")
    config = load_config(path) if path else Config("")
    rest = tuple(words)
    if rest and not rest[0].startswith("-") and not (config.method and rest[0] not in {r.name for r in CATALOG}):
        return usage_of(row(rest[0]), config, rest[1:])
    if config.method:
        return usage_of(row(config.method), config, rest)
    if asks_help(words):
        options = (*training_options(), *reading_options(), *RUN, RESUME)
        notes = "'tacit fit METHOD --help' shows the METHOD's own options too.\n\n" + EXAMPLES
        return Usage("fit", ABOUT, ("METHOD", "DATA"), options, notes)
    raise OptionError("'tacit fit' needs a METHOD before all options: tacit fit METHOD DATA [options]; "
                      "'tacit methods' lists them")


def usage_of(known: Row, config: Config, words: tuple[str, ...]) -> Usage:
    """Returns how one method is fitted."""
    own = method_options(known)
    options = (*(o for o in own if o.hint is not None), *training_options(known), *reading_options(), *RUN, RESUME)
    missing = {o.name: "it takes a module of your own, which only Python can hand in" for o in own}
    if known.kind == "fitted":
        missing |= {o.name: f"{known.name} is fitted at one stroke" for o in training_options()}
    return Usage(
        f"fit {known.name}", f"Fits {known.name}: {known.summary} ({known.paper}).",
        ("[DATA]" if config.source else "DATA",), options, words=words, peeled={"METHOD": known.name}, missing=missing,
    )


def usage_of_resuming(words: Sequence[str]) -> Usage:
    """Returns how a run is continued: with no other option."""
    reason = "a run is continued as it was begun; --init-from starts a new one from its weights"
    missing = {o.name: reason for o in (*training_options(), *reading_options(), *RUN)}
    return Usage("fit --resume", RESUME.help, (), (RESUME,), words=tuple(words), missing=missing)


def method_options(known: Row) -> tuple[Option, ...]:
    """Returns a method's own options, those that only Python can give among them."""
    return keyword_options(known.module, known.cls, group="method")


def training_options(known: Row | None = None) -> tuple[Option, ...]:
    """Returns the training options, or those that a method heeds."""
    options = field_options("tacit.training.options", "TrainOptions", "training")
    return tuple(o for o in options if known is None or known.kind == "trained" or o.name in AT_ONCE)


def reading_options() -> tuple[Option, ...]:
    """Returns the options of reading data."""
    return field_options("tacit.data.options", "ReadOptions", "data")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be fitted, on what, and how: the command line before the config before the defaults.

    Arguments:
        method: Its row.
        source: The data.
        values: The values that were given, for each section of a config.
    """

    method: Row
    source: str
    values: Mapping[str, Mapping[str, Any]]

    def resolved(self) -> dict[str, Any]:
        """Returns all that would be used, as a config holds it."""
        sections = {
            name: {o.name: plain(self.values[name].get(o.name, o.default)) for o in options if o.hint is not None}
            for name, options in sections_of(self.method, heeded=True).items()
        }
        return {"method": self.method.name, **sections, "data": {"source": self.source, **sections["data"]}}


def sections_of(known: Row, *, heeded: bool = False) -> dict[str, tuple[Option, ...]]:
    """Returns the options of each section of a config: all, or only those that the method heeds."""
    training = training_options(known if heeded else None)
    return {"options": method_options(known), "training": training, "data": reading_options()}


def plain(value: Any) -> Any:
    """Returns a value as YAML holds it."""
    return list(value) if isinstance(value, tuple) else value


def plan(call: Call) -> Plan:
    """Returns what a command line and its config ask for.

    Raises:
        UserError: If the config cannot be read, or an option that must be given is not.
    """
    known = row(call.places["METHOD"])
    config = load_config(call["config"]) if call["config"] else Config("")
    values = {
        section: config.values(section, options) | call.group(GROUPS[section])
        for section, options in sections_of(known).items()
    }
    for option in method_options(known):
        if option.default is ... and option.name not in values["options"]:
            raise OptionError(f"{known.name} needs {option.flag}: {option.help}")
    return Plan(known, call.places.get("DATA") or config.source or "", values)


def run(call: Call, say: Say) -> None:
    """Fits a method, or continues a run, and says where everything is."""
    if "resume" in call.given:
        from tacit.runs.fitting import resume

        return shown(resume(call["resume"], say=say), say)
    asked = plan(call)
    if call["dry_run"]:
        import yaml

        return say(yaml.safe_dump(asked.resolved(), sort_keys=False, allow_unicode=True).rstrip())
    from tacit.runs.fitting import fit

    values = {name: value for section in asked.values.values() for name, value in section.items()}
    shown(fit(asked.method.name, asked.source, out=call["out"], overwrite=call["overwrite"],
              init_from=call["init_from"], trust=call["trust"], command=call.command, say=say, **values), say)


def shown(fitted: Any, say: Say) -> None:
    """Says where a run is; what it has drawn, it said itself."""
    say(f"run: {fitted.path}")

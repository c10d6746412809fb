"""From a method and data to a run."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tacit.data.augment import Augment
from tacit.data.dataset import Data
from tacit.data.derive import Derivation
from tacit.data.feed import check_paired
from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, OptionError, RunError, did_you_mean
from tacit.protocol import Bridge, Chain, Fitted, Frozen, Method, Recipe, Trained
from tacit.runs.building import build, method_name, method_type
from tacit.runs.config import Parent, Record, data_entry, plain_options, plain_recipe, versions
from tacit.runs.folder import check_place, claim, is_run
from tacit.runs.loading import load, load_parent
from tacit.runs.log import Log
from tacit.runs.opening import open_run
from tacit.runs.playing import Job, finish, play
from tacit.runs.run import Run
from tacit.runs.weights import read_weights, weights_hash, write_weights
from tacit.training.devices import Devices
from tacit.training.fitted import fit_at_once
from tacit.training.optim import recipe_with
from tacit.training.options import TrainOptions

__all__ = ["fit", "resume"]

Say = Callable[[str], None]


def fit(
    method: str | Method,
    source: Any = None,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    init_from: str | Run | None = None,
    trust: bool = False,
    command: str = "",
    say: Say = lambda _: None,
    **options: Any,
) -> Run:
    """Fits a method on data and saves it as a run.

    Arguments:
        method: Name in the catalogue, or a method built by hand on the data's spec.
        source: What `tacit.open_data` takes: a path, a name, arrays, data, or a run.
        out: The run's folder; by default the next number under ``runs/``.
        overwrite: Whether a run at `out` is replaced.
        init_from: A run of the same method whose weights are the start.
        trust: Whether modules of the user's own that other runs were made with may be imported, which runs their code.
        command: The command line, for the record.
        say: Called with each line for a person.
        options: The method's own options, and those of `TrainOptions` and `ReadOptions`, by name.

    Returns:
        The run, loaded.

    Raises:
        UserError: If the data, an option or the folder do not allow it.
        TrainingError: If a loss or gradient stops being a number.
        Interrupted: If a signal ended it; it can be resumed.

    Example:
        >>> import tempfile
        >>> run = fit("pca", "digits", latent=2, out=tempfile.mkdtemp())
        >>> run.encode().shape
        torch.Size([1797, 2])
    """
    if not isinstance(method, (str, Method)):
        raise OptionError(f"a method is a name in the catalogue, or was built, as VAE(data.spec); found {method!r}")
    kind = method_type(method) if isinstance(method, str) else type(method)
    name = method if isinstance(method, str) else method_name(method)
    own, training, reading = sort_options(name, kind, options, built=isinstance(method, Method))
    log, place = Log(say), Place(out, overwrite)
    check_early(name, kind, training, reading, place)
    start = None if init_from is None else load(init_from, trust=trust)
    devices = Devices(training)
    data, parent, bridge = open_for(name, kind, source, reading, log, trust=trust)
    torch.manual_seed(training.seed)
    if isinstance(method, str):
        taken = {k: v for k, v in own.items() if v is not None and "Frozen" in annotation(kind, k)}
        frozen = {k: load(v, trust=trust) for k, v in taken.items()}
        method = kind(data.spec, **own | {k: Frozen(copy.deepcopy(r.chain)) for k, r in frozen.items()})
    else:
        frozen = {}
        check_spec(method, data)
    reading.check_method(name, method.needs)
    if training.adaptive and data.spec.kind != "image":
        raise OptionError(f"--augment ada is for images; the data are {data.spec}")
    job = Job(name, method, data, parent, bridge, frozen, training, devices, log)
    if start is not None:
        start_from(job, start)
    return fit_fitted(job, place, command) if isinstance(method, Fitted) else fit_trained(job, place, command)


def resume(path: str | os.PathLike[str], *, say: Say = lambda _: None, **modules: torch.nn.Module) -> Run:
    """Continues a run that was interrupted, bit for bit where the machine is the same.

    Arguments:
        path: The run's folder.
        say: Called with each line for a person.
        modules: The user's own modules, by the option they were given as.

    Raises:
        RunError: If there is no run, or nothing to continue.
    """
    folder = Path(path)
    record = Record.read(folder)
    if record.state == "finished":
        raise RunError(f"{folder} is finished; --init-from {folder} starts a new run from its weights")
    training = TrainOptions(**record.training)
    log = Log(say)
    log.settle(folder)
    devices = Devices(training)
    reading = ReadOptions.from_dict({k: v for k, v in record.data.items() if k != "source"})
    method = build(record, modules=modules, trust=bool(modules))
    parent = load_parent(folder, record.parent, trust=bool(modules)) if record.parent is not None else None
    if parent is not None:
        data, bridge = open_run(parent, reading, (record.spec.kind,), wanted_by=record.method, say=log)
    else:
        data, bridge = Run(folder, record, Chain(method)).data(), None
    job = Job(record.method, method, data, parent, bridge, {}, training, devices, log)
    log(f"resuming {folder}")
    return play(job, record, folder)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run shall be: at `out`, or at the next number under ``runs/``."""

    out: str | os.PathLike[str] | None
    overwrite: bool

    @property
    def above(self) -> Path:
        """The folder that holds the run's folder."""
        return Path("runs") if self.out is None else Path(self.out).parent


def fit_fitted(job: Job, place: Place, command: str) -> Run:
    """Fits at one stroke; the folder appears when all of it is there."""
    fit_at_once(job.method, job.data, job.training, say=job.log)
    note = getattr(job.method, "note", "")
    if note:
        job.log(f"{job.name}: {note}")
    record = describe(job, place, command, state="finished")
    return finish(job, record, settle(job, record, place))


def fit_trained(job: Job, place: Place, command: str) -> Run:
    """Writes the untrained run, so that from here on there is always one to load; then trains it."""
    record = describe(job, place, command, recipe=plain_recipe(recipe_with(job.method.recipe(), job.training)))
    folder = settle(job, record, place) if job.devices.is_main else Path()
    return play(job, record, Path(job.devices.agree(str(folder))))


def settle(job: Job, record: Record, place: Place) -> Path:
    """Prepares a run's folder under a hidden name and moves it to its place."""
    place.above.mkdir(parents=True, exist_ok=True)
    prepared = Path(tempfile.mkdtemp(dir=place.above, prefix=".new-"))
    prepared.chmod(0o755)
    record.write(prepared)
    write_weights(prepared, {"raw": job.method.state_dict(), "bridge": job.bridge_tensors()})
    folder = claim(prepared, place.out, f"{job.name.split(':')[-1].lower()}-{job.data.name}", overwrite=place.overwrite)
    job.log.settle(folder)
    return folder


def describe(job: Job, place: Place, command: str, **more: Any) -> Record:
    """Returns the record of a run that is to be."""
    beside = place.above / ".beside"  # a folder that is nobody's; all that lie there have the same relative paths

    def where(run: Run) -> str:
        return os.path.relpath(run.path.resolve(), beside.resolve())

    parent = job.parent and job.bridge and Parent(
        where(job.parent), weights_hash(job.parent.path), job.bridge.via, job.bridge.layer
    )
    frozen = {
        k: {"path": where(r), "lineage": [x.record.to_dict() for x in r.lineage]} for k, r in job.frozen.items()
    }
    default = TrainOptions()
    given = {k: v for k, v in dataclasses.asdict(job.training).items() if v != getattr(default, k)}
    return Record(
        method=job.name, options=plain_options(job.method, frozen), training=given, data=data_entry(job.data),
        spec=job.method.spec, name=job.data.name, fingerprint=job.data.fingerprint, parent=parent or None,
        frozen=frozen, seed=job.training.seed, notes=job.data.notes, versions=versions(), command=command, **more,
    )


def open_for(
    name: str, kind: type[Method], source: Any, reading: ReadOptions, say: Say, *, trust: bool
) -> tuple[Data, Run | None, Bridge | None]:
    """Opens what a method is to be fitted on: a source, or what a run makes of its own."""
    if source is None:
        raise OptionError(f"{name} needs data: a path, a built-in name such as digits, or a run")
    if isinstance(source, Run) or is_run(source):
        parent = load(source, trust=trust)
        data, bridge = open_run(parent, reading, kind.accepts, wanted_by=name, say=say)
        return data, parent, bridge
    data = open_source(source, reading, say=say)
    if data.spec.kind not in kind.accepts:
        raise DataError(f"{name} takes {' or '.join(kind.accepts)}; {data.source} holds {data.spec}")
    data.check(kind.needs)
    return data, None, None


def start_from(job: Job, run: Run) -> None:
    """Copies another run's weights into a method.

    Raises:
        OptionError: If the other run is of another method.
    """
    if run.method_name != job.name:
        raise OptionError(f"--init-from takes a run of {job.name}; {run.path} is one of {run.method_name}")
    groups = read_weights(run.path)
    job.method.restore(groups["raw"] | groups["ema"])


def check_early(name: str, kind: type[Method], training: TrainOptions, reading: ReadOptions, place: Place) -> None:
    """Raises what can be said of the options and the place before the data are read, which may take long."""
    reading.check_method(name, kind.needs | kind.may_need)
    reading.check_partners()
    if reading.derive is not None:
        Derivation.parse(reading.derive)
    if issubclass(kind, Fitted) and training.devices > 1:
        raise OptionError(f"{name} is fitted at one stroke, on one device; leave out --devices")
    if place.out is not None:
        check_place(Path(place.out), overwrite=place.overwrite)
    if issubclass(kind, Trained):
        recipe_with(Recipe(), training)
        check_paired(Augment.parse(training.operations), kind.needs)
        if training.compile and kind.differentiates:
            raise OptionError(f"--compile is for losses without gradients in them, and {name} penalises some; leave it "
                              "out")
        if training.adaptive and not kind.adapts:
            raise OptionError("--augment ada is for methods whose discriminator tells data by the sign of its logits, "
                              f"as gan, dcgan, r3gan and infogan; {name} has none")


def check_spec(method: Method, data: Data) -> None:
    """Raises `DataError` if a method was built for other data."""
    pair = data.spec.pair if "pair" in method.needs else method.spec.pair
    if (method.spec.kind, method.spec.shape, method.spec.pair) != (data.spec.kind, data.spec.shape, pair):
        raise DataError(f"the method was built for {method.spec}; {data.source} holds {data.spec}")


def annotation(kind: type[Method], option: str) -> str:
    """Returns how a constructor annotates an option, as text."""
    return str(inspect.signature(kind).parameters[option].annotation)


def sort_options(
    name: str, kind: type[Method], options: Mapping[str, Any], *, built: bool
) -> tuple[dict[str, Any], TrainOptions, ReadOptions]:
    """Sorts options by whom they belong to: the method, the training, the reading.

    Raises:
        OptionError: If nobody knows one.
    """
    own_names = set() if built else set(list(inspect.signature(kind).parameters)[1:])
    train_names = {f.name for f in dataclasses.fields(TrainOptions)}
    read_names = {f.name for f in dataclasses.fields(ReadOptions)}
    for option in options:
        if option not in own_names | train_names | read_names:
            near = did_you_mean(option, own_names | train_names | read_names)
            raise OptionError(f"{name} has no option {option!r}.{near}")
    own = {k: v for k, v in options.items() if k in own_names}
    training = TrainOptions(**{k: v for k, v in options.items() if k in train_names})
    for option, value in dataclasses.asdict(training).items():
        expected = type(getattr(TrainOptions(), option))
        words = expected is str or option in ("schedule",)
        if value is not None and words != isinstance(value, str):
            raise OptionError(f"{option} is {value!r}; expected {'a word' if words else 'a number'}")
    return own, training, ReadOptions.from_dict({k: v for k, v in options.items() if k in read_names})

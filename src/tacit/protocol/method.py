"""What a method is: a module that plays a game of losses, or that is fitted at one stroke."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from tacit.errors import DataError, RunError
from tacit.protocol.spec import Batch, Kind, Spec

__all__ = ["Clock", "Fitted", "Frozen", "Loss", "Method", "Optim", "Recipe", "Trained"]


@dataclass
class Loss:
    """One player's turn.

    Arguments:
        player: Name of the player that moves, a key of `Method.players`.
        value: What it minimises, a scalar.
        terms: Parts of the value to log, detached scalars.
        stats: Sums over the samples of the batch that the trainer adds over micro-batches and ranks.
        after: Called once per move with the summed stats, under ``no_grad``: a teacher, a codebook, weight clipping.
    """

    player: str
    value: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    stats: Mapping[str, Tensor] = field(default_factory=dict)
    after: Callable[[Mapping[str, Tensor]], None] | None = None


@dataclass(frozen=True)
class Optim:
    """How one player moves.

    Arguments:
        lr: Learning rate.
        betas: Decay rates of Adam's two moments; the first is the momentum of SGD.
        weight_decay: Decoupled for ``adam`` (AdamW), L2 for ``sgd``.
        schedule: Of the learning rate over the whole run; constant-linear falls to 0 over its second half.
        warmup: Steps over which the learning rate rises linearly from 0.
        kind: The optimiser.
        eps: Adam's denominator.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "linear", "constant-linear"] = "constant"
    warmup: int = 0
    kind: Literal["adam", "sgd"] = "adam"
    eps: float = 1e-8


@dataclass(frozen=True)
class Recipe:
    """How a method likes to be trained; the command line overrides it.

    Arguments:
        batch: Samples per round, over all devices.
        steps: Rounds, where no budget is given.
        ema: Decay per step of the averaged weights that sampling and encoding use, or None for none.
        clip: Greatest norm of a player's gradient, or None.
        optim: One optimiser for each player.
    """

    batch: int = 128
    steps: int = 5_000
    ema: float | None = None
    clip: float | None = None
    optim: Mapping[str, Optim] = field(default_factory=lambda: {"model": Optim()})


@dataclass
class Clock:
    """What a schedule may see.

    Arguments:
        step: Counted from 0.
        progress: Share of the budget that is spent, in [0, 1].
        samples: Number of training samples, which a term that counts once for all of them is divided by.
    """

    step: int = 0
    progress: float = 0.0
    samples: int = 1


class Method(nn.Module):
    """A method of the catalogue.

    A subclass is built as ``VAE(spec, *, latent=16, beta=1.0)``: the spec, then keyword options with types and
    defaults. Its signature and its docstring are the options of the command line and of the saved config. It either
    yields `losses` (see `Trained`) or has a `fit` (see `Fitted`), and offers capabilities by having their methods.

    Arguments:
        spec: What one sample is.

    Raises:
        DataError: If the spec's kind is not one that the method accepts.
    """

    accepts: ClassVar[tuple[Kind, ...]] = ("vector", "map", "image", "table")
    needs: frozenset[str] = frozenset()  # fields of a batch besides x; an option may add some that the class may need
    may_need: ClassVar[frozenset[str]] = frozenset()
    differentiates: ClassVar[bool] = False  # whether its losses hold gradients, through which compiled nets do not go
    adapts: ClassVar[bool] = False  # whether it has an `ada`, which ``--augment ada`` turns on
    without: frozenset[str] = frozenset()  # capabilities that this instance's options take away
    discrete: bool | None = None  # whether log_prob is of a probability or of a density; None for some of both
    binary: bool = False  # whether log_prob is a likelihood of values 0 and 1 only

    options: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Notes the options as given, so that the constructor declares them once and for all."""
        method = super().__new__(cls)
        if not args and not kwargs:  # copying: the options come with the rest of the state
            return method
        bound = inspect.signature(cls.__init__).bind(method, *args, **kwargs)
        bound.apply_defaults()
        object.__setattr__(method, "options", dict(list(bound.arguments.items())[2:]))
        return method

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.check_kind(spec)
        self.spec = spec
        self.clock = Clock()
        self._learned: dict[str, tuple[int | None, ...]] = {}

    @classmethod
    def check_kind(cls, spec: Spec) -> None:
        """Raises `DataError` if the spec's kind is not one that the method accepts."""
        if spec.kind not in cls.accepts:
            raise DataError(f"{cls.__name__} takes {' or '.join(cls.accepts)}; the data are {spec}")

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        first = next(itertools.chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    def players(self) -> dict[str, nn.Module]:
        """Returns who moves: each trainable parameter belongs to exactly one player."""
        return {"model": self}

    def recipe(self) -> Recipe:
        """Returns how the method likes to be trained."""
        return Recipe()

    def learns(self, name: str, *shape: int | None, dtype: torch.dtype = torch.float32) -> None:
        """Declares a buffer that `fit` fills; None stands for a length that the data decide."""
        self._learned[name] = shape
        self.register_buffer(name, torch.zeros([0 if s is None else s for s in shape], dtype=dtype))

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Copies saved weights and buffers in, after checking every name, shape and type.

        Arguments:
            tensors: By the names of `state_dict`.

        Raises:
            RunError: If a name is unknown or missing, or a shape or type differs.
        """
        own = self.state_dict()
        for name in own.keys() ^ tensors.keys():
            where = "is missing from" if name in own else "is unknown in"
            raise RunError(f"weight {name!r} {where} the saved {type(self).__name__}; it was saved by another version "
                           "or with other options")
        for name, saved in tensors.items():
            live = own[name]
            place, _, leaf = name.rpartition(".")
            owner = self.get_submodule(place)
            shape = getattr(owner, "_learned", {}).get(leaf, tuple(live.shape))
            if len(shape) != saved.dim() or any(s not in (None, n) for s, n in zip(shape, saved.shape, strict=True)):
                raise RunError(f"weight {name!r} has shape {tuple(saved.shape)}; {type(self).__name__} expects {shape}")
            if live.dtype != saved.dtype:
                raise RunError(f"weight {name!r} is {saved.dtype}; {type(self).__name__} expects {live.dtype}")
            if live.shape == saved.shape:
                live.copy_(saved)
            else:
                setattr(owner, leaf, saved.to(live.device, copy=True))


class Frozen(nn.Module):
    """Another run inside a method: an option annotated so takes a run directory; its weights are copied and never move.

    Arguments:
        chain: The other run's chain.
    """

    def __init__(self, chain: nn.Module) -> None:
        super().__init__()
        self.chain = chain.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Keeps the other run in evaluation mode whatever the method does."""
        return super().train(False)


@runtime_checkable
class Trained(Protocol):
    """A method that learns by gradient: one loss per player's turn, in the order of the game."""

    def losses(self, batch: Batch) -> Iterator[Loss]:
        """Yields a loss; the trainer moves that player and resumes the method."""
        ...


@runtime_checkable
class Fitted(Protocol):
    """A method that is fitted at one stroke, over a library."""

    def fit(self, x: Tensor, **needed: Tensor) -> None:
        """Learns from all training samples; what ``needs`` names comes by keyword."""
        ...

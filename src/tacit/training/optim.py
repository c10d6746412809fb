"""Who moves how: the recipe as the person wants it, one optimiser for each player, learning rates over time."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tacit.errors import OptionError, TacitError
from tacit.protocol import Method, Optim, Recipe
from tacit.training.options import TrainOptions

__all__ = ["Player", "players_of", "rate", "recipe_with"]

ABOVE_ZERO = ("steps", "epochs", "samples", "minutes", "patience", "batch", "micro_batch", "lr", "devices", "threads",
              "save_minutes", "log_steps")


def recipe_with(recipe: Recipe, options: TrainOptions) -> Recipe:
    """Returns a recipe with what the options override.

    Arguments:
        recipe: How the method likes to be trained.
        options: What the person asked for; None leaves the recipe's own, 0 turns `ema` or `clip` off.

    Raises:
        OptionError: If an option has a value that it cannot have.

    Example:
        >>> recipe_with(Recipe(batch=128, ema=0.999), TrainOptions(batch=64, ema=0))
        Recipe(batch=64, steps=5000, ema=None, ...)
    """
    check(options)
    return Recipe(
        batch=options.batch or recipe.batch,
        steps=options.steps or recipe.steps,
        ema=recipe.ema if options.ema is None else options.ema or None,
        clip=recipe.clip if options.clip is None else options.clip or None,
        optim={
            player: dataclasses.replace(optim, lr=options.lr or optim.lr, schedule=options.schedule or optim.schedule)
            for player, optim in recipe.optim.items()
        },
    )


def check(options: TrainOptions) -> None:
    """Raises `OptionError` if an option has a value that it cannot have."""
    for name in ABOVE_ZERO:
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise OptionError(f"--{name.replace('_', '-')} is {value}; it must be above 0")
    if options.ema is not None and not 0 <= options.ema < 1:
        raise OptionError(f"--ema is {options.ema}; a decay lies between 0 (no average) and 1, as 0.999")
    if options.clip is not None and options.clip < 0:
        raise OptionError(f"--clip is {options.clip}; it must be above 0, or 0 for none")


def rate(optim: Optim, step: int, progress: float) -> float:
    """Returns the learning rate of a step.

    Arguments:
        optim: Base rate, schedule and warm-up.
        step: Counted from 0; over the first `optim.warmup` the rate rises linearly.
        progress: Share of the budget that is spent, in [0, 1].

    Example:
        >>> rate(Optim(lr=1.0, schedule="cosine"), step=50, progress=0.5)
        0.5
        >>> rate(Optim(lr=1.0, warmup=4), step=0, progress=0.0)
        0.25
    """
    lr = optim.lr * min(1.0, (step + 1) / optim.warmup) if optim.warmup else optim.lr
    match optim.schedule:
        case "cosine":
            return lr * 0.5 * (1 + math.cos(math.pi * progress))
        case "linear":
            return lr * (1 - progress)
        case "constant-linear":
            return lr * min(1.0, 2 * (1 - progress))
        case _:
            return lr


class Player:
    """One player: the parameters it may move, and the optimiser that moves them.

    Arguments:
        name: Its name in `Method.players`.
        parameters: By their names in the method.
        optim: How it moves.
    """

    def __init__(self, name: str, parameters: Mapping[str, nn.Parameter], optim: Optim) -> None:
        self.name, self.optim = name, optim
        self.names, self.parameters = list(parameters), list(parameters.values())
        self.optimizer: Any = build(self.parameters, optim)  # Any: found_inf and grad_scale are not declared by torch

    def set_rate(self, step: int, progress: float) -> float:
        """Sets and returns the learning rate of a step."""
        lr = self.optimizer.param_groups[0]["lr"] = rate(self.optim, step, progress)
        return lr

    def gradients(self) -> list[Tensor]:
        """Returns the gradients that there are."""
        return [p.grad for p in self.parameters if p.grad is not None]

    def move(self, scale: Tensor | None = None, skip: Tensor | None = None) -> None:
        """Takes one step.

        Arguments:
            scale: Divides the gradients within the optimiser's own kernel, a scalar.
            skip: 1 where nothing may move, else 0, a scalar; the device reads it, so that nobody waits.
        """
        self.optimizer.grad_scale, self.optimizer.found_inf = scale, skip
        self.optimizer.step()

    def forget(self) -> None:
        """Drops the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yields the optimiser's live tensors, by slot and parameter."""
        for name, parameter in zip(self.names, self.parameters, strict=True):
            for slot, value in self.optimizer.state[parameter].items():
                yield f"{self.name}/{slot}/{name}", value


def build(parameters: list[nn.Parameter], optim: Optim) -> torch.optim.Optimizer:
    """Returns a fused optimiser whose state is there from the start.

    Made beforehand, the state has its parameter's strides whatever a saved one has, cannot run out of memory in the
    middle of a move, and is zero even if the very first step is skipped (a fused SGD would keep garbage).
    """
    slots: tuple[str, ...]
    built: torch.optim.Optimizer
    if optim.kind == "sgd":
        built = torch.optim.SGD(
            parameters, lr=optim.lr, momentum=optim.betas[0], weight_decay=optim.weight_decay, fused=True
        )
        slots = ("momentum_buffer",) if optim.betas[0] else ()
    else:
        built = torch.optim.AdamW(
            parameters, lr=optim.lr, betas=optim.betas, eps=optim.eps, weight_decay=optim.weight_decay, fused=True
        )
        slots = ("exp_avg", "exp_avg_sq")
    for p in parameters:
        built.state[p] = {slot: torch.zeros_like(p, requires_grad=False) for slot in slots}
        if optim.kind == "adam":
            built.state[p]["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
    return built


def players_of(method: Method, recipe: Recipe) -> dict[str, Player]:
    """Returns the method's players, ready to move.

    Raises:
        TacitError: If a parameter belongs to no player or to two, or a player has nothing to move or no optimiser.
    """
    trainable = {n: p for n, p in method.named_parameters() if p.requires_grad}
    modules = method.players()
    own = {player: {id(p) for p in module.parameters()} for player, module in modules.items()}
    title = type(method).__name__
    owners = Counter(i for ids in own.values() for i in ids)
    for name, parameter in trainable.items():
        if owners[id(parameter)] != 1:
            raise TacitError(f"{title}: parameter {name!r} belongs to {owners[id(parameter)]} players; each that "
                             "requires a gradient must belong to exactly one of players()")
    players = {}
    for player, ids in own.items():
        if player not in recipe.optim:
            raise TacitError(f"{title}: the recipe has no Optim for the player {player!r}; it has some for "
                             f"{', '.join(map(repr, recipe.optim)) or 'nobody'}")
        parameters = {n: p for n, p in trainable.items() if id(p) in ids}
        if not parameters:
            raise TacitError(f"{title}: the player {player!r} has no parameter that requires a gradient")
        players[player] = Player(player, parameters, recipe.optim[player])
    return players

"""How long: every budget as a number of steps, and the pace at which they go by."""

from __future__ import annotations

import math

from tacit.errors import OptionError
from tacit.protocol import Recipe
from tacit.training.options import TrainOptions

__all__ = ["Pace", "held_out_interval", "steps_in"]

WARM = 2  # steps before the clock starts: the first ones allocate, compile and tune
SHARE = 0.97  # of the time that is left goes into steps; the rest into saves, pictures and held-out losses


def steps_in(options: TrainOptions, recipe: Recipe, samples: int) -> tuple[int | None, str]:
    """Returns the number of steps that the budgets allow, and which of them is the first to end.

    Arguments:
        options: The budgets; without any, the recipe's number of steps is one.
        recipe: Its batch is what a step takes.
        samples: Number of training samples.

    Returns:
        None where only time limits the steps: `Pace` says how many when a few of them are timed.

    Example:
        >>> steps_in(TrainOptions(steps=500, epochs=2), Recipe(batch=100), samples=1000)
        (20, 'epochs')
    """
    seen = {
        "steps": options.steps and options.steps * recipe.batch,
        "epochs": options.epochs and options.epochs * samples,
        "samples": options.samples,
    }
    given = {name: math.ceil(n / recipe.batch) for name, n in seen.items() if n is not None}
    if not given and options.minutes is None:
        return recipe.steps, "steps"
    if not given:
        return None, "minutes"
    first = min(given, key=lambda name: given[name])
    return given[first], first


def held_out_interval(options: TrainOptions, recipe: Recipe, samples: int, held_out: int, players: int) -> int | None:
    """Returns the steps between two held-out losses, or None where there are none.

    A forward costs a third of a step, so that 17 training samples for each held-out one keep them at 2 % of the
    time; it is counted, not timed, so that a run and its repetition measure at the same steps.

    Raises:
        OptionError: If patience is asked for where no held-out loss can be had.
    """
    if options.patience is not None and players > 1:
        raise OptionError(f"--patience needs a loss that falls, and this method's {players} players play against one "
                          "another; give --steps, --epochs or --minutes")
    if options.patience is not None and not held_out:
        raise OptionError("--patience needs held-out samples and there are none; give --split 0.1")
    if players > 1 or not held_out:
        return None
    epoch = max(1, round(samples / recipe.batch))
    if options.patience is not None:
        return epoch
    return epoch * math.ceil(17 * held_out / samples)


class Pace:
    """Times the first steps, to fix once and for all how many steps make about a second, and how many the budget.

    Looked at when 4, 8, 16, ... steps are done, so that several processes look at the same time.

    Arguments:
        minutes: The budget, or None.
    """

    def __init__(self, minutes: float | None) -> None:
        self.budget = None if minutes is None else 60 * minutes
        self.done, self.warm = 0, 0.0

    def tick(self, seconds: float) -> bool:
        """Counts a step that ended at a time, and says whether this is a time to look."""
        self.done += 1
        if self.done == WARM:
            self.warm = seconds
        return self.done >= 4 and self.done.bit_count() == 1

    def per_step(self, seconds: float) -> float:
        """Returns the seconds that a step takes, at the time of looking."""
        return max((seconds - self.warm) / (self.done - WARM), 1e-9)

    def beat(self, seconds: float) -> int | None:
        """Returns the number of steps in about a second: 1, 2 or 5 times a power of ten; None if it is too early."""
        if seconds - self.warm < 0.5:
            return None
        return round_down(1.0 / self.per_step(seconds))

    def steps_left(self, seconds: float) -> int | None:
        """Returns the number of steps for which time is left; None if it is too early to say, or no budget."""
        if self.budget is None or seconds - self.warm < min(max(1.0, 0.05 * self.budget), 0.2 * self.budget, 30.0):
            return None
        return int(SHARE * max(0.0, self.budget - seconds) / self.per_step(seconds))


def round_down(n: float) -> int:
    """Returns the greatest of 1, 2, 5, 10, 20, 50, ... that is not above n, at least 1."""
    if n < 2:
        return 1
    power: int = 10 ** int(math.log10(n))
    return max(m * power for m in (1, 2, 5) if m * power <= n)

"""The averaged weights that sampling and encoding use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from tacit.protocol import Method

__all__ = ["Average", "ramp"]


def ramp(decay: float, step: int) -> float:
    """Returns the decay of a step: small at first, so that the start is soon forgotten.

    Example:
        >>> ramp(0.999, 0), ramp(0.999, 90), ramp(0.999, 100_000)
        (0.1, 0.91, 0.999)
    """
    return min(decay, (1 + step) / (10 + step))


class Average:
    """An exponential moving average of every parameter that moves; all else is the method's own.

    It is updated once per round, when all players have moved.

    Arguments:
        method: Whose weights.
        decay: Per step, in (0, 1); it is reached by `ramp`.
    """

    def __init__(self, method: Method, decay: float) -> None:
        self.method, self.decay = method, decay
        moving = {n: p for n, p in method.named_parameters() if p.requires_grad}
        self.names = list(moving)
        self.live = [p.detach() for p in moving.values()]
        self.shadow = [p.clone() for p in self.live]

    def update(self, step: int) -> None:
        """Draws the average towards the weights after a step, counted from 0."""
        torch._foreach_lerp_(self.shadow, self.live, 1 - ramp(self.decay, step))

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Yields the average's live tensors, by the parameters' names."""
        yield from zip(self.names, self.shadow, strict=True)

    def weights(self) -> dict[str, Tensor]:
        """Returns the method's state with the averages in it; buffers are as they are."""
        averages = {p.data_ptr(): s for p, s in zip(self.live, self.shadow, strict=True)}
        own = self.method.state_dict()
        return {n: averages.get(t.data_ptr(), t) if t.numel() else t for n, t in own.items()}  # tied weights too

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Puts the averages in the place of the weights while the block lasts."""
        kept = [p.clone() for p in self.live]
        torch._foreach_copy_(self.live, self.shadow)
        try:
            yield
        finally:
            torch._foreach_copy_(self.live, kept)

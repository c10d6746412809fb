"""How long and on what a method trains. Free of torch, so that the command line can show it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["TrainOptions"]

ADAPTIVE = "ada"


@dataclass(frozen=True)
class TrainOptions:
    """How long and on what a method trains. Of several budgets, the first that ends counts.

    Arguments:
        steps: Rounds of the game; by default the method's own number.
        epochs: Passes over the training samples.
        samples: Training samples to see.
        minutes: Time to train; the first steps are timed, and a number of steps is fixed once.
        patience: Ends when the held-out loss has not improved for this many epochs.
        batch: Samples per round over all devices; by default the method's own.
        micro_batch: Samples per forward; a batch is accumulated of as many as it takes.
        lr: Learning rate of every player; by default the method's own.
        schedule: Schedule of the learning rate; by default the method's own.
        ema: Decay of the averaged weights, 0 for none; by default the method's own.
        clip: Greatest norm of a player's gradient, 0 for none; by default the method's own.
        augment: Augmentations joined by commas, of flip, crop, zoom, affine, colour, jitter, grey, blur, noise, erase;
            ada lets the discriminator of a GAN see augmented images only, data and samples alike, as often as its
            overfitting asks.
        device: Where to train; auto takes cuda or mps where there is one.
        devices: Number of processes that share each batch.
        precision: fp32, or bf16 for forward and backward.
        channels_last: Whether images are laid out channels last.
        compile: Whether nets are compiled.
        seed: Seed of weights, order and noise.
        threads: CPU threads; by default torch's own choice.
        save_minutes: Time between saves.
        log_steps: Steps between lines of the log; by default about every second.
    """

    steps: int | None = None
    epochs: float | None = None
    samples: int | None = None
    minutes: float | None = None
    patience: int | None = None
    batch: int | None = None
    micro_batch: int | None = None
    lr: float | None = None
    schedule: Literal["constant", "cosine", "linear", "constant-linear"] | None = None
    ema: float | None = None
    clip: float | None = None
    augment: str = ""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    seed: int = 0
    threads: int | None = None
    save_minutes: float = 5.0
    log_steps: int | None = None

    @property
    def adaptive(self) -> bool:
        """Whether `augment` asks for adaptive discriminator augmentation."""
        return ADAPTIVE in self._augmentations

    @property
    def operations(self) -> str:
        """The augmentations that are done to each batch."""
        return ",".join(name for name in self._augmentations if name != ADAPTIVE)

    @property
    def _augmentations(self) -> list[str]:
        return [name.strip() for name in self.augment.split(",")]

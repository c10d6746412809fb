"""What a generator starts from, and how a discriminator is asked for one class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import one_hot

from tacit.errors import DataError, OptionError, at_least
from tacit.functional.noise import normal, uniform

__all__ = ["Noise"]


class Noise(nn.Module):
    """Noise z ~ N(0, I), and behind it, where samples are made by class, the class as a one-hot vector.

    Samples without a label are of one further class, the last, so that a few labels are of use. Where no class is
    asked for, classes are drawn as often as they were seen in training. A discriminator has one output for each class,
    of which the one for the sample's own counts.

    References:
        Mirza & Osindero 2014, arXiv:1411.1784. Miyato & Koyama 2018, arXiv:1802.05637 (the linear outputs by class).

    Arguments:
        latent: Dimensions of the noise.
        classes: Names of the classes; none where samples are not made by class.
    """

    seen: Tensor

    def __init__(self, latent: int, classes: Sequence[str] = ()) -> None:
        super().__init__()
        at_least(1, latent=latent)
        self.latent, self.classes = latent, len(classes)
        self.outputs = self.classes + 1 if classes else 1  # of a discriminator
        self.size = latent + (self.outputs if classes else 0)
        self.register_buffer("seen", torch.zeros(self.outputs))

    @classmethod
    def of(cls, latent: int, classes: Sequence[str], *, conditional: bool) -> Noise:
        """Returns noise with or without classes.

        Raises:
            DataError: If there are no classes to be conditioned on.
        """
        if conditional and not classes:
            raise DataError("--conditional makes samples by class, and the data have no labels; --labels names a "
                            "column, a file, or folder")
        return cls(latent, classes if conditional else ())

    def draw(self, n: int, label: Tensor | int | None = None, generator: Generator | None = None) -> Tensor:
        """Returns z, and the classes behind it, shape (n, size).

        Arguments:
            n: How many.
            label: One class, or one each, int64 (n,), -1 for none; by default drawn as they were seen.
            generator: The source of randomness; by default that of the device.

        Raises:
            OptionError: If a class is asked for that is not known.
        """
        z = normal(n, self.latent, device=self.seen.device, generator=generator)
        if not self.classes:
            if label is not None:
                raise OptionError("it makes samples of no class in particular; fit it with --conditional for that")
            return z
        if isinstance(label, int) and not 0 <= label < self.classes:
            raise OptionError(f"there is no class {label}; they are 0 to {self.classes - 1}")
        if label is None:
            often = self.seen if self.seen.any() else torch.ones_like(self.seen)
            u = uniform(n, device=z.device, generator=generator) * often.sum()
            kind = torch.searchsorted(often.cumsum(0), u, right=True).clamp(max=self.classes)
        else:
            kind = self.kind(torch.as_tensor(label, device=z.device).expand(n))
        return torch.cat([z, one_hot(kind, self.outputs).to(z.dtype)], dim=1)  # (n, latent + classes + 1)

    def kind(self, label: Tensor) -> Tensor:
        """Returns labels with -1, for none, as the last class, int64 (N,)."""
        return torch.where(label < 0, self.classes, label)

    def pick(self, out: Tensor, label: Tensor | None = None) -> Tensor:
        """Returns the discriminator's logit for each sample's class; without labels, for the class that suits it best.

        Arguments:
            out: Shape (N, outputs).
            label: int64 (N,), -1 for none.

        Returns:
            Shape (N,).

        Raises:
            OptionError: If the discriminator has another number of outputs.
        """
        out = out.float()  # logits in full precision
        if out.dim() != 2 or out.shape[1] != self.outputs:
            wanted = "a logit for each class and one for none" if self.classes else "one logit"
            raise OptionError(f"the discriminator gives {tuple(out.shape[1:])} for each sample; expected "
                              f"{self.outputs}: {wanted}")
        if not self.classes:
            return out.squeeze(1)  # (N, 1) -> (N,)
        if label is None:
            return out.masked_fill(self.seen == 0, -torch.inf).amax(1) if self.seen.any() else out.amax(1)
        return out.gather(1, self.kind(label)[:, None]).squeeze(1)

    def stats(self, label: Tensor | None) -> dict[str, Tensor]:
        """Returns how often each class is among labels, for a loss's stats."""
        if label is None or not self.classes:
            return {}
        return {"classes": one_hot(self.kind(label), self.outputs).sum(0).float()}

    def update(self, stats: Mapping[str, Tensor]) -> None:
        """Adds up what `stats` counted."""
        if "classes" in stats:
            self.seen.add_(stats["classes"])

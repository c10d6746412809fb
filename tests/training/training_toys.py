"""Toy methods and data: each structural kind of method, small enough to train in a moment."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from tacit.data.dataset import Data
from tacit.files import written_whole
from tacit.protocol import Batch, Loss, Method, Optim, Recipe, Spec
from tacit.training.devices import Devices
from tacit.training.loop import Outcome, train
from tacit.training.optim import recipe_with
from tacit.training.options import TrainOptions

VECTOR = Spec("vector", (4,))
IMAGE = Spec("image", (3, 8, 8), (0.0, 1.0))


def vectors(n: int = 64, held_out: int = 0) -> Data:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(3))
    return as_data(VECTOR, x, held_out)


def images(n: int = 64, held_out: int = 0) -> Data:
    x = torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    return as_data(IMAGE, x, held_out)


def as_data(spec: Spec, x: Tensor, held_out: int) -> Data:
    held = torch.arange(len(x)) < held_out
    return Data("toy", "toy", "0", spec, x, [str(i) for i in range(len(x))], held)


class Regression(Method):
    """One player, no noise: restores x through a bottleneck."""

    def __init__(self, spec: Spec, *, width: int = 3) -> None:
        super().__init__(spec)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(spec.size, width), nn.Tanh(), nn.Linear(width, spec.size))

    def recipe(self) -> Recipe:
        return Recipe(batch=16, steps=20, ema=0.99, clip=1.0, optim={"model": Optim(lr=1e-2)})

    def losses(self, batch: Batch) -> Iterator[Loss]:
        error = (self.net(batch.x) - batch.x.flatten(1)).square().mean()
        yield Loss("model", error, {"error": error.detach()}, {"seen": torch.tensor(len(batch))})


class Noisy(Regression):
    """One player with dropout, and a convolution whose weights can be channels last."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(8, 8, 3, stride=2),
            nn.Flatten(), nn.Linear(72, spec.size),
        )


class Duel(Method):
    """Two players; the discriminator moves twice a round, and the generator never meets the data."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.generator = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, spec.size))
        self.discriminator = nn.Sequential(nn.Linear(spec.size, 8), nn.Tanh(), nn.Linear(8, 1))

    def players(self) -> dict[str, nn.Module]:
        return {"discriminator": self.discriminator, "generator": self.generator}

    def recipe(self) -> Recipe:
        optim = {"discriminator": Optim(lr=1e-2, betas=(0.5, 0.99)), "generator": Optim(lr=1e-2, kind="sgd")}
        return Recipe(batch=16, steps=20, ema=0.9, optim=optim)

    def prior(self, batch: Batch) -> Tensor:
        return torch.randn(len(batch), 2, device=batch.x.device)

    def losses(self, batch: Batch) -> Iterator[Loss]:
        z = self.prior(batch)
        for _ in range(2):
            with torch.no_grad():
                fake = self.generator(z)
            real = softplus(-self.discriminator(batch.x)).mean()
            yield Loss("discriminator", real + softplus(self.discriminator(fake)).mean(), {"real": real.detach()})
        yield Loss("generator", softplus(-self.discriminator(self.generator(z))).mean())


class Replayed(Duel):
    """A duel whose noise is a function of the sample, the same however a batch is cut."""

    needs = frozenset({"index"})

    def prior(self, batch: Batch) -> Tensor:
        assert batch.index is not None
        return torch.stack([batch.index.sin(), batch.index.cos()], 1)


class Codebook(Method):
    """An encoder, and codes that follow the sums of what is assigned to them."""

    codes: Tensor
    calls: Tensor

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.encoder = nn.Linear(spec.size, 2)
        self.register_buffer("codes", torch.randn(5, 2))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def recipe(self) -> Recipe:
        return Recipe(batch=16, steps=20, optim={"model": Optim(lr=1e-2)})

    def losses(self, batch: Batch) -> Iterator[Loss]:
        z = self.encoder(batch.x)
        nearest = torch.cdist(z, self.codes).argmin(1)
        hot = nn.functional.one_hot(nearest, 5).to(z)  # (N, 5)

        def follow(stats: dict[str, Tensor]) -> None:
            self.codes.lerp_(stats["sums"] / stats["counts"].clamp(min=1)[:, None], 0.1)
            self.calls += 1

        stats = {"sums": hot.T @ z.detach(), "counts": hot.sum(0).long()}
        yield Loss("model", (z - self.codes[nearest]).square().mean(), {}, stats, follow)


TOYS = {
    "regression": (Regression, vectors),
    "noisy": (Noisy, images),
    "duel": (Duel, vectors),
    "replayed": (Replayed, vectors),
    "codebook": (Codebook, vectors),
}


def toy(name: str, seed: int = 0) -> Method:
    kind, make = TOYS[name]
    torch.manual_seed(seed)
    return kind(make().spec)


def kept(folder: Path):
    """Writes weights as a run does, in a small way."""

    def keep(raw, ema):
        with written_whole(folder / "weights.pt") as path:
            torch.save({"raw": dict(raw), "ema": ema and dict(ema)}, path)

    return keep


def weights(folder: Path) -> dict[str, dict[str, Tensor]]:
    return torch.load(folder / "weights.pt")


def teach(method: Method, data: Data, folder: Path, *, monitors=(), said: list[str] | None = None, **given) -> Outcome:
    """Trains a toy with options."""
    options = TrainOptions(device="cpu", **given)
    recipe = recipe_with(method.recipe(), options)
    folder.mkdir(exist_ok=True, parents=True)
    return train(
        method, data, recipe, options, devices=Devices(options), folder=folder, keep=kept(folder), monitors=monitors,
        say=(said if said is not None else []).append,
    )

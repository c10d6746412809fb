"""Our training step against a bare PyTorch loop that converts, clips and averages the same."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from benchmarks.pairs import Ratio, compare
from tacit.catalog import method_class
from tacit.data.dataset import IN_MEMORY, Data
from tacit.protocol import Batch, Clock, Method, Optim, Recipe, Spec
from tacit.training.devices import Devices
from tacit.training.loop import Training
from tacit.training.options import TrainOptions

BATCH = 128
RECIPE = {"clip": 1.0, "ema": 0.999, "batch": BATCH, "steps": 1_000_000}


def images(shape: tuple[int, int, int], n: int) -> Data:
    """Returns random 8-bit images in memory."""
    x = torch.randint(0, 256, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ids = [str(i) for i in range(n)]
    return Data("noise", IN_MEMORY, "noise", Spec("image", shape, (0.0, 1.0)), x, ids, torch.zeros(n, dtype=torch.bool))


def our_steps(method: Method, data: Data, recipe: Recipe, steps: int) -> Callable[[], None]:
    """Returns a callable that trains for some more steps, exactly as `tacit fit` does."""
    folder = Path(tempfile.mkdtemp())
    options = TrainOptions(save_minutes=1e9)
    training = Training(
        method, data, recipe, options, Devices(options), folder, lambda raw, ema: None, (), lambda line: None
    )
    method.train()

    def go() -> None:
        for _ in range(steps):
            if training.ended() is None:
                training.round(training.votes())
                training.agreed()

    return go


def bare_steps(method: Method, data: Data, recipe: Recipe, steps: int) -> Callable[[], None]:
    """Returns a callable that trains for some more steps as one would write it by hand."""
    players = method.players()
    own = {name: [p for p in player.parameters() if p.requires_grad] for name, player in players.items()}
    optimisers = {
        name: torch.optim.Adam(own[name], lr=o.lr, betas=o.betas, fused=True) for name, o in recipe.optim.items()
    }
    everything = list(method.parameters())
    averaged = [p.detach().clone() for p in everything]
    order = torch.randperm(len(data))
    state = {"step": 0, "order": order}
    losses: list[torch.Tensor] = []
    method.train()

    def go() -> None:
        for _ in range(steps):
            start = state["step"] * BATCH % (len(data) - BATCH)
            x = data.x[state["order"][start : start + BATCH]].float().div_(255)
            method.clock = Clock(state["step"], 0.0)
            for loss in method.losses(Batch(x)):
                optimiser, parameters = optimisers[loss.player], own[loss.player]
                optimiser.zero_grad(set_to_none=True)
                loss.value.backward(inputs=parameters)
                nn.utils.clip_grad_norm_(parameters, 1.0)
                optimiser.step()
                losses.append(loss.value.detach())
                if not torch.isfinite(losses[-1]):
                    raise RuntimeError("not finite")
            with torch.no_grad():
                torch._foreach_lerp_(averaged, everything, 1 - 0.999)
            state["step"] += 1
        losses.clear()

    return go


def pair(
    title: str, name: str, shape: tuple[int, int, int], steps: int, pairs: int, **options: object
) -> Ratio:
    """Compares both loops on one method."""
    data = images(shape, 4096)
    built = []
    for _ in range(2):
        torch.manual_seed(0)
        built.append(method_class(name)(data.spec, **options))
    optim = {player: Optim(lr=1e-4, betas=(0.5, 0.999)) for player in built[0].players()}
    recipe = Recipe(**RECIPE, optim=optim)
    ours = our_steps(built[0], data, recipe, steps)
    return compare(title, ours, bare_steps(built[1], data, recipe, steps), work=steps * BATCH, pairs=pairs)


def run(pairs: int = 30) -> list[Ratio]:
    """Compares both methods."""
    return [
        pair("training step, MLP VAE 784-512-16, batch 128, against a bare loop", "vae", (1, 28, 28), 100,
             pairs, latent=16, width=512, depth=1, net="mlp", likelihood="bernoulli"),
        pair("training step, DCGAN 3 x 32 x 32, batch 128, against a bare loop", "dcgan", (3, 32, 32), 2, pairs),
    ]

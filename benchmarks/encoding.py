"""Encoding through a run against the bare encoder in batches."""

import tempfile

import torch

import tacit
from benchmarks.pairs import Ratio, compare
from benchmarks.steps import images


def run(pairs: int = 30) -> list[Ratio]:
    """Compares `Run.encode` with a loop over the encoder, for an MLP and a convolutional VAE."""
    results = []
    for net, n in (("mlp", 20_000), ("conv", 5_000)):
        data = images((1, 28, 28), n)
        fitted = tacit.fit("vae", data, steps=1, batch=16, net=net, out=f"{tempfile.mkdtemp()}/run")

        def bare(fitted=fitted, data=data) -> torch.Tensor:
            with torch.inference_mode():
                parts = data.x.split(1024)
                return torch.cat([fitted.method.encode(part.float().div_(255)) for part in parts])

        assert torch.allclose(bare(), fitted.encode(data), atol=1e-5)
        results.append(compare(f"encode {n:,} images of 28 x 28, {net}, against the bare encoder",
                               lambda fitted=fitted, data=data: fitted.encode(data), bare, work=n,
                               pairs=pairs))
    return results

"""Walks along the dimensions of a code: which walk, how far, in what order, and which have collapsed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tacit
from tacit.functional.divergences import kl_standard_normal
from tacit.runs.run import Run
from tacit.runs.traversing import posterior_of, traversal


class Encoder(nn.Module):
    """A posterior of three dimensions: the second carries most, the third nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 4.0, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.stack([x[:, 0, 2, 3], x[:, 0, 4, 4], x[:, 0, 5, 2]], 1) * self.scale
        return torch.cat([mean, torch.tensor([-0.5, -4.0, 0.0]).expand(len(x), 3)], 1)


@pytest.fixture
def planted(tmp_path: Any, digits_data: Any) -> Run:
    run = tacit.fit("vae", digits_data, latent=3, encoder=Encoder(), steps=1, batch=32, out=tmp_path / "planted")
    with torch.no_grad():
        run.method.encoder.scale.copy_(torch.tensor([1.0, 4.0, 0.0]))
    return run


def test_dimensions_come_by_the_nats_that_they_carry_and_the_collapsed_are_told(planted: Run) -> None:
    data = planted.data()
    found = traversal(planted, data)
    assert found is not None and found.samples.shape == (3, 9, 1, 8, 8)
    assert [caption.split("\n")[0] for caption in found.captions] == ["dimension 2", "dimension 1", "dimension 3"]
    assert found.grey == (False, False, True) and found.captions[2].endswith("KL 0.00 nats, collapsed")
    seen = data.take(data.testing)
    with torch.no_grad():
        kl = kl_standard_normal(*planted.method.posterior(seen.everything())).mean(0)
    assert f"KL {kl[1]:.2f} nats" in found.captions[0]


def test_one_dimension_walks_over_the_prior_and_the_others_stand_still(planted: Run) -> None:
    data = planted.data()
    found = traversal(planted, data)
    assert found is not None
    z = planted.encode(data.take(data.testing))
    start = z[(z - z.mean(0)).square().sum(1).argmin()]
    for row, j in enumerate((1, 0, 2)):
        walk = start.repeat(9, 1)
        walk[:, j] = torch.linspace(-2, 2, 9)
        torch.testing.assert_close(found.samples[row], planted.decode(walk))


def test_without_a_posterior_dimensions_come_by_variance_and_walk_over_their_own_spread(
    tmp_path: Any, digits_data: Any
) -> None:
    run = tacit.fit("pca", digits_data, latent=4, out=tmp_path / "pca")
    data = run.data()
    found = traversal(run, data)
    assert found is not None and found.samples.shape == (4, 9, 1, 8, 8)
    z = run.encode(data.take(data.testing))
    spread = z.var(0, correction=0)
    order = spread.argsort(descending=True).tolist()
    assert [caption.split("\n")[0] for caption in found.captions] == [f"dimension {j + 1}" for j in order]
    walk = z[(z - z.mean(0)).square().sum(1).argmin()].repeat(9, 1)
    walk[:, order[0]] = z.mean(0)[order[0]] + torch.linspace(-2, 2, 9) * spread[order[0]].sqrt()
    torch.testing.assert_close(found.samples[0], run.decode(walk), atol=1e-4, rtol=0)
    assert "KL" not in found.captions[0] and not any(found.grey)


def test_what_is_no_gaussian_posterior_of_the_code_is_not_taken_for_one(
    planted: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = planted.data().take(torch.arange(20))
    z = planted.encode(seen)
    assert posterior_of(planted, seen, z) is not None
    assert posterior_of(planted, seen, z + 1) is None, "a code that lies elsewhere, as behind a flow"
    monkeypatch.setattr(planted.method, "posterior", lambda x, label: (x, label))
    assert posterior_of(planted, seen, z) is None


def test_what_has_no_code_has_no_walks(tmp_path: Any, digits_data: Any) -> None:
    run = tacit.fit("kmeans", digits_data, out=tmp_path / "k")
    assert traversal(run, run.data()) is None

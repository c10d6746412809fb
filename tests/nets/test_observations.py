import math

import pytest
import torch
from torch import Tensor, nn

from tacit.errors import DataError, OptionError
from tacit.nets.observations import Bernoulli, Gaussian, Likelihood, Logistic, Mixed, Squash, observation
from tacit.protocol import Column, Spec

IMAGE, VECTOR = Spec("image", (1, 4, 4), (0.0, 1.0)), Spec("vector", (3,))
TABLE = Spec("table", (3,), columns=(Column("a", "number", 0), Column("b", "category", 1, ("x", "y"))))


@pytest.fixture
def out() -> Tensor:
    return 5 * torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("spec", "asked", "made"),
    [(IMAGE, "auto", Gaussian), (VECTOR, "auto", Gaussian), (TABLE, "auto", Mixed), (IMAGE, "bernoulli", Bernoulli),
     (IMAGE, "logistic", Logistic), (TABLE, "mixed", Mixed)],
)  # fmt: skip
def test_the_likelihood_suits_the_data(spec: Spec, asked: Likelihood, made: type) -> None:
    assert isinstance(observation(spec, asked), made)


def test_means_lie_where_the_data_live(out: Tensor) -> None:
    image = Squash(IMAGE)(out)
    assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.2
    assert torch.equal(Squash(VECTOR)(out), out)
    centred = Squash(Spec("image", (1, 4, 4), (-1.0, 1.0)))(out)
    torch.testing.assert_close(centred, 2 * image - 1)
    row = Squash(TABLE)(out.view(-1, 3)[:4])
    torch.testing.assert_close(row[:, 1:].sum(1), torch.ones(4))
    assert set(Squash(TABLE, hard=True)(out.view(-1, 3)[:4])[:, 1:].unique().round().tolist()) == {0.0, 1.0}


def test_a_given_sigma_is_fixed_and_a_learned_one_finds_the_error() -> None:
    fixed = Gaussian(VECTOR, sigma=0.5)
    assert not list(fixed.parameters()) and fixed.log_scale().item() == pytest.approx(math.log(0.5))
    learned = Gaussian(VECTOR)
    x = 0.3 * torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    adam = torch.optim.Adam(learned.parameters(), lr=0.02)
    for _ in range(150):
        adam.zero_grad()
        (-learned(x, torch.zeros_like(x)).mean()).backward()
        adam.step()
    assert learned.log_scale().exp().item() == pytest.approx(x.square().mean().sqrt().item(), rel=0.01)


def test_a_table_learns_one_sigma_for_each_number() -> None:
    spec = Spec("table", (4,), columns=(*TABLE.columns, Column("c", "number", 3)))
    assert isinstance(Mixed(spec).log_sigma, nn.Parameter) and Mixed(spec).log_sigma.shape == (2,)


def test_learned_scales_have_a_floor() -> None:
    learned = Gaussian(VECTOR)
    learned.log_sigma.data.fill_(-50.0)
    assert learned.log_scale().exp().item() == pytest.approx(0.01)


def test_images_are_shown_as_means_and_rows_as_draws(out: Tensor) -> None:
    assert torch.equal(Gaussian(IMAGE).draw(out), out.sigmoid())
    assert torch.equal(Bernoulli(IMAGE).draw(out), out.sigmoid())
    rows = Mixed(TABLE).draw(out.view(-1, 3), torch.Generator().manual_seed(0))
    assert set(rows[:, 1:].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("spec", "asked", "message"),
    [(VECTOR, "bernoulli", "without a range; take gaussian"),
     (Spec("image", (1, 4, 4), (-1.0, 1.0)), "bernoulli", r"in \[-1, 1\]; take gaussian"),
     (VECTOR, "logistic", "take gaussian")],
)  # fmt: skip
def test_data_out_of_range_are_refused(spec: Spec, asked: Likelihood, message: str) -> None:
    with pytest.raises(DataError, match=message):
        observation(spec, asked)


@pytest.mark.parametrize(
    ("spec", "asked", "sigma"), [(VECTOR, "mixed", None), (TABLE, "gaussian", None), (VECTOR, "gaussian", 0.0)]
)
def test_options_that_cannot_be_are_refused(spec: Spec, asked: Likelihood, sigma: float | None) -> None:
    with pytest.raises(OptionError):
        observation(spec, asked, sigma)

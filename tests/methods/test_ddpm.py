"""DDPM against slow sums, exact denoisers of Gaussians, and their likelihood."""

import math

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import nn

from tacit.errors import OptionError
from tacit.functional.variational import diffusion_bound
from tacit.methods.diffusion.ddpm import DDPM
from tacit.protocol import Batch, Column, Spec, capabilities

IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0))
VECTOR = Spec("vector", (3,))
TABLE = Spec("table", (6,), columns=(
    Column("a", "number", 0), Column("b", "category", 1, ("x", "y", "z")), Column("c", "number", 4, missing=True),
))  # fmt: skip
MEAN, SPREAD = torch.tensor([0.5, -1.0, 0.0]).double(), 0.7


class Gaussian(nn.Module):
    """What the best net tells of data N(MEAN, SPREAD^2 I)."""

    def __init__(self, prediction, **options):
        super().__init__()
        object.__setattr__(self, "ddpm", DDPM(VECTOR, denoiser=nn.Identity(), **options).double())
        self.prediction = prediction

    def forward(self, x_t, t):
        sigma = self.ddpm.sigmas[t.round().long()][:, None]
        abar = 1 / (1 + sigma**2)
        x = x_t / abar.sqrt()
        x_0 = (MEAN * sigma**2 + SPREAD**2 * x) / (SPREAD**2 + sigma**2)
        eps = (x - x_0) / sigma
        return {"eps": eps, "x0": x_0, "v": abar.sqrt() * eps - (1 - abar).sqrt() * x_0}[self.prediction]


def gaussian(prediction="eps", variance="small", **options):
    net = Gaussian(prediction, **options)
    return DDPM(VECTOR, prediction=prediction, variance=variance, denoiser=net, **options).double()


def drawn(n):
    return MEAN + SPREAD * torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_the_loss_is_the_slow_mean(prediction):
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(0.5))

        def forward(self, x, t):
            return self.weight * x + t[:, None, None, None] / 1000

    ddpm, x = DDPM(IMAGE, denoiser=Half(), prediction=prediction), torch.rand(5, 1, 8, 8)
    torch.manual_seed(3)
    (loss,) = ddpm.losses(Batch(x))
    torch.manual_seed(3)
    times, noise, total, abar = torch.randint(1000, (5,)), torch.randn(5, 1, 8, 8), 0.0, []
    for i in range(1000):
        abar.append((abar[-1] if abar else 1.0) * (1 - (1e-4 + (0.02 - 1e-4) * i / 999)))
    for i, t in enumerate(times.tolist()):
        for a in range(8):
            for b in range(8):
                x_0, eps = 2 * x[i, 0, a, b].item() - 1, noise[i, 0, a, b].item()
                told = 0.5 * (math.sqrt(abar[t]) * x_0 + math.sqrt(1 - abar[t]) * eps) + t / 1000
                v = math.sqrt(abar[t]) * eps - math.sqrt(1 - abar[t]) * x_0
                total += (told - {"eps": eps, "x0": x_0, "v": v}[prediction]) ** 2 / (5 * 64)
    assert loss.value.item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_what_the_net_tells_makes_no_difference(schedule):
    x = 3 * drawn(20)
    for t in (0, 1, 300, 900):
        told = []
        for prediction in ("eps", "x0", "v"):
            ddpm = gaussian(prediction, beta_schedule=schedule)
            sigma = ddpm.sigmas[t]
            told.append(ddpm.denoise(x, sigma))
        exact = (MEAN * sigma**2 + SPREAD**2 * x) / (SPREAD**2 + sigma**2)
        for one in told:
            torch.testing.assert_close(one, exact, rtol=1e-6, atol=1e-6)


def test_what_the_net_tells_by_default():
    """Where nothing holds x_0, errors of eps would grow with the noise."""
    assert [DDPM(spec, width=8).prediction for spec in (IMAGE, VECTOR, TABLE)] == ["eps", "v", "v"]


def test_times_of_noise_levels():
    ddpm = DDPM(VECTOR, width=8)
    steps = torch.arange(1000.0)
    torch.testing.assert_close(ddpm.time(ddpm.sigmas), steps)
    between = ddpm.time((ddpm.sigmas[1:] * ddpm.sigmas[:-1]).sqrt())
    torch.testing.assert_close(between, steps[:-1] + 0.5, rtol=0, atol=1e-2)
    assert ddpm.time(torch.tensor(1e-5)) == 0 and ddpm.time(torch.tensor(1e5)) == 999


def log_density(x):
    return torch.distributions.Normal(MEAN, SPREAD).log_prob(x).sum(1)


@pytest.mark.parametrize(("variance", "gap"), [("large", 0.01), ("small", 0.4)])
def test_the_bound_is_below_the_likelihood_and_near(variance, gap):
    x = drawn(200)
    with torch.no_grad():
        lost = log_density(x) - gaussian(variance=variance).log_prob(x, terms=999)
    error = (lost.std() / math.sqrt(200)).item()
    assert -4 * error < lost.mean().item() < 3 * gap + 4 * error
    assert variance == "large" or lost.mean().item() > 4 * error  # the wrong variance costs something


def test_fewer_terms_give_the_same_bound_on_average():
    ddpm, x = gaussian(timesteps=100), drawn(2000)
    with torch.no_grad():
        every, some = ddpm.log_prob(x, terms=99), ddpm.log_prob(x, terms=10)
    assert (every - some).mean().abs() < 4 * (every - some).std() / math.sqrt(2000)
    assert ddpm.bound() == "lower"


def test_the_bound_of_a_net_that_knows_nothing_is_the_slow_sum():
    """A denoiser that tells 0 whatever it sees leaves no randomness in the bound."""
    ddpm = DDPM(VECTOR, timesteps=6)
    x, s = drawn(4), ddpm.sigmas.double()
    fast = diffusion_bound(lambda x, sigma: torch.zeros_like(x), x, s, variance="small", terms=5,
                           generator=torch.Generator().manual_seed(0))
    for i in range(4):
        total = 0.0
        for value in x[i].tolist():
            total += -0.5 * value**2 / s[0] ** 2 - s[0].log() - 0.5 * math.log(2 * math.pi)
            total -= sum(0.5 * (1 / s[t - 1] ** 2 - 1 / s[t] ** 2) * value**2 for t in range(1, 6))
            abar = 1 / (1 + s[5] ** 2)
            total -= 0.5 * (abar * value**2 + (1 - abar) - 1 - (1 - abar).log())
        assert fast[i].item() == pytest.approx(total.item(), rel=1e-6)


def test_nats_are_those_of_the_data_not_of_the_diffusion():
    """Data in [0, 1] are half as wide as those in [-1, 1], and so twice as dense in each value."""
    torch.manual_seed(0)
    net, x = nn.Linear(1, 1), torch.rand(6, 1, 2, 2)

    def zero(x, t):
        return 0 * x

    net.forward = zero
    nats = [
        DDPM(Spec("image", (1, 2, 2), limits), timesteps=20, prediction="x0", denoiser=net).log_prob(values, terms=19)
        for limits, values in (((0.0, 1.0), x), ((-1.0, 1.0), 2 * x - 1))
    ]
    torch.testing.assert_close(nats[0] - nats[1], torch.full((6,), 4 * math.log(2)), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(("sampler", "steps"), [("heun", 20), ("ddim", 50), ("ancestral", 200)])
def test_samples_are_those_of_the_gaussian(sampler, steps):
    with torch.no_grad():
        made = gaussian().sample(5000, sampler=sampler, steps=steps, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made.mean(0).double(), MEAN, rtol=0, atol=0.05)
    torch.testing.assert_close(made.std(0).double(), torch.full((3,), SPREAD).double(), rtol=0.08, atol=0)


def test_training_finds_two_lumps():
    torch.manual_seed(0)
    spec = Spec("vector", (1,))
    ddpm = DDPM(spec, width=64)
    adam = torch.optim.Adam(ddpm.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(1)

    def lumps(n):
        which = torch.rand(n, 1, generator=generator) < 0.3
        return torch.where(which, -1.5, 0.7) + 0.2 * torch.randn(n, 1, generator=generator)

    for step in range(300):
        adam.param_groups[0]["lr"] = 2e-3 * (1 - step / 300)
        adam.zero_grad()
        next(iter(ddpm.losses(Batch(lumps(128))))).value.backward()
        adam.step()
    with torch.inference_mode():
        made = ddpm.sample(1000, generator=torch.Generator().manual_seed(0))
    assert wasserstein_distance(made[:, 0], lumps(5000)[:, 0]) < 0.2


@pytest.mark.parametrize("spec", [IMAGE, VECTOR, TABLE, Spec("map", (4, 5, 4))], ids=lambda s: s.kind)
def test_what_it_can_do(spec):
    ddpm, x = DDPM(spec, width=8).eval(), torch.rand(3, *spec.shape)
    with torch.inference_mode():
        assert capabilities(ddpm) == {"Samples", "Density"}
        made = [ddpm.sample(3, steps=3, sampler=s, generator=torch.Generator().manual_seed(0))
                for s in ("heun", "ddim", "ancestral", "heun")]  # fmt: skip
        assert all(m.shape == x.shape and torch.isfinite(m).all() for m in made)
        assert torch.equal(made[0], made[3]) and not torch.equal(made[0], made[2])
        nats = ddpm.log_prob(x, terms=2)
        assert nats.shape == (3,) and torch.equal(nats, ddpm.log_prob(x, terms=2))
    assert made[0].min() >= 0 and made[0].max() <= 1 or spec.range is None


def test_the_noise_alone_decides_and_no_other_sample():
    ddpm = DDPM(IMAGE, width=8).eval()
    with torch.inference_mode():
        x = 80 * torch.randn(4, 1, 8, 8)
        told = ddpm.denoise(x, torch.tensor(80.0))
        torch.testing.assert_close(ddpm.denoise(x[2:3], torch.tensor(80.0)), told[2:3], rtol=1e-3, atol=1e-3)
        assert told.abs().max() <= 1


def test_sampled_rows_are_rows():
    with torch.inference_mode():
        rows = DDPM(TABLE, width=16).sample(50, steps=3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rows[:, 1:4], rows[:, 1:4].round())
    torch.testing.assert_close(rows[:, 1:4].sum(1), torch.ones(50))
    marks = rows[:, 5].round()
    torch.testing.assert_close(rows[:, 5], marks)
    assert 0 < marks.mean() < 1 and (rows[:, 4].abs() > 1e-5).eq(marks == 0).all()  # a missing value is 0


def test_schedules_are_not_saved():
    names = DDPM(VECTOR, width=8).state_dict()
    assert "sigmas" not in names and not any("frequencies" in name for name in names)


def test_errors():
    with pytest.raises(OptionError, match="at least 2"):
        DDPM(VECTOR, timesteps=1)
    ddpm = DDPM(VECTOR, width=8, timesteps=10)
    assert ddpm.sample(2, generator=torch.Generator().manual_seed(0)).isfinite().all()  # in no more than 10 steps
    for steps in (0, 11):
        with pytest.raises(OptionError, match="from 1 to 10"):
            ddpm.sample(2, steps=steps)
    with pytest.raises(OptionError, match="not negative"):
        ddpm.sample(2, churn=-1.0)
    with pytest.raises(OptionError, match="at least 1"):
        ddpm.log_prob(torch.zeros(2, 3), terms=0)

"""The PixelCNN by enumeration, against its own walk, at known entropies, and as a prior over another run's codes."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

import tacit
from tacit.errors import DataError, OptionError
from tacit.functional.likelihoods import bits_per_dim
from tacit.methods.autoregressive.pixelcnn import PixelCNN
from tacit.nets.masked import MaskedConv
from tacit.nets.pixels import Pixels
from tacit.protocol import Batch, Bridge, Chain, Loss, Method, Spec, capabilities

IMAGE = Spec("image", (1, 2, 2), (0.0, 1.0))
COLOUR = Spec("image", (2, 2, 1), (0.0, 1.0))
CODES = Spec("codes", (2, 2), codes=3)
ROW = Spec("codes", (3,), codes=4)


def loss_of(method: PixelCNN, batch: Batch) -> Loss:
    (loss,) = method.losses(batch)
    return loss


def little(spec: Spec, seed: int = 0, **options: object) -> PixelCNN:
    """A small model with weights that are large enough to matter."""
    torch.manual_seed(seed)
    method = PixelCNN(spec, **{"width": 8, "layers": 3, **options}).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for p in method.parameters():
            p.mul_(2.0)
    return method


def every(spec: Spec, levels: int) -> Tensor:
    """Returns all samples there are."""
    made = torch.tensor(list(itertools.product(range(levels), repeat=spec.size))).view(-1, *spec.shape)
    return made if spec.codes else made / (levels - 1)


@pytest.mark.parametrize(
    ("spec", "levels", "options"),
    [
        (IMAGE, 2, {"likelihood": "bernoulli"}),
        (COLOUR, 3, {"likelihood": "softmax", "levels": 3}),
        (CODES, 3, {}),
        (ROW, 4, {}),
    ],
    ids=["black and white", "colour", "codes", "row of codes"],
)
def test_probabilities_sum_to_one_and_draws_follow_them(spec: Spec, levels: int, options: dict[str, object]) -> None:
    method, x, n = little(spec, **options), every(spec, levels), 2000
    with torch.no_grad():
        p = method.log_prob(x).double().exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-5)
    assert p.max() > 1.5 * p.min()
    drawn = method.sample(n, generator=torch.Generator().manual_seed(0))
    assert drawn.shape == (n, *spec.shape) and drawn.dtype == (torch.int64 if spec.codes else torch.float32)
    digits = (drawn if spec.codes else drawn * (levels - 1)).flatten(1).round().long()
    counts = (digits @ levels ** torch.arange(spec.size).flip(0)).bincount(minlength=len(x))
    order = p.argsort()  # rare samples are counted together
    bins = torch.split(order, [len(x) - 8, *[1] * 8])
    observed, expected = (torch.stack([v[b].sum() for b in bins]).numpy() for v in (counts, n * p / p.sum()))
    assert chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (Spec("image", (3, 4, 5), (0.0, 1.0)), {"likelihood": "softmax", "levels": 4}),
        (Spec("image", (3, 4, 5), (0.0, 1.0)), {}),
        (Spec("codes", (4, 5), codes=7), {}),
    ],
    ids=["softmax", "mixture", "codes"],
)
def test_cached_drawing_gives_what_the_whole_net_gives(spec: Spec, options: dict[str, object]) -> None:
    method = little(spec, **options)
    pixels, law = method.pixels, method.pixels.law
    u, each = pixels.noise(3, torch.Generator().manual_seed(4)), law.shape[0] // law.groups
    values = torch.zeros(3, *law.shape, dtype=law.dtype)
    with torch.no_grad():
        for i, j, g in itertools.product(range(4), range(5), range(law.groups)):
            out = pixels.outputs(values, None)[:, g, :, i, j]
            values[:, g * each : (g + 1) * each, i, j] = law.choose(out, u[:, :, i, j], g, 1.0).to(law.dtype)
    assert torch.equal(method.sample(3, generator=torch.Generator().manual_seed(4)), law.write(values))
    assert values.unique().numel() > 3


def test_logits_of_codes_are_those_of_the_walk_and_of_the_likelihood() -> None:
    method, c = little(CODES), every(CODES, 3)[::9]
    with torch.no_grad():
        logits = method.code_logits(c)
        each = logits.log_softmax(1).gather(1, c[:, None]).flatten(1).sum(1)
        torch.testing.assert_close(each, method.log_prob(c))
    seen = torch.zeros_like(logits)

    def choose(i: int, j: int, group: int, out: Tensor) -> Tensor:
        seen[:, :, i, j] = out
        return c[:, i, j, None]

    assert torch.equal(method.walk(len(c), choose), c)
    torch.testing.assert_close(seen, logits)
    assert little(ROW).code_logits(every(ROW, 4)).shape == (64, 4, 3)


@pytest.mark.parametrize("spec", [Spec("codes", (4, 3), codes=5), Spec("image", (3, 4, 4), (0.0, 1.0))])
def test_a_model_that_knows_nothing_takes_all_the_bits(spec: Spec) -> None:
    method = PixelCNN(spec, likelihood="softmax", width=6)
    last = method.pixels.net.head[-1]
    assert isinstance(last, MaskedConv)
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()  # type: ignore[union-attr]
        x = torch.randint(5, (7, 4, 3)) if spec.codes else torch.randint(256, (7, 3, 4, 4)) / 255
        loss, bits = loss_of(method, Batch(x)), math.log2(spec.codes or 256)
        torch.testing.assert_close(bits_per_dim(method.log_prob(x), spec.size), torch.full((7,), bits))
    assert loss.terms["bits_per_dim"].item() == pytest.approx(bits, abs=1e-5)
    assert loss.value.item() == pytest.approx(bits * math.log(2) * spec.size, rel=1e-5)


def test_it_learns_that_one_code_decides_the_next() -> None:
    """The first of two codes is fair among 4, the second is the same but for one time in four: the entropy is known."""
    torch.manual_seed(0)
    spec = Spec("codes", (2,), codes=4)
    first = torch.randint(4, (512,))
    second = torch.where(torch.rand(512) < 0.25, (first + 1) % 4, first)
    x = torch.stack([first, second], 1)
    jumps = (first != second).double().mean().item()  # of these very draws
    entropy = math.log(4) - jumps * math.log(jumps) - (1 - jumps) * math.log(1 - jumps)
    method = PixelCNN(spec, width=8, layers=1)
    adam = torch.optim.Adam(method.parameters(), lr=0.03)
    for _ in range(100):
        adam.zero_grad()
        loss_of(method, Batch(x)).value.backward()
        adam.step()
    with torch.no_grad():
        reached = -method.log_prob(x).mean().item()
    assert -0.05 < reached - entropy < 0.03
    drawn = method.sample(1000, generator=torch.Generator().manual_seed(0))
    assert (drawn[:, 0] == drawn[:, 1]).double().mean().item() == pytest.approx(0.75, abs=0.05)


def test_labels_choose_what_is_drawn_and_without_one_anything_is() -> None:
    torch.manual_seed(0)
    spec = Spec("codes", (2,), codes=3, classes=("ones", "twos"))
    label = torch.randint(-1, 2, (300,))
    x = torch.where(label < 0, torch.randint(1, 3, (300,)), label + 1)[:, None].repeat(1, 2)
    method = PixelCNN(spec, width=8, layers=1, conditional=True)
    assert method.needs == {"label"} and PixelCNN(spec).needs == frozenset()
    adam = torch.optim.Adam(method.parameters(), lr=0.03)
    for _ in range(80):
        adam.zero_grad()
        loss_of(method, Batch(x, label)).value.backward()
        adam.step()
    for k in (0, 1):
        drawn = method.sample(200, label=k, generator=torch.Generator().manual_seed(0))
        assert (drawn == k + 1).double().mean() > 0.95
    any_of_them = method.sample(400, generator=torch.Generator().manual_seed(0))
    assert (any_of_them == 1).double().mean().item() == pytest.approx(0.5, abs=0.15)
    with torch.no_grad():
        ones = torch.ones(1, 2, dtype=torch.int64)
        assert method.log_prob(ones, label=0) > -0.3 and method.log_prob(ones, label=1) < -3
        assert -1.5 < method.log_prob(ones).item() < -0.3


def test_every_draw_is_the_generators_and_cold_ones_are_the_likeliest() -> None:
    method = little(Spec("codes", (3, 3), codes=4))
    first, again, other = (method.sample(6, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    cold = method.sample(5, temperature=0.0, generator=torch.Generator().manual_seed(1))
    assert (cold == cold[:1]).all()
    assert torch.equal(method.code_logits(cold).argmax(1), cold)


def test_what_it_can_do() -> None:
    for spec in (IMAGE, COLOUR, CODES, ROW):
        method = PixelCNN(spec, width=4, layers=1)
        assert capabilities(method) == {"Samples", "Density", "Scores"}
        assert method.bound() == "exact" and method.discrete
    assert PixelCNN(IMAGE, likelihood="bernoulli").binary and not PixelCNN(IMAGE).binary
    assert PixelCNN(IMAGE, likelihood="softmax", levels=16).discrete is None


def test_errors() -> None:
    with pytest.raises(OptionError, match="take softmax"):
        PixelCNN(CODES, likelihood="mixture")
    with pytest.raises(DataError, match=r"in \[0, 1\]"):
        PixelCNN(Spec("image", (1, 4, 4), (-1.0, 1.0)))
    with pytest.raises(DataError, match="--labels"):
        PixelCNN(IMAGE, conditional=True)
    with pytest.raises(OptionError, match="--layers is 0"):
        PixelCNN(IMAGE, layers=0)
    with pytest.raises(OptionError, match="--conditional"):
        PixelCNN(CODES).sample(1, label=0)
    with pytest.raises(OptionError, match="0 to 1"):
        PixelCNN(Spec("codes", (2,), codes=3, classes=("a", "b")), conditional=True).sample(1, label=2)


def test_a_prior_over_codes_samples_through_their_maker() -> None:
    class Quarters(Method):
        """Tells of each quarter of an image how bright it is, as one of 3 codes."""

        codes = 3

        def tokenize(self, x: Tensor) -> Tensor:
            return (torch.nn.functional.avg_pool2d(x, 2)[:, 0] * 2).round().long()

        def detokenize(self, c: Tensor) -> Tensor:
            return (c / 2)[:, None].repeat_interleave(2, 2).repeat_interleave(2, 3)

    torch.manual_seed(0)
    parent = Quarters(Spec("image", (1, 4, 4), (0.0, 1.0)))
    prior = PixelCNN(CODES, width=8, layers=2)
    chain = Chain(prior, [parent], [Bridge("tokenize", CODES)])
    x = parent.detokenize(torch.randint(3, (5, 2, 2)))
    assert torch.equal(chain.features(x), parent.tokenize(x))
    assert torch.equal(chain.anomaly_score(x), prior.anomaly_score(parent.tokenize(x)))
    made = chain.sample(6, generator=torch.Generator().manual_seed(0))
    codes = prior.sample(6, generator=torch.Generator().manual_seed(0))
    assert made.shape == (6, 1, 4, 4) and torch.equal(parent.tokenize(made), codes)


def test_a_prior_is_fitted_on_a_run_and_sampled(little_digits: tuple[Tensor, Tensor], tmp_path: object) -> None:
    vq = tacit.fit("vqvae", little_digits, steps=3, batch=32, out=f"{tmp_path}/vq")
    prior = tacit.fit("pixelcnn", vq, width=8, layers=1, steps=3, batch=32, out=f"{tmp_path}/prior")
    assert prior.method.spec.kind == "codes" and isinstance(prior.method.pixels, Pixels)
    again = tacit.load(prior.path)
    assert prior.sample(3).shape == (3, 1, 8, 8) and torch.equal(prior.sample(3), again.sample(3))
    assert torch.equal(prior.log_prob(little_digits[0]), again.log_prob(little_digits[0]))

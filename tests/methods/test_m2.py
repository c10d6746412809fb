"""M2 against slow sums over classes, its labelled bound, the full objective, enumeration of the evidence, and a toy."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal, kl_divergence
from torch.nn.functional import log_softmax, one_hot

from tacit.errors import DataError, OptionError
from tacit.methods.autoencoders.m2 import M2
from tacit.protocol import Batch, Loss, Spec, capabilities

VECTOR = Spec("vector", (4,), classes=("a", "b", "c"))
IMAGE = Spec("image", (1, 8, 8), (0.0, 1.0), classes=("a", "b", "c"))
SHARE = 2 / 5  # of the samples below that have a label


def model(spec: Spec = VECTOR, **options: Any) -> M2:
    """A small M2 in double precision that has seen the samples below so often that it knows their share of labels."""
    torch.manual_seed(0)
    m2 = M2(spec, **{"latent": 2, "width": 8, "sigma": 0.7, "label_weight": 0.1} | options).double()
    m2.seen.copy_(1e12 * torch.tensor([0.0, 1.0, 1.0, 3.0]))
    return m2


def samples() -> tuple[Tensor, Tensor]:
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return x, torch.tensor([-1, 2, -1, 1, -1])


def loss_of(m2: M2, x: Tensor, label: Tensor, seed: int = 7) -> Loss:
    torch.manual_seed(seed)
    (loss,) = m2.losses(Batch(x, label))
    return loss


def slow_bound(m2: M2, x: Tensor, y: int, eps: Tensor) -> Tensor:
    """-L(x, y) of one sample, by torch's distributions."""
    head = m2.head(nn.functional.silu(m2.encoder(x[None]) + m2.label(one_hot(torch.tensor([y]), 3).to(x))))[0]
    q = Normal(head[:2], (0.5 * head[2:]).exp())
    z = q.mean + q.stddev * eps
    mean = m2.observation.mean(m2.decoder(torch.cat([z, one_hot(torch.tensor(y), 3).to(x)])[None]))[0]
    kl = kl_divergence(q, Normal(torch.zeros(2, dtype=x.dtype), 1.0)).sum()
    return Normal(mean, 0.7).log_prob(x).sum() + m2.class_prior().log()[y] - kl


@pytest.mark.parametrize("prior", ["uniform", "labels"])
def test_the_loss_is_the_slow_sum_over_classes(prior: str) -> None:
    m2, (x, label) = model(prior=prior), samples()
    loss = loss_of(m2, x, label)
    torch.manual_seed(7)
    eps = torch.randn(5, 3, 2, dtype=torch.float64)
    total = 0.0
    for i in range(5):
        log_q = log_softmax(m2.classify(x[i : i + 1]), 1)[0]
        if label[i] >= 0:
            y = int(label[i])
            total -= slow_bound(m2, x[i], y, eps[i, y]).item() / 5
            total -= 0.1 * log_q[y].item() / 5 / SHARE
            continue
        for y in range(3):
            total -= log_q[y].exp().item() * slow_bound(m2, x[i], y, eps[i, y]).item() / 5
        total -= Categorical(logits=log_q).entropy().item() / 5
    assert loss.value.item() == pytest.approx(total, abs=1e-6)


def test_with_a_certain_classifier_the_bound_is_that_of_the_labelled() -> None:
    m2, (x, _) = model(), samples()
    label = torch.tensor([0, 2, 1, 1, 0])
    m2.classify = lambda x: 1e3 * one_hot(label, 3).double()  # type: ignore[method-assign]
    known, unknown = loss_of(m2, x, label), loss_of(m2, x, torch.full((5,), -1))
    torch.testing.assert_close(unknown.value, known.value, atol=1e-6, rtol=0)
    torch.testing.assert_close(unknown.terms["bound"], known.terms["bound"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("count", [0, 2, 5])
def test_batches_with_no_some_and_only_labels(count: int) -> None:
    m2, (x, _) = model(), samples()
    label = torch.where(torch.arange(5) < count, 1, -1)
    loss = loss_of(m2, x, label)
    assert torch.isfinite(loss.value) and all(torch.isfinite(t) for t in loss.terms.values())
    loss.value.backward()
    gradients = [p.grad for p in m2.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert loss.stats["seen"].tolist() == [0, count, 0, 5 - count]
    assert (loss.terms["cross_entropy"] > 0) == (count > 0)


def test_batches_add_up_to_the_full_objective() -> None:
    """The mean over all batches of two, some without a label, is J^alpha / N with a mean over the labelled."""
    m2, (x, label) = model(), samples()
    eps = torch.randn(5, 3, 2, dtype=torch.float64)

    def value(index: Tensor) -> float:
        m2_bounds = M2.bounds
        m2.bounds = lambda x, asked, _: m2_bounds(m2, x, asked, eps[index])  # type: ignore[method-assign]
        return loss_of(m2, x[index], label[index]).value.item()

    pairs = torch.combinations(torch.arange(5), 2)
    mean = sum(value(pair) for pair in pairs) / len(pairs)
    assert mean == pytest.approx(value(torch.arange(5)), abs=1e-6)
    known = label >= 0
    missed = nn.functional.cross_entropy(m2.classify(x[known]), label[known])
    whole = loss_of(m2, x, label)
    torch.testing.assert_close(whole.value + whole.terms["bound"], 0.1 * missed, atol=1e-6, rtol=0)


def test_the_share_of_labels_is_counted_while_it_trains() -> None:
    m2, (x, label) = model(prior="labels"), samples()
    m2.seen.zero_()
    weights = []
    for _ in range(200):
        loss = loss_of(m2, x, label)
        weights.append(((loss.value + loss.terms["bound"]) / loss.terms["cross_entropy"] / 0.1).item())
        assert loss.after is not None
        loss.after(loss.stats)
    assert weights[0] == pytest.approx(SHARE, abs=1e-6)  # nothing is known: as if all had labels, (2 / 5) / 1
    assert weights[-1] == pytest.approx(1, abs=0.01)
    torch.testing.assert_close(m2.class_prior(), torch.tensor([0, 0.5, 0.5]).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(model().class_prior(), torch.full((3,), 1 / 3).double())
    m2.eval()  # held-out samples are weighted by their own share
    held = loss_of(m2, x, torch.tensor([0, 1, 2, 0, -1]))
    assert (held.value + held.terms["bound"]).item() == pytest.approx(0.1 * held.terms["cross_entropy"].item())


def test_the_bound_tightens_to_the_evidence_summed_over_classes_and_integrated_over_styles() -> None:
    m2 = model(latent=1)
    x, _ = samples()
    with torch.no_grad():
        grid = torch.linspace(-8, 8, 4001).double()
        log_p = []
        for y in range(3):
            code = torch.cat([grid[:, None], one_hot(torch.full((4001,), y), 3)], 1)
            mean = m2.observation.mean(m2.decoder(code))  # (4001, 4)
            log_x = Normal(mean, 0.7).log_prob(x[:, None]).sum(2)  # (5, 4001)
            log_p.append((log_x + Normal(0.0, 1.0).log_prob(grid)).logsumexp(1) + math.log(16 / 4000 / 3))
        exact = torch.stack(log_p).logsumexp(0)
        many = m2.log_prob(x, k=1000)
        torch.testing.assert_close(many, exact, atol=0.02, rtol=0)
        first = m2.log_weights(x, 1000).mean(0)  # E[L_1], the bound of one draw
        elbo = -torch.stack([loss_of(m2, x, torch.full((5,), -1), s).value for s in range(300)]).mean()
    assert (first < exact).all() and elbo < first.mean() < exact.mean()  # q(y | x) costs something, too
    assert m2.bound() == "lower"


def test_the_score_is_the_bound_without_noise() -> None:
    m2, (x, _) = model(), samples()
    log_q = log_softmax(m2.classify(x), 1)
    for i, score in enumerate(m2.anomaly_score(x)):
        each = torch.stack([slow_bound(m2, x[i], y, torch.zeros(2).double()) for y in range(3)])
        torch.testing.assert_close(score, (log_q[i].exp() * (log_q[i] - each)).sum())
    many = torch.cat([x] * 300)  # in more than one chunk
    torch.testing.assert_close(m2.anomaly_score(many)[-5:], m2.anomaly_score(x))
    assert m2.log_prob(many).shape == (1500,)


def test_codes_are_the_averaged_style_and_the_classes() -> None:
    m2, (x, _) = model(), samples()
    code, q = m2.encode(x), m2.classify(x).softmax(1)
    torch.testing.assert_close(code[:, 2:], q)
    means = [m2.posterior(x, one_hot(torch.full((5,), y), 3) > 0)[0] for y in range(3)]
    torch.testing.assert_close(code[:, :2], sum(q[:, y, None] * means[y] for y in range(3)))
    torch.testing.assert_close(m2.reconstruct(x), m2.decode(code))
    able = {"Encodes", "Decodes", "Prior", "Samples", "Density", "Scores", "Reconstructs", "Classifies"}
    assert capabilities(m2) == able


@pytest.fixture(scope="module")
def trained() -> tuple[M2, Tensor, Tensor]:
    """Three classes, each a line of another place; nine of 600 samples have a label."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(600) % 3
    centre = torch.tensor([[3.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 3.0, 0]])[label]
    style = torch.tensor([0.0, 0, 0, 2.0]) * torch.randn(600, 1, generator=generator)
    x = centre + style + 0.3 * torch.randn(600, 4, generator=generator)
    torch.manual_seed(0)
    m2 = M2(VECTOR, latent=1, width=32)
    known = torch.where(torch.arange(600) < 9, label, -1)
    adam = torch.optim.Adam(m2.parameters(), lr=0.005)
    for _ in range(250):
        index = torch.randint(600, (64,), generator=generator)
        (loss,) = m2.losses(Batch(x[index], known[index]))
        adam.zero_grad()
        loss.value.backward()
        adam.step()
        assert loss.after is not None
        with torch.no_grad():
            loss.after(loss.stats)
    return m2.eval(), x, label


def test_it_learns_classes_from_nine_labels(trained: tuple[M2, Tensor, Tensor]) -> None:
    m2, x, label = trained
    with torch.no_grad():
        assert (m2.classify(x).argmax(1) == label).float().mean() > 0.97


@pytest.mark.parametrize("y", [0, 1, 2])
def test_samples_are_of_the_class_that_is_asked_for(trained: tuple[M2, Tensor, Tensor], y: int) -> None:
    m2, _, _ = trained
    made = m2.sample(200, label=y, generator=torch.Generator().manual_seed(1))
    assert (made[:, :3].argmax(1) == y).float().mean() > 0.97
    assert made[:, 3].std() > 1  # the style varies


def test_samples_of_no_class_are_of_all(trained: tuple[M2, Tensor, Tensor]) -> None:
    m2, _, _ = trained
    made = m2.sample(600, generator=torch.Generator().manual_seed(1))
    assert made[:, :3].argmax(1).bincount(minlength=3).min() > 150
    assert torch.equal(made, m2.sample(600, generator=torch.Generator().manual_seed(1)))
    assert m2.sample(50, label=0, temperature=0.0).std(0).max() < 1e-5
    with pytest.raises(OptionError, match="numbered from 0 to 2: a, b, c"):
        m2.sample(3, label=3)


@pytest.mark.parametrize("net", ["mlp", "conv"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "logistic"])
def test_images(net: str, likelihood: str) -> None:
    m2 = M2(IMAGE, latent=2, width=8, net=net, likelihood=likelihood)
    x = (torch.rand(6, 1, 8, 8) > 0.5).float()
    assert torch.isfinite(loss_of(m2, x, torch.tensor([0, 1, -1, -1, 2, -1])).value)
    assert m2.sample(6, label=1).shape == m2.reconstruct(x).shape == x.shape
    assert 0 <= m2.sample(6).min() and m2.sample(6).max() <= 1


def test_the_prior_draws_styles_and_behind_them_classes() -> None:
    m2 = M2(VECTOR, latent=2, width=8, prior="labels")
    m2.seen.copy_(torch.tensor([0.0, 3e6, 1e6, 9.0]))
    z = m2.prior(4_000, generator=torch.Generator().manual_seed(0))
    style, y = z.split([2, 3], 1)
    assert m2.gaussian == 2 and (y.sum(1) == 1).all() and set(y.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(y.mean(0), torch.tensor([0.0, 0.75, 0.25]), atol=0.03, rtol=0)
    assert abs(float(style.var()) - 1) < 0.05
    each = m2.prior(3, label=torch.tensor([2, 0, 1]))
    assert each[:, 2:].argmax(1).tolist() == [2, 0, 1] and m2.prior(4, label=1)[:, 2:].argmax(1).eq(1).all()
    for label in (None, 2):
        drawn = m2.prior(5, label=label, generator=torch.Generator().manual_seed(1))
        assert torch.equal(m2.decode(drawn), m2.sample(5, label=label, generator=torch.Generator().manual_seed(1)))
    with pytest.raises(OptionError, match="label is 3; the classes are numbered from 0 to 2: a, b, c"):
        m2.prior(2, label=3)


def test_errors() -> None:
    with pytest.raises(DataError, match="--labels names them"):
        M2(Spec("vector", (4,)))
    with pytest.raises(DataError, match="--labels names them"):
        next(M2(VECTOR).losses(Batch(torch.zeros(2, 4))))
    with pytest.raises(OptionError, match="at least 1"):
        M2(VECTOR, depth=0)

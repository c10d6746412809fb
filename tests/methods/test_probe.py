"""The linear probe at its optimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tacit.errors import DataError, OptionError
from tacit.methods.supervised import probe
from tacit.methods.supervised.probe import Probe
from tacit.protocol import Spec

SPEC = Spec("vector", (5,), classes=("a", "b", "c"))


def samples(classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(300, 5) * torch.tensor([1.0, 100.0, 0.01, 1.0, 1.0]) + torch.tensor([0.0, 50.0, 1.0, 0.0, 0.0])
    signal = (x - x.mean(0)) / x.std(0) @ torch.randn(5, classes) + torch.randn(300, classes)
    return x, signal.argmax(1)


def test_gradient_of_the_objective_vanishes() -> None:
    x, label = samples()
    method = Probe(SPEC, penalty=0.01)
    method.fit(x, label=label)
    weight = method.weight.double().requires_grad_()
    bias = method.bias.double().requires_grad_()
    z = ((x - method.mean) / method.scale).double()
    loss = torch.nn.functional.cross_entropy(z @ weight.T + bias, label) + 0.005 * weight.square().sum()
    for gradient in torch.autograd.grad(loss, (weight, bias)):
        assert float(gradient.abs().max()) < 1e-4
    assert method.note == ""


def test_logits_are_the_librarys_decision() -> None:
    x, label = samples()
    method = Probe(SPEC)
    method.fit(x, label=label)
    z = ((x - x.mean(0)) / x.std(0, correction=0)).double().numpy()
    reference = LogisticRegression(C=1 / (1e-3 * 300), max_iter=1_000, tol=1e-8).fit(z, label.numpy())
    np.testing.assert_allclose(method.classify(x), reference.decision_function(z), atol=2e-4)


def test_two_classes_have_the_librarys_probabilities() -> None:
    x, label = samples(2)
    method = Probe(Spec("vector", (5,), classes=("no", "yes")))
    method.fit(x, label=label)
    z = ((x - x.mean(0)) / x.std(0, correction=0)).double().numpy()
    twice = 2 / (1e-3 * 300)  # the library has one row of weights for two classes: the difference of ours
    reference = LogisticRegression(C=twice, max_iter=1_000, tol=1e-8).fit(z, label.numpy())
    logits = method.classify(x)
    assert logits.shape == (300, 2)
    np.testing.assert_allclose(logits.softmax(1), reference.predict_proba(z), atol=1e-3)


def test_samples_without_a_label_do_not_count() -> None:
    x, label = samples()
    hidden = label.clone()
    hidden[200:] = -1
    some, few = Probe(SPEC), Probe(SPEC)
    some.fit(x, label=hidden)
    few.fit(x[:200], label=label[:200])
    torch.testing.assert_close(some.classify(x), few.classify(x))


def test_a_class_without_training_labels_is_never_named() -> None:
    x, label = samples()
    for absent in (0, 1, 2):
        method = Probe(SPEC)
        method.fit(x, label=label.where(label != absent, -1))
        logits = method.classify(x)
        assert (logits[:, absent] == -1e4).all()
        right = logits.argmax(1) == label
        assert right[label != absent].float().mean() > 0.7


def test_constant_features_do_no_harm() -> None:
    x, label = samples()
    x[:, 3] = 7
    method = Probe(SPEC)
    method.fit(x, label=label)
    assert method.classify(x).isfinite().all()


def test_single_precision_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, label = samples()
    double, single = Probe(SPEC), Probe(SPEC)
    double.fit(x, label=label)
    monkeypatch.setattr(probe, "PRECISE", 0)
    single.fit(x, label=label)
    torch.testing.assert_close(single.classify(x), double.classify(x), atol=0.02, rtol=0.01)
    torch.testing.assert_close(x, samples()[0])  # standardised in a copy


def test_gradients_flow() -> None:
    x, label = samples()
    method = Probe(SPEC)
    method.fit(x, label=label)
    x.requires_grad_()
    method.classify(x)[:, 0].sum().backward()
    torch.testing.assert_close(x.grad, (method.weight[0] / method.scale).expand_as(x))


def test_what_has_not_converged_says_so() -> None:
    x, label = samples()
    method = Probe(SPEC, iterations=1)
    method.fit(x, label=label)
    assert method.note == "not converged after 1 iterations"


def test_mistakes_are_named() -> None:
    x, label = samples()
    with pytest.raises(DataError, match="a probe needs labels and the data have none"):
        Probe(Spec("vector", (5,)))
    with pytest.raises(DataError, match="of 300 samples only 'a' has labels"):
        Probe(SPEC).fit(x, label=label * 0)
    with pytest.raises(DataError, match="of 300 samples none has labels"):
        Probe(SPEC).fit(x, label=label * 0 - 1)
    with pytest.raises(OptionError, match="penalty is 0"):
        Probe(SPEC, penalty=0.0)

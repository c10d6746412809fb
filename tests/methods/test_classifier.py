"""The classifier: its loss by hand, labels that are missing, its layers, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, silu

from tacit.errors import DataError, OptionError
from tacit.methods.supervised.classifier import Classifier
from tacit.protocol import Batch, Loss, Spec, capabilities

VECTOR = Spec("vector", (4,), classes=("a", "b", "c"))
IMAGE = Spec("image", (1, 28, 28), (0.0, 1.0), classes=("a", "b"))


def loss_of(model: Classifier, x: Tensor, label: Tensor) -> Loss:
    (loss,) = model.losses(Batch(x, label))
    return loss


def test_the_loss_is_the_cross_entropy() -> None:
    model, x, label = Classifier(VECTOR, width=8), torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    loss = loss_of(model, x, label)
    torch.testing.assert_close(loss.value, cross_entropy(model.classify(x), label))
    assert loss.terms["accuracy"] == (model.classify(x).argmax(1) == label).float().mean()


def test_samples_without_a_label_count_for_nothing() -> None:
    model, x, label = Classifier(VECTOR, width=8), torch.randn(6, 4), torch.tensor([0, -1, 2, -1, -1, 1])
    known = label >= 0
    loss, alone = loss_of(model, x, label), loss_of(model, x[known], label[known])
    torch.testing.assert_close(loss.value * 6, alone.value * 3)
    for term in ("accuracy", "cross_entropy"):
        torch.testing.assert_close(loss.terms[term], alone.terms[term])
    none = loss_of(model, x, torch.full((6,), -1))
    assert none.value == 0 and none.terms["accuracy"] == 0


def test_micro_batches_add_up_however_the_labels_fall() -> None:
    model, x, label = Classifier(VECTOR, width=8), torch.randn(9, 4), torch.tensor([0, 1, 2, -1, -1, -1, -1, -1, 2])
    whole = loss_of(model, x, label).value
    chunks = Batch(x, label).chunks(4)
    parts = sum(loss_of(model, b.x, b.label).value * len(b) / 9 for b in chunks)
    torch.testing.assert_close(whole, torch.as_tensor(parts))


def test_layers() -> None:
    model, x = Classifier(IMAGE, features=16, width=8).eval(), torch.rand(3, 1, 28, 28)
    assert model.layers() == ["conv1", "conv2", "conv3", "last"]
    assert model.encode(x).shape == (3, 16)
    assert model.encode(x, layer="conv2").shape == (3, 16, 7, 7)
    torch.testing.assert_close(model.encode(x, layer="last"), model.encode(x))
    torch.testing.assert_close(model.classify(x), model.head(model.encode(x)))
    with pytest.raises(OptionError, match="no layer 'conv4'; there are conv1, conv2, conv3, last"):
        model.encode(x, layer="conv4")
    assert capabilities(model) == {"Encodes", "Classifies"}


def test_your_own_encoder_takes_the_place_of_ours() -> None:
    own = nn.Linear(4, 5)
    model, x = Classifier(VECTOR, features=5, encoder=own), torch.randn(2, 4)
    torch.testing.assert_close(model.encode(x), silu(own(x)))
    assert model.layers() == ["last"]


def test_dropout_is_for_training_only() -> None:
    model, x = Classifier(VECTOR, width=8, dropout=0.5), torch.randn(4, 4)
    assert not torch.equal(model.classify(x), model.classify(x))
    model.eval()
    assert torch.equal(model.classify(x), model.classify(x))


def test_it_learns_what_is_not_linear() -> None:
    torch.manual_seed(0)
    model = Classifier(Spec("vector", (2,), classes=("same", "other")), width=32, features=16)
    x = torch.randn(400, 2)
    label = (x[:, 0] * x[:, 1] > 0).long()
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        adam.zero_grad()
        loss_of(model, x, label).value.backward()
        adam.step()
    fresh = torch.randn(1000, 2)
    assert (model.classify(fresh).argmax(1) == (fresh[:, 0] * fresh[:, 1] > 0)).float().mean() > 0.93


def test_data_without_labels_are_refused() -> None:
    with pytest.raises(DataError, match="--labels names them"):
        Classifier(Spec("vector", (4,)))
    with pytest.raises(DataError, match="--labels names them"):
        next(Classifier(VECTOR).losses(Batch(torch.zeros(2, 4))))

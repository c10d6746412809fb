"""Probes against scikit-learn's and slow obvious ones."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from tacit.evaluation.probing import (
    Features,
    chosen_strength,
    few_label_hits,
    hit_share,
    knn_probe,
    labels_of_each,
    linear_probe,
    standardised,
)
from tacit.functional import neighbours


@pytest.fixture(scope="module")
def digits():
    x, label = load_digits(return_X_y=True)
    x, label = torch.tensor(x[:600]).float(), torch.tensor(label[:600])
    return Features(x[:400], label[:400], x[400:], label[400:])


def test_standardised_by_the_training_side(digits):
    scaled = standardised(digits)
    varied = digits.train.std(0) > 0
    torch.testing.assert_close(scaled.train.mean(0), torch.zeros(64), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.train.std(0, correction=0)[varied], torch.ones(int(varied.sum())))
    assert (scaled.train[:, ~varied] == 0).all()
    back = scaled.test[:, varied] * digits.train.std(0, correction=0)[varied] + digits.train.mean(0)[varied]
    torch.testing.assert_close(back, digits.test[:, varied], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strength", [1.0, 0.001])
def test_linear_probe_names_what_the_library_names(digits, strength):
    scaled = standardised(digits)
    reference = LogisticRegression(C=strength, max_iter=2_000, tol=1e-8)
    reference.fit(scaled.train.double().numpy(), scaled.train_label.numpy())
    guessed = linear_probe(scaled.train, scaled.train_label, scaled.test, strength)
    assert (guessed.numpy() == reference.predict(scaled.test.double().numpy())).all()


def test_labels_need_not_follow_one_another(digits):
    scaled = standardised(digits)
    plain = linear_probe(scaled.train, scaled.train_label, scaled.test)
    assert torch.equal(linear_probe(scaled.train, 3 * scaled.train_label + 2, scaled.test), 3 * plain + 2)


def test_noise_wants_a_strong_penalty_and_signal_a_weak_one():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 100, generator=generator)
    label = torch.randint(2, (300,), generator=generator)
    noisy = x + torch.nn.functional.pad(label[:, None].float(), (0, 99))
    assert chosen_strength(noisy, label) < 1
    alike = torch.stack([x[:, 0], x[:, 0] + 0.2 * x[:, 1]], dim=1)  # their small difference takes great weights
    assert chosen_strength(alike, (x[:, 1] > 0).long()) == 1


def test_neighbours_vote_as_the_librarys(digits):
    mean = digits.train.mean(0)
    reference = KNeighborsClassifier(20, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / 0.07))
    reference.fit((digits.train - mean).double().numpy(), digits.train_label.numpy())
    assert (knn_probe(digits).numpy() == reference.predict((digits.test - mean).double().numpy())).all()


def test_neighbours_in_parts_and_of_few_samples(digits, monkeypatch):
    whole = knn_probe(digits)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    assert torch.equal(knn_probe(digits), whole)
    alone = digits._replace(train=digits.train[:3], train_label=digits.train_label[:3])
    assert set(knn_probe(alone).tolist()) <= set(digits.train_label[:3].tolist())


def test_the_nearest_of_two_equal_votes_decides():
    features = Features(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), torch.tensor([5, 2, 0]),
                        torch.tensor([[1.0, 0.9], [0.9, 1.0]]), torch.tensor([5, 2]))
    assert knn_probe(features, 2).tolist() == [5, 2]


def test_so_many_labels_of_each_class():
    label = torch.tensor([0] * 50 + [1] * 3 + [4] * 20)
    draws = [labels_of_each(label, 5, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert label[draws[0]].bincount().tolist() == [5, 3, 0, 0, 5]
    assert len(set(draws[0].tolist())) == 13
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_few_labels_are_the_same_draws_for_all_features(digits):
    scaled = standardised(digits)
    hits = few_label_hits(scaled, 3, 4, seed=1)
    assert hits.shape == (4, 200)
    assert torch.equal(few_label_hits(scaled._replace(train=-scaled.train, test=-scaled.test), 3, 4, seed=1), hits)
    generator = torch.Generator().manual_seed(1)
    for row in hits:
        some = labels_of_each(digits.train_label, 3, generator)
        reference = LogisticRegression(max_iter=2_000, tol=1e-8)
        reference.fit(scaled.train[some].double().numpy(), scaled.train_label[some].numpy())
        right = reference.predict(scaled.test.double().numpy()) == scaled.test_label.numpy()
        assert (row.numpy() == right).all()


def test_more_labels_help(digits):
    few, many = (few_label_hits(standardised(digits), k, 5).double().mean() for k in (1, 20))
    assert many > few + 0.1


def test_interval_of_one_draw_is_the_binomials():
    hits = (torch.arange(400) % 4 > 0)[None]
    value, low, high = hit_share(hits)
    assert value == 0.75
    sigma = (0.75 * 0.25 / 400) ** 0.5
    assert abs((high - low) / (2 * 1.96 * sigma) - 1) < 0.1


def test_interval_counts_what_draws_differ_in():
    generator = torch.Generator().manual_seed(0)
    share = torch.linspace(0.2, 0.8, 10)[:, None]  # of each draw
    hits = torch.rand(10, 2_000, generator=generator) < share
    value, low, high = hit_share(hits)
    assert abs(value - 0.5) < 0.02
    expected = 2 * 1.96 * float(share.std(correction=0)) / 10**0.5
    assert abs((high - low) / expected - 1) < 0.15

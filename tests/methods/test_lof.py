"""The local outlier factor in tensors against scikit-learn's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import LocalOutlierFactor

from tacit.errors import DataError, OptionError
from tacit.methods.classical.lof import LOF
from tacit.protocol import Spec

SPEC = Spec("image", (1, 3, 2))


def fitted(x: torch.Tensor, **options: int) -> LOF:
    method = LOF(SPEC, **options)
    method.fit(x)
    return method


@pytest.mark.parametrize(("n", "neighbours"), [(500, 20), (60, 1), (30, 29)])
def test_scores_are_the_librarys(n: int, neighbours: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(n, 1, 3, 2)
    new = torch.cat([x, 4 * torch.randn(100, 1, 3, 2)])
    reference = LocalOutlierFactor(neighbours, novelty=True).fit(x.flatten(1).double().numpy())
    np.testing.assert_allclose(
        fitted(x, neighbours=neighbours).anomaly_score(new), -reference.score_samples(new.flatten(1).double().numpy()),
        rtol=1e-4,
    )


def test_equal_samples_are_treated_as_the_library_does() -> None:
    torch.manual_seed(0)
    x = torch.cat([torch.ones(8, 1, 3, 2), torch.randn(40, 1, 3, 2)])
    new = torch.cat([x[:1], torch.randn(20, 1, 3, 2)])
    reference = LocalOutlierFactor(5, novelty=True).fit(x.flatten(1).double().numpy())
    method = fitted(x, neighbours=5)
    np.testing.assert_allclose(method.anomaly_score(new), -reference.score_samples(new.flatten(1).double().numpy()),
                               rtol=1e-4)
    assert float(method.anomaly_score(x[:1])) == 1


def test_both_a_dense_and_a_sparse_group_are_usual_and_what_lies_beside_the_dense_one_is_not() -> None:
    """A global threshold on distances to neighbours could not do it."""
    torch.manual_seed(0)
    dense, sparse = 0.01 * torch.randn(200, 6), 20 + torch.randn(200, 6)
    method = fitted(torch.cat([dense, sparse]).view(-1, 1, 3, 2))
    beside = torch.full((1, 1, 3, 2), 0.15)  # nearer to the dense group than members of the sparse one to another
    usual = method.anomaly_score(method.reference.view(-1, 1, 3, 2))
    assert float(usual[:200].median()) < 1.1 and float(usual[200:].median()) < 1.1
    assert float(method.anomaly_score(beside)) > 3 > float(usual.quantile(0.99))


def test_a_lone_landmark_scored_again_finds_itself() -> None:
    x = torch.cat([torch.randn(50, 6), torch.full((1, 6), 9.0)]).view(-1, 1, 3, 2)
    method = fitted(x, neighbours=10)
    again, beside = method.anomaly_score(x[-1:]), method.anomaly_score(x[-1:] + 1e-3)
    reference = LocalOutlierFactor(10).fit(x.flatten(1).double().numpy())
    assert 1 < float(again) < -reference.negative_outlier_factor_[-1]
    torch.testing.assert_close(again, beside, rtol=1e-3, atol=0)


def test_of_many_samples_some_are_compared_with() -> None:
    torch.manual_seed(0)
    x = torch.randn(80, 1, 3, 2)
    method = fitted(x, landmarks=30, neighbours=5)
    same = (method.reference[:, None] == x.flatten(1)).all(-1)  # (30, 80)
    assert same.sum(1).tolist() == [1] * 30 and int(same.any(0).sum()) == 30
    assert method.note == "compares with 30 of 80 samples, drawn at random"


def test_saved_state_gives_the_same() -> None:
    torch.manual_seed(0)
    x = torch.randn(40, 1, 3, 2)
    method, other = fitted(x), LOF(SPEC)
    other.restore(method.state_dict())
    assert torch.equal(method.anomaly_score(2 * x), other.anomaly_score(2 * x))


def test_gradients_flow() -> None:
    torch.manual_seed(0)
    method = fitted(torch.randn(60, 1, 3, 2))
    x = torch.full((1, 1, 3, 2), 5.0, requires_grad=True)
    method.anomaly_score(x).sum().backward()
    assert x.grad is not None and float(x.grad.sum()) > 0  # farther out is stranger


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="one sample has no neighbours"):
        LOF(SPEC).fit(torch.rand(1, 1, 3, 2))
    with pytest.raises(OptionError, match="neighbours is 0"):
        LOF(SPEC, neighbours=0)
    assert fitted(torch.rand(5, 1, 3, 2)).note == "neighbours is lowered to 4, all other samples"

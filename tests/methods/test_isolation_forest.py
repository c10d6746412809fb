"""The forest in tensors against scikit-learn's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn import ensemble

from tacit.errors import DataError, OptionError
from tacit.methods.classical import isolation_forest
from tacit.methods.classical.isolation_forest import IsolationForest
from tacit.protocol import Spec

SPEC = Spec("image", (1, 3, 2))


def fitted(monkeypatch: pytest.MonkeyPatch, x: torch.Tensor, **options: Any) -> tuple[IsolationForest, Any]:
    kept: list[Any] = []

    class Kept(ensemble.IsolationForest):
        def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:  # noqa: N803
            kept.append(self)
            return super().fit(X, y, sample_weight)

    monkeypatch.setattr(isolation_forest.ensemble, "IsolationForest", Kept)
    method = IsolationForest(SPEC, **options)
    method.fit(x)
    return method, kept[0]


@pytest.mark.parametrize(("n", "options"), [(500, {}), (90, {"trees": 7}), (2, {}), (300, {"subsample": 100})])
def test_scores_are_the_librarys(n: int, options: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randn(n, 1, 3, 2)
    method, reference = fitted(monkeypatch, x, **options)
    monkeypatch.setattr(isolation_forest, "ROWS", 64)
    new = torch.cat([x, 4 * torch.randn(100, 1, 3, 2)])
    np.testing.assert_allclose(method.anomaly_score(new), -reference.score_samples(new.flatten(1).numpy()), rtol=1e-5)


def test_values_at_a_threshold_fall_on_the_librarys_side(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randn(400, 1, 3, 2)
    method, reference = fitted(monkeypatch, x, trees=1)
    tree = reference.estimators_[0].tree_
    cut = np.float32(tree.threshold[0])
    around = np.array([np.nextafter(cut, np.float32(-np.inf)), cut, np.nextafter(cut, np.float32(np.inf))])
    new = torch.zeros(3, 6)
    new[:, tree.feature[0]] = torch.from_numpy(around)
    np.testing.assert_allclose(method.anomaly_score(new.view(3, 1, 3, 2)), -reference.score_samples(new.numpy()),
                               rtol=1e-5)


def test_far_samples_are_stranger() -> None:
    torch.manual_seed(0)
    method = IsolationForest(SPEC)
    x = torch.randn(500, 1, 3, 2)
    method.fit(x)
    far = method.anomaly_score(torch.full((1, 1, 3, 2), 6.0))
    assert float(far) > float(method.anomaly_score(x).quantile(0.99))
    assert float(far) <= 1


def test_equal_samples_score_alike() -> None:
    method = IsolationForest(SPEC)
    method.fit(torch.ones(50, 1, 3, 2))
    assert float(method.anomaly_score(torch.rand(5, 1, 3, 2)).std()) == 0


def test_saved_weights_give_the_same() -> None:
    x = torch.randn(300, 1, 3, 2)
    method, other = IsolationForest(SPEC), IsolationForest(SPEC)
    method.fit(x)
    other.restore(method.state_dict())
    assert torch.equal(method.anomaly_score(x), other.anomaly_score(x))


def test_mistakes_are_named() -> None:
    with pytest.raises(DataError, match="one sample cannot be set apart"):
        IsolationForest(SPEC).fit(torch.rand(1, 1, 3, 2))
    with pytest.raises(OptionError, match="subsample is 1"):
        IsolationForest(SPEC, subsample=1)

"""Softmax regression against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tacit.functional.regression import softmax_regression


@pytest.mark.parametrize("n, wide", [(300, 20), (40, 90)])
@pytest.mark.parametrize("form, near", [(torch.float64, 1e-6), (torch.float32, 1e-3)])
def test_optimum_is_the_librarys_for_features_that_resemble_one_another(
    n: int, wide: int, form: torch.dtype, near: float
) -> None:
    torch.manual_seed(0)
    base = torch.randn(n, 5).double()
    x = base @ torch.randn(5, wide).double() + 0.05 * torch.randn(n, wide).double()
    label = (base[:, :3] + 0.5 * torch.randn(n, 3)).argmax(1)
    threads = torch.get_num_threads()
    weight, bias, steps = softmax_regression(x.to(form), label, 1 / n, iterations=500)
    assert torch.get_num_threads() == threads
    reference = LogisticRegression(C=1.0, max_iter=20_000, tol=1e-10).fit(x.numpy(), label.numpy())
    found = (x @ weight.T + bias).softmax(1)
    np.testing.assert_allclose(found, reference.predict_proba(x.numpy()), atol=near)
    assert steps < 500


def test_steps_are_few_where_features_resemble_one_another() -> None:
    torch.manual_seed(0)
    base = torch.randn(400, 3).double()
    x = base @ torch.randn(3, 30).double() + 1e-3 * torch.randn(400, 30).double()
    label = (base + 0.5 * torch.randn(400, 3)).argmax(1)
    assert softmax_regression(x, label, 1e-3, iterations=500)[2] < 60  # 300 without the change of coordinates

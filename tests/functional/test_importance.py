import math

import pytest
import torch

from tacit.functional.importance import effective_draws, log_mean_exp


def test_log_mean_exp_is_the_log_of_the_mean() -> None:
    w = torch.tensor([[1.0, 4.0], [3.0, 4.0]])
    torch.testing.assert_close(log_mean_exp(w.log()), torch.tensor([2.0, 4.0]).log())


def test_log_mean_exp_survives_weights_beyond_the_range_of_exp() -> None:
    assert log_mean_exp(torch.tensor([[-5000.0], [-5000.0]])).item() == -5000
    assert log_mean_exp(torch.tensor([[900.0], [-900.0]])).item() == pytest.approx(900 - math.log(2))


def test_effective_draws_runs_from_one_to_k() -> None:
    log_w = torch.stack([torch.zeros(8), torch.tensor([0.0] + [-99.0] * 7), torch.tensor([0.0] * 4 + [-99.0] * 4)], 1)
    torch.testing.assert_close(effective_draws(log_w), torch.tensor([8.0, 1.0, 4.0]))

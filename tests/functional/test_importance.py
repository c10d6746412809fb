import itertools
import math

import pytest
import torch

from tacit.functional.importance import effective_draws, grouped, log_mean_exp


def test_log_mean_exp_is_the_log_of_the_mean() -> None:
    w = torch.tensor([[1.0, 4.0], [3.0, 4.0]])
    torch.testing.assert_close(log_mean_exp(w.log()), torch.tensor([2.0, 4.0]).log())


def test_log_mean_exp_survives_weights_beyond_the_range_of_exp() -> None:
    assert log_mean_exp(torch.tensor([[-5000.0], [-5000.0]])).item() == -5000
    assert log_mean_exp(torch.tensor([[900.0], [-900.0]])).item() == pytest.approx(900 - math.log(2))


def test_effective_draws_runs_from_one_to_k() -> None:
    log_w = torch.stack([torch.zeros(8), torch.tensor([0.0] + [-99.0] * 7), torch.tensor([0.0] * 4 + [-99.0] * 4)], 1)
    torch.testing.assert_close(effective_draws(log_w), torch.tensor([8.0, 1.0, 4.0]))


def test_groups_of_draws_give_bounds_that_never_fall_from_a_number_to_its_multiple() -> None:
    log_w = 3 * torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    bounds = [log_mean_exp(grouped(log_w, k), 1).mean(0) for k in (1, 5, 30, 60)]
    torch.testing.assert_close(bounds[0], log_w.mean(0))
    torch.testing.assert_close(bounds[-1], log_mean_exp(log_w))
    fives = [log_mean_exp(log_w[i : i + 5]) for i in range(0, 60, 5)]
    torch.testing.assert_close(bounds[1], torch.stack(fives).mean(0))
    assert all((low < high).all() for low, high in itertools.pairwise(bounds))


def test_left_over_draws_are_dropped() -> None:
    log_w = torch.arange(7.0)[:, None]
    torch.testing.assert_close(grouped(log_w, 3), log_w[:6].reshape(2, 3, 1))

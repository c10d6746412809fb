import math

import pytest
import torch
from torch import Tensor

from tacit.functional import rows
from tacit.functional.rows import Layout
from tacit.protocol import Column

COLUMNS = (
    Column("age", "number", 0),
    Column("colour", "category", 1, ("red", "green", "blue"), missing=True),
    Column("pay", "number", 5, missing=True),
    Column("sex", "category", 7, ("f", "m")),
)
LAYOUT = Layout.of(COLUMNS, 9)
X = torch.tensor([
    [0.5, 1, 0, 0, 0, -1.0, 0, 0, 1],
    [-2.0, 0, 0, 0, 1, 0.0, 1, 1, 0],  # colour and pay are missing
    [1.0, 0, 0, 1, 0, 0.3, 0, 1, 0],
])  # fmt: skip


@pytest.fixture
def out() -> Tensor:
    return torch.randn(3, 9, generator=torch.Generator().manual_seed(0))


def slow_log_prob(x: Tensor, out: Tensor, log_sigma: Tensor) -> float:
    def gaussian(value: Tensor, mean: Tensor, log_s: Tensor) -> float:
        s = math.exp(log_s)
        return -0.5 * ((float(value) - float(mean)) / s) ** 2 - math.log(s * math.sqrt(2 * math.pi))

    def flag(on: Tensor, logit: Tensor) -> float:
        p = 1 / (1 + math.exp(-float(logit)))
        return math.log(p if on else 1 - p)

    total = gaussian(x[0], out[0], log_sigma[0])
    total += flag(x[4], out[4]) + flag(x[6], out[6])
    if not x[4]:
        total += math.log(out[1:4].softmax(0)[x[1:4].argmax()])
    if not x[6]:
        total += gaussian(x[5], out[5], log_sigma[1])
    return total + math.log(out[7:].softmax(0)[x[7:].argmax()])


def test_layout_finds_every_position_once() -> None:
    assert LAYOUT == Layout(numbers=(0, 5), marked=(1,), marks=(6,), blocks=((1, 4), (7, 9)), flags=(4, 6))
    assert Layout.of((), 3).numbers == (0, 1, 2)


def test_log_prob_is_the_slow_sum_over_columns(out: Tensor) -> None:
    log_sigma = torch.tensor([0.3, -0.5])
    slow = torch.tensor([slow_log_prob(x, o, log_sigma) for x, o in zip(X, out, strict=True)])
    torch.testing.assert_close(rows.log_prob(X, out, log_sigma, LAYOUT), slow)


def test_the_place_of_a_missing_number_counts_for_nothing(out: Tensor) -> None:
    other = X.clone()
    other[1, 5] = 77.0
    same = rows.log_prob(X, out, torch.zeros(2), LAYOUT) == rows.log_prob(other, out, torch.zeros(2), LAYOUT)
    assert same.all()


def test_expected_rows_hold_probabilities(out: Tensor) -> None:
    row = rows.expected(out, LAYOUT)
    torch.testing.assert_close(row[:, 1:4].sum(1), torch.ones(3))
    torch.testing.assert_close(row[:, 7:].sum(1), torch.ones(3))
    torch.testing.assert_close(row[:, [0, 5]], out[:, [0, 5]])
    torch.testing.assert_close(row[:, [4, 6]], out[:, [4, 6]].sigmoid())


def test_hardened_rows_look_like_data_and_pass_the_gradient_on(out: Tensor) -> None:
    soft, hard = out.clone().requires_grad_(), out.clone().requires_grad_()
    row = rows.hardened(hard, LAYOUT)
    ones = row[:, [1, 2, 3, 4, 6, 7, 8]]
    assert ((ones - ones.round()).abs() < 1e-6).all()
    assert (row[:, 1:4].argmax(1) == out[:, 1:4].argmax(1)).all()
    assert ((row[:, 5] == 0) | (row[:, 6] < 0.5)).all()
    weights = torch.arange(9.0)
    weights[5:7] = 0  # the value that a mark blanks
    (row * weights).sum().backward()
    (rows.expected(soft, LAYOUT) * weights).sum().backward()
    torch.testing.assert_close(hard.grad, soft.grad)


def test_drawn_rows_follow_the_likelihood() -> None:
    out = torch.tensor([0.0, 1.0, 0.0, -1.0, -1.0, 2.0, 0.5, 0.0, 1.0]).repeat(20_000, 1)
    row = rows.draw(out, torch.tensor([0.0, -1.0]), LAYOUT, torch.Generator().manual_seed(0))
    torch.testing.assert_close(row[:, 1:4].mean(0), out[0, 1:4].softmax(0), atol=0.02, rtol=0)
    torch.testing.assert_close(row[:, [4, 6]].mean(0), out[0, [4, 6]].sigmoid(), atol=0.02, rtol=0)
    assert abs(row[:, 0].std() - 1) < 0.02
    there = row[row[:, 6] == 0, 5]
    assert abs(there.mean() - 2) < 0.02 and abs(there.std() - math.exp(-1)) < 0.02
    assert (row[row[:, 6] == 1, 5] == 0).all()


def test_rows_first_used_in_inference_mode_still_train() -> None:
    layout = Layout.of((Column("a", "number", 0), Column("b", "category", 1, ("x", "y")), Column("c", "number", 3)), 4)
    with torch.inference_mode():
        rows.log_prob(torch.zeros(2, 4), torch.zeros(2, 4), torch.zeros(2), layout)
    out = torch.zeros(2, 4, requires_grad=True)
    rows.log_prob(torch.ones(2, 4), out, torch.zeros(2), layout).sum().backward()
    assert out.grad is not None and out.grad.abs().sum() > 0

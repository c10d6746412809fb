"""SimCLR: two views that differ, features before the projection, and that it learns which views belong together."""

import math

import pytest
import torch
from torch import Tensor

import tacit
from tacit.errors import OptionError
from tacit.functional.contrast import nt_xent
from tacit.methods.selfsupervised.simclr import SimCLR
from tacit.protocol import Batch, Column, Spec, capabilities

IMAGE = Spec("image", (3, 12, 12), (0.0, 1.0))
VECTOR = Spec("vector", (6,))
TABLE = Spec("table", (5,), columns=(
    Column("age", "number", 0), Column("kind", "category", 1, levels=("a", "b", "c")), Column("pay", "number", 4)))


@pytest.fixture
def x() -> Tensor:
    return torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def test_views_differ_and_are_drawn_from_the_global_generator(x: Tensor) -> None:
    method = SimCLR(IMAGE, width=4)
    torch.manual_seed(1)
    first, second = method.view(x), method.view(x)
    assert first.shape == x.shape and 0 <= first.min() and first.max() <= 1
    for one, other in ((first, x), (second, x), (first, second)):
        assert ((one - other).abs().flatten(1).amax(1) > 1e-3).all()
    torch.manual_seed(1)
    assert torch.equal(first, method.view(x)) and torch.equal(second, method.view(x))


def test_the_loss_is_that_of_two_views(x: Tensor) -> None:
    torch.manual_seed(0)
    method = SimCLR(IMAGE, width=4, tau=0.3)
    torch.manual_seed(1)
    (loss,) = method.losses(Batch(x))
    torch.manual_seed(1)
    a, b = method.projection(method.encode(torch.cat([method.view(x), method.view(x)]))).chunk(2)
    torch.testing.assert_close(loss.value, nt_xent(a, b, 0.3)[0])
    assert float(loss.terms["chance_loss"]) == pytest.approx(math.log(15))
    assert float(loss.terms["chance"]) == pytest.approx(1 / 15)
    (same,) = SimCLR(IMAGE, width=4, views="", tau=0.01).losses(Batch(x))
    assert same.terms["accuracy"] == 1 and same.value < loss.value


def test_a_view_of_a_vector_replaces_a_share_by_the_same_column_of_others() -> None:
    x = torch.arange(400 * 6.0).view(400, 6)
    made = SimCLR(VECTOR, corrupt=0.3).view(x)
    assert torch.equal(made % 6, x % 6), "a column keeps its place"
    changed = (made != x).float()
    assert abs(float(changed.mean()) - 0.3) < 0.04 and (changed.sum(1) < 6).any() and changed.mean(0).min() > 0.2


def test_a_view_of_a_table_replaces_a_category_whole() -> None:
    x = torch.cat([torch.randn(300, 1), torch.eye(3).repeat(100, 1), torch.randn(300, 1)], dim=1)
    made = SimCLR(TABLE).view(x)
    assert torch.equal(made[:, 1:4].sum(1), torch.ones(300)) and set(made[:, 1:4].unique().tolist()) == {0, 1}
    assert not torch.equal(made[:, 1:4], x[:, 1:4])


def test_features_are_the_backbones(x: Tensor) -> None:
    method = SimCLR(IMAGE, width=4).eval()
    assert capabilities(method) == {"Encodes"} and method.encode(x).shape == (8, 128)
    assert method.encode(x, layer="conv2").shape[:2] == (8, 8)
    assert SimCLR(TABLE, width=7).eval().encode(torch.randn(3, 5)).shape == (3, 7)
    assert SimCLR(VECTOR, width=7).layers() == ["hidden1", "hidden2"]
    for wrong in ({"tau": 0.0}, {"corrupt": 1.0}):
        with pytest.raises(OptionError, match="a temperature is above 0"):
            SimCLR(VECTOR, **wrong)


def test_learns_which_views_belong_together(digits_data, tmp_path) -> None:
    run = tacit.fit("simclr", digits_data, out=tmp_path / "run", steps=40, batch=64, width=8, views="crop", seed=1)
    method, x = run.method, digits_data.batch(torch.arange(64)).x
    untrained = SimCLR(digits_data.spec, width=8, views="crop").eval()
    losses = []
    for each in (method, untrained):
        torch.manual_seed(0)
        with torch.inference_mode():
            losses.append(float(next(each.losses(Batch(x))).value))
    assert losses[0] < losses[1] - 0.5
    z = run.encode(digits_data)
    assert z.std(0).min() >= 0 and torch.linalg.matrix_rank(z - z.mean(0)) > 20

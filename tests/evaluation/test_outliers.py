"""Each way of spoiling samples does what it says."""

import pytest
import torch

from tacit.evaluation.outliers import spoilings
from tacit.protocol import Column, Spec

IMAGE = Spec("image", (2, 6, 8), (0.0, 1.0))
VECTOR = Spec("vector", (4,))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n=20):
    return torch.rand(n, 2, 6, 8, generator=generator(7))


@pytest.mark.parametrize("spec, x", [
    (IMAGE, images()),
    (VECTOR, torch.randn(20, 4, generator=generator())),
    (Spec("codes", (3, 3), codes=5), torch.randint(5, (20, 3, 3), generator=generator())),
    (Spec("audio", (1, 50), (-1.0, 1.0)), torch.rand(20, 1, 50, generator=generator())),
])
def test_all_keep_shape_and_range_and_change_samples(spec, x):
    for way in spoilings(spec).values():
        before = x.clone()
        made = way.spoil(x, spec, generator(1))
        assert made.shape == x.shape and made.dtype == x.dtype
        assert torch.equal(x, before)
        assert (made.flatten(1) != x.flatten(1)).any(1).float().mean() > 0.9
        assert torch.equal(made, way.spoil(x, spec, generator(1)))
        if spec.range:
            assert spec.range[0] <= made.min() and made.max() <= spec.range[1]


def test_shuffled_places_keep_their_channels_together():
    x = images()
    made = spoilings(IMAGE)["shuffled"].spoil(x, IMAGE, generator())
    for one, other in zip(x, made, strict=True):
        places = {tuple(v) for v in one.flatten(1).T.tolist()}
        assert {tuple(v) for v in other.flatten(1).T.tolist()} == places


def test_inverted_twice_is_as_before():
    x, way = images(), spoilings(IMAGE)["inverted"]
    torch.testing.assert_close(way.spoil(way.spoil(x, IMAGE, generator()), IMAGE, generator()), x)


def test_mixed_is_the_mean_with_another():
    x = torch.eye(5)[:, None, :, None].expand(5, 1, 5, 1)
    spec = Spec("image", (1, 5, 1), (0.0, 1.0))
    made = spoilings(spec)["mixed"].spoil(x, spec, generator()).flatten(1)
    assert (made.diagonal() == 0.5).all() and (made.sum(1) == 1).all()


def test_patch_is_a_quarter_from_one_other():
    x = torch.arange(20.0)[:, None, None, None].expand(20, 2, 6, 8)
    made = spoilings(IMAGE)["patch"].spoil(x, IMAGE, generator())
    moved = made != x
    assert (moved.flatten(1).sum(1) == 2 * 3 * 4).all()
    assert all(len(one.unique()) == 2 for one in made)
    corners = {tuple(one[0].nonzero()[0].tolist()) for one in moved}
    assert len(corners) > 5


def test_columns_apart_keep_each_columns_values_and_lose_what_binds_them():
    z = torch.randn(2_000, 1, generator=generator())
    made = spoilings(VECTOR)["columns apart"].spoil(z.expand(-1, 4), VECTOR, generator())
    assert set(made[:, 1].tolist()) <= set(z[:, 0].tolist())
    assert float(made.T.corrcoef()[0, 1].abs()) < 0.1


def test_rows_of_a_table_stay_rows():
    columns = (Column("age", "number", 0, missing=True), Column("sex", "category", 2, ("f", "m", "x")))
    spec = Spec("table", (5,), columns=columns)
    x = torch.tensor([[0.5, 0, 1, 0, 0], [0, 1, 0, 1, 0], [-0.5, 0, 0, 0, 1]]).repeat(30, 1)
    for way in spoilings(spec).values():
        made = way.spoil(x, spec, generator())
        assert (made[:, 2:].sum(1) == 1).all() and set(made[:, 2:].unique().tolist()) == {0.0, 1.0}
        assert set(made[:, 1].tolist()) <= {0.0, 1.0}
        assert (made[made[:, 1] == 1, 0] == 0).all()

"""Quantisers: codes exactly, gradients unchanged, a codebook that follows by hand, restarts, finite scalars."""

import pytest
import torch
from torch import Tensor

from tacit.errors import OptionError
from tacit.nets.quantisers import FiniteScalarQuantiser, Usage, VectorQuantiser, levels_for, quantiser

EACH = pytest.mark.parametrize("make", [lambda: started(16, 3), lambda: FiniteScalarQuantiser([8, 5, 2])],
                               ids=["vq", "fsq"])


def started(codes: int, width: int, **options: float) -> VectorQuantiser:
    made = VectorQuantiser(codes, width, **options)
    made.started.fill_(True)
    return made


def step(made: VectorQuantiser, z: Tensor, **options: bool) -> Tensor:
    return made.follow(made.statistics(z, made(z).codes), **options)


@EACH
def test_what_comes_out_is_a_code_exactly(make):
    torch.manual_seed(0)
    made, z = make(), 2 * torch.randn(5, 3, 4, 2)
    out = made(z)
    assert out.codes.dtype == torch.int64 and out.codes.shape == (5, 4, 2)
    assert torch.equal(out.vectors, made.vectors(out.codes))
    assert torch.equal(made.snap(out.vectors), out.vectors)


@EACH
@pytest.mark.parametrize("grid", [(7,), (3, 2), (2, 3, 2)])
def test_any_number_of_grid_axes(make, grid):
    made, z = make(), torch.randn(4, 3, *grid)
    out = made(z)
    assert out.vectors.shape == z.shape and out.codes.shape == (4, *grid) and out.distance.shape == (4,)
    flat = made(z.flatten(2))
    assert torch.equal(flat.codes, out.codes.flatten(1))


def test_the_nearest_code_is_taken():
    torch.manual_seed(0)
    made, z = started(16, 3), torch.randn(5, 3, 4)
    book, codes = made.codebook(), made(z).codes
    for n in range(5):
        for p in range(4):
            assert codes[n, p] == min(range(16), key=lambda k: float((z[n, :, p] - book[k]).square().sum()))


def test_gradients_go_straight_through():
    made = started(16, 3)
    z, weight = torch.randn(5, 3, 4, requires_grad=True), torch.randn(5, 3, 4)
    (made(z).vectors * weight).sum().backward()
    assert torch.equal(z.grad, weight)


def test_the_distance_pulls_the_encoder_only_and_is_summed_over_the_grid():
    made, z = started(16, 3), torch.randn(5, 3, 4, requires_grad=True)
    out = made(z)
    torch.testing.assert_close(out.distance, (z - out.vectors.detach()).square().sum((1, 2)))
    out.distance.sum().backward()
    torch.testing.assert_close(z.grad, 2 * (z - out.vectors).detach())
    tiled = made(z.repeat(2, 1, 3))
    torch.testing.assert_close(tiled.distance, 3 * out.distance.repeat(2))


def test_one_step_of_the_codebook_by_hand():
    """Appendix A.1: N <- gamma N + (1 - gamma) n, m <- gamma m + (1 - gamma) sum of z, e = m / N."""
    torch.manual_seed(0)
    made, z = started(4, 2, decay=0.9, restart=0.0).double(), torch.randn(6, 2, 3).double()
    first = made.codebook().clone()
    out = made(z)
    step(made, z)
    for k in range(4):
        mine = [z[n, :, p] for n in range(6) for p in range(3) if out.codes[n, p] == k]
        size = 0.9 * 1 + 0.1 * len(mine)
        total = 0.9 * first[k] + 0.1 * sum(mine, torch.zeros(2).double())
        torch.testing.assert_close(made.codebook()[k], total / size, rtol=2e-4, atol=0)  # but for the smoothing
        assert made.cluster_size[k].item() == pytest.approx(size, rel=1e-12)


def test_an_unused_code_stays_where_it_is():
    made = started(2, 2, restart=0.0)
    made.embed_sum.copy_(torch.tensor([[0.0, 0.0], [100.0, 100.0]]))
    for _ in range(200):
        step(made, torch.randn(8, 2, 1))
    torch.testing.assert_close(made.codebook()[1], torch.tensor([100.0, 100.0]), rtol=1e-3, atol=0)


def test_it_agrees_with_lucidrains():
    library = pytest.importorskip("vector_quantize_pytorch")
    torch.manual_seed(0)
    other = library.VectorQuantize(dim=3, codebook_size=16, decay=0.9, rotation_trick=False, commitment_weight=1.0,
                                   threshold_ema_dead_code=0)
    made, z = started(16, 3, decay=0.9, restart=0.0), torch.randn(10, 3, 7)
    book = other._codebook
    book.embed.copy_(made.embed_sum[None])
    book.embed_avg.copy_(made.embed_sum[None])
    book.cluster_size.fill_(1.0)
    vectors, codes, loss = other(z.movedim(1, -1))
    out = made(z)
    assert torch.equal(out.codes, codes)
    torch.testing.assert_close(out.vectors, vectors.movedim(-1, 1))
    torch.testing.assert_close(out.distance.sum() / z.numel(), loss.squeeze())
    step(made, z)
    torch.testing.assert_close(made.codebook(), book.embed[0], rtol=1e-3, atol=1e-4)


def test_nearly_all_codes_are_used():
    """N(3, I) in 8 dimensions, 512 codes, 60 steps of 512 vectors: a codebook left at its first places uses 2 to 24."""
    torch.manual_seed(0)
    made = VectorQuantiser(512, 8)
    for _ in range(60):
        step(made, 3 + torch.randn(512, 8, 1))
    codes = made(3 + torch.randn(8192, 8, 1)).codes
    assert len(codes.unique()) >= 450


def test_the_first_batch_gives_the_codes_their_places():
    torch.manual_seed(0)
    made, z = VectorQuantiser(8, 2), 50 + torch.randn(20, 2, 1)
    assert step(made, z) == 0
    near = torch.cdist(made.codebook(), z[:, :, 0]).min(1)
    assert near.values.max() < 1e-3 and len(near.indices.unique()) == 8
    before = made.codebook().clone()
    step(made, z)
    assert not torch.equal(made.codebook(), before) and (made.codebook() - before).abs().max() < 1


def test_a_dead_code_goes_to_an_input_and_only_while_restarting():
    torch.manual_seed(0)
    made = started(4, 2, restart=0.05)
    made.embed_sum[3] = 1e3
    made.cluster_size.fill_(10.0)
    made.embed_sum.mul_(10)
    made.cluster_size[3] = 0.01
    z = torch.randn(100, 2, 1)
    before = made.codebook()[3].clone()
    assert step(made, z, restarting=False) == 0
    torch.testing.assert_close(made.codebook()[3], before, rtol=1e-3, atol=0)
    assert step(made, z) == 1
    assert torch.cdist(made.codebook()[3:], z[:, :, 0]).min() < 1e-3
    assert (made(z).codes == 3).any()


def test_sums_over_parts_are_those_of_the_whole():
    torch.manual_seed(0)
    made, z = started(8, 2, restart=0.0), torch.randn(12, 2, 5)
    codes = made(z).codes
    whole = made.statistics(z, codes)
    parts = [made.statistics(z[i : i + 4], codes[i : i + 4]) for i in (0, 4, 8)]
    for name in ("counts", "sums"):
        torch.testing.assert_close(sum(p[name] for p in parts), whole[name])


def test_candidates_that_several_parts_add_up_are_nearly_inputs():
    torch.manual_seed(0)
    made, z = VectorQuantiser(512, 2), torch.randn(4000, 2, 1)
    parts = [made.statistics(part, made(part).codes) for part in z.split(1000)]
    made.follow({name: sum(p[name] for p in parts) for name in parts[0]})
    apart = torch.cdist(made.codebook(), z[:, :, 0]).min(1).values
    assert (apart < 0.02).float().mean() > 0.8, "a mean of several would lie among them, not on one"
    assert made.codebook().std() == pytest.approx(1, abs=0.1), "nor do they shrink to the centre"


def test_more_codes_than_vectors():
    made = VectorQuantiser(16, 2)
    z = torch.randn(3, 2, 1)
    step(made, z)
    assert torch.isfinite(made.codebook()).all()
    assert torch.cdist(made.codebook(), z[:, :, 0]).min(1).values.max() < 1e-3


@pytest.mark.parametrize("levels", [[8, 5, 5, 5], [3], [2, 2], [7, 4]])
def test_finite_scalars_number_every_vector_once(levels):
    made = FiniteScalarQuantiser(levels)
    codes = torch.arange(made.codes)[None]
    vectors = made.vectors(codes)
    assert vectors.shape == (1, len(levels), made.codes)
    assert len(vectors[0].T.unique(dim=0)) == made.codes and vectors.abs().max() <= 1
    assert torch.equal(made.snap(vectors), vectors)
    torch.manual_seed(0)
    assert len(made(1.5 * torch.randn(1, len(levels), 100_000)).codes.unique()) == made.codes, "and each can be reached"


def test_finite_scalars_reach_every_level_and_no_other():
    made, z = FiniteScalarQuantiser([5, 4]), torch.linspace(-6, 6, 2001).repeat(1, 2, 1)
    out = made(z)
    assert out.vectors[0, 0].unique().tolist() == [-1, -0.5, 0, 0.5, 1]
    assert out.vectors[0, 1].unique().tolist() == [-1, -0.5, 0, 0.5]
    assert (out.vectors[0].diff(dim=1) >= 0).all(), "in order"
    assert torch.equal(made(torch.zeros(1, 2, 1)).vectors, torch.zeros(1, 2, 1))


def test_finite_scalars_gradients_are_those_of_the_bound():
    made, z = FiniteScalarQuantiser([5, 4]), torch.randn(3, 2, 6, requires_grad=True)
    weight = torch.randn(3, 2, 6)
    (made(z).vectors * weight).sum().backward()
    within = (made.bound(z.movedim(1, -1)) / 2).movedim(-1, 1)
    (expected,) = torch.autograd.grad((within * weight).sum(), z)
    torch.testing.assert_close(z.grad, expected)
    assert made(z).distance.abs().sum() == 0


def test_usage_and_perplexity():
    usage = Usage(10)
    assert usage.perplexity() == 1 and usage.used() == 0
    usage.follow(torch.tensor([5.0, 5, 5, 5, 5, 0, 0, 0, 0, 0]))
    assert usage.perplexity().item() == pytest.approx(5) and usage.used().item() == pytest.approx(0.5)


@pytest.mark.parametrize("codes", [2, 3, 16, 100, 256, 512, 1024, 4096, 65536])
def test_default_levels_make_about_as_many_codes(codes):
    levels = torch.tensor(levels_for(codes))
    assert 0.9 * codes <= levels.prod() <= codes and levels.min() >= 2


@pytest.mark.parametrize(("options", "said"), [
    ({"kind": "vq", "codes": 1, "width": 4}, "--codes is 1"),
    ({"kind": "vq", "codes": 8, "width": 4, "decay": 1.0}, "--decay is 1"),
    ({"kind": "vq", "codes": 8, "width": 4, "levels": "8,8"}, "take --quantiser fsq"),
    ({"kind": "fsq", "codes": 8, "width": 4, "levels": "8,x"}, "'8,x'; expected whole numbers"),
    ({"kind": "fsq", "codes": 8, "width": 4, "levels": "8,1"}, "from 2"),
])  # fmt: skip
def test_errors(options, said):
    with pytest.raises(OptionError, match=said):
        quantiser(**options)

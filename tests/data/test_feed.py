"""The resident feed: every round a function of its number, every sample once an epoch, nothing held out."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from tacit.data.augment import Augment
from tacit.data.dataset import Data
from tacit.data.feed import Feed
from tacit.errors import DataError, OptionError
from tacit.protocol import Batch, Kind, Spec

N = 53


def data(kind: Kind = "vector", held_out: Tensor | None = None, **known: Any) -> Data:
    shape = (1, 4, 4) if kind == "image" else (2,)
    x = torch.arange(N, dtype=torch.uint8 if kind == "image" else torch.float32)
    x = x.view(N, *[1] * len(shape)).expand(N, *shape).contiguous()
    out = torch.arange(N) % 5 == 0 if held_out is None else held_out
    return Data("d", "d", "f", Spec(kind, shape), x, [str(i) for i in range(N)], out, **known)


def numbers(batch: Batch) -> list[int]:
    return batch.x[:, 0].long().tolist()


def test_a_round_is_a_function_of_its_number() -> None:
    feed, other = Feed(data(), 8, seed=3), Feed(data(), 8, seed=3)
    forwards = [numbers(feed.round(k)) for k in range(30)]
    assert [numbers(other.round(k)) for k in reversed(range(30))] == forwards[::-1]
    assert numbers(feed.round(2)) == forwards[2]
    assert [numbers(Feed(data(), 8, seed=4).round(k)) for k in range(30)] != forwards


@pytest.mark.parametrize("batch", [1, 8, 42, 50, 200])
def test_every_training_sample_comes_once_an_epoch(batch: int) -> None:
    feed = Feed(data(), batch)
    assert feed.samples == 42 and feed.rounds_per_epoch == 42 / batch
    stream = list(itertools.chain.from_iterable(numbers(feed.round(k)) for k in range(-(-42 * 5 // batch))))
    epochs = [stream[i : i + 42] for i in range(0, 42 * 5, 42)]
    assert all(sorted(e) == [i for i in range(N) if i % 5] for e in epochs)
    assert len({tuple(e) for e in epochs}) == 5, "every epoch has an order of its own"
    assert all(len(feed.round(k)) == batch for k in range(3))


@pytest.mark.parametrize("batch", [6, 90])
def test_ranks_together_are_one_process(batch: int) -> None:
    whole = Feed(data(), batch, seed=1)
    ranks = [Feed(data(), batch, seed=1, rank=r, world=3) for r in range(3)]
    for k in range(20):
        assert sum((numbers(r.round(k)) for r in ranks), []) == numbers(whole.round(k))


def test_what_is_not_needed_stays_hidden() -> None:
    known = data(label=torch.arange(N), domain=torch.zeros(N, dtype=torch.int64), pair=torch.arange(N)[:, None].float())
    assert set(Feed(known, 4).round(0).fields()) == {"x"}
    batch = Feed(known, 4, needs={"label", "index", "pair"}).round(5)
    assert set(batch.fields()) == {"x", "label", "index", "pair"}
    assert batch.label.tolist() == batch.index.tolist() == batch.pair[:, 0].tolist() == numbers(batch)
    with pytest.raises(DataError, match="needs a label"):
        Feed(data(), 4, needs={"label"}).round(0)


def test_bytes_arrive_as_floats() -> None:
    batch = Feed(data("image"), 7).round(0)
    assert batch.x.dtype == torch.float32 and batch.x.shape == (7, 1, 4, 4) and batch.x.max() <= N / 255
    expected = Feed(data("image"), 7).positions(0).float() / 255
    torch.testing.assert_close(batch.x[:, 0, 0, 0], expected)


def test_augmentation_is_seeded_by_round_and_rank() -> None:
    def feed(**given: int) -> Feed:
        return Feed(data("image"), 8, augment=Augment.parse("noise"), **given)

    first, again = feed().round(3).x, feed()
    again.round(0)
    assert torch.equal(again.round(3).x, first) and not torch.equal(feed(seed=1).round(3).x, first)
    ranks = [feed(world=2), feed(rank=1, world=2)]
    grain = [f.round(k).x - f.data.batch(f.positions(k)).x for f in ranks for k in (0, 1)]
    assert len({tuple(g.flatten()[g.flatten() > 0].tolist()) for g in grain}) == 4
    plain = Feed(data("image"), 8, augment=Augment.parse("")).round(3).x
    torch.testing.assert_close(plain, Feed(data("image"), 8).round(3).x)


def test_held_out_samples_come_in_order_and_are_never_augmented() -> None:
    feed = Feed(data("image", label=torch.arange(N)), 8, needs={"label"}, augment=Augment.parse("noise,flip"))
    batches = list(feed.held_out(4))
    assert [len(b) for b in batches] == [4, 4, 3]
    labels = torch.cat([b.label for b in batches])
    assert labels.tolist() == list(range(0, N, 5))
    torch.testing.assert_close(torch.cat([b.x for b in batches])[:, 0, 0, 0], labels / 255)
    assert list(Feed(data(held_out=torch.zeros(N, dtype=torch.bool)), 4).held_out(4)) == []


def test_what_cannot_be_fed_is_refused() -> None:
    with pytest.raises(OptionError, match="batch of 10 .* 3 processes; the next that can is 12"):
        Feed(data(), 10, world=3)
    with pytest.raises(OptionError, match="next that can is 1"):
        Feed(data(), 0)
    with pytest.raises(OptionError, match="'flip' is for images; the data are vector 2"):
        Feed(data(), 4, augment=Augment.parse("flip"))
    with pytest.raises(DataError, match="all 53 are held out"):
        Feed(data(held_out=torch.ones(N, dtype=torch.bool)), 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_data_that_fit_live_on_the_device() -> None:
    known = data("image", label=torch.arange(N))
    augment = Augment.parse("crop,flip,affine,colour,blur,noise,erase")
    feed = Feed(known, 8, needs={"label", "index"}, device="cuda", augment=augment)
    assert feed.data.x.is_cuda and not known.x.is_cuda
    batch = feed.round(0)
    assert batch.x.is_cuda and batch.label.is_cuda and torch.equal(batch.label, batch.index)
    assert batch.index.cpu().tolist() == Feed(known, 8).positions(0).tolist()


def domains(source: int, target: int, held_out: tuple[int, ...] = (), **known: Any) -> Data:
    """Samples 0 to source - 1 of domain 0 and those that follow of domain 1; each is its number."""
    n = source + target
    x = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 4).contiguous()
    out = torch.zeros(n, dtype=torch.bool)
    out[list(held_out)] = True
    domain = (torch.arange(n) >= source).long()
    return Data("d", "here", "f", Spec("image", (1, 2, 4)), x, [str(i) for i in range(n)], out, domain=domain, **known)


def both(batch: Batch) -> tuple[list[int], list[int]]:
    return tuple((v[:, 0, 0, 0] * 255).round().long().tolist() for v in (batch.x, batch.target))


def test_targets_come_beside_the_source_in_epochs_of_their_own() -> None:
    known = domains(20, 12, held_out=(0, 5, 20, 31))
    feed = Feed(known, 6, needs={"target"})
    assert feed.samples == 18 and feed.rounds_per_epoch == 3
    rounds = [both(feed.round(k)) for k in range(30)]
    here, there = (sum((r[i] for r in rounds), []) for i in (0, 1))
    assert all(sorted(here[i : i + 18]) == [*range(1, 5), *range(6, 20)] for i in range(0, 180, 18))
    assert all(sorted(there[i : i + 10]) == list(range(21, 31)) for i in range(0, 180, 10))
    assert [both(Feed(known, 6, needs={"target"}).round(k)) for k in (29, 7)] == [rounds[29], rounds[7]]
    assert set(feed.round(0).fields()) == {"x", "target"}
    assert set(Feed(known, 6).round(0).fields()) == {"x"} and Feed(known, 6).samples == 28


def test_the_targets_order_is_not_the_sources() -> None:
    feed = Feed(domains(30, 30), 30, needs={"target"})
    for k in range(4):
        here, there = both(feed.round(k))
        assert [i - 30 for i in there] != here, "with one seed for both, i would always meet i"
    assert [both(Feed(domains(30, 40), 30, needs={"target"}).round(k))[0] for k in range(3)] == [
        both(feed.round(k))[0] for k in range(3)], "the source's order does not hang on the target's size"
    assert both(Feed(domains(30, 30), 30, needs={"target"}, seed=1).round(0))[1] != both(feed.round(0))[1]


def test_ranks_share_targets_as_they_share_the_source() -> None:
    known = domains(11, 7)
    whole = Feed(known, 6, needs={"target"}, seed=2)
    ranks = [Feed(known, 6, needs={"target"}, seed=2, rank=r, world=2) for r in range(2)]
    for k in range(8):
        shares = [both(r.round(k)) for r in ranks]
        assert tuple(a + b for a, b in zip(*shares, strict=True)) == both(whole.round(k))


def test_held_out_samples_meet_held_out_targets() -> None:
    for held_out, pairs in (((1, 2, 3, 12, 14), [(1, 12), (2, 14), (3, 12)]), ((4, 12, 13), [(4, 12), (4, 13)])):
        feed = Feed(domains(10, 8, held_out), 4, needs={"target"})
        found = [pair for b in feed.held_out(2) for pair in zip(*both(b), strict=True)]
        assert found == pairs
    assert list(Feed(domains(10, 8, (1,)), 4, needs={"target"}).held_out(2)) == []


def test_augmentation_and_black_and_white_reach_the_target() -> None:
    known = domains(10, 8)
    plain, noisy = (Feed(known, 6, needs={"target"}, augment=a).round(2) for a in (None, Augment.parse("noise")))
    grain = [a - b for a, b in ((noisy.x, plain.x), (noisy.target, plain.target))]
    assert all((g != 0).any() for g in grain) and not torch.equal(*grain)
    drawn = Feed(domains(10, 8, grey=torch.full((18, 1, 2, 4), 128, dtype=torch.uint8)), 6, needs={"target"})
    first, again = drawn.round(1), drawn.round(1)
    assert set(first.target.unique().tolist()) == {0.0, 1.0} and torch.equal(first.target, again.target)
    assert not torch.equal(first.target, drawn.round(2).target)


def test_a_domain_without_training_samples_is_named() -> None:
    with pytest.raises(DataError, match="the target zebras leaves no training sample"):
        Feed(domains(4, 3, (4, 5, 6), options={"target": "zebras"}), 2, needs={"target"})
    with pytest.raises(DataError, match="the source here leaves no training sample"):
        Feed(domains(4, 3, (0, 1, 2, 3)), 2, needs={"target"})
    with pytest.raises(DataError, match="needs samples of a target domain and d has none; --target"):
        Feed(data(), 2, needs={"target"})


def test_pairs_stay_aligned_when_mirrored_and_nothing_else_is_done_to_them() -> None:
    x = torch.randint(0, 256, (N, 1, 4, 6), dtype=torch.uint8)
    pair = x.repeat_interleave(2, 2).repeat_interleave(2, 3).repeat(1, 3, 1, 1)  # twice the size, in colour
    known = Data("d", "d", "f", Spec("image", (1, 4, 6), pair=(3, 8, 12)), x, [str(i) for i in range(N)],
                 torch.zeros(N, dtype=torch.bool), pair=pair)
    feed = Feed(known, 40, needs={"pair", "index"}, augment=Augment.parse("flip"))
    batch = feed.round(3)
    assert torch.equal(batch.pair[:, :1, ::2, ::2], batch.x)
    turned = (batch.x != x[batch.index].float() / 255).flatten(1).any(1)
    assert 0 < turned.sum() < 40 and torch.equal(feed.round(3).pair, batch.pair)
    with pytest.raises(OptionError, match="'crop' would part samples from their partners; with pairs there is flip"):
        Feed(known, 4, needs={"pair"}, augment=Augment.parse("flip,crop"))
    Feed(known, 4, augment=Augment.parse("crop"))
    wide = data("image", pair=torch.zeros(N, 5))
    wide.spec = Spec("image", (1, 4, 4), pair=(5,))
    with pytest.raises(OptionError, match="is for images; the data are image 1 x 4 x 4 beside 5"):
        Feed(wide, 4, needs={"pair"}, augment=Augment.parse("flip"))

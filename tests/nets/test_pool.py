"""The image pool: against an obvious loop, its statistics, and that its state is joined without regard to order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tacit.nets.pool import ImagePool


def numbered(start: int, n: int) -> Tensor:
    return torch.arange(start, start + n, dtype=torch.float32).view(n, 1, 1, 1)


@pytest.mark.parametrize(("size", "n"), [(6, 4), (3, 5), (4, 4)])
def test_as_an_obvious_loop(size: int, n: int) -> None:
    torch.manual_seed(0)
    pool = ImagePool(size, (1, 1, 1))
    slow: dict[int, float] = {}
    for step in range(40):
        new, state = numbered(step * n, n), torch.get_rng_state()
        shown, entries = pool(new)
        pool.enter(entries)
        torch.set_rng_state(state)
        places, heads = pool.draw(n)
        for image, place, head, got in zip(new, places.tolist(), heads, shown, strict=True):
            expected = image.item()
            if place < size and place not in slow:
                slow[place] = image.item()
            elif place < size and head:
                expected, slow[place] = slow[place], image.item()
            assert got.item() == expected
        assert slow == {i: pool.images[i].item() for i in pool.taken.nonzero().flatten().tolist()}


def test_half_of_the_images_are_old_and_each_is_shown_only_once_more() -> None:
    torch.manual_seed(0)
    pool, seen, old, ages = ImagePool(50, (1, 1, 1)), [], 0, []
    for step in range(1000):
        new = numbered(4 * step, 4)
        shown, entries = pool(new)
        pool.enter(entries)
        seen += shown.flatten().tolist()
        if pool.taken.all():
            before = shown[shown != new]
            old += len(before)
            ages += (4 * step - before).tolist()
    assert pool.taken.all()
    assert len(seen) - len(set(seen)) == 50  # those that went to a free place were shown at once, too
    assert abs(old / 4000 - 0.5) < 0.05
    assert 80 < sum(ages) / len(ages) < 120  # 50 places, one of which a new image takes with probability 1 / 100


def test_the_places_change_in_enter_alone() -> None:
    torch.manual_seed(0)
    pool = ImagePool(3, (2,))
    before = {k: v.clone() for k, v in pool.state_dict().items()}
    assert before.keys() == {"images", "taken"}
    shown, entries = pool(torch.rand(5, 2, requires_grad=True))
    assert not shown.requires_grad and not entries.requires_grad
    assert all(torch.equal(v, before[k]) for k, v in pool.state_dict().items())
    pool.enter(entries)
    assert pool.taken.all()


def test_parts_of_a_batch_are_joined_by_a_sum() -> None:
    torch.manual_seed(0)
    pool = ImagePool(4, (1, 1, 1))
    places = [torch.tensor([0, 1]), torch.tensor([3, 1])]
    pool.images.fill_(-1.0)
    pool.enter(sum(pool.entries(numbered(10 * (i + 1), 2), p) for i, p in enumerate(places)))
    assert pool.images.flatten().tolist() == [10.0, -1.0, -1.0, 20.0]  # both wanted place 1: it keeps what it has
    assert pool.taken.tolist() == [True, False, False, True]


def test_many_parts_fill_the_pool() -> None:
    torch.manual_seed(0)
    pool = ImagePool(5, (1, 1, 1))
    for _ in range(60):
        pool.enter(sum(pool(numbered(0, 3))[1] for _ in range(4)))
    assert pool.taken.all()


def test_without_places_all_images_are_new() -> None:
    pool, new = ImagePool(0, (1, 2, 2)), torch.rand(3, 1, 2, 2)
    shown, entries = pool(new)
    pool.enter(entries)
    assert torch.equal(shown, new) and entries.numel() == 0

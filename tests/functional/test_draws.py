import torch

from tacit.functional.draws import part_of, some


def test_some_are_drawn_evenly_kept_in_order_and_the_same_for_a_seed():
    positions = torch.arange(100, 120)
    counts = torch.zeros(20)
    for seed in range(400):
        drawn = some(positions, 5, seed)
        assert len(drawn) == 5 and (drawn.diff() > 0).all()
        counts[drawn - 100] += 1
    assert counts.min() > 60 and counts.max() < 140  # 100 each, of standard deviation 9
    assert torch.equal(some(positions, 5, 3), some(positions, 5, 3))


def test_a_part_is_drawn_by_torchs_generator_and_few_stay_as_they_are():
    x = torch.arange(30.0).view(10, 3)
    assert part_of(x, 10) is x
    torch.manual_seed(0)
    first = part_of(x, 4)
    torch.manual_seed(0)
    assert torch.equal(first, part_of(x, 4)) and first.shape == (4, 3)
    assert {tuple(row) for row in first.tolist()} <= {tuple(row) for row in x.tolist()}
    assert len(first.unique(dim=0)) == 4, "nobody is drawn twice"

import pytest
import torch
from torch import nn

from tacit.functional.penalties import r1
from tacit.nets.ada import COLOURS, GEOMETRY, Ada, Operation, augmented


def images(n: int = 4, channels: int = 3, height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(0))


def only(name: str, x: torch.Tensor, p: float = 1.0, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    tables = ({name: GEOMETRY[name]}, {}) if name in GEOMETRY else ({}, {name: COLOURS[name]})
    return augmented(x, torch.tensor(p), *tables)


def running(**options) -> Ada:
    ada = Ada(**options)
    ada.on = True
    return ada


def test_off_it_is_not_there():
    ada, x = Ada(), images()
    ada.p.fill_(1)
    before = torch.get_rng_state()
    assert ada(x) is x
    ada.update(ada.stats(torch.ones(4)))
    assert torch.equal(torch.get_rng_state(), before) and ada.moves == 0 and ada.p == 1


def test_on_it_leaves_rows_of_a_table_alone():
    ada, rows = running(), torch.rand(4, 7)
    ada.p.fill_(1)
    assert ada(rows) is rows


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14), (2, 8, 8)])
def test_at_probability_zero_not_a_bit_changes(shape):
    x = images(6, *shape)
    assert torch.equal(running()(x), x)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (4, 9, 14)])
def test_at_probability_one_every_image_changes_its_own_way(shape):
    x, ada = images(1, *shape).expand(20, *shape), running()
    ada.p.fill_(1)
    made = ada(x)
    assert made.shape == x.shape and torch.isfinite(made).all()
    assert ((made - x).flatten(1).abs().mean(1) > 1e-3).all()
    assert (torch.cdist(made.flatten(1), made.flatten(1)) + torch.eye(20)).min() > 0.01


IDLE = {"flip": 1 / 2, "quarter": 1 / 4, "luma": 1 / 2, "whole": 1 / 16}  # how often what is drawn is to do nothing


@pytest.mark.parametrize("name", [*GEOMETRY, *COLOURS])
def test_each_is_applied_with_its_probability(name):
    p, n = 0.36, 4000
    made = only(name, images(1, 3, 16, 16).expand(n, 3, 16, 16), p)
    changed = (made - images(1, 3, 16, 16)).flatten(1).abs().amax(1) > 1e-4
    once = 1 - (1 - p) ** 0.5 if name in ("turn", "return") else p
    assert abs(changed.float().mean() - once * (1 - IDLE.get(name, 0))) < 0.03


def test_flips_turns_and_whole_shifts_move_pixels_exactly():
    x = images(60, 3, 8, 8)
    flipped, turned, shifted = only("flip", x), only("quarter", x), only("whole", x)
    kinds = set()
    for image, a, b, c in zip(x, flipped, turned, shifted, strict=True):
        assert torch.equal(a, image) or torch.equal(a, image.flip(2))
        kinds |= {k for k in range(4) if torch.equal(b, torch.rot90(image, k, (1, 2)))}
        assert any(torch.equal(c[:, 1:-1, 1:-1], image.roll((i, j), (1, 2))[:, 1:-1, 1:-1])
                   for i in (-1, 0, 1) for j in (-1, 0, 1))  # fmt: skip
    assert kinds == {0, 1, 2, 3}


def test_images_that_are_not_square_turn_by_half_only():
    x = images(40, 3, 6, 9)
    kinds = {(torch.equal(a, b), torch.equal(a.flip(1, 2), b)) for a, b in zip(x, only("quarter", x), strict=True)}
    assert kinds == {(True, False), (False, True)}


def always(matrix: list[list[float]]) -> Operation:
    """An operation that draws this matrix for every image."""
    return Operation(lambda images: torch.tensor(matrix).expand(len(images), -1, -1))


def test_operations_go_in_the_order_of_their_tables():
    x = images(2, 3, 8, 8)
    right = always([[1.0, 0, -2], [0, 1, 0], [0, 0, 1]])  # fetched from two pixels to the left
    mirror = always([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    made = augmented(x, torch.tensor(1.0), {"right": right, "mirror": mirror}, {})
    assert torch.equal(made[..., :-2], x[..., :-2].flip(3))
    lighter = always([[1.0, 0, 0, 0.5], [0, 1, 0, 0.5], [0, 0, 1, 0.5], [0, 0, 0, 1]])
    stronger = always([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    made = augmented(x, torch.tensor(1.0), {}, {"lighter": lighter, "stronger": stronger})
    torch.testing.assert_close(2 * made - 1, 2 * (2 * x - 1 + 0.5))


def test_colours_change_as_their_distributions_say():
    """Of colours in [-1, 1]: offsets of 0.2, contrast of 0.5 octaves, saturation of one, hue about the grey axis."""
    x = images(1, 3, 4, 4).expand(4000, 3, 4, 4)
    centred, colour = 2 * x - 1, x - x.mean(1, keepdim=True)
    offset = 2 * (only("brightness", x) - x)
    assert offset.flatten(1).std(1).max() < 1e-5 and abs(offset[:, 0, 0, 0].std() - 0.2) < 0.01
    contrast = ((2 * only("contrast", x) - 1) / centred)[:, 0, 0, 0].log2()
    assert abs(contrast.std() - 0.5) < 0.02 and abs(contrast.mean()) < 0.03
    made = only("saturation", x)
    torch.testing.assert_close(made.mean(1), x.mean(1), rtol=0, atol=1e-5)
    saturation = ((made - made.mean(1, keepdim=True)) / colour)[:, 0, 0, 0].log2()
    assert abs(saturation.std() - 1) < 0.05 and abs(saturation.mean()) < 0.05
    made = only("hue", x)
    torch.testing.assert_close(made.mean(1), x.mean(1), rtol=0, atol=1e-5)
    turned = made - made.mean(1, keepdim=True)
    torch.testing.assert_close(turned.norm(dim=1), colour.norm(dim=1), rtol=0, atol=1e-5)
    cosine = (turned * colour).sum(1)[:, 0, 0] / colour.square().sum(1)[:, 0, 0]
    assert abs(cosine.mean()) < 0.04 and abs(cosine.square().mean() - 0.5) < 0.02  # any angle alike


def test_luma_flips_mirror_the_grey_and_keep_the_colour():
    x = images(50)
    made = only("luma", x)
    mirrored = x - 2 * x.mean(1, keepdim=True) + 1
    kinds = [(torch.allclose(a, b, atol=1e-6), torch.allclose(c, b, atol=1e-6))
             for a, b, c in zip(x, made, mirrored, strict=True)]  # fmt: skip
    assert set(kinds) == {(True, False), (False, True)}


def test_grey_images_are_coloured_as_their_copies_in_three_channels_would_be():
    x = images(30, 1)
    torch.manual_seed(0)
    one = augmented(x, torch.tensor(0.7))
    torch.manual_seed(0)
    three = augmented(x.expand(-1, 3, -1, -1), torch.tensor(0.7))
    torch.testing.assert_close(three, one.expand(-1, 3, -1, -1), rtol=0, atol=2e-5)


def test_zooms_and_stretches_have_their_deviation():
    x = images(6000, 1, 4, 4)
    torch.manual_seed(0)
    zoom, stretch = GEOMETRY["zoom"].draw(x), GEOMETRY["stretch"].draw(x)
    assert torch.equal(zoom[:, 0, 0], zoom[:, 1, 1]) and abs(zoom[:, 0, 0].log2().std() - 0.2) < 0.01
    torch.testing.assert_close(stretch[:, 0, 0] * stretch[:, 1, 1], torch.ones(6000))
    assert abs(stretch[:, 0, 0].log2().std() - 0.2) < 0.01
    shift = GEOMETRY["shift"].draw(images(6000, 1, 8, 16))
    assert abs(shift[:, 0, 2].std() - 2) < 0.1 and abs(shift[:, 1, 2].std() - 1) < 0.05


def test_r1_flows_through_it():
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.LazyLinear(1))
    x, ada = images().requires_grad_(), running()
    ada.p.fill_(1)
    penalty = r1(judge(ada(x)), x)
    penalty.sum().backward()
    assert (penalty > 0).all() and all(p.grad is not None and p.grad.any() for p in list(judge.parameters())[:-1])


def test_the_same_seed_draws_the_same():
    x, ada = images(), running()
    ada.p.fill_(0.5)
    torch.manual_seed(5)
    first = ada(x)
    torch.manual_seed(5)
    assert torch.equal(first, ada(x))


def test_the_controller_is_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    ada, p, seen = running(target=0.2, images=400, every=3), 0.0, []
    for step in range(60):
        n = int(torch.randint(4, 20, (), generator=generator))
        logits = torch.randn(n, generator=generator) + 1.5 * (step < 30)
        parts = [ada.stats(part) for part in logits.split(5)]  # micro-batches, whose sums the trainer adds
        ada.update({key: sum(part[key] for part in parts) for key in parts[0]})
        seen += logits.tolist()
        if step % 3 == 2:
            r = sum((v > 0) - (v < 0) for v in seen) / len(seen)
            p = min(max(p + ((r > 0.2) - (r < 0.2)) * len(seen) / 400, 0), 1)
            seen = []
        assert abs(float(ada.p) - p) < 1e-5
    assert 0 <= p < 1


def test_it_rises_to_one_falls_to_zero_and_stays_at_its_target():
    ada = running(images=100, every=1)
    for _ in range(12):
        ada.update(ada.stats(torch.ones(10)))
    assert ada.p == 1
    ada.update(ada.stats(torch.tensor([1.0] * 8 + [-1.0] * 2)))  # r = 0.6
    assert ada.p == 1
    for _ in range(12):
        ada.update(ada.stats(-torch.ones(10)))
    assert ada.p == 0


def test_patches_of_one_image_count_as_one():
    logits = torch.tensor([[[1.0, 1.0], [1.0, -1.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    stats = Ada().stats(logits)
    assert stats["ada_sign"] == -0.5 and stats["ada_count"] == 2


def test_resuming_goes_on_where_it_was():
    one, other = running(images=100, every=4), running(images=100, every=4)
    for _ in range(6):
        one.update(one.stats(torch.ones(3)))
    other.load_state_dict(one.state_dict())
    for ada in (one, other):
        for _ in range(3):
            ada.update(ada.stats(torch.ones(3)))
    assert one.p > 0.2 and all(torch.equal(a, other.state_dict()[k]) for k, a in one.state_dict().items())

"""What can be watched while a method trains: games of numbers, and translations."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

import tacit
from tacit.data.dataset import IN_MEMORY, Data
from tacit.pictures.grid import grid
from tacit.protocol import Chain, Method, Spec
from tacit.runs.counterparts import shown_both_ways
from tacit.runs.frames import MOST, Frames, Stage, density, ordering, read_frames, recorded, spread_along
from tacit.runs.monitor import Monitor

NUMBER = Spec("vector", (1,))
IMAGE = Spec("image", (1, 8, 8), range=(0.0, 1.0))


class Line(Method):
    """A game of numbers: x = w'z + 1, logit = 2 x - 1."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__(NUMBER)
        self.weight, self.gaussian = weight, len(weight)

    def prior(self, n: int, *, label: None = None, generator: Generator | None = None) -> Tensor:
        return torch.cat([torch.randn(n, self.gaussian, generator=generator), torch.ones(n, 1)], 1)  # and a code

    def decode(self, z: Tensor) -> Tensor:
        return (z[:, :-1] @ self.weight)[:, None] + z[:, -1:]

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        return self.decode(self.prior(n, generator=generator))

    def discriminate(self, x: Tensor) -> Tensor:
        return 2 * x.flatten() - 1


class Inverting(Method):
    """Translates images to their negatives, and back."""

    def translate(self, x: Tensor, *, to: str | None = None) -> Tensor:
        return (1 - x).clamp(0.1, 1) if to == "target" else 1 - x


def numbers(n: int = 300) -> Data:
    x = torch.randn(n, 1, generator=torch.Generator().manual_seed(0))
    return Data("toy", IN_MEMORY, "0", NUMBER, x, [str(i) for i in range(n)], torch.zeros(n, dtype=torch.bool))


def images(n: int = 40, **more) -> Data:
    x = (255 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(0))).to(torch.uint8)
    return Data("toy", IN_MEMORY, "0", IMAGE, x, [str(i) for i in range(n)], torch.arange(n) % 2 == 0, **more)


def test_frames_are_never_more_than_many_and_never_few(tmp_path: Path) -> None:
    kept: list[int] = []
    for root in range(1, 400):
        if recorded(root**2):
            every = 1 << max(0, math.ceil(math.log2(root / MOST)))
            kept = [*(r for r in kept if r % every == 0), root]
        assert min(root, MOST // 2) <= len(kept) <= MOST
    assert not recorded(0) and not recorded(2)


def test_frames_survive_an_interruption(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    chain = Chain(Line(torch.tensor([2.0]))).eval()
    watched = Frames(chain, numbers(), whole, title="a game")
    for step in filter(watched.due, range(1, 61)):
        watched(step)
    first, again = (Frames(chain, numbers(), parts, title="a game") for _ in range(2))
    for step in filter(first.due, range(1, 50)):
        first(step)  # it is interrupted at 49, and its last state is of step 30
    for step in filter(again.due, range(31, 61)):
        again(step)
    assert [f.step for f in read_frames(parts, before=100)] == [1, 4, 9, 16, 25, 36, 49]
    assert (parts / "game.safetensors").read_bytes() == (whole / "game.safetensors").read_bytes()
    assert [f.step for f in read_frames(parts, before=25)] == [1, 4, 9, 16]
    assert not read_frames(tmp_path / "none", before=100)


def test_what_cannot_be_watched_is_let_be(tmp_path: Path) -> None:
    for chain, data in ((Chain(Method(NUMBER)), numbers()), (Chain(Inverting(IMAGE)), images())):
        frames = Frames(chain, data, tmp_path, title="no game")
        assert not any(map(frames.due, range(200)))


def test_a_frame_is_what_the_game_is() -> None:
    stage = Stage(Chain(Line(torch.tensor([0.5]))).eval(), numbers())
    frame = stage.frame(3)
    assert torch.allclose(frame.judged, (2 * stage.places - 1).sigmoid(), atol=1e-6)
    assert torch.allclose(frame.x, 0.5 * frame.z + 1, atol=1e-6)
    normal = torch.distributions.Normal(1.0, math.hypot(0.5, stage.bandwidth))  # the kernel widens it
    assert (frame.made - normal.log_prob(stage.places).exp()).abs().max() < 0.06


def test_the_score_of_a_critic_is_shown_from_its_least_to_its_greatest() -> None:
    method = Line(torch.tensor([0.5]))
    method.log_odds = False  # type: ignore[assignment]
    stage = Stage(Chain(method).eval(), numbers())
    assert not stage.scene.odds
    ends = torch.linspace(0, 1, len(stage.places), dtype=torch.float64)  # of a straight line
    assert torch.allclose(stage.frame(3).judged, ends, atol=1e-5)


def test_the_direction_that_orders_best_is_found() -> None:
    weight = torch.tensor([0.6, 0.0, -0.8])
    z = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    found = ordering(z, (z @ weight).exp())  # whatever the scale, ranks remain
    assert float(found @ weight) > 0.999
    assert ordering(z[:, :1], -z[:, 0]).tolist() == [1.0], "of one dimension there is no choice"


def test_spread_latents_remain_draws_of_the_prior() -> None:
    z = torch.cat([torch.randn(3000, 4, generator=torch.Generator().manual_seed(0)), torch.full((3000, 1), 5.0)], 1)
    direction = torch.tensor([0.5, 0.5, -0.5, 0.5])
    level, spread = spread_along(direction, z)
    assert torch.allclose(spread[:, :4] @ direction, level, atol=1e-5) and (level.diff() > 0).all()
    assert torch.allclose(spread[:, :4].T.cov(), torch.eye(4), atol=0.08)
    assert (spread[:, 4] == 5).all(), "what is not Gaussian is left"


def test_density_against_a_slow_sum() -> None:
    x, places = torch.tensor([0.0, 1.0, 3.0]), torch.linspace(-2, 5, 9)
    slow = [sum(math.exp(-((p - v) ** 2) / 0.5) for v in x.tolist()) / (3 * 0.5 * math.sqrt(2 * math.pi))
            for p in places.tolist()]
    assert torch.allclose(density(x, places, 0.5), torch.tensor(slow), atol=1e-6)


def test_partners_are_shown_as_large_as_what_is_translated() -> None:
    partners = (255 * torch.rand(40, 3, 16, 16)).to(torch.uint8)
    data = images(pair=partners)
    picture = np.asarray(shown_both_ways(lambda x, to=None: x.repeat(1, 3, 2, 2), data, 5))
    tiles = [picture[2 + 66 * row : 66 * (row + 1), -5 * 66 :][:, :64] for row in range(3)]
    assert [tile.shape for tile in tiles] == [(64, 64, 3)] * 3 and len(picture) == 3 * 66 + 2
    alone = {int(i): np.asarray(grid(data.batch(i[None]).x))[2:66, 2:66] for i in data.testing}
    shown = [i for i, image in alone.items() if (tiles[0] == image).all()]
    assert len(shown) == 1 and (tiles[2] == np.asarray(grid(partners[shown] / 255))[2:66, 2:66]).all()


def test_two_domains_are_shown_there_and_back() -> None:
    data = images(domain=torch.arange(40) // 20)
    calls: list[tuple[str | None, Tensor]] = []

    def translate(x: Tensor, *, to: str | None = None) -> Tensor:
        calls.append((to, x))
        return 1 - x

    shown_both_ways(translate, data, 4)
    assert [to for to, _ in calls] == ["target", "source", "source", "target"]
    known = {bytes(x.numpy().tobytes()): int(d) for x, d in zip(data.everything(), data.domain, strict=True)}
    for (_, x), domain in zip(calls[::2], (0, 1), strict=True):
        assert len(x) == 4 and {known[bytes(row.numpy().tobytes())] for row in x} == {domain}
    assert torch.equal(calls[1][1], 1 - calls[0][1])


def test_translations_are_drawn_at_milestones(tmp_path: Path) -> None:
    monitor = Monitor(Chain(Inverting(IMAGE)), images(), tmp_path / "samples")
    for step in filter(monitor.due, (99, 100, 150)):
        monitor(step)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["000100-translations.png"]


def test_a_game_of_numbers_is_drawn_while_it_is_played() -> None:
    run = tacit.fit("gan", "mixture-1d", count=200, steps=101, batch=8, latent=2, width=8)
    assert {"000100.png", "game.safetensors"} <= {path.name for path in (run.path / "samples").iterdir()}
    with Image.open(run.path / "pictures" / "game.gif") as image:
        assert image.n_frames == 11  # 1, 4, ..., 100, and the last
    assert (run.path / "pictures" / "game.png").is_file()
    assert (run.path / "pictures" / "game.gif").stat().st_size < 2**21

"""Feature spaces: names that tell them apart, features that are deterministic, and random states that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import tacit
from tacit.errors import CapabilityError, DataError, OptionError
from tacit.evaluation import spaces
from tacit.evaluation.spaces import Space, inception, of_run, random_network, space_of
from tacit.functional.frechet import Moments, frechet_distance
from tacit.protocol import Spec
from tacit.runs.run import Run

SPEC = Spec("image", (3, 16, 12), (0.0, 1.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any, little_digits: Any) -> Run:
    return tacit.fit("pca", little_digits, latent=5, out=tmp_path_factory.mktemp("space") / "pca")


def test_batches_change_nothing_and_gradients_do_not_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    x, space = torch.rand(20, *SPEC.shape, requires_grad=True), random_network(SPEC)
    whole = space.features(x)
    monkeypatch.setattr(spaces, "BATCH", 3)
    assert whole.shape[0] == 20 and whole.dim() == 2 and not whole.requires_grad
    torch.testing.assert_close(space.features(x), whole)


def test_random_network_is_that_of_its_seed_and_draws_from_its_own_generator() -> None:
    x, before = torch.rand(4, *SPEC.shape), torch.get_rng_state()
    first, again, other = (random_network(SPEC, seed).features(x) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.allclose(first, other)
    assert torch.equal(before, torch.get_rng_state())
    names = {random_network(s, i).name for s in (SPEC, Spec("image", (3, 8, 8), (0.0, 1.0))) for i in (0, 1)}
    assert len(names) == 4 and all("random convolutional network, seed" in n for n in names)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (3, 40, 33)])
def test_random_network_takes_images_of_any_size(shape: tuple[int, ...]) -> None:
    features = random_network(Spec("image", shape, (0.0, 1.0))).features(torch.rand(3, *shape))
    assert features.isfinite().all() and features.std(0).max() > 0


def test_distance_in_a_random_network_grows_with_what_is_done_to_images() -> None:
    data = tacit.open_data("digits")
    x, space = data.batch(torch.arange(len(data))).x, random_network(data.spec)
    half, other = Moments.of(space.features(x[::4])), x[1::4]
    noise = torch.randn(other.shape, generator=torch.Generator().manual_seed(0))
    ways = [other, *((other + s * noise).clamp(0, 1) for s in (0.1, 0.4))]
    distances = [frechet_distance(half, Moments.of(space.features(way))) for way in ways]
    assert distances == sorted(distances) and distances[-1] > 5 * distances[0]
    one = other[data.label[1::4] == 1]
    assert frechet_distance(half, Moments.of(space.features(one))) > 5 * distances[0]


def test_what_has_no_places_is_compared_by_its_values() -> None:
    x = torch.randn(5, 7)
    space = random_network(Spec("vector", (7,)))
    assert space.name == "the values" and torch.equal(space.features(x), x)


def test_codes_are_compared_by_how_often_each_occurs() -> None:
    space = random_network(Spec("codes", (2, 2), codes=3))
    assert space.features(torch.tensor([[[0, 2], [2, 2]], [[1, 1], [1, 1]]])).tolist() == [[0.25, 0, 0.75], [0, 1, 0]]


def test_a_runs_space_is_its_encoding_and_named_by_its_weights(run: Run, digits_data: Any, tmp_path: Path) -> None:
    space, x = of_run(run), digits_data.batch(torch.arange(30)).x
    torch.testing.assert_close(space.features(x), run.encode(digits_data)[:30])
    other = tacit.fit("pca", digits_data, latent=4, out=tmp_path / "pca")
    assert other.name == run.name and of_run(other).name != space.name
    with pytest.raises(OptionError, match="no layers"):
        of_run(run, "conv1")


def test_large_maps_are_averaged() -> None:
    assert spaces.pooled(torch.rand(2, 256, 8, 8)).shape == (2, 256, 2, 2)
    assert spaces.pooled(torch.rand(2, 4_096, 8, 8)).shape == (2, 4_096, 1, 1)
    assert spaces.pooled(torch.rand(2, 8, 4, 4)).shape == (2, 8, 4, 4)


def test_words_name_spaces(run: Run, tmp_path: Path) -> None:
    assert space_of("random", run, 3).name == random_network(run.spec, 3).name
    assert space_of(str(run.path), run).name == of_run(run).name
    with pytest.raises(OptionError, match="Did you mean 'random'"):
        space_of("randon", run)
    blind = tacit.fit("kmeans", "moons", out=tmp_path / "k")
    with pytest.raises(DataError, match="the samples are vector"):
        space_of(str(run.path), blind)
    with pytest.raises(CapabilityError, match="cannot encode"):
        space_of(str(tacit.fit("gmm", "moons", out=tmp_path / "g").path), blind)


def test_inception_takes_its_file_alone_and_images_alone(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"nothing": torch.zeros(1)}, file)
    with pytest.raises(OptionError, match="does not fit"):
        space_of(str(file), run)
    with pytest.raises(DataError, match="images of 1 or 3 channels"):
        inception(file, Spec("vector", (2,)))


def test_inception_shows_grey_in_three_channels_and_is_named_by_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "load_inception", lambda path: torch.nn.Flatten())
    names = []
    for content in (b"one", b"two"):
        (tmp_path / "w.pth").write_bytes(content)
        space: Space = inception(tmp_path / "w.pth", Spec("image", (1, 2, 2), (0.0, 1.0)))
        names.append(space.name)
    x = torch.rand(2, 1, 2, 2)
    torch.testing.assert_close(space.features(x), x.repeat(1, 3, 1, 1).flatten(1))
    assert names[0] != names[1] and all("Inception" in n for n in names)

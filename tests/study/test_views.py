"""What a study shows of its runs: planted cases, whose answer is known."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tacit
from tacit.data.coding import decode
from tacit.data.dataset import Data
from tacit.runs.run import Run
from tacit.study import views
from tacit.study.result import Shown
from tacit.study.shown import distinct, shown_of
from tacit.study.strange import misplaced


def fitted(method: str, source: Any, tmp_path_factory: pytest.TempPathFactory, **options: Any) -> Run:
    return tacit.fit(method, source, out=tmp_path_factory.mktemp("views") / method, **options)


@pytest.fixture(scope="module")
def pca(digits_data: Data, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fitted("pca", digits_data, tmp_path_factory, latent=6)


@pytest.fixture(scope="module")
def shown(digits_data: Data) -> Shown:
    return shown_of(digits_data)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """400 rows of two kinds, told apart by pay and rent alone."""
    return written(tmp_path_factory.mktemp("people") / "people.csv", rich=20_000)


@pytest.fixture(scope="module")
def unequal(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """The same, but the last one is paid a hundred times as much."""
    return written(tmp_path_factory.mktemp("people") / "people.csv", rich=3_000_000)


def written(path: Path, rich: float) -> Data:
    rng = np.random.default_rng(0)
    lines = ["pay,rent,age,town"]
    for i in range(400):
        base = 20_000 if i % 4 else 60_000
        town = "Rye" if i == 7 else rng.choice(["Bath", "Ely", "York"])
        pay = rich if i == 399 else rng.normal(base, 1_000)
        lines.append(f"{pay:.1f},{rng.normal(base / 50, 20):.1f},{rng.normal(40, 10):.1f},{town}")
    path.write_text("\n".join(lines))
    return tacit.open_data(str(path), labels="none")


# Which samples --------------------------------------------------------------------------------------------------------


def test_shown_samples_are_drawn_from_all_with_their_factors(digits_data: Data) -> None:
    found = shown_of(digits_data, 50, seed=3)
    assert len(found.data) == 50 and found.of == 300 and set(found.factors) == {"brightness", "contrast"}
    assert found.data.ids == shown_of(digits_data, 50, seed=3).data.ids != shown_of(digits_data, 50, seed=4).data.ids
    torch.testing.assert_close(torch.from_numpy(found.factors["brightness"]), found.data.everything().mean((1, 2, 3)))


def test_split_and_class_are_no_factors(digits_data: Data) -> None:
    label = [str(v) for v in digits_data.label.tolist()]  # type: ignore[union-attr]
    half = np.array([f"part{i % 2}/{name}" for i, name in enumerate(label)], object)
    columns = {"split": np.array(["train"] * 300, object), "folder": half, "camera": np.array(["a", "b"] * 150, object)}
    data = dataclasses.replace(digits_data, columns=columns)
    assert set(shown_of(data).factors) == {"brightness", "contrast", "camera"}
    assert "folder" in shown_of(dataclasses.replace(data, label=None)).factors


def test_of_duplicates_only_the_first_is_kept() -> None:
    order, twins = torch.tensor([4, 2, 0, 1, 3]), torch.tensor([5, 6, 5, 7, 8])
    assert distinct(order, twins, 9).tolist() == [4, 2, 1, 3]
    assert distinct(order, twins, 2).tolist() == [4, 2]
    assert distinct(order, None, 3).tolist() == [4, 2, 0]


# Clusters -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Data]:
    """Three clumps on a line, the middle one with a duplicate of each sample, and a k-means of them."""
    rng = np.random.default_rng(4)
    left, right = rng.normal(0, 1, (60, 2)), rng.normal((20, 0), 1, (40, 2))
    middle = np.repeat(rng.normal((9, 0), 1, (50, 2)), 2, axis=0)
    data = tacit.open_data(np.concatenate([left, middle, right]).astype(np.float32))
    twins = torch.cat([torch.arange(60), torch.arange(60, 110).repeat_interleave(2), torch.arange(110, 150)])
    data = dataclasses.replace(data, twins=twins)
    return fitted("kmeans", data, tmp_path_factory, clusters=3), data


def test_cards_are_the_clusters_largest_first(line: tuple[Run, Data]) -> None:
    run, data = line
    found = views.clusters_of("a", run, data, shown_of(data))
    assert found is not None and found.member == "a" and torch.equal(found.groups, run.assign(data))
    assert [c.share for c in found.cards] == [0.5, 0.3, 0.2]
    for card in found.cards:
        x, own = data.x[found.groups == card.number], card.typical.x
        mean = x.mean(0)
        nearest = (x - mean).norm(dim=1).sort().values
        chosen = (own - mean).norm(dim=1)
        assert (chosen.diff() >= 0).all() and len(own) == 12 and float(chosen[0]) == pytest.approx(float(nearest[0]))
        assert len(card.typical.twins.unique()) == 12  # type: ignore[union-attr]
        assert not set(card.typical.ids) & set(card.contrast.ids) and len(card.contrast) == 6
        assert (card.share == 0.5) == (card.apart == ()) and all(one.startswith("x1 ") for one in card.apart)


def test_contrast_lies_at_the_border(line: tuple[Run, Data]) -> None:
    run, data = line
    found = views.clusters_of("a", run, data, shown_of(data))
    assert found is not None
    left = data.x[:60]  # its border is to the right
    card = next(c for c in found.cards if c.share == 0.3)
    assert set(card.contrast.x[:, 0].tolist()) <= set(left[:, 0].sort().values[-9:].tolist())


def test_no_sample_of_a_small_cluster_is_both_typical_and_contrasting(line: tuple[Run, Data]) -> None:
    run, data = line[0], line[1].take(torch.arange(168))  # eight are left on the right
    found = views.clusters_of("a", run, data, shown_of(data))
    assert found is not None
    last = found.cards[-1]
    assert len(last.typical) == 5 and len(last.contrast) == 3
    assert len({*last.typical.ids, *last.contrast.ids}) == 8


def test_a_child_is_described_in_its_parents_latents_and_rows_by_their_columns(
    people: Data, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parent = fitted("pca", people, tmp_path_factory, latent=3)
    run = fitted("kmeans", parent, tmp_path_factory, clusters=2)
    found = views.clusters_of("a", run, people, shown_of(people))
    assert found is not None and [c.share for c in found.cards] == [0.75, 0.25]
    poor, rich = ([one.split(" ", 1) for one in card.apart] for card in found.cards)
    assert {name for name, _ in poor} == {name for name, _ in rich} == {"pay", "rent"}
    pay = decode(people.x, people.spec)["pay"]
    means = [pay[found.groups.numpy() == card.number].mean() for card in found.cards]
    assert dict(rich)["pay"] == f"{means[1]:.0f}, else {means[0]:.0f}"
    z = parent.encode(people)
    at = [z[torch.tensor([people.ids.index(i) for i in card.typical.ids[:1]])] for card in found.cards]
    own = [z[found.groups == card.number] for card in found.cards]
    for first, members in zip(at, own, strict=True):
        assert torch.equal(first[0], members[(members - members.mean(0)).norm(dim=1).argmin()])


def test_samples_in_no_cluster_have_the_last_card(line: tuple[Run, Data], monkeypatch: pytest.MonkeyPatch) -> None:
    run, data = line
    full = run.method.assign

    def assign(x: Tensor) -> Tensor:
        return torch.where(x[:, 0] < 2 + full(x) * 0, -1, full(x))

    monkeypatch.setattr(run.chain.method, "assign", assign)
    found = views.clusters_of("a", run, data, shown_of(data))
    assert found is not None
    last = found.cards[-1]
    assert last.number == -1 and last.share == pytest.approx(float((data.x[:, 0] < 2).float().mean()))
    assert last.contrast.x[0, 0] > 1.0  # nearest to the clump at 9
    monkeypatch.setattr(run.chain.method, "assign", lambda x: torch.full((len(x),), -1))
    alone = views.clusters_of("a", run, data, shown_of(data))
    assert alone is not None and [(c.number, c.share) for c in alone.cards] == [(-1, 1.0)]


# Strangest ------------------------------------------------------------------------------------------------------------


def test_a_patch_is_found_where_it_was_planted(pca: Run, digits_data: Data) -> None:
    x = digits_data.x.clone()
    x[17, :, :3, :3], x[40] = 255, x[17]
    x[40, :, :3, :3] = 255
    twins = torch.arange(300).index_fill_(0, torch.tensor([17, 40]), 17)
    data = dataclasses.replace(digits_data, x=x, twins=twins)
    found = views.strangest_of("a", pca, data, shown_of(data))
    assert found is not None and len(found.samples) == 24 and len(found.reasons) == 24
    assert found.samples.ids[0] == digits_data.ids[17] and digits_data.ids[40] not in found.samples.ids
    assert found.reasons[0].startswith("restored badly at the top left (error 0.")
    assert (found.scores.diff() <= 0).all() and torch.equal(found.all_scores, pca.score(data))
    residual = (found.samples.everything() - pca.reconstruct(found.samples).clamp(0, 1)).abs()
    assert found.residuals is not None and found.residuals.max() == 1
    torch.testing.assert_close(found.residuals, residual / residual.max())


def test_errors_are_placed_against_what_is_usual_there() -> None:
    usual = torch.rand(50, 9, 9, generator=torch.Generator().manual_seed(0)) * 0.1
    usual[:, :3, 6:] += 0.5  # every sample fails here
    right, spread, fine = usual.median(0).values.clone(), usual.median(0).values + 0.3, usual.median(0).values
    right[3:6, 6:] += 0.4
    found = misplaced(torch.stack([right, spread, fine]), usual)
    assert found[0] == "restored badly at the right (error 0.45, usually 0.05)"
    assert found[1].startswith("restored badly all over (error 0.4") and found[2] == ""


def test_without_reconstructions_rows_and_images_say_what_is_rare(
    unequal: Data, digits_data: Data, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = fitted("kmeans", unequal, tmp_path_factory, clusters=2)
    run.score = lambda x=None: x.x[:, 0]  # type: ignore[method-assign]
    found = views.strangest_of("a", run, unequal, shown_of(unequal))
    assert found is not None and found.residuals is None and found.samples.ids[0] == unequal.ids[399]
    assert found.reasons[0].startswith("pay 3000000, usually ") and found.reasons[23] == "no value is rare by itself"
    x = digits_data.x.clone()
    x[5], x[6, :, 6:, 6:] = 255, 255
    images = dataclasses.replace(digits_data, x=x)
    run = fitted("kmeans", images, tmp_path_factory, clusters=2)
    found = views.strangest_of("a", run, images, shown_of(images))
    assert found is not None
    why = dict(zip(found.samples.ids, found.reasons, strict=True))
    assert why[images.ids[5]].split("; ")[0] == "brighter than 99.6 % of samples"
    assert why[images.ids[6]] == "brighter at the bottom right than 99.3 % of samples"


def test_rows_say_what_was_expected(unequal: Data, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = fitted("pca", unequal, tmp_path_factory, latent=2)
    pay, town = unequal.spec.columns[0], unequal.spec.columns[3]
    usual = unequal.x.median(0).values[pay.start]

    def reconstruct(data: Data) -> Tensor:  # right but for the pay, and for the town and a trifle of age in Rye
        x = data.everything()
        x[:, pay.start] = usual
        rye = x[:, town.start + town.levels.index("Rye")] == 1
        x[rye, 2] += 0.4
        x[rye, town.start : town.start + town.width] = torch.tensor([float(v == "Ely") for v in town.levels])
        return x

    run.reconstruct = reconstruct  # type: ignore[method-assign, assignment]
    run.score = lambda x=None: x.x[:, 0] + 9 * (torch.tensor([i == unequal.ids[7] for i in x.ids]))  # type: ignore
    found = views.strangest_of("a", run, unequal, shown_of(unequal))
    assert found is not None and found.samples.ids[:2] == [unequal.ids[399], unequal.ids[7]]
    was = float(usual) * pay.scale + pay.mean
    assert found.reasons[:2] == (f"pay 3000000, expected {was:.0f}", "town Rye, expected Ely")


# Restored, made, walked -----------------------------------------------------------------------------------------------


def test_all_runs_restore_the_same_held_out_samples(
    pca: Run, digits_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pca, "reconstruct", lambda data: 3 * data.everything() - 1)
    found = views.restorations_of([("a", pca), ("b", pca)], digits_data)
    assert found is not None and len(found.samples) == 12 and bool(found.samples.held_out.all())
    assert [r.member for r in found.restored] == ["a", "b"]
    for restored in found.restored:
        assert torch.equal(restored.x, (3 * found.samples.everything() - 1).clamp(0, 1))
    assert views.restorations_of([], digits_data) is None


def test_what_memorises_is_copied_and_what_is_new_is_not(
    pca: Run, digits_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = digits_data.take(digits_data.training)
    some = torch.randperm(len(train), generator=torch.Generator().manual_seed(1))[:24]
    monkeypatch.setattr(pca, "sample", lambda n, seed: train.everything()[some] + 1e-4)
    found = views.generated_of("a", pca, digits_data, shown_of(digits_data))
    assert found is not None and bool(found.copied.all()) and found.space == "pixels at 8 x 8"
    assert found.nearest.ids == [train.ids[i] for i in some.tolist()]
    assert found.x.max() <= 1
    held = digits_data.take(digits_data.testing).everything()
    monkeypatch.setattr(pca, "sample", lambda n, seed: held[:n])
    found = views.generated_of("a", pca, digits_data, shown_of(digits_data))
    assert found is not None and int(found.copied.sum()) <= 1
    whole = dataclasses.replace(digits_data, held_out=torch.zeros(300, dtype=torch.bool))
    found = views.generated_of("a", pca, whole, shown_of(digits_data))  # now these are training samples
    assert found is not None and bool(found.copied.all())
    monkeypatch.setattr(pca, "sample", lambda n, seed: held[:n] * torch.nan)
    assert views.generated_of("a", pca, digits_data, shown_of(digits_data)) is None


def test_rows_are_compared_by_their_values(people: Data, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = fitted("pca", people, tmp_path_factory, latent=2)
    found = views.generated_of("a", run, people, shown_of(people))
    assert found is not None and found.space == "the values of all columns"
    train = people.x[people.training]
    index = torch.cdist(found.x.double(), train.double()).argmin(1)
    assert torch.equal(found.nearest.x, train[index])


def test_walks_follow_the_axes_of_the_latents_through_their_mean(pca: Run, digits_data: Data, shown: Shown) -> None:
    axes, between = views.traversals_of("a", pca, digits_data, shown)
    z = pca.encode(shown.data)
    assert [name.split(" (")[0] for name, _ in axes.rows] == [f"axis {i}" for i in range(1, 7)]
    middle = pca.decode(z.mean(0, keepdim=True)).clamp(0, 1)[0]
    spread, direction = torch.linalg.eigh(torch.cov(z.T, correction=0).double())
    for i, (name, x) in enumerate(axes.rows):
        assert x.shape == (9, 1, 8, 8) and x.min() >= 0 and x.max() <= 1
        torch.testing.assert_close(x[4], middle, atol=1e-5, rtol=0)
        step = 2.5 * spread[-1 - i].sqrt() * direction[:, -1 - i]
        ends = pca.decode(torch.stack([z.mean(0) - step, z.mean(0) + step])).clamp(0, 1)
        same = (x[[0, 8]] - ends).abs().max() < 1e-4 or (x[[8, 0]] - ends).abs().max() < 1e-4
        assert same and (x[0] - x[8]).abs().max() > 0.2
        assert f"({100 * float(spread[-1 - i] / spread.sum()):.0f} % of" in name
    assert len(between.rows) == 4 and "straight" in between.about
    held = pca.reconstruct(digits_data.take(digits_data.testing)).clamp(0, 1)
    for _, x in between.rows:
        for end in (x[0], x[-1]):
            assert (held - end).abs().amax((1, 2, 3)).min() < 1e-5
        assert (x[0] - x[-1]).abs().max() > 0.1


# Map, curve, labels ---------------------------------------------------------------------------------------------------


def test_maps_and_curves(pca: Run, digits_data: Data, shown: Shown) -> None:
    found = views.map_of("a", pca, digits_data, shown)
    assert found is not None and torch.equal(found.places, pca.embed(shown.data)) and found.warning == ""
    assert views.curve_of("a", pca, digits_data, shown) is None
    lines = [{"step": i, "model/loss": 1 / i} for i in (1, 2)]
    (pca.path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    curve = views.curve_of("a", pca, digits_data, shown)
    assert curve is not None and list(curve.lines) == lines and curve.trend == ""


def test_what_a_run_cannot_do_has_no_view(
    line: tuple[Run, Data], pca: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run, data = line
    shown = shown_of(data)
    for view in (views.map_of, views.generated_of, views.curve_of):
        assert view("a", run, data, shown, 0) is None
    assert views.traversals_of("a", run, data, shown) == ()
    assert views.restorations_of([("a", run)], data) is None
    assert views.clusters_of("a", pca, data, shown) is None
    groups = fitted("hdbscan", data, tmp_path_factory)
    assert views.strangest_of("a", groups, data, shown) is None


def test_samples_to_label_come_from_every_clump_and_once(line: tuple[Run, Data], pca: Run, digits_data: Data) -> None:
    data = line[1]
    first = views.to_label_of(None, data, shown_of(data), count=3)
    assert {int(i) // 60 if int(i) < 60 else 1 + (int(i) >= 160) for i in first.ids} == {0, 1, 2}
    every = views.to_label_of(line[0], data, shown_of(data), count=500)
    assert len(every) == 150 == len(every.twins.unique())  # type: ignore[union-attr]
    by_latents = views.to_label_of(pca, digits_data, shown_of(digits_data))
    assert len(by_latents) == 20 and by_latents.ids != views.to_label_of(None, digits_data, shown_of(digits_data)).ids

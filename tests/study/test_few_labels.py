"""The few-labels curve: its panel, its draws, its figures, what it keeps, and its errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scipy.stats
import torch

import tacit
from tacit.catalog import CATALOG
from tacit.data.dataset import Data
from tacit.errors import DataError, Interrupted, OptionError, RunError
from tacit.evaluation.probing import Features, linear_probe, standardised
from tacit.study import few_labels as measuring
from tacit.study.few_labels import FILE, PICTURE, FewLabels, few_labels, interval
from tacit.study.few_labels_panel import Member, panel, usual

QUICK = {"steps": 3, "net": "mlp", "width": 8}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, digits_data: Data) -> FewLabels:
    """Few steps of few members."""
    return few_labels(digits_data, counts=(20, 40), methods={"ae": {}, "pca": {}, "classifier": {}, "m2 on ae": {}},
                      repeats=2, shared=QUICK, out=tmp_path_factory.mktemp("few"))


def test_every_member_has_every_draw(done: FewLabels) -> None:
    kinds = {m.title: m.kind for m in done.members}
    assert kinds == {"pixels": "data", "random net": "untrained", "ae": "pre-trained", "pca": "pre-trained",
                     "classifier": "labels", "m2 on ae": "labels"}
    assert list(done.accuracies) == list(kinds)
    assert all(list(known) == [20, 40] and all(len(a) == 2 for a in known.values())
               for known in done.accuracies.values())
    assert {p.name for p in done.folder.iterdir()} == {FILE, PICTURE, "ae", "pca"}  # runs from labels are not kept
    assert tacit.load(done.folder / "ae").record.training["steps"] == 3


def test_a_probe_sees_the_chosen_labels_only(done: FewLabels, digits_data: Data) -> None:
    data = digits_data
    assert data.label is not None
    x, train, test = data.everything().flatten(1), data.training, data.testing
    features = standardised(Features(x[train], data.label[train], x[test], data.label[test]))
    label = measuring.few(data.label, data.held_out, data.ids, 20, 1)[0][train]
    some = (label >= 0).nonzero().flatten()
    assert label[some].bincount().tolist() == [2] * 10
    guessed = linear_probe(features.train[some], label[some], features.test)
    expected = (guessed == features.test_label).double().mean().item()
    assert done.accuracies["pixels"][20][1] == pytest.approx(expected)


def test_members_that_learn_from_labels_see_no_others(
    tmp_path: Path, digits_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = measuring.fit

    def spy(method, source, **options):
        label = (source.data() if isinstance(source, tacit.Run) else source).label
        seen.append((method, label.clone(), options["seed"]))
        return original(method, source, **options)

    monkeypatch.setattr(measuring, "fit", spy)
    few_labels(digits_data, counts=(20,), methods={"ae": {}, "classifier": {}, "m2 on ae": {}}, repeats=2, shared=QUICK,
               out=tmp_path / "few", seed=5)
    taught = [s for s in seen if s[0] != "ae"]
    assert [s[0] for s in taught] == ["classifier", "m2"] * 2
    for i in (0, 2):  # the same labels for both, 2 of each class, others with the next draw
        label = taught[i][1][digits_data.training]
        assert label[label >= 0].bincount().tolist() == [2] * 10
        assert torch.equal(taught[i][1], taught[i + 1][1]) and taught[i][2] == 5 + i // 2
    assert not torch.equal(taught[0][1], taught[2][1])


def test_what_is_there_is_not_measured_again(done: FewLabels, digits_data: Data, monkeypatch: pytest.MonkeyPatch
                                             ) -> None:
    def never(*_, **__):
        raise AssertionError("fitted again")

    titles = {"ae": {}, "pca": {}, "classifier": {}, "m2 on ae": {}}
    with monkeypatch.context() as patched:
        patched.setattr(measuring, "fit", never)
        again = few_labels(digits_data, counts=(20, 40), methods=titles, repeats=2, shared=QUICK, out=done.folder)
        assert again.accuracies == done.accuracies
        fewer = few_labels(digits_data, counts=(40,), methods={"ae": {}}, repeats=1, shared=QUICK, out=done.folder)
        assert {t: list(k) for t, k in fewer.accuracies.items()} == {"pixels": [40], "random net": [40], "ae": [40]}
    for options, what in (({"seed": 1}, "seed"), ({"shared": QUICK | {"steps": 4}}, "options of ")):
        with pytest.raises(RunError, match=f"other {what}"):
            few_labels(digits_data, counts=(20,), **{"methods": titles, "shared": QUICK, "out": done.folder} | options)


def test_an_interruption_keeps_what_was_found(tmp_path: Path, digits_data: Data, monkeypatch: pytest.MonkeyPatch
                                              ) -> None:
    original = measuring.fit

    def stops(method, source, **options):
        if options["seed"] == 1:
            raise Interrupted("interrupted")
        return original(method, source, **options)

    asked = {"counts": (20,), "methods": {"classifier": {}}, "repeats": 2, "shared": QUICK, "out": tmp_path / "few"}
    with monkeypatch.context() as patched:
        patched.setattr(measuring, "fit", stops)
        found = few_labels(digits_data, **asked)
    assert found.stopped and len(found.accuracies["classifier"][20]) == 1
    kept = json.loads((tmp_path / "few" / FILE).read_text())["accuracies"]
    assert len(kept["classifier"]["20"]) == 1 and (tmp_path / "few" / PICTURE).is_file()
    whole = few_labels(digits_data, **asked)
    assert not whole.stopped and whole.accuracies["classifier"][20][0] == kept["classifier"]["20"][0]
    assert len(whole.accuracies["classifier"][20]) == 2


def test_the_usual_panel_comes_from_the_catalogue(digits_data: Data) -> None:
    able = {r.name for r in CATALOG if "image" in r.accepts}
    members = panel(digits_data.spec, usual("image"), {"net": "mlp", "width": 8})
    assert {m.method for m in members} - {""} <= able
    assert {"data", "untrained", "pre-trained", "labels"} == {m.kind for m in members}
    assert any(m.on and m.kind == "labels" for m in members)
    assert all("net" not in m.options for m in members if m.on and m.kind == "labels")


def test_intervals_are_students() -> None:
    draws = [0.5, 0.6, 0.55, 0.52]
    low, high = scipy.stats.t.interval(0.95, 3, loc=sum(draws) / 4, scale=scipy.stats.sem(draws))
    assert interval(draws) == pytest.approx((low, high))
    assert interval([0.7]) == (0.7, 0.7)
    assert interval([0.1, 0.9]) == (0.0, 1.0) and interval([-0.5, 0.5], -1.0)[0] == -1.0


def test_gains_are_paired_over_draws(tmp_path: Path) -> None:
    members = (Member("pixels", "data"), Member("vae", "pre-trained", "vae"), Member("m2", "labels", "m2"),
               Member("classifier", "labels", "classifier"))
    found = FewLabels(tmp_path, members, {
        "pixels": {10: [0.9, 0.9]}, "vae": {10: [0.2, 0.3]}, "m2": {10: [0.61, 0.72]}, "classifier": {10: [0.5, 0.6]},
    })
    (gain,) = found.gains()
    assert (gain.labels, gain.best, gain.reference) == (10, "m2", "classifier")
    assert gain.mean == pytest.approx(0.115) and gain.ends == pytest.approx(interval([0.11, 0.12], -1.0, among=2))


def test_errors(tmp_path: Path, digits_data: Data) -> None:
    def ask(source=digits_data, **options):
        few_labels(source, **{"counts": (20,), "methods": {"classifier": {}}, "out": tmp_path / "few"} | options)

    with pytest.raises(DataError, match="--labels names them"):
        ask("digits", labels="none")
    with pytest.raises(OptionError, match="no more than the 270"):
        ask(counts=(20, 1000))
    with pytest.raises(OptionError, match="each of 10 classes"):
        ask(counts=(5,))
    with pytest.raises(OptionError, match="Did you mean 'vae'"):
        ask(methods={"vea": {}})
    with pytest.raises(OptionError, match="neither encodes"):
        ask(methods={"ddpm": {}})
    with pytest.raises(OptionError, match="add it to --methods"):
        ask(methods={"m2 on vae": {}})
    with pytest.raises(DataError, match="no labelled held-out"):
        ask("digits", split="0")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("mine")
    with pytest.raises(RunError, match="other files"):
        ask(out=tmp_path / "other")
    assert not (tmp_path / "few").exists()

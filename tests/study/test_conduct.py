"""A study from its data to its report's content: budget, failures, interruptions, going on."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import tacit
from tacit.data.open import open_source
from tacit.data.options import ReadOptions
from tacit.errors import DataError, Interrupted, OptionError, RunError
from tacit.evaluation import counting
from tacit.study import beginning
from tacit.study import conduct as conducting
from tacit.study.beginning import place_of
from tacit.study.conduct import Study, conduct
from tacit.study.journal import Journal
from tacit.study.panel import Plan

THREE = ["pca", "kmeans", "isolation-forest"]
QUICK = {"limit": 120, "labels": "none", "minutes": 10}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Counts clusters from fewer draws than a verdict needs."""
    for name in ("SPLITS", "SETS", "AGAIN"):
        monkeypatch.setattr(counting, name, 2)
    monkeypatch.setattr(conducting, "COUNTS", (2, 5))


@pytest.fixture
def done(tmp_path: Path):
    """A study of three quick methods."""
    return conduct("digits", methods=THREE, out=tmp_path / "study", **QUICK)


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """Few points in few dimensions, for what does not depend on what the data are."""
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    return tmp_path / "points.npy"


def states(folder: Path) -> list[str]:
    return [m["state"] for m in json.loads((folder / "study.json").read_text())["members"]]


def test_every_member_is_an_ordinary_run(done):
    assert [m.title for m in done.members] == ["pca", "kmeans on pca", "isolation-forest on pca"]
    assert done.finished and states(done.folder) == ["done"] * 3
    for member in done.members:
        run = tacit.load(done.folder / member.name)
        assert run.title == member.title
        assert (run.path / "evaluation.json").is_file()
        assert member.command.startswith(f"tacit fit {run.method_name} ") and member.seconds > 0


def test_every_verdict_rests_on_figures_that_were_measured(done):
    assert done.verdicts
    for verdict in done.verdicts:
        assert verdict.evidence and verdict.because
        for evidence in verdict.evidence:
            assert evidence.measure in done.member(evidence.member).evaluation.measures
        assert verdict.answer in {"", *(m.name for m in done.members)}


def test_samples_are_told_one_by_one(done):
    data = open_source("digits", ReadOptions(limit=120, labels="none"))
    with open(done.folder / "samples.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["id"] for r in rows] == list(data.ids)
    runs = {m.name: tacit.load(done.folder / m.name) for m in done.members}
    groups = runs[done.clusters[0].member].assign(data).tolist()
    assert [int(r["cluster"]) for r in rows] == groups
    places = runs[done.maps[0].member].embed(data)
    np.testing.assert_allclose([float(r["map_x"]) for r in rows], places[:, 0], rtol=1e-4, atol=1e-5)
    ranked = sorted((int(r["label_rank"]), r["id"]) for r in rows if r["label_rank"])
    assert [name for _, name in ranked] == list(done.to_label.ids) and len(ranked) == 20
    assert {r["split"] for r in rows} == {"training", "held-out"}


def test_duplicates_name_one_another(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    x[[10, 20, 30]] = x[0]
    conduct(x, methods=["pca"], out=tmp_path / "study")
    with open(tmp_path / "study" / "samples.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    twins = {int(r["id"]): r["duplicate_of"] for r in rows if r["duplicate_of"]}
    assert set(twins) == {0, 10, 20, 30}
    assert int(twins[0]) == 10 and {int(twins[i]) for i in (10, 20, 30)} == {0}


def test_a_method_that_fails_is_a_row_that_says_why(tmp_path, monkeypatch, points):
    def broken(method, *args, **options):
        if method == "kmeans":
            raise ZeroDivisionError("planted")
        return fit(method, *args, **options)

    fit = conducting.fit
    monkeypatch.setattr(conducting, "fit", broken)
    found = conduct(points, methods=THREE, out=tmp_path / "study")
    assert [m.state for m in found.members] == ["done", "failed", "done"]
    assert "planted" in found.members[1].reason and found.finished


def interrupting(monkeypatch, *, final: bool = False):
    """Interrupts the second member once."""
    fit, once = conducting.fit, [True]

    def interrupted(method, *args, **options):
        if method == "kmeans" and once:
            once.clear()
            raise Interrupted("planted", final=final)
        return fit(method, *args, **options)

    monkeypatch.setattr(conducting, "fit", interrupted)


def test_one_interruption_goes_on_to_the_next_method(tmp_path, monkeypatch, points):
    interrupting(monkeypatch)
    found = conduct(points, methods=THREE, out=tmp_path / "study")
    assert [m.state for m in found.members] == ["done", "interrupted", "done"]
    assert not found.finished


def test_two_interruptions_end_it_and_it_goes_on_later(tmp_path, monkeypatch, points):
    interrupting(monkeypatch, final=True)
    folder = tmp_path / "study"
    found = conduct(points, methods=THREE, out=folder)
    assert [m.state for m in found.members] == ["done", "interrupted", "waiting"]
    before = (folder / "01-pca" / "config.yaml").stat().st_mtime_ns
    again = conduct(folder, resume=True)
    assert states(folder) == ["done"] * 3 and again.finished
    assert (folder / "01-pca" / "config.yaml").stat().st_mtime_ns == before, "what is done is not done again"
    assert again.seconds > found.seconds
    assert {v.member for v in again.strangest} >= {"01-pca", "03-isolation-forest"}


def test_a_signal_between_methods_is_no_traceback(tmp_path, points):
    said = []

    def publish(result):
        if not said:
            said.append(result)
            signal.raise_signal(signal.SIGINT)

    found = conduct(points, methods=["pca", "kmeans"], out=tmp_path / "study", publish=publish)
    assert [m.state for m in found.members] == ["done", "done"], "the fit was there; its look was cut short"


def test_methods_are_added_to_a_study_that_is_finished(done):
    again = conduct(done.folder, add=["lof"])
    assert [m.title for m in again.members][-1] == "lof on pca" and again.finished
    assert (done.folder / "04-lof" / "config.yaml").is_file()


def test_without_time_members_wait_and_say_so(tmp_path, points):
    found = conduct(points, methods=["pca", "vae", "gan"], out=tmp_path / "study", minutes=0.051)
    assert [m.state for m in found.members[1:]] == ["waiting", "waiting"]
    assert "--resume" in found.members[1].reason and not found.finished


def test_what_stands_on_the_best_representation_is_left_out_where_it_stands_already(tmp_path, points, monkeypatch):
    plans = [Plan("pca", "first look"), Plan("kmeans", "clusters", "first look"),
             Plan("kmeans", "clusters", "best representation")]
    found = study_of(tmp_path / "none", open_source(points), plans).go(3)
    assert [m.state for m in found.members] == ["done", "done", "left out"]
    assert "surely better than the data" in found.members[2].reason
    monkeypatch.setattr(conducting, "chosen_representation", lambda members: "01-pca")
    found = study_of(tmp_path / "pca", open_source(points), plans).go(3)
    assert [m.state for m in found.members] == ["done", "done", "left out"]
    assert "02-kmeans stands on it already" in found.members[2].reason


def test_what_cannot_be_measured_is_done_and_says_why(tmp_path, points):
    found = conduct(points, methods=["pca", "isolation-forest"], out=tmp_path / "study", split="0")
    assert [m.state for m in found.members] == ["done", "done"] and not found.verdicts
    assert "held-out" in found.members[0].reason


def test_what_failed_gets_another_chance(tmp_path, points, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(conducting, "fit", broken)
        assert [m.state for m in conduct(points, methods=["pca"], out=tmp_path / "study").members] == ["failed"]
    assert [m.state for m in conduct(tmp_path / "study", resume=True).members] == ["done"]


def test_a_run_that_is_finished_is_not_fitted_again(tmp_path, points, monkeypatch):
    folder = conduct(points, methods=["pca"], out=tmp_path / "study").folder
    plain = json.loads((folder / "study.json").read_text())
    plain["members"][0]["state"] = "interrupted"  # while its pictures were drawn
    (folder / "study.json").write_text(json.dumps(plain))
    monkeypatch.setattr(conducting, "fit", lambda *_, **__: pytest.fail("it was fitted again"))
    assert [m.state for m in conduct(folder, resume=True).members] == ["done"]


@pytest.mark.parametrize("final", [False, True])
def test_an_interruption_while_measuring_is_heard(tmp_path, points, monkeypatch, final):
    measured, once = conducting.evaluate, [True]

    def interrupted(run, **options):
        if once:
            once.clear()
            raise Interrupted("planted", final=final)
        return measured(run, **options)

    monkeypatch.setattr(conducting, "evaluate", interrupted)
    found = conduct(points, methods=["pca", "isolation-forest"], out=tmp_path / "study")
    assert [m.state for m in found.members] == ["done", "waiting" if final else "done"] and found.stopped is final
    again = conduct(tmp_path / "study", resume=True)
    assert all(m.evaluation is not None and m.evaluation.measures for m in again.members)


def test_samples_are_measured_again_in_better_features_and_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(conducting, "judge", lambda members, makers: "02-ica" if len(members[1:]) and any(
        m.name == "02-ica" and m.evaluation for m in members) else None)
    found = conduct("digits", methods=["pca", "ica"], out=tmp_path / "study", **QUICK | {"limit": 400})
    measures = found.members[0].evaluation.measures
    assert len({(m.key, m.protocol) for m in measures}) == len(measures), "no measure twice"
    spaces = {m.space for m in measures if m.name == "Frechet distance"}
    assert len(spaces) == 1 and spaces.pop().startswith("encode of 02-ica")
    assert {m.question for m in measures} >= {"maps", "anomaly", "reconstruction"}, "the other answers stay"


def test_a_planted_shortcut_is_called_out(tmp_path):
    x = open_source("digits", ReadOptions(limit=400)).x.numpy()
    dark = (x * np.random.default_rng(0).uniform(0.2, 1, (400, 1, 1, 1))).astype(np.uint8)
    warnings = [conduct(images, methods=["pca"], out=tmp_path / name).maps[0].warning
                for images, name in ((x, "plain"), (dark, "dark"))]
    assert "mostly brightness" in warnings[1] and "mostly" not in warnings[0]


def test_a_study_of_another_source_does_not_go_on_here(tmp_path, points):
    conduct(points, methods=["pca"], out=tmp_path / "study")
    np.save(tmp_path / "others.npy", np.zeros((9, 3)))
    with pytest.raises(RunError, match="is a study of"):
        conduct(tmp_path / "others.npy", add=["lof"], out=tmp_path / "study")


def test_a_study_never_replaces_its_own_source(tmp_path, points):
    folder = conduct(points, methods=["pca"], out=tmp_path / "study").folder
    for source in (folder, folder / "samples.csv"):
        with pytest.raises(RunError, match="own folder"):
            conduct(source, methods=["pca"], out=folder, overwrite=True)
    assert states(folder) == ["done"]


def test_a_study_that_goes_on_gets_as_many_minutes_again(tmp_path, points):
    folder = conduct(points, methods=["pca"], minutes=2, out=tmp_path / "study").folder
    assert conduct(folder, add=["lof"]).minutes == 4
    assert conduct(folder, resume=True, minutes=1).minutes == 5


def study_of(folder: Path, data, plans) -> Study:
    members = tuple(beginning.member(i, plan) for i, plan in enumerate(plans, 1))
    journal = Journal(data.source, data.options, data.fingerprint, 0.5, 0, "", tuple(plans), members)
    return Study(folder, data, journal, 0.5, lambda _: None, lambda _: None)


def test_time_is_shared_by_what_trains_and_left_for_what_does_not(tmp_path, points):
    data = open_source(points)
    study = study_of(tmp_path, data, [Plan("vae", "latent variables", "", 2), Plan("simclr", "self-supervision", "", 4),
                                      Plan("tsne", "map")])
    study.overheads = [1.0]
    vae, simclr = study.minutes(0), study.minutes(1)
    assert vae == pytest.approx((30 - 3) / 60 * 2 / 6, rel=0.05)
    assert simclr == pytest.approx((30 - 2) / 60, rel=0.05), "what is not used is there for those that follow"


@pytest.mark.parametrize(("options", "error", "words"), [
    ({"methods": ["vea"]}, OptionError, "Did you mean 'vae'"),
    ({"minutes": 0}, OptionError, "above 0"),
    ({"methods": ["probe"]}, OptionError, "learns from label"),
    ({"resume": True}, RunError, "holds no study"),
    ({"columns": ("a:number",)}, OptionError, "columns"),
])
def test_bad_input_is_said_at_once(tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        conduct("digits", out=tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


def test_nothing_is_overwritten_in_silence(tmp_path, points):
    folder = conduct(points, methods=["pca"], out=tmp_path / "study").folder
    with pytest.raises(RunError, match="--resume"):
        conduct(points, methods=["pca"], out=folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(RunError, match="no study"):
        conduct(points, methods=["pca"], out=tmp_path / "mine", overwrite=True)
    conduct(points, methods=["lof"], out=folder, overwrite=True)
    assert states(folder) == ["done"] and not (folder / "01-pca").exists()


def test_data_that_have_changed_end_it(tmp_path, points):
    conduct(points, methods=["pca"], out=tmp_path / "study")
    np.save(points, np.random.default_rng(1).normal(size=(200, 3)))
    with pytest.raises(DataError, match="has changed"):
        conduct(tmp_path / "study", add=["kmeans"])


def test_a_run_is_no_source(tmp_path, points):
    run = tacit.fit("pca", points, out=tmp_path / "run")
    with pytest.raises(OptionError, match="tacit fit umap"):
        conduct(run.path)


def test_places_are_named_after_their_source(tmp_path):
    assert place_of("digits", None) == Path("runs/study-digits")
    assert place_of("photos/cats.tar", None) == Path("runs/study-cats")
    assert place_of("digits", tmp_path) == tmp_path


def test_the_same_seed_finds_the_same(tmp_path, points):
    first, second = (conduct(points, methods=["pca", "kmeans"], out=tmp_path / name) for name in "ab")
    for a, b in zip(first.members, second.members, strict=True):
        assert [m.value for m in a.evaluation.measures] == [m.value for m in b.evaluation.measures]
    assert torch.equal(first.maps[0].places, second.maps[0].places)

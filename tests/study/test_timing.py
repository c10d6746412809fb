"""How long methods take: the arithmetic on clocks that are known, and a look at real ones."""

import pytest
import torch

import tacit
from tacit.catalog import CATALOG, row
from tacit.study import timing
from tacit.study.timing import Timing, applicable, lasting, seconds_per_epoch, timings


@pytest.fixture(scope="module")
def vectors():
    return tacit.open_data((torch.rand(5_000, 6, generator=torch.Generator().manual_seed(0)), torch.arange(5_000) % 3))


def test_only_what_takes_the_data_and_finds_what_it_needs_applies(vectors, digits_data):
    names = {r.name for r in applicable(vectors)}
    assert names == {r.name for r in CATALOG if "vector" in r.accepts}
    unlabelled = tacit.open_data(vectors.x)
    assert names - {r.name for r in applicable(unlabelled)} == {
        r.name for r in CATALOG if "vector" in r.accepts and "label" in r.needs
    }
    assert {r.name for r in applicable(digits_data)} == {
        r.name for r in CATALOG if "image" in r.accepts and not {"pair", "target"} & set(r.needs)
    }


def test_an_epoch_is_the_time_of_its_samples(vectors, monkeypatch):
    monkeypatch.setattr(timing.Trial, "seconds", lambda self, size: 0.001 * size)
    found = seconds_per_epoch("vae", vectors)
    assert found.unit == "epoch" and found.seconds == pytest.approx(0.001 * len(vectors.training))
    recipe = tacit.catalog.method_class("vae")(vectors.spec).recipe()
    assert found.whole == pytest.approx(0.001 * recipe.batch * recipe.steps)


@pytest.mark.parametrize(("each", "steps"), [(0.4, 2), (2.0, 1)])
def test_a_slow_method_is_tried_on_a_part_of_a_batch_and_said(vectors, monkeypatch, each, steps):
    sizes = []

    def seconds(self, size):
        sizes.append(size)
        return each * size

    monkeypatch.setattr(timing.Trial, "seconds", seconds)
    found = seconds_per_epoch("vae", vectors)
    assert sizes == [4] * steps
    assert found.seconds == pytest.approx(each * len(vectors.training)) and "of 4 samples, scaled to" in found.about


def test_the_first_step_does_not_count(vectors, monkeypatch):
    took = iter([0.9])
    monkeypatch.setattr(timing.Trial, "seconds", lambda self, size: next(took, 1e-4 * size))
    assert seconds_per_epoch("vae", vectors).seconds == pytest.approx(1e-4 * len(vectors.training))


def clock(fixed, each, asked):
    def seconds(name, data, size):
        if data.spec.shape == (6,):  # not the fit that only imports
            asked.append(size)
        return fixed + each * size

    return seconds


def test_a_fit_goes_on_along_a_line(vectors, monkeypatch):
    asked = []
    monkeypatch.setattr(timing, "_fit_seconds", clock(0.9, 0.001, asked))
    found = seconds_per_epoch("pca", vectors, limit=0.0)
    rows = len(vectors.training)
    assert asked == [200, 400] and found.unit == "fit"
    assert found.seconds == found.whole == pytest.approx(0.9 + 0.001 * rows)
    assert found.about == f"timed on 200 and 400 rows, and on along a line to {rows:,}"


def test_a_quick_fit_is_timed_on_all_rows(vectors, monkeypatch):
    asked = []
    monkeypatch.setattr(timing, "_fit_seconds", clock(0, 1e-6, asked))
    found = seconds_per_epoch("pca", vectors)
    rows = len(vectors.training)
    assert asked == [200, 400, 800, 1_600, 3_200, rows] and found.about == f"timed on all {rows:,} rows"


def test_landmarks_cap_the_rows(monkeypatch):
    data = tacit.open_data(torch.rand(30_000, 6, generator=torch.Generator().manual_seed(0)))
    monkeypatch.setattr(timing, "_fit_seconds", clock(0, 0.001, []))
    found = seconds_per_epoch("lof", data, limit=0.0)
    assert found.seconds == pytest.approx(10.0) and found.about.endswith("of which it takes 10,000")


def test_noise_never_makes_more_rows_cheaper():
    assert timing._along([(200, 3.0), (400, 2.0)], 10_000) == 2.0


def test_what_cannot_be_built_says_why():
    data = tacit.open_data(torch.randn(300, 4, generator=torch.Generator().manual_seed(0)))
    found = seconds_per_epoch("nmf", data)
    assert found.seconds is None and found.whole is None and "NMF" in found.about
    assert found.epochs_in(5) is None


@pytest.mark.parametrize("name", ["kmeans", "vae", "dcgan", "classifier"])
def test_real_clocks_leave_no_trace(name, digits_data):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = seconds_per_epoch(name, digits_data, limit=0.1)
    assert torch.equal(torch.get_rng_state(), before)
    assert found.method == name and found.unit == ("fit" if row(name).kind == "fitted" else "epoch")
    assert found.seconds is not None and found.whole is not None and 0 < found.seconds <= found.whole
    assert found.epochs_in(1) == pytest.approx(60 / found.seconds)


def test_each_method_is_told_as_soon_as_it_is_known(vectors, monkeypatch):
    monkeypatch.setattr(timing, "seconds_per_epoch", lambda name, data, limit: Timing(name, limit, "fit", ""))
    found = timings(vectors, limit=0.5)
    assert next(found).seconds == 0.5
    assert [t.method for t in timings(vectors)] == [r.name for r in applicable(vectors)]


def test_times_read_well():
    assert [lasting(s) for s in (0.0, 9.94, 9.96, 99, 101, 6_100)] == ["under 0.1 s", "9.9 s", "10 s", "99 s",
                                                                       "1.7 min", "1.7 h"]

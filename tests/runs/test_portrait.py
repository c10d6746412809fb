import numpy as np
import pytest
import torch
from PIL import Image

import tacit


@pytest.mark.parametrize(("method", "source", "drawn"), [
    ("kmeans", "moons", {"clusters", "scores"}),
    ("kmeans", "digits", {"clusters", "strangest"}),
    ("gmm", "moons", {"clusters", "samples", "scores"}),
    ("nmf", "digits", {"parts", "reconstructions", "traversals", "units"}),
    ("ica", "digits", {"sources", "reconstructions", "traversals", "units"}),
    ("ica", "moons", set()),
])
def test_each_capability_has_its_picture(method, source, drawn):
    run = tacit.fit(method, source)
    found = {path.stem for path in (run.path / "pictures").glob("*.png")}
    assert found == drawn
    for path in (run.path / "pictures").glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 60 and np.asarray(image.convert("L")).std() > 2, f"{path.name} is blank"


def test_features_that_were_watched_stand_among_the_curves(digits_data):
    run = tacit.fit("simclr", digits_data, steps=12, batch=32, width=4, log_steps=2)
    from tacit.runs.log import read_lines

    assert [line["step"] for line in read_lines(run.path / "health.jsonl")] == [10]
    assert (run.path / "pictures" / "curves.png").is_file()


def test_samples_stand_beside_their_nearest(little_digits):
    run = tacit.fit("gan", little_digits, steps=3, batch=16, width=8, net="mlp")
    assert {"samples.png", "nearest.png"} <= {path.name for path in (run.path / "pictures").iterdir()}


def test_figures_in_rows_stand_in_rows(digits_data, tmp_path, monkeypatch):
    from tacit.runs.portrait import draw_figures

    run = tacit.fit("nmf", digits_data, latent=6)
    blocks = torch.rand(3, 5, 1, 8, 8)
    monkeypatch.setattr(type(run), "figures", lambda self: {"blocks": blocks, "few": blocks[0]})
    pages = []
    for path in draw_figures(run, digits_data, tmp_path, 0):
        with Image.open(path) as image:
            pages.append(np.asarray(image.convert("L")))
    assert pages[0].shape[0] > 3 * 64 and pages[1].shape == (2 * 66 + 2, 3 * 66 + 2)
    page, last = pages[0], np.rint(255 * blocks[2, 4, 0].numpy()).astype(int).repeat(8, 0).repeat(8, 1)
    found = np.lib.stride_tricks.sliding_window_view(page.astype(int), (64, 64))
    left = 90 + 4 * 68
    assert any(np.abs(window - last).max() <= 1 for window in found[:, left])  # in its column, as bright as it is


def test_the_nearest_of_a_copy_is_what_it_copies(digits_data, monkeypatch, tmp_path):
    from tacit.runs import portrait

    run = tacit.fit("gmm", digits_data)
    shown = {}
    monkeypatch.setattr(type(run), "sample", lambda self, n, seed: digits_data.batch(digits_data.training[:n]).x)
    monkeypatch.setattr(portrait, "beside_nearest", lambda made, near, distance, path, **words: shown.update(
        made=made, near=near, distance=distance, **words) or path)
    list(portrait.draw_nearest(run, digits_data, tmp_path, 0))
    assert torch.equal(shown["made"], shown["near"][:, 0]) and shown["distance"][:, 0].abs().max() == 0
    slow = (shown["made"][0] - digits_data.batch(digits_data.training).x).flatten(1).norm(dim=1).sort().values
    assert torch.allclose(shown["distance"][0], slow[:3], atol=1e-5)
    assert "of held-out images it is" in shown["subtitle"]


def test_a_translator_shows_what_it_translates(tmp_path):
    from tacit.data.dataset import IN_MEMORY, Data
    from tacit.protocol import Chain, Method, Spec
    from tacit.runs.config import Record
    from tacit.runs.portrait import draw_translations
    from tacit.runs.run import Run

    class Darker(Method):
        def translate(self, x, *, to=None):
            return x / (2 if to is None else 4)

    spec = Spec("image", (1, 8, 8), range=(0.0, 1.0))
    data = Data("toy", IN_MEMORY, "0", spec, torch.ones(6, 1, 8, 8), list("abcdef"), torch.arange(6) > 3)
    run = Run(tmp_path, Record("darker", {}, {}, {}, spec, "toy", "0"), Chain(Darker(spec)), data=data)
    assert (run.translate() == 0.5).all() and (run.translate(data, to="source") == 0.25).all()
    (path,) = draw_translations(run, data, tmp_path, 0)
    with Image.open(path) as image:
        page = np.asarray(image.convert("L"))
    assert page.shape[0] == 2 * 66 + 2 and page[20, -20] == 255 and page[100, -20] == 128

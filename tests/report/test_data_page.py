import base64
import dataclasses
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

import tacit
from tacit.data.dataset import Skipped
from tacit.data.facts import facts_of
from tacit.report.data_page import bare, group_shelves, heights, picture, write_data_page
from tacit.study.timing import Timing

TIMES = [Timing("slow", 300.0, "epoch", "why", 900.0), Timing("none", None, "fit", "no reason"),
         Timing("quick", 2.0, "fit", "how", 2.0)]


@pytest.fixture
def photos(tmp_path):
    """Labelled images in a folder, with copies of one and one that cannot be read."""
    images = (np.random.default_rng(0).integers(0, 255, (60, 24, 24, 3))).astype(np.uint8)
    images[[3, 4]] = images[5]
    for i, image in enumerate(images):
        folder = tmp_path / "photos" / ("left" if i < 20 else "right")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{i}.png")
    (tmp_path / "photos/left/bad<b>.png").write_bytes(b"")
    return tmp_path / "photos"


def test_the_page_shows_samples_classes_duplicates_and_what_was_lost(photos, tmp_path):
    facts = facts_of(tacit.open_data(photos))
    page = write_data_page(facts, tmp_path / "page.html", timings=TIMES, command=f"tacit data {photos} -o page.html")
    html = page.read_text("utf-8")
    assert html.count("data:image/webp") == 60 + 2 * 10 + 3, "a sheet, two classes, a group of three"
    assert "exact, 3 samples" in html and "left/3.png" in html
    assert "bad&lt;b&gt;.png" in html and "<b>.png" not in html
    assert re.search(r"right</span>.*?40</small>.*?width:100.0%", html, re.DOTALL)
    assert re.search(r"left</span>.*?20</small>.*?width:50.0%", html, re.DOTALL)
    assert html.index("<th>quick") < html.index("<th>slow") < html.index("<th>none")


def test_the_page_needs_no_network_and_holds_no_absolute_path(photos, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(f"{i}.png,{'a' if i % 2 else 'b'}" for i in range(60)))
    facts = facts_of(tacit.open_data(photos, labels=str(labels)))
    assert any(str(tmp_path) in note for note in facts.data.notes), "there is something to hide"
    html = write_data_page(facts, tmp_path / "page.html", command=f"tacit data {photos} --labels {labels}").read_text()
    assert str(tmp_path) not in html and str(tmp_path.parent) not in html
    assert "tacit data photos --labels labels.csv" in html
    assert not re.search(r"(src|href)=\"(?!data:)", html) and "http" not in html and "<script" not in html


def test_a_large_source_has_a_page_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr("tacit.report.data_page.picture", lambda image: "data:,")
    x = torch.randint(0, 256, (3_000, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x[1_000:1_500] = x[1_500:2_000]
    data = tacit.open_data((x, np.arange(3_000) % 100))
    html = write_data_page(facts_of(data), tmp_path / "page.html").read_text()
    assert html.count("data:,") == 96 + 40 * 10 + 24 * 2
    assert "The 40 largest of 100" in html and "24 of 500 groups" in html


def test_a_picture_is_no_wider_than_the_page_needs():
    image = np.random.default_rng(0).integers(0, 255, (300, 200, 3)).astype(np.uint8)
    shown = Image.open(io.BytesIO(base64.b64decode(picture(image).partition(",")[2])))
    assert shown.size == (64, 96) and len(picture(image)) < 10_000


def test_near_and_exact_groups_are_both_shown():
    data = tacit.open_data(torch.zeros(200, 2) + torch.arange(200)[:, None])
    data.x[1::2] = data.x[::2]
    data.x[:, 1][:60] = torch.rand(60)
    shelves = group_shelves(facts_of(dataclasses.replace(data, twins=torch.arange(200) // 2)))
    assert [s.title for s in shelves].count("near") == [s.title for s in shelves].count("exact") == 12
    assert shelves[0].names == ["0", "1"] or list(shelves[0].names) == list(data.ids[:2])


def test_a_table_has_bars_and_a_cell_for_every_column(tmp_path):
    rows = "\n".join(f"{i % 50},{'x' if i % 4 else 'y'}" for i in range(240))
    (tmp_path / "t.csv").write_text(f"age,kind\n{rows}")
    facts = facts_of(tacit.open_data(tmp_path / "t.csv"))
    html = write_data_page(facts, tmp_path / "page.html").read_text()
    assert html.count("<svg") == 2 and html.count("<rect") == 24 + 2
    assert "x 75%, y 25%" in html and "data:image" not in html


def test_many_unreadable_files_are_listed_and_folded(digits_data, tmp_path):
    lost = tuple(Skipped(f"{i}.png", "truncated") for i in range(50))
    html = write_data_page(facts_of(dataclasses.replace(digits_data, skipped=lost)), tmp_path / "p.html").read_text()
    assert all(f"<th>{i}.png</th>" in html for i in range(50)) and "<details><summary>50 skipped" in html


def test_bars_and_paths():
    assert heights([]) == [] and heights([0.0] * 10)[9] == (90.0, 9.0, 0.0)
    assert bare("/a/b c/d.csv and ~/x/y.png, train/cat/1.png, val/ (3 of 10), 3/4") == \
        "b c/d.csv and y.png, train/cat/1.png, val/ (3 of 10), 3/4"
    assert bare(r"C:\me\photos\1.png is /tmp") == "1.png is tmp"

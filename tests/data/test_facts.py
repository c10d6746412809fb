import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tacit
from tacit.data.cache import cache_bytes, cache_folder
from tacit.data.facts import cache_fact, facts_of


def scenes(count, side=32, seed=0):
    """Different smooth colourful pictures."""
    coarse = torch.rand(count, 3, 7, 7, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=False)
    return [Image.fromarray(p) for p in (fine.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()]


def content(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def line(facts, name):
    return next(fact for fact in facts.lines if fact.name == name)


def test_headers_are_told(tmp_path):
    exif = Image.Exif()
    exif[0x0132] = "2021:05:06 07:08:09"
    many = scenes(8, side=40)
    for i, image in enumerate(many[:5]):
        image.save(tmp_path / f"{i}.jpg", exif=exif if i < 2 else b"")
    many[5].resize((80, 40)).save(tmp_path / "wide.png")
    many[6].convert("CMYK").save(tmp_path / "ink.jpg")
    many[7].convert("RGBA").save(tmp_path / "clear.png")
    facts = facts_of(tacit.open_data(tmp_path, size=16, fit="pad"))
    assert line(facts, "samples").value == "8 images" and line(facts, "samples").warning
    assert line(facts, "sizes").value == "from 40 x 40 to 40 x 80, 2 different; commonest 40 x 40 (88%)"
    assert line(facts, "aspect ratios").value == "1.00 to 2.00, median 1.00"
    assert line(facts, "modes").value in ("rgb 6, cmyk 1, rgb with alpha 1", "rgb 6, rgb with alpha 1, cmyk 1")
    assert line(facts, "dates").value == "2 of 8 have one, from 2021-05-06 to 2021-05-06"
    assert "brought there by pad" in line(facts, "read as").value
    assert line(facts, "memory").value == "6.1 kB as read, 24.6 kB as floats"
    sizes = [p.stat().st_size for p in tmp_path.iterdir() if p.is_file()]
    assert line(facts, "files").value.startswith(f"{sum(sizes) / 1e3:.1f} kB, from ")


def test_every_planted_damage_is_named(tmp_path):
    images = scenes(24, side=64)
    for i, image in enumerate(images[:20]):
        image.save(tmp_path / f"{i}.jpg", quality=90)
    jpeg, png = content(images[20], "JPEG", quality=90), content(images[21], "PNG")
    middle = len(jpeg) // 2
    claim = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + b"IHDR" + claim + struct.pack(">I", zlib.crc32(b"IHDR" + claim))
    planted = {
        "cut.jpg": (jpeg[:middle], "truncated"),
        "empty.jpg": (b"", "empty"),
        "words.png": (b"these are words\n" * 9, "not an image"),
        "zeros.jpg": (jpeg[:middle] + bytes(64) + jpeg[middle + 64 :], "zeros"),
        "zeros.png": (png[:3000] + bytes(64) + png[3064:], "damaged"),
        "bomb.png": (b"\x89PNG\r\n\x1a\n" + head + png[33:], "bomb"),
    }
    for name, (written, _) in planted.items():
        (tmp_path / name).write_bytes(written)
    facts = facts_of(tacit.open_data(tmp_path))
    found = {lost["name"]: lost["reason"] for lost in facts.to_dict()["unreadable"]}
    assert found.keys() == planted.keys()
    assert all(reason in found[name] for name, (_, reason) in planted.items())
    assert line(facts, "unreadable").warning and line(facts, "unreadable").value.startswith("6 of 26: ")


def test_planted_duplicates_are_found_and_nothing_else(tmp_path):
    images = scenes(300, side=48)
    for i, image in enumerate(images):
        image.save(tmp_path / f"{i:03d}.jpg", quality=90)
    for i in range(0, 20, 2):
        (tmp_path / f"{i:03d}-copy.jpg").write_bytes((tmp_path / f"{i:03d}.jpg").read_bytes())
        shorn = images[i + 1].crop((1, 2, 47, 47)).resize((48, 48), Image.Resampling.BICUBIC)
        shorn.save(tmp_path / f"{i + 1:03d}-near.jpg", quality=60)
    facts = facts_of(tacit.open_data(tmp_path))
    groups = {tuple(facts.data.ids[i] for i in g.positions): g.exact for g in facts.duplicates}
    planted = {(f"{i:03d}-copy.jpg", f"{i:03d}.jpg"): True for i in range(0, 20, 2)}
    planted |= {(f"{i:03d}-near.jpg", f"{i:03d}.jpg"): False for i in range(1, 20, 2)}
    assert groups == planted
    assert line(facts, "duplicates").value == \
        "40 samples in 20 groups (10 exact and 10 near); 20 are copies of another"
    assert "images equal in every pixel" in line(facts_of(tacit.open_data(tmp_path, split="0")), "duplicates").about


def test_groups_of_three_come_first_and_may_contradict_their_labels():
    x = np.random.default_rng(0).integers(0, 255, (30, 1, 8, 8)).astype(np.uint8)
    x[[5, 9]], x[[11, 20, 21]] = x[5], x[11]
    label = np.arange(30) % 2
    facts = facts_of(tacit.open_data((x, label)))
    assert [(g.positions, g.exact) for g in facts.duplicates] == [((11, 20, 21), True), ((5, 9), True)]
    assert line(facts, "contradictions").value == "different labels inside 1 of 2 groups of duplicates"
    assert line(facts, "contradictions").about == "as 0011 and 0020; one of them may be mistaken"
    same = facts_of(tacit.open_data((x, np.zeros(30, int) + (np.arange(30) > 25))))
    assert all(fact.name != "contradictions" for fact in same.lines)


def test_duplicates_on_both_sides_of_a_split_are_warned_of(tmp_path):
    for part, images in (("train", scenes(12)), ("test", scenes(3))):
        (tmp_path / part).mkdir()
        for i, image in enumerate(images):
            image.save(tmp_path / part / f"{i}.png")
    facts = facts_of(tacit.open_data(tmp_path))
    found = line(facts, "across the split")
    assert found.value == "3 of 3 groups of duplicates lie on both sides of it" and found.warning
    assert "one side" not in line(facts, "duplicates").about
    assert not any(fact.value.startswith("with a duplicate") for fact in facts.lines)


def test_classes_are_counted_and_small_or_uneven_ones_are_warned_of():
    x = torch.rand(400, 3, generator=torch.Generator().manual_seed(0))
    label = torch.cat([torch.zeros(300), torch.ones(94), torch.full((6,), 2.0)]).long()
    facts = facts_of(tacit.open_data((x, label)))
    assert facts.classes == {"0": 300, "1": 94, "2": 6}
    assert line(facts, "balance").value == "6 samples (2) to 300 (0)" and line(facts, "balance").warning
    assert line(facts, "small classes").value == "1 of 3 have fewer than 10 samples: 2 6"
    even = facts_of(tacit.open_data((x, torch.arange(400) % 2)))
    assert line(even, "balance").value == "200 samples each" and not line(even, "balance").warning
    assert {fact.name for fact in even.warnings} == set()


def test_what_was_taken_as_label_and_how_was_held_out(tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for i, image in enumerate(scenes(30, seed=len(name))):
            image.save(tmp_path / name / f"{i}.png")
    facts = facts_of(tacit.open_data(tmp_path))
    assert line(facts, "labels").value == "2 classes (cats, dogs), from the folders"
    assert line(facts, "held out").about.startswith("drawn by a hash of each id, --split 0.1, --split-seed 0")
    none = facts_of(tacit.open_data(tmp_path, labels="none"))
    assert line(none, "labels").value == "none" and not none.classes


TABLE = """id,age,city,note,flat,income,empty
{rows}
"""


@pytest.fixture
def people(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(250):
        age = "" if i % 3 == 0 else str(20 + int(rng.integers(50)))
        rows.append(f"{i},{age},{'Rome' if i % 4 else 'Oslo'},word{i},1,{rng.normal():.3f},")
    (tmp_path / "people.csv").write_text(TABLE.format(rows="\n".join(rows)))
    return tmp_path / "people.csv"


def test_every_column_of_a_table_is_told(people):
    facts = facts_of(tacit.open_data(people))
    columns = {c.name: c for c in facts.columns}
    assert columns.keys() == {"id", "age", "city", "note", "flat", "income", "empty"}
    assert [c.role for c in facts.columns[:3]] == ["number", "category", "number"]
    assert columns["age"].missing == 84 and sum(columns["age"].bars) == pytest.approx(166 / 250)
    assert columns["city"].values == "Rome 75%, Oslo 25%" and columns["city"].bars == pytest.approx((0.748, 0.252))
    assert columns["id"].role == "id" and columns["id"].about.startswith("identifier-like")
    assert columns["flat"].about == "constant: one value throughout"
    assert line(facts, "constant").value.startswith("flat") and line(facts, "constant").warning
    gone = line(facts, "missing values")
    assert gone.value == "in 1 of 7 columns: age 33.6%" and gone.warning


def test_numbers_of_a_table_come_in_their_own_units(tmp_path):
    values = [3.5, -1.0, 12.25, 0.5] * 60
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{v},{i % 7}" for i, v in enumerate(values)))
    a, b = facts_of(tacit.open_data(tmp_path / "t.csv")).columns
    assert a.values == "-1 to 12.25, median 2" and b.values == "0 to 6, median 3"


def test_the_label_of_a_table_is_one_of_its_columns(people):
    facts = facts_of(tacit.open_data(people, labels="city"))
    assert next(c for c in facts.columns if c.role == "label").name == "city"
    assert line(facts, "labels").value.endswith("from city")


def test_dimensions_that_say_nothing_are_counted():
    x = torch.rand(300, 5, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 1.5
    facts = facts_of(tacit.open_data(x))
    assert line(facts, "constant").value == "1 of 5 dimensions have one value throughout"
    assert line(facts, "values").value.endswith("to 1.5") and line(facts, "labels").value == "none"


def test_facts_are_plain_words_and_numbers_and_each_note_is_told_once(people):
    for source in ("digits", "moons", str(people)):
        facts = facts_of(tacit.open_data(source))
        plain = json.loads(json.dumps(facts.to_dict()))
        assert plain["samples"] == len(facts.data) and len(plain["facts"]) == len(facts.lines)
        noted = [fact.value for fact in facts.lines if fact.name == "noted"]
        told = [note for note in facts.data.notes if note.startswith(("labels", "held out", "ignored", "id:"))]
        assert told and not set(noted) & set(told)


def test_the_cache_is_measured(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i, image in enumerate(scenes(20)):
        image.save(images / f"{i}.png")
    data = tacit.open_data(images)
    kept = sum(p.stat().st_size for p in Path(cache_folder()).rglob("*") if p.is_file())
    assert cache_bytes() == kept >= data.x.nbytes
    assert cache_fact(data).value.startswith("61.4 kB for this source, of ")
    assert cache_fact(tacit.open_data("digits")).value.startswith("nothing for this source")

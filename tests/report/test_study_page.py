"""The page of a study: whole, safe, and no more than may be said."""

import base64
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tacit.data.dataset import Skipped
from tacit.report.curves import drawing
from tacit.report.media import atlas, side_for
from tacit.report.payload import by_numbers, by_words, packed, places
from tacit.report.privacy import cleaner
from tacit.report.study import write_report
from tacit.study.result import Curve, Map


class Page(HTMLParser):
    """A page's elements with their attributes, and the text outside scripts and styles."""

    VOID = {"meta", "img", "br", "input", "link"}

    def __init__(self, html):
        super().__init__()
        self.html, self.elements, self.text, self.open, self.inside = html, [], "", [], {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.inside.setdefault(self.open[-1], []).append(data)
        else:
            self.text += data

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and all(a.get(k) == v for k, v in wanted.items())]

    @property
    def payload(self):
        return json.loads(self.inside["script"][0])


def page_of(result, tmp_path, **options):
    return Page(write_report(result, tmp_path / "report.html", **options).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def digits_page(digits_study, tmp_path_factory):
    return page_of(digits_study, tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def shared_page(digits_study, tmp_path_factory):
    return page_of(digits_study, tmp_path_factory.mktemp("shared"), share=True)


@pytest.fixture(scope="module")
def table_page(table_study, tmp_path_factory):
    return page_of(table_study, tmp_path_factory.mktemp("table"))


@pytest.mark.parametrize("which", ["digits_page", "shared_page", "table_page"])
def test_page_is_whole_and_needs_no_network(which, request):
    page = request.getfixturevalue(which)
    assert not page.open  # every element that was opened was closed
    addresses = [v for _, a in page.elements for k, v in a.items() if k in ("src", "href", "srcset", "action")]
    assert all(a.startswith(("#", "data:image/webp;base64,")) for a in addresses)
    assert not page.all("link") and len(page.all("script")) == 2
    code = "".join(page.inside["style"] + page.inside["script"][1:])
    assert not re.search(r"url\(|@import|https?:|fetch\(|XMLHttp|WebSocket", code)


@pytest.mark.parametrize("which", ["digits_page", "shared_page", "table_page"])
def test_every_name_is_unique_and_every_link_leads_somewhere(which, request):
    page = request.getfixturevalue(which)
    names = [a["id"] for _, a in page.elements if "id" in a]
    assert len(names) == len(set(names))
    led_to = [a["href"][1:] for a in page.all("a")]
    led_to += [a["aria-controls"] for a in page.all("button") if "aria-controls" in a]
    assert led_to and set(led_to) <= set(names)


def test_sections_stand_in_order(digits_page):
    assert [a["id"] for a in digits_page.all("section")] == [
        "map", "verdicts", "clusters", "strangest", "facts", "reconstructions", "samples", "traversals", "label",
        "curves", "figures", "repeat",
    ]
    levels = [int(t[1]) for t, _ in digits_page.elements if re.fullmatch("h[1-6]", t)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_every_image_says_what_it_shows(digits_page):
    assert digits_page.all("img") and all(a["alt"].strip() for a in digits_page.all("img"))


def test_a_verdict_leads_to_its_figure_and_says_its_protocol(digits_page):
    (chip,) = digits_page.all("a", **{"class": "chip"})
    assert chip["title"] == "Share of <neighbours> kept & how."
    (figure,) = digits_page.all("details", id=chip["href"][1:])
    assert any(a.get("title") == chip["title"] for a in digits_page.all("summary"))
    assert "80.0 [75.0, 85.0] %" in digits_page.text
    assert "No verdict" in digits_page.text and "Label these 6 first" in digits_page.text


def test_the_better_map_is_marked_as_best(digits_page):
    best = re.findall(r'<td class="best">\s*<details id="([^"]+)"', digits_page.html)
    assert best == ["f-02-umap-maps-neighbours-kept"]


def test_members_that_did_not_end_well_say_why(digits_page):
    assert "failed Its discriminator won; a smaller --lr may help." in digits_page.text
    assert "interrupted It was stopped after 10 of 500 steps." in digits_page.text


def test_a_study_that_goes_on_is_called_so(digits_study, digits_page, tmp_path):
    assert "so far by 3 of 5 methods in 1 min 40 s of 2 min" in " ".join(digits_page.text.split())
    done = page_of(dataclasses.replace(digits_study, finished=True), tmp_path)
    assert "so far" not in done.text


def test_a_study_with_nothing_fitted_yet_has_a_page(digits_study, tmp_path):
    early = dataclasses.replace(digits_study, members=(), verdicts=(), maps=(), clusters=(), strangest=(),
                                restorations=None, generated=(), traversals=(), curves=(), to_label=None)
    page = page_of(early, tmp_path)
    assert [a["id"] for a in page.all("section")] == ["facts", "figures", "repeat"]


HOSTILE = ("<script>alert(1)</script>.png", "</script><b>.png", "<!--.png", "a&amp;b\u2028'\".png", "{{ 7 * 7 }}.png")


def test_no_name_becomes_code(digits_study, digits_page, tmp_path):
    shown = digits_study.shown.data
    data = dataclasses.replace(shown, ids=[*HOSTILE, *shown.ids[5:]])
    facts = dataclasses.replace(digits_study.facts, data=dataclasses.replace(
        digits_study.facts.data, skipped=tuple(Skipped(name, "<i>why</i>") for name in HOSTILE)))
    hostile = dataclasses.replace(digits_study, facts=facts, shown=dataclasses.replace(digits_study.shown, data=data),
                                  to_label=data.take(torch.arange(5)), name="<script>alert(2)</script>")
    page = page_of(hostile, tmp_path)
    assert page.payload["ids"] == list(data.ids)
    assert len(page.all("script")) == 2 and "<i>why</i>" in page.text
    assert len(page.all("b")) == len(digits_page.all("b"))
    assert [a["data-id"] for a in page.all("button") if a.get("data-id") in HOSTILE][-5:] == list(HOSTILE)
    assert "<script>alert(2)</script>" in page.text and "{{ 7 * 7 }}.png" in page.text


def test_no_directory_is_told(digits_study, tmp_path):
    """Absolute paths lose their directories wherever they stand; directories below the source stay."""
    secret = "/home/jo/my secret"
    facts = dataclasses.replace(digits_study.facts, data=dataclasses.replace(
        digits_study.facts.data, source=f"{secret}/digits.zip"))
    member = dataclasses.replace(
        digits_study.members[3], command=f"tacit fit gan '{secret}/digits.zip' -o {secret}/study/04-gan --lr 1/255",
        reason="no room on /mnt/secret disk/x: see C:\\Users\\jo\\log.txt and ~/secret/log")
    result = dataclasses.replace(
        digits_study, facts=facts, folder=Path(secret) / "study", command=f"tacit study '{secret}/digits.zip'",
        members=(*digits_study.members[:3], member, digits_study.members[4]))
    page = page_of(result, tmp_path)
    assert "jo" not in page.text.split() and "secret" not in page.html.replace("secret disk", "")
    assert "tacit study 'digits.zip'" in page.text and "-o study/04-gan --lr 1/255" in page.text
    assert "see log.txt and log" in page.text
    assert "set 0/digit-000.png" in page.payload["ids"]


def test_cleaning_leaves_what_is_no_path(digits_study):
    clean = cleaner(digits_study)
    for text in ("bits/dim", "8/255", "a / b", "</b>", "set 0/digit.png", "24/7 and/or", "1/2/3"):
        assert clean(text) == text
    assert clean("data=/a/b/c.png, (/x/y)") == "data=c.png, (y)"


def test_a_relative_source_stays_in_commands_and_goes_where_the_page_is_shared(digits_study):
    data = dataclasses.replace(digits_study.facts.data, source="../all data/photos", name="photos")
    study = dataclasses.replace(digits_study, facts=dataclasses.replace(digits_study.facts, data=data))
    command = "tacit study '../all data/photos' -o s"
    assert cleaner(study)(command) == command
    assert cleaner(study, share=True)(command) == "tacit study 'the data' -o s"
    assert cleaner(study, share=True)("all samples of photos, photos2") == "all samples of the data, photos2"


def test_thumbnails_lie_where_the_page_looks_for_them(digits_study, digits_page):
    found = digits_page.payload["atlas"]
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["url"].partition(",")[2]))).convert("L"))
    wide, high, columns = found["width"], found["height"], found["columns"]
    x = digits_study.shown.data.x
    for i in (0, 1, columns, len(x) - 1):
        top, left = i // columns * high, i % columns * wide
        assert np.array_equal(sheet[top : top + high, left : left + wide], x[i, 0].numpy())


def test_places_keep_proportions_and_point_down():
    where = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [float("nan"), 1.0]])
    found = places(where)
    x, y = (np.frombuffer(base64.b64decode(found[k]), "<u2").astype(float) for k in "xy")
    assert x[3] == y[3] == 65535
    assert x[1] - x[0] == pytest.approx(2 * (y[0] - y[2]), rel=0.01) and y[0] > y[2]
    assert (found["width"], found["height"]) == (1, pytest.approx((2 + 0.24) / (4 + 0.24), abs=0.01))


def test_rare_words_share_a_grey():
    words = [f"word {i}" for i in range(40) for _ in range(40 - i)] + ["none"] * 5
    found = by_words(words, last="none")
    codes = np.frombuffer(base64.b64decode(found["codes"]), "<u2")
    assert found["names"][:2] == ["word 0", "word 1"] and found["names"][-2:] == ["10 others", "none"]
    assert len(found["names"]) == len(found["light"]) == len(found["dark"]) == 32
    assert (codes == 30).sum() == sum(range(1, 11)) and (codes == 31).sum() == 5
    assert len(set(found["light"])) == 31 and found["light"][-1] == found["light"][-2]


def test_a_scale_is_not_stretched_by_what_is_far_out():
    found = by_numbers(np.array([*range(1000), 1e9, np.nan]))
    assert 0 < found["low"] < 20 and 980 < found["high"] < 1000


@pytest.mark.parametrize("count, side", [(900, 32), (64, 200)])
def test_a_sheet_keeps_within_its_bytes(digits_data, count, side):
    """Of noise, which no format makes small."""
    noise = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    spec = dataclasses.replace(digits_data.spec, shape=(3, side, side))
    data = dataclasses.replace(digits_data, x=noise, spec=spec, ids=[str(i) for i in range(count)])
    assert len(atlas(data, 300_000).url) < 1.4 * 300_000
    assert side_for(4_000, 6_000_000) >= 32


def test_rows_of_a_table_are_in_their_own_units(table_page):
    assert table_page.payload["columns"] == ["age", "work", "children"]
    assert table_page.payload["rows"][:2] == [["20", "Private", "0"], ["21", "State <gov>", "1"]]
    assert table_page.payload["atlas"] is None and not table_page.all("img")
    assert "<mark>20</mark>" in table_page.html and "<mark>Private</mark>" not in table_page.html


def test_a_shared_page_holds_no_media_and_no_names(digits_page, shared_page):
    assert "data:image" not in shared_page.html and not shared_page.all("img")
    assert "Media were left out" in shared_page.text
    told = shared_page.text + json.dumps(shared_page.payload)
    assert "digit-" not in told and "set 0" not in told and "broken" not in told
    assert shared_page.payload["ids"][:3] == ["#0", "#2", "#4"]
    everything, shared = ([c["title"] for c in p.payload["colourings"]] for p in (digits_page, shared_page))
    assert {"brightness", "folder", "date"} <= {*everything}
    assert shared == [title for title in everything if title not in ("folder", "date")]
    assert not {"reconstructions", "samples", "traversals"} & {a["id"] for a in shared_page.all("section")}


def test_a_shared_page_names_nothing_in_its_sentences_either(digits_study, tmp_path):
    told = "Half of it is set 1, as digit-007.png is."
    verdicts = tuple(dataclasses.replace(v, because=told, cautions=(told,)) for v in digits_study.verdicts)
    maps = tuple(dataclasses.replace(m, warning=told) for m in digits_study.maps)
    members = tuple(dataclasses.replace(m, reason=told) for m in digits_study.members)
    result = dataclasses.replace(digits_study, verdicts=verdicts, maps=maps, members=members)
    page = page_of(result, tmp_path, share=True)
    assert "Half of it is …, as … is." in page.text and "set 1" not in page.html and "digit-007" not in page.html


def test_a_shared_table_holds_no_rows(table_study, tmp_path):
    page = page_of(table_study, tmp_path, share=True)
    assert page.payload["rows"] == [] and page.payload["columns"] == []
    assert "State <gov>" not in page.text and "age 17" not in page.text


def test_where_something_was_is_told_nowhere(digits_study, tmp_path):
    shown = digits_study.shown
    located = dataclasses.replace(shown, factors={**shown.factors, "gps latitude": np.linspace(48.1, 48.2, 120)})
    page = page_of(dataclasses.replace(digits_study, shown=located), tmp_path)
    assert "latitude" not in page.html


def test_more_maps_are_chosen_from_by_name(digits_study, tmp_path):
    many = tuple(Map("01-pca", torch.randn(120, 2)) for _ in range(4))
    page = page_of(dataclasses.replace(digits_study, maps=many), tmp_path)
    assert [m["name"] for m in page.payload["maps"]] == ["01-pca"] * 4


def test_a_curve_of_long_training_is_drawn_by_the_logarithm_of_its_steps():
    lines = [{"step": s, "model/loss": v, "lr": 1.0} for s, v in ((1, 4.0), (10, 3.0), (100, 2.0))]
    found = drawing(Curve("a", lines))
    assert [s.name for s in found.strokes] == ["model loss"] and "steps" in found.scaled
    assert found.strokes[0].path == "M0.0 0.0L160.0 75.0L320.0 150.0L320.0 150.0"
    assert drawing(Curve("a", [{"step": 1, "model/loss": None}])) is None


def test_numbers_travel_as_bytes():
    assert base64.b64decode(packed(np.array([1, 258], "<u2"))) == b"\x01\x00\x02\x01"

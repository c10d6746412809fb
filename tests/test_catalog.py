"""The catalogue's rows are held to the classes that they stand for."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import tacit.methods
from tacit.catalog import CATALOG, WORDS, Row, capability, method_class, row, select
from tacit.errors import OptionError
from tacit.protocol import CALLS, Fitted, Method, Trained
from tacit.protocol.spec import Kind

EACH = pytest.mark.parametrize("known", CATALOG, ids=lambda r: r.name)


@EACH
def test_the_class_is_there(known: Row) -> None:
    cls = getattr(importlib.import_module(known.module), known.cls)
    assert issubclass(cls, Method)
    assert method_class(known.name) is cls


@EACH
def test_accepts_and_needs_are_the_class_attributes(known: Row) -> None:
    cls = method_class(known.name)
    assert known.accepts == cls.accepts
    assert frozenset(known.needs) == cls.needs
    assert set(known.accepts) <= set(Kind.__args__)


@EACH
def test_kind_is_how_the_class_learns(known: Row) -> None:
    cls = method_class(known.name)
    assert (known.kind == "fitted") == issubclass(cls, Fitted)
    assert (known.kind == "trained") == issubclass(cls, Trained)


@EACH
def test_can_is_the_most_that_the_class_does(known: Row) -> None:
    cls = method_class(known.name)
    assert set(known.can) == {c for c, call in CALLS.items() if callable(getattr(cls, call, None))}
    assert list(known.can) == [c for c in CALLS if c in known.can], "in the order of CALLS"


@EACH
def test_family_is_the_folder(known: Row) -> None:
    assert known.module.split(".")[:3] == ["tacit", "methods", known.family]


@EACH
def test_a_row_reads_well(known: Row) -> None:
    assert known.summary and not known.summary.endswith(".")
    assert known.paper[-4:].isdigit()
    assert known.cost >= 1
    assert known.name == known.name.lower() and "_" not in known.name


def test_every_method_has_a_row() -> None:
    folder = Path(tacit.methods.__file__).parent
    files = {f"tacit.methods.{p.parent.name}.{p.stem}" for p in folder.glob("*/*.py") if p.stem != "__init__"}
    assert files == {r.module for r in CATALOG}


def test_names_are_unique() -> None:
    assert len({r.name for r in CATALOG}) == len(CATALOG)
    assert len({(r.module, r.cls) for r in CATALOG}) == len(CATALOG)


def test_words_begin_with_the_call_and_are_unambiguous() -> None:
    assert {c: words[0] for c, words in WORDS.items()} == dict(CALLS)
    aliases = [w for words in WORDS.values() for w in words]
    assert len(set(aliases)) == len(aliases)


def test_extras_are_declared() -> None:
    from importlib.metadata import metadata

    declared = set(metadata("tacit").get_all("Provides-Extra"))
    assert {r.extra for r in CATALOG if r.extra} <= declared


@pytest.mark.parametrize("word", ["score", "anomaly_score", "anomaly-score", "Scores", "SCORE"])
def test_a_capability_has_many_words(word: str) -> None:
    assert capability(word) == "Scores"


def test_an_unknown_word_is_met_with_a_suggestion() -> None:
    with pytest.raises(OptionError, match="Did you mean 'cluster'"):
        capability("clustr")
    with pytest.raises(OptionError, match="Did you mean 'kmeans'.*lists them all"):
        row("k-means")
    with pytest.raises(OptionError, match="there is no method 'zzz'. 'tacit methods'"):
        row("zzz")


def test_select_keeps_what_fits_and_puts_the_best_first() -> None:
    chosen = select(can="sample", for_="image")
    assert {r.name for r in chosen} == {r.name for r in CATALOG if "Samples" in r.can and "image" in r.accepts}
    places = [r.accepts.index("image") for r in chosen]
    assert places == sorted(places) and 0 < places[-1]
    assert select() == CATALOG
    assert select(for_="video") == ()


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = "import sys, tacit, tacit.catalog; assert tacit.catalog.row('vae'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "sklearn", "jsonargparse", "yaml"} & set(loaded)

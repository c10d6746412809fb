"""The panel is chosen from the catalogue, by kind of data and budget."""

import subprocess
import sys

import pytest

from tacit.catalog import CATALOG, row
from tacit.errors import OptionError
from tacit.study.panel import BEST, FIRST, SEATS, panel

EVERY = ("first look", "outliers", "clusters", "map", "autoencoder", "latent variables", "self-supervision",
         "adversary", "diffusion")


@pytest.mark.parametrize("kind", ["image", "table"])
def test_every_kind_of_question_has_a_method(kind: str) -> None:
    assert {plan.seat for plan in panel(kind, 10)} == set(EVERY)


@pytest.mark.parametrize("kind", ["image", "table", "vector", "map"])
def test_every_method_takes_the_data_and_needs_nothing_else(kind: str) -> None:
    plans = panel(kind, 10)
    assert plans
    for plan in plans:
        assert kind in row(plan.method).accepts
        assert not row(plan.method).needs
        assert bool(plan.share) == (row(plan.method).kind == "trained")


def test_seats_of_the_catalogue_are_seats_of_the_panel() -> None:
    assert {r.seat for r in CATALOG} - {""} == {seat.name for seat in SEATS}


def test_the_method_that_is_made_for_the_data_goes_first() -> None:
    adversary = {kind: next(p.method for p in panel(kind, 10) if p.seat == "adversary") for kind in ("image", "table")}
    assert adversary == {"image": "dcgan", "table": "gan"}


def test_short_budgets_have_one_method_a_seat() -> None:
    assert [p.seat for p in panel("image", 1)].count("outliers") == 1
    assert [p.seat for p in panel("image", 10)].count("outliers") == 2


def test_what_can_be_had_at_once_comes_first_and_the_best_is_chosen_of_all_that_learn_to_represent() -> None:
    plans = panel("image", 10)
    assert plans[0].seat == FIRST
    learned = [i for i, p in enumerate(plans) if p.seat in ("autoencoder", "latent variables", "self-supervision")]
    assert [i for i, p in enumerate(plans) if p.on == BEST] == [max(learned) + 1, max(learned) + 2]


def test_tables_are_not_brought_to_axes_first() -> None:
    assert {p.on for p in panel("table", 10)} == {"", BEST}


def test_methods_by_name_keep_their_order_and_come_once() -> None:
    assert [p.method for p in panel("image", 10, ["vae", "pca", "vae"])] == ["vae", "pca"]


@pytest.mark.parametrize(("name", "words"), [
    ("vea", "Did you mean 'vae'"), ("rotation", "takes image"), ("probe", "learns from label"),
])
def test_a_method_that_cannot_be_tried_says_why(name: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        panel("table", 10, [name])


def test_choosing_needs_no_torch() -> None:
    code = "import sys, tacit.study.panel; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

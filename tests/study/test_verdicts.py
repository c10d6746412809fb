"""Verdicts follow from figures, and are withheld where the figures do not carry them."""

from typing import Any

import pytest

from tacit.evaluation.evaluate import Evaluation
from tacit.evaluation.measure import Measure
from tacit.study.result import Member
from tacit.study.verdicts import (
    CLUSTERS,
    MAP,
    NEW,
    REPRESENTATION,
    RESTORE,
    STRANGE,
    best_representation,
    judge,
    judged,
)

KNOWS = ("recognition", "changed samples known again")
TRUST = ("maps", "trustworthiness")
STABLE = ("clusters", "stability over bootstraps")
DISTANCE = ("samples", "Frechet distance")
COPIES = ("samples", "nearer to a training sample than held-out data are")


def measured(key: tuple[str, str], value: float, of: str = "", width: float = 0.01, better: Any = "higher") -> Measure:
    return Measure(*key, value, "as planted", of=of, low=value - width, high=value + width, better=better)


def member(title: str, *measures: Measure) -> Member:
    return Member(f"01-{title.replace(' ', '-')}", title, "any", "done",
                  evaluation=Evaluation(title, title, {}, {}, measures))


def verdict(purpose: str, *members: Member) -> Any:
    return next(v for v in judged(members) if v.purpose == purpose)


def test_nothing_measured_is_nothing_said() -> None:
    assert judged([Member("01-pca", "pca", "first look")]) == ()
    assert best_representation([]) is None


def test_the_best_map_wins_and_its_evidence_is_all_that_was_compared() -> None:
    found = verdict(MAP, member("pca", measured(TRUST, 0.8)), member("tsne", measured(TRUST, 0.97)))
    assert found.answer == "01-tsne"
    assert [(e.member, e.measure.value) for e in found.evidence] == [("01-tsne", 0.97), ("01-pca", 0.8)]
    assert "0.9700" in found.because and "pca" in found.because


def test_a_map_of_the_best_representation_goes_before_maps_of_the_data() -> None:
    found = verdict(MAP, member("pca", measured(TRUST, 0.8), measured(KNOWS, 0.5)),
                    member("simclr", measured(KNOWS, 0.9)), member("tsne", measured(TRUST, 0.97)),
                    member("tsne on simclr", measured(TRUST, 0.95)))
    assert found.answer == "01-tsne-on-simclr"


def test_no_map_is_called_good_that_loses_the_neighbours() -> None:
    found = verdict(MAP, member("pca", measured(TRUST, 0.6)))
    assert not found.answer and "0.5" in found.because and found.evidence


def test_intervals_that_touch_are_a_tie() -> None:
    found = verdict(MAP, member("umap", measured(TRUST, 0.960, width=0.01)), member("tsne", measured(TRUST, 0.965)))
    assert "cannot be told from it" in found.because


def test_groups_that_do_not_come_out_again_are_no_groups() -> None:
    count = Measure("clusters", "number of clusters", 0, "as planted")
    found = verdict(CLUSTERS, member("kmeans", measured(STABLE, 0.95), count))
    assert not found.answer and "continuum" in found.because
    found = verdict(CLUSTERS, member("kmeans", measured(STABLE, 0.4), Measure("clusters", "number of clusters", 4, "")))
    assert not found.answer
    found = verdict(CLUSTERS, member("kmeans", measured(STABLE, 0.9), Measure("clusters", "number of clusters", 4, "")))
    assert found.answer == "01-kmeans" and "4 groups" in found.because


def test_a_representation_must_know_more_than_the_pixels() -> None:
    plain = measured(KNOWS, 0.7, of="pixels")
    found = verdict(REPRESENTATION, member("vae", measured(KNOWS, 0.69), plain))
    assert not found.answer and "Label" in found.because and found.undecided
    found = verdict(REPRESENTATION, member("simclr", measured(KNOWS, 0.9), plain), member("vae", measured(KNOWS, 0.6)))
    assert found.answer == "01-simclr"


def test_labels_check_the_choice_and_do_not_make_it() -> None:
    probe = ("representation", "linear probe accuracy")
    simclr = member("simclr", measured(KNOWS, 0.9), measured(probe, 0.5))
    agree = verdict(REPRESENTATION, simclr, member("vae", measured(KNOWS, 0.6), measured(probe, 0.4)))
    against = verdict(REPRESENTATION, simclr, member("vae", measured(KNOWS, 0.6), measured(probe, 0.6)))
    assert agree.answer == against.answer == "01-simclr"
    assert "The labels agree" in agree.because and not agree.cautions
    assert "The labels disagree" in against.cautions[0] and "agree" not in against.because


def test_a_score_must_beat_chance() -> None:
    area = ("anomaly", "AUROC")
    assert not verdict(STRANGE, member("lof", measured(area, 0.55, of="planted"))).answer
    assert verdict(STRANGE, member("lof", measured(area, 0.9, of="planted"))).answer == "01-lof"


def test_copies_are_no_new_samples() -> None:
    copy = member("gan", measured(DISTANCE, 0.1, better="lower"), measured(COPIES, 0.9, better="lower"))
    honest = member("ddpm", measured(DISTANCE, 0.5, better="lower"), measured(COPIES, 0.01, better="lower"))
    found = verdict(NEW, copy, honest)
    assert found.answer == "01-ddpm" and any("gan" in c and "copy" in c for c in found.cautions)
    assert not verdict(NEW, copy).answer


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_a_distance_does_not_excuse_samples_beside_the_data(name: str) -> None:
    def making(title: str, distance: float, share: float) -> Member:
        return member(title, measured(DISTANCE, distance, better="lower"), measured(("samples", name), share),
                      measured(("samples", name), 0.9, of="held-out data"))

    found = verdict(NEW, making("pca", 0.1, 0.4), making("ddpm", 0.5, 0.5))
    assert found.answer == "01-ddpm" and any("pca" in c and name in c for c in found.cautions)
    none = verdict(NEW, making("pca", 0.1, 0.4))
    assert not none.answer and {e.measure.name for e in none.evidence} == {"Frechet distance", name}


def test_distances_in_other_features_are_not_compared() -> None:
    def making(title: str, value: float, space: str) -> Member:
        return member(title, Measure(*DISTANCE, value, "", better="lower", space=space))

    found = verdict(NEW, making("pca", 0.1, "random"), making("gan", 5, "simclr"), making("ddpm", 4, "simclr"))
    assert found.answer == "01-ddpm" and {e.measure.space for e in found.evidence} == {"simclr"}


def test_samples_are_judged_by_who_makes_none() -> None:
    gan, simclr = member("gan", measured(KNOWS, 0.9)), member("simclr", measured(KNOWS, 0.8))
    pixels = member("pca", measured(KNOWS, 0.3), measured(KNOWS, 0.5, of="pixels"))
    assert judge([pixels, gan, simclr], ["01-gan", "01-pca"]) == "01-simclr"
    assert judge([pixels, gan], ["01-gan", "01-pca"]) is None
    assert judge([pixels, member("ae", measured(KNOWS, 0.4))], ["01-pca"]) is None


def test_lower_is_better_where_a_measure_says_so() -> None:
    error = ("reconstruction", "squared error")
    found = verdict(RESTORE, member("nmf", measured(error, 0.3, better="lower")),
                    member("ae", measured(error, 0.1, better="lower")))
    assert found.answer == "01-ae"


def test_a_longer_code_is_no_merit() -> None:
    def restoring(title: str, own: float, components: float) -> Member:
        return member(title, measured(("reconstruction", "PSNR"), own, width=0.1),
                      measured(("reconstruction", "PSNR"), components, of="9 principal components", width=0.1))

    pca = member("pca", measured(("reconstruction", "PSNR"), 40.0))
    found = verdict(RESTORE, pca, restoring("ae", 20, 17), restoring("vae", 21, 19))
    assert found.answer == "01-ae" and {e.measure.value for e in found.evidence} == {20, 17, 21, 19}
    assert not verdict(RESTORE, pca, restoring("ae", 20, 20.1)).answer
    assert not verdict(RESTORE, pca, restoring("ae", 20, 23)).answer

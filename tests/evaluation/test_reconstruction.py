"""Measures of reconstructions against torchmetrics, scikit-learn and tables made by hand."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.decomposition import PCA
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

import tacit
from tacit.evaluation import reconstruction
from tacit.evaluation.case import Case
from tacit.evaluation.measure import Measure
from tacit.evaluation.reconstruction import detail, detailed, scores
from tacit.evaluation.spaces import random_network
from tacit.functional.spectra import high_frequency_power
from tacit.protocol import Column, Spec
from tacit.runs.run import Run


def asked(run: Run) -> tuple[Case, dict[tuple[str, str], Measure]]:
    own = run.data()
    case = Case(run, own.take(own.training), own.take(own.testing), ("the training", "the test"),
                random_network(run.spec))
    return case, {(m.name, m.of): m for m in reconstruction.ask(case)}


@pytest.fixture(scope="module")
def ae(tmp_path_factory: Any) -> Run:
    return tacit.fit("ae", "digits", latent=3, steps=20, limit=400, split="0.2", out=tmp_path_factory.mktemp("r") / "a")


def test_values_are_torchmetrics(ae: Run) -> None:
    case, found = asked(ae)
    x, restored = case.test.everything(), ae.reconstruct(case.test)
    assert found["squared error", ""].value == pytest.approx(float((x - restored).square().mean()), rel=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a reduction over dimensions is warned of
        decibels = peak_signal_noise_ratio(restored, x, data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")
    assert found["PSNR", ""].value == pytest.approx(float(decibels), rel=1e-6)
    similar = structural_similarity_index_measure(restored, x, sigma=3 / 3.5, data_range=1.0)  # windows of 7 x 7
    assert found["SSIM", ""].value == pytest.approx(float(similar), rel=1e-6)
    assert "7 x 7" in found["SSIM", ""].protocol and found["SSIM", ""].better == "higher"


def test_large_images_have_the_usual_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconstruction, "ROWS", 2)
    x = torch.rand(5, 3, 16, 13, generator=torch.Generator().manual_seed(0))
    made = (x + 0.1 * torch.rand(x.shape)).clamp(0, 1)
    score = {s.name: s for s in scores(x, made, Spec("image", (3, 16, 13), (0.0, 1.0)))}["SSIM"]
    expected = structural_similarity_index_measure(made, x, data_range=1.0, reduction="none")
    torch.testing.assert_close(score.values, expected)
    assert "11 x 11" in score.about


def test_sharpness_is_the_share_of_high_frequency_power_that_is_left(ae: Run) -> None:
    case, found = asked(ae)
    x, restored = case.test.everything(), ae.reconstruct(case.test)
    expected = high_frequency_power(restored).mean() / high_frequency_power(x).mean()
    assert found["sharpness", ""].value == pytest.approx(float(expected), rel=1e-9)
    assert found["sharpness", ""].value < 0.7 and found["sharpness", ""].better == ""
    assert found["sharpness", "3 principal components"].value < 0.7


def test_equal_images_are_as_sharp_noise_is_sharper_and_blur_less_by_its_transfer_function() -> None:
    x = torch.rand(300, 1, 24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert detail(x, x) == (1.0, 1.0, 1.0)
    value, low, _ = detail(x, x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)))
    assert value == pytest.approx(1 + 0.01 * 12, rel=0.05) and low > 1  # uniform values have a variance of 1/12
    down, across = torch.meshgrid(torch.fft.fftfreq(24), torch.fft.fftfreq(24), indexing="ij")
    square = down.square() + across.square()
    transfer = torch.exp(-2 * math.pi**2 * 0.5**2 * square)  # of a Gaussian of half a pixel
    value, low, high = detail(x, torch.fft.ifft2(torch.fft.fft2(x) * transfer).real)
    assert value == pytest.approx(float(transfer[square > 0.25**2].square().mean()), rel=0.1)
    assert low < value < high < 1


def test_blank_images_have_no_sharpness_to_compare_with() -> None:
    blank = torch.full((9, 1, 8, 8), 0.5)
    assert math.isnan(detail(blank, blank)[0])
    assert not detailed(Spec("vector", (64,))) and not detailed(Spec("image", (1, 3, 9), (0.0, 1.0)))


def test_baselines_are_the_mean_and_scikit_learns_components(ae: Run) -> None:
    case, found = asked(ae)
    train, x = case.train.everything().flatten(1).numpy(), case.test.everything().flatten(1).numpy()
    error = float(((x - train.mean(0)) ** 2).mean())
    assert found["squared error", "the mean training sample"].value == pytest.approx(error, rel=1e-5)
    pca = PCA(3, svd_solver="full").fit(train)
    restored = pca.inverse_transform(pca.transform(x)).clip(0, 1)
    error = float(((x - restored) ** 2).mean())
    assert found["squared error", "3 principal components"].value == pytest.approx(error, rel=1e-4)


def test_every_answer_has_its_interval_and_the_seed_decides_it(ae: Run) -> None:
    _, found = asked(ae)
    for m in found.values():
        assert m.low is not None and m.high is not None and m.low < m.value < m.high
        assert "the test" in m.protocol and ("For comparison" in m.protocol) == bool(m.of)
    assert found == asked(ae)[1]


def test_perfect_reconstructions_have_finite_decibels_and_no_range_none() -> None:
    x = torch.rand(4, 1, 8, 8)
    found = {s.name: s.values for s in scores(x, x, Spec("image", (1, 8, 8), (0.0, 1.0)))}
    assert (found["PSNR"] == 100).all() and (found["squared error"] == 0).all()
    torch.testing.assert_close(found["SSIM"], torch.ones(4))
    assert [s.name for s in scores(x[:, 0, 0], x[:, 0, 0], Spec("vector", (8,)))] == ["squared error"]
    codes = torch.tensor([[[0, 1]], [[2, 2]]])
    (score,) = scores(codes, codes * 0, Spec("codes", (1, 2), codes=3))
    assert score.values.tolist() == [0.5, 0.0]


def test_of_a_table_present_numbers_and_known_categories_count() -> None:
    columns = (Column("age", "number", 0, missing=True), Column("sex", "category", 2, levels=("f", "m")))
    spec = Spec("table", (4,), columns=columns)
    x = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1], [2.0, 0, 0, 0]])  # the second misses its age, the third its sex
    made = torch.tensor([[0.0, 0.2, 0.4, 0.6], [9.0, 0.9, 0.2, 0.8], [2.5, 0, 0.7, 0.3]])
    numbers, categories = scores(x, made, spec)
    assert numbers.values[[0, 2]].tolist() == [1.0, 0.25] and numbers.values[1].isnan()
    assert categories.values[:2].tolist() == [0.0, 1.0] and categories.values[2].isnan()


def test_tables_are_measured_in_both(tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 7}.5,{'ab'[i % 2]}" for i in range(200))
    (tmp_path / "t.csv").write_text(f"n,c\n{rows}\n")
    _, found = asked(tacit.fit("pca", str(tmp_path / "t.csv"), latent=2, out=tmp_path / "p"))
    assert found["categories restored", ""].value == 1
    assert found["categories restored", "the mean training sample"].value < 0.8
    assert found["squared error of numbers", "the mean training sample"].value == pytest.approx(1, abs=0.5)

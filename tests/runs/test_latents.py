"""Latents: numbered and truncated draws, walks, and sums of means, on a run that is linear and on others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import tacit
from tacit.errors import CapabilityError, OptionError
from tacit.functional.interpolation import lerp, slerp
from tacit.runs.latents import draw, parse, reckon, truncated, walks
from tacit.runs.run import Run


@pytest.fixture(scope="module")
def pca(tmp_path_factory: Any) -> Run:
    """Standard normal latents of digits."""
    return tacit.fit("pca", "digits", latent=8, whiten=True, out=tmp_path_factory.mktemp("latents") / "pca")


@pytest.fixture(scope="module")
def m2(tmp_path_factory: Any) -> Run:
    """Eight normal dimensions and a class."""
    return tacit.fit("m2", "digits", steps=2, out=tmp_path_factory.mktemp("latents") / "m2")


def test_a_sample_has_the_same_number_however_many_are_drawn(pca: Run) -> None:
    many = draw(pca, 100, seed=3)
    assert torch.equal(draw(pca, 7, seed=3), many[:7]) and torch.equal(draw(pca, 33, seed=3), many[:33])
    assert not torch.equal(draw(pca, 7, seed=4), many[:7])


def test_numbers_are_those_of_the_samples_of_the_seed(tmp_path: Any, digits_data: Any) -> None:
    vae = tacit.fit("vae", digits_data, latent=5, steps=1, out=tmp_path / "vae")
    torch.testing.assert_close(vae.decode(draw(vae, 64, seed=2)), vae.sample(64, seed=2))


@pytest.mark.parametrize("bound", [0.05, 0.5, 1.0, 2.0])
def test_truncated_draws_have_the_variance_of_the_truncated_normal(bound: float) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(200_000, generator=generator)
    kept = truncated(z, bound, generator)
    inside = z.abs() <= bound
    assert torch.equal(kept[inside], z[inside]) and float(kept.abs().max()) <= bound
    normal = torch.distributions.Normal(0.0, 1.0)
    edge = torch.tensor(bound)
    variance = 1 - 2 * edge * normal.log_prob(edge).exp() / (2 * normal.cdf(edge) - 1)
    assert float(kept.double().var()) == pytest.approx(float(variance), rel=0.015)
    assert abs(float(kept.double().mean())) < 0.01 * bound


def test_only_gaussian_dimensions_are_truncated(pca: Run, m2: Run, tmp_path: Any, digits_data: Any) -> None:
    whole, cut = draw(m2, 64), draw(m2, 64, truncation=0.3)
    assert float(cut[:, :8].abs().max()) <= 0.3 < float(whole[:, :8].abs().max())
    assert torch.equal(whole[:, 8:], cut[:, 8:]) and cut[:, 8:].sum(1).eq(1).all()
    many = draw(m2, 4_000, truncation=1.0)[:, :8].double()
    assert many.mean(0).abs().max() < 0.04  # what is drawn anew knows nothing of what it replaces
    assert float(many.var()) == pytest.approx(0.2912, abs=0.005)  # of the normal truncated at 1
    assert draw(m2, 5, label=3)[:, 8:].argmax(1).eq(3).all()
    gumbel = tacit.fit("gumbel-vae", digits_data, steps=1, out=tmp_path / "gumbel")
    with pytest.raises(OptionError, match="no Gaussian dimensions"):
        draw(gumbel, 4, truncation=1.0)
    with pytest.raises(OptionError, match="above 0"):
        draw(pca, 4, truncation=0.0)
    with pytest.raises(OptionError, match="no latents of one class"):
        draw(pca, 4, label=1)


def test_walks_turn_in_the_gaussian_dimensions_alone(m2: Run) -> None:
    z = draw(m2, 6)
    found = walks(m2, z, steps=5)
    assert found.shape == (3, 5, 18)
    t = torch.linspace(0, 1, 5)
    for row, (a, b) in enumerate(zip(z[0::2], z[1::2], strict=True)):
        torch.testing.assert_close(found[row, :, :8], slerp(a[None, :8], b[None, :8], t))
        torch.testing.assert_close(found[row, :, 8:], lerp(a[None, 8:], b[None, 8:], t))
    torch.testing.assert_close(walks(m2, z, way="linear", steps=3)[:, 1], (z[0::2] + z[1::2]) / 2)


def test_runs_without_latents_say_so(tmp_path: Any, digits_data: Any) -> None:
    gmm = tacit.fit("gmm", digits_data, out=tmp_path / "gmm")
    with pytest.raises(CapabilityError, match="does not draw latents"):
        draw(gmm, 4)
    plain = tacit.fit("pca", digits_data, latent=3, out=tmp_path / "plain")
    with pytest.raises(OptionError, match="take --interpolate linear"):
        walks(plain, draw(plain, 2))


# Sums of means -------------------------------------------------------------------------------------------------------


def test_sums_are_of_the_means_of_numbered_samples(pca: Run) -> None:
    z = draw(pca, 12, seed=1)
    found = reckon(pca, "3,7 - 5 + 9,10,11", seed=1)
    expected = z[[3, 7]].mean(0) - z[5] + z[[9, 10, 11]].mean(0)
    torch.testing.assert_close(found.result[0], expected)
    torch.testing.assert_close(found.means[2], z[[9, 10, 11]].mean(0))
    assert [len(p) for p in found.picked] == [2, 1, 3] and torch.equal(found.picked[1], z[[5]])
    near = found.result[1:] - found.result[0]
    assert near.shape == (8, 8) and 0.15 < float(near.abs().max()) <= 0.25


def test_names_are_classes_or_values_of_columns(tmp_path: Any) -> None:
    x, hair = np.random.default_rng(0).normal(size=(60, 4)), np.array(["light brown", "grey", "red"] * 20)
    data = tacit.open_data((x.astype(np.float32), np.array([3, 1] * 30)))
    data.columns["hair"] = hair
    run = tacit.fit("pca", data, latent=3, whiten=True, out=tmp_path / "named")
    z, own = run.encode(), run.data()
    trained = ~own.held_out
    label = torch.tensor([3, 1] * 30)
    brown = torch.from_numpy(hair == "light brown")
    found = reckon(run, "hair='light brown' - '1'")
    torch.testing.assert_close(found.result[0], z[trained & brown].mean(0) - z[trained & (label == 1)].mean(0))
    for wrong, said in (("'5'", "no class '5'"), ("hiar=red", "Did you mean 'hair'"), ("hair=gray", "mean 'grey'")):
        with pytest.raises(OptionError, match=said):
            reckon(run, wrong)


def test_sums_are_read_with_quotes_and_signs() -> None:
    terms = parse("""- "a, b-c",4 +x="1 + 1" - 'z'=q""")
    assert [term.sign for term in terms] == [-1, 1, -1]
    first, second, third = terms
    assert [(i.name, i.number) for i in first.items] == [("a, b-c", None), ("4", 4)]
    assert (second.items[0].column, second.items[0].name) == ("x", "1 + 1")
    assert (third.items[0].column, third.items[0].name) == ("z", "q")
    assert [(i.name, i.number) for i in parse("'7'")[0].items] == [("7", None)]
    for term in terms:
        assert parse(str(term)) == (term,)


@pytest.mark.parametrize(("text", "said"), [
    ("3 - ", "the end follows -"), ("3,,4", ", follows ,"), ("a b", "b follows a number or a name"), ("", "is empty"),
    ("'a", "has no end"), ("''", "names nothing"), ("=b", "names nothing"), ("+ - 3", "- follows +"),
    (",3", ", follows +"),
])
def test_what_is_no_sum_says_where(text: str, said: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(text)
    assert said in str(caught.value) and "\n" not in str(caught.value)

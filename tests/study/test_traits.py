"""What is said of samples in words: what was planted is said, and chance is not."""

from __future__ import annotations

import dataclasses

import numpy as np

from tacit.data.dataset import Data
from tacit.evaluation.factors import factors_of
from tacit.study.traits import Trait, apart, rarities, traits_of


def test_the_column_that_was_planted_sets_a_cluster_apart_and_noise_does_not() -> None:
    rng = np.random.default_rng(1)
    inside = np.arange(1_000) < 250
    towns = np.where(rng.random(1_000) < np.where(inside, 0.6, 0.1), "Ely", "Bath")
    traits = {
        "age": Trait(rng.normal(40, 10, 1_000)), "shoe": Trait(np.where(inside, 45.0, 39.0) + rng.normal(0, 2, 1_000)),
        "town": Trait(towns), "hue": Trait(rng.choice(["red", "blue"], 1_000)),
        "odd": Trait(np.where(inside & (rng.random(1_000) < 0.4), np.nan, rng.normal(size=1_000))),
    }
    found = apart(traits, inside)
    assert found[0].startswith("shoe ") and {one.split()[0] for one in found[1:]} == {"town", "odd"}
    means = [traits["shoe"].values[side].mean() for side in (inside, ~inside)]
    assert found[0] == f"shoe {means[0]:.3g}, else {means[1]:.3g}"
    shares = [100 * (towns[side] == "Ely").mean() for side in (inside, ~inside)]
    assert f"town Ely {shares[0]:.0f} %, else {shares[1]:.0f} %" in found
    assert any(one.startswith("odd missing 4") and one.endswith("else 0 %") for one in found)
    assert apart(traits, np.ones(1_000, bool)) == () == apart(traits, np.arange(1_000) < 3)


def test_of_five_rows_noise_sets_nothing_apart() -> None:
    rng = np.random.default_rng(2)
    traits = {str(i): Trait(rng.normal(size=2_000)) for i in range(40)}
    inside = np.arange(2_000) < 6
    gaps = [abs(t.values[inside].mean() - t.values[~inside].mean()) for t in traits.values()]
    assert max(gaps) > 0.5 and apart(traits, inside) == ()


def test_rare_words_and_numbers_are_named_rarest_first() -> None:
    rng = np.random.default_rng(3)
    towns = np.array(["York"] * 990 + ["Ely"] * 9 + ["Rye"])
    many = {"town": Trait(towns), "age": Trait(rng.normal(40, 5, 1_000)), "loss": Trait(np.zeros(1_000)),
            "light": Trait(rng.random(1_000), ends=("darker", "brighter"))}
    many["age"].values[999], many["age"].values[995], many["age"].values[0] = 41.0, 90.0, 41.0
    many["light"].values[0], many["light"].values[999], many["light"].values[995] = -1.0, 0.5, 0.5
    low, high = (many["age"].write(v) for v in np.quantile(many["age"].values, (0.25, 0.75)))
    assert rarities(many, 999) == ("town Rye: 1 of 1,000",)
    assert rarities(many, 995) == (f"age 90, usually {low} to {high}", "town Ely: 9 of 1,000")
    assert rarities(many, 0) == ("darker than 99.9 % of samples",)


def test_dates_and_hues_are_said_in_words(digits_data: Data) -> None:
    taken = np.array(["2020-01-01", "2021-07-05"] * 150, object)
    data = dataclasses.replace(digits_data, columns={"taken": taken})
    traits = traits_of(data, factors_of(data) | {"hue": np.full(300, 2.1)})
    assert apart(traits, np.arange(300) % 2 == 0) == ("taken 2020-01-01, else 2021-07-05",)
    assert set(traits["hue"].values) == {"green"}


def test_words_that_name_single_samples_are_no_traits(digits_data: Data) -> None:
    factors = {"path": np.array([f"{i}.png" for i in range(300)], object), "camera": np.array(["a", "b"] * 150, object)}
    assert set(traits_of(digits_data, factors)) == {"camera"}


def test_missing_numbers_are_rare_where_few_are(digits_data: Data) -> None:
    values = np.ones(300)
    values[4] = np.nan
    assert rarities({"height": Trait(values)}, 4) == ("height missing: 1 of 300",)

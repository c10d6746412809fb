"""An option that makes no difference is refused: for every kind of source, and for methods."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tacit.data.open import open_source
from tacit.data.options import HEEDS, NEEDS, ReadOptions
from tacit.errors import OptionError
from tacit.protocol import Spec

GIVEN = {"columns": ("weight:number",), "size": 12, "fit": "pad", "colour": "grey", "count": 30, "layer": "conv1",
         "stochastic": True, "binarise": True, "derive": "blur"}  # what some sources heed and others do not
PIXELS = {"size", "fit", "colour", "binarise", "derive"}
TAKES = {
    "photos": PIXELS, "list.csv": {"columns", *PIXELS}, "table.csv": {"columns"},
    "vectors.npy": set(), "pictures.npy": PIXELS, "shapes": {"count", *PIXELS}, "moons": {"count"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    (place / "photos").mkdir()
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(place / f"photos/{i:02}.png")
    weights = rng.random(30)
    rows = (f"photos/{i:02}.png,{w}\n" for i, w in enumerate(weights))
    (place / "list.csv").write_text("path,weight\n" + "".join(rows))
    (place / "table.csv").write_text("weight,height\n" + "".join(f"{w},{w * w}\n" for w in weights))
    np.save(place / "vectors.npy", rng.random((30, 5)))
    np.save(place / "pictures.npy", pictures)
    return place


def at(place, source):
    return str(place / source) if (place / source).exists() else source


@pytest.mark.parametrize("option", GIVEN)
@pytest.mark.parametrize("source", TAKES)
def test_a_source_heeds_an_option_or_refuses_it(place, source, option):
    options = ReadOptions(**{option: GIVEN[option]})
    if option in TAKES[source]:
        assert open_source(at(place, source), options).options == options.to_dict()
        return
    with pytest.raises(OptionError, match=f"--{option} makes no difference to .*{source}; it is for ") as caught:
        open_source(at(place, source), options)
    assert "\n" not in str(caught.value)


def test_every_option_is_for_some_source_and_what_all_heed_is_not_refused():
    options = {f.name for f in dataclasses.fields(ReadOptions)}
    assert options == {name for heeded in HEEDS.values() for name in heeded} and set(NEEDS) < options
    shared = set.intersection(*(set(heeded) for kind, heeded in HEEDS.items() if kind != "runs"))
    assert shared == options - GIVEN.keys()


def test_what_stands_in_memory_is_an_array_or_images(place):
    pictures = np.load(place / "pictures.npy")
    assert open_source(pictures, ReadOptions(size=8)).x.shape == (30, 3, 8, 8)
    with pytest.raises(OptionError, match="--size makes no difference to arrays, as the array; it is for images"):
        open_source(pictures.reshape(30, -1), ReadOptions(size=8))


def test_an_option_may_be_for_the_items_behind_vectors(place):
    open_source(at(place, "vectors.npy"), ReadOptions(items=at(place, "photos"), size=8))
    with pytest.raises(OptionError, match="--columns makes no difference to arrays or images"):
        open_source(at(place, "vectors.npy"), ReadOptions(items=at(place, "photos"), columns=("a:id",)))


def test_what_a_run_was_given_goes_for_all_that_it_opens(place):
    like = Spec("image", (3, 12, 12), (0.0, 1.0))
    options = ReadOptions(size=12, columns=("weight:number",), split="0")
    for source in ("photos", "pictures.npy", "shapes"):
        assert str(open_source(at(place, source), options, like=like).spec) == str(like)


def test_labels_are_kept_where_there_are_labels(place):
    open_source(at(place, "shapes"), ReadOptions(label_count=5))
    with pytest.raises(OptionError, match="--label-count is 5 and photos has no labels"):
        open_source(at(place, "photos"), ReadOptions(label_count=5))


def test_a_method_heeds_what_it_needs():
    options = ReadOptions(pair="other", label_count=5, labels="none")
    options.check_method("ours", {"pair", "label"})
    with pytest.raises(OptionError, match="--label-count makes no difference to ours; .* needs a label"):
        options.check_method("ours", {"pair"})
    with pytest.raises(OptionError, match="--pair makes no difference to ours; .* needs a pair"):
        options.check_method("ours", {"label"})

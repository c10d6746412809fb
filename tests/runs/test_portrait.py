import numpy as np
import pytest
from PIL import Image

import tacit


@pytest.mark.parametrize(("method", "source", "drawn"), [
    ("kmeans", "moons", {"clusters", "scores"}),
    ("kmeans", "digits", {"clusters", "strangest"}),
    ("gmm", "moons", {"clusters", "samples", "scores"}),
    ("nmf", "digits", {"parts", "reconstructions", "traversals", "units"}),
    ("ica", "digits", {"sources", "reconstructions", "traversals", "units"}),
    ("ica", "moons", set()),
])
def test_each_capability_has_its_picture(method, source, drawn):
    run = tacit.fit(method, source)
    found = {path.stem for path in (run.path / "pictures").glob("*.png")}
    assert found == drawn
    for path in (run.path / "pictures").glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 60 and np.asarray(image.convert("L")).std() > 2, f"{path.name} is blank"


def test_features_that_were_watched_stand_among_the_curves(digits_data):
    run = tacit.fit("simclr", digits_data, steps=12, batch=32, width=4, log_steps=2)
    from tacit.runs.log import read_lines

    assert [line["step"] for line in read_lines(run.path / "health.jsonl")] == [10]
    assert (run.path / "pictures" / "curves.png").is_file()

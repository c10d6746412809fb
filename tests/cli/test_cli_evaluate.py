import json

import pytest

import tacit
from tacit.cli.main import main
from tacit.cli.options import Option
from tacit.cli.parser import Usage, parse
from tacit.errors import OptionError


@pytest.fixture
def runs(tmp_path):
    """Two runs on the same data, and one on other data."""
    for name, source, clusters in (("three", "digits", 3), ("ten", "digits", 10), ("moons", "moons", 2)):
        tacit.fit("kmeans", source, clusters=clusters, out=tmp_path / name)
    return tmp_path


def test_evaluate_says_and_writes_every_answer(runs, capsys):
    assert main(["evaluate", str(runs / "ten"), "--only", "clusters", "--limit", "300"]) == 0
    said = capsys.readouterr().out
    written = json.loads((runs / "ten" / "evaluation.json").read_text())
    assert written["measures"]
    for measure in written["measures"]:
        assert measure["name"] in said
        assert measure["protocol"]


def test_compare_evaluates_what_is_missing_and_writes_a_page_without_a_network(runs, capsys):
    both = [str(runs / "three"), str(runs / "ten")]
    words = ["compare", *both, "--only", "clusters", "--limit", "300", "-o", "page.html"]
    assert main(words) == 0
    said, page = capsys.readouterr().out, (runs / "page.html").read_text()
    assert "three" in said and "ten" in said and "*" in said
    for found in ("three", "ten", "data:image/webp;base64,", "light-dark(", "viewport"):
        assert found in page
    for address in ("http://", "https://", "src=\"/", "@import"):
        assert address not in page
    assert main(words) == 2  # the page is there already
    assert "--overwrite" in capsys.readouterr().err


def test_runs_on_other_data_are_refused_unless_one_insists(runs, capsys):
    words = ["compare", str(runs / "ten"), str(runs / "moons"), "--only", "clusters", "--limit", "100"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "differ in data" in error and "--anyway" in error
    assert main([*words, "--anyway"]) == 0
    assert "mind: they differ in data" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "said"), [
    (["evaluate"], "needs RUN"),
    (["evaluate", "nothing"], "nothing is not a run"),
    (["compare"], "needs RUNS"),
    (["compare", "nothing", "none"], "nothing is not a run"),
    (["evaluate", "RUN", "--only", "cluster"], "Did you mean 'clusters'"),
    (["evaluate", "RUN", "--only", "samples"], "needs a run that can sample"),
    (["evaluate", "RUN", "--limit", "2"], "limit is 2"),
    (["evaluate", "RUN", "--against", "nowhere"], "nowhere"),
    (["evaluate", "RUN", "--features", "nowhere"], "nowhere"),
    (["compare", "RUN"], "needs two runs"),
    (["compare", "RUN", "RUN"], "needs two runs"),
    (["compare", "RUN", "RUN", "-o", "page.png"], "written as .html"),
])
def test_bad_lines_are_refused_in_one_line(runs, capsys, words, said):
    assert main([str(runs / "ten") if word == "RUN" else word for word in words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_place_that_takes_several_words_takes_at_least_one():
    usage = Usage("compare", "", ("RUNS...",), (Option("top", int, 1),))
    with pytest.raises(OptionError, match="needs RUNS"):
        parse(usage)
    call = parse(Usage("compare", "", ("RUNS...",), (Option("top", int, 1),), words=("a", "--top", "3", "b", "c")))
    assert (call.several, call["top"]) == (("a", "b", "c"), 3)


def test_a_run_is_asked_what_it_can_answer(tmp_path, capsys):
    for name in ("pca", "kmeans"):
        tacit.fit(name, "digits", out=tmp_path / name)
    both = [str(tmp_path / "pca"), str(tmp_path / "kmeans")]
    words = ["compare", *both, "--limit", "200", "--overwrite"]
    assert main([*words, "--only", "clusters,anomaly"]) == 0
    capsys.readouterr()
    assert main([*words, "--only", "clusters"]) == 2
    assert "pca (pca) can answer none of clusters" in capsys.readouterr().err

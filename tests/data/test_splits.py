import numpy as np
import pytest

from tacit.data.options import ReadOptions
from tacit.data.raw import Raw
from tacit.data.splits import drawn, draws, split, split_keys
from tacit.errors import DataError, OptionError

IDS = [f"speaker{i % 40}/take{i}.png" for i in range(2000)]


def held_out(ids=IDS, same=None, columns=None, own=None, **options):
    raw = Raw("test", "image", ids, "", columns=columns or {}, held_out=own)
    same = np.arange(len(ids)) if same is None else np.asarray(same)
    out, notes = split(raw, ReadOptions(**options), same)
    return {i for i, o in zip(ids, out.tolist(), strict=True) if o}, notes


def test_the_share_is_kept_and_a_greater_share_holds_out_the_same_and_more():
    tenth, _ = held_out(split="0.1")
    half, _ = held_out(split="0.5")
    assert 150 < len(tenth) < 250 and 920 < len(half) < 1080
    assert tenth < half and held_out(split="0")[0] == set()


def test_the_side_of_a_sample_depends_on_no_other_sample_and_on_no_order():
    whole, _ = held_out(split="0.3")
    some = IDS[::-3]
    assert held_out(some, split="0.3")[0] == whole & set(some)


def test_the_split_is_the_same_on_every_machine_and_another_with_another_seed():
    assert draws(["a", "b"], 0).round(6).tolist() == [0.092688, 0.433164]
    assert held_out(split="0.3")[0] != held_out(split="0.3", split_seed=1)[0]


def test_what_is_drawn_for_a_limit_has_nothing_to_do_with_the_split():
    few, more = drawn(IDS, 500, 0), drawn(IDS, 700, 0)
    assert set(few) < set(more) and few == sorted(few)
    share = len(held_out([IDS[i] for i in few], split="0.5")[0]) / 500
    assert 0.4 < share < 0.6  # drawn by one hash, none or all of the first would be held out
    with pytest.raises(OptionError):
        drawn(IDS, 0, 0)


@pytest.mark.parametrize("group", [r"speaker(\d+)/", "speaker", r"^\w+"])
def test_a_group_stays_on_one_side(group):
    speakers = np.array([i.split("/")[0] for i in IDS])
    out, notes = held_out(split="0.4", group=group, columns={"speaker": speakers})
    sides = {s: {i in out for i in IDS if i.startswith(f"{s}/")} for s in set(speakers)}
    assert all(len(side) == 1 for side in sides.values()) and 0 < len(out) < len(IDS)
    assert "40 values" in notes[0]


def test_samples_without_a_group_stand_alone():
    out, notes = held_out(group=r"speaker(1\d?)/", split="0.5")
    alone = [i for i in IDS if not i.startswith("speaker1")]
    assert 0.4 < len(out & set(alone)) / len(alone) < 0.6 and "stand alone" in notes[0]


def test_the_role_of_group_in_columns_is_a_group():
    keys = np.array([i.split("/")[0] for i in IDS])
    assert held_out(columns={"who": keys}, **{"split": "0.4"})[1] != []
    raw = Raw("test", "image", IDS, "", columns={"who": keys})
    by_role, _ = split(raw, ReadOptions(columns=("who:group",), split="0.4"), np.arange(len(IDS)))
    by_name, _ = split(raw, ReadOptions(group="who", split="0.4"), np.arange(len(IDS)))
    assert np.array_equal(by_role, by_name)


@pytest.mark.parametrize(("group", "error"), [("zebra", DataError), ("((", OptionError)])
def test_a_group_that_is_nowhere_is_an_error(group, error):
    with pytest.raises(error, match="--group"):
        held_out(group=group)


def test_duplicates_share_a_side():
    same = np.arange(2000)
    same[1000:] = np.arange(1000)
    out, notes = held_out(same=same, split="0.5")
    assert all((IDS[i] in out) == (IDS[i + 1000] in out) for i in range(1000))
    assert "exact or near duplicates of others" in notes[0]


def test_groups_and_duplicates_are_tied_together():
    ids = ["a/1", "a/2", "b/1", "b/2", "c/1", "d"]
    groups = ["a", "a", "b", "b", "c", None]
    assert split_keys(ids, groups, np.arange(6)) == ["a", "a", "b", "b", "c", "d"]
    assert split_keys(ids, groups, np.array([0, 1, 2, 3, 2, 1])) == ["a", "a", "b", "b", "b", "a"]
    assert split_keys(ids, groups, np.array([0, 1, 1, 3, 3, 5])) == ["a"] * 5 + ["d"]
    assert split_keys(ids, None, np.array([0, 1, 1, 3, 3, 5])) == ["a/1", "a/2", "a/2", "b/2", "b/2", "d"]


def test_a_file_lists_what_is_held_out(tmp_path):
    (tmp_path / "test.txt").write_text(f"{IDS[3]}\n\n{IDS[7]}\n")
    same = np.arange(2000)
    same[8] = 7
    out, notes = held_out(same=same, split=str(tmp_path / "test.txt"))
    assert out == {IDS[3], IDS[7]} and "duplicate on the other side of that split: 1 of 2,000" in notes[-1]
    (tmp_path / "bad.txt").write_text(IDS[3][:-1])
    with pytest.raises(DataError, match="Did you mean"):
        held_out(split=str(tmp_path / "bad.txt"))


@pytest.mark.parametrize("word", ["1", "1.5", "-0.1", "nan", "tenth"])
def test_what_is_neither_a_share_nor_a_file_is_an_error(word):
    with pytest.raises(OptionError, match="--split"):
        held_out(split=word)


def test_the_sources_own_parts_count_unless_a_split_is_asked_for():
    own = np.arange(2000) < 3
    out, notes = held_out(own=own)
    assert out == set(IDS[:3]) and "as the source has them" in notes[-1]
    out, notes = held_out(own=own, split="0.2")
    assert len(out) > 300 and "not used" in notes[0]


def test_an_empty_side_is_said():
    _, notes = held_out(IDS[:30], same=np.zeros(30, int))
    assert any("no sample is held out" in n for n in notes)

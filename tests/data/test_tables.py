"""Tables: how a file is read, what each column is taken for, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from tacit.data.options import ReadOptions
from tacit.data.sheets import read_sheet, words, write_csv
from tacit.data.tables import from_frame, most_levels, read_columns, read_table
from tacit.errors import DataError, OptionError
from tacit.protocol import Column, Spec

Write = Callable[..., Path]
PLAIN = ReadOptions()
PEOPLE = """name, age, job, note
Ann, 39, clerk, a
"Bob, jr.", ?, "night porter", b
Cy,  28.5, N/A, c
Di, 51, clerk, ?
"""


@pytest.fixture
def table(tmp_path: Path) -> Write:
    def write(text: str, name: str = "people.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    return write


def rows(n: int, **columns: Callable[[int], Any]) -> str:
    """A CSV of n rows: a header, and f(i) for each column."""
    lines = [",".join(str(f(i)) for f in columns.values()) for i in range(n)]
    return "\n".join([",".join(columns), *lines]) + "\n"


def test_fields_are_stripped_and_gaps_are_missing(table: Write) -> None:
    raw = read_table(table(PEOPLE), PLAIN)
    assert raw.kind == "table" and raw.x is None and raw.name == "people"
    assert raw.ids == ["0000", "0001", "0002", "0003"]
    np.testing.assert_array_equal(raw.table["age"], [39, np.nan, 28.5, 51])
    assert raw.table["job"].tolist() == ["clerk", "night porter", "", "clerk"]
    assert raw.table["name"][1] == "Bob, jr." and raw.table["note"].tolist() == ["a", "b", "c", ""]
    assert "missing values: age 1, job 1, note 1" in raw.notes
    assert "1 number: age" in raw.notes and "3 categories: name, job, note" in raw.notes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separator_and_encoding_are_found_out(table: Write, delimiter: str, encoding: str) -> None:
    text = "a,b c,d\n1,für x,3\n2,y: z,4\n".replace(",", delimiter)
    sheet = read_sheet(table(text, encoding=encoding))
    assert list(sheet.columns) == ["a", "b c", "d"] and sheet.columns["b c"].tolist() == ["für x", "y: z"]
    assert any("Windows-1252" in note for note in sheet.notes) == (encoding == "cp1252")


def test_decimal_commas_are_points_where_semicolons_separate(table: Write) -> None:
    assert read_table(table("a;b\n1,5;x, y\n-2;z\n"), PLAIN).table["a"].tolist() == [1.5, -2]


def test_rows_of_another_length_are_skipped_by_name_and_rename_no_other(table: Write) -> None:
    raw = read_table(table("a,b\n1,2\n3\n\n4,5,6\n7,8\n"), PLAIN)
    assert raw.ids == ["0000", "0003"] and raw.table["a"].tolist() == [1, 7]
    assert [(s.name, s.reason) for s in raw.skipped] == [("line 3", "1 fields, expected 2"),
                                                         ("line 5", "3 fields, expected 2")]
    assert any("skipped: 2; line 3" in note for note in raw.notes)
    with pytest.raises(DataError, match="line 3: 1 fields"):
        read_table(table("a,b\n1,2\n3\n"), ReadOptions(strict=True))


def test_headers_without_names_or_with_equal_ones_get_their_own(table: Write) -> None:
    sheet = read_sheet(table("a,,a,a\nx,y,z,w\n"))
    assert list(sheet.columns) == ["a", "column 2", "a (2)", "a (3)"]
    assert "column 2" in sheet.notes[0] and "a (3)" in sheet.notes[0]


@pytest.mark.parametrize("text", ["1.5,2\n3,4.25\n", "39,clerk\n28,porter\n"])
def test_a_file_without_header_loses_no_row(table: Write, text: str) -> None:
    sheet = read_sheet(table(text))
    assert len(sheet) == 2 and list(sheet.columns) == ["column 1", "column 2"] and "no header" in sheet.notes[0]


def test_years_may_be_names(table: Write) -> None:
    assert list(read_sheet(table("place,2019,2020\nx,1,2\n")).columns) == ["place", "2019", "2020"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a,b\n", "no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not text"),
        (b'a,b\n"x' + b"y" * 140_000 + b'",2\n', "not a table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / "t.csv", PLAIN)


def test_each_column_is_taken_for_what_it_holds(table: Write) -> None:
    text = rows(
        120,
        key=lambda i: i + 1, number=lambda i: i * i, kind=lambda i: "abc"[i % 3], day=lambda i: f"2024-01-{i % 28 + 1}",
        word=lambda i: f"w{i % 60}", name=lambda i: f"n{i}", file=lambda i: f"p/{i % 90}.jpg", same=lambda _: "x",
        one=lambda _: 7, gone=lambda _: "?", text=lambda i: f"this is the sentence number {i} of all",
    )
    columns, roles, notes = read_columns(table(text), PLAIN)
    assert roles == {
        "key": "id", "number": "number", "kind": "category", "day": "date", "word": "ignore", "name": "ignore",
        "file": "path", "same": "ignore", "one": "ignore", "gone": "ignore", "text": "text",
    }
    assert columns["number"].dtype == np.float64 and columns["day"][0] == "2024-01-1"
    said = "\n".join(notes)
    for part in ("60 different words", "one value throughout", "all values are missing", "id: key; it counts the rows",
                 "ignored: same, one", "path: file", "text: text", "date: day"):
        assert part in said
    raw = read_table(table(text), PLAIN)
    assert list(raw.table) == ["number", "kind"] and raw.ids[:2] == ["1", "2"]
    assert set(raw.columns) == {"day", "file", "text"}


def test_only_a_count_or_a_name_makes_numbers_an_id(table: Write) -> None:
    raw = read_table(table(rows(30, a=lambda i: 2 * i, id=lambda i: 900 - 7 * i)), PLAIN)
    assert list(raw.table) == ["a"] and raw.ids[0] == "900"


def test_roles_can_be_given(table: Write) -> None:
    text = rows(40, a=lambda i: i % 4, b=lambda i: i / 2, who=lambda i: f"p{i % 5}", c=lambda i: i + 0.5)
    raw = read_table(table(text), ReadOptions(columns=("a:category", "who:group", "c:ignore")))
    assert raw.table["a"].tolist()[:5] == ["0", "1", "2", "3", "0"] and list(raw.table) == ["a", "b"]
    assert raw.columns["who"][6] == "p1" and "c" not in raw.columns
    grouped = read_table(table(text), ReadOptions(group="who"))
    assert "who" in grouped.columns and "who" not in grouped.table
    assert "who" in read_table(table(text), ReadOptions(group=r"^(\d)")).table


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"columns": ("agee:number",)}, DataError, "no column 'agee'; it has name, age.*Did you mean 'age'"),
        ({"columns": ("age:numbr",)}, OptionError, "Did you mean 'number'"),
        ({"columns": ("age",)}, OptionError, "NAME:ROLE"),
        ({"columns": ("job:number",)}, DataError, "'clerk' in row 0000"),
        ({"columns": ("job:id",)}, DataError, "'clerk' 2 times"),
        ({"columns": ("note:id",)}, DataError, "has a gap"),
        ({"columns": ("job:label", "note:label")}, OptionError, "job and note are both the label"),
        ({"columns": ("name:ignore", "age:ignore", "job:ignore", "note:text")}, DataError, "no column that is"),
        ({"labels": "jobb"}, DataError, "Did you mean 'job'"),
        ({"labels": "folder"}, DataError, "no folders"),
    ],
)
def test_roles_that_cannot_be_are_refused(
    table: Write, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        read_table(table(PEOPLE), ReadOptions(**options))
    assert "\n" not in str(caught.value)


def test_too_many_words_are_no_category(table: Write) -> None:
    path = table(rows(3000, a=lambda i: i % 7, word=lambda i: f"w{i % 200}"))
    raw = read_table(path, PLAIN)
    assert list(raw.table) == ["a"] and any("200 different words" in note for note in raw.notes)
    for options in (ReadOptions(columns=("word:category",)), ReadOptions(labels="word")):
        with pytest.raises(DataError, match=r"200 distinct values in 3,000 rows.*at most 150.*word:ignore"):
            read_table(path, options)
    assert (most_levels(10), most_levels(2000), most_levels(10**7)) == (50, 100, 1000)


def test_labels_are_a_named_column_or_none(table: Write) -> None:
    path = table("a,Class,y\n1,p,0\n2,?,1\n3,q,0\n")
    raw = read_table(path, PLAIN)
    assert raw.label == ["p", None, "q"] and list(raw.table) == ["a", "y"]
    assert any(note.startswith("label: Class, by its name") for note in raw.notes)
    assert read_table(path, ReadOptions(labels="y")).label == ["0", "1", "0"]
    none = read_table(path, ReadOptions(labels="none"))
    assert none.label is None and "Class" in none.table
    explicit = read_table(path, ReadOptions(columns=("y:label",)))
    assert explicit.label == ["0", "1", "0"] and "Class" in explicit.table


def test_a_table_without_label_says_how_to_name_one(table: Write) -> None:
    raw = read_table(table("a,income\n1,low\n2,high\n"), PLAIN)
    assert raw.label is None and "income" in raw.table
    assert "no column named as label; --labels COLUMN takes one" in raw.notes
    goal = read_table(table(rows(99, a=lambda i: i % 5, y=lambda i: i / 7)), PLAIN)
    assert goal.label is None and "y" in goal.table and any("99 different values" in note for note in goal.notes)


def test_infinite_numbers_are_refused(table: Write) -> None:
    with pytest.raises(DataError, match="'a' .* 2 infinite numbers, the first in row 0001"):
        read_table(table("a,b\n1,2\ninf,3\n-1e999,4\n"), PLAIN)


def test_a_fitted_table_says_what_its_columns_are(table: Write) -> None:
    like = Spec("table", (3,), columns=(Column("a", "number", 0), Column("b", "category", 1, levels=("1", "2"))))
    raw = read_table(table("a,b\n5,1\n"), PLAIN, like)  # one row: every column is constant
    assert raw.table["a"].tolist() == [5.0] and raw.table["b"].tolist() == ["1"]
    many = read_table(table(rows(99, a=lambda i: i, b=lambda i: f"w{i}")), PLAIN, like)
    assert list(many.table) == ["a", "b"]


def test_equal_content_has_equal_fingerprints(table: Write) -> None:
    text = rows(20, a=lambda i: i * i, b=lambda i: "xy"[i % 2])
    first = read_table(table(text), PLAIN).fingerprint
    assert first == read_table(table(text.replace(",", ";"), "other.csv"), PLAIN).fingerprint
    assert first != read_table(table(text.replace("361", "362")), PLAIN).fingerprint
    assert first != read_table(table(text), ReadOptions(labels="b")).fingerprint


def test_parquet_and_frames_are_tables(tmp_path: Path) -> None:
    frame = pandas.DataFrame({
        "n": [1, 2, 3], "f": [0.5, None, 2], "b": [True, False, True], "w": ["x", None, "?"],
        "t": pandas.to_datetime(["2024-01-01", "2024-02-01", None]), "c": pandas.Categorical(["u", "v", "u"]),
    })
    frame.to_parquet(tmp_path / "t.parquet")
    for raw in (read_table(tmp_path / "t.parquet", PLAIN), from_frame(frame, "t", PLAIN)):
        np.testing.assert_array_equal(raw.table["f"], [0.5, np.nan, 2])
        assert raw.table["b"].tolist() == ["True", "False", "True"]
        assert raw.table["c"].tolist() == ["u", "v", "u"]
        assert raw.columns["t"].tolist() == ["2024-01-01 00:00:00", "2024-02-01 00:00:00", ""]
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(DataError, match="not a parquet file"):
        read_table(tmp_path / "bad.parquet", PLAIN)


def test_a_written_table_reads_back(tmp_path: Path) -> None:
    columns = {"n": np.array([1.0, np.nan, 2.5]), "w": np.array(["a, b", "", 'q"'], dtype=object)}
    write_csv(tmp_path / "out.csv", columns)
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == '1,"a, b"'
    back = read_sheet(tmp_path / "out.csv").columns
    assert words(columns["n"]) == back["n"].tolist() and back["w"].tolist() == columns["w"].tolist()

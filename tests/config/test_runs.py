"""Columns of measured runs from CSV: what is read, and one line for each mistake."""

from __future__ import annotations

import pytest

from tuneaccord.config.runs import parse_where, read_columns
from tuneaccord.errors import InputError

TEXT = "party,run,spend,score\ncode,0,1,0.5\n\nlegal,0, 2 ,0.6\ncode,1,3,0.7\n"


def write(folder, text: str):
    path = folder / "runs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_read_by_name_and_rows_by_their_cells(tmp_path):
    path = write(tmp_path, TEXT)
    assert read_columns(path, ("score", "spend")) == {"score": [0.5, 0.6, 0.7], "spend": [1.0, 2.0, 3.0]}
    some = read_columns(path, ("spend",), ("run",), {"party": "code"})
    assert some == {"spend": [1.0, 3.0], "run": ["0", "1"]}
    assert read_columns(path, ("spend",), (), {"party": "code", "run": "1"}) == {"spend": [3.0]}


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("", {}, "is empty. Its first row must name the columns"),
        ("spend,score\n", {}, "has no rows below its header"),
        ("spend;score\n1;2\n", {}, "Separate columns by commas."),
        ("spend,scoer\n1,2\n", {}, "no column 'score'. Did you mean 'scoer'?"),
        ("spend,x\n1,2\n", {}, "no column 'score'. Its columns are: spend, x."),
        ("spend,score,score\n1,2,3\n", {}, "has the column 'score' twice"),
        ("spend,score\n1,2\n3\n", {}, "row 3: expected 2 columns, got 1"),
        ("spend,score\n1,2\n\n3,nan\n", {}, "row 4: score must be a finite number, got 'nan'"),
        ("spend,score\n1,\n", {}, "row 2: score must be a finite number, got ''"),
        ("spend,score\n1_0,2\n", {}, "row 2: spend must be a finite number, got '1_0'"),
        ('spend,score\n1,"2\n', {}, "this is not CSV"),
        (TEXT, {"party": "kode"}, "no row with party=kode. Did you mean 'code'?"),
        (TEXT, {"party": "legal", "run": "1"}, "no row with party=legal and run=1"),
        (TEXT, {"partei": "code"}, "no column 'partei'. Did you mean 'party'?"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path, text, where, expected):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_columns(path, ("spend", "score"), (), where)
    assert str(caught.value).startswith(str(path))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"CSV file .*none.csv does not exist"):
        read_columns(tmp_path / "none.csv", ("spend",))


@pytest.mark.parametrize("given", [["party"], ["=code"], ["a=1", "a=2"]])
def test_a_choice_of_rows_that_is_none(given):
    with pytest.raises(InputError, match="rows are chosen by"):
        parse_where(given)

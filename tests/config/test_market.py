"""Markets in files: the same market gives the same settlement in every form."""

from __future__ import annotations

import random
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.config.market import read_market
from tuneaccord.sheets import read_sheet

YAML = """
base: [0.4, 0.3, 0.3]
divergence: {kind: KL, strength: 1.0}
groups:
  - {name: clinic, size: 3, scores: [0.1, 0.9, 0.0]}
  - {name: school, scores: [0.6, 0.5, 0.4]}
"""


def sheet_text(rows, header="group,prompt_id,reply_id,score"):
    return "\n".join([header, *(",".join(str(cell) for cell in row) for row in rows)]) + "\n"


finite = st.floats(-5, 5, allow_nan=False)


@st.composite
def markets(draw):
    prompts, replies, groups = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    scores = draw(
        st.lists(
            st.lists(st.lists(finite, min_size=replies, max_size=replies), min_size=prompts, max_size=prompts),
            min_size=groups,
            max_size=groups,
        )
    )
    sizes = draw(st.lists(st.floats(0.1, 9), min_size=groups, max_size=groups))
    return scores, sizes, draw(st.floats(0.1, 5)), draw(st.integers(0, 2**16))


@given(markets())
@hypothesis_settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_yaml_and_long_sheet_give_the_same_settlement(tmp_path, market):
    scores, sizes, strength, seed = market
    shape = np.array(scores).shape[1:]
    base = np.full(shape, 1 / shape[1]).tolist()
    groups = "".join(
        f"  - {{name: g{index}, size: {size!r}, scores: {table!r}}}\n"
        for index, (table, size) in enumerate(zip(scores, sizes, strict=True))
    )
    text = f"base: {base!r}\ndivergence: {{kind: KL, strength: {strength!r}}}\ngroups:\n{groups}"
    (tmp_path / "m.yaml").write_text(text)
    by_group = [
        [(f"g{group}", f"p{p}", f"r{r}", repr(score)) for p, row in enumerate(table) for r, score in enumerate(row)]
        for group, table in enumerate(scores)
    ]
    for rows in by_group[1:]:  # the first group's rows give the order, the others' may come in any
        random.Random(seed).shuffle(rows)
    (tmp_path / "m.csv").write_text(sheet_text([row for rows in by_group for row in rows]))

    written = read_market(tmp_path / "m.yaml").settle()
    named = {f"g{index}": size for index, size in enumerate(sizes)}
    listed = read_market(tmp_path / "m.csv", strength=strength, sizes=named).settle()
    assert listed.to_dict() == written.to_dict()  # the same numbers in the same order: equal to the last bit


def test_strength_and_sizes_replace_those_of_the_file(tmp_path):
    (tmp_path / "m.yaml").write_text(YAML)
    market = read_market(tmp_path / "m.yaml", strength=0.5, sizes={"school": 2.0})
    assert market.space.divergence == ta.KL(0.5)
    assert [report.size for report in market.reports] == [3.0, 2.0]


def test_a_group_has_size_one_unless_told(tmp_path):
    (tmp_path / "m.yaml").write_text(YAML)
    assert read_market(tmp_path / "m.yaml").reports[1].size == 1.0


def test_score_sheets_beside_the_file_name_the_responses(tmp_path):
    (tmp_path / "sheets").mkdir()
    header = "prompt_id,reply_id,score"
    (tmp_path / "sheets" / "a.csv").write_text(sheet_text([("p", "x", 0.1), ("p", "y", 0.9)], header))
    (tmp_path / "sheets" / "b.csv").write_text(sheet_text([("p", "y", 0.2), ("p", "x", 0.8)], header))
    (tmp_path / "m.yaml").write_text(
        "divergence: {kind: KL, strength: 1}\n"
        "groups:\n  - {name: a, scores: sheets/a.csv}\n  - {name: b, size: 2, scores: sheets/b.csv, scale: max}\n"
    )
    market = read_market(tmp_path / "m.yaml")
    assert market.layout.replies == (("x", "y"),)
    np.testing.assert_array_equal(market.space.base, [[0.5, 0.5]])
    np.testing.assert_array_equal(market.reports[1].reward.on((1, 2)), [[1.0, 0.25]])


def test_csv_and_parquet_are_read_alike(tmp_path):
    rows = [("a", "p1", "x", 0.25), ("a", "p1", "y", 0.5), ("b", "p1", "y", 1.0), ("b", "p1", "x", 0.0)]
    (tmp_path / "m.csv").write_text(sheet_text(rows))
    columns = dict(zip(("group", "prompt_id", "reply_id", "score"), zip(*rows, strict=True), strict=True))
    columns["note"] = ["kept", "out", "of", "it"]
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "m.parquet")
    csv, parquet = (read_market(tmp_path / name, strength=1.0).settle() for name in ("m.csv", "m.parquet"))
    assert csv.to_dict() == parquet.to_dict()


def test_spreadsheet_habits_are_accepted(tmp_path):
    text = '\ufeffscore,reply_id,prompt_id,note\r\n 0.5 ,"x, y",p,\r\n\r\n1,z,p,"two\r\nlines"\r\n'
    (tmp_path / "a.csv").write_bytes(text.encode())
    assert read_sheet(tmp_path / "a.csv").scores == {("p", "x, y"): 0.5, ("p", "z"): 1.0}


def test_numbered_prompts_in_parquet(tmp_path):
    table = pyarrow.table({"prompt_id": [1, 1], "reply_id": [0, 1], "score": [1, 2]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read_sheet(tmp_path / "a.parquet").scores == {("1", "0"): 1.0, ("1", "1"): 2.0}


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ta.MissingDependencyError, match=r"pip install 'tuneaccord\[llm\]'"):
        read_sheet(tmp_path / "a.parquet")


BAD_PARQUET = [
    ({"prompt_id": ["p"], "reply_id": ["x"], "scores": [1.0]}, "no column 'score'. Did you mean 'scores'?"),
    ({"prompt_id": ["p", "p"], "reply_id": ["x", "y"], "score": [1.0, float("nan")]}, "row 2: the score must be"),
    ({"prompt_id": ["p", "p"], "reply_id": ["x", "y"], "score": [1.0, None]}, "row 2: the score must be"),
    ({"prompt_id": ["p"], "reply_id": [None], "score": [1.0]}, "row 1: reply_id must be a text"),
    ({"prompt_id": ["p"], "reply_id": ["x"], "score": [True]}, "row 1: the score must be"),
]


@pytest.mark.parametrize(("columns", "expected"), BAD_PARQUET)
def test_bad_parquet(tmp_path, columns, expected):
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(ta.InputError) as caught:
        read_sheet(tmp_path / "a.parquet")
    assert expected in str(caught.value)


def test_a_file_that_is_not_parquet(tmp_path):
    (tmp_path / "a.parquet").write_text("prompt_id,reply_id,score\n")
    with pytest.raises(ta.InputError, match="as Parquet"):
        read_sheet(tmp_path / "a.parquet")
    for path in (tmp_path / "none.parquet", tmp_path):
        with pytest.raises(ta.InputError, match=r"does not exist|is a folder"):
            read_sheet(path)


A = "a,p,x,1\na,p,y,2\n"
BAD_SHEETS = [
    ("", "is empty"),
    ("group,prompt_id,reply_id,score\n", "has no scores"),
    ("group,prompt_id,score\na,p,1\n", "has no column 'reply_id'. Its columns are: group, prompt_id, score."),
    ("group;prompt_id;reply_id;score\na;p;x;1\n", "Separate columns by commas."),
    ("group,prompt,reply_id,score\na,p,x,1\n", "has no column 'prompt_id'. Did you mean 'prompt'?"),
    ("group,prompt_id,reply_id,score,score\na,p,x,1,1\n", "has the column 'score' twice"),
    ("group,prompt_id,reply_id,score\na,p,x\n", "row 2: expected 4 columns, got 3"),
    ("group,prompt_id,reply_id,score\na,p,x,0,5\n", "row 2: expected 4 columns, got 5"),
    (f"group,prompt_id,reply_id,score\n{A}a,p,,1\n", "row 4: reply_id must be a text"),
    (f"group,prompt_id,reply_id,score\n{A}b,p,x,high\n", "row 4: the score must be a finite number, got 'high'"),
    (f"group,prompt_id,reply_id,score\n{A}b,p,x,nan\n", "row 4: the score must be a finite number, got 'nan'"),
    (f"group,prompt_id,reply_id,score\n{A}b,p,x,-inf\n", "row 4: the score must be a finite number, got '-inf'"),
    (f"group,prompt_id,reply_id,score\n{A}b,p,x,1_0\n", "row 4: the score must be a finite number, got '1_0'"),
    (f"group,prompt_id,reply_id,score\n{A}b,p,x,1\n", "group 'b': the score of reply 'y' to prompt 'p' is missing"),
    (f"group,prompt_id,reply_id,score\n{A}b,p,x,1\nb,p,y,1\nb,p,z,1\n", "there is no reply 'z' to prompt 'p'"),
    (f"group,prompt_id,reply_id,score\n{A}b,q,x,1\n", "It has the prompts 'p'."),
    (f"group,prompt_id,reply_id,score\n{A}a,p,x,1\n", "is scored twice, in rows 2 and 4"),
    (f"group,prompt_id,reply_id,score\n{A}a,q,x,1\n", "prompt 'q' has 1 replies but prompt 'p' has 2"),
    ('group,prompt_id,reply_id,score\na,"p"x,x,1\n', "this is not CSV"),
]


@pytest.mark.parametrize(("text", "expected"), BAD_SHEETS)
def test_bad_sheets(tmp_path, text, expected):
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ta.InputError) as caught:
        read_market(tmp_path / "m.csv", strength=1.0)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)

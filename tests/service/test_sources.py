"""Pools and reports from files: read right, and every trick refused in one line."""

import csv
import io
import itertools
import json

import numpy as np
import pytest

from tuneaccord.service import foreign, sources
from tuneaccord.service.errors import Invalid, TooLarge
from tuneaccord.service.sources import (
    market_from_file,
    pool_from_file,
    report_from_criteria,
    report_from_pairs,
    report_from_sheet,
    sheet_template,
)
from tuneaccord.service.terms import pool_data, terms_of

POOL = {
    "prompts": [{"id": "p1", "text": "How are you?"}, {"id": "p2", "text": "Where is it?"}],
    "responses": [
        [{"id": "a", "text": "Fine, thanks!"}, {"id": "b", "text": "=HYPERLINK(1)"}],
        [{"id": "a", "text": "There, in the\nbox."}, {"id": "-b", "text": "No idea, sorry."}],
    ],
}
TERMS = {"title": "ours", "scores": {"lowest": -1, "highest": 3}}
ROWS = [("p2", "-b", 0.5), ("p1", "a", 0.25), ("p2", "a", -1.0), ("p1", "b", 1e-3)]
EXPECTED = [[0.25, 1e-3], [-1.0, 0.5]]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def sheet(rows, header=("prompt_id", "reply_id", "score")):
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()


def test_a_sheet_in_any_order_becomes_scores_in_the_order_of_the_pool(tmp_path):
    report = report_from_sheet(write(tmp_path, "upload", sheet(ROWS)), "../../etc/sheet.CSV", POOL)
    assert report["scores"] == EXPECTED
    assert report["how"].startswith("score sheet (sha256 ")
    assert list(tmp_path.iterdir()) == [tmp_path / "upload"]


def test_the_template_comes_back_filled_in_whatever_a_spreadsheet_would_make_of_it(tmp_path):
    rows = list(csv.reader(io.StringIO(sheet_template(POOL))))
    assert rows[0] == ["prompt_id", "reply_id", "score", "prompt", "reply"]
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows[1:] for cell in row)
    scores = {(prompt, reply.removeprefix("'")): score for prompt, reply, score in ROWS}
    filled = [[p, r, scores[p, r.removeprefix("'")], *texts] for p, r, _, *texts in rows[1:]]
    path = write(tmp_path, "upload", sheet(filled, rows[0]))
    assert report_from_sheet(path, "a.csv", POOL)["scores"] == EXPECTED


def test_candidate_models_are_scored_under_one_name(tmp_path):
    pool = {"kind": "candidates", "candidates": [{"name": "base"}, {"name": "@soup", "price": 0.3}], "base": "base"}
    assert "candidates,'@soup,," in sheet_template(pool)
    path = write(tmp_path, "upload", sheet([("candidates", "@soup", 0.5), ("candidates", "base", 0)]))
    assert report_from_sheet(path, "a.csv", pool)["scores"] == [[0.0, 0.5]]
    with pytest.raises(Invalid, match="no replies that could be scored"):
        report_from_criteria({"calm": 1.0}, pool, TERMS)


BAD_SHEETS = {
    sheet(ROWS[:3]): "missing",
    sheet([*ROWS[:3], ROWS[0]]): "scored twice",
    sheet([*ROWS[:3], ("p1", "c", 1)]): "no reply 'c'",
    sheet([*ROWS, *ROWS]): "more rows than the pool has responses",
    sheet([*ROWS[:3], ("p1", "b", "nan")]): "finite number",
    sheet([*ROWS[:3], ("p1", "b", "1_0")]): "finite number",
    sheet(ROWS, ("prompt_id", "reply_id", "scores")): "no column 'score'; it has: prompt_id, reply_id, scores",
    "prompt_id;reply_id;score\na;b;1\n": "Separate columns by commas",
    "": "missing|no scores|empty",
    "prompt_id,reply_id,score\np1,a,0\0": "zero character",
    "prompt_id,reply_id,score\np1,a": "expected 3 columns",
    'prompt_id,reply_id,score\n"p1,a,0\n': "not CSV",
    ",".join(f"c{number}" for number in range(100_000)) + "\n": "100,000 columns",
    "x" * 2_000_000: "1,000,000 characters",
    "prompt_id,prompt_id,score\n": "a column twice",
    "prompt_id,reply_id,score\n" + "p1," + "y" * 200_000 + ",1\n": "not CSV",
}


@pytest.mark.parametrize("content", BAD_SHEETS, ids=[f"{text[-30:]!r}" for text in BAD_SHEETS])
def test_a_sheet_that_does_not_fit_is_told_in_one_line(tmp_path, content):
    with pytest.raises((Invalid, TooLarge), match=BAD_SHEETS[content]) as told:
        report_from_sheet(write(tmp_path, "upload", content), "a.csv", POOL)
    assert str(tmp_path) not in str(told.value)
    assert len(str(told.value)) < 1500


@pytest.mark.parametrize("name", ["a", "a.exe", "", ".csv/..", "a.csv\0"])
def test_the_name_of_a_file_only_tells_its_format(tmp_path, name):
    with pytest.raises(Invalid, match=r"name must end in one of \.csv, \.parquet"):
        report_from_sheet(write(tmp_path, "upload", sheet(ROWS)), name, POOL)


@pytest.mark.slow
def test_parquet_is_read_as_csv_is(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    columns = dict(zip(("prompt_id", "reply_id", "score"), zip(*ROWS, strict=True), strict=True))
    parquet.write_table(pa.table({name: list(values) for name, values in columns.items()}), tmp_path / "upload")
    assert report_from_sheet(tmp_path / "upload", "a.parquet", POOL)["scores"] == EXPECTED
    for content in (b"PAR1" + b"\0" * 100 + b"PAR1", sheet(ROWS).encode()):
        with pytest.raises(Invalid, match="not a Parquet file"):
            report_from_sheet(write(tmp_path, "bad", content), "a.parquet", POOL)


@pytest.mark.slow
def test_a_parquet_bomb_does_not_go_off(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    long = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * 1_000_000]))
    numbers = [f"{number}" for number in range(2000)]
    table = pa.table({"prompt_id": long, "reply_id": numbers, "score": [1.0] * 2000})
    parquet.write_table(table, tmp_path / "bomb", compression="zstd")
    assert (tmp_path / "bomb").stat().st_size < 100_000  # for two gigabytes
    with pytest.raises(TooLarge, match="64,000,000 characters"):
        pool_from_file(tmp_path / "bomb", "a.parquet")
    many = pa.table({"prompt_id": pa.array(np.zeros(3_000_000, np.int8)), "reply_id": np.zeros(3_000_000, np.int8)})
    parquet.write_table(many, tmp_path / "rows")
    with pytest.raises(TooLarge, match="3,000,000 rows"):
        pool_from_file(tmp_path / "rows", "a.parquet")
    wide = pa.table({f"c{number}": [1] for number in range(60)})
    parquet.write_table(wide, tmp_path / "wide")
    with pytest.raises(TooLarge, match="60 columns"):
        pool_from_file(tmp_path / "wide", "a.parquet")


def test_a_pool_from_rows_is_the_pool_of_its_json(tmp_path):
    header = ("prompt_id", "prompt", "reply_id", "reply", "base", "prompt_weight")
    rows = [
        (prompt["id"], prompt["text"], reply["id"], reply["text"], 0.5, weight)
        for prompt, replies, weight in zip(POOL["prompts"], POOL["responses"], (0.25, 0.75), strict=True)
        for reply in replies
    ]
    lines = "\n".join(json.dumps(dict(zip(header, row, strict=True))) for row in rows)
    whole = {**POOL, "base": [[0.5, 0.5]] * 2, "prompt_weights": [0.25, 0.75]}
    terms = terms_of(TERMS)
    expected = pool_data(whole, terms)
    for name, content in {"a.csv": sheet(rows, header), "a.jsonl": lines, "a.json": json.dumps(whole)}.items():
        assert pool_data(pool_from_file(write(tmp_path, "upload", content), name), terms) == expected, name


def test_candidates_from_rows(tmp_path):
    content = sheet([("base", 0, "", 1), ("soup", 0.3, "half and half", "")], ("candidate", "price", "text", "base"))
    pool = pool_from_file(write(tmp_path, "upload", content), "a.csv")
    assert pool == {
        "kind": "candidates",
        "base": "base",
        "candidates": [
            {"name": "base", "price": 0.0, "text": ""},
            {"name": "soup", "price": 0.3, "text": "half and half"},
        ],
    }


BAD_POOLS = {
    ("a.csv", "prompt_id,reply_id\n"): "no rows",
    ("a.csv", "prompt_id,rply_id\np,a\n"): "no column 'reply_id'",
    ("a.csv", "prompt_id,reply_id,bse\np,a,1\n"): "unknown column 'bse'. Did you mean 'base'",
    ("a.csv", "prompt_id,reply_id,base\np,a,x\n"): "row 2: base must be a number",
    ("a.csv", "prompt_id,reply_id,prompt\np,a,x\np,b,y\n"): "another text than before",
    ("a.csv", "prompt_id,reply_id\n,a\n"): "row 2: prompt_id must be a text",
    ("a.csv", "candidate,base\na,1\nb,1\n"): "marked as the base model already",
    ("a.csv", "candidate,base\na,maybe\n"): "base must be 1",
    ("a.csv", b"prompt_id,reply_id\n\xff,a\n"): "not UTF-8",
    ("a.jsonl", '{"prompt_id": "p"'): "line 1 is not JSON",
    ("a.jsonl", "[1]\n"): "line 1: expected a mapping",
    ("a.jsonl", '{"prompt_id": "p", "reply_id": "a", "base": NaN}'): "NaN",
    ("a.jsonl", "x" * 1_100_000): "more than 1,000,000 bytes",
    ("a.json", "[]"): "must be a mapping",
    ("a.json", "[" * 100_000): "nested too deeply",
}


def test_a_pool_that_does_not_fit_is_told_in_one_line(tmp_path):
    for (name, content), expected in BAD_POOLS.items():
        with pytest.raises((Invalid, TooLarge), match=expected):
            pool_from_file(write(tmp_path, "upload", content), name)


@pytest.mark.slow
def test_criteria_are_mixed_as_their_own_code_scores(tmp_path):
    pytest.importorskip("vaderSentiment")
    from tuneaccord.llm.criteria import calm, easy

    prompts = [prompt["text"] for prompt in POOL["prompts"] for _ in range(2)]
    replies = [reply["text"] for row in POOL["responses"] for reply in row]
    expected = 0.25 * np.array(calm(prompts, replies)) + 0.75 * np.array(easy(prompts, replies))
    report = report_from_criteria({"calm": 0.25, "easy": 0.75}, POOL, TERMS)
    # the agreed scale is -1 to 3; the sums are made in the same order up to rounding
    np.testing.assert_allclose(np.ravel(report["scores"]), -1 + 4 * expected, rtol=0, atol=1e-12)
    with pytest.raises(Invalid, match="Did you mean 'calm'"):
        report_from_criteria({"clam": 1.0}, POOL, TERMS)
    with pytest.raises(Invalid, match="must sum to 1"):
        report_from_criteria({"calm": 0.7}, POOL, TERMS)


@pytest.mark.slow
def test_pairs_are_fitted_as_in_a_run(tmp_path):
    pytest.importorskip("vaderSentiment")
    from tuneaccord.llm.reports.features import features
    from tuneaccord.llm.reports.preferences import ODDS

    pairs = [
        {"prompt": POOL["prompts"][n % 2]["text"], "chosen": f"It is fine {n}, thanks!", "rejected": f"No, {n}"}
        for n in range(12)
    ]
    path = write(tmp_path, "upload", "\n".join(map(json.dumps, pairs)))
    report = report_from_pairs(path, POOL, {"title": "ours"})
    # the second route: the logistic loss with its prior, minimised by SciPy without our Newton steps
    from scipy.optimize import minimize

    prompts = [pair["prompt"] for pair in pairs]
    apart = features(prompts, [pair["chosen"] for pair in pairs]) - features(prompts, [p["rejected"] for p in pairs])
    loss = lambda slopes: np.logaddexp(0, -ODDS * apart @ slopes).sum() + slopes @ slopes / 2  # noqa: E731
    slopes = minimize(loss, np.zeros(apart.shape[1]), method="BFGS", options={"gtol": 1e-9}).x
    texts = [prompt["text"] for prompt in POOL["prompts"] for _ in range(2)]
    given = features(texts, [reply["text"] for row in POOL["responses"] for reply in row])
    expected = np.clip(0.5 + (given - given.mean(axis=0)) @ slopes, 0, 1)
    np.testing.assert_allclose(np.ravel(report["scores"]), expected, rtol=0, atol=1e-6)  # BFGS ends at about 1e-8
    for content, message in {"{}": "has no 'prompt'", "\n".join(map(json.dumps, pairs[:3])): "at least 10"}.items():
        with pytest.raises(Invalid, match=message) as told:
            report_from_pairs(write(tmp_path, "bad", content), POOL, {"title": "ours"})
        assert "you" not in str(told.value)


def test_too_much_text_is_left_to_the_group(monkeypatch):
    monkeypatch.setattr(sources, "MOST_TEXTS", 3)
    with pytest.raises(TooLarge, match="Report a sheet"):
        report_from_criteria({"calm": 1.0}, POOL, TERMS)
    with pytest.raises(Invalid, match="no texts"):
        report_from_criteria({"calm": 1.0}, {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}]]}, TERMS)


@pytest.mark.slow
def test_a_market_file_gives_terms_and_pool_and_opens_nothing(tmp_path, monkeypatch):
    secret = write(tmp_path, "secret.csv", sheet(ROWS))
    market = f"base: [0.4, 0.6]\ngroups: [{{name: a, scores: {secret}}}]\nmoney: {{currency: EUR, rate: 100}}\n"
    terms, pool = market_from_file(write(tmp_path, "upload", market), "a.yaml")
    assert terms["money"] == {"currency": "EUR", "rate": 100.0}
    assert pool["base"] == [[0.4, 0.6]]
    assert "secret" not in json.dumps([terms, pool])
    with pytest.raises(Invalid, match="the market file") as told:
        market_from_file(write(tmp_path, "upload", "bse: 1\n"), "a.yaml")
    assert str(tmp_path) not in str(told.value)
    names = "abcdefghi"
    monstrous = [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in itertools.pairwise(names)]
    monkeypatch.setattr(sources, "MARKET_SECONDS", 3)
    with pytest.raises(TooLarge, match="more memory or time"):
        market_from_file(write(tmp_path, "upload", "\n".join(["a: &a [x]", *monstrous])), "a.yaml")


@pytest.mark.slow
def test_a_child_that_takes_too_long_is_stopped(tmp_path):
    with pytest.raises(TooLarge, match="more memory or time"):
        foreign.in_a_child("parquet", seconds=0.01, source="x", target="y", most=1, most_rows=1)

"""Files over HTTP: what a form may have, names that are tricks, and reports that come from files and criteria."""

import json

import pytest
from service_http import API, asking, told
from service_play import POOL, REPORTS

SHEET = b"prompt_id,reply_id,score\np,c,0\np,a,0.1\np,b,0.9\n"
TEXTS = {
    "prompts": [{"id": "p", "text": "How are you?"}],
    "responses": [[{"id": "a", "text": "Fine, thanks!"}, {"id": "b", "text": "<script>alert(1)</script>"}]],
}


def test_a_sheet_is_the_report_that_its_scores_are(desk):
    ask = asking(desk, "reporting")
    answer = ask("legal", "POST", "report/sheet", files={"file": ("s.csv", SHEET)}, data={"size": "3"})
    assert answer.status_code == 200
    report = answer.json()["report"]
    assert (report["size"], report["scores"]) == (3.0, REPORTS["legal"]["scores"])
    worth = ask("legal", "POST", "report/sheet", files={"file": ("s.csv", SHEET)}, data={"worth": "120"}).json()
    # at 100 a unit, and 0.9 - (0.4 * 0.1 + 0.3 * 0.9) units for each member between the base and the best
    assert worth["report"]["size"] == pytest.approx(120 / (100 * 0.59), rel=1e-12)


TRICKS = ("../../../etc/passwd.csv", "/etc/cron.d/x.csv", "C:\\x\\..\\s.csv", "s.csv\n.csv", "%2e%2e%2fs.csv", "é.csv")


def test_a_files_name_is_never_a_path(desk, tmp_path):
    ask = asking(desk, "reporting")
    for name in TRICKS:
        answer = ask("legal", "POST", "report/sheet", files={"file": (name, SHEET)}, data={"size": "3"})
        assert answer.status_code == 200, answer.text
    assert not [path for path in tmp_path.rglob("*") if "passwd" in path.name or path.suffix == ".csv"]


def test_a_form_has_one_file_and_the_fields_that_are_asked_for(desk):
    ask = asking(desk, "reporting")
    file = {"file": ("s.csv", SHEET)}
    cases = [
        ({"files": {"other": ("s.csv", SHEET)}, "data": {"size": "3"}}, 422, "no file in its field"),
        ({"files": file, "data": {"size": "3", "evil": "1"}}, 422, "unknown field 'evil'"),
        ({"files": file, "data": {"size": "3", "worth": "3"}}, 422, "either a size or a worth"),
        ({"files": file}, 422, "either a size or a worth"),
        ({"files": file, "data": {"size": "1_0"}}, 422, "must be a number"),
        ({"files": file, "data": {"size": "nan"}}, 422, "size"),
        ({"files": file, "data": {"size": "x" * 5000}}, 400, "exceeded|too|size"),
        ({"files": [("file", ("s.csv", SHEET)), ("file", ("t.csv", SHEET))]}, 400, "Too many files"),
        ({"data": {"file": "text"}}, 415, "multipart/form-data"),
        ({"json": {"size": 3}}, 415, "multipart/form-data"),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, 400, ""),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400, ""),
        ({"files": {"file": ("s.xls", SHEET)}, "data": {"size": "3"}}, 422, "must end in one of"),
    ]
    for given, status, words in cases:
        message = told(ask("legal", "POST", "report/sheet", **given), status)
        assert not words or any(word in message for word in words.split("|")), (given, message)
    assert ask.played.session.reported == ()


def test_a_pool_comes_in_a_file(desk):
    ask = asking(desk, "open")
    rows = b"prompt_id,reply_id,base\np,a,0.4\np,b,0.3\np,c,0.3\n"
    frozen = ask("provider", "POST", "pool/file", files={"file": ("p.csv", rows)})
    assert frozen.status_code == 200
    assert ask("legal", "GET", "pool").json()["base"] == POOL["base"]
    told(ask("provider", "POST", "pool/file", files={"file": ("p.csv", rows)}), 409, "wrong_state")


def test_who_may_not_is_refused_before_the_file_is_read(desk):
    ask = asking(desk, "open")
    told(ask("legal", "POST", "pool/file", content=b"no form at all"), 403, "forbidden")
    told(ask("legal", "POST", "report/sheet", content=b"no form at all"), 409, "wrong_state")
    told(ask("auditor", "POST", "report/preferences", content=b"no form at all"), 403, "forbidden")


@pytest.mark.slow
def test_criteria_and_preferences_over_http(desk):
    pytest.importorskip("vaderSentiment")
    ask = asking(desk, "reporting", pool=TEXTS, reports={"legal": {"size": 1, "scores": [[0, 1]]}})
    mixed = ask("legal", "POST", "report/criteria", json={"weights": {"calm": 0.5, "easy": 0.5}, "size": 2})
    assert mixed.status_code == 200
    assert mixed.json()["report"]["how"] == "0.5 calm + 0.5 easy"
    told(ask("legal", "POST", "report/criteria", json={"weights": {"calm": 1.0}}), 422)
    pair = {"prompt": "How are you?", "chosen": "Fine!", "rejected": "Bad."}
    lines = "\n".join(json.dumps({**pair, "rejected": f"Bad {n}."}) for n in range(12))
    fitted = ask("legal", "POST", "report/preferences", files={"file": ("p.jsonl", lines)}, data={"size": "2"})
    assert fitted.status_code == 200, fitted.text
    assert "fitted to 12 preference pairs" in fitted.json()["report"]["how"]


@pytest.mark.slow
def test_markup_in_names_and_texts_stays_text(desk):
    evil = "<img src=x onerror=alert(1)>{{7*7}}"
    terms = {"title": evil, "description": evil}
    pool = {**TEXTS, "prompts": [{"id": "p", "text": evil}]}
    ask = asking(
        desk, "published", terms=terms, pool=pool, reports={evil: {"size": 1, "scores": [[0, 1]], "how": evil}}
    )
    name = evil.replace("/", "%2F").replace("?", "%3F")
    for path in (f"invoices/{name}", f"explanations/{name}", "settlement"):
        answer = ask("provider", "GET", path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert "<img" not in answer.text
        assert "<script" not in answer.text
        assert "{{7*7}}" in answer.text
        assert "sandbox" in answer.headers["content-security-policy"]
    assert ask("provider", "GET", f"{API}/sessions").headers["content-type"] == "application/json"


@pytest.mark.slow
def test_the_server_process_loads_no_language_model():
    import subprocess
    import sys

    code = "import sys, tuneaccord.service.api.app; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "pyarrow", "vaderSentiment", "textstat"} & set(run.stdout.split())

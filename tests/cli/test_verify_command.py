"""``tuneaccord verify``: what it prints, its exit status, and that it needs nothing of the web."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

pytest.importorskip("sqlalchemy", reason="a session is played on the service: pip install tuneaccord[web]")

from settled_session import published, receipt_of

from tuneaccord.cli.app import app
from tuneaccord.service.connect import connect
from tuneaccord.service.settings import Settings

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Receipts and proofs of one session, by name."""
    folder = tmp_path_factory.mktemp("receipts")
    desk = connect(Settings(folder=folder / "server"))
    played = published(desk)
    documents = {who: receipt_of(played, who) for who in ("provider", "legal", "support", "observer")}
    documents |= {f"proof-{name}": proof for name, proof in played.proofs.items()}
    documents["log"] = documents["observer"]["log"]
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    desk.store.close()
    return folder


def run(*arguments):
    return RUNNER.invoke(app, ["verify", *map(str, arguments)])


def test_a_receipt_holds(files):
    result = run(files / "legal.json")
    assert result.exit_code == 0, result.output
    assert "receipt of group legal" in result.output
    assert "ok  log: " in result.output
    assert "All checks hold." in result.output


def test_all_at_once(files):
    result = run(files / "proof-legal.json", "--with", files / "provider.json", "--log", files / "log.json")
    assert result.exit_code == 0, result.output
    assert result.output.count("is the one that was settled") == 2
    assert run(files / "legal.json", "--with", files / "support.json").exit_code == 0


def test_json_lists_every_check(files):
    result = run(files / "provider.json", "--json")
    data = json.loads(result.stdout)
    assert data["holds"] is True
    assert {check["result"] for check in data["checks"]} == {"holds"}
    assert [check["part"] for check in data["checks"]][:4] == ["log", "moves", "pool", "settlement"]


def test_a_fault_is_named_and_the_exit_status_is_1(files, tmp_path):
    data = json.loads((files / "legal.json").read_text())
    data["share"]["amount"] = "0.01"
    (tmp_path / "receipt.json").write_text(json.dumps(data))
    result = run(tmp_path / "receipt.json")
    assert result.exit_code == 1
    assert "error: share of legal: it is not the one that the settlement in the log commits to" in result.stderr
    assert "All checks hold" not in result.stdout
    assert json.loads(run(tmp_path / "receipt.json", "--json").stdout)["holds"] is False
    result = run(files / "proof-earlier.json", "--with", files / "legal.json")
    assert result.exit_code == 1
    assert "it was replaced" in result.stderr


def test_what_is_no_receipt_has_exit_status_2(files, tmp_path):
    (tmp_path / "no.json").write_text("{}")
    for arguments in (
        [tmp_path / "none.json"],
        [tmp_path / "no.json"],
        [files / "legal.json", "--log", tmp_path / "no.json"],
        [files / "legal.json", "--with", tmp_path / "no.json"],
    ):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1


def test_two_proofs_that_cannot_be_compared_are_not_verified(files):
    numbers = {
        name: json.loads((files / f"proof-{name}.json").read_text())["entry"]["number"]
        for name in ("earlier", "legal", "support", "marketing")
    }
    first, second, *_, last = sorted(numbers, key=numbers.get)
    result = run(files / f"proof-{first}.json", "--with", files / f"proof-{last}.json")
    assert result.exit_code == 2
    assert "All checks hold" not in result.stdout
    assert result.stderr.startswith("error: the two proofs were not compared: log entries ")
    assert result.stderr.endswith("Give a receipt of this session: --with FILE\n")
    shown = run(files / f"proof-{first}.json", "--with", files / f"proof-{last}.json", "--json")
    assert (shown.exit_code, json.loads(shown.stdout)["holds"]) == (2, False)
    result = run(files / f"proof-{first}.json", "--with", files / f"proof-{second}.json")
    assert result.exit_code == 0
    assert f"log entry {numbers[second]} follows on entry {numbers[first]}" in " ".join(result.stdout.split())
    alone = run(files / "proof-legal.json")
    assert alone.exit_code == 0
    assert "a proof alone does not show" in " ".join(alone.stdout.split())
    assert "All checks hold, 1 could not be made." in alone.stdout


def test_names_cannot_steer_the_terminal(files, tmp_path):
    data = json.loads((files / "legal.json").read_text())
    data["holder"]["name"] = "\x1b[31m[red]"
    (tmp_path / "receipt.json").write_text(json.dumps(data))
    result = run(tmp_path / "receipt.json")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "[red]" in result.output


@pytest.mark.slow
def test_it_loads_nothing_of_the_web(files):
    """In a process of its own, in which importing any of them fails."""
    heavy = ["sqlalchemy", "fastapi", "nicegui", "uvicorn", "cryptography", "dbos", "plotly", "matplotlib", "jinja2"]
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({heavy!r}))\n"  # None there: an import fails
        "from pathlib import Path\n"
        "from tuneaccord.cli.verify import run\n"
        f"run(Path({str(files / 'provider.json')!r}))\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "All checks hold." in done.stdout

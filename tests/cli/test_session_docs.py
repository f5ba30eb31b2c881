"""What docs/service.md does on terminals, and docs/api.md with curl: in order, from empty folders, at a real server."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the service needs the web extra: pip install tuneaccord[web]")

from test_serve import operator_of, serving
from typer.testing import CliRunner

import tuneaccord
from tuneaccord.cli.app import app
from tuneaccord.cli.session.app import session_app

DOCS = Path(__file__).parents[2] / "docs"
TERMINAL = (DOCS / "service.md").read_text().split("## From a terminal")[1].split("\n## ")[0]
API = (DOCS / "api.md").read_text()
SCORES = {"legal": [0.2, 0.1, 0.9], "support": [0.8, 0.6, 0.3], "marketing": [0.3, 0.9, 0.0]}
RUNNER = CliRunner()


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_command_is_named():
    names = [command.name or command.callback.__name__ for command in session_app.registered_commands]
    missing = [name for name in names if f"session {name}" not in TERMINAL and f"`{name}`" not in TERMINAL]
    assert missing == []


def test_every_command_that_is_named_is_there():
    names = {command.name or command.callback.__name__ for command in session_app.registered_commands}
    pages = "".join(page.read_text() for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"])
    assert set(re.findall(r"tuneaccord session ([a-z][a-z-]*)", pages)) <= names


@pytest.mark.slow
def test_the_commands_of_the_page_make_a_session(tmp_path, monkeypatch):
    begin, take_seat, freeze, sheet, report, publish, take_home = blocks(TERMINAL, "sh")
    folders = {name: tmp_path / name for name in ("server", "provider", *SCORES)}
    for folder in folders.values():
        folder.mkdir()
    for name, text in zip(("terms.yaml", "pool.yaml"), blocks(TERMINAL, "yaml"), strict=True):
        (folders["provider"] / name).write_text(text)

    def type_in(who, block, given=None):
        """The commands of a block in a party's folder; what the last one prints."""
        monkeypatch.chdir(folders[who])
        for line in block.splitlines():
            name, *arguments = shlex.split(line, comments=True)
            assert name == "tuneaccord"
            result = RUNNER.invoke(app, arguments, input=given)
            assert result.exit_code == 0, (line, result.output)
        return result.stdout

    with serving(folders["server"]) as server:
        operator = f"{server.url}/enter#token={operator_of(folders['server'])}\n"
        links = dict(line.split(": ") for line in type_in("provider", begin, operator).splitlines())
        assert list(links) == list(SCORES)
        for name, link in links.items():
            type_in(name, take_seat, link + "\n")
        type_in("provider", freeze)
        for name, scores in SCORES.items():
            type_in(name, sheet)
            heading, *rows = (folders[name] / "scores.csv").read_text().splitlines()
            filled = [row.replace(",,", f",{score},", 1) for row, score in zip(rows, scores, strict=True)]
            (folders[name] / "scores.csv").write_text("\n".join([heading, *filled]))
            type_in(name, report)
        type_in("provider", publish)
        for name in SCORES:
            assert "is the one that was settled" in type_in(name, take_home)
    amounts = {json.loads((folders[name] / "receipt.json").read_text())["share"]["amount"] for name in SCORES}
    assert len(amounts) == 3
    assert (folders["provider"] / "settlement.html").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl is installed here")
def test_the_requests_of_the_page_make_a_session(tmp_path, monkeypatch, capsys):
    create, revise, join, freeze, sheet, report, log, receipt = blocks(API, "sh")
    (tmp_path / "server").mkdir()
    (tmp_path / "pool.csv").write_text(*blocks(API, "csv"))
    variables = {}

    def typed(block):
        """What a block prints, typed into a shell that has what the page says it has."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with_variables = {**os.environ, **variables, "PATH": path}
        result = subprocess.run(
            ["sh", "-ec", block], cwd=tmp_path, env=with_variables, capture_output=True, text=True, timeout=120
        )
        assert result.returncode == 0, (block, result.stdout, result.stderr)
        return result.stdout

    with serving(tmp_path / "server") as server:
        variables["OPERATOR"] = operator_of(tmp_path / "server")
        begun = json.loads(typed(create.replace("http://127.0.0.1:8090", server.url)))
        variables |= {"SESSION": begun["session_id"], "PROVIDER": begun["token"], "SERVER": f"{server.url}/api/v1"}
        assert json.loads(typed(revise))["kind"] == "revised"
        with tuneaccord.Client(server.url, begun["token"]) as provider:
            provider.open()
            variables["INVITATION"] = provider.invite("legal")["invitation"]
            variables["GROUP"] = json.loads(typed(join))["token"]
            assert json.loads(typed(freeze))["kind"] == "frozen"
            provider.begin()
            typed(sheet)
            scored = (tmp_path / "scores.csv").read_text().replace("p1,a,,", "p1,a,0.1,").replace("p1,b,,", "p1,b,0.9,")
            (tmp_path / "scores.csv").write_text(scored)
            assert json.loads(typed(report))["report"]["scores"] == [[0.1, 0.9]]
            assert json.loads(typed(log.replace("after=7", "after=5")))["entries"][0]["number"] == 6
            provider.close()
            provider.wait("settled")
            provider.publish()
            assert "All checks hold." in typed(receipt)
    monkeypatch.chdir(tmp_path)
    exec(*blocks((DOCS / "receipts.md").read_text(), "python"), {})
    assert capsys.readouterr().out == "True []\n"

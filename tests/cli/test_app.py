"""The command line as a process: help, version, and the ways to fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tuneaccord
from tuneaccord.cli import settle as settle_command
from tuneaccord.cli.app import app
from tuneaccord.cli.errors import error_line
from tuneaccord.cli.session import status as session_status

MARKET = Path(__file__).parents[2] / "examples" / "market" / "market.yaml"


def process(*arguments, **options):
    command = [sys.executable, "-m", "tuneaccord", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, **options)


@pytest.mark.slow
def test_version_and_help():
    assert process("--version").stdout == f"{tuneaccord.__version__}\n"
    for arguments in ([], ["--help"]):
        result = process(*arguments)
        assert result.returncode == 0
        assert "settle" in result.stdout


@pytest.mark.slow
def test_help_loads_nothing_heavy():
    code = (
        "import sys; from tuneaccord.cli.app import app\n"
        "try: app(['settle', '--help'])\n"
        "except SystemExit: print([name for name in ('yaml', 'rich', 'pyarrow', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["setle"], "error: No such command 'setle'. Did you mean 'settle'"),
        pytest.param(["--verson"], "error: No such option: --verson", marks=pytest.mark.slow),
        pytest.param(["settle"], "error: Missing argument", marks=pytest.mark.slow),
        pytest.param(
            ["settle", "no\nsuch.yaml"],
            "error: configuration file no such.yaml does not exist; looked for ",
            marks=pytest.mark.slow,
        ),
        (["settle", "none[red].yaml"], "error: configuration file none[red].yaml does not exist; looked for "),
    ],
)
def test_mistakes_are_one_line_and_status_two(tmp_path, arguments, expected):
    result = process(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(expected)
    assert result.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_bad_market_in_a_process(tmp_path):
    (tmp_path / "m.yaml").write_text("base: [1.0]\ngroups: []\nstrength: 1\n")
    result = process("settle", "m.yaml", "--json", "--out", "out", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: m.yaml, line ")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_terminal_without_unicode(tmp_path):
    text = "base: [0.5, 0.5]\ndivergence: {kind: KL, strength: 1}\ngroups: [{name: café, scores: [0, 1]}]\n"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    result = process("settle", "m.yaml", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0, result.stderr
    assert "caf\\xe9" in result.stdout


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_standard_output_on_a_full_disk(options):
    command = [sys.executable, "-m", "tuneaccord", "settle", str(MARKET), *options]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "error: no room on disk for the output. Free some space and try again.\n"


@pytest.mark.slow
def test_a_reader_that_stops_reading():
    shell = f"{sys.executable} -m tuneaccord settle {MARKET} | head -1"
    assert subprocess.run(shell, shell=True, capture_output=True, text=True, check=True).stderr == ""


def test_ctrl_c(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(settle_command, "run", interrupted)
    result = CliRunner().invoke(app, ["settle", "m.yaml"])
    assert result.exit_code == 130
    assert result.stderr == "stopped; run the same command again\n"
    monkeypatch.setattr(session_status, "run", interrupted)
    result = CliRunner().invoke(app, ["session", "status"])
    assert result.exit_code == 130
    assert result.stderr.startswith("stopped; the server may have done it. Look with tuneaccord session status")


def test_the_unexpected_shows_its_traceback(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(settle_command, "run", broken)
    assert isinstance(CliRunner().invoke(app, ["settle", "m.yaml"]).exception, ZeroDivisionError)


def test_error_line_keeps_brackets_and_spells_out_controls():
    assert error_line("got [bold]\n\x1b[31m") == "error: got [bold] \\x1b[31m"

"""Every recomputed item of the papers holds, is listed in the docs, and can fail; the benchmark of games runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "papers" / "fine_tuning_games"
EXAMPLES = sorted(FOLDER.glob("[0-9]*.py"))


def run(*command, cwd):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", *map(str, command)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=900,
        env=environment,
    )


def test_every_item_is_in_the_index():
    page = (ROOT / "docs" / "fine-tuning-games-paper.md").read_text()
    listed = re.findall(r"\(\.\./examples/papers/fine_tuning_games/([^)]+\.py)\)", page)
    assert sorted(set(listed)) == [path.name for path in EXAMPLES]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_item_holds(path, tmp_path):
    done = run(path, tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"(\d+) of \1 rows agree", done.stdout)


@pytest.mark.parametrize(
    "wrong", ["table.row('x', 1.0, 1.001)", "table.row('x', 1.0, float('nan'))", "table.fact('x', 0)"]
)
def test_a_wrong_number_fails(wrong, tmp_path):
    code = f"from _table import Table; table = Table('claim'); {wrong}; raise SystemExit(table.finish())"
    done = run("-c", code, cwd=FOLDER)
    assert done.returncode == 1
    assert "does not hold: x" in done.stderr


@pytest.mark.slow
def test_the_benchmark_of_games_runs(tmp_path):
    done = run(ROOT / "benchmarks" / "games.py", "--quick", "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "games.json").read_text())
    for row in found["nested"]:
        assert row["play_off"] < 1e-6, row["family"]  # what the brute force is good to at kinks
        assert row["missed"] < 1e-6, row["family"]
    for row in found["libraries"]:
        assert row.get("agrees", True), row["library"]
    assert all(row["off"] < 1e-9 for row in found["family"])
    assert all(row["status"] == "agreed" for row in found["crowd"])

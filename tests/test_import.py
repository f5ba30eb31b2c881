"""Importing the package is light, and arrows between its parts point one way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tuneaccord

ROOT = Path(tuneaccord.__file__).parent
HEAVY = ["torch", "transformers", "peft", "matplotlib", "cvxpy", "pydantic", "typer", "rich", "yaml"]
HEAVY += ["flask", "fastapi", "starlette", "uvicorn", "django", "aiohttp", "tornado"]
HEAVY += ["nicegui", "plotly", "sqlalchemy", "alembic", "dbos", "httpx", "cryptography", "structlog"]
MATHEMATICS = ["spaces", "mechanism", "bargaining", "divergence", "kernel"]
#: the parts that may not know of language models, plots, or the command line
LIGHT = [
    *(path for part in MATHEMATICS for path in sorted((ROOT / part).rglob("*.py"))),
    *(ROOT / f"{name}.py" for name in ["errors", "files", "rewards", "specs", "testing"]),
]


def in_a_fresh_python(code):
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.slow
def test_import_loads_nothing_heavy():
    loaded = in_a_fresh_python("import sys, tuneaccord; print(*{name.split('.')[0] for name in sys.modules})")
    assert "numpy" in loaded
    assert not {*HEAVY, "scipy", "numba", "pandas", "pyarrow"} & set(loaded)


@pytest.mark.slow
def test_importing_costs_no_more_than_a_few_times_numpy():
    timed = (
        "import time; began = time.perf_counter(); import numpy; then = time.perf_counter(); import tuneaccord; "
        "print((time.perf_counter() - then) / (then - began))"
    )
    ratios = []
    while not ratios or (min(ratios) >= 4 and len(ratios) < 8):  # again: something else may have been busy
        ratios.append(float(in_a_fresh_python(timed)[0]))
    assert min(ratios) < 4, ratios  # about 1; a heavy package would be 10 and more


#: a result that draws itself asks for its picture when ``plot`` is called, and only then
PICTURES = {
    "frontier.py": "tuneaccord.reporting.bargain_figures",
    "regime_map.py": "tuneaccord.reporting.bargain_maps",
}


def imported_by(path):
    """Every module that a file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which this test cannot follow"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: str(path.relative_to(ROOT)))
def test_light_parts_do_not_know_heavy_ones(path):
    forbidden = [*HEAVY, *(f"tuneaccord.{part}" for part in ("llm", "tuning", "cli", "reporting", "config", "service"))]
    own_picture = PICTURES.get(path.name, "nothing")
    for module in imported_by(path):
        if module.startswith(own_picture):
            continue
        assert not any(module == name or module.startswith(f"{name}.") for name in forbidden), module


def test_language_models_do_not_know_money():
    """``tuneaccord.tuning`` puts the two together."""
    parts = ("mechanism", "bargaining", "tuning", "config", "reporting", "cli", "service")
    for path in (ROOT / "llm").rglob("*.py"):
        known = [module for module in imported_by(path) for part in parts if module.startswith(f"tuneaccord.{part}")]
        assert not known, path


def test_money_stays_out_of_spaces():
    for path in [path for part in ("spaces", "kernel", "divergence") for path in (ROOT / part).glob("*.py")]:
        assert not [module for module in imported_by(path) if module.startswith("tuneaccord.mechanism")]


#: the parts of the service that may know of language models: sampling as a job, and reading what groups upload
KNOW_LANGUAGE_MODELS = {"jobs_sampling.py", "sources.py", "foreign.py"}


@pytest.mark.slow
def test_the_service_knows_language_models_only_where_it_must():
    for path in (ROOT / "service").rglob("*.py"):
        known = [module for module in imported_by(path) if module.startswith(("tuneaccord.llm", "tuneaccord.tuning"))]
        assert not known or path.name in KNOW_LANGUAGE_MODELS, (path, known)
        assert "torch" not in set(imported_by(path)), path


@pytest.mark.slow
def test_serving_does_not_load_torch():
    pytest.importorskip("nicegui")
    loaded = in_a_fresh_python(
        "import warnings; warnings.simplefilter('ignore'); import sys, tuneaccord.service.running; print(*sys.modules)"
    )
    assert "fastapi" in loaded
    assert not {"torch", "transformers", "ray"} & set(loaded)

"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import tuneaccord

ROOT = Path(tuneaccord.__file__).parent
NAMES = [
    ".".join(["tuneaccord", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    for path in sorted(ROOT.rglob("*.py"))
    if path.name != "__main__.py" and "templates" not in path.parts
]
CORE = [name for name in NAMES if name.split(".")[1:2] not in (["llm"], ["cli"], ["reporting"], ["config"])]
REST = sorted(set(NAMES) - set(CORE))

#: imports while torch cannot be found, then runs the examples of what came through
RUNNER = """
import doctest, importlib, json, sys
blocked = ("torch", "transformers", "peft")
sys.modules.update(dict.fromkeys(blocked))
failed = {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except ImportError:
        continue
    results = doctest.testmod(module)
    if results.failed:
        failed[name] = results.failed
print(json.dumps(failed))
"""


@pytest.mark.parametrize("name", CORE)
def test_examples_run(name):
    results = doctest.testmod(importlib.import_module(name))
    assert results.failed == 0


def test_examples_outside_the_numeric_core_run_without_torch():
    run = subprocess.run([sys.executable, "-c", RUNNER, *REST], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == {}, run.stdout

"""Every example in a docstring of the language-model modules runs and prints what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

import tuneaccord

ROOT = Path(tuneaccord.__file__).parent
NAMES = sorted(
    f"tuneaccord.{part}.{path.stem}" for part in ("llm", "tuning") for path in (ROOT / part).glob("[a-z]*.py")
)


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0

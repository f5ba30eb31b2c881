"""What is said when a package of the extra ``llm`` is not installed."""

import subprocess
import sys
from dataclasses import replace

import pytest

from tuneaccord.errors import MissingDependencyError
from tuneaccord.llm import backend
from tuneaccord.llm.criteria import CRITERIA, version_of
from tuneaccord.llm.scoring import resolve

INSTALL = r"pip install 'tuneaccord\[llm\]'"


def test_a_criterion_without_its_package(monkeypatch):
    monkeypatch.setitem(CRITERIA, "calm", replace(CRITERIA["calm"], package="no-such-package"))
    with pytest.raises(MissingDependencyError, match=f"needs the package no-such-package.*{INSTALL}"):
        resolve("press", 1.0, "calm", None)
    assert CRITERIA["easy"].digest_data()["version"] == version_of("textstat")


def test_packages_that_are_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=f"not installed: peft, pyarrow.*{INSTALL}"):
        backend.require("torch", "peft", "pyarrow")


@pytest.mark.parametrize("package", ["torch", "transformers", "peft", "filelock", "pyarrow"])
def test_it_is_said_on_import(package):
    program = f"import sys; sys.modules[{package!r}] = None; import tuneaccord.llm.backend"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"MissingDependencyError: language models need packages that are not installed: {package}." in result.stderr

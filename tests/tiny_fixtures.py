"""The tiny model, loaded, and two worker processes that all tests share (each imports torch once).

torch is imported where a test needs it, so that the numeric tests stay quick.
"""

from pathlib import Path

import pytest
from tiny_market import tiny_model  # noqa: F401  (a fixture)

from tuneaccord.execution import Processes


@pytest.fixture(scope="session")
def ref(tiny_model):  # noqa: F811
    """The tiny model in float32, so that two routes to one number differ by rounding only."""
    from tuneaccord.llm import hf

    return hf.find(str(tiny_model), Path("."), "float32")


@pytest.fixture
def tiny(ref):
    """The loaded tiny model."""
    from tuneaccord.llm import hf

    return hf.load(ref)


@pytest.fixture
def prompt(tiny) -> list[int]:
    """A tokenised question."""
    return tiny.encode("how do i water the plant ?")


@pytest.fixture(scope="session")
def workers():
    """Two worker processes."""
    with Processes(2) as executor:
        yield executor

"""Hypothesis draws the same examples in every run: a red test stays red until the code changes."""

import gc

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

pytest_plugins = ["tiny_fixtures"]


def pytest_sessionstart():
    """Importing makes millions of objects and little garbage, and the collector looks at all of them every time."""
    gc.disable()


def pytest_collection_finish():
    gc.freeze()  # nor at the modules while the tests run
    gc.enable()

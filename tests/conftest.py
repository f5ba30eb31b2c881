"""Hypothesis draws the same examples in every run: a red test stays red until the code changes."""

import gc
import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

for name in ("NO_PROXY", "no_proxy"):  # a machine's proxy for the world outside knows nothing of its own addresses
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost,::1"]))

pytest_plugins = ["tiny_fixtures"]


def pytest_sessionstart():
    """Importing makes millions of objects and little garbage, and the collector looks at all of them every time."""
    gc.disable()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background; what tests start would have it
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish():
    gc.freeze()  # nor at the modules while the tests run
    gc.enable()

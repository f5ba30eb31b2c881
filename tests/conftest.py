"""Hypothesis draws the same examples in every run: a red test stays red until the code changes."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

pytest_plugins = ["tiny_fixtures"]

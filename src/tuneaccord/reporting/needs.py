"""The optional parts that drawing and templates need, imported when they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from tuneaccord.errors import MissingDependencyError


def need(module: str) -> ModuleType:
    """The imported ``module``, or :class:`MissingDependencyError` with the line that installs it.

    >>> need("json").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"reports and figures need {package}, which is not installed. Try: pip install 'tuneaccord[plots]'"
        ) from error

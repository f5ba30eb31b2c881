"""The studio: pages in the browser, on the same server as the API. They read and act through the desk alone."""

from __future__ import annotations

from typing import Any


def mount(app: Any, desk: Any = None, settings: Any = None) -> None:
    """Serve the studio from the FastAPI application ``app``; see :func:`tuneaccord.service.pages.mounting.mount`."""
    from tuneaccord.service.pages import mounting

    mounting.mount(app, desk, settings)

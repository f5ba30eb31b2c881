"""Put the studio on a FastAPI application."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from nicegui import Client, core, ui
from nicegui.page import page

from tuneaccord.service.pages import bargaining, home, mechanism, report, sessions
from tuneaccord.service.pages.frame import FAVICON, frame, serve_static
from tuneaccord.service.pages.parts import text

TITLE = "tuneaccord"
RECONNECT = 30.0  #: seconds for which a page may lose its connection, as phones do, before it begins anew


def mount(app: FastAPI, desk: Any = None, settings: Any = None) -> None:
    """Serve the studio's pages from ``app``, which must have its other routes by then: the pages take all the rest.

    ``desk`` is what sessions are read and moved through; the explorers need none. ``settings`` may have ``reports``,
    folders of finished runs.
    """
    _allow_again()
    serve_static()
    home.register()
    mechanism.register()
    bargaining.register()
    report.register(settings)
    sessions.register(desk, settings, getattr(app.state, "limits", None))
    ui.run_with(
        app,
        title=TITLE,
        favicon=FAVICON,
        dark=None,
        language="en-GB",
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECT,
    )


@core.app.exception_handler(404)
async def _nowhere(request: Request, _: Exception) -> Any:
    with Client(page(""), request=request) as client:
        with frame("There is no such page"):
            text("The address may be mistyped, or the page may be gone.")
            text("Go to the first page", "a").props["href"] = "/"
        return client.build_response(request, 404)


def _allow_again() -> None:
    """NiceGUI has one application a process; tests build several servers around it."""
    core.app.middleware_stack = None
    core.app.user_middleware.clear()

"""Reports of finished runs: those folders that the server was started with, and nothing that a browser names.

A report holds replies of language models, which may hold markup. It is escaped when it is written; here it is shown
besides in a frame that may run nothing, load nothing and reach nothing of this server.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nicegui import app, ui
from starlette.responses import FileResponse, PlainTextResponse, Response

from tuneaccord.reporting.formatting import plain, short
from tuneaccord.service.pages.frame import NAVIGATION, frame
from tuneaccord.service.pages.parts import labelled, text

NAME = "report.html"
FILES = "/report-files"
#: nothing runs, nothing is loaded from anywhere, and only this server's own pages may frame it
POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def register(settings: Any) -> None:
    """Make the pages and the framed documents of ``settings.reports`` known."""
    folders = [Path(folder) for folder in getattr(settings, "reports", None) or ()]
    if ("/reports", "Reports") not in NAVIGATION:
        NAVIGATION.append(("/reports", "Reports"))
    ui.page("/reports")(lambda: _list(folders))
    ui.page("/reports/{place}")(lambda place: _one(folders, place))
    address = f"{FILES}/{{place}}"
    app.remove_route(address)
    app.add_api_route(address, lambda place: _document(folders, place), include_in_schema=False, response_model=None)


def title_of(folder: Path) -> str:
    """What a run is called: its folder's name."""
    return short(plain(folder.resolve().name) or "run", 60)


def report_of(folders: list[Path], place: str) -> Path | None:
    """The report at a place of the list, counted from 1; None where there is none, or no finished run."""
    if not (place.isascii() and place.isdigit() and len(place) <= 4 and 1 <= int(place) <= len(folders)):
        return None
    found = folders[int(place) - 1] / NAME
    return found if found.is_file() else None


def _document(folders: list[Path], place: str) -> Response:
    found = report_of(folders, place)
    if found is None:
        return PlainTextResponse("There is no such report.", 404, HEADERS)
    return FileResponse(found, media_type="text/html; charset=utf-8", headers=HEADERS)


def _list(folders: list[Path]) -> None:
    with frame("Reports of finished runs"):
        if not folders:
            text("This server was started without any. The one who runs it can name folders of finished runs.")
        with ui.element("ul"):
            for place, folder in enumerate(folders, start=1):
                with ui.element("li"):
                    if report_of(folders, str(place)) is None:
                        text(f"{title_of(folder)}: not finished, there is no {NAME} in its folder", "span", "soft")
                    else:
                        text(title_of(folder), "a").props["href"] = f"/reports/{place}"


def _one(folders: list[Path], place: str) -> None:
    if report_of(folders, place) is None:
        ui.context.client.status_code = 404
        with frame("No such report"):
            text("All reports", "a").props["href"] = "/reports"
        return
    title = title_of(folders[int(place) - 1])
    with frame(f"Report of {title}", wide=True):
        text("All reports", "a").props["href"] = "/reports"
        document = labelled(ui.element("iframe").classes("document"), f"Report of {title}")
        document.props["src"], document.props["sandbox"] = f"{FILES}/{place}", ""
        document.props["referrerpolicy"] = "no-referrer"
        text("Open it alone, to print it", "a").props["href"] = f"{FILES}/{place}"

"""The first page: what one can do here, for whom."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from tuneaccord.service.pages.frame import frame
from tuneaccord.service.pages.parts import heading, text

#: functions that add a part to the first page, such as a box for a session's code; called in order
extras: list[Callable[[], None]] = []

CARDS = (
    (
        "/mechanism",
        "Mechanism explorer",
        "Groups want different things from one model. Move sizes, rewards and a lie, and watch who gets what and "
        "who pays what.",
    ),
    (
        "/bargaining",
        "Bargaining explorer",
        "A model's maker and the firms that adapt it share the revenue. Move costs, shares and outside offers, and "
        "see who contributes, free-rides or abstains.",
    ),
    (
        "/reports",
        "Reports of finished runs",
        "The settlements that this server was started with: what was chosen, what it is worth, and who pays.",
    ),
)
PEOPLE = (
    (
        "You run one model for several departments",
        "open a session, in which each department reports in secret and gets its bill.",
    ),
    ("You negotiate a revenue share", "start in the bargaining explorer and take the term sheet with you."),
    (
        "You do research",
        "every table leaves as CSV and JSON, and every market as the file that the command line reads.",
    ),
    ("You analyse a policy", "move shares and outside offers in the bargaining explorer and see who stops investing."),
    ("You teach", "open a classroom: students lie to the mechanism, lose money, and see why."),
)


def register() -> None:
    """Make the page known."""
    ui.page("/")(_home)


def _home() -> None:
    with frame("Decide together how one language model gets tuned, and who pays what"):
        for extra in extras:
            extra()
        with ui.element("div").classes("cards"):
            for address, title, words in CARDS:
                with ui.element("section").classes("panel"):
                    with ui.element("h2"):
                        text(title, "a").props["href"] = address
                    text(words)
        heading("Where to begin")
        with ui.element("ul"):
            for who, what in PEOPLE:
                text(f"{who}: {what}", "li")

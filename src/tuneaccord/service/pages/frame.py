"""What every page of the studio shares: heading, navigation, theme, and where the page's own content goes.

Everything is served by this process: no font, script or picture comes from elsewhere. Light or dark follows the
system until the reader chooses; the choice is kept in a cookie that holds nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nicegui import app, ui

from tuneaccord.service.pages.parts import heading, text

#: what the navigation offers, as (address, words); other pages append to it
NAVIGATION: list[tuple[str, str]] = [("/", "Home"), ("/mechanism", "Mechanism"), ("/bargaining", "Bargaining")]
STATIC = "/studio-static"
THEME_COOKIE = "tuneaccord-theme"
THEMES = {"system": None, "light": False, "dark": True}
FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b5c9e"/>'
    '<path d="M3 11h10M5 8h6M7 5h2" stroke="#fff" stroke-width="2" stroke-linecap="round"/></svg>'
)


def serve_static() -> None:
    """Serve the style sheet; called once by ``mount``."""
    app.add_static_files(STATIC, Path(__file__).parent / "static")


@contextmanager
def frame(title: str, *, wide: bool = False, lead: str = "") -> Iterator[None]:
    """The page around its content: ``with frame("Invoice"):`` inside a ``@ui.page`` function.

    ``title`` is the tab's title and the only first-level heading, ``lead`` one sentence below it, and ``wide`` leaves
    room for controls beside plots. Both are shown as text, whatever they contain.
    """
    ui.page_title(f"{title} · tuneaccord")
    ui.add_head_html(f'<link rel="stylesheet" href="{STATIC}/studio.css">')
    ui.colors(primary="#1a6fb0", secondary="#0b6b57", accent="#8a4a78", negative="#b3261e", dark_page="#14181d")
    _masthead()
    with ui.element("div").classes("sheet wide" if wide else "sheet") as content:
        content.props["id"], content.props["tabindex"] = "content", "-1"
        heading(title, 1)
        if lead:
            text(lead, "p", "soft")
        yield
    with ui.footer(fixed=False, wrap=True).classes("footnote"):
        text("Nothing on this page comes from another server, and nothing is sent to one.", "p")


def _masthead() -> None:
    here = ui.context.client.request.url.path
    with ui.header(fixed=False, wrap=True, add_scroll_padding=False).classes("masthead"):
        text("Skip to the content", "a", "skip").props["href"] = "#content"
        text("tuneaccord", "a", "brand").props["href"] = "/"
        with ui.element("nav") as navigation:
            navigation.props["aria-label"] = "Pages"
            for address, words in NAVIGATION:
                link = text(words, "a")
                link.props["href"] = address
                if here == address or (address != "/" and here.startswith(f"{address}/")):
                    link.props["aria-current"] = "page"
        _theme_switch()


def _theme_switch() -> None:
    chosen = ui.context.client.request.cookies.get(THEME_COOKIE, "system")
    chosen = chosen if chosen in THEMES else "system"
    dark = ui.dark_mode(THEMES[chosen])

    def choose(event) -> None:
        if event.args in THEMES:
            dark.set_value(THEMES[event.args])

    with ui.element("label"):
        text("Theme", "span")
        with ui.element("select").classes("plain") as switch:
            switch.props["id"] = "theme"
            for name in THEMES:
                option = text(name, "option")
                option.props["value"] = name
                option.props.set_bool("selected", name == chosen)
    remember = f"document.cookie='{THEME_COOKIE}='+e.target.value+';path=/;max-age=31536000;SameSite=Lax'"
    switch.on("change", choose, js_handler=f"(e) => {{ {remember}; emit(e.target.value); }}")

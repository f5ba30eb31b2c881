"""The address of a class as a QR code, made here: no other server is asked for it."""

from __future__ import annotations

from urllib.parse import urlsplit

import segno
from fastapi import Request
from nicegui import ui

from tuneaccord.service.pages.parts import labelled
from tuneaccord.service.settings import Settings

_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "")


def qr_svg(address: str) -> str:
    """The address as an SVG picture, dark on light in both themes, with the quiet zone that readers need.

    >>> qr_svg("http://127.0.0.1:8090/class")[:4]
    '<svg'
    """
    made = segno.make(address, error="m", micro=False)
    return made.svg_inline(scale=1, border=4, dark="#000", light="#fff", omitsize=True)


def qr(address: str, name: str) -> ui.element:
    """The picture on the page."""
    made = ui.html(qr_svg(address), sanitize=False).classes("qr")
    made.props["role"] = "img"
    return labelled(made, name)


def base_address(settings: Settings, request: Request) -> str:
    """The address that phones are to use: the one the server was told, or else the one this browser used."""
    if settings.url:
        return settings.public_url
    return f"{request.url.scheme}://{request.url.netloc}"


def only_here(address: str) -> bool:
    """Whether the address leads other machines to themselves.

    >>> only_here("http://127.0.0.1:8090"), only_here("https://class.example.org")
    (True, False)
    """
    return (urlsplit(address).hostname or "") in _HERE

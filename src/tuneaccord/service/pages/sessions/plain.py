"""Answers without a live page: refusals of forms and of pages, as small HTML that needs no script."""

from __future__ import annotations

import html

from fastapi.responses import HTMLResponse

from tuneaccord.reporting.formatting import plain
from tuneaccord.service.errors import ServiceError
from tuneaccord.service.pages.frame import STATIC

#: what everything that belongs to one party is answered with
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


def refusal_page(refusal: ServiceError, again: str = "") -> HTMLResponse:
    """A refusal for people, with its status; ``again`` is the address of a page that may work now.

    >>> from tuneaccord.service.errors import Forbidden
    >>> refusal_page(Forbidden("not <yours>")).status_code
    403
    """
    words = html.escape(plain(refusal))
    link = f'<p><a href="{html.escape(again, quote=True)}">Try this page again</a></p>' if again else ""
    body = f"""<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><title>Refused · tuneaccord</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="{STATIC}/studio.css"></head>
<body class="alone"><main id="content" class="sheet"><h1>This did not work</h1>
<p class="notice" role="alert">{words[:1].upper()}{words[1:]}</p>{link}
<form class="panel" method="post" action="/enter">
<label class="field"><span class="name">Your token</span>
<input class="plain" name="token" type="password" autocomplete="off" required maxlength="200"></label>
<div class="rows"><button class="act main" type="submit">Enter</button></div></form>
<p><a href="/sessions">Sessions in this browser</a></p></main></body></html>"""
    return HTMLResponse(body, refusal.status, headers=PRIVATE)

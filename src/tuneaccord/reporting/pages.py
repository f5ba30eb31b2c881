"""What the templates of all documents share: escaping, and the filters that turn numbers and text into what is read."""

from __future__ import annotations

from tuneaccord.reporting import formatting
from tuneaccord.reporting.needs import need


def templates(html: bool):
    """Jinja's environment over the folder ``templates``; ``html`` escapes everything that is not marked safe."""
    jinja2 = need("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tuneaccord.reporting"),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda given: formatting.plain(given) if isinstance(given, str) and type(given) is str else given,
    )
    environment.filters |= {
        "number": formatting.number,
        "interval": formatting.interval,
        "parts": formatting.interval_parts,
        "percent": formatting.percent,
        "percent_parts": formatting.percent_parts,
        "size": formatting.size,
        "cell": cell,
    }
    return environment


def cell(text: object) -> str:
    """Arbitrary text in a cell or sentence of Markdown: one line, nothing that means anything."""
    text = " ".join(formatting.plain(text).split())
    for char in "\\`*_[]<>|#$":
        text = text.replace(char, "\\" + char)
    return text


def style_sheet(environment, name: str = "report.css"):
    """A style sheet of the folder, to be set inside a page."""
    return need("markupsafe").Markup(environment.loader.get_source(environment, name)[0])

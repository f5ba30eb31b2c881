"""What the interface says about itself: its description, a page of its routes, the published criteria."""

from __future__ import annotations

from html import escape
from typing import Any

from starlette.responses import Response

from tuneaccord.service import sources
from tuneaccord.service.api import answers
from tuneaccord.service.api.describing import PREFIX, Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import Asked
from tuneaccord.service.api.results import document

routes = Routes("about")


@routes.add("GET", "/criteria", answers.Criteria, needs=(), public=True)
def list_criteria(asked: Asked) -> Any:
    """List the published criteria that a report can mix; anybody can compute them."""
    criteria = [{"name": name, "description": words} for name, words in sources.CRITERIA_WORDS.items()]
    return Answer({"criteria": criteria})


@routes.add(
    "GET", "/openapi.json", "The OpenAPI document.", needs=(), public=True, other={"application/json": "OpenAPI 3.1"}
)
def openapi_document(asked: Asked) -> Any:
    """Describe this interface (OpenAPI 3.1)."""
    return Answer(asked.request.app.openapi())


@routes.add("GET", "/docs", "A page of all routes.", needs=(), public=True, other={"text/html": "to read"})
def reference_page(asked: Asked) -> Any:
    """Show all routes on a page that loads nothing from anywhere."""
    return reference(asked.request.app.openapi())


def reference(description: dict[str, Any]) -> Response:
    """The OpenAPI document as a plain page."""
    rows = "".join(
        f"<tr id='{escape(told['operationId'])}'><td><code>{method.upper()}</code></td>"
        f"<td><code>{escape(path.removeprefix(PREFIX)).replace('/', '<wbr>/')}</code></td>"
        f"<td>{escape(told['description']).replace(chr(10) * 2, '<br>')}</td>"
        f"<td>{escape(_body(told))}</td><td>{escape(', '.join(told['responses']))}</td></tr>"
        for path, methods in description["paths"].items()
        for method, told in methods.items()
    )
    return document(
        _PAGE.format(prefix=PREFIX, about=escape(description["info"]["description"]), rows=rows), "html", ""
    )


def _body(told: dict[str, Any]) -> str:
    content = told.get("requestBody", {}).get("content", {})
    for kind, body in content.items():
        schemas = body["schema"].get("anyOf", [body["schema"]])
        names = [schema["$ref"].rpartition("/")[2] for schema in schemas if "$ref" in schema]
        return f"{kind}: {' or '.join(names)}" if names else kind
    return ""


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>tuneaccord: the HTTP interface</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8886; }}
td:nth-child(2), td:nth-child(3) {{ min-width: 14rem; }}
</style></head><body>
<h1>The HTTP interface</h1>
<p>{about}</p>
<p>All addresses begin with <code>{prefix}</code>. The whole description, with the shape of every body and answer, is
<a href="{prefix}/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<div class="scroll" tabindex="0"><table>
<thead><tr><th>Method</th><th>Address</th><th>What it does</th><th>Takes</th><th>Answers</th></tr></thead>
<tbody>{rows}</tbody></table></div>
</body></html>
"""

"""Documents of a session for its parties: invoice, explanation, settlement, receipt, pool, score sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting import session_documents
from tuneaccord.service import sources
from tuneaccord.service.errors import Invalid, NotFound, ServiceError
from tuneaccord.service.pages.sessions.plain import PRIVATE, refusal_page
from tuneaccord.service.pages.sessions.visits import Hall
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import GROUP
from tuneaccord.service.tokens import Caller

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox allow-modals"
_TYPES = {"html": "text/html", "csv": "text/csv", "json": "application/json"}

Made = Callable[[Reading, Caller, str, str], str]


def answer(hall: Hall, request: Request, session_id: str, name: str) -> Response:
    """A document, if the browser's token may have it; ``?group=`` chooses whose, for the provider and auditors."""
    try:
        caller = hall.visit(request, session_id).caller()
        make = DOCUMENTS.get(name)
        if make is None:
            raise NotFound(f"there is no such document. There are: {', '.join(DOCUMENTS)}.")
        group = caller.name if caller.role == GROUP else request.query_params.get("group", "")
        content = make(hall.reading, caller, session_id, group)
    except TuneaccordError as error:
        return refusal_page(error if isinstance(error, ServiceError) else Invalid(str(error)), "")
    kind = name.rpartition(".")[2]
    placed = "inline" if kind == "html" else "attachment"
    headers = {**PRIVATE, "Content-Disposition": f'{placed}; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    if kind == "html":
        headers["Content-Security-Policy"] = _POLICY
    return Response(content, media_type=f"{_TYPES[kind]}; charset=utf-8", headers=headers)


def _share(reading: Reading, caller: Caller, session_id: str, group: str) -> tuple[dict, dict, dict]:
    share = reading.share(caller, session_id, group)
    return share, reading.outcome(caller, session_id), reading.view(caller, session_id)


def _invoice(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return session_documents.invoice_html(*_share(reading, caller, session_id, group))


def _invoice_csv(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return session_documents.invoice_csv(*_share(reading, caller, session_id, group))


def _explanation(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    parts = _share(reading, caller, session_id, group)
    return session_documents.explanation_html(*parts, pool=reading.pool(caller, session_id))


def _settlement(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return session_documents.settlement_html(*_record(reading, caller, session_id))


def _settlement_csv(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return session_documents.settlement_csv(*_record(reading, caller, session_id))


def _record(reading: Reading, caller: Caller, session_id: str) -> tuple[dict, dict, dict]:
    record = reading.record(caller, session_id)
    return record, reading.outcome(caller, session_id), reading.view(caller, session_id)


def _receipt(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return in_json(reading.receipt(caller, session_id))


def _pool(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return in_json(reading.pool(caller, session_id))


def _sheet(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return sources.sheet_template(reading.pool(caller, session_id))


def _terms(reading: Reading, caller: Caller, session_id: str, group: str) -> str:
    return in_json(reading.view(caller, session_id)["terms"])


def in_json(data: Mapping[str, Any]) -> str:
    """Plain data as a JSON file."""
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


DOCUMENTS: dict[str, Made] = {
    "invoice.html": _invoice,
    "invoice.csv": _invoice_csv,
    "explanation.html": _explanation,
    "settlement.html": _settlement,
    "settlement.csv": _settlement_csv,
    "receipt.json": _receipt,
    "pool.json": _pool,
    "sheet.csv": _sheet,
    "terms.json": _terms,
}

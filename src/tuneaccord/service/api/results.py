"""Results: the outcome for everybody, each group's share and documents, record, audit and receipt."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from tuneaccord.reporting import session_documents as documents
from tuneaccord.service.api import answers
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.groups import Group
from tuneaccord.service.api.guard import Asked
from tuneaccord.service.api.headers import DOCUMENT_POLICY
from tuneaccord.service.api.sessions import SessionId

routes = Routes("results")
Form = Annotated[Literal["html", "csv"], Query(alias="format", description="A document to read, or a table.")]
DOCUMENTS = {"text/html": "to read and to print", "text/csv": "a table"}


@routes.add("GET", "/sessions/{session_id}/outcome", answers.Outcome)
def get_outcome(asked: Asked, session_id: SessionId) -> Any:
    """Read what everybody of the session may know of the settlement: the model, its price, what is guaranteed."""
    return Answer(asked.reading.outcome(asked.caller, session_id))


@routes.add("GET", "/sessions/{session_id}/shares/{group:path}", answers.Share)
def get_share(asked: Asked, session_id: SessionId, group: Group) -> Any:
    """Read a group's part of the settlement as data. For the group itself, provider and auditor."""
    return Answer(asked.reading.share(asked.caller, session_id, group))


@routes.add("GET", "/sessions/{session_id}/invoices/{group:path}", "The group's invoice.", other=DOCUMENTS)
def get_invoice(asked: Asked, session_id: SessionId, group: Group, form: Form = "html") -> Any:
    """Download a group's invoice. For the group itself, provider and auditor."""
    share = asked.reading.share(asked.caller, session_id, group)
    about = asked.reading.outcome(asked.caller, session_id), asked.reading.view(asked.caller, session_id)
    write = documents.invoice_csv if form == "csv" else documents.invoice_html
    return document(write(share, *about), form, "invoice")


@routes.add(
    "GET", "/sessions/{session_id}/explanations/{group:path}", "The explanation.", other={"text/html": "to read"}
)
def get_explanation(asked: Asked, session_id: SessionId, group: Group) -> Any:
    """Download what was decided and why a group pays what it pays. For the group itself, provider, auditor."""
    share = asked.reading.share(asked.caller, session_id, group)
    about = asked.reading.outcome(asked.caller, session_id), asked.reading.view(asked.caller, session_id)
    return document(
        documents.explanation_html(share, *about, asked.reading.pool(asked.caller, session_id)), "html", "explanation"
    )


@routes.add("GET", "/sessions/{session_id}/settlement", "The settlement.", other=DOCUMENTS)
def get_settlement(asked: Asked, session_id: SessionId, form: Form = "html") -> Any:
    """Download the settlement with everybody's payments, and the audit. For provider and auditor."""
    record = asked.reading.record(asked.caller, session_id)
    about = asked.reading.outcome(asked.caller, session_id), asked.reading.view(asked.caller, session_id)
    write = documents.settlement_csv if form == "csv" else documents.settlement_html
    return document(write(record, *about), form, "settlement")


@routes.add("GET", "/sessions/{session_id}/record", answers.Record)
def get_record(asked: Asked, session_id: SessionId) -> Any:
    """Read everybody's reports and results, from which the settlement can be computed again.

    For provider and auditor.
    """
    return Answer(asked.reading.record(asked.caller, session_id))


@routes.add("GET", "/sessions/{session_id}/audit", answers.Audit)
def get_audit(asked: Asked, session_id: SessionId) -> Any:
    """Read what the audit after settling found. For provider and auditor."""
    record = asked.reading.record(asked.caller, session_id)
    return Answer({"audit": record.get("audit"), "broken_promises": record.get("broken_promises")})


@routes.add("GET", "/sessions/{session_id}/receipt", answers.Receipt, needs=())
def get_receipt(asked: Asked, session_id: SessionId) -> Any:
    """Download everything that the asker may have, in one document for ``tuneaccord verify``."""
    receipt = Answer(asked.reading.receipt(asked.caller, session_id))
    receipt.headers["Content-Disposition"] = 'attachment; filename="receipt.json"'
    return receipt


@routes.add("GET", "/sessions/{session_id}/true-type", answers.Wishes)
def get_true_type(asked: Asked, session_id: SessionId) -> Any:
    """Say what a player of a classroom session truly wants. For that player."""
    return Answer(asked.reading.true_type(asked.caller, session_id))


def document(text: str, form: str, name: str) -> Response:
    """A document with a policy of its own: it has a style and pictures, and nothing runs in it."""
    headers = {"Content-Security-Policy": DOCUMENT_POLICY}
    if form == "csv":
        headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return Response(text, media_type=f"text/{form}", headers=headers)

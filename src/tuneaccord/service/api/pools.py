"""The pool: frozen from JSON or a file, sampled by the server, downloaded, and a sheet to score it."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tuneaccord.service import sources
from tuneaccord.service.api import answers
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import Ask, Asked, still_valid
from tuneaccord.service.api.sessions import SessionId, entry_answer
from tuneaccord.service.api.uploads import Uploaded, form_of, uploaded
from tuneaccord.service.chain import Entry
from tuneaccord.service.session import PROVIDER
from tuneaccord.service.terms import CandidatePool, ResponsePool

routes = Routes("pool")
POOL = {
    "prompts": [{"id": "p1", "text": "How do I return my order?"}],
    "responses": [[{"id": "a", "text": "By post."}, {"id": "b", "text": "Bring it to a shop."}]],
    "base": [[0.7, 0.3]],
}


@routes.add("PUT", "/sessions/{session_id}/pool", answers.LogEntry, takes=(ResponsePool, CandidatePool), example=POOL)
def freeze_pool(asked: Asked, session_id: SessionId) -> Any:
    """Freeze what there is to choose from; its digest becomes public. For the provider."""
    return entry_answer(asked.desk.freeze(asked.caller, session_id, asked.data))


@routes.add(
    "POST",
    "/sessions/{session_id}/pool/file",
    answers.LogEntry,
    form=form_of("A pool as CSV, Parquet, JSON Lines (one row for each response or candidate) or JSON."),
)
async def upload_pool(asked: Asked, session_id: SessionId) -> Any:
    """Freeze a pool from a file. For the provider.

    Columns for responses: ``prompt_id, prompt, reply_id, reply, base, prompt_weight``; for candidate models:
    ``candidate, price, text, base``. All but the names may be left out.
    """
    await run_in_threadpool(asked.desk.allowed, asked.caller, session_id, PROVIDER)
    async with uploaded(asked.request) as file:
        return entry_answer(await run_in_threadpool(_frozen, asked, session_id, file))


def _frozen(asked: Ask, session_id: str, file: Uploaded) -> Entry:
    still_valid(asked)
    pool = sources.pool_from_file(file.path, file.name, asked.request.app.state.settings.largest_upload)
    return asked.desk.freeze(asked.caller, session_id, pool)


@routes.add("POST", "/sessions/{session_id}/pool/sample", answers.LogEntry)
def sample_pool(asked: Asked, session_id: SessionId) -> Any:
    """Have the server draw the pool from the language model that the terms name. For the provider.

    Nobody can join any more. The log says when it is frozen or has failed; progress is in the session and its log.
    """
    return entry_answer(asked.desk.sample(asked.caller, session_id))


@routes.add("GET", "/sessions/{session_id}/pool", answers.Pool)
def get_pool(asked: Asked, session_id: SessionId) -> Any:
    """Download the frozen pool. For provider, auditor and groups."""
    return Answer(asked.reading.pool(asked.caller, session_id))


@routes.add(
    "GET",
    "/sessions/{session_id}/pool/sheet",
    "A score sheet to fill in, as CSV.",
    other={"text/csv": "the sheet"},
)
def get_sheet(asked: Asked, session_id: SessionId) -> Any:
    """Download a score sheet for the pool, to be filled in and uploaded. For provider, auditor and groups."""
    text = sources.sheet_template(asked.reading.pool(asked.caller, session_id))
    return Response(text, media_type="text/csv", headers={"Content-Disposition": 'attachment; filename="scores.csv"'})

"""Tokens of a session: listed, issued to auditors and observers, revoked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from tuneaccord.service.api import answers, models
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import Asked
from tuneaccord.service.api.sessions import SessionId

routes = Routes("tokens")
TokenId = Annotated[str, Path(description="A token's identifier, not the token.", pattern="^[0-9a-f]{1,40}$")]


@routes.add("GET", "/sessions/{session_id}/tokens", answers.Tokens, needs=())
def list_tokens(asked: Asked, session_id: SessionId) -> Any:
    """List all tokens of the session, but not the tokens themselves. For the provider."""
    return Answer({"tokens": asked.reading.tokens(asked.caller, session_id)})


@routes.add(
    "POST",
    "/sessions/{session_id}/tokens",
    answers.Token,
    takes=models.NewToken,
    status=201,
    needs=(),
    example={"role": "auditor", "name": "works council", "expires_at": None},
)
def issue_token(asked: Asked, session_id: SessionId) -> Any:
    """Make a token for an auditor or an observer, or another one for the provider. For the provider."""
    told = asked.told(models.NewToken)
    token = asked.desk.issue_token(asked.caller, session_id, told.role, told.name, told.expires_at)
    return Answer({"token": token}, status_code=201)


@routes.add("DELETE", "/sessions/{session_id}/tokens/{token_id}", answers.Done, needs=(404, 409))
def revoke_token(asked: Asked, session_id: SessionId, token_id: TokenId) -> Any:
    """Make a token useless at once. For the provider."""
    asked.desk.revoke(asked.caller, session_id, token_id)
    return Answer({"done": True})

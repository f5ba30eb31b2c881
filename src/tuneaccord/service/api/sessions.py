"""Sessions: create, list, look at, and the provider's moves from draft to published."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from tuneaccord.service.api import answers, models
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import LONGEST_ID, Asked
from tuneaccord.service.chain import Entry
from tuneaccord.service.terms import Terms

routes = Routes("sessions")
SessionId = Annotated[str, Path(description="The session's public identifier.", max_length=LONGEST_ID)]
TERMS = {
    "title": "One assistant for three departments",
    "divergence": {"kind": "KL", "strength": 0.5},
    "rule": {"kind": "Welfare"},
    "payment": {"kind": "Externality"},
    "money": {"currency": "EUR", "rate": 100},
}


def entry_answer(entry: Entry) -> Answer:
    """The log entry that a move wrote."""
    return Answer(entry.to_dict())


@routes.add("GET", "/me", answers.Caller, needs=())
def me(asked: Asked) -> Any:
    """Say who the token stands for."""
    caller = asked.caller
    return Answer({"role": caller.role, "name": caller.name, "session_id": caller.session_id})


@routes.add("POST", "/sessions", answers.Begun, takes=models.NewSession, status=201, needs=(), example={"terms": TERMS})
def create_session(asked: Asked) -> Any:
    """Begin a session in draft.

    For an operator of the server. The answer has the provider's token, which is shown only here.
    """
    told = asked.told(models.NewSession)
    joined = asked.desk.create(asked.caller, told.terms, told.provider)
    begun = {"session_id": joined.session_id, "provider": joined.group, "token": joined.token}
    return Answer(begun, status_code=201)


@routes.add("GET", "/sessions", answers.Sessions, needs=())
def list_sessions(asked: Asked) -> Any:
    """List sessions: all of the server for its operator, to others their own."""
    return Answer({"sessions": asked.reading.sessions(asked.caller)})


@routes.add("GET", "/sessions/{session_id}", answers.View, needs=())
def get_session(asked: Asked, session_id: SessionId) -> Any:
    """Say where the session stands, and what the asker can do now."""
    return Answer(asked.reading.view(asked.caller, session_id))


@routes.add("PUT", "/sessions/{session_id}/terms", answers.LogEntry, takes=Terms, example=TERMS)
def revise_terms(asked: Asked, session_id: SessionId) -> Any:
    """Replace the terms of a draft. For the provider."""
    return entry_answer(asked.desk.revise(asked.caller, session_id, asked.data))


@routes.add("POST", "/sessions/{session_id}/open", answers.LogEntry)
def open_session(asked: Asked, session_id: SessionId) -> Any:
    """Fix the terms, so that groups can be invited. For the provider."""
    return entry_answer(asked.desk.open(asked.caller, session_id))


@routes.add(
    "POST",
    "/sessions/{session_id}/begin",
    answers.LogEntry,
    takes=models.Beginning,
    optional=True,
    example={"deadline": "2026-12-01T18:00:00Z", "reveal_at": None},
)
def begin_reporting(asked: Asked, session_id: SessionId) -> Any:
    """Take reports, until the deadline if there is one. For the provider.

    At ``reveal_at`` the results are published without anybody's doing.
    """
    told = asked.told(models.Beginning)
    return entry_answer(asked.desk.begin(asked.caller, session_id, told.deadline, told.reveal_at))


@routes.add(
    "PATCH",
    "/sessions/{session_id}/deadline",
    answers.LogEntry,
    takes=models.Deadline,
    example={"deadline": "2026-12-02T18:00:00Z"},
)
def move_deadline(asked: Asked, session_id: SessionId) -> Any:
    """Set another deadline, or none, while the old one has not passed. For the provider."""
    return entry_answer(asked.desk.move_deadline(asked.caller, session_id, asked.told(models.Deadline).deadline))


@routes.add("POST", "/sessions/{session_id}/close", answers.LogEntry)
def close_session(asked: Asked, session_id: SessionId) -> Any:
    """Take no more reports; the server then settles. For the provider."""
    return entry_answer(asked.desk.close(asked.caller, session_id))


@routes.add("POST", "/sessions/{session_id}/publish", answers.LogEntry)
def publish_session(asked: Asked, session_id: SessionId) -> Any:
    """Show each group its invoice. For the provider."""
    return entry_answer(asked.desk.publish(asked.caller, session_id))


@routes.add("POST", "/sessions/{session_id}/try-again", answers.LogEntry)
def try_again(asked: Asked, session_id: SessionId) -> Any:
    """Settle again after a failure. For the provider."""
    return entry_answer(asked.desk.try_again(asked.caller, session_id))


@routes.add(
    "POST",
    "/sessions/{session_id}/cancel",
    answers.LogEntry,
    takes=models.Reason,
    optional=True,
    example={"reason": "two groups left"},
)
def cancel_session(asked: Asked, session_id: SessionId) -> Any:
    """End the session without a settlement. For the provider."""
    return entry_answer(asked.desk.cancel(asked.caller, session_id, asked.told(models.Reason).reason))

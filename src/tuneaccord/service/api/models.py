"""What the interface takes, for its description and for checking small bodies.

Terms, pools and reports are described by ``service.terms``, which the desk checks them with.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tuneaccord.config.loading import Section
from tuneaccord.service.terms import Name

Time = Annotated[str, Field(max_length=40, examples=["2026-12-01T18:00:00Z"])]


class NewSession(Section):
    """Terms of a session to be, and the name under which its provider acts."""

    terms: dict[str, Any] = Field(description="See the body of PUT /sessions/{session_id}/terms.")
    provider: Name = "provider"


class Invite(Section):
    """Whom to invite, and until when the invitation can be used."""

    group: Name
    expires_at: Time | None = None


class Joining(Section):
    """A one-time invitation; or the code of a classroom session, with a name of one's choice."""

    invitation: str | None = Field(None, min_length=1, max_length=200)
    code: str | None = Field(None, min_length=1, max_length=40)
    name: Name | None = None


class GroupName(Section):
    """A group of the session."""

    group: Name


class Beginning(Section):
    """Until when reports are taken, and when the results are published by themselves; both may be left out."""

    deadline: Time | None = None
    reveal_at: Time | None = None


class Deadline(Section):
    """Another deadline, or null for none."""

    deadline: Time | None


class Reason(Section):
    """Why a session is cancelled; everybody of the session may read it."""

    reason: str = Field("", max_length=1000)


class NewToken(Section):
    """For whom a token is, and until when it is valid."""

    role: Literal["provider", "auditor", "observer"]
    name: Name
    expires_at: Time | None = None


class FromCriteria(Section):
    """A report that mixes published criteria: weights that are not negative and sum to one."""

    weights: dict[str, float] = Field(min_length=1, max_length=20, examples=[{"calm": 0.5, "easy": 0.5}])
    size: float | None = Field(None, gt=0)
    worth: float | None = Field(None, gt=0)

"""What the interface answers, for its description. More keys may be added to an answer; none is taken away."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tuneaccord.service.session import STATES
from tuneaccord.service.terms import LONGEST_NAME

Number = float | int


class Told(BaseModel):
    """An answer; more may be added to it."""

    model_config = ConfigDict(extra="allow", strict=True)


class Trouble(Told):
    """Why a request was refused."""

    code: str = Field(examples=["wrong_state"])
    message: str
    status: int = Field(ge=400, le=599)
    request_id: str


class Problem(Told):
    """The one shape of every refusal."""

    error: Trouble


class Caller(Told):
    """Who the token stands for."""

    role: Literal["operator", "provider", "group", "auditor", "observer"]
    name: str
    session_id: str | None


class Seat(Told):
    """The token of whoever took a seat or began a session; it is shown only here."""

    session_id: str
    group: str = Field(max_length=LONGEST_NAME)
    token: str


class Begun(Told):
    """A new session and its provider's token, which is shown only here."""

    session_id: str
    provider: str
    token: str


class Listed(Told):
    """A session in a few words."""

    id: str
    title: str
    state: Literal[STATES]  # type: ignore[valid-type]
    created_at: str
    deadline: str | None


class Sessions(Told):
    """The sessions that the asker may know of, newest first."""

    sessions: list[Listed]


class Member(Told):
    """A group that has joined, and whether it has reported."""

    name: str
    joined_at: str
    bot: bool
    reported: bool


class Progress(Told):
    """How far a piece of work is."""

    label: str
    done: int
    total: int
    started_at: str
    at: str


class View(Told):
    """Where the session stands, and what the asker can do now."""

    id: str
    title: str
    state: Literal[STATES]  # type: ignore[valid-type]
    terms: dict[str, Any]
    you: dict[str, str]
    moves: list[str]
    groups: list[Member]
    invited: list[str]
    sampling: bool
    pool: str | None
    deadline: str | None
    reveal_at: str | None
    settlement: str | None
    reason: str | None
    created_at: str
    at: str
    entries: int
    head: str
    now: str
    progress: list[Progress]


class LogEntry(Told):
    """One line of the public log."""

    number: int = Field(ge=0)
    at: str
    kind: str
    by: dict[str, str]
    data: dict[str, Any]
    previous: str
    digest: str


class LogPart(Told):
    """Entries of the log after a number, and how far long work is."""

    state: Literal[STATES]  # type: ignore[valid-type]
    entries: list[LogEntry]
    progress: list[Progress]


class Invited(Told):
    """A one-time invitation, as a text and as a link to a page; it is shown only here."""

    group: str
    invitation: str
    url: str


class Code(Told):
    """The code with which players join, and the page where they enter it."""

    code: str
    url: str


class Token(Told):
    """A token, which is shown only here."""

    token: str


class TokenInfo(Told):
    """A token without the token itself."""

    id: str
    role: str
    name: str
    created_at: str
    expires_at: str | None
    used_at: str | None
    revoked_at: str | None


class Tokens(Told):
    """All tokens of the session, oldest first."""

    tokens: list[TokenInfo]


class Done(Told):
    """That it was done."""

    done: Literal[True]


class Proof(Told):
    """The group's proof of what it reported: report, salt, commitment and log entry; it is shown only here."""

    kind: Literal["report proof"]
    session: str
    group: str
    report: dict[str, Any]
    salt: str
    commitment: str
    entry: LogEntry


class Pool(Told):
    """The frozen pool as it was digested."""

    kind: Literal["responses", "candidates"]


class Outcome(Told):
    """What everybody may know of the settlement: the model, its price, what is guaranteed."""

    pool: str
    groups: list[str]
    model: list[Any]
    price: Number
    guarantees: list[dict[str, Any]]
    currency: str
    rate: Number


class Share(Told):
    """A group's part of the settlement: report, values, payment in units and as an amount, and what lying would do."""

    group: str
    report: dict[str, Any]
    value: Number
    group_value: Number
    payment: Number
    amount: str
    utility: Number
    what_if: list[dict[str, Any]]


class Record(Told):
    """Everybody's reports and results, from which the settlement can be computed again."""

    reports: dict[str, dict[str, Any]]
    results: dict[str, Any]
    amounts: dict[str, str]


class Audit(Told):
    """What the audit after settling found."""

    audit: Any
    broken_promises: Any


class Receipt(Told):
    """Everything that the asker may have, for ``tuneaccord verify``."""

    kind: Literal["receipt"]
    version: int
    session: str
    holder: dict[str, str]
    log: list[LogEntry]


class Wishes(Told):
    """What a player of a classroom session truly wants."""

    size: Number
    scores: list[list[Number]]


class CriterionInfo(Told):
    """A published criterion: a score on [0, 1] that anybody can compute."""

    name: str
    description: str


class Criteria(Told):
    """The published criteria."""

    criteria: list[CriterionInfo]

"""What a move's data must be, and what else must hold of the session, once who and when are known to be right.

A log is replayed by the same checks, so a rule that is added here must hold of every log that there is; rules for new
moves alone are in ``admitting``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuneaccord.service.errors import Forbidden, Invalid, WrongState
from tuneaccord.service.moves import CLOCK, MOST_GROUPS, Actor

if TYPE_CHECKING:
    from tuneaccord.service.session import Session


def check_data(session: Session, actor: Actor, kind: str, at: str, data: dict) -> None:
    """Raise :class:`Invalid`, :class:`WrongState` or :class:`Forbidden` unless the move can be made with this data."""
    _CHECKS.get(kind, _nothing)(session, actor, at, data)


def _nothing(session: Session, actor: Actor, at: str, data: dict) -> None:
    if data:
        raise Invalid(f"this move takes no data, got {', '.join(sorted(data))}.")


def _only(data: dict, *names: str) -> None:
    if set(data) != set(names):
        raise Invalid(f"expected the data {', '.join(names)}, got {', '.join(sorted(data)) or 'nothing'}.")


def _revised(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "terms")
    if not isinstance(data["terms"], dict):
        raise Invalid("terms must be a mapping.")


def _invited(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "group")
    if session.sampling:
        raise WrongState("the pool is being sampled; nobody can be invited any more.")
    name = data["group"]
    if name in session.seats:
        raise Invalid(f"group {name!r} has joined already. Remove it first, or choose another name.")
    if len(session.seats) + len(session.invited) >= MOST_GROUPS:
        raise Invalid(f"a session has at most {MOST_GROUPS} groups.")


def _joined(session: Session, actor: Actor, at: str, data: dict) -> None:
    if data not in ({}, {"bot": True}):
        raise Invalid("joining takes no data.")
    if session.sampling:
        raise WrongState("the pool is being sampled; nobody can join any more.")
    if actor.name in session.seats:
        raise WrongState(f"group {actor.name!r} has joined already.")
    if len(session.seats) >= MOST_GROUPS:
        raise Invalid(f"a session has at most {MOST_GROUPS} groups.")


def _removed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "group")
    if data["group"] not in session.seats and data["group"] not in session.invited:
        raise Invalid(f"there is no group {data['group']!r} to remove.")


def _token_replaced(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "group")
    if data["group"] not in session.seats:
        raise Invalid(f"no group {data['group']!r} has joined this session.")


def _sampling(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "source")
    if session.sampling:
        raise WrongState("the pool is being sampled already.")


def _sampling_failed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "reason")
    if not session.sampling:
        raise WrongState("no pool is being sampled.")


def _frozen(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "pool", "summary", "groups")
    if data["groups"] != list(session.seats):
        raise Invalid("the groups are not those who joined.")
    if not session.seats:
        raise WrongState("no group has joined yet, so there is nobody to freeze the pool for.")
    if session.sampling and actor.role != CLOCK:
        raise WrongState("the pool is being sampled; wait for it, or cancel the session.")
    if actor.role == CLOCK and not session.sampling:
        raise WrongState("no pool is being sampled.")


def _reporting(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "deadline", "reveal_at")
    _later(at, data["deadline"], "the deadline")
    if data["reveal_at"] is not None and not (data["deadline"] and data["reveal_at"] >= data["deadline"]):
        raise Invalid("the time of publication must not be before the deadline for reports.")


def _deadline_moved(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "deadline")
    _later(at, data["deadline"], "the new deadline")
    if session.deadline is not None and at >= session.deadline:
        raise WrongState("the deadline has passed; it cannot be moved any more.")
    if session.reveal_at and data["deadline"] and data["deadline"] > session.reveal_at:
        raise Invalid(f"the results are to be published at {session.reveal_at}; the deadline must not be after that.")


def _reported(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "commitment")
    if actor.name not in session.seats:
        raise Forbidden(f"group {actor.name!r} is not part of this session.")
    if session.deadline is not None and at >= session.deadline:
        raise WrongState(f"the deadline for reports was {session.deadline}.")


def _closed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _nothing(session, actor, at, data)
    if actor.role == CLOCK and (session.deadline is None or at < session.deadline):
        raise WrongState("the deadline for reports has not passed.")


def _settled(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "settlement", "shares", "public", "record")
    if not isinstance(data["shares"], dict) or set(data["shares"]) != set(session.reported):
        raise Invalid("the settlement's groups are not those that reported.")


def _published(session: Session, actor: Actor, at: str, data: dict) -> None:
    _nothing(session, actor, at, data)
    if actor.role == CLOCK and (session.reveal_at is None or at < session.reveal_at):
        raise WrongState("the time of publication has not come.")


def _failed(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "reason")


def _cancelled(session: Session, actor: Actor, at: str, data: dict) -> None:
    _only(data, "reason")


def _later(at: str, moment: str | None, what: str) -> None:
    if moment is not None and moment <= at:
        raise Invalid(f"{what} {moment} has passed already; it is {at}.")


_CHECKS: dict[str, Callable[[Session, Actor, str, dict], None]] = {
    "revised": _revised,
    "invited": _invited,
    "joined": _joined,
    "removed": _removed,
    "token replaced": _token_replaced,
    "sampling": _sampling,
    "sampling failed": _sampling_failed,
    "frozen": _frozen,
    "reporting": _reporting,
    "reported": _reported,
    "deadline moved": _deadline_moved,
    "closed": _closed,
    "settled": _settled,
    "published": _published,
    "failed": _failed,
    "cancelled": _cancelled,
}

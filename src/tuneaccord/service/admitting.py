"""What is refused when somebody asks for it although a log may have it: rules that are younger than some logs.

The state machine replays logs of sessions that were closed without a report, or that have two groups whose names
differ in capitals only; so these rules cannot be its own. They hold for every new move instead.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tuneaccord.service.errors import Invalid, WrongState
from tuneaccord.service.session import CLOCK, NEED_A_REPORT, Actor, Session


def admit(session: Session, actor: Actor, kind: str, data: Mapping[str, Any] | None = None) -> None:
    """Raise :class:`WrongState` or :class:`Invalid` for a legal move that nobody should make.

    ``session`` is as it is before the move.
    """
    if actor.role == CLOCK:
        return
    if kind in NEED_A_REPORT and not session.reported:
        raise WrongState(_NOTHING[kind])
    if kind == "invited":
        _need_another_name((data or {}).get("group", ""), (*session.seats, *session.invited))
    if kind == "joined":
        _need_another_name(actor.name, session.seats)


_NOTHING = {
    "closed": "nobody has reported, so there would be nothing to settle. Wait for a report, or cancel the session.",
    "tried again": (
        "nobody reported, so there is nothing to settle and trying again would fail again. "
        "Cancel this session, and begin a new one."
    ),
}


def _need_another_name(name: str, others: Mapping[str, Any] | tuple[str, ...]) -> None:
    if name in others:  # whether it can be asked for again is for the state machine to say
        return
    ours = likeness(name)
    for other in others:
        if likeness(other) == ours:
            raise Invalid(
                f"the name {name!r} differs from that of group {other!r} only in capitals, spaces or how its letters "
                "are encoded. Choose a name that people can tell from it."
            )


@lru_cache(maxsize=2**14)
def likeness(name: str) -> str:
    """The same for names that differ only in capitals, spaces or how their letters are encoded.

    >>> likeness("Legal  Affairs"), likeness("cafe" + chr(769)) == likeness("Caf" + chr(233))
    ('legal affairs', True)
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())

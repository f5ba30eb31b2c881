"""The legal moves of a session: who may make which, in which states, and what state it leads to.

A move has the name of the log entry that it writes.
"""

from __future__ import annotations

from dataclasses import dataclass

STATES = (
    "draft",
    "open",
    "frozen",
    "reporting",
    "closed",
    "settling",
    "settled",
    "published",
    "failed",
    "cancelled",
)
ENDED = ("published", "cancelled")
#: after these nobody's report can change any more, and the server may read them
SEALED_NO_MORE = ("closed", "settling", "settled", "published", "failed")

PROVIDER, GROUP, AUDITOR, OBSERVER, CLOCK = "provider", "group", "auditor", "observer", "clock"
MOST_GROUPS = 5000


@dataclass(frozen=True)
class Actor:
    """Who makes a move: a role, and for a group its name."""

    role: str
    name: str = ""

    def to_dict(self) -> dict[str, str]:
        """As plain data."""
        return {"role": self.role, "name": self.name}


#: the server itself: timers and jobs
THE_CLOCK = Actor(CLOCK, "server")


@dataclass(frozen=True)
class Move:
    """Who may make a move, in which states, and the state it leads to (None: it stays)."""

    roles: tuple[str, ...]
    states: tuple[str, ...]
    leads_to: str | None = None


MOVES: dict[str, Move] = {
    "revised": Move((PROVIDER,), ("draft",)),
    "opened": Move((PROVIDER,), ("draft",), "open"),
    "invited": Move((PROVIDER,), ("open",)),
    "joined": Move((GROUP,), ("open",)),
    "removed": Move((PROVIDER,), ("open",)),
    "token replaced": Move((PROVIDER,), ("open", "frozen", "reporting", "closed", "settling", "settled", "published")),
    "sampling": Move((PROVIDER,), ("open",)),
    "sampling failed": Move((CLOCK,), ("open",)),
    "frozen": Move((PROVIDER, CLOCK), ("open",), "frozen"),
    "reporting": Move((PROVIDER,), ("frozen",), "reporting"),
    "reported": Move((GROUP,), ("reporting",)),
    "deadline moved": Move((PROVIDER,), ("reporting",)),
    "closed": Move((PROVIDER, CLOCK), ("reporting",), "closed"),
    "settling": Move((CLOCK,), ("closed",), "settling"),
    "settled": Move((CLOCK,), ("settling",), "settled"),
    "published": Move((PROVIDER, CLOCK), ("settled",), "published"),
    "failed": Move((CLOCK,), ("closed", "settling"), "failed"),
    "tried again": Move((PROVIDER,), ("failed",), "closed"),
    "cancelled": Move((PROVIDER,), tuple(state for state in STATES if state not in (*ENDED, "settled")), "cancelled"),
}

#: what makes no sense for a person to ask for before somebody has reported; the clock closes all the same
NEED_A_REPORT = ("closed", "tried again")

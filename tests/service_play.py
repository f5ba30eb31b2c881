"""A session of three groups, brought to any state; a clock that stands still until it is moved."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tuneaccord.service.desk import Desk
from tuneaccord.service.reading import Reading
from tuneaccord.service.server import Server
from tuneaccord.service.times import stamp
from tuneaccord.service.tokens import Caller

TERMS = {"title": "ours", "money": {"currency": "EUR", "rate": 100}}
POOL = {
    "prompts": [{"id": "p"}],
    "responses": [[{"id": "a"}, {"id": "b"}, {"id": "c"}]],
    "base": [[0.4, 0.3, 0.3]],
}
REPORTS = {
    "legal": {"size": 3, "scores": [[0.1, 0.9, 0.0]]},
    "support": {"size": 1, "scores": [[0.6, 0.5, 0.4]]},
    "marketing": {"size": 2, "scores": [[0.2, 0.0, 1.0]]},
}
#: in the order in which a session comes to them
STATES = ("draft", "open", "frozen", "reporting", "closed", "settling", "settled", "published")


class Clock:
    """The time for a desk: moved by hand, a millisecond on at each look."""

    def __init__(self, now: str = "2026-03-01T12:00:00.000Z") -> None:
        self.moment = datetime.fromisoformat(now)

    def __call__(self) -> str:
        self.moment += timedelta(milliseconds=1)
        return stamp(self.moment)

    def later(self, seconds: float) -> str:
        """A time from now, as people give it."""
        return (self.moment + timedelta(seconds=seconds)).astimezone(UTC).isoformat()

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)


@dataclass
class Played:
    """A session, its parties as callers with their tokens, and what each group got for its report."""

    desk: Desk
    id: str
    operator: Caller
    provider: Caller
    auditor: Caller | None = None
    observer: Caller | None = None
    groups: dict[str, Caller] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  #: by role, for groups by name
    proofs: dict[str, dict] = field(default_factory=dict)

    @property
    def server(self) -> Server:
        """The server's own moves."""
        return Server(self.desk)

    @property
    def reading(self) -> Reading:
        """What each party may see."""
        return Reading(self.desk)

    @property
    def session(self):
        """As it is now."""
        return self.desk.session(self.id)

    def settle(self) -> None:
        """From closed to settled, as the jobs do it."""
        attempt = self.server.begin_settling(self.id)
        self.server.compute(self.id, attempt)
        self.server.record(self.id, attempt)


def play(desk, state="published", terms=TERMS, pool=POOL, reports=REPORTS, deadline=None, reveal_at=None) -> Played:
    """A session in ``state``, with one group for each report, an auditor and an observer once it is open."""
    operator = desk.operator()
    joined = desk.create(desk.caller(operator), terms)
    played = Played(desk, joined.session_id, desk.caller(operator), desk.caller(joined.token))
    played.tokens.update(operator=operator, provider=joined.token)
    for name in STATES[1 : STATES.index(state) + 1]:
        _STEPS[name](played, {"pool": pool, "reports": reports, "deadline": deadline, "reveal_at": reveal_at})
    return played


def _open(played, given):
    desk = played.desk
    desk.open(played.provider, played.id)
    for name in given["reports"]:
        played.tokens[name] = desk.join(desk.invite(played.provider, played.id, name)).token
        played.groups[name] = desk.caller(played.tokens[name])
    for role in ("auditor", "observer"):
        played.tokens[role] = desk.issue_token(played.provider, played.id, role, f"the {role}")
        setattr(played, role, desk.caller(played.tokens[role]))


def _reporting(played, given):
    played.desk.begin(played.provider, played.id, given["deadline"], given["reveal_at"])


def _closed(played, given):
    for name, report in given["reports"].items():
        played.proofs[name] = played.desk.report(played.groups[name], played.id, report)
    played.desk.close(played.provider, played.id)


def _settled(played, given):
    attempt = played.session.attempts
    played.server.compute(played.id, attempt)
    assert played.server.record(played.id, attempt)


_STEPS = {
    "open": _open,
    "frozen": lambda played, given: played.desk.freeze(played.provider, played.id, given["pool"]),
    "reporting": _reporting,
    "closed": _closed,
    "settling": lambda played, given: played.server.begin_settling(played.id),
    "settled": _settled,
    "published": lambda played, given: played.desk.publish(played.provider, played.id),
}

"""What session pages say: states, what to do next, what has changed. Plain data in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tuneaccord.reporting.formatting import listing, short
from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER

#: the states of a session that goes well, as the step line shows them
STEPS = {
    "draft": "Draft",
    "open": "Groups join",
    "frozen": "Pool frozen",
    "reporting": "Reports",
    "closed": "Closed",
    "settling": "Settling",
    "settled": "Settled",
    "published": "Published",
}
_ELSEWHERE = {"failed": "Failed", "cancelled": "Cancelled"}

ROLES = {
    PROVIDER: "provider",
    GROUP: "group",
    AUDITOR: "auditor",
    OBSERVER: "observer",
    "operator": "operator of this server",
}


def state_words(state: str) -> str:
    """A state's name for people.

    >>> state_words("open"), state_words("failed")
    ('Groups join', 'Failed')
    """
    return STEPS.get(state) or _ELSEWHERE.get(state, state)


def steps_of(view: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The step line: (words, ``done``, ``now`` or ``later``); a failure or a cancellation ends it."""
    state = view["state"]
    if state == "failed":
        names = [*list(STEPS)[:6], "failed"]
    elif state == "cancelled":
        names = ["cancelled"]
    else:
        names = list(STEPS)
    place = names.index(state)
    marks = ["done"] * place + ["now"] + ["later"] * (len(names) - place - 1)
    if state == "published":
        marks[-1] = "done now"
    return [(state_words(name), mark) for name, mark in zip(names, marks, strict=True)]


def next_words(view: Mapping[str, Any]) -> str:
    """What there is to do now, for whom the view is for, in a sentence or two."""
    role, state = view["you"]["role"], view["state"]
    if state == "cancelled":
        return _because("This session was cancelled; nobody pays anything.", view)
    if role == PROVIDER:
        return _PROVIDER[state](view)
    if role == GROUP:
        return _GROUP[state](view)
    return _WATCHER[state](view)


def _because(words: str, view: Mapping[str, Any]) -> str:
    return f"{words} The reason given: {view['reason']}" if view.get("reason") else words


def _opened(view: Mapping[str, Any]) -> str:
    joined, invited = len(view["groups"]), len(view["invited"])
    if view["sampling"]:
        return "The server draws the replies from the language model. Nobody can join meanwhile."
    failed = f" Drawing the pool failed: {view['reason']}" if view.get("reason") else ""
    if not joined and not invited:
        return "Invite the groups: each gets a link of its own that works once." + failed
    waiting = f" {_counted(invited, 'invitation is', 'invitations are')} still open." if invited else ""
    return (
        f"{_counted(joined, 'group has', 'groups have')} joined.{waiting} When all are here, freeze what there is to "
        f"choose from; after that nobody can join.{failed}"
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}" if count else f"No {many}"


def _reporting(view: Mapping[str, Any]) -> str:
    told, all_of = sum(one["reported"] for one in view["groups"]), len(view["groups"])
    until = "until the deadline" if view["deadline"] else "until you close"
    rest = "Everybody has reported; you can close." if told == all_of else "You see who has reported, never what."
    return f"{told} of {all_of} groups have reported; each can replace its report {until}. {rest}"


def _failed(view: Mapping[str, Any], again: str, nothing: str = "") -> str:
    """What follows a failure: trying ``again``, or ``nothing`` of that where nobody reported."""
    if not any(one["reported"] for one in view["groups"]):
        return f"Nobody reported, so there is nothing to settle. {nothing}".rstrip()
    words = f"Settling failed. {again}"
    return _because(words, view) if view["you"]["role"] == PROVIDER else words


_PROVIDER = {
    "draft": lambda view: (
        "Check what is agreed below. Open the session when it is right: after that the terms are fixed."
    ),
    "open": _opened,
    "frozen": lambda view: (
        "The pool is frozen and its digest is public. Set a deadline if you like, and let the groups report."
    ),
    "reporting": _reporting,
    "closed": lambda view: "No more reports are taken. The server settles by itself; there is nothing to do.",
    "settling": lambda view: "The server opens the reports and settles. This page goes on by itself.",
    "settled": lambda view: (
        "The settlement is below, for you and the auditors only. Check it, then publish: each group then sees its part."
    ),
    "published": lambda view: "Done: every group can see its invoice and take its receipt.",
    "failed": lambda view: _failed(
        view, "You can try again, or cancel the session.", "Cancel this session, and begin a new one."
    ),
}
_GROUP = {
    "draft": lambda view: "The provider is still writing the terms.",
    "open": lambda view: (
        "You have joined. Next, the provider freezes what there is to choose from; then you report what you want. "
        "Keep your token (see “This browser” below) if you may come back from another browser."
    ),
    "frozen": lambda view: (
        "The pool is frozen: look at it below. You can report as soon as the provider lets the reports begin."
    ),
    "reporting": lambda view: (
        "Your report is sealed. You can replace it until the reports close."
        if _mine(view)
        else "Say what each choice below is worth to you, and how large you are. "
        "Nobody in the session can read it before the close."
    ),
    "closed": lambda view: "No more reports are taken. The server settles now.",
    "settling": lambda view: "The server settles now.",
    "settled": lambda view: "The settlement is there; the provider publishes it next, and then you see your part here.",
    "published": lambda view: (
        "Your part of the settlement is below."
        if _mine(view)
        else "The session is published. You did not report, so you have no part in it and pay nothing."
    ),
    "failed": lambda view: _failed(view, "The provider can try again. Your report stays as it is."),
}
_WATCHER = {
    **_GROUP,
    "open": lambda view: "Groups are joining.",
    "frozen": lambda view: "The pool is frozen and its digest is public. Reports have not begun.",
    "reporting": lambda view: "Groups report in secret; the log shows a commitment to each report.",
    "settled": lambda view: (
        "The settlement is there. As an auditor you can read all of it below."
        if view["you"]["role"] == AUDITOR
        else "The settlement is there; its digest is public. It is published next."
    ),
    "published": lambda view: "The settlement is published.",
    "failed": lambda view: _failed(view, "The provider can try again."),
}


def _mine(view: Mapping[str, Any]) -> bool:
    return any(one["name"] == view["you"]["name"] and one["reported"] for one in view["groups"])


def sentence(words: object) -> str:
    """A refusal as it is read on a page.

    >>> sentence("there are no scores yet.")
    'There are no scores yet.'
    """
    said = str(words)
    return said[:1].upper() + said[1:]


def news(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What has changed between two views, to be read out; empty when nothing worth saying has."""
    told: list[str] = []
    if before["state"] != after["state"]:
        told.append(f"The session is now {after['state']}.")
    then, now = ({one["name"]: one["reported"] for one in view["groups"]} for view in (before, after))
    joined = [name for name in now if name not in then]
    reported = [name for name, done in now.items() if done and not then.get(name)]
    if joined:
        told.append(f"Joined: {_few(joined)}.")
    if reported:
        told.append(f"Reported: {_few(reported)}.")
    if before["deadline"] != after["deadline"] and before["state"] == after["state"]:
        told.append("The deadline was moved.")
    return " ".join(told)


def _few(names: Sequence[str]) -> str:
    shown = [short(name, 30) for name in names[:3]]
    return listing([*shown, f"{len(names) - 3} more"] if len(names) > 3 else shown)


def progress_words(row: Mapping[str, Any]) -> str:
    """How far a piece of work is, with the time that is left at the pace so far.

    >>> start, now = "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:30.000Z"
    >>> progress_words({"label": "sampling", "done": 3, "total": 12, "started_at": start, "at": now})
    'sampling: 3 of 12, about 2 min left'
    """
    done, total = row["done"], row["total"]
    words = f"{row['label']}: {done} of {total}"
    if done <= 0 or done >= total:
        return words
    seconds = (datetime.fromisoformat(row["at"]) - datetime.fromisoformat(row["started_at"])).total_seconds()
    return f"{words}, about {duration(seconds / done * (total - done))} left" if seconds > 0 else words


def duration(seconds: float) -> str:
    """A time span in its largest unit, rounded up.

    >>> duration(3), duration(61), duration(7300)
    ('3 s', '2 min', '3 h')
    """
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds > length:
            return f"{-(-seconds // length):.0f} {unit}"
    return f"{max(1, round(seconds))} s"


def by_words(by: Mapping[str, str]) -> str:
    """Who made a move, in words.

    >>> by_words({"role": "group", "name": "legal"}), by_words({"role": "clock", "name": "server"})
    ('group legal', 'the server')
    """
    role, name = by.get("role", ""), by.get("name", "")
    if role == "clock":
        return "the server"
    said = ROLES.get(role, role)
    return said if name in ("", said) else f"{said} {name}"


def entry_words(entry: Mapping[str, Any]) -> str:
    """What a log entry says beside its kind: the group, a time, a reason; digests are shown apart."""
    data = entry["data"]
    words = {
        "invited": lambda: data["group"],
        "removed": lambda: data["group"],
        "token replaced": lambda: data.get("group", ""),
        "frozen": lambda: _pool_words(data["summary"]),
        "reporting": lambda: f"until {data['deadline']}" if data["deadline"] else "without a deadline",
        "deadline moved": lambda: f"to {data['deadline']}" if data["deadline"] else "to none",
        "failed": lambda: data["reason"],
        "sampling failed": lambda: data["reason"],
        "cancelled": lambda: data["reason"],
    }.get(entry["kind"])
    return str(words()) if words else ""


def _pool_words(summary: Mapping[str, Any]) -> str:
    if summary["kind"] != "responses":
        return _count(summary["responses"], "candidate")
    return f"{_count(summary['responses'], 'response')} to {_count(summary['prompts'], 'prompt')}"


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def entry_digest(entry: Mapping[str, Any]) -> str:
    """The digest that a log entry binds to: of the pool, a report's commitment, the settlement; else empty."""
    data = entry["data"]
    return next((str(data[key]) for key in ("pool", "commitment", "settlement") if data.get(key)), "")

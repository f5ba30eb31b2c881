"""Why a move cannot be made, in plain words: how the session stands, what was wanted, and what can be done now.

The log has short words of its own for states and moves; this is the one place where they become sentences.
"""

from __future__ import annotations

from collections.abc import Iterable

#: how a session in each state stands; ``{it}`` is the session, or what it is called where it is shown
_STANDS = {
    "draft": "{it} is a draft that has not been opened",
    "open": "{it} is open for groups to join, and its pool is not frozen yet",
    "frozen": "{it} has a frozen pool, and reports have not begun",
    "reporting": "{it} takes reports",
    "closed": "{it} is closed: no more reports are taken",
    "settling": "{it} is closed, and the server is working out its results",
    "settled": "{it} has its results, which are not published yet",
    "published": "{it} is over, and its results are published",
    "failed": "{it} is closed, and its results could not be worked out",
    "cancelled": "{it} was cancelled",
}
#: what happens next in each state, for whoever can only wait
_NEXT = {
    "draft": "The provider opens it next.",
    "open": "The provider freezes the pool next.",
    "frozen": "The provider lets the reports begin next.",
    "reporting": "It ends at its deadline, or when the provider closes it.",
    "closed": "The server works out the results next; that takes no doing.",
    "settling": "The results come by themselves; that takes no doing.",
    "settled": "The provider publishes the results next.",
    "published": "Nothing in it can change any more. For other results, a new session is needed.",
    "failed": "The provider can cancel it and begin a new session.",
    "cancelled": "Nothing in it can change any more. For results, a new session is needed.",
}
_BY_ITSELF = ("closed", "settling")  #: where all that one can do is beside the point
#: what whoever makes a move wants
_WANTED = {
    "revised": "change its terms",
    "opened": "open it to the groups",
    "invited": "invite a group",
    "joined": "join it",
    "removed": "take a group out",
    "token replaced": "give a group another token",
    "sampling": "draw its pool from a language model",
    "sampling failed": "give up drawing its pool",
    "frozen": "freeze its pool",
    "reporting": "let the reports begin",
    "reported": "report",
    "deadline moved": "move its deadline",
    "closed": "close it",
    "settling": "begin to work out its results",
    "settled": "write down its results",
    "published": "publish its results",
    "failed": "give up working out its results",
    "tried again": "try again to work out its results",
    "cancelled": "cancel it",
}
_WHO = {"provider": "the provider", "group": "a group", "clock": "the server itself"}


def stands(state: str, it: str = "the session") -> str:
    """How a session in this state stands, as the beginning of a sentence.

    >>> stands("draft")
    'the session is a draft that has not been opened'
    """
    return _STANDS[state].format(it=it)


def wanted(kind: str) -> str:
    """What a move does, as somebody says who wants it.

    >>> wanted("deadline moved")
    'move its deadline'
    """
    return _WANTED[kind]


def not_now(state: str, kind: str, possible: Iterable[str]) -> str:
    """A move that is not for this state; ``possible`` are those that could be made instead.

    >>> print(not_now("cancelled", "closed", []).partition(". ")[0])
    the session was cancelled, so nobody can close it now
    >>> print(not_now("draft", "closed", ["opened", "cancelled"]).partition(". ")[2])
    You can open it to the groups or cancel it.
    """
    choices = [wanted(one) for one in possible]
    rest = [_NEXT[state]] if not choices or state in _BY_ITSELF else []
    rest += [f"You can {_in_words(choices, 'or')}."] if choices else []
    return " ".join([f"{stands(state)}, so nobody can {wanted(kind)} now.", *rest])


def not_for(role: str, kind: str, roles: Iterable[str]) -> str:
    """A move that is not for this role in any state.

    >>> not_for("auditor", "frozen", ["provider", "clock"])
    'only the provider and the server itself can freeze its pool; your role in this session is auditor.'
    """
    who = _in_words([_WHO[one] for one in roles], "and")
    yours = "server" if role == "clock" else role
    return f"only {who} can {wanted(kind)}; your role in this session is {yours}."


def _in_words(parts: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)

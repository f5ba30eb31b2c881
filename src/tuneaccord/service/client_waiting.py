"""Waiting for a session: one long request at a time, which the server answers as soon as something has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tuneaccord.errors import InputError, nearest
from tuneaccord.service.errors import WrongState
from tuneaccord.service.session import ENDED, STATES

if TYPE_CHECKING:
    import httpx

    from tuneaccord.service.client import Client

BROKEN = ("failed", "cancelled")  #: from which a session does not go on by itself
_PATIENT = 20.0  #: seconds that one request waits
#: the log after an entry, once the answer is another than that with the given ETag, or after so many seconds
Look = Callable[[int, float, str | None], "httpx.Response"]


def changes(client: Client, look: Look, timeout: float) -> Iterator[dict[str, Any]]:
    """The session as it is, and again whenever the answer of ``look`` is another; ends with the session or the time."""
    until, known, wait = time.monotonic() + timeout, None, 0.0
    after = client.view()["entries"] - 1
    while True:
        answer = look(after, wait, known)
        if answer.status_code != 304:
            known, view = answer.headers["etag"], client.view()  # in this order, so that no change falls between them
            yield view
            if view["state"] in ENDED:
                return
        left = until - time.monotonic()
        if left <= 0:
            return
        wait = min(_PATIENT, left)


def wait(client: Client, state: str, timeout: float) -> dict[str, Any]:
    """The session once it is in ``state`` or has passed it; see :meth:`Client.wait`."""
    check_state(state)
    now = ""
    for view in client.changes(timeout):
        now = view["state"]
        if reached(now, state):
            return view
        if now in BROKEN:
            raise ended_instead(view, state)
    raise WrongState(f"after {timeout:g} s the session is still {now}, not {state}.")


def check_state(state: str) -> None:
    """Raise :class:`InputError` unless a session can be in this state."""
    if state not in STATES:
        raise InputError(f"a session has no state {state!r:.40}. {nearest(state, STATES)}")


def ended_instead(view: dict[str, Any], state: str) -> WrongState:
    """The refusal to wait on for a session that failed or was cancelled."""
    reason = f": {view['reason']}" if view["reason"] else "."
    return WrongState(f"the session is {view['state']}, not {state}{reason}")


def reached(now: str, state: str) -> bool:
    """Whether a session that is ``now`` is in ``state`` or has passed it.

    >>> reached("published", "settled"), reached("failed", "settled")
    (True, False)
    """
    return now == state or (not {now, state} & set(BROKEN) and STATES.index(now) > STATES.index(state))

"""How a step of a job is tried: again without end while a database is away, a few times on anything unexpected.

What a step cannot do it says as plain data, never as an exception, so that the job goes on to say why.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tuneaccord.errors import TuneaccordError, first_line
from tuneaccord.service.errors import Unavailable

_log = logging.getLogger(__name__)

ATTEMPTS = 3  #: how often a step is tried that fails in a way nobody foresaw
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
MOST_WAITS = (
    10  #: how often a step waits for what does not come back by itself, such as a key: about a minute and a half
)
_AWAY = (OperationalError, InterfaceError, PoolTimeout)


class Stopping(BaseException):
    """The process is to stop. Not an ``Exception``: the job stays as it is, and goes on in another process."""


class Superseded(Exception):
    """The session no longer needs what the step does."""


def attempted(what: str, step: Callable[[], Any], stopping: threading.Event) -> dict[str, Any]:
    """``{"done": result}``, ``{"failed": reason}`` in plain words, or ``{"needless": why}``.

    Raises :class:`Stopping` when the process is to stop before or between attempts.

    >>> attempted("half", lambda: 1 / 2, threading.Event())
    {'done': 0.5}
    """
    failures, away = 0, 0
    while True:
        if stopping.is_set():
            raise Stopping
        try:
            return {"done": step()}
        except Superseded as error:
            return {"needless": str(error)}
        except (Unavailable, *_AWAY) as error:
            if not _comes_back(error) and away >= MOST_WAITS:
                return {"failed": str(error)}
            away += 1
            _log.warning("%s: %s; trying again", what, first_line(error))
            stopping.wait(_pause(away))
        except TuneaccordError as error:
            return {"failed": str(error)}
        except Exception as error:
            failures += 1
            _log.exception("%s failed, attempt %d of %d", what, failures, ATTEMPTS)
            if failures == ATTEMPTS:
                return {"failed": f"an error in the program ({type(error).__name__}); the server's log says more."}
            stopping.wait(_pause(failures))


def _comes_back(error: Exception) -> bool:
    """Whether it is for want of a connection, and not of a key or of sound data."""
    return isinstance(error, _AWAY) or isinstance(error.__cause__, (*_AWAY, DBAPIError))


def _pause(times: int) -> float:
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (times - 1))

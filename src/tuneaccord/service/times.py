"""Times as the log writes them: UTC, ISO 8601 with milliseconds, so that their order is that of the texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tuneaccord.service.errors import Invalid


def utc_now() -> str:
    """The time as the log writes it.

    >>> len(utc_now()), utc_now()[-1]
    (24, 'Z')
    """
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """A moment as the log writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parsed_time(given: Any, what: str) -> str | None:
    """A time that somebody gave, as the log writes it; None stays None.

    Raises :class:`Invalid` on anything but a time with its zone.

    >>> parsed_time("2026-01-01T12:00:00+02:00", "deadline")
    '2026-01-01T10:00:00.000Z'
    """
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is None:
            raise ValueError
        return stamp(moment)
    except (ValueError, TypeError, OverflowError):
        raise Invalid(
            f"{what} must be a time with its zone, such as 2026-12-01T18:00:00Z, got {given!r:.40}."
        ) from None

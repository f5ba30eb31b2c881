"""What a party can be told when a move is refused. Each kind has an HTTP status and a short code."""

from __future__ import annotations

from tuneaccord.errors import InputError, TuneaccordError


class ServiceError(TuneaccordError):
    """A request that the service refuses."""

    status = 400
    code = "refused"


class Unauthenticated(ServiceError):
    """No token, or one that is unknown, expired or revoked."""

    status = 401
    code = "unauthenticated"


class Forbidden(ServiceError):
    """A valid token whose holder may not do this."""

    status = 403
    code = "forbidden"


class NotFound(ServiceError):
    """There is no such session or document, or none that the asker may know of."""

    status = 404
    code = "not_found"


class WrongState(ServiceError):
    """The session is in a state in which this move is not possible."""

    status = 409
    code = "wrong_state"


class Invalid(ServiceError, InputError):
    """The data of a move is not what was expected."""

    status = 422
    code = "invalid"


class TooLarge(ServiceError):
    """More data than the server takes."""

    status = 413
    code = "too_large"


class TooMany(ServiceError):
    """More requests than the server takes from one party in a time."""

    status = 429
    code = "too_many_requests"


class Unavailable(ServiceError):
    """The server cannot answer now, for want of its database or a key."""

    status = 503
    code = "unavailable"


def away() -> Unavailable:
    """The refusal where the database is gone, also in the middle of what was asked, which it may yet have done."""
    return Unavailable("the database does not answer. Try again in a moment.")


def busy() -> Unavailable:
    """The refusal where others were before it for too long: nothing of it was done, so it can be asked for again."""
    error = Unavailable("the database is busy. Try again in a moment.")
    error.wait = 1  # type: ignore[attr-defined]  # seconds
    return error

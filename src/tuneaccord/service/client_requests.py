"""Requests of a client: one token, connections that are shared, patience with a busy server, refusals as errors."""

from __future__ import annotations

import copy
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneaccord.errors import InputError, MissingDependencyError, first_line
from tuneaccord.service import errors
from tuneaccord.service.errors import ServiceError, Unavailable

try:
    import httpx
except ImportError:  # pragma: no cover
    raise MissingDependencyError("a client needs httpx. Run: pip install 'tuneaccord[web]'") from None

PREFIX = "/api/v1"
PATIENCE = 60.0  #: seconds for which a busy server is asked again
_KINDS = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ServiceError) and kind is not ServiceError
}


class _Connections(httpx.Client):
    """Shared by the clients of one server, and given back with the last of them."""

    def __del__(self) -> None:
        try:  # noqa: SIM105  (at the interpreter's end suppress is gone before the last client)
            self.close()
        except (AttributeError, TypeError):  # one that could not be made has nothing to give back
            pass


class Requests:
    """Requests to one server with one token."""

    def __init__(
        self, url: str, token: str | None, patience: float, timeout: float, transport: httpx.BaseTransport | None
    ) -> None:
        if not str(url).startswith(("http://", "https://")):
            raise InputError(f"the address of a server begins with http:// or https://, got {url!r:.80}.")
        self.url, self.token, self.patience = url.rstrip("/"), token, patience
        try:
            self._http = _Connections(base_url=self.url + PREFIX, timeout=timeout, transport=transport)
        except OSError as error:
            raise InputError(f"cannot read the certificates in SSL_CERT_FILE or SSL_CERT_DIR: {error}.") from None
        except httpx.InvalidURL as error:
            raise InputError(f"cannot use the address {url!r:.80}: {first_line(error).rstrip('.')}.") from None

    def with_token(self, token: str) -> Requests:
        """The same connections with another token."""
        other = copy.copy(self)
        other.token = token
        return other

    def shut(self) -> None:
        """Give the connections back."""
        self._http.close()

    def json(self, method: str, path: str, data: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """The data of an answer; ``data`` is sent as JSON."""
        return self._data(self.ask(method, path, **({} if data is None else {"json": data}), params=params))

    def upload(self, path: str, file: Path, fields: Mapping[str, Any]) -> Any:
        """Send a file in a form with other fields."""
        texts = {name: str(float(value)) for name, value in fields.items()}
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror or error}.") from None
        return self._data(self.ask("POST", path, files={"file": (file.name, content)}, data=texts))

    def ask(self, method: str, path: str, **given: Any) -> Any:
        """The answer, asked for again while the server is busy and has not done it. Status 304 is an answer too."""
        until = time.monotonic() + self.patience
        for attempt in range(1000):
            answer = self._send(method, path, **given)
            if not _can_be_repeated(method, answer):
                break
            pause = _pause(answer, attempt)
            if time.monotonic() + pause > until:
                break
            time.sleep(pause)
        if answer.status_code >= 400:
            raise _refusal(answer)
        if answer.has_redirect_location:
            raise Unavailable(
                f"the server at {self.url} sends its callers to {answer.headers['location']!r:.200}. Give that address."
            )
        return answer

    def _data(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise Unavailable(f"what answers at {self.url} is no server of tuneaccord. Check the address.") from None

    def _send(self, method: str, path: str, headers: Mapping[str, str] | None = None, **given: Any) -> httpx.Response:
        sent = {**(headers or {}), **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        try:
            return self._http.request(method, path, headers=sent, **given)
        except httpx.HTTPError as error:
            raise Unavailable(_unreachable(self.url, error)) from None
        except UnicodeError:
            raise InputError(f"{self.url!r:.80} is not the address of a server.") from None
        except ValueError as error:  # NaN, which is not a number in JSON
            raise InputError(f"this cannot be sent as JSON: {error}.") from None


def _unreachable(url: str, error: httpx.HTTPError) -> str:
    """Why nobody answered, and what to try."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"the certificate of {url} is not trusted here ({cause.verify_message}). Check the address; "
                "the certificate of an authority of your own goes into a file that SSL_CERT_FILE names."
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return f"the server at {url} did not answer in time. Look whether it did what was asked, and try again."
    return f"the server at {url} cannot be reached ({type(error).__name__}). Check the address, and whether it runs."


def _can_be_repeated(method: str, answer: httpx.Response) -> bool:
    """A server that is away may yet have done what it was asked; one that says when to come again has not."""
    safe = method != "POST" or "retry-after" in answer.headers
    return answer.status_code == 429 or (answer.status_code == 503 and safe)


def _pause(answer: httpx.Response, attempt: int) -> float:
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isdigit() else min(5.0, 0.2 * 2**attempt)


def _refusal(answer: httpx.Response) -> ServiceError:
    """The refusal as the desk raised it."""
    try:
        told = answer.json()["error"]
        kind, message = _KINDS.get(told["code"], ServiceError), told["message"]
    except (ValueError, KeyError, TypeError):
        kind, message = ServiceError, f"the server answered with status {answer.status_code}."
    error = kind(message)
    if kind is ServiceError:
        error.status = answer.status_code
    return error

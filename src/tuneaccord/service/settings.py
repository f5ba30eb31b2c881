"""Settings of a server: by environment variables that begin with ``TUNEACCORD_``, or by options of the commands."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_data_path

from tuneaccord.errors import InputError, nearest

PREFIX = "TUNEACCORD_"
_FILE = "_FILE"
_LARGEST_FILE = 65_536
_NUMBERS = ("port", "largest_body", "largest_upload", "rate", "trials", "threads", "silence")


@dataclass(frozen=True)
class Settings:
    """How a server runs. Each field is read from the variable that its comment names, or from the file that the same
    variable with ``_FILE`` at its end names.

    >>> Settings.read({"TUNEACCORD_PORT": "9000"}).port
    9000
    """

    folder: Path = field(default_factory=lambda: user_data_path("tuneaccord"))  #: TUNEACCORD_FOLDER: database, keys
    #: TUNEACCORD_DATABASE: an SQLAlchemy URL; empty: an SQLite file in the folder
    database: str = field(default="", repr=False)  # it may hold a password
    keys: Path | None = None  #: TUNEACCORD_KEYS: folder of the key files; default: keys in the folder
    host: str = "127.0.0.1"  #: TUNEACCORD_HOST
    port: int = 8090  #: TUNEACCORD_PORT
    url: str = ""  #: TUNEACCORD_URL: the address that users see, https://... behind a proxy; empty: from host and port
    reports: tuple[Path, ...] = ()  #: TUNEACCORD_REPORTS: folders of finished runs to show, separated by ':'
    worker: bool = True  #: TUNEACCORD_WORKER_INSIDE: 0 where jobs are left to separate workers
    executor: str = ""  #: TUNEACCORD_EXECUTOR: this process's name among its like; must differ between processes
    on: str = "processes"  #: TUNEACCORD_ON: where long jobs run: processes, serial, ray
    silence: int = 15  #: TUNEACCORD_SILENCE: seconds after which others take over from a process that said nothing
    models: tuple[str, ...] = ("embedded",)  #: TUNEACCORD_MODELS: language models that sessions may name, with commas
    largest_body: int = 8_000_000  #: TUNEACCORD_LARGEST_BODY: bytes of a request
    largest_upload: int = 64_000_000  #: TUNEACCORD_LARGEST_UPLOAD: bytes of an uploaded file, unpacked
    rate: int = 600  #: TUNEACCORD_RATE: requests a minute that one token or one address may make
    trials: int = 20  #: TUNEACCORD_TRIALS: refused tokens, codes and invitations a minute from one address
    threads: int = 8  #: TUNEACCORD_THREADS: requests that are worked on at the same time
    proxies: str = ""  #: TUNEACCORD_PROXIES: addresses of proxies whose X-Forwarded-For is believed, with commas
    #: TUNEACCORD_METRICS_TOKEN: what /metrics asks for; empty: nothing, but it then answers only this machine
    metrics_token: str = field(default="", repr=False)
    log: str = "text"  #: TUNEACCORD_LOG: text or json
    level: str = "info"  #: TUNEACCORD_LEVEL: debug, info, warning or error

    def __post_init__(self) -> None:
        _one_of("log", self.log, ("text", "json"))
        _one_of("level", self.level, ("debug", "info", "warning", "error"))
        _one_of("on", self.on, ("serial", "processes", "ray"))
        if not 0 <= self.port < 65536:
            raise InputError(f"port must be 0 to 65535, got {self.port}.")
        for name in _NUMBERS[1:]:
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}.")
        _check_url(self.url)
        if 0 < len(self.metrics_token) < 16:
            raise InputError("metrics_token must have at least 16 characters: it can be guessed otherwise.")

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
        """Settings from the environment; what is ``given`` and not None takes its place.

        Raises :class:`InputError` that names a variable with a wrong value.
        """
        environment = os.environ if environment is None else environment
        found: dict[str, Any] = {}
        for one in fields(cls):
            variable = variable_of(one.name)
            if given.get(one.name) is not None:
                found[one.name] = given[one.name]
            elif (text := _value(variable, environment)) != "":
                found[one.name] = _converted(one.name, variable, text)
        return cls(**found)

    @property
    def database_url(self) -> str:
        """Where the sessions are."""
        return self.database or f"sqlite:///{self.folder / 'tuneaccord.db'}"

    @property
    def keys_folder(self) -> Path:
        """Where the keys are."""
        return self.keys or self.folder / "keys"

    @property
    def executor_id(self) -> str:
        """The name of this process among those that do jobs."""
        return self.executor or f"{socket.gethostname()}-{os.getpid()}"

    @property
    def public_url(self) -> str:
        """The address in links, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server.

        >>> Settings(host="localhost").local, Settings(host="0.0.0.0").local
        (True, False)
        """
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def variable_of(name: str) -> str:
    """The environment variable of a field.

    >>> variable_of("port"), variable_of("worker")
    ('TUNEACCORD_PORT', 'TUNEACCORD_WORKER_INSIDE')
    """
    return PREFIX + ("WORKER_INSIDE" if name == "worker" else name.upper())


def _value(variable: str, environment: Mapping[str, str]) -> str:
    """What the variable says, or the file that its like with _FILE names, as container secrets are handed over."""
    direct, file = environment.get(variable, ""), environment.get(variable + _FILE, "")
    if direct and file:
        raise InputError(f"{variable} and {variable}{_FILE} are both set. Choose one of them.")
    if not file:
        return direct
    try:
        text = Path(file).read_bytes()[: _LARGEST_FILE + 1].decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"{variable}{_FILE}: cannot read {file!r:.200} ({reason}).") from None
    if len(text) > _LARGEST_FILE or not text.strip():
        raise InputError(f"{variable}{_FILE}: {file!r:.200} is empty or too large for a setting.")
    return text.strip()


def _converted(name: str, variable: str, text: str) -> Any:
    try:
        if name in ("folder", "keys"):
            return Path(text)
        if name == "reports":
            return tuple(Path(part) for part in text.split(os.pathsep) if part)
        if name == "models":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if name == "worker":
            return {"0": False, "1": True}[text]
        return int(text) if name in _NUMBERS else text
    except (ValueError, KeyError):
        expected = "0 or 1" if name == "worker" else "a whole number"
        raise InputError(f"{variable} must be {expected}, got {text!r:.40}.") from None


def _one_of(name: str, given: str, valid: tuple[str, ...]) -> None:
    if given not in valid:
        raise InputError(f"{name} must be one of {', '.join(valid)}; got {given!r:.40}. {nearest(given, valid)}")


def _check_url(url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/") and parts.port != 0
        right = right and not (parts.query or parts.fragment or parts.username)
    except ValueError:
        right = False
    if not right:
        raise InputError(f"url must be an address without a path, such as https://accord.example.org, got {url!r:.80}.")

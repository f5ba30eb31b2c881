"""How much one party may ask: token buckets in memory, one for each token, each address, and each address's mistakes.

A bucket holds a minute's worth and fills evenly, so a burst is fine and a stream is not. Requests with a valid token
count for the token only, since a whole class may sit behind one address. Requests without one count for the address,
and so does each token, code or invitation that was refused; once an address has used these up, codes and invitations
from it are not looked at any more for a while. An IPv6 address counts as its network of 64 bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from threading import Lock
from typing import Any

from tuneaccord.errors import InputError
from tuneaccord.service.errors import TooMany
from tuneaccord.service.settings import Settings

MOST_BUCKETS = 20_000
_GUESSES = "this address with tokens, codes or invitations that are not known here"


class Buckets:
    """One bucket for each key: ``rate`` a minute, and at most ``rate`` at once.

    >>> now = [0.0]
    >>> buckets = Buckets(2, clock=lambda: now[0])
    >>> [buckets.take("a"), buckets.take("a"), buckets.take("a")]
    [0.0, 0.0, 30.0]
    """

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic, most: int = MOST_BUCKETS) -> None:
        self.rate, self._clock, self._most = rate, clock, most
        self._full: dict[str, tuple[float, float]] = {}  # key -> (what is left, when that was)
        self._lock = Lock()

    def left(self, key: str) -> float:
        """How many may be taken now."""
        with self._lock:
            return self._left(key, self._clock())

    def take(self, key: str) -> float:
        """Take one: 0 if there was one, else the seconds until there is."""
        with self._lock:
            now = self._clock()
            left = self._left(key, now)
            if left < 1.0:
                return (1.0 - left) * 60.0 / self.rate
            self._full.pop(key, None)  # the last that was used stands last
            self._full[key] = (left - 1.0, now)
            if len(self._full) > self._most:
                self._forget(now)
            return 0.0

    def _left(self, key: str, now: float) -> float:
        left, then = self._full.get(key, (float(self.rate), now))
        return min(float(self.rate), left + (now - then) * self.rate / 60.0)

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again, and if that is not enough, those that were used least lately."""
        for key in [key for key in self._full if self._left(key, now) >= self.rate]:
            del self._full[key]
        while len(self._full) > self._most:
            del self._full[next(iter(self._full))]


class Limits:
    """The limits of one server process."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = Buckets(settings.rate, clock)
        self._addresses = Buckets(settings.rate, clock)
        self._mistakes = Buckets(settings.trials, clock)
        self._proxies = proxies_of(settings.proxies)

    def address(self, scope: Any) -> str:
        """Where a request comes from; a proxy that is believed says so in X-Forwarded-For."""
        address = (scope.get("client") or ("unknown", 0))[0]
        if not self._proxies:
            return _network(address)
        told = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        for one in reversed([part.strip() for value in told for part in value.split(",")]):
            if not self._is_proxy(address) or not _is_address(one):
                break
            address = one
        return _network(address)

    def by_token(self, token_id: str) -> None:
        """Count a request with a valid token; raises :class:`TooMany`."""
        _refuse(self._tokens.take(token_id), "this token")

    def by_address(self, scope: Any) -> None:
        """Count a request without a valid token; raises :class:`TooMany`."""
        _refuse(self._addresses.take(self.address(scope)), "this address")

    def trial(self, scope: Any) -> None:
        """Before a code, an invitation or a token of a form is looked up; raises :class:`TooMany`."""
        self.by_address(scope)
        left = self._mistakes.left(self.address(scope))
        if left < 1.0:
            _refuse(
                (1.0 - left) * 60.0 / self._mistakes.rate,
                _GUESSES,
            )

    def refused(self, scope: Any) -> None:
        """Count a token, code or invitation that was not known; raises :class:`TooMany` when there were too many."""
        _refuse(
            self._mistakes.take(self.address(scope)),
            _GUESSES,
        )

    def _is_proxy(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in network for network in self._proxies)


def proxies_of(text: str) -> list[Any]:
    """Networks from a text such as ``10.0.0.1, 172.16.0.0/12``.

    Raises :class:`InputError`.
    """
    try:
        return [ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(
            f"proxies must be addresses or networks, such as 10.0.0.1 or 172.16.0.0/12; got {text!r:.80}."
        ) from None


def _refuse(wait: float, who: str) -> None:
    if wait > 0.0:
        seconds = max(1, math.ceil(wait))
        error = TooMany(f"too many requests from {who} for now. Try again in {seconds} s.")
        error.wait = seconds  # type: ignore[attr-defined]
        raise error


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network(address: str) -> str:
    """The address, or the network that one subscriber has of IPv6.

    >>> _network("2001:db8::1"), _network("10.0.0.1")
    ('2001:db8::/64', '10.0.0.1')
    """
    if not _is_address(address) or ip_address(address).version == 4:
        return address
    inner = ip_address(address).ipv4_mapped
    return str(inner) if inner is not None else str(ip_network((address.split("%")[0], 64), strict=False))

"""Tokens: who somebody is, as a text that only they have. The database has its hash, so a stolen copy opens nothing.

A token has 256 random bits, for which one plain SHA-256 is enough: there is nothing to guess. It belongs to one session
and one role; an operator's belongs to the server. An invitation is a token that can be used once, to join.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER, Actor
from tuneaccord.service.store import TokenRow

OPERATOR, INVITATION, CLASSROOM = "operator", "invitation", "classroom"
CALLERS = (OPERATOR, PROVIDER, GROUP, AUDITOR, OBSERVER)
_PREFIX = "tac_"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are read as another
CODE_LENGTH = 8


@dataclass(frozen=True)
class Caller:
    """Who asks: the role and session that a token stands for."""

    token_id: str
    role: str
    name: str = ""
    session_id: str | None = None

    @property
    def actor(self) -> Actor:
        """As the session's state machine knows them."""
        return Actor(self.role, self.name)


def new_token() -> str:
    """A fresh token.

    >>> len(new_token()), new_token()[:4]
    (47, 'tac_')
    """
    return _PREFIX + secrets.token_urlsafe(32)


def new_code() -> str:
    """A code that can be read from a blackboard: eight letters and digits, 40 bits, to be rate-limited."""
    return "".join(secrets.choice(_LETTERS) for _ in range(CODE_LENGTH))


def new_id() -> str:
    """A public identifier of a session or a token: 96 random bits in hexadecimal."""
    return secrets.token_hex(12)


def hash_of(token: str) -> str:
    """What the database has of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def row(token: str, role: str, name: str, session_id: str | None, at: str, expires_at: str | None = None) -> TokenRow:
    """A token's row."""
    return TokenRow(new_id(), session_id, role, name, hash_of(token), at, expires_at)

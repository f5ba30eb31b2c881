"""A report on its way into the log: what is committed to, what is sealed, and the proof that its group gets.

What takes long, writing large tables as text, is done here once and before the session is held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tuneaccord.artifacts import canonical_json
from tuneaccord.service.chain import Entry, new_salt


@dataclass(frozen=True)
class Told:
    """A checked report with its salt.

    >>> from tuneaccord.service.chain import commitment
    >>> told = Told({"size": 3.0, "scores": [[0.5]], "how": "given"})
    >>> told.commitment == commitment(told.salt, told.report)
    True
    """

    report: Mapping[str, Any]
    salt: str = field(default_factory=new_salt)
    _text: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_text", canonical_json(dict(self.report)))

    @property
    def commitment(self) -> str:
        """What the log says of it: :func:`tuneaccord.service.chain.commitment` of the report."""
        return "sha256:" + hashlib.sha256(self._with_salt("content")).hexdigest()

    @property
    def text(self) -> bytes:
        """What is sealed: report and salt as canonical JSON."""
        return self._with_salt("report")

    def proof(self, session_id: str, entry: Entry) -> dict[str, Any]:
        """What the group keeps, to show later what it reported and when."""
        proof = {
            "kind": "report proof",
            "session": session_id,
            "group": entry.by["name"],
            "report": dict(self.report),
            "salt": self.salt,
            "commitment": entry.data["commitment"],
            "entry": entry.to_dict(),
        }
        return {**proof, "digest": self._digest_of(proof)}

    def _digest_of(self, proof: dict[str, Any]) -> str:
        """``digest_of(proof)``, without writing the report as text again: a quarter of the time of taking it."""
        before = canonical_json({name: proof[name] for name in ("commitment", "entry", "group", "kind")})
        after = canonical_json({name: proof[name] for name in ("salt", "session")})
        text = b'%s,"report":%s,%s' % (before[:-1], self._text, after[1:])
        return "sha256:" + hashlib.sha256(text).hexdigest()

    def _with_salt(self, name: str) -> bytes:
        return b'{"%s":%s,"salt":"%s"}' % (name.encode(), self._text, self.salt.encode())

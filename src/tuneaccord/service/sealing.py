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


class Proof(dict[str, Any]):
    """A proof as plain data; ``text`` is the same as canonical JSON."""

    def __init__(self, data: Mapping[str, Any], text: bytes) -> None:
        super().__init__(data)
        self.text = text


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

    def proof(self, session_id: str, entry: Entry) -> Proof:
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
        digest = "sha256:" + hashlib.sha256(self._written(proof, "entry", "group", "kind")).hexdigest()
        proof["digest"] = digest
        return Proof(proof, self._written(proof, "digest", "entry", "group", "kind"))

    def _written(self, proof: dict[str, Any], *names: str) -> bytes:
        """``canonical_json(proof)``, without writing the report as text again: a quarter of the time of taking it."""
        before = canonical_json({name: proof[name] for name in ("commitment", *names)})
        after = canonical_json({name: proof[name] for name in ("salt", "session")})
        return b'%s,"report":%s,%s' % (before[:-1], self._text, after[1:])

    def _with_salt(self, name: str) -> bytes:
        return b'{"%s":%s,"salt":"%s"}' % (name.encode(), self._text, self.salt.encode())

"""Receipts and proofs in files: read whole, and strictly, so that no two programs read one file in two ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tuneaccord.artifacts import canonical_json
from tuneaccord.errors import InputError, first_line
from tuneaccord.files import read_text
from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER

RECEIPT, PROOF = "receipt", "report proof"
_KEYS = {
    RECEIPT: ("kind", "version", "session", "holder", "log", "digest"),
    PROOF: ("kind", "session", "group", "report", "salt", "commitment", "entry", "digest"),
}


def read_document(path: Path | str) -> dict[str, Any]:
    """The receipt or proof in a file.

    Raises :class:`InputError` when the file cannot be read, is not JSON, or is neither.
    """
    data = _read_json(Path(path))
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind not in _KEYS:
        raise InputError(
            f"{path} is neither a receipt nor the proof of a report: its kind is {kind!r:.40}. "
            "Download receipt.json from the session."
        )
    missing = [key for key in _KEYS[kind] if key not in data]
    if missing:
        raise InputError(f"{path} is not a whole {kind}: it has no {', '.join(missing)}. Download it again.")
    if kind == RECEIPT:
        holder = data["holder"]
        if data["version"] != 1:
            raise InputError(f"{path} is a receipt of version {data['version']!r:.20}; this program knows version 1.")
        if not isinstance(holder, dict) or holder.get("role") not in (PROVIDER, GROUP, AUDITOR, OBSERVER):
            raise InputError(f"{path} is not a whole receipt: its holder must have a role and a name.")
    return data


def read_log(path: Path | str) -> list[Any]:
    """The log in a file: a list of entries as the server gives it, or a receipt.

    Raises :class:`InputError` when there is none.
    """
    data = _read_json(Path(path))
    if isinstance(data, dict):
        data = data.get("log", data.get("entries"))
    if not isinstance(data, list):
        raise InputError(f"{path} has no log: expected a list of entries, or a receipt.")
    return data


def _read_json(path: Path) -> Any:
    text = read_text(path, "receipt")
    try:
        data = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
        canonical_json(data)
    except RecursionError:
        raise InputError(f"{path} is not a receipt: it is nested too deeply.") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {first_line(error)}. Download it again.") from None
    return data


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")

"""Uploaded files: multipart forms with one file and a few fields, kept in a temporary folder while they are read.

The file's name tells its format and is never used as a path.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from tuneaccord.service.api.errors import Unsupported
from tuneaccord.service.errors import Invalid

FILE = {"type": "string", "format": "binary"}
#: the fields of a report whose scores come from a file
SIZES = {
    "size": {"type": "string", "description": "The group's size, a number; or give a worth.", "maxLength": 40},
    "worth": {"type": "string", "description": "What the group would pay at most for its best model.", "maxLength": 40},
}


@dataclass(frozen=True)
class Uploaded:
    """A file on disk, the name it came with, and the form's other fields."""

    path: Path
    name: str
    fields: dict[str, str]

    def sizes(self) -> dict[str, float]:
        """Size or worth, as a report has them; raises :class:`Invalid`."""
        return {name: _number(name, self.fields[name]) for name in SIZES if self.fields.get(name)}


def form_of(described: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
    """The description of a form with a file."""
    properties = {"file": {**FILE, "description": described}, **(fields or {})}
    return {"type": "object", "required": ["file"], "properties": properties, "additionalProperties": False}


@asynccontextmanager
async def uploaded(request: Request, *fields: str) -> AsyncIterator[Uploaded]:
    """The form's file on disk until the end of the block.

    Raises :class:`Unsupported` when this is no form, :class:`Invalid` on a missing file or a field of another name.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "multipart/form-data":
        raise Unsupported("send the file as a form (multipart/form-data) in the field 'file'.")
    async with request.form(max_files=1, max_fields=8, max_part_size=1000) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("the form has no file in its field 'file'.")
        for name, value in form.multi_items():
            if name != "file" and (name not in fields or not isinstance(value, str)):
                raise Invalid(f"the form has the unknown field {name!r:.60}. Fields: {', '.join(('file', *fields))}.")
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        with tempfile.TemporaryDirectory(prefix="tuneaccord-") as folder:
            path = Path(folder) / "upload"
            await run_in_threadpool(_copy, file, path)
            yield Uploaded(path, file.filename or "", texts)


def _copy(file: UploadFile, path: Path) -> None:
    with open(path, "wb") as target:
        shutil.copyfileobj(file.file, target)


def _number(name: str, text: str) -> float:
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise Invalid(f"the field {name} must be a number, got {text!r:.40}.") from None

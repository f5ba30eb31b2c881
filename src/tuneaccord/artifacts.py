"""Content-addressed results on disk: a finished step is never done twice.

The key of a result is a digest of the step's name and of everything that goes into it. A result is one
file, written under a temporary name and renamed, so a killed process leaves either the whole result or
nothing; the same command then continues with the first step that is missing.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuneaccord.files import write_atomically
from tuneaccord.progress import Progress, Silent

#: raised whenever a change of the code changes what a step computes, so that old results are not read back
FORMAT = 2


def canonical_json(data: Any) -> bytes:
    """The same bytes for the same data: sorted keys, no spaces, NaN refused.

    >>> canonical_json({"b": 1, "a": 0.5})
    b'{"a":0.5,"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(data: Any) -> str:
    """``sha256:`` and the hexadecimal digest of :func:`canonical_json`.

    >>> digest_of({})
    'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a'
    """
    return "sha256:" + hashlib.sha256(canonical_json(data)).hexdigest()


def seed_of(*parts: Any) -> int:
    """A 63-bit seed from anything that names a draw, so that draws do not depend on the order of jobs.

    >>> seed_of(1, "pool", "p01") == seed_of(1, "pool", "p01") != seed_of(1, "pool", "p02")
    True
    """
    return int.from_bytes(hashlib.sha256(canonical_json(list(parts))).digest()[:8], "big") >> 1


class Store:
    """Results of steps below one folder, each in a file named by its step and the digest of its inputs.

    ``made_with`` goes into every digest: the versions of the packages whose numbers are stored, for example.
    """

    def __init__(self, folder: Path, made_with: Any = None) -> None:
        self.folder = Path(folder)
        self.made_with = made_with

    def path(self, step: str, inputs: Any, suffix: str) -> Path:
        """Where the result of ``step`` on ``inputs`` is or will be."""
        return self.folder / f"{step}-{digest_of([FORMAT, self.made_with, step, inputs])[7:27]}{suffix}"

    def json(self, step: str, inputs: Any, compute: Callable[[], Any]) -> Any:
        """The stored result, or ``compute()`` stored as JSON."""
        path = self.path(step, inputs, ".json")
        if (stored := read_json(path)) is not None:
            return stored
        write_atomically(path, canonical_json(compute()))
        return read_json(path)

    def arrays(self, step: str, inputs: Any, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The stored arrays, or ``compute()`` stored as a NumPy archive."""
        path = self.path(step, inputs, ".npz")
        if (stored := read_arrays(path)) is not None:
            return stored
        buffer = io.BytesIO()
        np.savez(buffer, **compute())
        write_atomically(path, buffer.getvalue())
        return read_arrays(path)

    def map(
        self,
        step: str,
        jobs: Sequence[Any],
        inputs: Callable[[Any], Any],
        run: Callable[[list[Any]], Iterable[tuple[int, Any]]],
        progress: Progress | None = None,
        label: str = "",
    ) -> list[Any]:
        """One JSON result for each job, in order; only the missing ones are run, each stored as it finishes.

        ``inputs(job)`` is what identifies a job; ``run(jobs)`` yields ``(index, result)`` in any order.
        """
        progress = progress or Silent()
        paths = [self.path(step, inputs(job), ".json") for job in jobs]
        results = [read_json(path) for path in paths]
        missing = [index for index, result in enumerate(results) if result is None]
        with progress.task(label or step, len(jobs), done=len(jobs) - len(missing)) as advance:
            for position, result in run([jobs[index] for index in missing]) if missing else ():
                index = missing[position]
                write_atomically(paths[index], canonical_json(result))
                results[index] = read_json(paths[index])
                advance()
        return results


# A file that cannot be read, or was damaged by something other than us, counts as missing: the step is done again.


def read_json(path: Path) -> Any:
    """The stored result, or None."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def read_arrays(path: Path) -> dict[str, np.ndarray] | None:
    """The stored arrays, or None."""
    try:
        with open(path, "rb") as file, np.load(file) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None

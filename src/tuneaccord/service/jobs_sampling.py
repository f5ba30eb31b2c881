"""Drawing a session's pool from a language model, inside a job: steps on disk, so that it goes on where it was stopped.

Each prompt's replies have a seed of their own and are stored under the digest of everything that decides on them, so
a second process that goes on, here or on another machine, ends with the same pool.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, MissingDependencyError
from tuneaccord.execution import Executor, Processes, Serial, default_workers, executor_for
from tuneaccord.progress import Progress
from tuneaccord.service.jobs_patience import Stopping, Superseded

if TYPE_CHECKING:
    from tuneaccord.llm.hf import ModelRef
    from tuneaccord.service.desk import Desk
    from tuneaccord.service.session import Session

EMBEDDED = "embedded"  #: how a session's terms call the model that comes with the package
_SAID_EVERY = 0.5  #: seconds between two reports of progress


@dataclass(frozen=True)
class SamplingPlace:
    """Where and with what a worker samples.

    ``models`` are those that a session may name: a name from a session would otherwise open any folder of the
    server, or fetch anything from the hub. ``on`` is ``"serial"``, ``"processes"`` or ``"ray"``; ``workers`` is None
    for as many as the machine can feed.
    """

    folder: Path
    models: tuple[str, ...] = (EMBEDDED,)
    on: str = "processes"
    workers: int | None = None


class SessionProgress(Progress):
    """Progress into the store, where every party's page reads it; also where a job notices that it is to end."""

    def __init__(self, desk: Desk, session_id: str, stopping: threading.Event) -> None:
        self.desk, self.session_id, self.stopping = desk, session_id, stopping
        self._said = float("-inf")

    @contextmanager
    def task(self, label: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
        self._say(label, done, total)

        def advance() -> None:
            nonlocal done
            done += 1
            if self.stopping.is_set():
                raise Stopping
            if done == total or time.monotonic() - self._said > _SAID_EVERY:
                self._say(label, done, total)

        yield advance

    def note(self, message: str) -> None:
        pass

    def _say(self, label: str, done: int, total: int) -> None:
        _waiting(self.desk, self.session_id)
        self.desk.store.set_progress(self.session_id, label, done, total, self.desk.clock())
        self._said = time.monotonic()


def freeze_drawn_pool(desk: Desk, session_id: str, place: SamplingPlace, stopping: threading.Event) -> str:
    """Draw the pool that the session's terms describe, and freeze it; its digest.

    Raises :class:`~tuneaccord.errors.TuneaccordError` when the model cannot be used, :class:`Superseded` when the
    session does not wait for a pool any more.
    """
    session = _waiting(desk, session_id)
    pool = drawn_pool(session.terms["sampling"], place, SessionProgress(desk, session_id, stopping))
    return desk.freeze_sampled(session_id, pool).data["pool"]


def _waiting(desk: Desk, session_id: str) -> Session:
    session = desk.session(session_id)
    if session.state != "open" or not session.sampling:
        raise Superseded("the pool of this session is not being sampled any more.")
    return session


def drawn_pool(source: dict[str, Any], place: SamplingPlace, progress: Progress) -> dict[str, Any]:
    """The pool that ``source`` (the ``sampling`` part of terms) describes, as the data of a pool of responses.

    Raises :class:`InputError` for a model that the server does not offer, :class:`MissingDependencyError` without
    the language-model part, :class:`~tuneaccord.errors.ModelError` when the model cannot be loaded.
    """
    if source["model"] not in place.models:
        raise InputError(
            f"this server does not sample from {source['model']!r:.80}. It offers: {', '.join(place.models)}."
        )
    try:
        from tuneaccord.llm import embedded, hf
        from tuneaccord.llm.generate import Sampling
        from tuneaccord.llm.pool import TUNE, sample_pool
        from tuneaccord.llm.prompts import Prompt
    except ImportError as error:
        raise MissingDependencyError(
            f"sampling needs the language-model part ({error.name} is missing): pip install 'tuneaccord[llm]'"
        ) from error
    ref = hf.find(embedded.NAME if source["model"] == EMBEDDED else source["model"], place.folder)
    prompts = tuple(Prompt(f"p{number:03d}", text) for number, text in enumerate(source["prompts"], start=1))
    encoded = hf.encode_all(hf.load(ref), {one.id: one.text for one in prompts}, source["longest"])
    how = Sampling(source["longest"], source["temperature"])
    store = Store(place.folder, {name: version(name) for name in ("torch", "transformers", "tokenizers")})
    with _executor(ref, place) as executor:
        pool = sample_pool(
            ref, prompts, encoded, source["replies"], how, source["seed"], store, executor, progress, TUNE
        )
    return {
        "kind": "responses",
        "prompts": [{"id": one.id, "text": one.text} for one in prompts],
        "responses": [
            [{"id": f"r{number:03d}", "text": text} for number, text in enumerate(row, start=1)] for row in pool.texts
        ],
        "source": {**source, "identity": ref.identity(), "tokens": pool.digest},
    }


def _executor(ref: ModelRef, place: SamplingPlace) -> Executor:
    from tuneaccord.llm.backend import devices

    gpus = devices(ref.device)
    weights = sum(file.stat().st_size for file in Path(ref.folder).glob("*.safetensors")) / 2**30
    workers = place.workers or default_workers(weights + 1.5, gpus)
    if place.on == "processes":  # also for one: this process may be the server, which has to answer meanwhile
        return Processes(workers)
    return Serial() if place.on == "serial" else executor_for(workers, place.on, gpus=ref.device == "cuda")

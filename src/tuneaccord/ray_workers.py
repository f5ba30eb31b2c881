"""Jobs on a Ray cluster: one on this machine that goes when we go, or one that is there (``RAY_ADDRESS``).

The same jobs and the same results as on processes. Every node of a cluster needs this package in the same version,
and the model: a hub model and the embedded one are fetched where they are missing, a local folder has to be there under
the same path. No dashboard, no usage statistics.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import pickle
import sys
import warnings
from typing import Any

import numpy as np

from tuneaccord.errors import MissingDependencyError, TuneaccordError, first_line
from tuneaccord.execution import WorkerDied, Workers

#: arrays from here on are put into the cluster's memory once, instead of into every job that has them
SHARED_BYTES = 1 << 16
#: of memory that a local cluster keeps for them
_STORE_BYTES = 512 << 20
_STARTS = 3  #: how often a local cluster is started that was too slow to come up


class Ray(Workers):
    """Jobs as Ray tasks of one core each, ``workers`` at a time on a cluster of our own.

    ``address`` is that of a running cluster, ``None`` the value of ``RAY_ADDRESS`` or else a cluster on this machine;
    a running cluster has as many workers as it has cores. With ``gpus`` each job reserves a GPU.

    Raises :class:`MissingDependencyError` when Ray is not installed, :class:`TuneaccordError` when the cluster
    cannot be reached.
    """

    def __init__(self, workers: int = 1, address: str | None = None, gpus: bool = False) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingDependencyError("Ray is not installed. Install it with: pip install 'tuneaccord[ray]'")
        super().__init__(workers)
        self.address = address or os.environ.get("RAY_ADDRESS")
        self.gpus = gpus
        self._ours = False
        self._task: Any = None

    def _attempt(self, function, jobs):
        ray = self._connected()
        from ray.exceptions import GetTimeoutError, RayError, RayTaskError, RuntimeEnvSetupError, TaskCancelledError

        shared: dict[int, Any] = {}
        running = {}
        death = None
        try:
            for index, job in jobs.items():
                packed, references = _pack((function, job), shared, ray.put)
                running[self._task.remote(sys.path, packed, *references)] = index
            while running:
                (done,), _ = ray.wait(list(running), num_returns=1)
                index = running.pop(done)
                try:
                    result = ray.get(done)
                except RayTaskError as error:
                    raise error.cause from None
                except (GetTimeoutError, RuntimeEnvSetupError, TaskCancelledError):
                    raise
                except RayError as error:  # the worker, its node or what it was given is gone
                    death = error
                    continue
                yield index, result
        finally:
            for reference in running:
                ray.cancel(reference)
        if death is not None:
            raise WorkerDied from death

    def _renew(self) -> None:
        """Ray starts workers again by itself."""

    def _connected(self):
        if self._task is not None:
            import ray

            return ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # its handler would take SIGTERM away from a process that connects in a thread, and leave none when it goes
        os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray

            if not ray.is_initialized():
                self._start(ray)
        self._task = ray.remote(_run).options(num_cpus=1, num_gpus=int(self.gpus), max_retries=0)
        return ray

    def _start(self, ray) -> None:
        here = {"num_cpus": self.workers, "object_store_memory": _STORE_BYTES, "include_dashboard": False}
        where = {"address": self.address} if self.address else {"address": "local", **here}
        try:
            _patiently(ray, {**where, "log_to_driver": False, "logging_level": logging.CRITICAL})
        except Exception as error:  # Ray raises many unrelated types
            reason = first_line(error)
            named = self.address or "on this machine"
            raise TuneaccordError(
                f"no Ray cluster {named}: {reason:.200}. Check the address (RAY_ADDRESS), or leave out --on ray."
            ) from error
        self._ours = True
        # Ray prints the deaths of workers on standard output, in the middle of what the command prints there
        listener = sys.modules.get("ray._private.worker")
        if hasattr(listener, "print_to_stdstream"):
            listener.print_to_stdstream = lambda *_, **__: None

    def close(self) -> None:
        if self._ours:
            import ray

            ray.shutdown()
        self._ours, self._task = False, None


def _patiently(ray: Any, options: dict[str, Any]) -> None:
    """``ray.init``, again where a busy machine needs more than the half minute that Ray gives its own processes."""
    for left in reversed(range(_STARTS)):
        try:
            ray.init(**options)
            return
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
            ray.shutdown()


def _pack(job: Any, shared: dict[int, Any], put) -> tuple[bytes, list[Any]]:
    """The function and its job without large arrays, and references to those in the order of their numbers."""
    buffer, references = io.BytesIO(), []
    _Packer(buffer, shared, put, references).dump(job)
    return buffer.getvalue(), references


class _Packer(pickle.Pickler):
    """Pickles numbers in place of large arrays, and of dictionaries of arrays that are large together."""

    def __init__(self, buffer, shared, put, references) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self.shared, self.put, self.references = shared, put, references

    def persistent_id(self, obj):
        if not _is_large(obj):
            return None
        if id(obj) not in self.shared:  # the jobs keep the object, and so its id, alive
            self.shared[id(obj)] = self.put(obj)
        self.references.append(self.shared[id(obj)])
        return len(self.references) - 1


def _is_large(obj: Any) -> bool:
    if isinstance(obj, np.ndarray):
        return obj.nbytes >= SHARED_BYTES
    if type(obj) is not dict or not all(isinstance(value, np.ndarray) for value in obj.values()):
        return False
    return sum(value.nbytes for value in obj.values()) >= SHARED_BYTES


def _run(path: list[str], packed: bytes, *arrays):
    """In a worker: the job put together again and done. Modules are looked for where the sender finds them, too."""
    sys.path.extend(folder for folder in path if folder not in sys.path)
    unpickler = pickle.Unpickler(io.BytesIO(packed))
    # the cluster's memory cannot be written to, which PyTorch warns of
    unpickler.persistent_load = lambda number: _writable(arrays[number])
    function, job = unpickler.load()
    return function(job)


def _writable(obj: Any) -> Any:
    return {name: array.copy() for name, array in obj.items()} if isinstance(obj, dict) else obj.copy()

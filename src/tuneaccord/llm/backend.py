"""torch and transformers, imported once with the settings that everything here relies on."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneaccord.errors import MissingDependencyError, ModelError
from tuneaccord.execution import WORKER

# Tokenizers warn and threads deadlock when processes are started after use; we batch by process.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def require(*packages: str) -> None:
    """Raises :class:`MissingDependencyError` when one of the packages is not installed; imports none of them."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"language models need packages that are not installed: {', '.join(missing)}. "
            "Install them with: pip install 'tuneaccord[llm]'"
        )


require("torch", "transformers", "peft", "filelock", "pyarrow")

import torch  # noqa: E402

# On a busy machine two OpenMP threads can be many times slower than one; parallelism is by process.
torch.set_num_threads(1)


def _keep_memory() -> None:
    """Let glibc keep freed blocks. By default every large tensor is given back to the system and its pages are
    faulted in again by the next one, which took a third of the time of a training step. A high threshold alone is
    not obeyed for tensors of 100 MB; with no mapped blocks allowed none are used."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc
        return
    top_pad, mmap_max, trim_threshold = -2, -4, -1
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, (1 << 31) - 1)
    mallopt(top_pad, 1 << 26)


_keep_memory()

__all__ = ["choose_device", "devices", "native_bfloat16", "place", "quiet", "require", "torch"]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence progress bars and advice that are not about anything the user did."""
    from transformers.utils import logging as transformers_logging

    bars = transformers_logging.is_progress_bar_enabled()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    gguf = logging.getLogger("gguf")
    level = gguf.level
    gguf.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        gguf.setLevel(level)
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def choose_device(wanted: str = "auto") -> str:
    """The kind of processor to run on: ``cuda``, ``mps`` (Apple) or ``cpu``, whichever comes first and is there.

    Raises :class:`ModelError` when one is asked for by name that is not here, or has no such name.

    >>> choose_device("cpu")
    'cpu'
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(kind for kind, is_there in there.items() if is_there)
    if wanted not in there:
        raise ModelError(f"unknown device {wanted!r}. Choose auto, {', '.join(there)}.")
    if not there[wanted]:
        found = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise ModelError(
            f"PyTorch finds no {wanted} device here (it finds: {found}). Use device: auto, or install the PyTorch "
            "that fits this machine's driver."
        )
    return wanted


def devices(kind: str) -> int:
    """How many processors of a kind can each take a worker of their own; 1 for ``mps`` and 0, no limit, for CPUs."""
    return {"cuda": torch.cuda.device_count, "mps": lambda: 1}.get(kind, lambda: 0)()


def place(kind: str):
    """The device of this process: with several GPUs, workers take them in turn."""
    if kind != "cuda":
        return torch.device(kind)
    return torch.device("cuda", int(os.environ.get(WORKER, "0")) % max(torch.cuda.device_count(), 1))


def native_bfloat16(device: str = "cpu") -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware; without it float32 is faster."""
    if device != "cpu":
        return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    if platform.system() != "Linux":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(f" {flag} " in flags.replace("\n", " ") for flag in ("avx512_bf16", "amx_bf16", "bf16"))

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

from tuneaccord.errors import MissingDependencyError

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
    faulted in again by the next one, which took a fifth of the time of a training step."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc
        return
    top_pad, mmap_threshold, trim_threshold = -2, -3, -1
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, (1 << 31) - 1)
    mallopt(top_pad, 1 << 26)


_keep_memory()

__all__ = ["native_bfloat16", "quiet", "require", "torch"]


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


def native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; without it float32 is faster."""
    if platform.system() != "Linux":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(f" {flag} " in flags.replace("\n", " ") for flag in ("avx512_bf16", "amx_bf16", "bf16"))

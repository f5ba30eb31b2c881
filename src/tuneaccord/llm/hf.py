"""Find and load a language model: the embedded default, a local folder, or a model of the Hugging Face hub.

A model is named by a :class:`ModelRef`, plain data that travels to worker processes; each process loads it
once. The language model of the mechanism is the softmax of ``logits / temperature``, at the same
temperature for the base and for every tuned policy.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneaccord.artifacts import digest_of
from tuneaccord.errors import InputError, ModelError, first_line
from tuneaccord.llm import attention, embedded
from tuneaccord.llm.backend import choose_device, native_bfloat16, place, quiet, torch

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
#: files that decide what a model says
_DECISIVE = (
    *_WEIGHTS, "config.json", "generation_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json",
    "*.jinja", "vocab*", "merges.txt",
)  # fmt: skip
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
#: The day that chat templates are told it is. Some write today's date into the prompt, which would make another
#: prompt, and so another pool, of the same configuration every day.
#: By the codes of strftime: midnight of Wednesday, 1 January 2025.
_TODAY = {
    "Y": "2025", "y": "25", "m": "01", "-m": "1", "d": "01", "-d": "1", "e": " 1", "j": "001", "F": "2025-01-01",
    "A": "Wednesday", "a": "Wed", "B": "January", "b": "Jan", "H": "00", "I": "12", "M": "00", "S": "00", "p": "AM",
}  # fmt: skip


@dataclass(frozen=True)
class ModelRef:
    """A language model on disk: its name, folder, fingerprint and number type, and the commit of a hub model.

    The name is that of the configuration; of a local folder only its last part, wherever the folder is. ``device``
    is the kind of processor that it runs on: ``cpu``, ``cuda`` or ``mps``.
    """

    name: str
    folder: str
    digest: str
    dtype: str
    revision: str | None = None
    device: str = "cpu"

    def identity(self) -> dict[str, str]:
        """What results depend on: not where the folder is, nor which of several GPUs is used.

        Another kind of processor rounds differently, so what was computed on a GPU is not continued on a CPU.
        """
        commit = {} if self.revision is None else {"revision": self.revision}
        device = {} if self.device == "cpu" else {"device": self.device}
        return {"name": self.name, "digest": self.digest, "dtype": self.dtype, **commit, **device}


@dataclass(frozen=True)
class LanguageModel:
    """A loaded causal language model with its tokenizer."""

    ref: ModelRef
    model: Any
    tokenizer: Any

    @property
    def stop_tokens(self) -> list[int]:
        """Tokens that end a reply."""
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return sorted({token for token in [*ends, self.tokenizer.eos_token_id] if token is not None})

    def encode(self, prompt: str) -> list[int]:
        """The prompt as the model expects a user's request, through its chat template, up to the reply.

        Raises :class:`ModelError` when the tokenizer has no chat template.
        """
        if not self.tokenizer.chat_template:
            raise ModelError(
                f"the tokenizer of model {self.ref.name!r} has no chat template, so it cannot be asked anything. "
                "Use the model's instruction-tuned variant, or add a chat_template.jinja to its folder."
            )
        text = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            chat_template=_without_a_clock(self.tokenizer.get_chat_template()),
            add_generation_prompt=True,
            tokenize=False,
        )
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if not tokens:
            raise ModelError(
                f"the chat template of model {self.ref.name!r} makes nothing of the prompt {prompt!r:.60}."
            )
        return tokens

    def decode(self, tokens: list[int]) -> str:
        """The text of a reply, without special tokens."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True).strip()


def _without_a_clock(template: str) -> str:
    """The chat template with a ``strftime_now`` of its own, for which it is always the same day.

    >>> _without_a_clock("{{ messages[0]['content'] }}")
    "{{ messages[0]['content'] }}"
    """
    if "strftime_now" not in template:
        return template
    # a macro, because transformers passes no functions on to templates
    dated = "".join(f" | replace('%{code}', '{text}')" for code, text in _TODAY.items())
    return f"{{% macro strftime_now(format) %}}{{{{ format{dated} }}}}{{% endmacro +%}}{template}"


def find(
    name: str, relative_to: Path, dtype: str = "auto", revision: str | None = None, device: str = "auto"
) -> ModelRef:
    """The model that ``name`` stands for: the embedded default, a folder, or ``owner/model`` of the hub.

    A folder is looked for relative to ``relative_to``. Downloads what is missing. ``dtype`` is ``"auto"``
    (bfloat16 where the processor has it, otherwise float32), ``"bfloat16"`` or ``"float32"``; ``device`` is
    ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises :class:`ModelError` when the folder is not a model, the hub cannot be reached, or there is no such device.
    """
    runs_on = choose_device(device)
    known_as, folder, commit = _folder(name, relative_to, revision)
    _check_is_model(folder)
    chosen = ("bfloat16" if native_bfloat16(runs_on) else "float32") if dtype == "auto" else dtype
    return ModelRef(known_as, str(folder), fingerprint(folder), chosen, commit, runs_on)


def _folder(name: str, relative_to: Path, revision: str | None) -> tuple[str, Path, str | None]:
    """What the model is called in results, its folder, and its commit if it is of the hub."""
    if name == embedded.NAME:
        return name, embedded.ensure(), None
    local = (relative_to / Path(name).expanduser()).resolve()
    if local.is_dir():
        # a folder that is called like the embedded model must not be taken for it
        return (f"./{local.name}" if local.name == embedded.NAME else local.name), local, None
    if local.exists():
        raise ModelError(f"model {name!r} is a file, expected a folder with config.json and weights.")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise ModelError(
            f"there is no model {name!r}: not the embedded default ({embedded.NAME}), not a folder ({local}), "
            "and not a hub name of the form owner/model."
        )
    snapshot = _from_hub(name, revision)
    return name, snapshot, snapshot.name  # the hub's cache calls the folder by the commit


def _from_hub(name: str, revision: str | None) -> Path:
    with quiet():
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES))
        except Exception as error:  # the hub client raises many unrelated types when it cannot connect
            reason = first_line(error)
            raise ModelError(
                f"hub model {name!r} could not be reached: {reason:.200}. Check the name and the connection, give a "
                f"local folder, or use the offline default: model: {embedded.NAME}"
            ) from None


def _check_is_model(folder: Path) -> None:
    if (folder / "adapter_config.json").exists():  # transformers would load the adapter without a word
        raise ModelError(
            f"{folder} holds an adapter (adapter_config.json). Give the folder or the hub name of its base model; "
            "to tune on top of an adapter, merge it into the base first."
        )
    missing = [file for file in ("config.json",) if not (folder / file).is_file()]
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        missing.append("*.safetensors")
    if not any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        missing.append("tokenizer.json")
    if missing:
        raise ModelError(
            f"{folder} is not a language model: {', '.join(missing)} missing. The field 'model' takes a folder "
            f"written by save_pretrained, a hub name, or {embedded.NAME}."
        )


def fingerprint(folder: Path) -> str:
    """One digest over the model's files that decide what it says: configuration, tokenizer, weights."""
    files = sorted({file for pattern in _DECISIVE for file in folder.glob(pattern) if file.is_file()})
    return digest_of([[file.name, _sha256(file)] for file in files])


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _folder_here(ref: ModelRef) -> str:
    """The model's folder on this machine, which may be another than the one where it was found."""
    if Path(ref.folder).is_dir():
        return ref.folder
    if ref.name == embedded.NAME:
        folder = embedded.ensure()
    elif ref.revision is not None:
        folder = _from_hub(ref.name, ref.revision)
    else:
        raise ModelError(
            f"model {ref.name!r} is not on machine {platform.node()}: no folder {ref.folder}. A local model has to be "
            "in the same folder on every machine of a cluster."
        )
    if fingerprint(folder) != ref.digest:
        raise ModelError(
            f"model {ref.name!r} on machine {platform.node()} ({folder}) is not the one this run started with. "
            "Remove it, so that it is fetched again."
        )
    return str(folder)


@functools.lru_cache(maxsize=1)
def load(ref: ModelRef) -> LanguageModel:
    """The loaded model; each process keeps the last one.

    Raises :class:`ModelError` when transformers cannot load the folder, or this machine does not have it.
    """
    folder = _folder_here(ref)
    with quiet():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model, found = AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, ref.dtype), output_loading_info=True
            )
        except Exception as error:  # the parsers of weights and tokenizers raise types of their own
            reason = first_line(error)
            raise ModelError(f"model {ref.name!r} in {ref.folder} could not be loaded: {reason:.300}.") from error
    if found["missing_keys"]:
        raise ModelError(
            f"{ref.folder} does not hold a whole causal language model: {len(found['missing_keys'])} weights are "
            f"missing, such as {min(found['missing_keys'])}. Save it again with save_pretrained."
        )
    if ref.device == "cpu" and model.config._attn_implementation == "sdpa":
        with quiet():  # models whose attention cannot be replaced keep theirs
            model.set_attn_implementation(attention.register())
    model.to(place(ref.device)).eval().requires_grad_(False)
    return LanguageModel(ref, model, tokenizer)


def context_length(ref: ModelRef) -> int | None:
    """The longest input the model was made for, when its configuration says so."""
    config = json.loads((Path(ref.folder) / "config.json").read_text(encoding="utf-8"))
    for part in (config, config.get("text_config") or {}):  # models that also see keep their text part apart
        for key in ("max_position_embeddings", "n_positions"):
            if part.get(key) is not None:
                return part[key]
    return None


def encode_all(model: LanguageModel, prompts: dict[str, str], new_tokens: int) -> dict[str, list[int]]:
    """Token ids of every prompt by its id.

    Raises :class:`InputError` when a prompt and its reply do not fit the model's context.
    """
    limit = context_length(model.ref)
    encoded = {name: model.encode(text) for name, text in prompts.items()}
    for name, tokens in encoded.items():
        if limit is not None and len(tokens) + new_tokens > limit:
            raise InputError(
                f"prompt {name!r} has {len(tokens)} tokens, which with {new_tokens} new tokens exceeds the {limit} "
                f"that {model.ref.name!r} can read. Shorten the prompt or lower pool.new_tokens."
            )
    return encoded

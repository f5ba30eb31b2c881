"""A sequence-classification model of transformers as a reward: the probability of one of its labels.

From a folder that ``save_pretrained`` wrote, or of the Hugging Face hub. The score is the softmax over the labels at
the one named, or the sigmoid of the logit where there is only one (trained reward models) or where labels do not
exclude each other. Numbers are those of float32 on any device, so that they do not depend on it but for rounding.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tuneaccord.errors import InputError, ModelError, first_line, nearest
from tuneaccord.llm.reports.reward import Form, GroupReward

Input = Literal["reply", "pair", "chat"]

#: texts that go through the model together
_TOGETHER = 32
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]


@dataclass(frozen=True)
class Classifier(Form):
    """A classifier by its folder or its name on the hub, and the label whose probability is the score.

    ``label`` is a name or an index, and may be left out where there is only one. ``input`` says what the model reads:
    the reply alone, prompt and reply as a ``pair`` of texts, or both as a ``chat`` in the tokenizer's chat template.
    Longer texts than the model can read are cut at their ends, as its tokenizer does it.
    """

    model: str
    label: str | int | None = None
    input: Input = "reply"
    revision: str | None = None

    def read(self, name, size, folder, scale, seconds):
        from tuneaccord.llm.hf import fingerprint

        if scale not in (None, (0.0, 1.0)):
            raise InputError(f"group {name!r}: a classifier's score is a probability on [0, 1]; leave 'scale' out.")
        known_as, place, commit = _place(name, self, folder)
        config = _configuration(name, place)
        index, label = _label(name, self.label, config)
        judge = Judge(str(place), index, self.input, _squash(config))
        identity = {
            "classifier": known_as,
            "digest": fingerprint(place),
            "label": label,
            "input": self.input,
            **({} if commit is None else {"revision": commit}),
        }
        described = f"the probability of {label!r} by the classifier {known_as}"
        return GroupReward(name, size, f"{known_as}: {label}", described, (0.0, 1.0), judge, identity, seconds)


@dataclass(frozen=True)
class Judge:
    """A classifier that is called with prompts and replies; loaded at its first call."""

    folder: str
    index: int
    input: Input
    squash: Literal["softmax", "sigmoid"]

    def __call__(self, prompts: Sequence[str], replies: Sequence[str]) -> list[float]:
        """The probability of the label for each reply; batches that do not fit in memory are halved."""
        if not len(replies):
            return []
        from tuneaccord.llm.memory import fitting

        model, tokenizer, device = load(self.folder)
        encoded = _encode(tokenizer, self.input, prompts, replies, _longest(model, tokenizer))
        together = 1 if tokenizer.pad_token_id is None else _TOGETHER
        return fitting("classifying", together, lambda size: self._scores(model, tokenizer, device, encoded, size))

    def _scores(self, model, tokenizer, device, encoded, together: int) -> list[float]:
        from tuneaccord.llm.backend import torch

        lengths = [len(tokens) for tokens in encoded["input_ids"]]
        scores = np.empty(len(lengths))
        with torch.inference_mode():
            for rows in _batches(lengths, together):
                batch = {key: _padded([given[row] for row in rows], key, tokenizer) for key, given in encoded.items()}
                tensors = {key: torch.tensor(given, device=device) for key, given in batch.items()}
                scores[rows] = self._probabilities(model(**tensors).logits.cpu().double())
        return scores.tolist()

    def _probabilities(self, logits) -> np.ndarray:
        if self.squash == "sigmoid":
            return logits[:, self.index].sigmoid().numpy()
        return logits.softmax(dim=-1)[:, self.index].numpy()


@functools.lru_cache(maxsize=4)
def load(folder: str) -> tuple[Any, Any, Any]:
    """Model, tokenizer and device; each process keeps the last few.

    Raises :class:`ModelError` when transformers cannot load the folder as a sequence classifier.
    """
    from tuneaccord.llm.backend import choose_device, place, quiet, torch

    with quiet():
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model, found = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype=torch.float32, output_loading_info=True
            )
        except Exception as error:  # the parsers of weights and tokenizers raise types of their own
            reason = first_line(error)
            raise ModelError(f"the classifier in {folder} could not be loaded: {reason:.300}.") from error
    if found["missing_keys"]:
        raise ModelError(
            f"{folder} does not hold a whole sequence classifier: {len(found['missing_keys'])} weights are missing, "
            f"such as {min(found['missing_keys'])}. Use a model that was trained to classify texts."
        )
    if tokenizer.pad_token_id is not None:  # models that read the last token look for what is not padding
        model.config.pad_token_id = tokenizer.pad_token_id
    device = place(choose_device())
    return model.eval().requires_grad_(False).to(device), tokenizer, device


def _encode(tokenizer, how: Input, prompts: Sequence[str], replies: Sequence[str], longest: int | None):
    cut = {"truncation": longest is not None, "max_length": longest}
    if how == "reply":
        return tokenizer(list(replies), **cut)
    if how == "pair":
        return tokenizer(list(prompts), list(replies), **cut)
    from tuneaccord.llm.hf import _without_a_clock

    if not tokenizer.chat_template:
        raise ModelError("the classifier's tokenizer has no chat template. Use input: pair.")
    template = _without_a_clock(tokenizer.get_chat_template())
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": reply}],
            chat_template=template,
            tokenize=False,
        )
        for prompt, reply in zip(prompts, replies, strict=True)
    ]
    return tokenizer(texts, add_special_tokens=False, **cut)


def _padded(rows: list[list[int]], key: str, tokenizer) -> list[list[int]]:
    """Rows of one length; an empty text is one end token, which the model does not look at where it is padding."""
    nothing = {"input_ids": tokenizer.eos_token_id or tokenizer.pad_token_id or 0, "attention_mask": 1}.get(key, 0)
    filler = tokenizer.pad_token_id if key == "input_ids" else 0
    rows = [row or [nothing] for row in rows]
    longest = max(map(len, rows))
    return [row + [filler] * (longest - len(row)) for row in rows]


def _batches(lengths: list[int], together: int) -> Iterator[list[int]]:
    """Rows that go through the model together: alike in length, so that little is padding.

    >>> list(_batches([3, 1, 2], together=2))
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    for start in range(0, len(order), together):
        yield order[start : start + together]


def _longest(model, tokenizer) -> int | None:
    limits = [tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", None)]
    known = [limit for limit in limits if limit is not None and 0 < limit < 10**9]  # "no limit" is written as 10**30
    return min(known, default=None)


def _place(group: str, wanted: Classifier, folder: Path) -> tuple[str, Path, str | None]:
    """What the model is called in results, its folder, and its commit if it is of the hub."""
    local = (folder / Path(wanted.model).expanduser()).resolve()
    if local.is_dir():
        return local.name, local, None
    if wanted.model.count("/") != 1 or wanted.model.startswith((".", "/", "~")):
        raise InputError(
            f"group {group!r}: there is no classifier {wanted.model!r}: not a folder ({local}), and not a hub name of "
            "the form owner/model."
        )
    from tuneaccord.llm.backend import quiet

    with quiet():
        from huggingface_hub import snapshot_download

        try:
            place = Path(snapshot_download(wanted.model, revision=wanted.revision, allow_patterns=_HUB_FILES))
        except Exception as error:  # the hub client raises many unrelated types when it cannot connect
            reason = first_line(error)
            raise ModelError(
                f"group {group!r}: the hub's classifier {wanted.model!r} could not be reached: {reason:.200}. "
                "Check the name and the connection, or give a local folder."
            ) from None
    return wanted.model, place, place.name  # the hub's cache calls the folder by the commit


def _configuration(group: str, place: Path) -> dict:
    try:
        config = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(
            f"group {group!r}: {place} has no readable config.json. Give a folder that save_pretrained wrote."
        ) from None
    kinds = config.get("architectures") or []
    if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
        raise ModelError(
            f"group {group!r}: {place.name} is not a sequence classifier but {', '.join(kinds) or 'of no known kind'}. "
            "Use a model that was trained to classify texts, or write a function."
        )
    return config


def _labels(config: dict) -> list[str]:
    named = config.get("id2label") or {str(index): f"LABEL_{index}" for index in range(config.get("num_labels", 2))}
    return [named[key] for key in sorted(named, key=int)]


def _label(group: str, wanted: str | int | None, config: dict) -> tuple[int, str]:
    """Index and name of the label."""
    labels = _labels(config)
    if wanted is None and len(labels) == 1:
        return 0, labels[0]
    if wanted is None:
        raise InputError(f"group {group!r}: say which 'label' of the classifier is wanted: {', '.join(labels)}.")
    if isinstance(wanted, int):
        if not 0 <= wanted < len(labels):
            raise InputError(
                f"group {group!r}: the classifier has the labels 0 to {len(labels) - 1}, got {wanted}: "
                f"{', '.join(labels)}."
            )
        return wanted, labels[wanted]
    same = [index for index, label in enumerate(labels) if wanted in (label, label.lower())]
    if not same:
        raise InputError(f"group {group!r}: the classifier has no label {wanted!r}. {nearest(wanted, labels)}")
    return same[0], labels[same[0]]


def _squash(config: dict) -> Literal["softmax", "sigmoid"]:
    alone = len(_labels(config)) == 1
    return "sigmoid" if alone or config.get("problem_type") == "multi_label_classification" else "softmax"

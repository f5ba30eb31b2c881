"""A language model of thirty words, and tuning runs on it that take a second.

The model is a random two-layer Llama that is saved as any other: to the pipeline it is a local folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SPECIAL = ("<pad>", "<end>", "<user>", "<assistant>", "<unk>")
WORDS = tuple("the a plant water good great bad awful happy calm how do i you is it not very and in . ? !".split())  # noqa: SIM905
TEMPLATE = (
    "{% for message in messages %}<user> {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
CONTEXT = 64

#: two groups with functions of their own that disagree, next to a built-in criterion
REWARDS = '''"""Rewards of two groups."""


def short(prompts, replies):
    """Few words."""
    return [1 / (1 + len(reply.split())) for reply in replies]


def wet(prompts, replies):
    """Talks about water."""
    return [min(1.0, reply.split().count("water") / 2) for reply in replies]
'''


def save_tiny_model(folder: Path, template: str | None = TEMPLATE) -> Path:
    """Write the model and its tokenizer as ``save_pretrained`` does."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<pad>", chat_template=template
    )
    fast.add_special_tokens({"additional_special_tokens": ["<user>", "<assistant>"]})
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=CONTEXT, initializer_range=0.4, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=words["<end>"], pad_token_id=words["<pad>"],
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of the tiny model."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def settings(model: Path | str, /, **changes) -> dict:
    """A tune file's content; ``changes`` replace whole keys."""
    return {
        "name": "tiny",
        "model": str(model),
        "dtype": "float32",
        "prompts": {"tune": "tune.jsonl", "held_out": "held-out.jsonl"},
        "pool": {"replies": 8, "new_tokens": 5, "temperature": 0.9},
        "divergence": {"kind": "KL", "strength": 0.3},
        "groups": [
            {"name": "press", "size": 3, "reward": "upbeat"},
            {"name": "desk", "size": 2, "reward": "rewards.py:short"},
            {"name": "garden", "size": 1.5, "reward": "rewards.py:wet", "scale": [0.0, 1.0]},
        ],
        "adapter": {
            "method": "log-variance",
            "rank": 2,
            "learning_rate": 0.01,
            "block": 4,
            "blocks_per_step": 3,
            "passes": 2,
            "validation_prompts": 0,
        },
        "measure": {"replies": 4},
        "money": {"currency": "EUR", "rate": 100.0},
        "seed": 7,
        **changes,
    }


def write_market(folder: Path, model: Path | str, tune: int = 4, held_out: int = 3, **changes) -> Path:
    """A folder with a tune file, its prompts and its rewards; returns the tune file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_prompts(folder / "tune.jsonl", [f"how do i {word} the plant ?" for word in WORDS[:tune]])
    write_prompts(folder / "held-out.jsonl", [f"is it {word} ?" for word in WORDS[:held_out]])
    (folder / "rewards.py").write_text(REWARDS)
    path = folder / "tune.yaml"
    path.write_text(yaml.safe_dump(settings(model, **changes), sort_keys=False))
    return path


def write_prompts(path: Path, prompts: list[str]) -> None:
    """Prompts as JSON Lines."""
    path.write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))


def command(*arguments) -> list[str]:
    """The command line as a process."""
    return [sys.executable, "-m", "tuneaccord", *map(str, arguments)]


def process(*arguments, **options) -> subprocess.CompletedProcess:
    """Run the command line to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, encoding="utf-8", check=False, timeout=600, **options
    )

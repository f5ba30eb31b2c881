"""A random sequence classifier of the tiny model's thirty words."""

from __future__ import annotations

from tiny_market import SPECIAL, TEMPLATE, WORDS


def save_classifier(folder, kind: str, labels: int, pad: bool = True, **config):
    """A random classifier of the tiny model's words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        LlamaConfig,
        LlamaForSequenceClassification,
        PreTrainedTokenizerFast,
    )  # fmt: skip

    words = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"eos_token": "<end>", **({"pad_token": "<pad>"} if pad else {})}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", chat_template=TEMPLATE, model_max_length=24, **names
    )
    named = {index: f"L{index}" for index in range(labels)}
    sizes = {"vocab_size": len(words), "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    shared = {**sizes, "num_attention_heads": 2, "id2label": named, "initializer_range": 0.6, **config}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        if kind == "bert":
            model = BertForSequenceClassification(BertConfig(max_position_embeddings=24, **shared))
        else:
            model = LlamaForSequenceClassification(
                LlamaConfig(max_position_embeddings=24, pad_token_id=0 if pad else None, eos_token_id=1, **shared)
            )
    from tuneaccord.llm.backend import quiet

    with quiet():
        model.save_pretrained(folder)
        fast.save_pretrained(folder)
    return folder

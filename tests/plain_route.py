"""The same quantities by the plainest code: one forward pass of the whole text a reply, no cache, no batch."""

from __future__ import annotations

import numpy as np
import torch

from tuneaccord.llm.adapters import Lora, initial_state
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.prompts import Prompt

LORA = Lora(rank=4, alpha=8.0, seed=3)


def token_logits(model, prompt, reply):
    """Logits before each token of the reply, (tokens, vocabulary)."""
    logits = model(torch.tensor([[*prompt, *reply]]), use_cache=False).logits[0]
    return logits[len(prompt) - 1 : len(prompt) + len(reply) - 1]


def log_probability(model, prompt, reply, temperature):
    """Of one whole reply."""
    return -torch.nn.functional.cross_entropy(
        token_logits(model, prompt, reply) / temperature, torch.tensor(reply), reduction="sum"
    )


def next_token(model, prompt, temperature) -> np.ndarray:
    """The next-token distribution, (vocabulary,), as float64."""
    with torch.no_grad():
        logits = model(torch.tensor([list(prompt)]), use_cache=False).logits[0, -1]
    return torch.softmax(logits.double() / temperature, dim=-1).numpy()


def next_tokens(model, prompts, temperature) -> np.ndarray:
    """Next-token distributions after prompts of one length, (prompts, vocabulary)."""
    with torch.no_grad():
        logits = model(torch.tensor(prompts), use_cache=False).logits[:, -1]
    return torch.softmax(logits.double() / temperature, dim=-1).numpy()


def random_state(ref, scale=0.3, seed=11, lora=LORA):
    """Adapter weights that change what the model says."""
    draws = np.random.default_rng(seed)
    fresh = initial_state(ref, lora)
    return {name: scale * draws.standard_normal(w.shape).astype(np.float32) for name, w in fresh.items()}


def pool_of_words(encoded, replies) -> Pool:
    """A pool with given token replies; texts are the numbers of the tokens."""
    prompts = tuple(Prompt(f"p{i}", f"prompt {i}") for i in range(len(encoded)))
    tokens = tuple(tuple(tuple(reply) for reply in row) for row in replies)
    texts = tuple(tuple(" ".join(map(str, reply)) for reply in row) for row in tokens)
    return Pool(prompts, tuple(tuple(e) for e in encoded), tokens, texts)

"""Sample replies and their log-probabilities: one prompt, many replies, its prefix computed once.

Differs from ``transformers.generate`` in two ways that matter on a CPU. The prompt goes through the model
once and its key-value cache is repeated for all replies. A token is drawn by inverting the distribution
function with one uniform number a reply; ``torch.multinomial`` draws one exponential a reply *and* token
of the vocabulary, a third of the whole step. There is no top-k or top-p: samples must come from the
policy whose divergence is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import ModelError
from tuneaccord.llm.backend import torch


@dataclass(frozen=True)
class Sampling:
    """How replies are drawn; part of every pool's identity."""

    new_tokens: int
    temperature: float


def sample(model, prompt: list[int], count: int, how: Sampling, seed: int, stop: list[int]) -> list[list[int]]:
    """``count`` replies to one tokenised prompt; a reply ends with its stop token or at ``new_tokens``.

    Reply k uses the k-th row of one table of uniform numbers, whatever ``count`` is: two policies sampled with
    the same seed share their numbers, reply by reply, and differ only where their probabilities do.
    """
    stops = torch.tensor(stop)
    uniforms = torch.from_numpy(np.random.default_rng(seed).random((count, how.new_tokens), dtype=np.float32))
    tokens = []
    running = torch.ones(count, dtype=torch.bool)
    with torch.inference_mode():
        logits, cache = _read_prompt(model, prompt, count)
        logits = logits.expand(count, -1)
        for position in range(how.new_tokens):
            drawn = _draw(logits, how.temperature, uniforms[:, position, None])
            tokens.append(drawn)
            running &= ~torch.isin(drawn, stops)
            if position + 1 == how.new_tokens or not running.any():
                break
            logits = model(drawn[:, None], past_key_values=cache, use_cache=True).logits[:, -1]
    return [_until_stop(row, set(stop)) for row in torch.stack(tokens, dim=1).tolist()]


def _read_prompt(model, prompt: list[int], count: int):
    """Logits of the token after the prompt, one row, and the prompt's cache repeated ``count`` times.

    Raises :class:`ModelError` for models whose memory of the prompt is no key-value cache of transformers.
    """
    try:
        output = model(torch.tensor([prompt]), use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        # layers with a recurrent state inherit a repetition that leaves this state out
        if any(hasattr(layer, "recurrent_states") for layer in getattr(cache, "layers", ())):
            raise NotImplementedError("a recurrent state")
        cache.batch_repeat_interleave(count)
    except (AttributeError, TypeError, NotImplementedError) as error:
        kind = type(model.get_base_model() if hasattr(model, "get_base_model") else model).__name__
        raise ModelError(
            f"models of the type {kind} cannot be used: their cache of the prompt cannot be repeated for several "
            f"replies ({error}). Use a model with plain attention, such as Llama, Qwen or SmolLM."
        ) from error
    return output.logits[:, -1], cache


def _draw(logits, temperature: float, uniform):
    """One token a row: the first whose cumulative probability exceeds a uniform number.

    Exact up to float32 rounding: uniforms are multiples of 2**-24, so tokens less likely than about 6e-8 are
    drawn a little too often or never.
    """
    cumulative = torch.softmax(logits.float() / temperature, dim=-1).cumsum_(dim=-1)
    drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
    return drawn[:, 0].clamp_(max=logits.shape[-1] - 1)


def _until_stop(row: list[int], stop: set[int]) -> list[int]:
    for position, token in enumerate(row):
        if token in stop:
            return row[: position + 1]
    return row


def reply_logits(model, prompt: list[int], replies: list[list[int]]):
    """Logits of every reply token given what comes before it: (replies, positions, vocabulary), and a mask.

    The prompt is read once and its cache repeated, also when gradients are wanted: with short replies
    that halves the work. Replies are padded at the end, where causal attention never looks.
    """
    longest = max(len(reply) for reply in replies)
    padded = torch.tensor([reply + [0] * (longest - len(reply)) for reply in replies])
    mask = torch.tensor([[1.0] * len(reply) + [0.0] * (longest - len(reply)) for reply in replies])
    cache = None
    if len(prompt) > 1:
        _, cache = _read_prompt(model, prompt[:-1], len(replies))
    before = torch.cat([torch.full((len(replies), 1), prompt[-1]), padded[:, :-1]], dim=1)
    return model(before, past_key_values=cache, use_cache=True).logits, padded, mask


def log_probabilities(model, prompt: list[int], replies: list[list[int]], temperature: float):
    """The log-probability of each whole reply under the policy, shape (replies,)."""
    logits, tokens, mask = reply_logits(model, prompt, replies)
    logits = logits.float() / temperature
    chosen = logits.gather(-1, tokens[..., None])[..., 0] - logits.logsumexp(dim=-1)
    return (chosen * mask).sum(dim=1)

"""Sample replies and their log-probabilities: many replies to a prompt, its prefix computed once.

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
from tuneaccord.llm.memory import fitting, pieces

#: rows of logits that are worked on together: of this many, float32 copies stay in a processor's cache
_ROWS = 32


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
    return sample_each(model, [prompt], count, how, [seed], stop)[0]


def sample_each(
    model, prompts: list[list[int]], count: int, how: Sampling, seeds: list[int], stop: list[int]
) -> list[list[list[int]]]:
    """``count`` replies to each of several prompts of one length, all in one batch: nothing is padded.

    The replies to a prompt are those of :func:`sample` with its seed, up to rounding: a product of larger matrices
    may round its sums differently. Out of memory, the batch halves itself.
    """
    if len({len(prompt) for prompt in prompts}) > 1:
        raise ValueError("prompts of different lengths cannot share a batch")
    tables = [np.random.default_rng(seed).random((count, how.new_tokens), dtype=np.float32) for seed in seeds]
    uniforms = torch.from_numpy(np.concatenate(tables))
    owners = [number for number in range(len(prompts)) for _ in range(count)]

    def drawn(size: int) -> list[list[int]]:
        parts = pieces(len(owners), size)
        return [reply for rows in parts for reply in _sample(model, prompts, owners[rows], how, uniforms[rows], stop)]

    with torch.inference_mode():
        replies = fitting("sampling", len(owners), drawn)
    return [replies[start : start + count] for start in range(0, len(replies), count)]


def _sample(model, prompts: list[list[int]], owners: list[int], how: Sampling, uniforms, stop: list[int]):
    """One reply for each row of ``uniforms``, to the prompt of its owner."""
    device = device_of(model)
    uniforms, stops = uniforms.to(device), torch.tensor(stop, device=device)
    first = owners[0]
    logits, cache = _read_prompts(model, prompts[first : owners[-1] + 1], [owner - first for owner in owners])
    tokens = []
    running = torch.ones(len(owners), dtype=torch.bool, device=device)
    for position in range(how.new_tokens):
        drawn = _draw(logits, how.temperature, uniforms[:, position, None])
        tokens.append(drawn)
        running &= ~torch.isin(drawn, stops)
        if position + 1 == how.new_tokens or (stop and not running.any()):
            break
        logits = model(drawn[:, None], past_key_values=cache, use_cache=True).logits[:, -1]
    return [_until_stop(row, set(stop)) for row in torch.stack(tokens, dim=1).tolist()]


def device_of(model):
    """Where the model's tensors are."""
    return getattr(model, "device", "cpu")


def _read_prompts(model, prompts: list[list[int]], owners: list[int]):
    """Logits of the token after the prompt of each owner, and the prompts' cache with a row for each owner.

    Raises :class:`ModelError` for models whose memory of the prompt is no key-value cache of transformers.
    """
    try:
        output = model(torch.tensor(prompts, device=device_of(model)), use_cache=True, logits_to_keep=1)
        cache = output.past_key_values
        # layers with a recurrent state inherit a repetition that leaves this state out
        if any(hasattr(layer, "recurrent_states") for layer in getattr(cache, "layers", ())):
            raise NotImplementedError("a recurrent state")
        if len(prompts) == 1:
            cache.batch_repeat_interleave(len(owners))
        else:
            cache.batch_select_indices(torch.tensor(owners, device=device_of(model)))
    except (AttributeError, TypeError, NotImplementedError) as error:
        kind = type(model.get_base_model() if hasattr(model, "get_base_model") else model).__name__
        raise ModelError(
            f"models of the type {kind} cannot be used: their cache of the prompt cannot be repeated for several "
            f"replies ({error}). Use a model with plain attention, such as Llama, Qwen or SmolLM."
        ) from error
    return output.logits[:, -1][owners], cache


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
    device = device_of(model)
    longest = max(len(reply) for reply in replies)
    padded = torch.tensor([reply + [0] * (longest - len(reply)) for reply in replies], device=device)
    mask = torch.tensor([[1.0] * len(reply) + [0.0] * (longest - len(reply)) for reply in replies], device=device)
    cache = None
    if len(prompt) > 1:
        _, cache = _read_prompts(model, [prompt[:-1]], [0] * len(replies))
    before = torch.cat([torch.full((len(replies), 1), prompt[-1], device=device), padded[:, :-1]], dim=1)
    return model(before, past_key_values=cache, use_cache=True).logits, padded, mask


def log_probabilities(model, prompt: list[int], replies: list[list[int]], temperature: float):
    """The log-probability of each whole reply under the policy, shape (replies,), on the CPU.

    Without gradients the batch halves itself when memory is short; with them see :func:`backward`.
    """
    if torch.is_grad_enabled():
        return _log_probabilities(model, prompt, replies, temperature)

    def scored(size: int):
        parts = [replies[rows] for rows in pieces(len(replies), size)]
        return torch.cat([_log_probabilities(model, prompt, part, temperature) for part in parts])

    return fitting("scoring", len(replies), scored)


def backward(model, prompt: list[int], replies: list[list[int]], temperature: float, loss_of) -> float:
    """The loss ``loss_of(log_probabilities)`` of some replies; leaves its gradient, and no other, in the model.

    Short of memory, the replies go through in pieces: once for the loss and its slope in each reply's
    log-probability, and once more with gradients, whose sum weighted by the slopes is the gradient of the loss.
    """

    def summed(size: int) -> float:
        model.zero_grad(set_to_none=True)
        if size >= len(replies):
            loss = loss_of(_log_probabilities(model, prompt, replies, temperature))
            loss.backward()
            return float(loss.detach())
        parts = [replies[rows] for rows in pieces(len(replies), size)]
        with torch.no_grad():
            whole = torch.cat([_log_probabilities(model, prompt, part, temperature) for part in parts])
        loss = loss_of(whole.requires_grad_())
        (slopes,) = torch.autograd.grad(loss, whole)
        for part, slope in zip(parts, slopes.split(size), strict=True):
            (slope * _log_probabilities(model, prompt, part, temperature)).sum().backward()
        return float(loss.detach())

    return fitting("training on", len(replies), summed)


def _log_probabilities(model, prompt: list[int], replies: list[list[int]], temperature: float):
    logits, tokens, mask = reply_logits(model, prompt, replies)
    chosen = _LogProbabilities.apply(logits.flatten(0, 1), tokens.flatten(), temperature)
    return (chosen.view(mask.shape) * mask).sum(dim=1).cpu()


class _LogProbabilities(torch.autograd.Function):
    """``log_softmax(logits / temperature)`` at one token a row, a few rows at a time.

    The gradient is computed again from the logits, ``(1[token] - softmax) / temperature``, so that nothing of the
    size (rows, vocabulary) is kept in float32.
    """

    @staticmethod
    def forward(ctx, logits, tokens, temperature):
        chosen, total = (torch.empty(len(tokens), device=logits.device) for _ in range(2))
        for rows in pieces(len(tokens), _ROWS):
            scaled = logits[rows].to(torch.float32, copy=True).mul_(1.0 / temperature)
            total[rows] = scaled.logsumexp(dim=-1)
            chosen[rows] = scaled.gather(-1, tokens[rows, None])[:, 0] - total[rows]
        ctx.save_for_backward(logits, tokens, total)
        ctx.temperature = temperature
        return chosen

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        logits, tokens, total = ctx.saved_tensors
        found = torch.empty_like(logits)
        for rows in pieces(len(tokens), _ROWS):
            by_row = gradient[rows, None] / ctx.temperature
            scaled = logits[rows].to(torch.float32, copy=True).mul_(1.0 / ctx.temperature)
            change = scaled.sub_(total[rows, None]).exp_().mul_(-by_row)
            found[rows] = change.scatter_add_(-1, tokens[rows, None], by_row).to(found.dtype)
        return found, None, None

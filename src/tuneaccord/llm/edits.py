"""One-token edits: what a reply would have scored with one of its tokens replaced, and nothing else changed.

A reward that may be called on any text says much more about a reply than its one score. With token t of a reply
replaced by each token v that the model might say in turn, its scores say what each token is worth at that place:

    s(y_<t, v, y_>t)

where an end of the reply also takes away what follows it. It is the direct effect only: what the model would go on
to say after v is not what it said after y_t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.artifacts import seed_of
from tuneaccord.llm.hf import LanguageModel
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.prompts import Prompt


@dataclass(frozen=True)
class Context:
    """A place in a pool: which prompt, which reply to it, which token of the reply."""

    prompt: int
    reply: int
    position: int


def draw_contexts(pool: Pool, count: int, seed: int) -> tuple[Context, ...]:
    """``count`` random places, of as many different prompts as there are, away from both ends of a reply.

    The first and the last eighth of a reply are left out: a token there is seldom worth what it is elsewhere.
    """
    draws = np.random.default_rng(seed_of(seed, "contexts"))
    prompts, replies = pool.shape
    order = np.concatenate([draws.permutation(prompts) for _ in range(-(-count // prompts))])[:count]
    contexts = []
    for prompt in order.tolist():
        reply = int(draws.integers(replies))
        length = len(pool.tokens[prompt][reply])
        contexts.append(Context(prompt, reply, int(draws.integers(length // 8, length - length // 8))))
    return tuple(contexts)


def edited_pool(model: LanguageModel, pool: Pool, contexts: tuple[Context, ...], vocabulary: Sequence[int]) -> Pool:
    """For each context its reply with each of these tokens in turn at the context's place.

    A pool of shape (contexts, tokens): it is scored as any other. Its replies were not drawn from anything.
    """
    stops = set(model.stop_tokens)
    prompts, encoded, tokens, texts = [], [], [], []
    for number, context in enumerate(contexts):
        prompt, reply = pool.prompts[context.prompt], pool.tokens[context.prompt][context.reply]
        before, after = reply[: context.position], reply[context.position + 1 :]
        edited = tuple((*before, token) if token in stops else (*before, token, *after) for token in vocabulary)
        prompts.append(Prompt(f"{prompt.id}, edit {number + 1}", prompt.text))
        encoded.append(pool.encoded[context.prompt])
        tokens.append(edited)
        texts.append(tuple(model.decode(list(row)) for row in edited))
    return Pool(tuple(prompts), tuple(encoded), tuple(tokens), tuple(texts))


def token_credits(scores: np.ndarray) -> np.ndarray:
    """What each token adds to a score wherever it stands, (contexts, tokens) -> (tokens,).

    In every context relative to the middle token, and of these the median over the contexts: one context in which
    nearly everything is a gain or a loss must not decide.

    >>> token_credits(np.array([[0.0, 1.0, 3.0], [5.0, 5.0, 5.0], [2.0, 2.0, 3.0]]))
    array([0., 0., 1.])
    """
    return np.median(scores - np.median(scores, axis=1, keepdims=True), axis=0)

"""Stand-ins for the jobs of worker processes: what each takes, and a result of its shape that took nothing.

To make another kind of job countable, add its function to ``STAND_INS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tuneaccord.artifacts import seed_of
from tuneaccord.errors import TuneaccordError
from tuneaccord.llm.distil import base_log_probabilities, block_gradient, block_log_ratios
from tuneaccord.llm.hf import load
from tuneaccord.llm.measure import run_measure_job
from tuneaccord.llm.pool import run_sample_batch
from tuneaccord.llm.rl import run_draw
from tuneaccord.llm.trl_step import run_update
from tuneaccord.llm.vocabulary import EXPECTED, STATES, count_block, read_block

#: what tokens are needed for: prompts that are read, replies that are drawn, passed forward, and passed back
TOKENS = ("read", "sampled", "scored", "trained")


@dataclass(frozen=True)
class StandIn:
    """How to do without a job: how many tokens it takes for what, what it could give, and a smaller one of its kind.

    ``positions`` is how many tokens its replies have, and ``cut`` the same job with replies of fewer tokens.
    """

    tokens: Callable[[Any], dict[str, int]]
    result: Callable[[Any], Any]
    positions: Callable[[Any], int]
    cut: Callable[[Any, int], Any]


class Unforeseen(TuneaccordError):
    """A job of a kind that has no stand-in; what comes after it cannot be foreseen either."""


def stand_in_of(function: Callable, step: str) -> StandIn:
    """The stand-in of a job's function.

    Raises :class:`Unforeseen` when there is none.
    """
    if function not in STAND_INS:
        raise Unforeseen(f"what {step!r} needs is not known before it runs ({getattr(function, '__name__', function)})")
    return STAND_INS[function]


def _replies(prompt: tuple[int, ...], count: int, length: int) -> list[list[int]]:
    """Replies of full length, made of the prompt's own tokens."""
    return [[prompt[(shift + place) % len(prompt)] for place in range(length)] for shift in range(count)]


def _texts(count: int, length: int, origin: Any) -> list[str]:
    """Texts about as long as such replies; other models must not seem to say the same."""
    return [f"{seed_of(origin):x} " + "word " * (length - 1)] * count


def _moved(state: dict, share: float, *reason: Any) -> dict:
    """``share`` of the weights and a number that depends on the reason: other runs must not give the same adapter."""
    shift = np.float32(np.random.default_rng(seed_of("stand-in", *reason)).normal())
    return {name: np.float32(share) * weight + shift for name, weight in state.items()}


def _longest(block) -> int:
    return max(map(len, block.replies))


def _reply_tokens(block) -> int:
    return sum(map(len, block.replies))


def _cut_block(block, length: int):
    return replace(block, replies=tuple(reply[:length] for reply in block.replies))


def _cut_sampling(job, length: int):
    return replace(job, how=replace(job.how, new_tokens=length))


def _cut_batch(jobs, length: int):
    return tuple(_cut_sampling(job, length) for job in jobs)


def _cut_gradient(job, length: int):
    return replace(job, block=_cut_block(job.block, length))


def _sampled(job) -> dict:
    length = job.how.new_tokens
    origin = job.policy.identity() if hasattr(job, "policy") else "base"
    return {"tokens": _replies(job.encoded, job.count, length), "texts": _texts(job.count, length, origin)}


def _drawn_each(draw) -> list[dict]:
    length = draw.how.new_tokens
    texts = _texts(draw.count, length, draw.policy.identity())
    return [{"tokens": _replies(prompt, draw.count, length), "texts": texts} for prompt in draw.prompts]


def _tokens_of_update(update) -> dict[str, int]:
    """A trainer reads every reply with its prompt three times: under the policy, under the base, and to learn."""
    replies = sum(len(reply) for row in update.replies for reply in row)
    prompts = sum(len(prompt) * len(row) for prompt, row in zip(update.encoded, update.replies, strict=True))
    return {"read": 3 * prompts, "scored": 2 * replies, "trained": replies}


def _updated(update) -> dict[str, np.ndarray]:
    """The adapter one step later, moved a little."""
    count = sum(len(reply) for row in update.replies for reply in row)
    record = {"reward": 0.0, "kl": 0.0, "generated": count}
    moved = _moved(update.archive, 1.0, update.scores.tolist())
    return {**moved, **{name: np.append(update.archive[name], number) for name, number in record.items()}}


def _cut_update(update, length: int):
    return replace(update, replies=tuple(tuple(reply[:length] for reply in row) for row in update.replies))


def _counted(block) -> dict:
    """An eighth of the vocabulary, which is what a chat model of 49,152 tokens was found to expect in such pools."""
    likely = load(block.ref).model.get_output_embeddings().out_features // 8
    return {"tokens": list(range(likely)), "expected": [EXPECTED] * likely}


def _read_states(job) -> dict:
    """Nothing expected anywhere, and as many hidden states of the model's width as there are positions to take."""
    width = load(job.block.ref).model.get_output_embeddings().in_features
    states = min(STATES, _reply_tokens(job.block))
    return {
        "expected": [[0.0] * _longest(job.block) for _ in job.block.replies],
        "states": [[1.0] * width for _ in range(states)],
    }


STAND_INS: dict[Callable, StandIn] = {
    run_sample_batch: StandIn(
        lambda jobs: {
            "read": sum(len(job.encoded) for job in jobs),
            "sampled": sum(job.count * job.how.new_tokens for job in jobs),
        },
        lambda jobs: [_sampled(job) for job in jobs],
        lambda jobs: jobs[0].how.new_tokens,
        _cut_batch,
    ),
    run_measure_job: StandIn(  # drawn, then read by the policy and by the base
        lambda job: {
            "read": 3 * len(job.encoded),
            "sampled": job.count * job.how.new_tokens,
            "scored": 2 * job.count * job.how.new_tokens,
        },
        lambda job: {**_sampled(job), "kl": [0.0] * job.count},
        lambda job: job.how.new_tokens,
        _cut_sampling,
    ),
    base_log_probabilities: StandIn(
        lambda block: {"read": len(block.prompt), "scored": _reply_tokens(block)},
        lambda block: [-float(len(reply)) for reply in block.replies],
        _longest,
        _cut_block,
    ),
    block_log_ratios: StandIn(
        lambda job: {"read": len(job.block.prompt), "scored": _reply_tokens(job.block)},
        lambda job: list(job.block.targets),  # as if everything had been learnt
        lambda job: _longest(job.block),
        _cut_gradient,
    ),
    count_block: StandIn(
        lambda block: {"read": len(block.prompt), "scored": _reply_tokens(block)},
        _counted,
        _longest,
        _cut_block,
    ),
    read_block: StandIn(
        lambda job: {"read": len(job.block.prompt), "scored": _reply_tokens(job.block)},
        _read_states,
        lambda job: _longest(job.block),
        _cut_gradient,
    ),
    block_gradient: StandIn(
        lambda job: {"read": len(job.block.prompt), "trained": _reply_tokens(job.block)},
        lambda job: (0.0, _moved(job.state, 0.0, job.block.targets)),
        lambda job: _longest(job.block),
        _cut_gradient,
    ),
    run_draw: StandIn(
        lambda draw: {
            "read": sum(map(len, draw.prompts)),
            "sampled": len(draw.prompts) * draw.count * draw.how.new_tokens,
        },
        _drawn_each,
        lambda draw: draw.how.new_tokens,
        _cut_sampling,
    ),
    run_update: StandIn(
        _tokens_of_update,
        _updated,
        lambda update: max(len(reply) for row in update.replies for reply in row),
        _cut_update,
    ),
}

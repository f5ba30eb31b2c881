"""Mixed logits against the formula on distributions of separate models, reply by reply."""

import itertools

import numpy as np
import pytest
import torch
from plain_route import LORA, next_token, next_tokens, pool_of_words, random_state

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError
from tuneaccord.execution import Serial
from tuneaccord.llm import adapters, hf
from tuneaccord.llm.adapters import Adapter, Lora
from tuneaccord.llm.generate import Sampling, log_probabilities, sample, sample_each
from tuneaccord.llm.measure import measure, reply_divergence
from tuneaccord.llm.mixing import LogitMixture
from tuneaccord.progress import Silent

T = 0.8
END = 1
WEIGHTS = (0.7, -0.3, 0.9)
FEW = Lora(rank=3, alpha=2.0, targets=("q_proj", "down_proj"), seed=1)


def members(ref) -> tuple[Adapter, ...]:
    return (
        Adapter(LORA, random_state(ref, seed=1)),
        Adapter(LORA, random_state(ref, seed=2)),
        Adapter(FEW, random_state(ref, seed=3, lora=FEW)),
    )


def mixed(base, tuned, weights) -> np.ndarray:
    """``q * prod (p_i / q) ** w_i``, normalised over the last axis."""
    log = np.log(base) + sum(w * (np.log(p) - np.log(base)) for w, p in zip(weights, tuned, strict=True))
    weight = np.exp(log - log.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True)


def two_tokens(ref, prompt, weights):
    """Probabilities of all replies of two tokens under the mixture and the base, from models loaded one by one."""
    base = hf.load(ref).model
    first, second = [next_token(base, prompt, T)], []
    prefixes = [[*prompt, token] for token in range(len(first[0]))]
    second.append(next_tokens(base, prefixes, T))
    for member in members(ref):
        model = member.on(ref).model
        first.append(next_token(model, prompt, T))
        second.append(next_tokens(model, prefixes, T))
    mixed_first, mixed_second = (mixed(rows[0], rows[1:], weights) for rows in (first, second))
    return mixed_first, mixed_second, first[0], second[0]


@pytest.mark.parametrize(
    "weights", [WEIGHTS, *(pytest.param(some, marks=pytest.mark.slow) for some in ((0.0, 0.5, 0.5), (0.0, 0.0, 0.0)))]
)
def test_probabilities_of_all_replies_of_two_tokens(ref, prompt, weights):
    first, second, _, _ = two_tokens(ref, prompt, weights)
    model = LogitMixture(members(ref), weights).on(ref).model
    replies = [list(pair) for pair in itertools.product(range(len(first)), repeat=2)]
    with torch.inference_mode():
        found = log_probabilities(model, prompt, replies, T).double().exp().numpy()
    np.testing.assert_allclose(found, (first[:, None] * second).ravel(), rtol=2e-4)  # float32
    assert found.sum() == pytest.approx(1.0, abs=1e-5)


def test_samples_have_these_probabilities(ref, prompt):
    first, second, _, _ = two_tokens(ref, prompt, WEIGHTS)
    policy = LogitMixture(members(ref), WEIGHTS).on(ref)
    count = 2000
    replies = sample(policy.model, prompt, count, Sampling(2, T), 3, [END])
    probabilities = {
        (a, b): first[a] * second[a, b] for a, b in itertools.product(range(len(first)), repeat=2) if a != END
    } | {(END,): first[END]}
    found = {reply: 0 for reply in probabilities}
    for reply in replies:
        found[tuple(reply)] += 1
    often = {reply: p for reply, p in probabilities.items() if count * p > 10}
    assert len(often) > 10
    squares = sum((found[reply] - count * p) ** 2 / (count * p) for reply, p in often.items())
    assert squares < len(often) + 4 * np.sqrt(2 * len(often))  # chi square, four standard deviations


def test_several_prompts_in_one_batch(ref, tiny):
    """The same replies as one by one; the rows of every member follow those of the base."""
    model = LogitMixture(members(ref), WEIGHTS).on(ref).model
    prompts = [tiny.encode(text) for text in ("is it good ?", "is it bad ?", "is water calm ?")]
    prompts = [one for one in prompts if len(one) == len(prompts[0])]
    assert len(prompts) > 1
    seeds, how = list(range(len(prompts))), Sampling(4, T)
    together = sample_each(model, prompts, 5, how, seeds, [END])
    assert together == [sample(model, one, 5, how, seed, [END]) for one, seed in zip(prompts, seeds, strict=True)]
    assert together[0] != together[1]


def test_the_divergence_of_replies_is_right_in_expectation(ref, prompt):
    first, second, base_first, base_second = two_tokens(ref, prompt, WEIGHTS)
    for rows in (second, base_second):
        rows[END] = np.eye(len(first))[0]
    tuned, base = first[:, None] * second, base_first[:, None] * base_second
    exact = float((tuned * np.log(np.where(tuned > 0, tuned / np.where(base > 0, base, 1), 1))).sum())
    model = LogitMixture(members(ref), WEIGHTS).on(ref).model
    replies = [[a] if a == END else [a, 6] for a in range(len(first))]
    with torch.inference_mode():
        found = reply_divergence(model, prompt, replies, T).double().numpy()
    assert (found >= 0).all()
    assert float(first @ found) == pytest.approx(exact, rel=1e-4)


def test_one_member_of_weight_one_is_that_adapter(ref, prompt):
    one = members(ref)[0]
    replies = [[6, 8, 9], [12], [7, 7]]

    def of(policy):
        with torch.inference_mode():
            return log_probabilities(policy.on(ref).model, prompt, replies, T).numpy()

    np.testing.assert_allclose(of(LogitMixture((one,), (1.0,))), of(one), rtol=1e-5)


def test_an_adapter_is_itself_on_a_model_that_was_mixed_on(ref, prompt):
    """Mixing leaves hooks behind; they do nothing for others."""
    model = LogitMixture(members(ref)[:2], (0.5, 0.5)).on(ref).model
    assert len(sample(model, prompt, 3, Sampling(2, T), 1, [END])) == 3
    same_shape = Lora(2 * LORA.rank, 2.0 * LORA.rank)
    plain = Adapter(same_shape, random_state(ref, seed=9, lora=same_shape))
    found = next_token(plain.on(ref).model, prompt, T)
    adapters._attached.cache_clear()
    np.testing.assert_array_equal(found, next_token(plain.on(ref).model, prompt, T))


def test_identity_ignores_members_of_weight_zero(ref):
    one, two, three = members(ref)
    assert LogitMixture((one, two), (0.5, 0.0)).identity() == LogitMixture((one, three), (0.5, 0.0)).identity()
    assert LogitMixture((one, two), (0.5, 0.1)).identity() != LogitMixture((one, two), (0.5, 0.2)).identity()


def test_weights_must_fit(ref):
    one, two, _ = members(ref)
    with pytest.raises(InputError, match="one weight for each"):
        LogitMixture((one, two), (1.0,))
    with pytest.raises(InputError, match="finite"):
        LogitMixture((one,), (float("inf"),))


@pytest.mark.slow
def test_measured_by_workers_as_here(ref, tiny, tmp_path, workers):
    prompts = [tiny.encode(text) for text in ("is it good ?", "how do i water the plant ?", "is it bad ?")]
    held_out = pool_of_words(prompts, [[[6], [7]]] * 3)
    policy = LogitMixture(members(ref), WEIGHTS)

    def run(folder, executor):
        return measure(ref, policy, held_out, 5, Sampling(4, T), 2, Store(folder), executor, Silent())

    here, there = run(tmp_path / "a", Serial()), run(tmp_path / "b", workers)
    assert here.pool == there.pool
    np.testing.assert_array_equal(here.kl, there.kl)
    assert here.kl.mean() > 0.01

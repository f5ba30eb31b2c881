"""The divergence of replies: zero at the base, and in expectation that of whole replies."""

import numpy as np
import pytest
import torch
from plain_route import LORA, next_token, next_tokens, pool_of_words, random_state

from tuneaccord.artifacts import Store
from tuneaccord.errors import ModelError
from tuneaccord.execution import Serial
from tuneaccord.llm.adapters import Adapter, attach, digest_state, initial_state, put
from tuneaccord.llm.generate import Sampling, sample
from tuneaccord.llm.measure import measure, reply_divergence
from tuneaccord.progress import Silent

T = 0.8
END = 1


def divergences(ref, state, prompt, replies) -> np.ndarray:
    model = attach(ref, LORA).model
    put(model, state)
    with torch.no_grad():
        return reply_divergence(model, prompt, replies, T).double().numpy()


def distributions(ref, state, read) -> tuple[np.ndarray, np.ndarray]:
    """What ``read(model)`` says with the adapter and without it."""
    model = attach(ref, LORA).model
    put(model, state)
    tuned = read(model)
    with model.disable_adapter():
        return tuned, read(model)


def test_never_negative(ref, prompt):
    model = attach(ref, LORA).model
    put(model, random_state(ref))
    replies = sample(model, prompt, 200, Sampling(5, T), 1, [END])
    found = divergences(ref, random_state(ref), prompt, replies)
    assert (found >= 0).all()
    assert found.mean() > 0.05


def test_a_fresh_adapter_is_the_base(ref, prompt):
    found = divergences(ref, initial_state(ref, LORA), prompt, [[6, 8, 9], [12]])
    np.testing.assert_allclose(found, 0.0, atol=1e-6)


def test_one_token_replies(ref, prompt):
    state = random_state(ref)
    tuned, base = distributions(ref, state, lambda model: next_token(model, prompt, T))
    exact = float((tuned * np.log(tuned / base)).sum())
    found = divergences(ref, state, prompt, [[6], [END], [20]])
    np.testing.assert_allclose(found, exact, rtol=1e-4)  # float32 against float64


def test_two_token_replies_are_right_in_expectation(ref, prompt):
    """Summed over all replies with their probabilities it is the divergence between whole replies."""
    state = random_state(ref)
    first, base_first = distributions(ref, state, lambda model: next_token(model, prompt, T))
    vocabulary = range(len(first))
    prefixes = [[*prompt, token] for token in vocabulary]
    second, base_second = distributions(ref, state, lambda model: next_tokens(model, prefixes, T))
    for rows in (second, base_second):
        rows[END] = np.eye(len(first))[0]
    tuned, base = first[:, None] * second, base_first[:, None] * base_second
    exact = float((tuned * np.log(np.where(tuned > 0, tuned / np.where(base > 0, base, 1), 1))).sum())

    replies = [[a] if a == END else [a, 6] for a in vocabulary]  # the second token itself does not matter
    expected = float(first @ divergences(ref, state, prompt, replies))
    assert expected == pytest.approx(exact, rel=1e-4)


def measured(ref, tiny, state, folder, executor):
    prompts = [tiny.encode(text) for text in ("is it good ?", "how do i water the plant ?", "is it bad ?")]
    held_out = pool_of_words(prompts, [[[6], [7]]] * 3)
    return measure(ref, Adapter(LORA, state), held_out, 5, Sampling(4, T), 2, Store(folder), executor, Silent())


@pytest.mark.slow
def test_measuring_draws_from_the_adapter(ref, tiny, tmp_path, workers):
    state = random_state(ref)
    found = measured(ref, tiny, state, tmp_path / "a", Serial())
    assert found.pool.shape == found.kl.shape == (3, 5)
    again = measured(ref, tiny, state, tmp_path / "b", workers)
    assert again.pool == found.pool
    np.testing.assert_array_equal(again.kl, found.kl)
    other = measured(ref, tiny, random_state(ref, seed=12), tmp_path / "a", Serial())
    assert other.pool.tokens != found.pool.tokens


def test_an_adapter_that_is_no_number_is_refused(ref, tiny, tmp_path):
    state = {name: weight * np.float32("inf") for name, weight in random_state(ref).items()}
    with pytest.raises(ModelError, match=r"Lower adapter\.learning_rate"):
        measured(ref, tiny, state, tmp_path, Serial())


def test_the_fingerprint_of_an_adapter(ref):
    state = random_state(ref)
    name = min(state)
    changed = {**state, name: np.nextafter(state[name], np.float32(1))}
    assert digest_state(dict(reversed(state.items()))) == digest_state(state) != digest_state(changed)

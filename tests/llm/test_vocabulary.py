"""The vocabulary bias: the closed form where there is one, and every part by a plainer route."""

import numpy as np
import pytest
import torch
from plain_route import log_probability, next_token, pool_of_words, token_logits

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, ModelError
from tuneaccord.execution import Executor, Serial
from tuneaccord.llm.adapters import digest_state
from tuneaccord.llm.distil import Block, Training
from tuneaccord.llm.edits import Context, edited_pool, token_credits
from tuneaccord.llm.generate import Sampling, sample
from tuneaccord.llm.vocabulary import (
    EXPECTED,
    ReadJob,
    consequences,
    constant_direction,
    likely_tokens,
    output_layer,
    read_block,
    vocabulary_bias,
)
from tuneaccord.progress import Silent

T = 0.8
TEXTS = ("how do i water the plant ?", "is it good ?", "is it very bad ?")


@pytest.fixture
def drawn(tiny):
    """Ten replies a prompt, with targets, and a credit for each token."""
    prompts = [tiny.encode(text) for text in TEXTS]
    replies = [sample(tiny.model, prompt, 10, Sampling(4, T), 3, tiny.stop_tokens) for prompt in prompts]
    draws = np.random.default_rng(4)
    credits = 0.5 * draws.normal(size=len(tiny.tokenizer))
    pool = pool_of_words(prompts, replies)
    targets = np.array([[credits[list(reply)].sum() for reply in row] for row in pool.tokens])
    return pool, targets, credits


def carried(ref, pool, targets, credits, folder, executor=None, validation_prompts=0, temperature=T):
    training = Training(0.01, 2, 5, 1, validation_prompts, 5)
    tools = Store(folder), executor or Serial(), Silent()
    return vocabulary_bias(ref, pool, targets, credits, temperature, training, *tools)


def test_one_token_replies_get_the_training_rule(ref, tiny, tmp_path):
    """A reply of one token has no other effect than its direct one: the closed form is p exp(s / strength) / Z."""
    vocabulary = tiny.model.config.vocab_size
    every = [[token] for token in range(vocabulary)]
    pool = pool_of_words([tiny.encode(text) for text in TEXTS], [every] * 3)
    worth = np.random.default_rng(1).normal(size=vocabulary)  # s / strength, the same after every prompt
    edited = edited_pool(tiny, pool, (Context(0, 3, 0), Context(1, 5, 0)), range(vocabulary))
    assert edited.tokens[0] == pool.tokens[0]
    credits = token_credits(np.array([worth, worth + 2.0]))

    found = carried(ref, pool, np.tile(worth, (3, 1)), credits, tmp_path, temperature=3.0)
    model = found.adapter.on(ref).model
    for prompt in pool.encoded:
        with model.disable_adapter():
            base = next_token(model, prompt, 3.0)
        gibbs = base * np.exp(worth) / (base @ np.exp(worth))
        assert np.abs(next_token(model, prompt, 3.0) - gibbs).sum() / 2 < 0.02  # A h is 1 within a few percent
        assert np.abs(base - gibbs).sum() / 2 > 0.1


def test_the_adapter_adds_the_bias_to_the_logits(ref, tiny, drawn, tmp_path):
    """By PEFT on the one side, by the formula with the hidden state from transformers on the other."""
    pool, _, credits = drawn
    found = carried(ref, *drawn, tmp_path)
    (direction,) = (weight[0] for name, weight in found.state.items() if "lora_A" in name)
    (bias,) = (weight[:, 0] for name, weight in found.state.items() if "lora_B" in name)
    rows = [read_block(job)["expected"] for job in jobs_of(ref, pool, credits)]
    wanted = credits + consequences(pool, [row for block in rows for row in block], len(credits))
    np.testing.assert_allclose(bias / T, wanted, atol=1e-6)

    reply, prompt = list(pool.tokens[0][0]), list(pool.encoded[0])
    with torch.no_grad():
        hidden = tiny.model(torch.tensor([[*prompt, *reply]]), output_hidden_states=True).hidden_states[-1][0]
        base = token_logits(tiny.model, prompt, reply)
        tuned = token_logits(found.adapter.on(ref).model, prompt, reply)
    strengths = (hidden.numpy() @ direction)[len(prompt) - 1 : -1]
    np.testing.assert_allclose(tuned - base, strengths[:, None] * bias, atol=1e-4)
    assert np.abs(strengths - 1.0).max() < 0.6


def jobs_of(ref, pool, credits):
    return [
        ReadJob(Block(ref, prompt, replies, (0.0,) * len(replies), T), tuple(credits))
        for prompt, replies in zip(pool.encoded, pool.tokens, strict=True)
    ]


def test_expected_credits_by_a_plain_forward_pass(ref, tiny, drawn):
    pool, _, credits = drawn
    for job in jobs_of(ref, pool, credits):
        found = read_block(job)
        for reply, row in zip(job.block.replies, found["expected"], strict=True):
            with torch.no_grad():
                logits = token_logits(tiny.model, list(job.block.prompt), list(reply))
            plain = torch.softmax(logits.double() / T, dim=-1).numpy() @ credits
            np.testing.assert_allclose(row[: len(reply)], plain, atol=1e-5)
            assert not np.any(row[len(reply) :])


def test_likely_tokens_by_a_plain_forward_pass(ref, tiny, drawn, tmp_path, monkeypatch):
    """Each position of each reply by itself; the threshold is moved so that it parts the tokens."""
    pool, _, _ = drawn
    expected = np.zeros(len(tiny.tokenizer))
    for prompt, replies in zip(pool.encoded, pool.tokens, strict=True):
        for reply in replies:
            with torch.no_grad():
                logits = token_logits(tiny.model, list(prompt), list(reply))
            expected += torch.softmax(logits.double() / T, dim=-1).sum(dim=0).numpy()[: len(expected)]
    middle = float(np.median(expected))
    monkeypatch.setattr("tuneaccord.llm.vocabulary.EXPECTED", middle)
    found = likely_tokens(ref, pool, 4, T, Store(tmp_path), Serial(), Silent())
    apart = np.abs(expected - middle) > 1e-4  # the middle one itself may fall on either side
    wanted = np.flatnonzero((expected > middle) & apart)
    assert 0 < len(wanted) < len(expected)
    assert set(wanted) <= set(found) <= set(np.flatnonzero((expected > middle) | ~apart))
    assert EXPECTED > 0


def test_consequences_by_loops(drawn):
    pool, _, credits = drawn
    draws = np.random.default_rng(9)
    expected = [
        [draws.normal() if t < len(reply) else 0.0 for t in range(4)] for row in pool.tokens for reply in row
    ]  # after the end of a reply nothing is expected
    found = consequences(pool, expected, len(credits), horizon=2, shrinkage=3.0)
    table = np.array(expected).reshape(*pool.shape, 4)
    for token in range(len(credits)):
        seen = []
        for prompt, rows in enumerate(pool.tokens):
            for reply, tokens in enumerate(rows):
                for place in [place for place, other in enumerate(tokens) if other == token]:
                    follows = [sum(table[prompt, other, place + 1 : place + 3]) for other in range(len(rows))]
                    seen.append(follows[reply] - sum(follows) / len(rows))
        assert found[token] == pytest.approx(sum(seen) / (len(seen) + 3.0), abs=1e-12)


def test_the_direction_is_the_best_ridge_fit():
    draws = np.random.default_rng(2)
    states = draws.normal(size=(40, 6)) + np.array([3.0, 0, 0, 1.0, 0, 0])
    direction = constant_direction(states, ridge=0.1)
    scale = 0.1 * (states**2).mean()  # the mean square of a number
    stacked = np.vstack([states / np.sqrt(40), np.sqrt(scale) * np.eye(6)])
    plain, *_ = np.linalg.lstsq(stacked, np.concatenate([np.ones(40) / np.sqrt(40), np.zeros(6)]), rcond=None)
    np.testing.assert_allclose(direction, plain / (states @ plain).mean(), rtol=1e-9)
    assert (states @ direction).mean() == pytest.approx(1.0)


def test_validation_prompts_set_the_factor_and_nothing_else(ref, drawn, tmp_path):
    pool, targets, credits = drawn
    whole = carried(ref, pool.first(2), targets[:2], credits, tmp_path / "a")
    half = carried(ref, pool, np.vstack([targets[:2], 0.25 * targets[2:]]), credits, tmp_path / "b", None, 1)
    assert 0.0 < half.factor < 1.0
    assert half.correlation > 0.2
    for name, weight in whole.state.items():
        wanted = weight * np.float32(half.factor) if "lora_B" in name else weight
        np.testing.assert_allclose(half.state[name], wanted, rtol=1e-6, err_msg=name)
    ratios = [plain_log_ratio(whole.adapter.on(ref).model, pool.encoded[2], list(reply)) for reply in pool.tokens[2]]
    centred, wanted = ratios - np.mean(ratios), 0.25 * (targets[2] - targets[2].mean())
    assert half.factor == pytest.approx((centred @ wanted) / (centred @ centred), abs=1e-3)
    against = carried(ref, pool, np.vstack([targets[:2], -targets[2:]]), credits, tmp_path / "c", None, 1)
    assert (against.factor, against.correlation < 0) == (0.0, True)
    with pytest.raises(InputError, match="validation_prompts is 3"):
        carried(ref, pool, targets, credits, tmp_path / "d", None, 3)


def plain_log_ratio(model, prompt, reply):
    with torch.no_grad():
        tuned = log_probability(model, prompt, reply, T)
        with model.disable_adapter():
            return float(tuned - log_probability(model, prompt, reply, T))


class Idle(Executor):
    """Fails when there is anything left to do."""

    def run(self, function, jobs):
        raise AssertionError(function)
        yield


@pytest.mark.slow
def test_workers_give_the_same_adapter_and_finished_steps_are_read_back(ref, drawn, tmp_path, workers):
    one = carried(ref, *drawn, tmp_path / "one", None, 1)
    two = carried(ref, *drawn, tmp_path / "two", workers, 1)
    again = carried(ref, *drawn, tmp_path / "one", Idle(), 1)
    assert digest_state(one.state) == digest_state(two.state) == digest_state(again.state)


def test_a_model_without_a_linear_output_layer_is_refused():
    class Odd(torch.nn.Module):
        def get_output_embeddings(self):
            return None

    with pytest.raises(ModelError, match="Odd have no linear output layer"):
        output_layer(Odd())

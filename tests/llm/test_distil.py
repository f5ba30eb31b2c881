"""Tuning: towards the training rule, in the same steps whoever computes them and however often it is stopped."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_route import LORA, log_probability, next_token, pool_of_words, random_state

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, ModelError
from tuneaccord.execution import Executor, Serial
from tuneaccord.llm import distil as distil_module
from tuneaccord.llm.adapters import Lora, attach, digest_state, initial_state, put, trainable
from tuneaccord.llm.distil import (
    Block,
    GradientJob,
    Training,
    base_log_probabilities,
    block_gradient,
    blocks_of,
    distil,
)
from tuneaccord.llm.generate import Sampling, sample
from tuneaccord.progress import Silent

T = 0.8
TEXTS = ("how do i water the plant ?", "is it good ?")


@pytest.fixture
def every_token(tiny):
    """A pool whose replies are all single tokens, so that the training rule can be written down."""
    tokens = [[token] for token in range(tiny.model.config.vocab_size)]
    return pool_of_words([tiny.encode(text) for text in TEXTS], [tokens, tokens])


@pytest.fixture
def drawn(tiny):
    """A pool as it is in practice, ten replies a prompt, with targets."""
    prompts = [tiny.encode(text) for text in TEXTS]
    replies = [sample(tiny.model, prompt, 10, Sampling(4, T), 3, tiny.stop_tokens) for prompt in prompts]
    return pool_of_words(prompts, replies), np.random.default_rng(4).normal(size=(2, 10))


def train(ref, pool, targets, folder, executor=None, **changes):
    temperature = changes.pop("temperature", T)
    settings = {
        "learning_rate": 0.01,
        "blocks_per_step": 2,
        "block": 4,
        "passes": 2,
        "validation_prompts": 0,
        "seed": 5,
        **changes,
    }
    training = Training(**settings)
    return distil(ref, pool, targets, temperature, LORA, training, Store(folder), executor or Serial(), Silent())


@pytest.mark.slow
def test_more_training_comes_nearer_to_the_closed_form(ref, tiny, every_token, tmp_path):
    """At a high temperature, where no token is rare: the objective weighs replies alike, distance by chance."""
    targets = 0.3 * np.random.default_rng(1).standard_normal(every_token.shape)
    base = np.stack([next_token(tiny.model, prompt, 3.0) for prompt in every_token.encoded])
    gibbs = base * np.exp(targets)
    gibbs /= gibbs.sum(axis=1, keepdims=True)
    model = attach(ref, LORA).model

    def compare(state):
        put(model, state)
        tuned = np.stack([next_token(model, prompt, 3.0) for prompt in every_token.encoded])
        ratio, wanted = (x - x.mean(axis=1, keepdims=True) for x in (np.log(tuned / base), targets))
        correlation = (ratio * wanted).sum() / max(np.sqrt((ratio**2).sum() * (wanted**2).sum()), 1e-12)
        return (
            np.abs(tuned - gibbs).sum(axis=1).max() / 2,
            correlation,
            ((wanted - ratio) ** 2).sum() / (wanted**2).sum(),
        )

    settings = {"block": len(targets[0]), "learning_rate": 0.02, "temperature": 3.0}
    little = train(ref, every_token, targets, tmp_path / "a", passes=6, **settings)
    much = train(ref, every_token, targets, tmp_path / "b", passes=45, **settings)
    states = (initial_state(ref, LORA), little.state, much.state)
    (start, none, all_), (nearer, some, less), (nearest, most, left) = map(compare, states)
    assert nearest < nearer < start
    assert nearest < start / 3
    assert abs(none) < 0.01 < some < most
    assert most > 0.9  # what a model of width 32 can say about 28 tokens
    assert all_ == pytest.approx(1.0, abs=1e-5) == much.residuals[0]
    assert left < 0.2 < less < 0.9
    assert much.residuals[-1] == pytest.approx(left, rel=0.05)  # the last step is short, the residual is before it


def test_the_gradient_of_a_block_is_that_of_the_variance(ref, prompt):
    replies, targets = ((6, 8), (9,), (12, 20, 1)), (0.3, -1.0, 0.5)
    block = Block(ref, tuple(prompt), replies, targets, T)
    base, state = base_log_probabilities(block), random_state(ref)
    loss, gradient = block_gradient(GradientJob(block, tuple(base), LORA, state))

    model = attach(ref, LORA).model
    put(model, state)
    model.zero_grad(set_to_none=True)
    with model.disable_adapter(), torch.no_grad():
        before = torch.stack([log_probability(model, prompt, list(reply), T) for reply in replies])
    after = torch.stack([log_probability(model, prompt, list(reply), T) for reply in replies])
    rest = torch.tensor(targets) - (after - before)
    plain = ((rest - rest.mean()) ** 2).sum() / (len(targets) - 1)
    plain.backward()
    assert loss == pytest.approx(plain.item(), rel=1e-4)
    largest = max(float(weight.grad.abs().max()) for weight in trainable(model).values())
    for name, weight in trainable(model).items():
        np.testing.assert_allclose(gradient[name], weight.grad.numpy(), rtol=1e-3, atol=1e-5 * largest)


def test_with_equal_targets_there_is_nothing_to_learn(ref, drawn, tmp_path):
    pool, _ = drawn
    block = blocks_of(ref, pool, np.full(pool.shape, 0.1), 10, T)[0]
    job = GradientJob(block, tuple(base_log_probabilities(block)), LORA, initial_state(ref, LORA))
    loss, gradient = block_gradient(job)
    assert loss == pytest.approx(0.0, abs=1e-9)
    assert max(np.abs(grad).max() for grad in gradient.values()) < 1e-4  # rounding of float32 log-probabilities
    found = train(ref, pool, np.full(pool.shape, 0.1), tmp_path)
    assert found.residuals == (0.0,) * len(found.residuals)


@pytest.mark.slow
def test_workers_compute_the_same_adapter(ref, drawn, tmp_path, workers):
    one, two = train(ref, *drawn, tmp_path / "one"), train(ref, *drawn, tmp_path / "two", workers)
    assert one.residuals == two.residuals
    assert digest_state(one.state) == digest_state(two.state)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    assert all((tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in files)


@pytest.mark.slow
def test_training_again_starts_from_a_fresh_adapter(ref, drawn, tmp_path):
    """Also in a process whose model still carries the weights of the last training."""
    assert train(ref, *drawn, tmp_path / "a").residuals == train(ref, *drawn, tmp_path / "b").residuals


class Stopping(Executor):
    """Serial, until so many jobs are done."""

    def __init__(self, jobs: int) -> None:
        self.left = jobs

    def run(self, function, jobs):
        for pair in Serial().run(function, jobs):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield pair


@pytest.mark.parametrize("jobs", [*(pytest.param(jobs, marks=pytest.mark.slow) for jobs in (0, 2, 6, 11)), 9])
def test_stopped_and_started_again(ref, drawn, tmp_path, jobs):
    whole = train(ref, *drawn, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(ref, *drawn, tmp_path / "stopped", Stopping(jobs))
    again = train(ref, *drawn, tmp_path / "stopped")
    assert again.residuals == whole.residuals
    assert digest_state(again.state) == digest_state(whole.state)


@pytest.mark.slow
def test_everything_that_matters_is_part_of_a_step(ref, drawn, tmp_path):
    pool, targets = drawn
    found = train(ref, pool, targets, tmp_path)
    changes = [{"learning_rate": 0.02}, {"block": 5}, {"seed": 6}, {"blocks_per_step": 3}, {"passes": 1}]
    others = [train(ref, pool, targets, tmp_path, **change) for change in changes]
    others.append(train(ref, pool, targets + np.eye(2, 10), tmp_path))
    assert all(digest_state(other.state) != digest_state(found.state) for other in others)


def test_every_reply_is_used_once_a_pass(ref, drawn, tmp_path):
    used = []

    class Watched(Serial):
        def run(self, function, jobs):
            used.extend(job.block for job in jobs if isinstance(job, GradientJob))
            return super().run(function, jobs)

    pool, targets = drawn
    train(ref, pool, targets, tmp_path, Watched(), passes=3)
    blocks = blocks_of(ref, pool, targets, 4, T)
    assert sorted(block.targets for block in used) == sorted(3 * [block.targets for block in blocks])


def test_numbers_that_grow_without_bound_are_told(ref, drawn, tmp_path):
    with pytest.raises(ModelError, match=r"diverged.* Lower adapter\.learning_rate"):
        train(ref, *drawn, tmp_path, learning_rate=1e25)


def test_layers_that_do_not_exist(ref):
    with pytest.raises(ModelError, match=r"an adapter on \['no_such_layer'\] does not fit"):
        attach(ref, Lora(2, 4.0, ("no_such_layer",)))


@given(prompts=st.integers(1, 3), replies=st.integers(2, 70), size=st.integers(2, 40))
def test_blocks_hold_every_reply_once_and_never_one_alone(ref, prompts, replies, size):
    rows = [[[prompt, reply] for reply in range(replies)] for prompt in range(prompts)]
    targets = np.arange(prompts * replies, dtype=float).reshape(prompts, replies)
    pool = pool_of_words([[prompt] for prompt in range(prompts)], rows)
    blocks = blocks_of(ref, pool, targets, size, T)
    assert [reply for block in blocks for reply in block.replies] == [tuple(r) for row in rows for r in row]
    assert [target for block in blocks for target in block.targets] == targets.ravel().tolist()
    assert all({reply[0] for reply in block.replies} == {block.prompt[0]} for block in blocks)
    assert min(len(block.replies) for block in blocks) >= 2
    alone = size == 2 and replies % 2 == 1
    assert max(len(block.replies) for block in blocks) <= size + alone


@pytest.mark.slow
def test_validation_prompts_only_shorten_the_adapter(ref, drawn, tmp_path):
    """They give no gradient; the adapter is multiplied by the best factor on them."""
    pool, targets = drawn
    found = train(ref, pool, targets, tmp_path / "a", validation_prompts=1, passes=4)
    alone = train(ref, pool.first(1), targets[:1], tmp_path / "b", passes=4)
    assert found.residuals == alone.residuals
    for name, weight in alone.state.items():
        factor = found.factor if "lora_B" in name else 1.0
        np.testing.assert_allclose(found.state[name], np.float32(factor) * weight, rtol=1e-6)

    model = attach(ref, LORA).model
    put(model, alone.state)
    ratios = []
    with torch.no_grad():
        for reply in pool.tokens[1]:
            after = log_probability(model, list(pool.encoded[1]), list(reply), T)
            with model.disable_adapter():
                ratios.append(float(after - log_probability(model, list(pool.encoded[1]), list(reply), T)))
    slope = np.polyfit(ratios, targets[1], 1)[0]
    assert found.factor == pytest.approx(np.clip(slope, 0, 1), abs=1e-4)
    assert found.correlation == pytest.approx(np.corrcoef(ratios, targets[1])[0, 1], abs=1e-4)


def test_a_factor_of_zero_is_the_base(ref, drawn, tmp_path):
    pool, targets = drawn
    opposed = np.stack([targets[0], -10 * targets[0]])
    same_prompt = pool_of_words([pool.encoded[0]] * 2, [pool.tokens[0]] * 2)
    found = train(ref, same_prompt, opposed, tmp_path, validation_prompts=1)
    assert (found.factor, found.correlation < -0.1) == (0.0, True)
    assert all((weight == 0).all() for name, weight in found.state.items() if "lora_B" in name)


def test_no_prompt_left_to_train_on(ref, drawn, tmp_path):
    with pytest.raises(InputError, match=r"validation_prompts is 2 but there are 2 prompts"):
        train(ref, *drawn, tmp_path, validation_prompts=2)


def test_a_layer_that_a_block_does_not_reach(ref, monkeypatch):
    unused = torch.nn.Parameter(torch.ones(2, 3))
    monkeypatch.setattr(distil_module, "trainable", lambda model: {**trainable(model), "unused": unused})
    block = Block(ref, (2, 5), ((6, 7), (8,)), (0.5, -0.5), T)
    base = tuple(base_log_probabilities(block))
    _, gradient = block_gradient(GradientJob(block, base, LORA, random_state(ref)))
    np.testing.assert_array_equal(gradient.pop("unused"), np.zeros((2, 3)))
    assert any(np.abs(grad).max() > 0 for grad in gradient.values())

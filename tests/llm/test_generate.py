"""Sampling is from the policy itself, and its probabilities are those of a plain forward pass."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plain_route import LORA, log_probability, next_token, next_tokens, random_state
from scipy.stats import chisquare

from tuneaccord.errors import ModelError
from tuneaccord.llm.adapters import attach, put, trainable
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.generate import Sampling, log_probabilities, reply_logits, sample

T = 0.8
END = 1
LEVEL = 1e-4  # of each chi-square test: the seeds are fixed, so it fails always or never

#: replies of different lengths, one that ends, one of a single token
REPLIES = [[6, 8, 9, 7], [12], [8, 8, END], [20, 21, 22, 23, 24, 25], [END]]


def chi_square(counts: np.ndarray, probabilities: np.ndarray) -> float:
    """The p-value, with cells of expected count below 5 taken together."""
    expected = counts.sum() * probabilities
    rare = expected < 5
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    return chisquare(counts, expected * counts.sum() / expected.sum()).pvalue


@pytest.mark.parametrize(("temperature", "seed"), [(0.5, 1), (1.0, 2), (2.0, 3)])
def test_one_token_replies_follow_the_softmax(tiny, prompt, temperature, seed):
    drawn = sample(tiny.model, prompt, 20_000, Sampling(1, temperature), seed, tiny.stop_tokens)
    probabilities = next_token(tiny.model, prompt, temperature)
    counts = np.bincount([reply[0] for reply in drawn], minlength=len(probabilities))
    assert chi_square(counts, probabilities) > LEVEL


def test_the_check_would_notice_a_sampler_that_cuts_the_tail(tiny, prompt):
    probabilities = next_token(tiny.model, prompt, 1.0)
    cut = np.where(probabilities >= np.sort(probabilities)[-20], probabilities, 0.0)
    counts = np.random.default_rng(4).multinomial(20_000, cut / cut.sum())
    assert chi_square(counts, probabilities) < LEVEL


@pytest.mark.slow
def test_two_token_replies_follow_the_joint_distribution(tiny, prompt):
    drawn = sample(tiny.model, prompt, 40_000, Sampling(2, T), seed=5, stop=[END])
    first = next_token(tiny.model, prompt, T)
    vocabulary = len(first)
    second = next_tokens(tiny.model, [[*prompt, token] for token in range(vocabulary)], T)
    second[END] = np.eye(vocabulary)[0]  # nothing is drawn after the end: one cell
    joint = first[:, None] * second
    counts = np.zeros_like(joint)
    for reply in drawn:
        counts[reply[0], reply[1] if len(reply) == 2 else 0] += 1
    assert chi_square(counts.ravel(), joint.ravel()) > LEVEL


def test_every_token_can_be_drawn(tiny, prompt):
    """At a high temperature no token is rare; top-k or top-p would leave some out."""
    drawn = sample(tiny.model, prompt, 5_000, Sampling(1, 50.0), 6, tiny.stop_tokens)
    assert {reply[0] for reply in drawn} == set(range(tiny.model.config.vocab_size))


def test_seeds(tiny, prompt):
    def draw(seed):
        return sample(tiny.model, prompt, 16, Sampling(5, T), seed, tiny.stop_tokens)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_replies_do_not_depend_on_how_many_are_drawn(tiny, prompt):
    """Two policies drawn with one seed are compared reply by reply, also when one has fewer replies."""
    many, few = (sample(tiny.model, prompt, count, Sampling(5, T), 1, tiny.stop_tokens) for count in (40, 7))
    assert many[:7] == few


def test_a_reply_depends_on_its_row_only(tiny, prompt):
    """So two policies can be compared reply by reply on the same random numbers, however many are drawn."""
    few, many = (sample(tiny.model, prompt, count, Sampling(6, 1.5), 3, tiny.stop_tokens) for count in (5, 40))
    assert few == many[:5]


def test_replies_stop_at_their_stop_token(tiny, prompt):
    drawn = sample(tiny.model, prompt, 500, Sampling(6, 1.5), 7, tiny.stop_tokens)
    assert tiny.stop_tokens == [END]
    assert all(END not in reply[:-1] for reply in drawn)
    assert all(len(reply) == 6 or reply[-1] == END for reply in drawn)
    assert {len(reply) for reply in drawn} == {1, 2, 3, 4, 5, 6}


def test_without_a_stop_token_every_reply_is_full_length(tiny, prompt):
    assert {len(reply) for reply in sample(tiny.model, prompt, 50, Sampling(4, T), 7, [])} == {4}


def test_the_prefix_cache_changes_nothing(tiny, prompt):
    """The same uniform numbers through full forward passes of the whole text give the same replies."""
    uniforms = np.random.default_rng(8).random((64, 5), dtype=np.float32)
    rows = [list(prompt) for _ in range(64)]
    for uniform in uniforms.T:
        cumulative = np.cumsum(next_tokens(tiny.model, rows, T), axis=1)
        drawn = (cumulative <= uniform[:, None]).sum(axis=1)
        rows = [[*row, int(token)] for row, token in zip(rows, drawn, strict=True)]
    expected = [row[len(prompt) :] for row in rows]
    assert sample(tiny.model, prompt, 64, Sampling(5, T), 8, []) == expected


def test_log_probabilities_are_those_of_a_plain_forward_pass(tiny, prompt):
    with torch.no_grad():
        found = log_probabilities(tiny.model, prompt, REPLIES, T)
        expected = torch.stack([log_probability(tiny.model, prompt, reply, T) for reply in REPLIES])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=2e-5)  # six float32 logits of size 10 are added


def test_probabilities_of_all_two_token_replies_add_up_to_one(tiny, prompt):
    vocabulary = range(tiny.model.config.vocab_size)
    replies = [[a, b] for a in vocabulary if a != END for b in vocabulary] + [[END]]
    with torch.no_grad():
        total = log_probabilities(tiny.model, prompt, replies, T).double().exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-5)


def test_padding_does_not_matter(tiny, prompt):
    with torch.no_grad():
        together = log_probabilities(tiny.model, prompt, REPLIES, T)
        alone = torch.cat([log_probabilities(tiny.model, prompt, [reply], T) for reply in REPLIES])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-5)


def test_a_prompt_of_one_token(tiny):
    with torch.no_grad():
        found = log_probabilities(tiny.model, [7], REPLIES, T)
        expected = torch.stack([log_probability(tiny.model, [7], reply, T) for reply in REPLIES])
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=2e-5)
    assert len(sample(tiny.model, [7], 3, Sampling(2, T), 1, [END])) == 3


def test_shapes(tiny, prompt):
    logits, tokens, mask = reply_logits(tiny.model, prompt, REPLIES)
    assert logits.shape == (5, 6, tiny.model.config.vocab_size)
    assert tokens.shape == mask.shape == (5, 6)
    assert mask.sum(dim=1).tolist() == [len(reply) for reply in REPLIES]


def test_the_gradient_is_that_of_the_plain_route(ref, prompt):
    model = attach(ref, LORA).model
    put(model, random_state(ref))
    weights = torch.linspace(-1, 1, len(REPLIES))

    def gradient(log_probability_of_all):
        model.zero_grad(set_to_none=True)
        (weights * log_probability_of_all).sum().backward()
        return {name: weight.grad.clone() for name, weight in trainable(model).items()}

    ours = gradient(log_probabilities(model, prompt, REPLIES, T))
    plain = gradient(torch.stack([log_probability(model, prompt, reply, T) for reply in REPLIES]))
    largest = max(float(grad.abs().max()) for grad in plain.values())
    assert largest > 0.1
    for name, grad in plain.items():
        torch.testing.assert_close(ours[name], grad, rtol=1e-4, atol=1e-5 * largest)


class Odd:
    """A model whose cache is this, or that takes no ``logits_to_keep``."""

    def __init__(self, cache):
        self.cache = cache

    def __call__(self, tokens, use_cache, **named):
        if self.cache is None:
            raise TypeError(f"unexpected {sorted(named)}")
        return SimpleNamespace(logits=torch.zeros(1, 1, 4), past_key_values=self.cache)


class Recurrent:
    """A layer as in Mamba-like models, whose cache repeats keys and values only."""

    layers = (SimpleNamespace(recurrent_states={}),)

    def batch_repeat_interleave(self, count):
        pass


@pytest.mark.parametrize("cache", [None, (), Recurrent()])
@pytest.mark.parametrize(
    "use",
    [lambda model: sample(model, [1, 2], 2, Sampling(1, 1.0), 1, []), lambda model: reply_logits(model, [1, 2], [[3]])],
)
def test_a_cache_that_cannot_be_repeated(cache, use):
    with pytest.raises(ModelError, match="type Odd cannot be used: their cache of the prompt cannot be repeated"):
        use(Odd(cache))


def test_a_recurrent_model_is_refused():
    """Mamba, as transformers has it."""
    from transformers import MambaConfig, MambaForCausalLM

    model = MambaForCausalLM(MambaConfig(vocab_size=8, hidden_size=8, state_size=2, num_hidden_layers=1))
    with quiet(), pytest.raises(ModelError, match="type MambaForCausalLM cannot be used"):
        sample(model, [1, 2], 2, Sampling(2, 1.0), 1, [])

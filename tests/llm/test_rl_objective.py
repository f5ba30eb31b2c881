"""The objective that TRL climbs, read back from its gradients on a model of three tokens, where all replies are known.

A reply has at most two tokens, so there are seven: the one that ends at once, and those of two tokens. With two replies
a prompt, every pair that could be drawn is given to TRL in turn, and its gradients are averaged with the pairs'
probabilities: that is what it does on average over many samples, without any sampling.
"""

from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

END, A, B = 0, 1, 2
REPLIES = [(END,), *((first, second) for first in (A, B) for second in (END, A, B))]
STRENGTH, TEMPERATURE = 0.4, 0.8
WEIGHTS = (3.0, 1.5)
#: each reply's rewards by the two groups
SCORES = np.random.default_rng(3).random((len(REPLIES), 2))
PROMPT = "a b"


def save_model_of_three(folder: Path) -> Path:
    """A one-layer Llama of the tokens ``<end>``, ``a`` and ``b``; it pads with the token that ends a reply."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({"<end>": END, "a": A, "b": B}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="a", eos_token="<end>", pad_token="<end>",
        chat_template="{{ messages[0]['content'] }}",
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=3, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=16, initializer_range=0.5, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=END, pad_token_id=END,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        LlamaForCausalLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    from tuneaccord.llm import hf

    return hf.find(str(save_model_of_three(tmp_path_factory.mktemp("three"))), Path("."), "float32", device="cpu")


@pytest.fixture(scope="module")
def adapter(three):
    """An adapter that is far from the base."""
    from tuneaccord.llm.adapters import Adapter, Lora, initial_state

    lora = Lora(2, 4.0, "all-linear", 1)
    draws = np.random.default_rng(5)
    fresh = initial_state(three, lora)
    return Adapter(lora, {name: (w + 0.3 * draws.normal(size=w.shape)).astype(np.float32) for name, w in fresh.items()})


@pytest.fixture(scope="module")
def exact(three, adapter):
    """Log-probabilities of all tokens of all replies with gradients, and of the base: a forward of each whole text."""
    import torch

    model = adapter.on(three)
    prompt = model.encode(PROMPT)

    def token_logs():
        logs = []
        for reply in REPLIES:
            logits = model.model(torch.tensor([prompt + list(reply)])).logits[0, len(prompt) - 1 : -1] / TEMPERATURE
            logs.append(torch.log_softmax(logits, dim=-1)[range(len(reply)), list(reply)])
        return logs

    with torch.no_grad(), model.model.disable_adapter():
        base = token_logs()
    return model.model, token_logs(), base


def gradient_of(model, value) -> dict[str, np.ndarray]:
    from tuneaccord.llm.adapters import trainable

    model.zero_grad(set_to_none=True)
    value.backward(retain_graph=True)
    return {name: weight.grad.numpy().copy() for name, weight in trainable(model).items()}


def probabilities(exact) -> np.ndarray:
    return np.array([float(tokens.sum().exp().detach()) for tokens in exact[1]])


def gradient_of_rule(exact) -> dict[str, np.ndarray]:
    """The gradient of ``E[sum_i w_i r_i] - strength * KL`` by its definition, over all replies."""
    model, logs, base = exact
    total = 0.0
    for tokens, before, scores in zip(logs, base, SCORES, strict=True):
        log = tokens.sum()
        total = total + log.exp() * (float(scores @ WEIGHTS) - STRENGTH * (log - before.sum()))
    return gradient_of(model, total)


def update_of(three, adapter, rows: list[list[int]], algorithm="rloo", weights=WEIGHTS, extra=None):
    """A step on groups of replies to the same prompt; each row holds the numbers of a group's replies."""
    from tuneaccord.llm.hf import load
    from tuneaccord.llm.trl_settings import Rule
    from tuneaccord.llm.trl_step import Update, archived

    zeros = {name: np.zeros_like(weight) for name, weight in adapter.state.items()}
    return Update(
        three, adapter.lora, archived(adapter.state, zeros, zeros), (PROMPT,) * len(rows),
        (tuple(load(three).encode(PROMPT)),) * len(rows), tuple(tuple(REPLIES[one] for one in row) for row in rows),
        np.array([SCORES[row] for row in rows]), Rule(weights, STRENGTH, TEMPERATURE, 2), algorithm, 0.01, 64,
        extra or {},
    )  # fmt: skip


def step_of(update) -> dict[str, np.ndarray]:
    """The direction TRL climbs: minus the gradient of its loss, which is a tenth of Adam's first moment."""
    from tuneaccord.llm.trl_step import part, run_update

    return {name: -moment / np.float32(0.1) for name, moment in part(run_update(update), "first").items()}


def mean_step(three, adapter, exact, **options) -> dict[str, np.ndarray]:
    """The expected step with two replies a prompt, over all pairs that can be drawn."""
    chance = probabilities(exact)
    assert chance.sum() == pytest.approx(1.0, abs=1e-5)
    total = {name: np.zeros_like(weight) for name, weight in adapter.state.items()}
    for first, second in combinations_with_replacement(range(len(REPLIES)), 2):
        share = chance[first] * chance[second] * (1 if first == second else 2)
        step = step_of(update_of(three, adapter, [[first, second]], **options))
        total = {name: total[name] + share * step[name] for name in total}
    return total


def distance(ours: dict, theirs: dict) -> float:
    """Relative to ``theirs``, over all weights."""
    apart = sum(float(((ours[name] - theirs[name]) ** 2).sum()) for name in theirs)
    return (apart / sum(float((one**2).sum()) for one in theirs.values())) ** 0.5


@pytest.fixture
def unchecked(monkeypatch):
    """Settings that the check refuses reach TRL all the same."""
    from tuneaccord.llm import trl_settings

    monkeypatch.setattr(trl_settings, "check_extra", lambda *_: None)
    monkeypatch.setattr(trl_settings, "check_objective", lambda *_: None)


def test_the_expected_step_is_the_gradient_of_the_training_rule(three, adapter, exact):
    # float32 sums in another order; measured 4e-7
    assert distance(mean_step(three, adapter, exact), gradient_of_rule(exact)) < 1e-5


def test_normalised_advantages_would_climb_something_else(three, adapter, exact, unchecked):
    scaled = mean_step(three, adapter, exact, extra={"normalize_advantages": True})
    assert distance(scaled, gradient_of_rule(exact)) > 0.2


def test_grpo_climbs_what_its_page_says_it_climbs(three, adapter, exact):
    model, logs, base = exact
    total = 0.0
    for tokens, before, scores in zip(logs, base, SCORES, strict=True):
        chance = tokens.sum().exp()
        by_position = (tokens.exp() / tokens.detach().exp() * (tokens - before).detach()).sum()
        total = total + chance * float(scores @ WEIGHTS) / 2 - STRENGTH * chance.detach() * by_position
    expected = gradient_of(model, total / 2)  # two replies a prompt; two new tokens
    assert distance(mean_step(three, adapter, exact, algorithm="grpo"), expected) < 1e-5


def test_rewards_scaled_by_the_group_would_not(three, adapter, exact, unchecked):
    """The same replies with all sizes doubled: the part of the rewards must double, and does not."""
    pairs = [[0, 3], [1, 2], [4, 6]]
    for scaling, doubles in (("none", True), ("group", False)):
        free = {"beta": 0.0, "scale_rewards": scaling}
        one = step_of(update_of(three, adapter, pairs, "grpo", extra=free))
        double = step_of(
            update_of(three, adapter, pairs, "grpo", weights=tuple(2 * weight for weight in WEIGHTS),
                      extra={**free, "reward_weights": [2 * weight for weight in WEIGHTS]})
        )  # fmt: skip
        twice = {name: 2 * step for name, step in one.items()}
        assert (distance(double, twice) < 1e-4) == doubles, scaling
        if not doubles:
            assert distance(double, one) < 1e-3  # sizes and strength mean nothing any more


def test_the_mean_over_sampled_replies_agrees_within_its_standard_error(three, adapter, exact):
    """Replies drawn by our sampler, four to a prompt; compared along the gradient and four random directions."""
    from tuneaccord.llm.generate import Sampling, sample
    from tuneaccord.llm.hf import load

    model = load(three)
    number = {reply: index for index, reply in enumerate(REPLIES)}
    expected = gradient_of_rule(exact)
    draws = np.random.default_rng(0)
    directions = [expected, *({k: draws.normal(size=g.shape) for k, g in expected.items()} for _ in range(4))]
    means = []
    for seed in range(12):
        replies = sample(exact[0], model.encode(PROMPT), 256, Sampling(2, TEMPERATURE), seed, model.stop_tokens)
        rows = np.array([number[tuple(reply)] for reply in replies]).reshape(-1, 4).tolist()
        step = step_of(update_of(three, adapter, rows))
        means.append([sum(float((step[k] * along[k]).sum()) for k in step) for along in directions])
    wanted = np.array([sum(float((expected[k] * along[k]).sum()) for k in expected) for along in directions])
    error = np.std(means, axis=0, ddof=1) / np.sqrt(len(means))
    assert error[0] < 0.2 * abs(wanted[0])  # precise enough to tell
    assert np.all(np.abs(np.mean(means, axis=0) - wanted) < 4.5 * error)  # t with 11 degrees of freedom, five tests


def test_a_batch_cut_into_blocks_takes_the_same_step(three, adapter):
    from dataclasses import replace

    whole = update_of(three, adapter, [[0, 3], [1, 2], [4, 6], [5, 5]])
    assert distance(step_of(replace(whole, block=3)), step_of(whole)) < 1e-5  # rounding of sums in another order

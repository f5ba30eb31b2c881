"""Our attention is that of the formula, and that of transformers, for the kinds of model there are."""

import numpy as np
import pytest
import torch

from tuneaccord.llm import attention, hf
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.generate import log_probabilities

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 30}
GATED = {"intermediate_size": 40, "num_key_value_heads": 2}


def by_the_formula(query, key, value, mask, scaling):
    """One text, head and position after the other, in float64; query head h uses key head h // group."""
    query, key, value = (tensor.double().numpy() for tensor in (query, key, value))
    texts, heads, positions, _ = query.shape
    found = np.zeros((texts, positions, heads, value.shape[-1]))
    for text, head, position in np.ndindex(texts, heads, positions):
        shared = head // (heads // key.shape[1])
        looked_at = [at for at in range(key.shape[2]) if mask is None or mask[text % len(mask), 0, position, at]]
        weights = np.exp([scaling * query[text, head, position] @ key[text, shared, at] for at in looked_at])
        found[text, position, head] = weights @ value[text, shared, looked_at] / weights.sum()
    return found


@pytest.mark.parametrize("masks", [None, 1, 3])
@pytest.mark.parametrize(("heads", "shared"), [(6, 2), (4, 4), (4, 1)])
def test_the_formula(heads, shared, masks):
    generator = torch.Generator().manual_seed(heads + shared)
    positions = 1 if masks is None else 4

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    query, key, value = draw(3, heads, positions, 5), draw(3, shared, 7, 5), draw(3, shared, 7, 5)
    mask = None if masks is None else draw(masks, 1, positions, 7) > -0.5
    found, _ = attention.short_attention(None, query, key, value, mask, scaling=0.3)
    expected = by_the_formula(query, key, value, mask, 0.3)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)  # float32


def models():
    from transformers import Gemma3TextConfig, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config

    return {
        "llama": LlamaConfig(**SIZES, **GATED),
        "qwen2": Qwen2Config(**SIZES, **GATED),
        "gemma3, sliding": Gemma3TextConfig(**SIZES, **GATED, head_dim=8, sliding_window=6),
        "mistral, sliding": MistralConfig(**SIZES, **GATED, sliding_window=5),
        "gpt2": GPT2Config(vocab_size=30, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama", "qwen2", "gemma3, sliding", "mistral, sliding", "gpt2"])
def test_the_models_of_transformers(name, monkeypatch):
    from transformers import AutoModelForCausalLM

    asked = []
    ours = attention._is_plain
    monkeypatch.setattr(attention, "_is_plain", lambda *given: asked.append(ours(*given)) or asked[-1])
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(models()[name]).eval()
        for weight in model.parameters():
            weight.data.normal_(std=0.3) if weight.dim() > 1 else None
    prompt, replies = list(range(1, 9)), [[3, 4, 5, 6], [9], [8, 7, 6, 5, 4, 3]]
    found = []
    for implementation in ("eager", attention.register()):
        model.set_attn_implementation(implementation)
        with torch.no_grad():
            found.append(log_probabilities(model, prompt, replies, 0.8))
    assert any(asked)
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=2e-5)


def test_the_gradient():
    generator = torch.Generator().manual_seed(5)
    shapes = (2, 6, 3, 4), (2, 2, 5, 4), (2, 2, 5, 4)
    given = [torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    mask = torch.ones(1, 1, 3, 5, dtype=torch.bool).tril(2)

    def through(query, key, value):
        return attention.short_attention(None, query, key, value, mask)[0]

    # scores are float32 inside: differences of 1e-3 resolve the slope to about 1e-3
    assert torch.autograd.gradcheck(through, given, eps=1e-3, atol=1e-2, nondet_tol=1e-6)


def test_loaded_models_use_it(tiny, ref):
    assert tiny.model.config._attn_implementation == attention.NAME
    assert hf.load(ref) is tiny


def test_what_is_out_of_the_ordinary_goes_to_sdpa():
    query, key = torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4)
    mask = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    plain = attention._is_plain
    assert plain(query, key, key, mask, 0.0, {"sliding_window": 4})
    assert not plain(query, key, key, None, 0.0, {})  # several positions without a mask: causal
    assert not plain(query, key, key, mask, 0.1, {})
    assert not plain(query, key, key, mask.float(), 0.0, {})
    assert not plain(query, key, key, mask, 0.0, {"softcap": 30.0})
    assert not plain(query.to("meta"), key, key, mask, 0.0, {})
    long = torch.zeros(1, 2, 1024, 4)
    assert not plain(long, long, long, mask, 0.0, {})
    causal, _ = attention.short_attention(
        torch.nn.Module(), query + 1, key + 1, torch.arange(24.0).view(1, 2, 3, 4), None
    )
    assert causal[0, 0, 0].tolist() == [0.0, 1.0, 2.0, 3.0]  # the first position sees only itself

"""Which processor a model runs on. No GPU is needed: tensors of another device show where each is made."""

from copy import deepcopy

import pytest
import torch

from tuneaccord.errors import ModelError
from tuneaccord.llm import backend, hf
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.generate import Sampling, _sample, log_probabilities, reply_logits
from tuneaccord.llm.hf import ModelRef

GPU = torch.device("cuda", 0)


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that PyTorch finds two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)


def test_choosing(gpus, monkeypatch):
    assert backend.choose_device() == "cuda"
    assert backend.choose_device("cpu") == "cpu"
    assert backend.devices("cuda") == 2
    assert backend.devices("cpu") == 0
    assert backend.native_bfloat16("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert backend.choose_device("auto") == "cpu"
    with pytest.raises(ModelError, match=r"finds no cuda device here \(it finds: cpu\). Use device: auto"):
        backend.choose_device("cuda")
    with pytest.raises(ModelError, match=r"unknown device 'gpu'. Choose auto, cuda, mps, cpu"):
        backend.choose_device("gpu")


def test_workers_take_gpus_in_turn(gpus, monkeypatch):
    assert backend.place("cpu") == torch.device("cpu")
    monkeypatch.delenv(backend.WORKER, raising=False)
    assert backend.place("cuda") == GPU
    for worker, index in enumerate((0, 1, 0)):
        monkeypatch.setenv(backend.WORKER, str(worker))
        assert backend.place("cuda") == torch.device("cuda", index)


def test_results_depend_on_the_kind_of_processor():
    on_cpu = ModelRef("m", "/here", "sha256:0", "bfloat16")
    on_gpu = ModelRef("m", "/there", "sha256:0", "bfloat16", device="cuda")
    assert "device" not in on_cpu.identity()
    assert on_gpu.identity() == {**on_cpu.identity(), "device": "cuda"}


def test_found_on_the_gpu(tiny_model, gpus):
    found = hf.find(str(tiny_model), tiny_model)
    assert (found.device, found.dtype) == ("cuda", "bfloat16")
    assert hf.find(str(tiny_model), tiny_model, device="cpu").device == "cpu"


ELSEWHERE = torch.device("meta")


@pytest.fixture
def elsewhere(tiny, monkeypatch):
    """The tiny model on PyTorch's device without memory, whose tensors cannot be read."""
    from transformers import AutoModelForCausalLM

    with ELSEWHERE, quiet():
        model = AutoModelForCausalLM.from_config(deepcopy(tiny.model.config), attn_implementation="sdpa").eval()
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: tensor)
    return model


def test_scores_and_gradients_are_made_where_the_model_is(elsewhere):
    replies = [[5, 6, 7], [8], [9, 10]]
    logits, tokens, mask = reply_logits(elsewhere, [3, 4, 5], replies)
    assert {logits.device, tokens.device, mask.device} == {ELSEWHERE}
    found = log_probabilities(elsewhere, [3, 4, 5], replies, 0.7)
    assert (found.device, found.shape) == (ELSEWHERE, (3,))
    found.sum().backward()
    assert {weight.grad.device for weight in elsewhere.parameters()} == {ELSEWHERE}


def test_replies_are_drawn_where_the_model_is(elsewhere, monkeypatch):
    """Up to the tokens, which these tensors do not have."""
    drawn = []
    monkeypatch.setattr(torch, "stack", lambda tokens, dim: drawn.extend(tokens) or torch.zeros(0))
    with torch.no_grad():
        _sample(elsewhere, [[3, 4], [5, 6]], [0, 0, 1], Sampling(3, 0.7), torch.rand(3, 3), [])
    assert [(tokens.device, tokens.shape) for tokens in drawn] == [(ELSEWHERE, (3,))] * 3

"""Out of memory, a batch halves itself: the same results up to rounding, and a line that says so."""

import gc
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import torch
from plain_route import LORA, random_state

from tuneaccord.errors import ModelError
from tuneaccord.execution import Serial
from tuneaccord.llm import memory
from tuneaccord.llm.adapters import Adapter, attach, put, trainable
from tuneaccord.llm.distil import Block, GradientJob, block_gradient
from tuneaccord.llm.generate import Sampling, backward, log_probabilities, sample
from tuneaccord.llm.measure import reply_divergence

T = 0.8
HOW = Sampling(5, T)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(memory, "_fitted", {})
    gc.freeze()  # each halving collects garbage, and need not look through all modules for it


@pytest.fixture
def small():
    """Makes a model raise what is out-of-memory on some device for batches above a size."""
    hooks = []

    def limit(model, size, error=lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")):
        def check(module, inputs, output):
            if len(inputs[0]) > size:
                raise error()

        hooks.append(model.get_input_embeddings().register_forward_hook(check))

    yield limit
    for hook in hooks:
        hook.remove()


@pytest.fixture
def replies(tiny, prompt):
    return sample(tiny.model, prompt, 11, HOW, 3, tiny.stop_tokens)


def no_room():
    return RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried")


@pytest.mark.parametrize(("size", "error"), [(1, no_room), (3, MemoryError), (10, no_room), (10, MemoryError)])
def test_sampling(tiny, prompt, replies, small, size, error):
    small(tiny.model, size, error)
    assert sample(tiny.model, prompt, 11, HOW, 3, tiny.stop_tokens) == replies
    assert memory._fitted["sampling"] <= size


def test_scoring_and_measuring(ref, tiny, prompt, replies, small):
    model = Adapter(LORA, random_state(ref)).on(ref).model
    with torch.inference_mode():
        whole = log_probabilities(model, prompt, replies, T), reply_divergence(model, prompt, replies, T)
        small(model, 4)
        parts = log_probabilities(model, prompt, replies, T), reply_divergence(model, prompt, replies, T)
    assert memory._fitted == {"scoring": 3, "measuring": 3}
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)  # float32, sums of five terms of size 10


def test_training(ref, prompt, replies, small):
    model = attach(ref, LORA).model
    put(model, random_state(ref))
    targets = torch.linspace(-1, 1, len(replies))

    def gradient():
        loss = backward(model, prompt, replies, T, lambda found: torch.var(targets - found))
        return loss, {name: weight.grad.clone() for name, weight in trainable(model).items()}

    loss, whole = gradient()
    small(model, 4)
    pieces_loss, pieces = gradient()
    assert memory._fitted == {"training on": 3}
    assert pieces_loss == pytest.approx(loss, rel=1e-5)
    largest = max(float(grad.abs().max()) for grad in whole.values())
    assert largest > 0.1
    for name, grad in whole.items():
        torch.testing.assert_close(pieces[name], grad, rtol=1e-4, atol=1e-5 * largest)


def test_it_says_so_once_and_remembers(ref, tiny, prompt, replies, small):
    block = Block(ref, tuple(prompt), tuple(map(tuple, replies)), tuple(np.linspace(0, 1, len(replies))), T)
    job = GradientJob(block, (0.0,) * len(replies), LORA, random_state(ref))
    small(attach(ref, LORA).model, 6)
    notes, executor = [], Serial()
    executor.note = notes.append
    executor.map(block_gradient, [job, job, job])
    assert notes == ["not enough memory for training on 11 replies at a time; going on with 6 at a time"]


def test_one_reply_is_too_much(tiny, prompt, small):
    small(tiny.model, 0)
    with pytest.raises(ModelError, match=r"out of memory while sampling, with a single reply at a time\. Use fewer"):
        sample(tiny.model, prompt, 4, HOW, 3, tiny.stop_tokens)


def test_other_errors_are_not_taken_for_it(tiny, prompt, small):
    small(tiny.model, 0, lambda: RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        sample(tiny.model, prompt, 4, HOW, 3, tiny.stop_tokens)


LIMITED = """
import resource, sys
import torch
from pathlib import Path
from tuneaccord.execution import Serial
from tuneaccord.llm import hf, memory
from tuneaccord.llm.generate import Sampling, sample

model = hf.load(hf.find(sys.argv[1], Path("."), "float32"))
draw = lambda: sample(model.model, [5, 6, 7], 20000, Sampling(20, 1.0), 1, [])
free = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (free + (96 << 20),) * 2)
drawn = draw()
print(len(drawn), memory._fitted.get("sampling"))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS") or sys.platform != "linux", reason="needs /proc and RLIMIT_AS")
def test_a_process_that_may_not_have_more(tiny_model):
    """20,000 replies need far more than 96 MB."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # each thread reserves memory of its own
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, tiny_model], capture_output=True, text=True, check=False, timeout=600, env=alone
    )
    assert run.returncode == 0, run.stderr[-2000:]
    drawn, size = run.stdout.split()
    assert int(drawn) == 20_000
    assert int(size) < 20_000

"""How fast replies are sampled and trained on, beside transformers, TRL and what the processor can do.

    python benchmarks/llm.py [--quick] [--model NAME] [--device auto] [--out FOLDER]

One process, one thread on a CPU. Routes take turns on the same work, and each is given the fastest of its turns, so
that a busy machine hurts all of them alike; the unit is tokens of replies a second of processor time (of the clock on a
GPU). The limit is what the model's own matrix products alone would take at the same number of rows, in the same run.
Nothing is checked here: that the routes compute the same is what the tests are for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from tuneaccord.files import write_atomically
from tuneaccord.llm import embedded, hf
from tuneaccord.llm.adapters import Lora, attach, initial_state
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.distil import Block, GradientJob, base_log_probabilities, block_gradient
from tuneaccord.llm.generate import Sampling, sample, sample_each

PROMPTS = ["How do I water a cactus in a hot summer?", "How do I remove a red wine stain from wool?"]
HOW = Sampling(32, 0.7)


def clock(device: str) -> float:
    """Seconds: of this process on a CPU, of the wall on other devices once they are done."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize() if device == "cuda" else torch.mps.synchronize()
    return time.perf_counter()


def fastest(routes: dict, turns: int, device: str) -> dict[str, float]:
    """Seconds of the fastest turn of each route, after one that is not counted."""
    best = dict.fromkeys(routes, float("inf"))
    for turn in range(turns + 1):
        for name, route in routes.items():
            start = clock(device)
            route()
            if turn:
                best[name] = min(best[name], clock(device) - start)
    return best


def matrix_peak(device: str, dtype) -> float:
    """GFLOP/s of the product of two square matrices, best of ten."""
    one = torch.randn(2048, 2048, device=device).to(dtype)
    return 2 * 2048**3 / fastest({"product": lambda: one @ one}, 10, device)["product"] / 1e9


def linear_layers(model) -> list:
    """Weights of all products of one forward pass, in order."""
    return [layer.weight for layer in model.modules() if isinstance(layer, torch.nn.Linear)]


def products(weights: list, rows: int):
    """The matrix products of ``rows`` positions, and nothing else."""
    inputs = {w.shape[1]: torch.randn(rows, w.shape[1], device=w.device).to(w.dtype) for w in weights}

    def route():
        with torch.inference_mode():
            for weight in weights:
                torch.nn.functional.linear(inputs[weight.shape[1]], weight)

    return route


def sampling_rows(language_model, plain, rows: int, turns: int) -> list[dict]:
    """Ours, transformers' and the limit at so many replies to one prompt; and to two prompts in one batch."""
    device = language_model.ref.device
    prompt, other = (language_model.encode(text) for text in PROMPTS)
    length = min(len(prompt), len(other))
    given = torch.tensor([prompt], device=plain.device)
    settings = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": HOW.temperature, "pad_token_id": 0}

    def transformers_own():
        with torch.inference_mode(), quiet():
            plain.generate(
                given, attention_mask=torch.ones_like(given), max_new_tokens=HOW.new_tokens,
                min_new_tokens=HOW.new_tokens, num_return_sequences=rows, **settings,
            )  # fmt: skip

    one_pass = products(linear_layers(language_model.model), rows)
    seconds = fastest(
        {
            "tuneaccord": lambda: sample(language_model.model, prompt, rows, HOW, 1, []),
            "tuneaccord, two prompts a batch": lambda: sample_each(
                language_model.model, [prompt[-length:], other[-length:]], rows // 2, HOW, [1, 2], []
            ),
            "transformers generate": transformers_own,
            "matrix products alone": lambda: [one_pass() for _ in range(HOW.new_tokens)],
        },
        turns,
        device,
    )
    return described("sampling", rows, rows * HOW.new_tokens, seconds)


def training_rows(language_model, rows: int, turns: int) -> list[dict]:
    """Loss and gradient of a LoRA of rank 2 on so many replies to one prompt: ours, and as TRL's trainers do it."""
    ref = language_model.ref
    prompt = language_model.encode(PROMPTS[0])
    replies = sample(language_model.model, prompt, rows, HOW, 1, [])
    lora = Lora(2, 4.0)
    targets = tuple(float(number % 5) for number in range(rows))
    block = Block(ref, tuple(prompt), tuple(map(tuple, replies)), targets, HOW.temperature)
    job = GradientJob(block, tuple(base_log_probabilities(block)), lora, initial_state(ref, lora))
    model = attach(ref, lora).model
    tokens = torch.tensor([prompt + reply for reply in replies], device=model.device)
    base, wanted = torch.tensor(job.base), torch.tensor(targets)
    ours = model.config._attn_implementation

    def as_trl():
        from trl.trainer.utils import selective_log_softmax

        model.set_attn_implementation("sdpa")
        logits = model(tokens, logits_to_keep=HOW.new_tokens + 1, use_cache=False).logits[:, :-1]
        chosen = selective_log_softmax(logits / HOW.temperature, tokens[:, -HOW.new_tokens :]).sum(dim=1).cpu()
        model.zero_grad(set_to_none=True)
        torch.var(wanted - (chosen - base)).backward()
        model.set_attn_implementation(ours)

    forward = products(linear_layers(language_model.model), rows * HOW.new_tokens)
    routes = {"tuneaccord": lambda: block_gradient(job), "TRL's way": as_trl}
    # once forward and once back to the inputs; the products with the small LoRA matrices are not counted
    routes["matrix products alone"] = lambda: (forward(), forward())
    try:
        import trl.trainer.utils  # noqa: F401
    except ImportError:
        del routes["TRL's way"]
    return described("training", rows, rows * HOW.new_tokens, fastest(routes, turns, ref.device))


def described(work: str, rows: int, tokens: int, seconds: dict[str, float]) -> list[dict]:
    """Tokens a second, and as a multiple of ours."""
    return [
        {
            "work": work, "rows": rows, "route": name, "tokens_per_second": round(tokens / each, 1),
            "to_ours": round(seconds["tuneaccord"] / each, 3),
        }
        for name, each in seconds.items()
    ]  # fmt: skip


def table(found: dict) -> str:
    """Markdown."""
    lines = ["| work | replies a batch | route | tokens/s | to ours |", "|---|---|---|---|---|"]
    lines += [
        f"| {row['work']} | {row['rows']} | {row['route']} | {row['tokens_per_second']:g} | {row['to_ours']:.2f} |"
        for row in found["rows"]
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="one batch size, two turns: about a minute")
    arguments.add_argument("--model", default=embedded.NAME)
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--out", type=Path, default=None)
    given = arguments.parse_args()
    ref = hf.find(given.model, Path("."), "auto", device=given.device)
    language_model = hf.load(ref)
    with quiet():
        from transformers import AutoModelForCausalLM

        plain = AutoModelForCausalLM.from_pretrained(ref.folder, dtype=language_model.model.dtype)
    plain = plain.to(language_model.model.device).eval()
    turns = 2 if given.quick else 5
    found = {
        "model": ref.name, "dtype": ref.dtype, "device": ref.device,
        "machine": platform.processor() or platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "matrix_peak_gflops": round(matrix_peak(ref.device, language_model.model.dtype), 1),
        "rows": [],
    }  # fmt: skip
    for rows in (40,) if given.quick else (16, 40, 128):
        found["rows"] += sampling_rows(language_model, plain, rows, turns)
    for rows in (16,) if given.quick else (16, 32):
        found["rows"] += training_rows(language_model, rows, turns)
    print(f"{found['model']}, {found['dtype']}, {found['device']}; load {found['load']}")
    print(f"matrix peak {found['matrix_peak_gflops']} GFLOP/s\n")
    print(table(found))
    if given.out:
        write_atomically(given.out / "llm.json", json.dumps(found, indent=2) + "\n")
        write_atomically(given.out / "llm.md", table(found))


if __name__ == "__main__":
    sys.exit(main())

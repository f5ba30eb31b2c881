"""Measure what better performance costs: fine-tune the default language model and score it on held-out text.

Each run trains a LoRA adapter on windows of text, either of one domain (a specialist) or of all of them (the
generalist), and writes down, at a few amounts of training, the held-out loss in nats a token. Runs with a ``start``
adapt a generalist's model that has had that many tokens: they show whether a specialist's cost depends on its own
improvement alone, as the fine-tuning game takes it to.

    python measure.py [runs.csv]

takes a quarter of an hour on one core. Stopped at any moment, the same command continues after the last finished run.
``tokens`` and ``teraflop`` (10^12 operations, counted by torch; scoring is not counted) are the same on every machine;
``seconds`` are processor seconds on the machine that ran it. Training is at a constant rate, so that every amount is a
point of one run. The rate is the larger of two that were tried for a few steps.
"""

from __future__ import annotations

import csv
import io
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from texts import DOMAINS, documents

from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.files import write_atomically
from tuneaccord.llm.adapters import Lora, attach, initial_state, put, trainable
from tuneaccord.llm.backend import torch
from tuneaccord.llm.embedded import NAME
from tuneaccord.llm.hf import find, load

LORA = Lora(rank=8, alpha=16.0)
RATE = 2e-3
WINDOW, BATCH = 256, 2  #: tokens a window, windows a step
TOKENS = WINDOW * BATCH
AMOUNTS = (1, 2, 3, 4, 6, 8, 12, 16, 24)  #: steps after which the model is scored
HELD_OUT = 10  #: windows of held-out text a domain
COLUMNS = ("party", "domain", "run", "start", "tokens", "teraflop", "seconds", "loss")


@dataclass(frozen=True)
class Run:
    """``party`` trains (the generalist on all domains); ``start`` is the steps that a generalist took before."""

    party: str
    seed: int
    start: int = 0

    @property
    def name(self) -> str:
        return f"{self.party} {self.seed}" + (f" after {self.start * TOKENS} tokens" if self.start else "")

    @property
    def scored(self) -> tuple[str, ...]:
        return DOMAINS if self.party == "generalist" else (self.party,)


RUNS = [Run(party, seed) for seed in range(3) for party in ("generalist", *DOMAINS)]
RUNS += [Run(party, 0, start=8) for party in DOMAINS]


class Laboratory:
    """The model, an adapter on it, and the windows of text of each domain."""

    def __init__(self) -> None:
        self.ref = find(NAME, Path.cwd())
        tokenizer = load(self.ref).tokenizer
        self.training, self.held_out = {}, {}
        for domain in DOMAINS:
            self.training[domain], held_out = (_windows(texts, tokenizer) for texts in documents(domain))
            picked = np.random.default_rng(0).permutation(len(held_out))[:HELD_OUT]
            self.held_out[domain] = torch.from_numpy(held_out[picked])
        self.model = attach(self.ref, LORA).model
        self.cost = self._count()

    def measure(self, run: Run) -> list[tuple]:
        """The rows of one run, from no training on."""
        put(self.model, initial_state(self.ref, LORA))
        optimiser = torch.optim.Adam(trainable(self.model).values(), lr=RATE)
        for windows in self._batches("generalist", run.seed, run.start):
            self._step(optimiser, windows)
        rows, seconds = [self._row(run, domain, 0, 0.0) for domain in run.scored], 0.0
        for number, windows in enumerate(self._batches(run.party, 1000 + run.seed, AMOUNTS[-1]), start=1):
            before = time.process_time()
            self._step(optimiser, windows)
            seconds += time.process_time() - before
            if number in AMOUNTS:
                rows += [self._row(run, domain, number, seconds) for domain in run.scored]
        return rows

    def _batches(self, party: str, seed: int, steps: int):
        """A new draw of windows for each step; of every domain for the generalist."""
        domains = DOMAINS if party == "generalist" else (party,)
        draws = np.random.default_rng([seed, len(party)])
        order = {domain: draws.permutation(len(self.training[domain])) for domain in domains}
        each = BATCH // len(domains)
        for step in range(steps):
            rows = slice(step * each, (step + 1) * each)
            yield torch.from_numpy(np.concatenate([self.training[name][order[name][rows]] for name in domains]))

    def _step(self, optimiser, windows) -> None:
        optimiser.zero_grad()
        self.model(input_ids=windows, labels=windows).loss.backward()
        optimiser.step()

    def _row(self, run: Run, domain: str, steps: int, seconds: float) -> tuple:
        spent = (steps * TOKENS, f"{steps * self.cost:.4f}", f"{seconds:.2f}")
        return run.party, domain, run.seed, run.start * TOKENS, *spent, f"{self._loss(domain):.5f}"

    def _loss(self, domain: str) -> float:
        with torch.inference_mode():
            losses = [self.model(input_ids=part, labels=part).loss for part in self.held_out[domain].split(5)]
        return float(np.mean([float(loss) for loss in losses]))

    def _count(self) -> float:
        """Operations of one step, forward and backward, in units of 10^12."""
        from torch.utils.flop_counter import FlopCounterMode

        windows = torch.from_numpy(self.training[DOMAINS[0]][:BATCH])
        with FlopCounterMode(display=False) as counter:
            self.model(input_ids=windows, labels=windows).loss.backward()
        return counter.get_total_flops() / 1e12


def _windows(texts: list[str], tokenizer) -> np.ndarray:
    """The documents one after the other, cut into windows: shape (windows, WINDOW)."""
    tokens: list[int] = []
    for text in texts:
        tokens += [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    count = len(tokens) // WINDOW
    return np.array(tokens[: count * WINDOW], dtype=np.int64).reshape(count, WINDOW)


def _known(path: Path) -> list[tuple]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file)]


def _write(path: Path, rows: list[tuple]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def main(path: Path) -> None:
    rows = _known(path)
    finished = {(row[0], int(row[2]), int(row[3])) for row in rows}
    left = [run for run in RUNS if (run.party, run.seed, run.start * TOKENS) not in finished]
    progress = TerminalProgress()
    if not left:
        progress.note(f"{path} has all {len(RUNS)} runs")
        return
    laboratory = Laboratory()
    with progress.task("measuring", len(RUNS), len(RUNS) - len(left)) as advance:
        for run in left:
            rows += laboratory.measure(run)
            _write(path, rows)
            advance()
            progress.note(f"{run.name}: done, {len(rows)} rows in {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs.csv"))

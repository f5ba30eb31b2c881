"""Reinforcement learning from the groups' rewards: fresh replies of the adapter, scored, and a step of TRL's trainer.

The objective is the training rule's own, ``E[sum_i w_i r_i] - strength * KL(policy || base)``; the settings under
which TRL climbs it are in ``tuneaccord.llm.trl_settings``. Differences from the usual ways: rewards are neither scaled
nor normalised, because sizes and intensities are what is paid for; replies are drawn and scored by the code that draws
and scores the pool; every optimiser step is stored, so a stopped run continues with the next one.

A run without a group never sees that group's reward, and draws its replies with the same random numbers as the run
with everybody: what differs between the two is the group, and less of it is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from tuneaccord.artifacts import Store, digest_of, seed_of
from tuneaccord.errors import InputError
from tuneaccord.llm.adapters import Adapter, Lora, State, TunedPolicy, initial_state
from tuneaccord.llm.generate import Sampling, sample_each
from tuneaccord.llm.hf import ModelRef, load
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.prompts import Prompt
from tuneaccord.llm.proposer import Proposal, Proposer, Tools
from tuneaccord.llm.scoring import GroupReward, ScoreSheet, score_pool
from tuneaccord.llm.trl_settings import Algorithm, Rule, check_extra, require_trl
from tuneaccord.llm.trl_step import Archive, Update, archived, part, run_update
from tuneaccord.progress import Silent


@dataclass(frozen=True)
class Learning:
    """How a run learns: ``steps`` optimiser steps, each on ``replies`` fresh replies to ``prompts_per_step`` prompts.

    The rate falls linearly to zero over the steps. ``extra`` holds further settings of TRL, none that would change the
    objective.
    """

    steps: int
    prompts_per_step: int
    replies: int
    block: int
    rate: float
    seed: int
    algorithm: Algorithm = "rloo"
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draw:
    """Draw ``count`` replies of a tuned policy to each of some prompts of one length, with a seed each."""

    ref: ModelRef
    policy: TunedPolicy
    prompts: tuple[tuple[int, ...], ...]
    seeds: tuple[int, ...]
    count: int
    how: Sampling


def run_draw(draw: Draw) -> list[dict]:
    """Tokens and texts of the replies to each prompt; runs in a worker."""
    model = draw.policy.on(draw.ref)
    prompts = [list(prompt) for prompt in draw.prompts]
    drawn = sample_each(model.model, prompts, draw.count, draw.how, list(draw.seeds), model.stop_tokens)
    return [{"tokens": replies, "texts": [model.decode(reply) for reply in replies]} for replies in drawn]


@dataclass(frozen=True, eq=False)
class ReinforcementLearner(Proposer):
    """Trains one run a weighting and proposes its adapter after each of the steps ``keep``.

    ``keep`` are numbers of steps from 1 to ``learning.steps``; a run ends with the last of them. Groups of weight 0
    are left out of a run as if they were not there; with none left the base is the best model, and no step is taken.

    Raises :class:`~tuneaccord.errors.MissingDependencyError` without TRL, and :class:`InputError` for settings of TRL
    that would change the objective and for a group that cannot score new replies.
    """

    ref: ModelRef
    prompts: tuple[Prompt, ...]
    encoded: tuple[tuple[int, ...], ...]
    groups: tuple[GroupReward, ...]
    how: Sampling
    strength: float
    lora: Lora
    learning: Learning
    keep: tuple[int, ...]
    score: Callable[[Pool, tuple[GroupReward, ...]], ScoreSheet] | None = None  #: another way to have scores

    def propose(self, weightings: Sequence[Sequence[float]], tools: Tools) -> tuple[Proposal, ...]:
        require_trl()
        check_extra(self.learning.extra, self.learning.algorithm)
        self._check_groups()
        self._check_targets()
        runs = [self._run(tuple(map(float, weights))) for weights in weightings]
        last = max(self.keep)
        stored = sum(_path(tools.store, run, step).exists() for run in runs for step in range(last))
        proposals = {}
        with tools.progress.task("reinforcement learning", last * len(runs), done=stored) as advance:
            for step in range(last):
                runs = self._step(runs, step, tools, advance)
                if step + 1 in self.keep:
                    proposals.update({(index, step): self._proposal(run, step) for index, run in enumerate(runs)})
        return tuple(proposals[key] for key in sorted(proposals))

    def _check_groups(self) -> None:
        for group in self.groups:
            if not group.new_texts:
                raise InputError(
                    f"group {group.name!r} reported {group.reward}, which scores the frozen replies only, and "
                    "reinforcement learning needs the scores of new ones. Use the ways reply or adapter."
                )

    def _check_targets(self) -> None:
        model = load(self.ref).model
        output = next(name for name, module in model.named_modules() if module is model.get_output_embeddings())
        layer = output.rpartition(".")[2]
        if not isinstance(self.lora.targets, str) and layer in self.lora.targets:
            raise InputError(
                f"rl.targets names the output layer {layer!r}, which TRL reads without its adapter. Leave it out, or "
                "use all-linear, which does."
            )

    def _run(self, weights: tuple[float, ...]) -> _Run:
        fresh = initial_state(self.ref, self.lora)
        zeros = {name: np.zeros_like(weight) for name, weight in fresh.items()}
        present = [(group, weight) for group, weight in zip(self.groups, weights, strict=True) if weight > 0]
        inputs = digest_of(
            {
                "model": self.ref.identity(),
                "prompts": [[prompt.id, prompt.text] for prompt in self.prompts],
                "encoded": self.encoded,
                "groups": [[group.identity, group.scale, weight, *_fit(group)] for group, weight in present],
                "sampling": asdict(self.how),
                "strength": self.strength,
                "lora": self.lora.identity(),
                "learning": asdict(self.learning),
                "trl": version("trl"),
            }
        )
        return _Run(weights, tuple(group for group, _ in present), inputs, archived(fresh, zeros, zeros))

    def _step(self, runs: list[_Run], step: int, tools: Tools, advance) -> list[_Run]:
        """All runs one step further; those that are stored are read back, the others go to the workers together."""
        moving = [index for index, run in enumerate(runs) if run.groups]
        missing = [index for index in moving if not _path(tools.store, runs[index], step).exists()]
        fresh = dict(zip(missing, self._fresh([runs[index] for index in missing], step, tools), strict=True))
        after = list(runs)
        for index in moving:
            # a stored step that cannot be read is done again
            compute = lambda index=index: fresh.get(index) or self._fresh([runs[index]], step, tools)[0]  # noqa: E731
            archive = tools.store.arrays("rl", [runs[index].inputs, step], compute)
            after[index] = replace(runs[index], archive=archive)
        for _ in missing:
            advance()
        return after

    def _fresh(self, runs: list[_Run], step: int, tools: Tools) -> list[Archive]:
        """The archives of these runs after the step, computed."""
        if not runs:
            return []
        chosen = self._chosen(step)
        drawn = self._draw(runs, chosen, step, tools)
        updates = [self._update(run, pool, step, tools) for run, pool in zip(runs, drawn, strict=True)]
        return tools.executor.map(run_update, updates)

    def _draw(self, runs: list[_Run], chosen: list[int], step: int, tools: Tools) -> list[Pool]:
        """Fresh replies of every run to the chosen prompts, with the same random numbers in every run.

        Prompts of one length are drawn together, which decides on rounding and on nothing else.
        """
        seeds = [seed_of(self.learning.seed, "rl", step, place, self.prompts[p].id) for place, p in enumerate(chosen)]
        lengths = [len(self.encoded[prompt]) for prompt in chosen]
        batches = [[place for place, own in enumerate(lengths) if own == length] for length in sorted(set(lengths))]
        draws = [
            self._batch(Adapter(self.lora, part(run.archive, "weight")), chosen, seeds, batch)
            for run in runs
            for batch in batches
        ]
        results = tools.executor.map(run_draw, draws)
        pools = []
        for start in range(0, len(results), len(batches)):
            own = results[start : start + len(batches)]
            by_place = {
                p: one for batch, drawn in zip(batches, own, strict=True) for p, one in zip(batch, drawn, strict=True)
            }
            pools.append(self._pool(chosen, [by_place[place] for place in range(len(chosen))]))
        return pools

    def _batch(self, policy: TunedPolicy, chosen: list[int], seeds: list[int], batch: list[int]) -> Draw:
        prompts = tuple(self.encoded[chosen[place]] for place in batch)
        own = tuple(seeds[place] for place in batch)
        return Draw(self.ref, policy, prompts, own, self.learning.replies, self.how)

    def _pool(self, chosen: list[int], results: list[dict]) -> Pool:
        return Pool.of(
            [self.prompts[prompt] for prompt in chosen], [self.encoded[prompt] for prompt in chosen], results
        )

    def _update(self, run: _Run, pool: Pool, step: int, tools: Tools) -> Update:
        if self.score is None:
            sheet = score_pool(pool, run.groups, tools.store, Silent(), "scoring fresh replies")
        else:
            sheet = self.score(pool, run.groups)
        learning = self.learning
        weights = tuple(weight for weight in run.weights if weight > 0)
        return Update(
            self.ref, self.lora, run.archive, tuple(prompt.text for prompt in pool.prompts), pool.encoded, pool.tokens,
            sheet.scores, Rule(weights, self.strength, self.how.temperature, self.how.new_tokens), learning.algorithm,
            learning.rate * (1.0 - step / learning.steps), learning.block, learning.extra,
        )  # fmt: skip

    def _chosen(self, step: int) -> list[int]:
        """The prompts of a step: passes over all of them in new orders, one after the other."""
        count, size = len(self.prompts), min(self.learning.prompts_per_step, len(self.prompts))
        draws = np.random.default_rng(self.learning.seed)
        passes = -(-(step + 1) * size // count)
        order = np.concatenate([draws.permutation(count) for _ in range(passes)])
        return order[step * size : (step + 1) * size].tolist()

    def _proposal(self, run: _Run, step: int) -> Proposal:
        taken = len(run.archive["reward"])
        tokens = int(run.archive["generated"].sum())
        about = {
            "algorithm": self.learning.algorithm,
            "step": taken,
            "steps": self.learning.steps,
            "replies": taken * min(self.learning.prompts_per_step, len(self.prompts)) * self.learning.replies,
            "reward": [round(float(number), 6) for number in run.archive["reward"]],
            "log_ratio": [round(float(number), 6) for number in run.archive["kl"]],
        }
        policy = Adapter(self.lora, _copied(part(run.archive, "weight")))
        return Proposal(f"step {step + 1}", policy, run.weights, tokens, tokens, about)


@dataclass(frozen=True, eq=False)
class _Run:
    """A run as far as it got: its weights, the groups of positive weight, what identifies it, and its state."""

    weights: tuple[float, ...]
    groups: tuple[GroupReward, ...]
    inputs: str
    archive: Archive


def _fit(group: GroupReward) -> list[str]:
    """What a fitted report was fitted to, which is more than its file: the pool too."""
    return [] if group.fit is None else [group.fit.digest]


def _path(store: Store, run: _Run, step: int):
    return store.path("rl", [run.inputs, step], ".npz")


def _copied(state: State) -> State:
    return {name: weight.copy() for name, weight in state.items()}

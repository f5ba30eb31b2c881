"""Runs of reinforcement learning on the tiny model: same bytes however they are run, and they learn."""

from dataclasses import replace

import numpy as np
import pytest

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, ModelError
from tuneaccord.execution import Executor, Serial
from tuneaccord.llm.generate import Sampling
from tuneaccord.llm.prompts import Prompt
from tuneaccord.llm.proposer import Tools
from tuneaccord.llm.reports.reward import GroupReward
from tuneaccord.progress import Silent

pytestmark = pytest.mark.slow

TEXTS = ("how do i water the plant ?", "is it good ?", "how do i not water ?")


def wet(prompts, replies):
    return [min(1.0, reply.split().count("water") / 2) for reply in replies]


def short(prompts, replies):
    return [1 / (1 + len(reply.split())) for reply in replies]


def group(name: str, function) -> GroupReward:
    return GroupReward(name, 1.0, name, name, (0.0, 1.0), function, {"function": name})


@pytest.fixture
def learner(ref, tiny):
    from tuneaccord.llm.adapters import Lora
    from tuneaccord.llm.rl import Learning, ReinforcementLearner

    prompts = tuple(Prompt(str(number), text) for number, text in enumerate(TEXTS))
    encoded = tuple(tuple(tiny.encode(text)) for text in TEXTS)
    learning = Learning(steps=3, prompts_per_step=2, replies=4, block=4, rate=0.02, seed=3)
    groups = (group("wet", wet), group("short", short))
    how, lora = Sampling(5, 0.9), Lora(2, 4.0, "all-linear", 1)
    return ReinforcementLearner(ref, prompts, encoded, groups, how, 0.3, lora, learning, (3,))


def tools(folder, executor: Executor | None = None) -> Tools:
    return Tools(Store(folder), executor or Serial(), Silent())


def test_the_same_adapters_serial_and_on_workers(learner, tmp_path, workers):
    weightings = [(3.0, 2.0), (0.0, 2.0)]
    serial = learner.propose(weightings, tools(tmp_path / "serial"))
    parallel = learner.propose(weightings, tools(tmp_path / "parallel", workers))
    assert [one.policy.digest for one in serial] == [one.policy.digest for one in parallel]
    assert [one.weights for one in serial] == weightings
    assert serial[0].policy.digest != serial[1].policy.digest
    assert serial[0].tokens == serial[0].trained > 0


class Stops(Executor):
    """Works for so many calls and is then killed."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def run(self, function, jobs):
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        yield from Serial().run(function, jobs)


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_a_stopped_run_continues_to_the_same_adapter(learner, tmp_path, calls):
    whole = learner.propose([(3.0, 2.0)], tools(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        learner.propose([(3.0, 2.0)], tools(tmp_path / "stopped", Stops(calls)))
    counted = Stops(6 - calls // 2 * 2)  # two calls a step: drawing and learning
    again = learner.propose([(3.0, 2.0)], tools(tmp_path / "stopped", counted))
    assert counted.calls == 0
    assert again[0].policy.digest == whole[0].policy.digest
    assert again[0].about == whole[0].about


def test_a_damaged_step_is_done_again(learner, tmp_path):
    (whole,) = learner.propose([(3.0, 2.0)], tools(tmp_path))
    for file in tmp_path.glob("rl-*"):
        file.write_bytes(file.read_bytes()[:100])
    (again,) = learner.propose([(3.0, 2.0)], tools(tmp_path))
    assert again.policy.digest == whole.policy.digest


def test_a_run_without_a_group_never_sees_its_reward(learner, tmp_path):
    def never(prompts, replies):
        raise AssertionError("asked for a score")

    without = replace(learner, groups=(group("other", never), learner.groups[1]))
    (alone,) = without.propose([(0.0, 2.0)], tools(tmp_path / "one"))
    (same,) = learner.propose([(0.0, 2.0)], tools(tmp_path / "two"))
    assert alone.policy.digest == same.policy.digest
    (nobody,) = without.propose([(0.0, 0.0)], tools(tmp_path / "none"))
    assert all(not weight.any() for name, weight in nobody.policy.state.items() if "lora_B" in name)
    assert nobody.tokens == 0


def test_an_early_stop_is_the_beginning_of_the_whole_run(learner, tmp_path):
    several = replace(learner, keep=(1, 2, 3)).propose([(3.0, 2.0)], tools(tmp_path / "whole"))
    (early,) = replace(learner, keep=(2,)).propose([(3.0, 2.0)], tools(tmp_path / "early"))
    assert [one.name for one in several] == ["step 1", "step 2", "step 3"]
    assert several[1].policy.digest == early.policy.digest
    assert several[1].tokens == early.tokens < several[2].tokens


def test_runs_with_and_without_a_group_draw_with_the_same_numbers(learner, tmp_path):
    drawn = []

    class Watched(Serial):
        def run(self, function, jobs):
            jobs = list(jobs)
            if hasattr(jobs[0], "count"):
                drawn.append([seed for job in jobs for seed in job.seeds])
            yield from super().run(function, jobs)

    replace(learner, keep=(1,)).propose([(3.0, 2.0), (0.0, 2.0)], tools(tmp_path, Watched()))
    (seeds,) = drawn
    assert seeds[:2] == seeds[2:]
    assert len(set(seeds)) == 2


def test_it_learns_what_is_rewarded(learner, tmp_path):
    """With one group and little weight on the divergence the reward must rise well above the base's."""
    learning = replace(learner.learning, steps=10, prompts_per_step=3, replies=24, block=72, rate=0.05)
    (taught,) = replace(learner, strength=0.05, learning=learning, keep=(10,)).propose([(3.0, 0.0)], tools(tmp_path))
    reward = taught.about["reward"]
    assert reward[-1] > reward[0] + 1.0  # measured: from 0.4 to 2.6 of at most 3
    assert taught.about["log_ratio"][0] == pytest.approx(0.0, abs=1e-5)  # the base, measured against itself
    assert taught.about["log_ratio"][-1] > 0.1


def test_grpo_runs_too(learner, tmp_path):
    learning = replace(learner.learning, algorithm="grpo", steps=1)
    (taught,) = replace(learner, learning=learning, keep=(1,)).propose([(3.0, 2.0)], tools(tmp_path))
    assert taught.about["algorithm"] == "grpo"


def test_the_random_state_of_the_process_is_kept(learner, tmp_path):
    import random

    import torch

    random.seed(4)
    torch.manual_seed(4)
    expected = random.random(), float(torch.rand(1))
    random.seed(4)
    torch.manual_seed(4)
    replace(learner, keep=(1,)).propose([(3.0, 2.0)], tools(tmp_path))
    assert (random.random(), float(torch.rand(1))) == expected


def test_prompts_read_in_other_tokens_end_the_run(learner, tmp_path):
    other = replace(learner, encoded=tuple((*tokens, 9) for tokens in learner.encoded))
    with pytest.raises(ModelError, match="in other tokens"):
        other.propose([(3.0, 2.0)], tools(tmp_path))


def test_a_sheet_cannot_be_learnt_from(learner, tmp_path):
    sheet = replace(learner.groups[0], function=None)
    with pytest.raises(InputError, match="'wet' reported wet, which scores the frozen replies only"):
        replace(learner, groups=(sheet, learner.groups[1])).propose([(3.0, 2.0)], tools(tmp_path))


def test_the_output_layer_cannot_be_trained(learner, tmp_path):
    lora = replace(learner.lora, targets=("q_proj", "lm_head"))
    with pytest.raises(InputError, match=r"rl\.targets names the output layer 'lm_head'"):
        replace(learner, lora=lora).propose([(3.0, 2.0)], tools(tmp_path))


def test_a_setting_that_would_change_the_objective_is_refused(learner, tmp_path):
    learning = replace(learner.learning, extra={"normalize_advantages": True})
    with pytest.raises(InputError, match="normalize_advantages is True and must be False"):
        replace(learner, learning=learning).propose([(3.0, 2.0)], tools(tmp_path))


def test_every_prompt_has_its_turn(learner):
    chosen = np.concatenate([learner._chosen(step) for step in range(6)])
    assert sorted(chosen[:3]) == [0, 1, 2]
    assert np.bincount(chosen).tolist() == [4, 4, 4]

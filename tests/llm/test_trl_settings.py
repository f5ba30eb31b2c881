"""Settings of TRL that keep the objective, and the refusal of others."""

import importlib.util
from types import SimpleNamespace

import pytest

from tuneaccord.errors import InputError, MissingDependencyError
from tuneaccord.llm import trl_settings
from tuneaccord.llm.trl_settings import Rule, check_extra, config_of, objective_problems, require_trl

RULE = Rule((5.0, 3.0), 0.5, 0.7, 32)


def faithful(algorithm: str) -> dict:
    """Every setting that is checked, at the value that keeps the objective."""
    fixed = {**trl_settings._COMMON, **(trl_settings._RLOO if algorithm == "rloo" else trl_settings._GRPO)}
    rule = {"reward_weights": [5.0, 3.0], "beta": 0.5, "temperature": 0.7, "max_completion_length": 32}
    steps = {"steps_per_generation": 4, "gradient_accumulation_steps": 4}
    return {**{name: value for name, (value, _) in fixed.items()}, **rule, **steps}


@pytest.mark.parametrize(
    ("algorithm", "setting", "value"),
    [
        ("rloo", "beta", 0.05),
        ("rloo", "reward_weights", [1.0, 1.0]),
        ("rloo", "reward_weights", None),
        ("rloo", "temperature", 1.0),
        ("rloo", "top_k", 50),
        ("rloo", "top_p", 0.9),
        ("rloo", "max_completion_length", 512),
        ("rloo", "normalize_advantages", True),
        ("rloo", "reward_clip_range", (-1.0, 1.0)),
        ("rloo", "mask_truncated_completions", True),
        ("rloo", "num_iterations", 2),
        ("rloo", "steps_per_generation", 8),
        ("rloo", "sync_ref_model", True),
        ("rloo", "disable_dropout", False),
        ("rloo", "max_grad_norm", 1.0),
        ("rloo", "bf16", True),
        ("grpo", "scale_rewards", "group"),
        ("grpo", "scale_rewards", "batch"),
        ("grpo", "multi_objective_aggregation", "normalize_then_sum"),
        ("grpo", "loss_type", "dapo"),
        ("grpo", "beta", 0.0),
        ("grpo", "importance_sampling_level", "sequence"),
        ("grpo", "top_entropy_quantile", 0.2),
    ],
)
def test_each_setting_that_would_change_the_objective_is_named(algorithm, setting, value):
    config = SimpleNamespace(**{**faithful(algorithm), setting: value})
    (problem,) = objective_problems(config, RULE, algorithm)
    assert problem.startswith(f"{setting} is ")
    assert problem.endswith(".")


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_a_faithful_configuration_has_no_problem(algorithm):
    assert objective_problems(SimpleNamespace(**faithful(algorithm)), RULE, algorithm) == []


def test_the_users_own_settings_are_refused_in_one_line_that_names_all():
    with pytest.raises(InputError, match=r"top_k is 50 .* normalize_advantages is True") as refused:
        check_extra({"top_k": 50, "normalize_advantages": True, "gradient_checkpointing": True})
    assert "\n" not in str(refused.value)
    assert "gradient_checkpointing" not in str(refused.value)
    with pytest.raises(InputError, match="Did you mean 'epsilon'"):
        check_extra({"epsilom": 0.3})
    check_extra({"gradient_checkpointing": True, "scale_rewards": "none"}, "grpo")


def test_without_trl_there_is_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tuneaccord\[rl\]'"):
        require_trl()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")  # a default of TRL's
def test_what_trl_would_do_by_itself_is_refused(tmp_path):
    from trl import GRPOConfig, RLOOConfig

    size = {"num_generations": 4, "per_device_train_batch_size": 4, "use_cpu": True, "report_to": "none", "bf16": False}
    problems = " ".join(objective_problems(GRPOConfig(str(tmp_path), **size), RULE, "grpo"))
    for setting in ("scale_rewards", "loss_type", "beta", "reward_weights", "temperature", "max_completion_length"):
        assert f"{setting} is" in problems
    problems = " ".join(objective_problems(RLOOConfig(str(tmp_path), **size), RULE))
    assert "beta is 0.05" in problems
    assert "normalize_advantages" not in problems


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing:FutureWarning")  # a default of TRL's
@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_our_configuration_is_faithful_and_has_every_setting_that_is_checked(tmp_path, algorithm):
    config = config_of(RULE, algorithm, 4, 16, 8, 1e-3, True, str(tmp_path), {})
    for setting in faithful(algorithm):
        assert hasattr(config, setting), f"this TRL has no {setting}: the check looks for nothing"
    assert config.gradient_accumulation_steps == 2
    assert config.steps_per_generation == 2
    assert config.report_to in ("none", [])

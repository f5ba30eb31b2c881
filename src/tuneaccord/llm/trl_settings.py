"""The settings of TRL under which its trainers climb the training rule's objective, and a check that refuses others.

The objective is ``J = E[sum_i w_i r_i(x, y)] - strength * KL(policy || base)``, a mean over prompts, with the
divergence of whole replies in nats, at the temperature that the base is sampled at.

``RLOOTrainer`` climbs it as it stands: with K replies a prompt and ``R = sum_i w_i r_i - beta * log(policy / base)``,
its step follows ``mean_k (R_k - mean of the other R) * grad log policy(y_k)``, whose expectation is the gradient of J.

``GRPOTrainer`` does not, under any setting. With those below its expected step is ``1 / max_completion_length`` times

    (K - 1) / K * grad E[sum_i w_i r_i]  -  strength * sum_t E[grad KL_t],

because a reply's own reward is part of its baseline, and because its KL term is a loss position by position:
``KL_t`` is that of the two next-token distributions, and no position answers for where it leads the reply. With
``use_bias_correction_kl`` that is ``KL(policy || base)`` at each position; without it the gradient is the one of
``KL(base || policy)``. So it is near the rule at best, its strength in effect larger by ``K / (K - 1)``.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import Any, Literal

from tuneaccord.errors import InputError, MissingDependencyError, nearest

Algorithm = Literal["rloo", "grpo"]

#: by setting, the only value that keeps the objective, and what another one would do
_COMMON: dict[str, tuple[Any, str]] = {
    "top_k": (0, "replies would not come from the policy whose divergence is priced"),
    "top_p": (1.0, "replies would not come from the policy whose divergence is priced"),
    "min_p": (None, "replies would not come from the policy whose divergence is priced"),
    "repetition_penalty": (1.0, "replies would not come from the policy whose divergence is priced"),
    "generation_kwargs": (None, "replies would not come from the policy whose divergence is priced"),
    "chat_template_kwargs": (None, "other prompts would be trained on than are settled on"),
    "mask_truncated_completions": (False, "replies that fill new_tokens would count for nothing"),
    "num_iterations": (1, "replies would be used again by a policy that they were not drawn from"),
    "sync_ref_model": (False, "the divergence would be from a moving model and not from the base"),
    "disable_dropout": (True, "the policy that is trained would not be the one that is sampled"),
    "max_grad_norm": (0.0, "steps would be cut by their length, and the mean step would not follow the gradient"),
    "weight_decay": (0.0, "the adapter would be pulled to zero beside the divergence"),
    "label_smoothing_factor": (0.0, "another loss would be added"),
    "neftune_noise_alpha": (None, "the policy that is trained would not be the one that is sampled"),
    "router_aux_loss_coef": (None, "another loss would be added"),
    "bf16": (False, "the policy that is trained would round differently from the one that is sampled"),
    "fp16": (False, "the policy that is trained would round differently from the one that is sampled"),
    "use_vllm": (False, "replies are drawn by the sampler that draws the pool"),
    "use_transformers_continuous_batching": (False, "replies are drawn by the sampler that draws the pool"),
    "shuffle_dataset": (False, "replies would meet other prompts than they were drawn for"),
}
_RLOO: dict[str, tuple[Any, str]] = {
    "normalize_advantages": (False, "sizes times a constant would give the same model: the strength means nothing"),
    "reward_clip_range": (None, "a group that cares more would be cut"),
}
_GRPO: dict[str, tuple[Any, str]] = {
    "scale_rewards": ("none", "sizes times a constant would give the same model: the strength means nothing"),
    "multi_objective_aggregation": ("sum_then_normalize", "how much a group cares would be divided out"),
    "loss_type": ("dr_grpo", "long replies would count less than short ones, or the loss would be another"),
    "importance_sampling_level": ("token", "the KL term would be weighted by whole replies"),
    "delta": (None, "steps would be cut"),
    "top_entropy_quantile": (1.0, "only uncertain positions would learn"),
    "entropy_coef": (0.0, "entropy would be rewarded beside the divergence"),
    "use_adaptive_entropy": (False, "entropy would be rewarded beside the divergence"),
    "off_policy_mask_threshold": (None, "replies would be left out by their divergence"),
}
#: parts of TRL that choose speed, memory or logging; what may be given under ``rl.trl``
_FREE = (
    "gradient_checkpointing", "gradient_checkpointing_kwargs", "pad_to_multiple_of", "epsilon", "epsilon_high",
    "torch_empty_cache_steps",
)  # fmt: skip
#: such parts that only GRPO has
_FREE_GRPO = ("use_bias_correction_kl",)


@dataclass(frozen=True)
class Rule:
    """What a trainer must climb: the groups' weights, the price of a nat, and how replies are drawn."""

    weights: tuple[float, ...]
    strength: float
    temperature: float
    new_tokens: int


def require_trl() -> None:
    """Raises :class:`MissingDependencyError` when TRL is not installed."""
    missing = [package for package in ("trl", "datasets") if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"reinforcement learning needs packages that are not installed: {', '.join(missing)}. "
            "Install them with: pip install 'tuneaccord[rl]'"
        )


def objective_problems(config: Any, rule: Rule, algorithm: Algorithm = "rloo") -> list[str]:
    """What in an ``RLOOConfig`` or ``GRPOConfig`` would silently train towards another objective; empty if nothing.

    One line a setting: its value, the value that keeps the objective, and what this one would do.
    """
    weights = config.reward_weights if config.reward_weights is not None else [1.0] * len(rule.weights)
    given = {
        "reward_weights": (tuple(weights), rule.weights, "groups would not count by their sizes"),
        "beta": (config.beta, rule.strength, "the divergence would have another price than in the settlement"),
        "temperature": (config.temperature, rule.temperature, "another language model would be trained"),
        "max_completion_length": (config.max_completion_length, rule.new_tokens, "replies would have another length"),
    }
    problems = [
        _problem(name, value, wanted, because)
        for name, (value, wanted, because) in given.items()
        if not _same(value, wanted)
    ]
    for name, (wanted, because) in {**_COMMON, **(_RLOO if algorithm == "rloo" else _GRPO)}.items():
        value = getattr(config, name, wanted)  # an older TRL does not have all of them
        if not _same(value, wanted):
            problems.append(_problem(name, value, wanted, because))
    if config.steps_per_generation > config.gradient_accumulation_steps:
        problems.append(
            _problem(
                "steps_per_generation", config.steps_per_generation, config.gradient_accumulation_steps,
                "replies would be used by a policy that they were not drawn from",
            )
        )  # fmt: skip
    return problems


def check_objective(config: Any, rule: Rule, algorithm: Algorithm = "rloo") -> None:
    """Raises :class:`InputError` that lists every setting which would change the objective."""
    problems = objective_problems(config, rule, algorithm)
    if problems:
        raise InputError("these settings of TRL would train towards another objective: " + " ".join(problems))


def check_extra(extra: dict[str, Any], algorithm: Algorithm = "rloo") -> None:
    """Refuse settings under ``rl.trl`` that would change the objective or that this program sets itself."""
    fixed = {**_COMMON, **(_RLOO if algorithm == "rloo" else _GRPO)}
    free = _FREE if algorithm == "rloo" else (*_FREE, *_FREE_GRPO)
    problems = []
    for name, value in extra.items():
        if name in fixed and not _same(value, fixed[name][0]):
            problems.append(_problem(name, value, *fixed[name]))
        elif name not in fixed and name not in free:
            problems.append(f"{name} is not one of those that may be given. {nearest(name, (*free, *fixed))}")
    if problems:
        raise InputError("rl.trl: these settings cannot be used: " + " ".join(problems))


def config_of(
    rule: Rule, algorithm: Algorithm, replies: int, batch: int, block: int, rate: float, cpu: bool, folder: str,
    extra: dict[str, Any],
):  # fmt: skip
    """The configuration of one optimiser step on ``batch`` replies, ``replies`` to each prompt, ``block`` at a time.

    Raises :class:`InputError` when ``extra`` would change the objective.
    """
    from trl import GRPOConfig, RLOOConfig

    check_extra(extra, algorithm)
    fixed = {**_COMMON, **(_RLOO if algorithm == "rloo" else _GRPO)}
    settings = {
        **{name: value for name, (value, _) in fixed.items() if value is not None},
        "output_dir": folder,
        "reward_weights": list(rule.weights),
        "beta": rule.strength,
        "temperature": rule.temperature,
        "max_completion_length": rule.new_tokens,
        "num_generations": replies,
        "per_device_train_batch_size": block,
        "gradient_accumulation_steps": batch // block,
        "max_steps": 1,
        "learning_rate": rate,
        "lr_scheduler_type": "constant",
        "seed": 0,  # it only shuffles the replies of a step
        "use_cpu": cpu,
        "gradient_checkpointing": False,
        "epsilon": 1000.0,  # replies are of the policy itself: only rounding could be clipped
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "disable_tqdm": True,
        "push_to_hub": False,
        **extra,
    }
    config = (RLOOConfig if algorithm == "rloo" else GRPOConfig)(**settings)
    check_objective(config, rule, algorithm)
    return config


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, tuple | list) and isinstance(wanted, tuple | list):
        return len(value) == len(wanted) and all(map(_same, value, wanted))
    if isinstance(value, bool) or isinstance(wanted, bool) or value is None or wanted is None:
        return value is wanted or (wanted is None and value in ({}, ()))
    if isinstance(value, int | float) and isinstance(wanted, int | float):
        return math.isclose(value, wanted, rel_tol=1e-6, abs_tol=0.0)
    return value == wanted


def _problem(name: str, value: Any, wanted: Any, because: str) -> str:
    return f"{name} is {value!r} and must be {wanted!r}: {because}."

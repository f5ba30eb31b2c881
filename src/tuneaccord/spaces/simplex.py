"""The simplex: all distributions over a finite set of responses, prompt by prompt.

The responses can be given by hand, or be replies that were sampled from a language model and frozen
before anybody reported. In the second case the mechanism chooses among sampled replies, and all of its
guarantees hold exactly on that pool: the set of policies does not depend on any report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.errors import InputError, whole_number
from tuneaccord.rewards import RewardModel, TableReward, to_numbers
from tuneaccord.spaces.space import ModelSpace, Optimum

#: probabilities this close are one model: a few thousand float64 roundings
_SAME = 1e-12


@dataclass(frozen=True, eq=False)
class Simplex(ModelSpace):
    """All distributions over a finite response set, with the base distribution and a divergence from it.

    ``base`` has shape (responses,), or (prompts, responses) with one distribution a row; each row sums to
    one and its zeros stay zero. ``prompt_weights`` (default: equal) say how much each prompt counts; with
    several prompts values, price and payments are means over prompts with these weights. The policy of
    each prompt is free, so everything separates by prompt.

    Raises :class:`InputError` when a row is not a distribution.

    >>> from tuneaccord import KL
    >>> Simplex(base=[0.5, 0.5], divergence=KL(strength=1.0)).shape
    (1, 2)
    """

    base: np.ndarray
    divergence: Divergence
    prompt_weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        base = _numbers("base", self.base)
        if base.ndim not in (1, 2) or base.size == 0:
            raise InputError(f"base must have shape (responses,) or (prompts, responses), got {base.shape}.")
        _check_distributions("base", np.atleast_2d(base))
        if not isinstance(self.divergence, Divergence):
            raise InputError(f"divergence must be a Divergence such as KL(strength=0.5), got {self.divergence!r}.")
        object.__setattr__(self, "base", _frozen(base))
        prompts = len(np.atleast_2d(base))
        weights = self.prompt_weights
        weights = np.full(prompts, 1.0 / prompts) if weights is None else _numbers("prompt_weights", weights)
        if weights.shape != (prompts,):
            raise InputError(
                f"prompt_weights must have one number for each of the {prompts} prompts, got {weights.shape}."
            )
        _check_distributions("prompt_weights", weights[None])
        object.__setattr__(self, "prompt_weights", _frozen(weights))

    @classmethod
    def uniform(cls, prompts: int, responses: int, divergence: Divergence) -> Simplex:
        """A pool: for each prompt, ``responses`` replies drawn from the base model, each of weight 1/K.

        >>> from tuneaccord import KL
        >>> Simplex.uniform(2, 4, KL(strength=1.0)).base[0]
        array([0.25, 0.25, 0.25, 0.25])
        """
        prompts, responses = whole_number("prompts", prompts, 1), whole_number("responses", responses, 1)
        return cls(np.full((prompts, responses), 1.0 / responses), divergence)

    @property
    def shape(self) -> tuple[int, int]:
        """(prompts, responses)."""
        return np.atleast_2d(self.base).shape

    @property
    def base_model(self) -> np.ndarray:
        return np.atleast_2d(self.base)

    def shown(self, model: np.ndarray) -> np.ndarray:
        return model.reshape(self.base.shape)

    def boosted(self, boosts: np.ndarray) -> Simplex:
        raise InputError("boosts are for a finite set of models; a Simplex has none to name. Use Candidates.")

    def scores(self, rewards: list[RewardModel | None]) -> np.ndarray:
        missing = [str(index + 1) for index, reward in enumerate(rewards) if reward is None]
        if missing:
            raise InputError(
                f"report {', '.join(missing)} has no reward, and a Simplex needs one from every group. "
                "Try Report(name, size, TableReward([...])); only Candidates know the values already."
            )
        # each group's rewards lie together in memory, which is how they are read
        return np.stack([reward.on(self.shape) for reward in rewards], axis=1).transpose(0, 2, 1)

    def optimum(self, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        # a constant moves the maximum and not the maximiser, and would cost it digits
        likely = np.atleast_2d(self.base).argmax(axis=1)[:, None, None]
        offset = np.take_along_axis(scores, likely, axis=1)
        model, gain = self.divergence.tilt((scores - offset) @ sizes, np.atleast_2d(self.base))
        values, price = self.evaluate(scores, model)
        return Optimum(model, gain + offset[:, 0] @ sizes, values, price)

    def evaluate(self, scores: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Centring at the likeliest response keeps a constant reward's value exact.
        likeliest = model.argmax(axis=1)[:, None, None]
        anchor = np.take_along_axis(scores, likeliest, axis=1)
        values = anchor[:, 0] + np.einsum("pr,prg->pg", model, scores - anchor)
        return values, self.divergence.price(model, np.atleast_2d(self.base))

    def externalities(self, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> np.ndarray:
        best = self.optimum(scores, sizes)
        charges = self.divergence.externalities(scores, sizes, np.atleast_2d(self.base))
        moved = np.abs(optimum.model - best.model).max(axis=1) > _SAME
        if not moved.any():  # the stable sum as it is: a difference of two welfares would cost it digits
            return charges
        lost = _for_the_others(best, sizes) - _for_the_others(optimum, sizes)
        return np.where(moved[:, None], np.maximum(charges + lost, 0.0), charges)

    def gap(self, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        shortfall = self.optimum(scores, sizes).support - _net_welfare(optimum, sizes)
        return float(self.prompt_weights @ np.maximum(shortfall, 0.0))

    def effective_sample_size(self, model: np.ndarray) -> np.ndarray:
        """``1 / sum_x p_x**2`` per prompt: how many responses the policy really spreads over.

        >>> from tuneaccord import KL
        >>> space = Simplex(base=[0.5, 0.5], divergence=KL(strength=1.0))
        >>> float(space.effective_sample_size(np.array([[0.5, 0.5]]))[0])
        2.0
        """
        return 1.0 / (np.atleast_2d(model) ** 2).sum(axis=1)

    def to_dict(self) -> dict:
        from tuneaccord.specs import to_data

        return {
            "kind": "Simplex",
            "base": self.base.tolist(),
            "divergence": to_data(self.divergence),
            "prompt_weights": self.prompt_weights.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict) -> Simplex:
        """Rebuild the space that :meth:`to_dict` wrote."""
        from tuneaccord.specs import from_data

        return cls(data["base"], from_data(data["divergence"]), data.get("prompt_weights"))


def possible(scores: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Scores (prompts, responses, groups) with 0 for responses that the base cannot give, which count for nothing."""
    return np.where(base[:, :, None] > 0, scores, 0.0)


def centred_at_likeliest(scores: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Scores less those of the base's likeliest response, and 0 where the base is 0.

    A constant changes no payment and would cost it digits, and so would a reward where no policy goes.
    """
    likely = base.argmax(axis=1)[:, None, None]
    return possible(scores - np.take_along_axis(scores, likely, axis=1), base)


def table_rewards(scores: np.ndarray) -> list[TableReward]:
    """One :class:`TableReward` for each slice of the last axis of ``scores`` (prompts, responses, groups)."""
    return [TableReward(scores[:, :, group]) for group in range(scores.shape[2])]


def _net_welfare(chosen: Optimum, sizes: np.ndarray) -> np.ndarray:
    return chosen.values @ sizes - chosen.price


def _for_the_others(chosen: Optimum, sizes: np.ndarray) -> np.ndarray:
    """Net welfare without each group's own value, shape (prompts, groups)."""
    return _net_welfare(chosen, sizes)[:, None] - sizes * chosen.values


def _numbers(name: str, given) -> np.ndarray:
    array = to_numbers(name, given)
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite numbers, got {array[~np.isfinite(array)][0]}.")
    return array


def _check_distributions(name: str, rows: np.ndarray) -> None:
    if (rows < 0).any():
        raise InputError(f"{name} must not be negative, got {rows.min():g}.")
    total = rows.sum(axis=1)
    worst = int(np.abs(total - 1.0).argmax())
    if abs(total[worst] - 1.0) > 1e-9:  # ten times the rounding of a million summed float64 entries
        raise InputError(f"{name} must sum to 1, row {worst} sums to {total[worst]:.12g}. Divide it by its sum.")


def _frozen(array: np.ndarray) -> np.ndarray:
    array = np.array(array)
    array.flags.writeable = False
    return array

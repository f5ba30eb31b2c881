"""Settle a market: choose the model, charge the groups, and say what that guarantees.

``welfare`` is the sum of the groups' valuations, ``price`` the divergence from the base with its strength,
and ``net_welfare`` their difference: the number that ``Welfare`` maximises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.mechanism.choice import Choice
from tuneaccord.mechanism.guarantees import Guarantee, guarantees_of
from tuneaccord.mechanism.payments import Externality, PaymentRule
from tuneaccord.mechanism.reports import Report, check_distinct
from tuneaccord.mechanism.rules import TrainingRule, Welfare
from tuneaccord.rewards import TableReward, divisor_of
from tuneaccord.spaces.simplex import table_rewards
from tuneaccord.spaces.space import ModelSpace, Optimum, space_from_dict


@dataclass(frozen=True, eq=False)
class Settlement:
    """The outcome of :func:`settle`: the model, who pays what, and what holds.

    Immutable; remembers its inputs, goes to plain data with :meth:`to_dict` and is recomputed and checked
    by :meth:`from_dict`. All per-group results are dictionaries by group name. Amounts are in units of
    size times reward, means over prompts with the space's prompt weights.
    """

    space: ModelSpace
    reports: tuple[Report, ...]
    rule: TrainingRule
    payment: PaymentRule
    scores: np.ndarray  #: (prompts, responses, groups)
    optimum: Optimum
    payments_by_prompt: np.ndarray  #: (prompts, groups), before prompt weights

    @property
    def names(self) -> tuple[str, ...]:
        """The groups in the order of their reports."""
        return tuple(report.name for report in self.reports)

    @property
    def sizes(self) -> np.ndarray:
        """Reported sizes, shape (groups,)."""
        return np.array([report.size for report in self.reports])

    @property
    def model(self) -> np.ndarray | str | int:
        """The chosen policy in the shape of the space's base, or the chosen candidate's name."""
        return self.space.shown(self.optimum.model)

    def __str__(self) -> str:
        lines = [
            f"{report.name} (size {report.size:g}): value {self.values[report.name]:.4g}, "
            f"pays {self.payments[report.name]:.4g}, utility {self.utilities[report.name]:.4g}"
            for report in self.reports
        ]
        total = f"welfare {self.welfare:.4g}, price {self.price:.4g}, net welfare {self.net_welfare:.4g}"
        promised = ", ".join(f"{one.name} ({one.status})" for one in self.guarantees if one.status != "not claimed")
        return "\n".join([*lines, total, f"promised: {promised or 'nothing'}"])

    @cached_property
    def values(self) -> dict[str, float]:
        """What the model is worth to one member of each group."""
        return self._by_name(self._mean(self.optimum.values))

    @cached_property
    def group_values(self) -> dict[str, float]:
        """Size times value."""
        return {name: size * self.values[name] for name, size in zip(self.names, self.sizes.tolist(), strict=True)}

    @cached_property
    def payments(self) -> dict[str, float]:
        """What each group is charged."""
        return self._by_name(self._mean(self.payments_by_prompt))

    @cached_property
    def utilities(self) -> dict[str, float]:
        """Size times value, minus payment, for groups that reported the truth."""
        return {name: self.group_values[name] - self.payments[name] for name in self.names}

    @property
    def welfare(self) -> float:
        """The sum of the group values."""
        return math.fsum(self.group_values.values())

    @property
    def price(self) -> float:
        """The divergence of the model from the base, strength included."""
        return float(self._mean(self.optimum.price))

    @property
    def net_welfare(self) -> float:
        """Welfare minus price: what ``Welfare`` maximises (the paper's ASW)."""
        return self.welfare - self.price

    @cached_property
    def forgone(self) -> float:
        """The net welfare that the choice gives up: certified distance of ``net_welfare`` from ``h``."""
        return self.space.gap(self.scores, self.sizes, self.optimum)

    @cached_property
    def base_values(self) -> dict[str, float]:
        """What the base model is worth to one member of each group."""
        if self.space.base_model is None:
            raise InputError("this set of models has no base row. Try Candidates(..., base=ROW) or with_base(values).")
        values, _ = self.space.evaluate(self.scores, self.space.base_model)
        return self._by_name(self._mean(values))

    @cached_property
    def leave_one_out(self) -> dict[str, float]:
        """The best net welfare of the others if the group were absent, whatever the rule chose."""
        best = self.space.optimum(self.scores, self.sizes)
        others = best.support[:, None] - self.sizes * best.values
        externalities = self.space.externalities(self.scores, self.sizes, best)
        return self._by_name(self._mean(others + externalities))

    @cached_property
    def choice(self) -> Choice:
        """What the payment rule saw."""
        return Choice(self.space, self.scores, self.sizes, self.rule, self.optimum)

    @property
    def gap(self) -> float:
        """Certified distance of the model from the best one, by the rule's own objective."""
        return self.choice.gap

    @cached_property
    def regret_bound(self) -> float:
        """The most that a misreport can gain at these reports, or infinity where nothing is proved."""
        return self.payment.regret_bound(self.choice)

    @cached_property
    def guarantees(self) -> tuple[Guarantee, ...]:
        """What holds, and what is not claimed."""
        divided = any(divisor_of(report.reward) for report in self.reports)
        return guarantees_of(self.choice, self.payment, self.regret_bound, divided)

    def _mean(self, by_prompt: np.ndarray) -> np.ndarray:
        return self.space.prompt_weights @ by_prompt

    def _by_name(self, numbers: np.ndarray) -> dict[str, float]:
        return {name: float(number) for name, number in zip(self.names, numbers, strict=True)}

    def summary(self) -> dict:
        """The results as plain data, without the inputs."""
        return {
            "values": self.values,
            "group_values": self.group_values,
            "payments": self.payments,
            "utilities": self.utilities,
            "welfare": self.welfare,
            "price": self.price,
            "net_welfare": self.net_welfare,
            "forgone": self.forgone,
            "leave_one_out": self.leave_one_out,
            "gap": self.gap,
            "regret_bound": self.regret_bound if math.isfinite(self.regret_bound) else None,
            "guarantees": [guarantee.to_dict() for guarantee in self.guarantees],
        }

    def to_dict(self) -> dict:
        """Inputs and results as plain data, enough to recompute everything."""
        from tuneaccord.specs import to_data

        return {
            "kind": "Settlement",
            "space": self.space.to_dict(),
            "reports": [_report_data(report) for report in self.reports],
            "scores": self.scores.tolist(),
            "rule": to_data(self.rule),
            "payment": to_data(self.payment),
            "model": np.asarray(self.model).tolist(),
            **self.summary(),
        }

    @classmethod
    def from_dict(cls, data: dict) -> Settlement:
        """Recompute the settlement that :meth:`to_dict` wrote.

        Raises :class:`InputError` when a part is missing, or when a stored result is not the recomputed one.
        """
        from tuneaccord.specs import from_data

        try:
            space = space_from_dict(data["space"])
            tables = table_rewards(np.array(data["scores"], dtype=float))
            reports = [_report(r, table) for r, table in zip(data["reports"], tables, strict=True)]
            rule, payment = from_data(data["rule"], TrainingRule), from_data(data["payment"], PaymentRule)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise InputError(f"this is not what Settlement.to_dict writes: {error!r}.") from error
        result = settle(space, reports, rule, payment)
        _check_stored(data, result)
        return result


def _report_data(report: Report) -> dict:
    data = {"name": report.name, "size": report.size}
    if report.reward is None:
        return {**data, "reward": None}
    divisor = divisor_of(report.reward)
    return {**data, "scale": divisor} if divisor else data


def _report(data: dict, table: TableReward) -> Report:
    reward = None if data.get("reward", table) is None else replace(table, scale=data.get("scale"))
    return Report(data["name"], data["size"], reward)


def _check_stored(data: dict, result: Settlement) -> None:
    # the same code on the same numbers; another machine's libm may differ in the last digits
    rounding = 1e-12 * float(result.sizes @ np.abs(result.scores).max(axis=(0, 1)))
    stored = dict(_parts_in({key: data.get(key) for key in ("model", *result.summary())}))
    for name, part in _parts_in({"model": np.asarray(result.model).tolist(), **result.summary()}):
        allowed = 1e-12 if name.startswith("payments") else max(rounding, 1e-12)
        if not _agree(stored.get(name), part, allowed):
            raise InputError(
                f"the stored {name} is {stored.get(name)!r} but its inputs give {part!r}. "
                "The file was changed, or written by another version."
            )


def _agree(stored, part, allowed: float) -> bool:
    if isinstance(stored, bool) or not isinstance(part, int | float) or not isinstance(stored, int | float):
        return stored == part
    return math.isclose(stored, part, rel_tol=1e-9, abs_tol=allowed)


def _parts_in(data, path: str = ""):
    """Every number and text in nested plain data, with the way to it, such as ``payments of clinic``.

    Sentences are left out: the numbers in them are rounded, and they may be worded anew.
    """
    if isinstance(data, dict | list):
        for key, part in data.items() if isinstance(data, dict) else enumerate(data):
            if key != "statement" or not path.startswith("guarantees"):
                yield from _parts_in(part, f"{path} of {key}" if path else key)
    else:
        yield path, data


def settle(
    space: ModelSpace,
    reports: Sequence[Report],
    rule: TrainingRule | None = None,
    payment: PaymentRule | None = None,
) -> Settlement:
    """Choose a model of ``space`` for the groups' ``reports`` and charge each group.

    With the defaults, ``Welfare()`` and ``Externality()``: the model maximises
    ``sum_i w_i v_i - D`` and group i pays ``h(w without i) - [h(w) - w_i v_i]``. Exact on a simplex and on a
    finite set of candidates. Truthfulness needs the space to be fixed before anybody reports.

    Raises :class:`InputError` when a group is named twice or a reward does not fit the space.

    Source: arXiv 2405.16276, section 4.

    >>> import tuneaccord as ta
    >>> space = ta.Simplex(base=[0.4, 0.3, 0.3], divergence=ta.KL(strength=1.0))
    >>> reports = [ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 0.9, 0.0])),
    ...            ta.Report("arcade", size=2, reward=ta.TableReward([0.2, 0.0, 1.0]))]
    >>> result = ta.settle(space, reports)
    >>> {name: round(payment, 3) for name, payment in result.payments.items()}
    {'clinic': 0.765, 'arcade': 0.291}
    """
    if isinstance(reports, Report) or not isinstance(reports, Iterable):
        raise InputError(f"reports must be a list of Report(name, size, reward), got {type(reports).__name__}.")
    reports = tuple(reports)
    for report in reports:
        if not isinstance(report, Report):
            raise InputError(f"a report must be a Report(name, size, reward), got {type(report).__name__}.")
    check_distinct(report.name for report in reports)
    if not isinstance(space, ModelSpace):
        raise InputError(f"space must be a space of models such as Simplex(...), got {type(space).__name__}.")
    rule = Welfare() if rule is None else rule
    payment = Externality() if payment is None else payment
    for name, given, kind, like in (
        ("rule", rule, TrainingRule, "Welfare()"),
        ("payment", payment, PaymentRule, "Externality()"),
    ):
        if not isinstance(given, kind):
            raise InputError(f"{name} must be a {kind.__name__} such as {like}, got {given!r:.80}.")
    scores = space.scores([report.reward for report in reports])
    sizes = np.array([report.size for report in reports])
    optimum = rule.choose(space, scores, sizes)
    if not isinstance(optimum, Optimum):
        raise InputError(
            f"{type(rule).__name__}.choose must return an Optimum, got {type(optimum).__name__}. Try: values, price = "
            "space.evaluate(scores, model); return Optimum(model, space.optimum(scores, sizes).support, values, price)."
        )
    charges = payment.charge(Choice(space, scores, sizes, rule, optimum))
    return Settlement(space, reports, rule, payment, scores, optimum, charges)

"""What the mechanism explorer shows, as plain data: a small market, its payments, and one group's lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tuneaccord import divergence as divergences
from tuneaccord.errors import InputError, nearest
from tuneaccord.mechanism.misreports import GradientMisreport, Misreport, RewardMisreport, SpreadMisreport
from tuneaccord.mechanism.payments import CostShare, Externality, Free, PaymentRule, Shapley
from tuneaccord.mechanism.reports import Report, check_distinct
from tuneaccord.rewards import TableReward
from tuneaccord.spaces.simplex import Simplex

GROUPS, RESPONSES, NAME = (2, 5), (2, 6), 40
SIZES, STRENGTHS, FACTORS = (0.1, 20.0), (0.05, 20.0), (0.1, 10.0)
DIVERGENCES = ("KL", "ReverseKL", "ChiSquared", "TotalVariation", "SquaredHellinger", "JensenShannon")


#: what groups can be charged, as words and rule: the one that makes truth best, and three that do not
PAYMENTS: dict[str, tuple[str, PaymentRule]] = {
    "Externality": ("what its presence costs the others", Externality()),
    "Free": ("nothing: nobody pays", Free()),
    "CostShare": ("a share of the price of leaving the base, by size", CostShare(by="size")),
    "Shapley": ("its value less its Shapley value", Shapley()),
}


@dataclass(frozen=True)
class Bend:
    """A way to misreport rewards by an amount, and the amount at which the report is the truth."""

    symbol: str
    words: str
    misreport: Callable[[float], Misreport]
    low: float
    high: float
    truth: float


BENDS = {
    "shift": Bend("β", "mix in the others' rewards (strategy 2)", RewardMisreport, 0.0, 2.0, 1.0),
    "spread": Bend("ε", "best response up, worst one down (Theorem 4.2)", SpreadMisreport, 0.0, 0.5, 0.0),
    "gradient": Bend("step", "along its value's gradient (Theorem B.2)", GradientMisreport, 0.0, 0.5, 0.0),
}


@dataclass(frozen=True)
class Group:
    """A group's true size and its true reward for each response, in [0, 1]."""

    name: str
    size: float
    rewards: tuple[float, ...]


@dataclass(frozen=True)
class Scene:
    """A market with one prompt, and what one group reports instead of the truth.

    ``base`` holds the responses' chances under the base model, in any unit; ``factor`` is the paper's alpha, and
    ``amount`` how far the reward is bent. ``payment`` is what every group pays, a key of ``PAYMENTS``.
    """

    base: tuple[float, ...]
    groups: tuple[Group, ...]
    divergence: str = "KL"
    strength: float = 1.0
    liar: int = 0
    factor: float = 1.0
    bend: str = "shift"
    amount: float = 1.0
    payment: str = "Externality"

    def __post_init__(self) -> None:
        _within("groups", len(self.groups), GROUPS)
        _within("responses", len(self.base), RESPONSES)
        check_distinct(group.name for group in self.groups)
        for group in self.groups:
            _check_group(group, len(self.base))
        for chance in self.base:
            _within("a chance under the base", chance, (0.0, 1000.0))
        if not sum(self.base) > 0:
            raise InputError("every response has chance 0 under the base. Give at least one of them a chance.")
        _known("divergence", self.divergence, DIVERGENCES)
        _known("bend", self.bend, BENDS)
        _known("payment", self.payment, PAYMENTS)
        _within("strength", self.strength, STRENGTHS)
        _within("alpha", self.factor, FACTORS)
        _within(BENDS[self.bend].symbol, self.amount, (BENDS[self.bend].low, BENDS[self.bend].high))
        _within("liar", self.liar, (0, len(self.groups) - 1))

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names."""
        return tuple(group.name for group in self.groups)

    @property
    def lies(self) -> bool:
        """Whether the report differs from the truth."""
        return self.factor != 1.0 or self.amount != BENDS[self.bend].truth

    @property
    def payment_rule(self) -> PaymentRule:
        """What every group pays."""
        return PAYMENTS[self.payment][1]

    def space(self) -> Simplex:
        """The policies over the responses, with the chosen divergence."""
        kind = getattr(divergences, self.divergence)
        return Simplex(np.array(self.base) / math.fsum(self.base), kind(strength=self.strength))

    def reports(self) -> list[Report]:
        """What the groups report if all tell the truth."""
        return [Report(group.name, group.size, TableReward(group.rewards)) for group in self.groups]


def _check_group(group: Group, responses: int) -> None:
    if not group.name.strip() or len(group.name) > NAME:
        raise InputError(f"a group's name must have 1 to {NAME} characters, got {group.name!r:.60}.")
    if len(group.rewards) != responses:
        raise InputError(f"group {group.name!r} has {len(group.rewards)} rewards for {responses} responses.")
    _within(f"the size of {group.name!r}", group.size, SIZES)
    for reward in group.rewards:
        _within(f"a reward of {group.name!r}", reward, (0.0, 1.0))


def _within(what: str, given: float, ends: tuple[float, float]) -> None:
    low, high = ends
    if isinstance(given, bool) or not isinstance(given, int | float) or not low <= given <= high:
        raise InputError(f"{what} must be between {low:g} and {high:g}, got {given!r:.40}.")


def _known(what: str, given: str, valid: Sequence[str] | Mapping[str, object]) -> None:
    if given not in valid:
        raise InputError(f"unknown {what} {given!r:.40}. {nearest(given, valid)}")


README = Scene(
    (0.4, 0.3, 0.3),
    (
        Group("clinic", 3.0, (0.1, 0.9, 0.0)),
        Group("school", 1.0, (0.6, 0.5, 0.4)),
        Group("arcade", 2.0, (0.2, 0.0, 1.0)),
    ),
    liar=2,
    factor=2.0,
)
OPPOSED = Scene(
    (0.25, 0.25, 0.25, 0.25),
    (Group("harmless", 3.0, (0.9, 0.7, 0.4, 0.1)), Group("humour", 7.0, (0.1, 0.5, 0.6, 0.9))),
    liar=0,
    amount=1.5,
)
PRESETS = {
    "readme": ("Three groups, three responses", README),
    "opposed": ("Two opposed groups, sizes 3 and 7", OPPOSED),
}


def random_scene(seed: int, groups: int = 3, responses: int = 4) -> Scene:
    """A market drawn from a seed: uniform base and rewards, sizes from 1 to 10.

    >>> random_scene(1) == random_scene(1)
    True
    """
    rng = np.random.default_rng(seed)
    base = tuple(rng.dirichlet(np.ones(responses)).round(3).tolist())
    drawn = [
        Group(f"group {place + 1}", float(rng.integers(1, 11)), tuple(rng.uniform(size=responses).round(2).tolist()))
        for place in range(groups)
    ]
    return Scene(base, tuple(drawn))


def with_group(scene: Scene, rng_seed: int = 0) -> Scene:
    """One group more, with middling rewards; its name is new."""
    number = next(i for i in range(1, 99) if f"group {i}" not in scene.names)
    rewards = np.random.default_rng(rng_seed + number).uniform(size=len(scene.base)).round(2)
    return replace(scene, groups=(*scene.groups, Group(f"group {number}", 1.0, tuple(rewards.tolist()))))


def without_group(scene: Scene, place: int) -> Scene:
    """One group less; the liar stays the same group where it can."""
    liar = max(0, scene.liar - (scene.liar >= place and scene.liar > 0))
    return replace(scene, groups=scene.groups[:place] + scene.groups[place + 1 :], liar=liar)


def with_responses(scene: Scene, count: int) -> Scene:
    """More responses, which nobody wants and the base gives as often as the mean one, or fewer."""
    chance = round(math.fsum(scene.base) / len(scene.base), 3)
    base = (*scene.base, *[chance] * (count - len(scene.base)))[:count]
    groups = tuple(
        replace(group, rewards=(*group.rewards, *[0.0] * (count - len(group.rewards)))[:count])
        for group in scene.groups
    )
    return replace(scene, base=base, groups=groups)


def with_cell(scene: Scene, place: int | None, response: int, given: float) -> Scene:
    """One number of the table changed: a reward of group ``place``, or a chance under the base."""
    if place is None:
        return replace(scene, base=_replaced(scene.base, response, given))
    group = scene.groups[place]
    return with_fields(scene, place, rewards=_replaced(group.rewards, response, given))


def with_fields(scene: Scene, place: int, **fields) -> Scene:
    """One group's fields changed."""
    return replace(scene, groups=_replaced(scene.groups, place, replace(scene.groups[place], **fields)))


def _replaced(given: tuple, place: int, new) -> tuple:
    return (*given[:place], new, *given[place + 1 :])

"""The mechanism explorer in sentences: who reports what, and whether lying would have helped."""

from __future__ import annotations

from tuneaccord.reporting.formatting import number
from tuneaccord.service.pages.mechanism_state import BENDS, Scene

SAME = 1e-9  #: amounts that differ by less are the same to rounding
_PAID = {
    "Externality": "payments",
    "CostShare": "a share of the price to pay",
    "Shapley": "Shapley payments",
}


def report_in_words(scene: Scene) -> str:
    """What the group reports."""
    liar, bend = scene.groups[scene.liar], BENDS[scene.bend]
    if not scene.lies:
        return f"{liar.name} tells the truth. Move α or {bend.symbol} to see what a lie would bring."
    size = f"size {scene.factor * liar.size:.4g} instead of {liar.size:g}" if scene.factor != 1.0 else ""
    reward = f"rewards bent with {bend.symbol} = {scene.amount:g}" if scene.amount != bend.truth else ""
    return f"{liar.name} reports {' and '.join(filter(None, (size, reward)))}."


def verdict(found: dict) -> str:
    """Would lying have helped, with payments and without? A sentence each."""
    scene: Scene = found["scene"]
    gain = found["gain"]
    if not scene.lies:
        own = found["groups"][scene.liar]
        return (
            f"The model is worth {number(own['value'])} to {own['name']}, which pays {number(own['payment'])}: "
            f"utility {number(own['utility'])}."
        )
    if scene.payment == "Free":
        return f"Nobody pays: the lie changes what it gets by {_signed(gain['value'])}. {_helped(gain['value'])}"
    moved = f"its value changes by {number(gain['value'], signed=True)}"
    paid = f"its payment by {number(gain['payment'], signed=True)}"
    return (
        f"With {_PAID[scene.payment]}: {moved}, {paid}, so its utility by {_signed(gain['utility'])}. "
        f"{_helped(gain['utility'])}\n"
        f"Without payments: the same lie changes what it gets by {_signed(gain['value'])}. {_helped(gain['value'])}"
    )


def _signed(amount: float) -> str:
    return number(0.0 if abs(amount) < SAME else amount, signed=abs(amount) >= SAME)


def _helped(gain: float) -> str:
    if abs(gain) < SAME:
        return "Lying would have changed nothing."
    return "Lying would have helped." if gain > 0 else "Lying would have hurt."


def others_in_words(found: dict) -> str:
    """What the lie does to everybody else."""
    scene: Scene = found["scene"]
    if not scene.lies:
        return ""
    moved = [
        f"{row['name']} {_signed(row['lied_utility'] - row['utility'])}"
        for place, row in enumerate(found["groups"])
        if place != scene.liar
    ]
    lost = found["lied_net_welfare"] - found["net_welfare"]
    others = f"The others' utilities change: {', '.join(moved)}. " if moved else ""
    return f"{others}Net welfare changes by {_signed(lost)}."


def best_in_words(scene: Scene, best: float | None) -> str:
    """The benchmark that payments are for."""
    if best is None:
        return ""
    name = scene.groups[scene.liar].name
    if best < SAME:
        return f"Even if nobody paid, no lie about its rewards would bring {name} more than the truth does."
    return f"If nobody paid, the best lie about its rewards alone would bring {name} {number(best, signed=True)}."

"""The sentences of a session's documents: what was decided, what a group pays and why, what it could not have gained.

Each is computed from the numbers of the settlement. Those for a group use its own share and the public part only.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tuneaccord.reporting.formatting import MINUS, interval, listing, number, plain, size
from tuneaccord.reporting.wording import grouped

ROUNDING = 1e-9  #: amounts below are what floating point leaves of nothing
#: why a group pays what it pays, by the kind of the payment rule
REASONS = {
    "Externality": (
        "You pay what your presence costs the others: how much more all other groups together, net of the price of "
        "leaving the base model, could have had from the best model for them, had you not taken part. Your own report "
        "moves your payment only through the model that is chosen."
    ),
    "Free": "Nobody pays in this session. Without payments a group can gain by exaggerating.",
    "Fee": (
        "You pay what your presence costs the others, and a published fee for taking part that your own report "
        "does not change."
    ),
    "Redistribution": (
        "You pay what your presence costs the others, less a rebate from what the others certainly pay. The rebate "
        "does not depend on your own report."
    ),
    "BalancedBudget": (
        "You pay what your presence costs the others, less an equal part of what the others pay for theirs. All "
        "payments add up to zero, so whoever costs the others little receives money."
    ),
    "Shapley": (
        "You pay your value less your Shapley value: what you add to the groups that came before you, on average over "
        "all orders of arrival."
    ),
    "CostShare": "You pay your share of the bill, by the agreed key.",
    "Intermediate": (
        "You pay how much more all other groups together could have had from the best intermediate model of the "
        "training path. This is a heuristic: it is at most what your presence costs the others."
    ),
    "EarlyStopped": (
        "You pay how much more all other groups together could have had from the best of a few models that do not "
        "depend on your report. It is at most what your presence costs the others."
    ),
}
_COSTS = ("Externality", "Fee", "Intermediate", "EarlyStopped")  #: payments that carry the rule's weights and boosts
#: what the rule chose, by its kind
RULES = {
    "Welfare": "the model with the highest net welfare: the sum of size × value over all groups, minus the price of "
    "leaving the base model",
    "MaxMin": "the model that is best for the group with the lowest value, net of the price of leaving the base model",
    "NashWelfare": "the model with the highest Nash welfare (the sum of size × logarithm of value), minus the price of "
    "leaving the base model",
    "Bargained": "the model that the agreed bargaining solution picks, with the base model as what everybody has "
    "without an agreement",
    "SizeShare": "the model with the highest value per member of all groups, minus the price of leaving the base model",
}


def reason(terms: dict[str, Any]) -> str:
    """Why a group pays what it pays, under the agreed payment rule."""
    kind, rule = terms["payment"]["kind"], terms["rule"]
    sentences = [REASONS.get(kind, f"You pay what the agreed payment rule, {kind}, charges.")]
    if kind in _COSTS and rule.get("weights"):
        sentences.append("In these sums each group counts with its public weight, and the result is divided by yours.")
    if kind in _COSTS and rule.get("boosts"):
        sentences.append("The published boosts of the models are taken off their prices.")
    return " ".join(sentences)


def chosen(terms: dict[str, Any]) -> str:
    """What the rule looked for."""
    kind = terms["rule"]["kind"]
    return RULES.get(kind, f"the model that the agreed rule, {kind}, picks")


def money(amount: str, currency: str) -> str:
    """An exact amount with its currency.

    >>> money("-1234.50", "EUR")
    'EUR −1,234.50'
    """
    return f"{plain(currency)} {grouped(amount)}"


def bill(amount: str, currency: str) -> str:
    """What a group pays or receives, in a few words.

    >>> bill("3.20", "EUR"), bill("-3.20", "EUR"), bill("0.00", "EUR")
    ('You pay EUR 3.20.', 'You receive EUR 3.20.', 'You pay nothing.')
    """
    exact = Decimal(amount)
    if exact == 0:
        return "You pay nothing."
    if exact < 0:
        return f"You receive {money(amount.removeprefix('-'), currency)}."
    return f"You pay {money(amount, currency)}."


def value_change(share: dict[str, Any]) -> str:
    """What the chosen model is worth to one member against the base."""
    after, before = share["value"], share["base_value"]
    if before is None:
        return f"To one member of your group the chosen model is worth {number(after)} on the agreed scale."
    change = after - before
    if abs(change) < 1e-12:
        return f"To one member of your group the chosen model is worth {number(after)}, as much as the base model."
    return (
        f"To one member of your group the chosen model is worth {number(after)} on the agreed scale; the base model "
        f"is worth {number(before)}, so it is {number(abs(change))} {'better' if change > 0 else 'worse'}."
    )


def what_it_adds_up_to(share: dict[str, Any], rate: float, currency: str) -> str:
    """Group value, payment and utility in a sentence."""
    members = size(share["report"]["size"])
    return (
        f"Your group's value is size × value = {members} × {number(share['value'])} = {number(share['group_value'])}. "
        f"Less your payment of {number(share['payment'])} this leaves you a utility of {number(share['utility'])}. "
        f"One unit is one point on the scale for a group of size one; here it costs {plain(currency)} {rate:,g}."
    )


def interval_note(share: dict[str, Any]) -> str:
    """What the interval of the payment means; empty where there is none."""
    found = share.get("payment_interval")
    if not found:
        return ""
    return (
        f"The payment is the mean over the prompts of the pool, {interval(found)} with a {100 * found['level']:g}% "
        "interval over prompts: what it could have been with other prompts of the same kind. What you owe is the "
        "estimate; the interval changes nothing about it."
    )


def misreport(data: dict[str, Any]) -> str:
    """A false report in words.

    >>> misreport({"kind": "SizeMisreport", "factor": 2.0})
    'report twice your size'
    """
    if data["kind"] == "SizeMisreport":
        return {0.5: "report half your size", 2.0: "report twice your size"}.get(
            data["factor"], f"report {data['factor']:g} times your size"
        )
    if data["kind"] == "RewardMisreport":
        return f"exaggerate how your scores differ from the others' ({data['shift']:g} times)"
    return f"another report ({data['kind']})"


def lies_note(share: dict[str, Any]) -> str:
    """Whether any of the misreports that were tried would have helped."""
    told = share["what_if"]
    if not told:
        return "No false reports were tried for you: there are too many groups in this session, or none was possible."
    helped = [one for one in told if one["would_have_helped"]]
    if helped:
        best = max(helped, key=lambda one: one["gain"])
        return (
            f"Yes: to {misreport(best['misreport'])} would have gained you {number(best['gain'])}. The agreed rules "
            "do not promise that truth is best, see below."
        )
    return "No: none of the false reports below would have left you more than the truth did."


def audit_note(share: dict[str, Any]) -> str:
    """What the search for the best lie found for the group; empty where none was made."""
    found = share.get("audit")
    if not found:
        return ""
    if found["pays"]:
        return (
            f"A search over your whole report found a false one that gains {number(found['gain'])}: {found['words']}."
        )
    proved = found["certificate"]
    if proved is None:
        return "A search over your whole report found none that gains, which proves nothing by itself."
    most = "rounding" if proved <= found["rounding"] else number(proved)
    return (
        "A search over your whole report found none that gains, and it is certified that at the others' reports no "
        f"report could have gained you more than {most}."
    )


def recheck_note(outcome: dict[str, Any]) -> str:
    """What to say when a promise failed its recheck; empty when all held."""
    broken = list(outcome.get("recheck", {}).get("broken", []))
    if outcome.get("audit", {}).get("promise_broken"):
        broken.append("truthful (a lie was found that gains more than is certified)")
    if not broken:
        return ""
    return (
        f"Attention: this settlement fails its own recheck ({listing(broken)}). Do not pay on it before the provider "
        "has explained why."
    )


def bound(guarantee: dict[str, Any]) -> str:
    """By how much a promise can fail."""
    most = guarantee.get("bound")
    if guarantee["status"] == "not claimed" or most is None:
        return "none stated"
    return "0" if most == 0 else f"at most {up_to_rounding(most)}"


def up_to_rounding(amount: float) -> str:
    """An amount in units, where there may be none but rounding.

    >>> up_to_rounding(1e-16), up_to_rounding(0.25)
    ('rounding', '0.250 units')
    """
    return "rounding" if abs(amount) <= ROUNDING else f"{number(amount)} units"


def defused(text: Any) -> str:
    """A text of people's in a cell of CSV: a spreadsheet shows it and never computes it.

    >>> defused("=1+1"), defused("legal")
    ("'=1+1", 'legal')
    """
    text = " ".join(plain(text).split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", MINUS, "\uff1d", "\uff0b", "\uff0d", "\uff20") else text

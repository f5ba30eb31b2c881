"""What a group would have had by staying away: the others' model, and no payment.

What the others' model is worth to a group says something of the others' reports, so a group may be shown it only
where it follows from what the group has already. Under KL it does: the chosen model is the base tilted by everybody's
scores, pi(y) ~ base(y) exp(sum_i size_i score_i(y) / strength), and a group that knows the chosen model, its own
scores, its size and the strength takes its own factor out and is left with the others' model. It could do so with
pencil and paper, so showing it reveals nothing. Among candidates it does not: the group sees which model was chosen,
and not which one the others would have chosen, whose value would tell more of them than the payment does. Other
divergences give responses the chance 0, and a group cannot tell how far below 0 the others would have left them. There
only the provider and auditors, who have all reports, could be shown it; they are where it is cheap, among candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuneaccord.reporting.formatting import number

Data = Mapping[str, Any]

LEAST = 1e-290  #: chances below are rounded, and what was divided out of them cannot be put back
_SAME = 1e-6  #: of the largest score: how far the value computed here may be from the settlement's


def value_without(share: Data, outcome: Data, terms: Data, pool: Data) -> float | None:
    """What the others' model is worth to one member of a group, from what the group has; None where that does not tell.

    ``share`` needs the group's ``report`` and ``value`` only.

    >>> terms = {"rule": {"kind": "Welfare"}, "divergence": {"kind": "KL", "strength": 1.0}}
    >>> pool = {"kind": "responses", "prompts": [{"id": "p"}], "base": [[0.5, 0.5]]}
    >>> model = [[2 / 3, 1 / 3]]  # the group's own scores alone: log 2 for the first response
    >>> share = {"report": {"size": 1.0, "scores": [[float(np.log(2)), 0.0]]}, "value": 2 / 3 * float(np.log(2))}
    >>> value = value_without(share, {"model": model}, terms, pool)
    >>> round(value / float(np.log(2)), 12)  # without it there is nobody, so the model is the base
    0.5
    """
    if not _plain_welfare(terms) or terms["divergence"]["kind"] != "KL" or pool["kind"] == "candidates":
        return None
    scores = np.array(share["report"]["scores"], dtype=float)
    chosen = np.array(outcome["model"], dtype=float).reshape(scores.shape)
    used = np.ones(scores.shape, bool) if pool.get("base") is None else np.array(pool["base"]).reshape(scores.shape) > 0
    if (chosen[used] < LEAST).any():
        return None
    weights = np.ones(len(scores)) if pool.get("prompt_weights") is None else np.array(pool["prompt_weights"])
    weights = weights / weights.sum()
    if abs(weights @ (chosen * scores).sum(axis=1) - share["value"]) > _SAME * max(1.0, np.abs(scores).max()):
        return None
    own = share["report"]["size"] * scores / terms["divergence"]["strength"]
    logs = np.where(used, np.log(np.where(used, chosen, 1.0)) - own, -np.inf)
    without = np.exp(logs - logs.max(axis=1, keepdims=True))
    without /= without.sum(axis=1, keepdims=True)
    return float(weights @ (without * scores).sum(axis=1))


def values_without(record: Data, outcome: Data, terms: Data, pool: Data) -> dict[str, float | None]:
    """The same for every group, from all reports: for the provider and auditors."""
    results, reports = record["results"], record["reports"]
    if pool["kind"] != "candidates":
        shares = {name: {"report": reports[name], "value": results["values"][name]} for name in outcome["groups"]}
        return {name: value_without(share, outcome, terms, pool) for name, share in shares.items()}
    if not _plain_welfare(terms):
        return dict.fromkeys(outcome["groups"])
    own = {name: np.array(reports[name]["scores"][0], dtype=float) for name in outcome["groups"]}
    net = sum(reports[name]["size"] * own[name] for name in own) - np.array(
        [one["price"] for one in pool["candidates"]]
    )
    return {name: float(own[name][np.argmax(net - reports[name]["size"] * own[name])]) for name in own}


def _plain_welfare(terms: Data) -> bool:
    rule = terms["rule"]
    return rule["kind"] == "Welfare" and not rule.get("weights") and not rule.get("boosts")


def away_words(share: Data, value: float | None, terms: Data, pool: Data) -> str:
    """What a group is told of staying away, in a sentence or two."""
    if value is None:
        return _not_told(terms, pool)
    utility = share["report"]["size"] * value
    gain = share["utility"] - utility
    told = (
        f"Had you stayed away, the others' model would have been worth {number(value)} to one member of your group, "
        f"{number(utility)} to all of it, and you would have paid nothing. "
    )
    if abs(gain) <= 1e-9 * max(1.0, abs(utility)):
        return f"{told}Taking part left you as well off."
    return f"{told}Taking part left you {number(abs(gain))} {'better' if gain > 0 else 'worse'} off."


def _not_told(terms: Data, pool: Data) -> str:
    if _plain_welfare(terms) and pool["kind"] == "candidates":
        return (
            "What you would have had by staying away is not shown here: it would tell you which model the others want. "
            "The provider and the auditors can see it."
        )
    return "What you would have had by staying away does not follow from what you may see, so it is not shown here."

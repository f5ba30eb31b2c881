"""What is agreed, in words: the choices that the form of the terms offers, and the terms as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneaccord.reporting.formatting import size
from tuneaccord.service.terms import terms_of

#: kind -> (name, what it means)
DIVERGENCES = {
    "KL": ("KL", "The usual one: every response keeps some chance."),
    "ReverseKL": ("Reverse KL", "Nothing that the base model can say is ever given up."),
    "ChiSquared": ("Chi-squared", "Large changes cost much more than small ones."),
    "TotalVariation": ("Total variation", "Chances jump to the best response or stay."),
    "SquaredHellinger": ("Squared Hellinger", "Between KL and reverse KL."),
    "JensenShannon": ("Jensen-Shannon", "Symmetric, and bounded however far the model moves."),
}
RULES = {
    "Welfare": ("Welfare", "The largest sum of size times value, less the price of leaving the base."),
    "SizeShare": ("Welfare a member", "As welfare, divided by the total size: more members do not move it further."),
    "MaxMin": ("Max-min", "The best for a member of the group that is worst off."),
    "NashWelfare": ("Nash welfare", "The largest product of values; needs scores above zero."),
}
PAYMENTS = {
    "Externality": ("What it costs the others (VCG)", "With welfare as the rule, telling the truth is then best."),
    "Free": ("Nothing", "Every group then gains by exaggerating."),
    "CostShare": ("An equal share of the price", "Simple, but the truth is not always best."),
    "Shapley": ("Value less Shapley value", "Fair shares by one definition; the truth is not always best."),
    "Fee": ("VCG and a fee", "The largest fee for taking part that keeps everybody in."),
    "Redistribution": ("VCG less a rebate", "The rebate is one that no group can influence."),
}


def truth_is_best(terms: Mapping[str, Any]) -> bool:
    """Whether rule and payments together make the truth the best report, whatever others report.

    >>> from tuneaccord.service.terms import terms_data
    >>> truth_is_best(terms_data({"title": "ours"}))
    True
    >>> truth_is_best(terms_data({"title": "ours", "payment": {"kind": "Free"}}))
    False
    """
    agreed = terms_of(terms)
    return agreed.rule.affine and agreed.payment.truthful


def terms_rows(terms: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is agreed, as rows of name and words."""
    money, scores = terms["money"], terms["scores"]
    rows = [
        ("the model is chosen by", _explained(terms["rule"], RULES)),
        ("each group pays", _explained(terms["payment"], PAYMENTS)),
        ("leaving the base costs by", _explained(terms["divergence"], DIVERGENCES)),
        ("money", f"one unit of value is {size(money['rate'])} {money['currency']}"),
        ("scores are", f"{size(scores['lowest'])} to {size(scores['highest'])}"),
        ("the largest size is", f"{terms['largest_size']:,.15g}"),
    ]
    if terms.get("sampling"):
        drawn = terms["sampling"]
        rows.append(
            (
                "the pool is drawn from",
                f"{drawn['model']}: {drawn['replies']} replies to each of {len(drawn['prompts'])} prompts, "
                f"at most {drawn['longest']} tokens, temperature {size(drawn['temperature'])}, seed {drawn['seed']}",
            )
        )
    return rows


def _explained(spec: Mapping[str, Any], of: Mapping[str, tuple[str, str]]) -> str:
    said = spec_words(spec)
    if spec["kind"] not in of:
        return said
    name, sentence = of[spec["kind"]]
    return f"{name}{said.removeprefix(spec['kind'])}. {sentence}"


def spec_words(spec: Mapping[str, Any]) -> str:
    """A rule with its parameters.

    >>> spec_words({"kind": "KL", "strength": 1.0})
    'KL (strength 1)'
    """
    parts = [
        f"{name.replace('_', ' ')} {size(value) if isinstance(value, float) else value}"
        for name, value in spec.items()
        if name != "kind" and value is not None and not isinstance(value, dict | list)
    ]
    inner = [spec_words(value) for value in spec.values() if isinstance(value, dict) and "kind" in value]
    said = ", ".join([*parts, *inner])
    return f"{spec['kind']} ({said})" if said else str(spec["kind"])

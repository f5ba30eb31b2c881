"""The settlement record of a tuning run: plain data, the same bytes for the same inputs and seed."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from tuneaccord.artifacts import seed_of
from tuneaccord.llm import embedded
from tuneaccord.llm.adapters import digest_state
from tuneaccord.llm.prompts import digest_prompts
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.lie_curves import lie_curves
from tuneaccord.mechanism.money import in_cents
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.mechanism.uncertainty import Interval, interval
from tuneaccord.specs import to_data
from tuneaccord.tuning.comparison import Row, best_net_welfare, compare, second_estimate, shortfall
from tuneaccord.tuning.fitted import adapter_method, promised, report_facts, with_fits
from tuneaccord.tuning.policy import choose

if TYPE_CHECKING:
    from tuneaccord.llm.distil import Distilled
    from tuneaccord.llm.scoring import ScoreSheet
    from tuneaccord.tuning.market import Market

#: packages whose version may change what a step computes
NUMERIC = ("numpy", "torch", "transformers", "tokenizers", "peft")


def run_record(
    market: Market,
    settlement: Settlement,
    sheet: ScoreSheet,
    held_out_sheet: ScoreSheet,
    rows: list[Row],
    weighted: tuple[Row, float] | None,
    distilled: Distilled | None,
) -> dict:
    """Everything a party may want to check, and nothing that depends on the clock or on where files are."""
    settings = market.settings
    sizes, strength, seed = market.sizes, market.strength, settings.seed
    by_name = {row.name: row for row in rows}
    guarantees = [guarantee.to_dict() for guarantee in promised(market, settlement.guarantees)]
    return {
        "kind": "TuneSettlement",
        "format": 1,
        "name": settings.name,
        "seed": seed,
        "model": {**market.ref.identity(), **embedded.about(market.ref.name)},
        "prompts": {
            "tune": {"count": len(market.prompts), "digest": digest_prompts(market.prompts)},
            "held_out": {"count": len(market.held_out), "digest": digest_prompts(market.held_out)},
        },
        "pool": {
            "digest": sheet.pool.digest,
            "replies": settings.pool.replies,
            "new_tokens": settings.pool.new_tokens,
            "temperature": settings.pool.temperature,
        },
        "held_out_pool": {"digest": held_out_sheet.pool.digest, "replies": settings.pool.replies},
        "divergence": to_data(settings.divergence),
        "groups": _groups(market, sheet),
        "correlations": within_prompt_correlations(sheet.scores),
        "settlement": {**_settlement(settlement, seed), "guarantees": guarantees},
        "held_out": {
            **compare(rows, settlement.names, sizes, strength, seed),
            "adapter_method": adapter_method(market, weighted[1] if weighted else None),
            "second_estimate": second_estimate(rows, *weighted, sizes, strength, seed)
            if weighted and market.scores_new_texts
            else None,
        },
        "delivery": _delivery(market, settlement, by_name.get("adapter"), held_out_sheet),
        "misreports": {
            group.name: lie_curves(settlement, group.name, tuple(map(float, group.scale))) for group in market.groups
        },
        "money": _money(settlement, settings.money),
        "adapter": _adapter(settings.adapter, distilled, sheet),
        "versions": package_versions(("tuneaccord", *NUMERIC)),
    }


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Installed versions by name.

    >>> list(package_versions(("numpy",)))
    ['numpy']
    """
    return {package: version(package) for package in packages}


def _groups(market: Market, sheet: ScoreSheet) -> list[dict]:
    return [
        {
            "name": group.name,
            "size": group.size,
            "reward": group.reward,
            "description": group.description,
            "scale": list(group.scale),
            "identity": group.identity,
            "scores_digest": sheet.digest(index),
            **report_facts(group),
        }
        for index, group in enumerate(market.groups)
    ]


def within_prompt_correlations(scores: np.ndarray) -> list[list[float]]:
    """How the groups' wishes go together on replies to the same prompt, (groups, groups).

    Correlations of the scores (prompts, replies, groups) after each prompt's mean is taken out; a group whose
    scores never vary has correlation 0 with the others.

    >>> np.round(within_prompt_correlations(np.array([[[0.0, 1.0], [1.0, 0.0]]])), 6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    centred = (scores - scores.mean(axis=1, keepdims=True)).reshape(-1, scores.shape[2])
    length = np.sqrt((centred**2).sum(axis=0))
    varies = length > 1e-12 * max(float(np.abs(scores).max()), 1e-300)  # more than the rounding of a constant
    scaled = np.where(varies, centred / np.where(varies, length, 1.0), 0.0)
    correlations = np.clip(scaled.T @ scaled, -1.0, 1.0)
    np.fill_diagonal(correlations, 1.0)
    return correlations.tolist()


def _settlement(settlement: Settlement, seed: int) -> dict:
    values, charges = settlement.optimum.values, settlement.payments_by_prompt
    group_values = settlement.sizes * values
    base, _ = settlement.space.evaluate(settlement.scores, np.atleast_2d(settlement.space.base))
    price = settlement.optimum.price
    spread = settlement.space.effective_sample_size(settlement.model)
    outside = outside_options(settlement)

    def by_group(numbers: np.ndarray) -> dict:
        return {name: interval(numbers[:, i], seed).to_dict() for i, name in enumerate(settlement.names)}

    def over_prompts(numbers: np.ndarray) -> dict:
        return interval(numbers, seed).to_dict()

    return {
        "base_values": by_group(base),
        "values": by_group(values),
        "group_values": by_group(group_values),
        "payments": by_group(charges),
        "utilities": by_group(group_values - charges),
        "staying_out": {name: value for name, (value, _) in outside.items()},
        "base_welfare": over_prompts(base @ settlement.sizes),
        "welfare": over_prompts(group_values.sum(axis=1)),
        "price": over_prompts(price),
        "net_welfare": over_prompts(group_values.sum(axis=1) - price),
        "kl": over_prompts(price / settlement.space.divergence.strength),
        "effective_sample_size": {
            "mean": float(spread.mean()),
            "min": float(spread.min()),
            "without": {name: size for name, (_, size) in outside.items()},
        },
        "gap": settlement.gap,
        "regret_bound": settlement.regret_bound,
    }


def outside_options(settlement: Settlement) -> dict[str, tuple[float, float]]:
    """For each group, from the model chosen without it: what it would have free of charge, and the mean ESS."""
    outside = {}
    for index, name in enumerate(settlement.names):
        sizes = settlement.sizes.copy()
        sizes[index] = 0.0
        without = settlement.space.optimum(settlement.scores, sizes)
        value = settlement.space.prompt_weights @ without.values[:, index]
        spread = settlement.space.effective_sample_size(without.model).mean()
        outside[name] = (float(settlement.sizes[index] * value), float(spread))
    return outside


def _delivery(market: Market, settlement: Settlement, adapter: Row | None, held_out: ScoreSheet) -> dict:
    strength, seed = market.strength, market.settings.seed
    elsewhere = POLICY_GUARANTEES if market.scores_new_texts else ()
    guarantees = promised(market, [*settlement.guarantees, *elsewhere])
    policy = {"guarantees": [guarantee.to_dict() for guarantee in guarantees]}
    if adapter is None:
        return {"policy": policy, "adapter": None}
    best = best_net_welfare(held_out.scores, settlement.sizes, strength)
    gap = shortfall(best, adapter, settlement.sizes, strength, seed)
    guarantees = [one.to_dict() for one in with_fits(adapter_guarantees(gap), market.groups, strength)]
    return {"policy": policy, "adapter": {"gap": gap.to_dict(), "guarantees": guarantees}}


#: what the settlement on the frozen pool says about replies to new prompts
POLICY_GUARANTEES = (
    Guarantee(
        "truthful on new prompts, charged by the reply",
        "exact",
        "The replies drawn for a new prompt do not depend on any report, so the settlement on them is the same "
        "mechanism on that prompt; `tuneaccord reply --json` gives its payments.",
        0.0,
    ),
    Guarantee(
        "truthful on new prompts, at the invoiced payments",
        "not claimed",
        "The invoices price the frozen pool. A reward model that scores the pool truthfully and exaggerates elsewhere "
        "would not pay for it: take the reward models before the prompts are known, or charge by the reply.",
    ),
)


def adapter_guarantees(gap: Interval) -> tuple[Guarantee, ...]:
    """What is left of the promises when the adapter is delivered in place of the policy.

    A mechanism that delivers ``a`` and charges ``h(w without i) - [others' welfare - price at a]`` gives a
    truthful group ``net welfare(a) - h(w without i)``, and no report of its own moves the second term; so a
    lie gains at most the best net welfare that any report could bring about, minus that of ``a``.

    >>> adapter_guarantees(Interval(0.5, 0.4, 0.6, 0.95))[0].bound
    0.6
    """
    bound = max(gap.high, 0.0)
    return (
        Guarantee(
            "truthful",
            "bounded",
            f"A group's gain from lying is at most the measured optimality gap of the adapter, {gap.estimate:.3f} "
            f"with a 95% interval of [{gap.low:.3f}, {gap.high:.3f}] on the held-out prompts; the bound is its upper "
            "end. It holds when each group is charged what its presence costs the others as measured with the adapter, "
            "on average over such prompts; the best net welfare in the gap is an estimate from the held-out pool.",
            bound,
        ),
        Guarantee(
            "truthful at the invoiced payments",
            "not claimed",
            "The invoices price the chosen policy. Delivered with them, the adapter gives each group a value that no "
            "payment here was computed for.",
        ),
        Guarantee(
            "nobody worse off",
            "not claimed",
            "Where the adapter realises less than the policy, a group may pay for more than it gets.",
        ),
    )


def _money(settlement: Settlement, money) -> dict:
    cents = in_cents(settlement.payments, money.rate)
    return {
        "currency": money.currency,
        "rate": money.rate,
        "invoices": {name: str(amount) for name, amount in cents.items()},
        "total": str(sum(cents.values())),
    }


def _adapter(wanted, distilled: Distilled | None, sheet: ScoreSheet) -> dict | None:
    if distilled is None:
        return None
    prompts, replies, _ = sheet.scores.shape
    return {
        "objective": distilled.method,
        "contexts": wanted.contexts if distilled.method == "vocabulary" else 0,
        "rank": distilled.lora.rank,
        "alpha": distilled.lora.alpha,
        "targets": distilled.lora.targets if isinstance(distilled.lora.targets, str) else [*distilled.lora.targets],
        "learning_rate": wanted.learning_rate,
        "steps": len(distilled.residuals),
        "passes": wanted.passes,
        "trained_replies": (prompts - wanted.validation_prompts) * replies,
        "validation_prompts": wanted.validation_prompts,
        "validation_correlation": distilled.correlation,
        "factor": distilled.factor,
        "residual": list(distilled.residuals),
        "digest": digest_state(distilled.state),
    }


def side_by_side(
    market: Market, held_out: ScoreSheet, weights: np.ndarray, adapter: ScoreSheet | None, count: int = 3
) -> list[dict]:
    """Replies of base, policy and adapter to the first held-out prompts, with the groups' scores of each.

    The base's and the adapter's are their first draws, the policy's is drawn by its weights: none is picked.
    """
    rows = []
    for index in range(min(count, len(market.held_out))):
        kept = choose(weights[index], seed_of(market.settings.seed, "side by side", index))
        shown = {"base": (held_out, 0), "policy": (held_out, kept), "adapter": (adapter, 0)}
        row: dict = {"prompt": market.held_out[index].text, "scores": {}}
        for name, (sheet, reply) in shown.items():
            row[name] = None if sheet is None else sheet.pool.texts[index][reply]
            row["scores"][name] = None if sheet is None else _scores(market, sheet.scores[index, reply])
        rows.append(row)
    return rows


def _scores(market: Market, scores: np.ndarray) -> dict[str, float]:
    return {group.name: float(score) for group, score in zip(market.groups, scores, strict=True)}

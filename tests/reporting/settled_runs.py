"""A run's plain data, made from a real settlement of a seeded random market."""

from __future__ import annotations

import hashlib

import numpy as np

import tuneaccord as ta
from tuneaccord.mechanism.money import in_cents
from tuneaccord.mechanism.uncertainty import interval, ratio_interval

NAMES = ["marketing", "legal", "support", "research & safety", "finance", "sales", "people", "engineering"]
SIZES = [5.0, 3.0, 2.0, 1.5, 2.5, 1.0, 0.5, 4.0]
DESCRIPTIONS = [
    "VADER compound sentiment mapped to [0, 1]",
    "share of neutral words",
    "Coleman-Liau grade, lower is better",
]
STRENGTH, TUNE, HELD_OUT, REPLIES = 0.5, 24, 16, 48


def digest(array) -> str:
    return "sha256:" + hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def market(prompts: int, groups: int, seed: int):
    """Scores in [0, 1], the first two groups opposed; a KL simplex; its settlement."""
    draws = np.random.default_rng(seed).normal(size=(prompts, REPLIES, groups))
    if groups > 1:
        draws[:, :, 1] = 0.9 * draws[:, :, 1] - 0.4 * draws[:, :, 0]
    scores = np.clip(0.65 + 0.14 * draws, 0, 1)
    space = ta.Simplex.uniform(prompts, REPLIES, ta.KL(strength=STRENGTH))
    reports = [ta.Report(NAMES[i], SIZES[i], ta.TableReward(scores[:, :, i])) for i in range(groups)]
    return ta.settle(space, reports)


def by_group(settled, table, seed):
    return {name: interval(table[:, i], seed).to_dict() for i, name in enumerate(settled.names)}


def settlement_data(settled, seed: int) -> dict:
    sizes, optimum = settled.sizes, settled.optimum
    base, _ = settled.space.evaluate(settled.scores, settled.space.base)
    group_values, payments = optimum.values * sizes, settled.payments_by_prompt
    welfare = group_values.sum(axis=1)
    spread = settled.space.effective_sample_size(optimum.model)
    alone = {name: settled.leave_one_out[name] for name in settled.names}
    return {
        "base_values": by_group(settled, base, seed),
        "values": by_group(settled, optimum.values, seed),
        "group_values": by_group(settled, group_values, seed),
        "payments": by_group(settled, payments, seed),
        "utilities": by_group(settled, group_values - payments, seed),
        "staying_out": {name: staying_out(settled, name) for name in alone},
        "welfare": interval(welfare, seed).to_dict(),
        "price": interval(optimum.price, seed).to_dict(),
        "net_welfare": interval(welfare - optimum.price, seed).to_dict(),
        "base_welfare": interval(base @ sizes, seed).to_dict(),
        "kl": interval(optimum.price / STRENGTH, seed).to_dict(),
        "effective_sample_size": {"mean": float(spread.mean()), "min": float(spread.min())},
        "gap": settled.gap,
        "regret_bound": settled.regret_bound,
        "guarantees": [guarantee.to_dict() for guarantee in settled.guarantees],
    }


def staying_out(settled, name: str) -> float:
    index = settled.names.index(name)
    others = settled.sizes.copy()
    others[index] = 0.0
    model = settled.space.optimum(settled.scores, others).model
    values, _ = settled.space.evaluate(settled.scores, model)
    return float(settled.sizes[index] * values[:, index].mean())


def held_out_rows(settled, adapter: bool, seed: int) -> list[dict]:
    """Base, the tilted policy, and an adapter that realises a part of the tilt with noise of its own."""
    space, scores, sizes = settled.space, settled.scores, settled.sizes
    base = np.atleast_2d(space.base)
    models = {"base": base, "policy": settled.optimum.model}
    if adapter:
        noise = np.random.default_rng(seed + 7).normal(0, 0.45, base.shape)
        models["adapter"] = space.divergence.tilt(0.35 * (scores @ sizes) + noise * STRENGTH, base)[0]
    nets = {}
    rows = []
    for name, model in models.items():
        values, price = space.evaluate(scores, model)
        nets[name] = values @ sizes - price
        gain = nets[name] - nets["base"]
        share = None if name == "base" else ratio_interval(gain, nets["policy"] - nets["base"], seed).to_dict()
        rows.append(
            {
                "name": name,
                "values": by_group(settled, values, seed),
                "kl": interval(price / STRENGTH, seed).to_dict(),
                "welfare": interval(values @ sizes, seed).to_dict(),
                "price": interval(price, seed).to_dict(),
                "net_welfare": interval(nets[name], seed).to_dict(),
                "gain": interval(gain, seed).to_dict(),
                "share": share,
                "replies_per_prompt": REPLIES,
            }
        )
    return rows


def misreports(settled) -> dict:
    def outcome(result):
        return {"group_value": result.group_value, "payment": result.payment, "utility": result.utility}

    table = {}
    for name in settled.names:
        truth = ta.what_if(settled, name, ta.SizeMisreport(1.0))
        sizes = ta.sweep(settled, name, [ta.SizeMisreport(f) for f in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)])
        shifts = ta.sweep(
            settled, name, [ta.RewardMisreport(b) for b in (0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 2.0)]
        )
        table[name] = {
            "truth": outcome(truth),
            "size": [{"factor": r.misreport.factor, **outcome(r)} for r in sizes],
            "shift": [{"shift": r.misreport.shift, **outcome(r)} for r in shifts],
        }
    return table


def delivery(settled, rows: list[dict]) -> dict:
    exact = [guarantee.to_dict() for guarantee in settled.guarantees]
    if len(rows) < 3:
        return {"policy": {"guarantees": exact}, "adapter": None}
    claim = {
        "name": "truthful",
        "status": "bounded",
        "statement": "A group's gain from lying is at most the measured gap of the adapter on the held-out prompts.",
        "bound": rows[1]["gain"]["high"],
    }
    gap = {k: v for k, v in rows[1]["net_welfare"].items()}
    for end in ("estimate", "low", "high"):
        gap[end] = rows[1]["gain"][end] - rows[2]["gain"]["estimate"]
    return {"policy": {"guarantees": exact}, "adapter": {"guarantees": [claim, *exact[1:2]], "gap": gap}}


def make_run(groups: int = 3, adapter: bool = True, seed: int = 1) -> dict:
    settled, other = market(TUNE, groups, seed), market(HELD_OUT, groups, seed + 100)
    rows = held_out_rows(other, adapter, seed)
    within = (settled.scores - settled.scores.mean(axis=1, keepdims=True)).reshape(-1, groups)
    money = in_cents(settled.payments, 1000.0)
    return {
        "kind": "TuneSettlement",
        "format": 1,
        "name": "assistant",
        "seed": seed,
        "model": {"name": "smollm2-135m-instruct", "digest": digest(settled.space.base), "dtype": "bfloat16"},
        "prompts": {
            "tune": {"count": TUNE, "digest": digest(settled.scores)},
            "held_out": {"count": HELD_OUT, "digest": digest(other.scores)},
        },
        "pool": {"digest": digest(settled.scores), "replies": REPLIES, "new_tokens": 32, "temperature": 0.7},
        "held_out_pool": {"digest": digest(other.scores), "replies": REPLIES},
        "divergence": {"kind": "KL", "strength": STRENGTH},
        "groups": [
            {
                "name": NAMES[i],
                "size": SIZES[i],
                "reward": f"reward-{i}",
                "description": DESCRIPTIONS[i % len(DESCRIPTIONS)],
                "scale": [0.0, 1.0],
                "scores_digest": digest(settled.scores[:, :, i]),
            }
            for i in range(groups)
        ],
        "correlations": np.atleast_2d(np.corrcoef(within, rowvar=False)).tolist(),
        "settlement": settlement_data(settled, seed),
        "held_out": {
            "rows": rows,
            "recommended": "policy",
            "reason": "It has the highest measured net welfare on held-out prompts.",
        },
        "delivery": delivery(other, rows),
        "misreports": misreports(settled),
        "money": {
            "currency": "EUR",
            "rate": 1000.0,
            "invoices": {name: str(amount) for name, amount in money.items()},
            "total": str(sum(money.values())),
        },
        "adapter": {
            "rank": 2,
            "learning_rate": 0.005,
            "steps": 9,
            "objective": "log-variance",
            "trained_replies": TUNE * REPLIES,
            "passes": 1,
            "validation_prompts": 4,
            "validation_correlation": 0.2,
            "factor": 0.41,
            "residual": [1.0, 0.99, 0.98],
            "digest": digest(other.scores[0]),
        }
        if adapter
        else None,
        "versions": {"tuneaccord": ta.__version__, "numpy": np.__version__},
    }


def make_replies(run: dict) -> list[dict]:
    names = [group["name"] for group in run["groups"]]
    scores = {name: 0.5 + 0.05 * i for i, name in enumerate(names)}
    adapter = run["adapter"] is not None
    return [
        {
            "prompt": prompt,
            "base": "Sure!\n\nHere are three ideas:\n1. Ask for help.",
            "policy": "Happy to help.\nLet us begin.",
            "adapter": "Of course." if adapter else None,
            "scores": {"base": scores, "policy": scores, "adapter": scores if adapter else None},
        }
        for prompt in ("How do I reset my password?", "Write a slogan.", "What is a contract?")
    ]

"""What the mechanism explorer computes: the settlement of the truth, of the lie, and of the lies around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tuneaccord.mechanism.audit import best_response_without_payments
from tuneaccord.mechanism.misreports import TableMisreport, sweep
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import TableReward
from tuneaccord.service.pages.mechanism_state import BENDS, Scene

SIZE_POINTS, BEND_POINTS = 25, 21
SIZE_ENDS = (0.25, 4.0)
AMOUNTS = ("value", "payment", "utility")


def truth_of(scene: Scene) -> Settlement:
    """The settlement if every group tells the truth."""
    return settle(scene.space(), scene.reports(), payment=scene.payment_rule)


def misreport_of(truth: Settlement, scene: Scene) -> TableMisreport:
    """The report of the scene's liar."""
    _, table = BENDS[scene.bend].misreport(scene.amount).report(truth, scene.liar)
    return TableMisreport(table, scene.factor)


def outcome(scene: Scene) -> dict:
    """Policies, and every group's amounts under the truth and under the lie, judged with the truth.

    Amounts are in units of size times reward. ``gain`` is what the lie changes for the liar.
    """
    truth = truth_of(scene)
    lie = misreport_of(truth, scene)
    lied = settle(truth.space, _with_lie(scene, lie), payment=scene.payment_rule)
    values = truth.space.evaluate(truth.scores, lied.optimum.model)[0].sum(axis=0)
    group_values = (truth.sizes * values).tolist()
    groups = [_group_row(truth, lied, name, worth) for name, worth in zip(truth.names, group_values, strict=True)]
    own = groups[scene.liar]
    total = sum(scene.base)
    return {
        "scene": scene,
        "base": [chance / total for chance in scene.base],
        "policy": truth.model.tolist(),
        "lied_policy": lied.model.tolist(),
        "reported": [float(number) for number in lie.table[0]],
        "groups": groups,
        "gain": {name: own[f"lied_{name}"] - own[name] for name in AMOUNTS},
        "welfare": truth.welfare,
        "price": truth.price,
        "net_welfare": truth.net_welfare,
        "lied_net_welfare": sum(group_values) - lied.price,
        "guarantees": [one.to_dict() for one in truth.guarantees],
    }


def _with_lie(scene: Scene, lie: TableMisreport) -> list[Report]:
    reports = scene.reports()
    own = reports[scene.liar]
    reports[scene.liar] = replace(own, size=lie.factor * own.size, reward=TableReward(lie.table))
    return reports


def _group_row(truth: Settlement, lied: Settlement, name: str, worth: float) -> dict:
    return {
        "name": name,
        "size": float(truth.sizes[truth.names.index(name)]),
        "value_each": truth.values[name],
        "value": truth.group_values[name],
        "payment": truth.payments[name],
        "utility": truth.utilities[name],
        "lied_value": worth,
        "lied_payment": lied.payments[name],
        "lied_utility": worth - lied.payments[name],
    }


def curves(scene: Scene) -> dict:
    """By how much the liar's amounts change against the truth, along the size it claims and along the bend.

    Each curve passes through the scene's own lie: the other part of the lie stays as it is.
    """
    truth = truth_of(scene)
    factors = _with_here(np.geomspace(*SIZE_ENDS, SIZE_POINTS), scene.factor, 1.0)
    bend = BENDS[scene.bend]
    amounts = _with_here(np.linspace(bend.low, bend.high, BEND_POINTS), scene.amount, bend.truth)
    return {
        "size": {"at": factors, **_changes(truth, [replace(scene, factor=one) for one in factors])},
        "bend": {"at": amounts, **_changes(truth, [replace(scene, amount=one) for one in amounts])},
        "best": _best(truth, scene),
    }


def _with_here(grid: np.ndarray, here: float, truth: float) -> list[float]:
    return sorted({*grid.round(6).tolist(), here, truth})


def _changes(truth: Settlement, scenes: list[Scene]) -> dict[str, list[float]]:
    name = truth.names[scenes[0].liar]
    found = sweep(truth, name, [misreport_of(truth, scene) for scene in scenes])
    return {
        "value": [one.group_value - truth.group_values[name] for one in found],
        "payment": [one.payment - truth.payments[name] for one in found],
        "utility": [one.utility - truth.utilities[name] for one in found],
    }


def _best(truth: Settlement, scene: Scene) -> float | None:
    """What the best lie about its rewards would bring the liar if nobody paid; known exactly under KL alone."""
    if scene.divergence != "KL":
        return None
    return best_response_without_payments(truth, truth.names[scene.liar]).gain

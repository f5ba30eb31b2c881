"""Whether the numbers of a settlement are right: computed again from the pool and the reports that are there.

A group can compute what the chosen model is worth to it, the price, its utility and its amount from its payment. The
payment itself depends on what the others reported, so only those who have all reports can compute it again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from tuneaccord.mechanism.audit.outcomes import money_scale, outcome
from tuneaccord.mechanism.money import CENT, in_cents
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.service.auditing import in_public, of_group
from tuneaccord.service.chain import commitment
from tuneaccord.service.checks import Check, fails, holds, unknown
from tuneaccord.service.session import Session
from tuneaccord.service.settling import outcome_of, sealed_part, settlement_of, terms_for
from tuneaccord.service.terms import CandidatePool, ResponsePool, Terms, pool_of, report_data, space_of, terms_of

_RELATIVE = 1e-9
_ROUNDING = 1e-12  #: of the largest amount that the reports allow; another machine's libm may differ in the last digits
_SECRETS = ("salt", "salts", "report_salt", "audit")  #: of shares and the record, not results of settling


@dataclass(frozen=True)
class Settled:
    """A settled session: what its log says, and what is needed to compute with it."""

    session: Session
    terms: Terms
    data: Mapping[str, Any]  #: of the log entry "settled"
    pool_data: Mapping[str, Any] | None
    pool: ResponsePool | CandidatePool | None

    @classmethod
    def of(cls, session: Session, data: Mapping[str, Any], pool: Mapping[str, Any] | None) -> Settled:
        """From a replayed log; ``pool`` is None where it is not known."""
        return cls(session, terms_of(session.terms), data, pool, None if pool is None else pool_of(pool))

    @property
    def public(self) -> Mapping[str, Any]:
        """What everybody may know."""
        return self.data["public"]


def check_share(settled: Settled, group: str, share: Mapping[str, Any]) -> Iterator[Check]:
    """A group's share: bound by the log, of its last report, with the numbers that follow from it."""
    part = f"share of {group}"
    if sealed_part(share) != settled.data["shares"][group]:
        yield fails(part, "it is not the one that the settlement in the log commits to: something in it was changed")
        return
    if fault := _report_fault(settled, group, share["report"], share["report_salt"]):
        yield fails(f"report of {group}", fault)
        return
    yield holds(
        f"report of {group}", f"log entry {settled.session.seats[group].report}, the last one, is what was settled"
    )
    if settled.pool is None:
        yield unknown(part, "without the pool its numbers cannot be computed again")
        return
    fault = _wrong_number(settled, share)
    if fault:
        yield fails(part, fault)
    else:
        yield holds(part, "value, price, utility and amount follow from the model, the report and the payment")


def check_everything(
    settled: Settled, record: Mapping[str, Any], shares: Mapping[str, Mapping[str, Any]]
) -> Iterator[Check]:
    """The record and all shares: bound by the log, and the same when everything is settled again."""
    if sealed_part(record) != settled.data["record"]:
        yield fails(
            "record", "it is not the one that the settlement in the log commits to: something in it was changed"
        )
        return
    yield holds("record", "is the one that the log commits to")
    order = settled.public["groups"]
    for what, found in (("reports", record["reports"]), ("shares", shares)):
        if sorted(found) != sorted(order):
            yield fails("record", f"its {what} are not those of the groups that reported")
            return
    faulty = False
    for group in order:
        for check in _of_group(settled, group, record, shares[group]):
            faulty = faulty or check.result == "fails"
            if check.result == "fails":
                yield check
    if faulty:
        return
    yield holds("reports", f"all {len(order)} are the groups' last ones and what the log commits to")
    yield holds("shares", f"all {len(order)} are what the log commits to, and their numbers follow from them")
    yield from _money(settled, record)
    if settled.pool_data is None:
        yield unknown("settlement", "without the pool it cannot be computed again")
        return
    yield from _settled_again(settled, record, shares)


def _of_group(settled: Settled, group: str, record: Mapping[str, Any], share: Mapping[str, Any]) -> Iterator[Check]:
    if fault := _report_fault(settled, group, record["reports"][group], record["salts"].get(group)):
        yield fails(f"report of {group}", fault)
        return
    yield from check_share(settled, group, share)
    if share["audit"] != of_group(record["audit"], group):
        yield fails(f"share of {group}", "what it says of the audit is not what the record says")


def _report_fault(settled: Settled, group: str, report: Mapping[str, Any], salt: Any) -> str | None:
    seat = settled.session.seats[group]
    if commitment(salt, report) != seat.commitment:
        return f"it is not what log entry {seat.report}, the group's last report, commits to"
    if settled.pool is None:
        return None
    given = {key: report[key] for key in ("scores", "how")}
    given |= {"worth": report["worth"]} if "worth" in report else {"size": report["size"]}
    valid = report_data(given, settled.pool, settled.terms)
    if not agree(report["size"], valid["size"], 0.0):
        return f"its size is {report['size']!r} but its worth gives {valid['size']!r}"
    return None


def _wrong_number(settled: Settled, share: Mapping[str, Any]) -> str | None:
    """The first number of a share that does not follow from the model, the report and the payment."""
    space = space_of(settled.pool, settled.terms)
    size, scores = share["report"]["size"], np.array(share["report"]["scores"], dtype=float)[:, :, None]
    shown = settled.public["model"]
    model = space.pick(shown) if isinstance(shown, str) else np.array(shown, dtype=float).reshape(space.shape)
    if (model < -1e-12).any() or not np.allclose(model.sum(axis=1), 1.0, atol=1e-9):
        return "the chosen model in the log is no distribution over the responses"
    values, prices = space.evaluate(scores, model)
    value, price = float(space.prompt_weights @ values[:, 0]), float(space.prompt_weights @ prices)
    base = None
    if space.base_model is not None:
        base = float(space.prompt_weights @ space.evaluate(scores, space.base_model)[0][:, 0])
    utility = size * value - share["payment"]
    slack = _ROUNDING * max(1.0, abs(price), size * float(np.abs(scores).max()))
    expected = {"value": value, "base_value": base, "group_value": size * value, "utility": utility}
    for name, number in expected.items():
        if not agree(share[name], number, slack):
            return f"its {name.replace('_', ' ')} is {share[name]!r} but its report and the model give {number!r}"
    if not agree(settled.public["price"], price, slack):
        return f"the price in the log is {settled.public['price']!r} but the model and the pool give {price!r}"
    return _wrong_amount(settled, share) or _wrong_lie(share, slack)


def _wrong_amount(settled: Settled, share: Mapping[str, Any]) -> str | None:
    exact = Decimal(repr(share["payment"])) * Decimal(repr(settled.public["rate"]))
    if not abs(Decimal(share["amount"]) - exact) < CENT:
        return f"its amount is {share['amount']} but payment times rate is {exact:.4f}"
    found = share["payment_interval"]
    if found is not None and not agree(found["estimate"], share["payment"], 0.0):
        return f"its interval is around {found['estimate']!r} but its payment is {share['payment']!r}"
    return None


def _wrong_lie(share: Mapping[str, Any], slack: float) -> str | None:
    for lie in share["what_if"]:
        utility = lie["group_value"] - lie["payment"]
        if not agree(lie["utility"], utility, slack) or not agree(lie["gain"], utility - share["utility"], slack):
            return f"what it says of the misreport {lie['misreport']} does not add up"
    return None


def _money(settled: Settled, record: Mapping[str, Any]) -> Iterator[Check]:
    payments = {group: record["results"]["payments"][group] for group in settled.public["groups"]}
    amounts = {group: str(amount) for group, amount in in_cents(payments, settled.public["rate"]).items()}
    for group, amount in amounts.items():
        if record["amounts"].get(group) != amount:
            yield fails(f"amount of {group}", f"it is {record['amounts'].get(group)} but rounding gives {amount}")
            return
    total = sum(map(Decimal, amounts.values()), Decimal(0))
    yield holds("amounts", f"they add up to {total} {settled.public['currency']}, the payments times the rate, rounded")


def _settled_again(
    settled: Settled, record: Mapping[str, Any], shares: Mapping[str, Mapping[str, Any]]
) -> Iterator[Check]:
    reports = {group: record["reports"][group] for group in settled.public["groups"]}
    terms = terms_for(settled.terms, list(settled.session.seats), reports)
    result = settlement_of(terms, settled.pool_data, reports)
    again = outcome_of(terms, settled.pool_data, reports, result)
    slack = _ROUNDING * max(1.0, float(result.sizes @ np.abs(result.scores).max(axis=(0, 1))))
    fault = _difference(_results(settled.public), again.public, slack) or _difference(
        _results(record), again.record, slack
    )
    if fault:
        yield fails("settlement", f"settled again from the reports, {fault}")
        return
    for group, share in shares.items():
        if fault := _difference(_results(share), again.shares[group], slack):
            yield fails(f"share of {group}", f"settled again from the reports, {fault}")
            return
    yield holds("settlement", "model, payments, promises and misreports are the same when it is settled again")
    yield from _audit(settled, record, result)


def _audit(settled: Settled, record: Mapping[str, Any], result: Settlement) -> Iterator[Check]:
    """Whether the lies that an audit names gain what it says; that it named the best ones cannot be proved."""
    audit = record["audit"]
    if settled.public["audit"] != in_public(audit):
        yield fails("audit", "what the log says of it is not what the record says")
        return
    if "skipped" in audit:
        yield unknown("audit", audit["skipped"])
        return
    for one in audit["groups"]:
        index = result.names.index(one["group"])
        lied = outcome(result, {index: (one["best"]["size"], np.array(one["best"]["table"]))})
        gain = 0.0 if lied is None else float(result.space.prompt_weights @ lied.utilities[:, index]) - one["utility"]
        if not agree(one["best"]["gain"], gain, _RELATIVE * money_scale(result, index)):
            yield fails("audit", f"the best lie of {one['group']} gains {gain!r}, not {one['best']['gain']!r}")
            return
    yield holds("audit", f"the lies that it found for {len(audit['groups'])} groups gain what it says")


def _results(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in _SECRETS}


def _difference(stored: Any, again: Any, slack: float, path: str = "") -> str | None:
    """The first place at which stored results differ from those computed again, in words.

    Amounts are checked by themselves, and sentences have rounded numbers in them.
    """
    if stored == again:
        return None
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        keys, others = set(stored), set(again)
    elif isinstance(stored, list) and isinstance(again, list | tuple):
        keys, others = set(range(len(stored))), set(range(len(again)))
    else:
        return None if agree(stored, again, slack) else f"{path or 'it'} is {again!r:.60}, not {stored!r:.60}"
    if keys != others:
        return f"{path or 'it'} has other parts: {', '.join(sorted(map(str, keys ^ others))[:3])}"
    for key in sorted(keys, key=str):
        if key in ("statement", "amount", "amounts", "broken_promises"):
            continue
        fault = _difference(stored[key], again[key], slack, f"{path} {key}".strip().replace("_", " "))
        if fault:
            return fault
    return None


def agree(stored: Any, computed: Any, allowed: float) -> bool:
    """Whether two plain values are the same, numbers up to rounding.

    >>> agree(1.0, 1.0 + 1e-12, 0.0), agree(1.0, 1.1, 0.0), agree(True, 1.0, 0.0)
    (True, False, False)
    """
    for one in (stored, computed):
        if isinstance(one, bool) or not isinstance(one, int | float):
            return type(stored) is type(computed) and stored == computed
    return math.isclose(stored, computed, rel_tol=_RELATIVE, abs_tol=allowed)

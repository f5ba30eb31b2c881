"""Check a receipt or a report's proof offline: no network, no database, no server, nothing of the web.

A *receipt* is everything that one party may have of a session: the public log, the pool, its share of the settlement
(a group), or all shares and the record (the provider and auditors). A *proof* is what a group got when it reported.
:func:`verify` goes through a document part by part and returns one :class:`Check` for each thing it looked at. What the
log binds to cannot be changed without a trace; that the numbers are also right is computed again from the parts that
are there. Who the holder says it is, a receipt of a provider, auditor or observer does not prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuneaccord.artifacts import digest_of
from tuneaccord.errors import TuneaccordError, first_line
from tuneaccord.service.chain import Entry, commitment, first_fault
from tuneaccord.service.checks import FAILS, UNKNOWN, Check, fails, holds, unknown
from tuneaccord.service.receipts import PROOF, RECEIPT
from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER, SEALED_NO_MORE, Session, replay
from tuneaccord.service.settling import settlement_digest
from tuneaccord.service.verify_numbers import Settled, check_everything, check_share

_TWO_PROOFS = "proofs"
_NONSENSE = (
    TuneaccordError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    RecursionError,
    OverflowError,
)


def verify(
    document: Mapping[str, Any], log: list[Any] | None = None, other: Mapping[str, Any] | None = None
) -> list[Check]:
    """All checks of a receipt or proof, in order; with a ``log`` or an ``other`` document of the same session also
    whether they tell the same story. :func:`uncompared` says whether an ``other`` had anything to compare.

    >>> [check.result for check in verify({"kind": "receipt", "version": 1, "session": "s", "log": [],
    ...                                    "holder": {"role": "observer", "name": ""}, "digest": ""})]
    ['fails', 'fails']
    """
    checks = _alone(document)
    if log is not None:
        checks += _safely("other log", _against_log(document, log))
    if other is not None:
        checks += _safely("other document", _together(document, other, log))
    if document["kind"] == PROOF and log is None and (other is None or other.get("kind") == PROOF):
        checks.append(unknown("log", "whether this entry is in the session's log, a proof alone does not show"))
    return [*checks, *_safely("file", _file(document))]


def holds_all(checks: list[Check]) -> bool:
    """Whether no check failed."""
    return all(check.result != FAILS for check in checks)


def uncompared(checks: list[Check]) -> Check | None:
    """The check that says that two documents have nothing in common, so that neither was compared with the other."""
    return next((check for check in checks if check.part == _TWO_PROOFS and check.result == UNKNOWN), None)


def _alone(document: Mapping[str, Any]) -> list[Check]:
    kind = document["kind"]
    return _safely(kind, _receipt(document) if kind == RECEIPT else _proof(document))


def _safely(part: str, checks: Iterator[Check]) -> list[Check]:
    """The checks, and one that fails where the data are not of the kind that can be checked."""
    found = []
    try:
        found.extend(checks)
    except _NONSENSE as error:
        found.append(fails(part, f"it is not as this program writes it: {first_line(error)}"))
    return found


# Receipts


def _receipt(receipt: Mapping[str, Any]) -> Iterator[Check]:
    log_fault = _log_fault(receipt)
    if log_fault:
        yield fails("log", log_fault)
        return
    yield holds("log", f"{len(receipt['log'])} entries, each bound to the one before by its digest")
    try:
        session = replay(receipt["session"], [Entry(**entry) for entry in receipt["log"]])
    except _NONSENSE as error:
        yield fails("log", f"{first_line(error)}")
        return
    yield holds("moves", f"every entry is a legal move; the session is {session.state}")
    yield from _pool(receipt, session)
    yield from _settlement(receipt, session)


def _log_fault(receipt: Mapping[str, Any]) -> str | None:
    if not isinstance(receipt["log"], list) or not receipt["log"]:
        return "there are no entries"
    return first_fault(receipt["session"], receipt["log"])


def _pool(receipt: Mapping[str, Any], session: Session) -> Iterator[Check]:
    if "pool" not in receipt:
        if session.pool is not None and receipt["holder"]["role"] != OBSERVER:
            yield fails("pool", "the log says that it was frozen, but it is missing from this receipt")
        return
    if digest_of(receipt["pool"]) != session.pool:
        yield fails(
            "pool", f"its digest is {digest_of(receipt['pool'])}, but the one that was frozen is {session.pool}"
        )
    else:
        yield holds("pool", f"is the one that was frozen, {session.pool}")


def _settlement(receipt: Mapping[str, Any], session: Session) -> Iterator[Check]:
    given = [part for part in ("share", "shares", "record") if part in receipt]
    if session.settlement is None:
        for part in given:
            yield fails(part, "the log has no settlement that this could be part of")
        return
    entry = next(one for one in reversed(receipt["log"]) if one["kind"] == "settled")
    known = "pool" in receipt and digest_of(receipt["pool"]) == session.pool
    settled = Settled.of(session, entry["data"], receipt["pool"] if known else None)
    yield from _bound(settled, entry["number"])
    yield from _parts(receipt, settled)


def _bound(settled: Settled, number: int) -> Iterator[Check]:
    data, public = settled.data, settled.data["public"]
    if settlement_digest(public, data["shares"], data["record"]) != data["settlement"]:
        yield fails("settlement", f"log entry {number}: its digest is not that of its public part, shares and record")
        return
    money = settled.terms.money
    agreed = {
        "pool": settled.session.pool,
        "groups": list(settled.session.reported),
        "currency": money.currency,
        "rate": money.rate,
    }
    for key, expected in agreed.items():
        if public[key] != expected:
            yield fails("settlement", f"log entry {number}: {key} is {public[key]!r:.200}, expected {expected!r:.200}")
            return
    yield holds("settlement", f"log entry {number} binds to the model, {len(data['shares'])} shares and the record")
    broken = [*public["recheck"]["broken"], *["audit"] * public["audit"].get("promise_broken", False)]
    if broken:
        yield fails("promises", f"the settlement says itself that these failed their recheck: {', '.join(broken)}")


def _parts(receipt: Mapping[str, Any], settled: Settled) -> Iterator[Check]:
    role, name = receipt["holder"]["role"], receipt["holder"].get("name")
    public_to_all = settled.session.state == "published"
    if role == GROUP and name not in settled.session.seats:
        yield fails("holder", f"group {name!r:.90} is not part of this session")
    elif role == GROUP and name in settled.session.shares:
        if "share" not in receipt or not public_to_all:
            yield fails("share", "a published settlement has a share for this group, but it is not here as published")
        elif receipt["share"].get("group") != name:
            yield fails("share", f"it is that of group {receipt['share'].get('group')!r:.90}, not of the holder")
        else:
            yield from check_share(settled, name, receipt["share"])
    elif role in (PROVIDER, AUDITOR):
        missing = [part for part in ("record", "shares") if part not in receipt]
        if missing:
            yield fails("record", f"the session is settled, but this receipt has no {' and no '.join(missing)}")
        else:
            yield from check_everything(settled, receipt["record"], receipt["shares"])
    elif "share" in receipt or "shares" in receipt or "record" in receipt:
        yield fails("holder", f"a receipt of a {role} has no part in the settlement, but this one has")


# Proofs


def _proof(proof: Mapping[str, Any]) -> Iterator[Check]:
    group, entry = proof["group"], proof["entry"]
    part = f"report of {group}"
    if commitment(proof["salt"], proof["report"]) != proof["commitment"]:
        yield fails(part, "it is not what the commitment was made to: report, salt or commitment was changed")
        return
    if not isinstance(entry, dict) or entry.get("digest") != digest_of(
        {key: value for key, value in entry.items() if key != "digest"}
    ):
        yield fails("log entry", "it was changed: its digest is not that of its content")
        return
    if entry.get("kind") != "reported" or entry.get("by") != {"role": GROUP, "name": group}:
        yield fails("log entry", f"it is not a report of group {group!r:.90}")
    elif entry.get("data") != {"commitment": proof["commitment"]}:
        yield fails("log entry", "it has another commitment")
    else:
        yield holds(part, f"log entry {entry.get('number')} of {entry.get('at')} commits to it")


# Two documents of one session


def _together(document: Mapping[str, Any], other: Mapping[str, Any], log: list[Any] | None) -> Iterator[Check]:
    if document["session"] != other["session"]:
        yield fails("session", f"the two are of different sessions: {document['session']} and {other['session']}")
        return
    kinds = {document["kind"], other["kind"]}
    fault = next((check for check in _alone(other) if check.result == FAILS), None)
    if fault is not None:
        yield fails("other document", f"it does not hold by itself: {fault.part}: {fault.words}")
    elif kinds == {RECEIPT}:
        yield _same_log(document["log"], other["log"], "logs", "the other receipt's log")
        yield from _same_shares(document, other)
    elif kinds == {PROOF}:
        yield from [_two_entries(document["entry"], other["entry"])] if log is None else _against_log(other, log)
    else:
        proof, receipt = (document, other) if document["kind"] == PROOF else (other, document)
        yield _was_settled(proof, receipt)


def _two_entries(one: Mapping[str, Any], two: Mapping[str, Any]) -> Check:
    """Whether the log entries of two proofs can be of one log; most pairs say nothing about one another."""
    first, second = sorted((one, two), key=lambda entry: entry["number"])
    numbers = f"{first['number']} and {second['number']}"
    if first["number"] == second["number"]:
        if first != second:
            return fails(_TWO_PROOFS, f"they have two different log entries {first['number']}: no log has both")
        return holds(_TWO_PROOFS, f"both are of log entry {first['number']}")
    if first["at"] > second["at"]:
        return fails(_TWO_PROOFS, f"log entries {numbers} are not in the order of their times: no log has both")
    if second["number"] != first["number"] + 1:
        return unknown(_TWO_PROOFS, f"log entries {numbers} are not next to each other, so nothing was compared")
    if second["previous"] != first["digest"]:
        return fails(_TWO_PROOFS, f"log entry {second['number']} does not follow on the other proof's: no log has both")
    return holds(_TWO_PROOFS, f"log entry {second['number']} follows on entry {first['number']}, by its digest")


def _against_log(document: Mapping[str, Any], log: list[Any]) -> Iterator[Check]:
    fault = first_fault(document["session"], log)
    if fault or not log:
        yield fails("other log", fault or "there are no entries")
    elif document["kind"] == PROOF:
        yield _was_settled(document, {"session": document["session"], "log": log})
    else:
        yield _same_log(document["log"], log, "logs", "the other log")


def _was_settled(proof: Mapping[str, Any], receipt: Mapping[str, Any]) -> Check:
    part, number = f"report of {proof['group']}", proof["entry"].get("number")
    log = receipt["log"]
    if isinstance(number, int) and number >= len(log) and _takes_more_reports(receipt):
        return unknown(part, f"the log ends before the proof's entry {number}. Take a newer receipt or log")
    if not isinstance(number, int) or not 0 <= number < len(log) or log[number] != proof["entry"]:
        return fails(part, f"the receipt's log does not have the proof's entry {number}")
    try:
        session = replay(receipt["session"], [Entry(**entry) for entry in log])
        last = session.seats[proof["group"]].report
    except _NONSENSE as error:
        return fails("log", first_line(error))
    if last != number:
        return fails(part, f"it was replaced: the group's last report is log entry {last}, the proof's is {number}")
    if session.settlement is None:
        return holds(part, f"is the group's last one so far, log entry {number}; the log has no settlement yet")
    return holds(part, f"is the one that was settled, log entry {number}")


def _takes_more_reports(receipt: Mapping[str, Any]) -> bool:
    """Whether the log is from before the close, so that reports may have come after its end."""
    try:
        return replay(receipt["session"], [Entry(**entry) for entry in receipt["log"]]).state not in SEALED_NO_MORE
    except _NONSENSE:
        return False


def _same_log(one: list[Any], two: list[Any], part: str, which: str) -> Check:
    for number, (ours, theirs) in enumerate(zip(one, two, strict=False)):
        if ours != theirs:
            return fails(part, f"entry {number} differs from {which}: parties were told different stories")
    if len(one) == len(two):
        return holds(part, f"the same as {which}, {len(one)} entries")
    return holds(part, f"the same as {which} in the {min(len(one), len(two))} entries that both have")


def _same_shares(document: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Check]:
    ours, theirs = _shares_of(document), _shares_of(other)
    for group in ours:
        if group in theirs and ours[group] != theirs[group]:
            yield fails(f"share of {group}", "it differs from the one in the other receipt")


def _shares_of(receipt: Mapping[str, Any]) -> dict[str, Any]:
    own = {receipt["holder"]["name"]: receipt["share"]} if "share" in receipt else {}
    return {**dict(receipt.get("shares", {})), **own}


def _file(document: Mapping[str, Any]) -> Iterator[Check]:
    if document["digest"] == digest_of({key: value for key, value in document.items() if key != "digest"}):
        yield holds("file", "its digest is that of its content")
    else:
        yield fails("file", "its digest is not that of its content: something in it was changed, added or removed")

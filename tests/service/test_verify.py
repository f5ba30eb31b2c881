"""Receipts and proofs hold as they were given, and no value in them can be changed without a fault that says where."""

import copy
import json
import random
import re
from pathlib import Path

import pytest
from service_play import POOL, REPORTS, STATES, TERMS, Clock, play
from settled_session import published, receipt_of

from tuneaccord.artifacts import canonical_json, digest_of
from tuneaccord.errors import InputError
from tuneaccord.service.chain import Entry, commitment, genesis, sealed_entry
from tuneaccord.service.checks import FAILS, HOLDS, UNKNOWN
from tuneaccord.service.connect import connect
from tuneaccord.service.receipts import read_document, read_log
from tuneaccord.service.settings import Settings
from tuneaccord.service.settling import sealed_part, settlement_digest
from tuneaccord.service.verify import _was_settled, holds_all, uncompared, verify

CANDIDATES = {
    "kind": "candidates",
    "candidates": [{"name": "base"}, {"name": "soup", "price": 0.3}, {"name": "other", "price": 0.9}],
    "base": "base",
}


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory):
    """One database for all tests here: each session in it is left as it is."""
    desk = connect(Settings(folder=tmp_path_factory.mktemp("server")))
    desk.clock = Clock()
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def played(module_desk):
    return published(module_desk)


def first_fault(checks):
    return next((check for check in checks if check.result == FAILS), None)


def redigested(document):
    """As somebody would hand it on who changed a part and made the file whole again."""
    body = {key: value for key, value in document.items() if key != "digest"}
    return {**body, "digest": digest_of(body)}


def leaves(data, path=()):
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
        if not data:
            yield path
    else:
        yield path


def changed(document, path):
    """The document with another value at this place, of the same kind where there is one."""
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    old = place[path[-1]]
    if isinstance(old, bool):
        new = not old
    elif isinstance(old, int | float):
        new = old + 1
    elif isinstance(old, str):
        new = "x" + old[1:] if old and old[0] != "x" else "y" + old[1:]
    else:
        new = "something"
    place[path[-1]] = new
    return document


@pytest.mark.parametrize("who", ["provider", "auditor", "observer", "legal", "support", "marketing"])
def test_every_party_receipt_holds(played, who):
    checks = verify(receipt_of(played, who))
    assert {check.result for check in checks} == {HOLDS}, first_fault(checks)
    parts = [check.part for check in checks]
    assert ("pool" in parts) == (who != "observer")
    assert ("record" in parts) == (who in ("provider", "auditor"))


def test_proofs_hold_alone_and_with_a_receipt(played):
    for name in ("legal", "support", "marketing"):
        proof = played.proofs[name]
        assert holds_all(verify(proof))
        for who in ("provider", name, "observer"):
            checks = verify(proof, other=receipt_of(played, who))
            assert holds_all(checks)
            assert "is the one that was settled" in checks[-2].words
            assert holds_all(verify(receipt_of(played, who), other=proof))
        assert holds_all(verify(proof, log=receipt_of(played, "observer")["log"]))


def test_a_receipt_from_before_the_report_says_so_and_one_from_after_the_close_fails(played):
    proof, receipt = played.proofs["legal"], receipt_of(played, "legal")
    number = proof["entry"]["number"]
    early = _was_settled(proof, {**receipt, "log": receipt["log"][:number]})
    assert (early.part, early.result) == ("report of legal", UNKNOWN)
    assert "Take a newer" in early.words
    closed = next(place for place, entry in enumerate(receipt["log"]) if entry["kind"] == "closed")
    without = {**proof, "entry": {**proof["entry"], "number": len(receipt["log"]) + 1}}
    assert "does not have the proof's entry" in _was_settled(without, receipt).words
    short = {**receipt, "log": receipt["log"][: closed + 1]}
    assert _was_settled(without, short).result == FAILS


def test_a_report_that_was_replaced_is_not_the_one_that_was_settled(played):
    earlier = played.proofs["earlier"]
    assert holds_all(verify(earlier))
    fault = first_fault(verify(earlier, other=receipt_of(played, "legal")))
    assert fault.part == "report of legal"
    last = played.proofs["legal"]["entry"]["number"]
    assert f"the group's last report is log entry {last}" in fault.words


@pytest.mark.slow
def test_before_the_end_a_receipt_holds_as_far_as_it_goes(module_desk):
    for state in STATES:
        played = play(module_desk, state)
        for caller in (played.provider, *played.groups.values()):
            receipt = played.reading.receipt(caller, played.id)
            assert holds_all(verify(receipt)), state
            assert ("record" in receipt) == (caller == played.provider and state in ("settled", "published"))


NOT_BOUND = {("holder", "name"), ("holder", "role")}  #: who holds a receipt, its log does not say


def expected_part(path, document):
    """The part that a fault at this place should name."""
    if path[0] == "log":
        return ("log",)
    if path[0] in ("share", "shares"):
        group = document["share"]["group"] if path[0] == "share" else path[1]
        return f"share of {group}", f"report of {group}", "record", "share"
    return {
        "session": ("log",) if "log" in document else ("file",),
        "holder": ("file", "holder", "share", "record", "pool"),
        "pool": ("pool",),
        "record": ("record",),
        "digest": ("file",),
        "report": (f"report of {document.get('group')}",),
        "salt": (f"report of {document.get('group')}",),
        "commitment": (f"report of {document.get('group')}",),
        "group": ("log entry",),
        "entry": ("log entry",),
    }[path[0]]


def check_every_leaf(document, paths):
    """Changed one at a time, each time with the digest of the whole file made anew where something else must tell."""
    for path in paths:
        if path[0] in ("kind", "version"):
            continue
        wrong = changed(document, path)
        alone = document["kind"] == "report proof" and path == ("session",)  # what is found with a receipt only
        if path not in NOT_BOUND and path != ("digest",) and not alone:
            wrong = redigested(wrong)
        fault = first_fault(verify(wrong))
        assert fault is not None, path
        assert fault.part in expected_part(path, document), (path, fault)


def test_a_changed_value_is_found_in_what_a_group_has(played):
    document = receipt_of(played, "legal")
    check_every_leaf(document, random.Random(1).sample(list(leaves(document)), 120))
    proof = json.loads(json.dumps(played.proofs["legal"]))
    check_every_leaf(proof, list(leaves(proof)))


def test_a_changed_value_is_found_in_what_the_provider_has(played):
    document = receipt_of(played, "provider")
    check_every_leaf(document, random.Random(2).sample(list(leaves(document)), 120))


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["responses", "candidates"])
def test_every_changed_value_is_found(module_desk, pool):
    played = published(module_desk, pool=CANDIDATES) if pool == "candidates" else published(module_desk)
    for who in ("provider", "marketing", "observer"):
        document = receipt_of(played, who)
        check_every_leaf(document, list(leaves(document)))


def test_what_says_who_holds_a_receipt_is_found_by_the_file_digest(played):
    receipt = receipt_of(played, "auditor")
    fault = first_fault(verify({**receipt, "holder": {"role": "auditor", "name": "somebody else"}}))
    assert fault.part == "file"
    own = receipt_of(played, "legal")
    other = redigested({**own, "holder": {"role": "group", "name": "support"}})
    assert first_fault(verify(other)).part == "share"
    more = redigested({**own, "holder": {"role": "observer", "name": "x"}})
    assert first_fault(verify(more)).part == "holder"


def test_a_changed_proof_session_is_found_with_a_receipt(played, module_desk):
    other = published(module_desk)
    proof = redigested({**played.proofs["legal"], "session": other.id})
    fault = first_fault(verify(proof, other=receipt_of(other, "legal")))
    assert fault.part == "report of legal"
    assert "does not have the proof's entry" in fault.words
    assert first_fault(verify(played.proofs["legal"], other=receipt_of(other, "legal"))).part == "session"


def changed_entry(proof, **change):
    """The proof again, its log entry changed and given the digest that fits."""
    entry = {**proof["entry"], **change}
    entry["digest"] = digest_of({key: value for key, value in entry.items() if key != "digest"})
    return redigested({**proof, "entry": entry})


def test_two_proofs_say_no_more_than_they_have_in_common(played):
    by_number = sorted(played.proofs.values(), key=lambda proof: proof["entry"]["number"])
    pairs = [(one, two) for one in by_number for two in by_number]
    log = receipt_of(played, "observer")["log"]
    for one, two in pairs:
        checks, apart = verify(one, other=two), abs(one["entry"]["number"] - two["entry"]["number"])
        assert holds_all(checks)
        assert (uncompared(checks) is not None) == (apart > 1)
        assert "a proof alone does not show" in next(check.words for check in checks if check.part == "log")
        both = verify(one, other=two, log=log)
        settled = played.proofs["earlier"] not in (one, two)
        assert (uncompared(both), holds_all(both)) == (None, settled)
    assert {abs(one["entry"]["number"] - two["entry"]["number"]) > 1 for one, two in pairs} == {True, False}
    first, second, last = by_number[0], by_number[1], by_number[-1]
    for wrong, beside, words in (
        (changed_entry(second, previous="sha256:0"), first, "does not follow on"),
        (changed_entry(last, at="2000-01-01T00:00:00.000Z"), first, "not in the order of their times"),
        (changed_entry(first, at="2000-01-01T00:00:00.000Z"), first, "two different log entries"),
    ):
        for checks in (verify(wrong, other=beside), verify(beside, other=wrong)):
            assert first_fault(checks).part == "proofs"
            assert words in first_fault(checks).words


def test_an_empty_log_is_no_log_to_compare_with(played):
    for document in (receipt_of(played, "legal"), played.proofs["legal"]):
        assert first_fault(verify(document, log=[])).part == "other log"


def test_missing_parts_are_named(played):
    receipt = receipt_of(played, "provider")
    for part, named in (("pool", "pool"), ("record", "record"), ("shares", "record")):
        less = redigested({key: value for key, value in receipt.items() if key != part})
        assert first_fault(verify(less)).part == named
    own = receipt_of(played, "legal")
    assert first_fault(verify(redigested({key: own[key] for key in own if key != "share"}))).part == "share"
    cut = redigested({**own, "log": own["log"][:-1]})  # not published yet
    assert first_fault(verify(cut)).part == "share"
    cut = redigested({**own, "log": own["log"][:-2]})  # not even settled
    assert "no settlement" in first_fault(verify(cut)).words


@pytest.mark.slow
@pytest.mark.parametrize("who", ["provider", "legal"])
def test_a_flipped_bit_anywhere_in_the_file_is_found(played, who, tmp_path):
    text = json.dumps(receipt_of(played, who)).encode()
    rng, path = random.Random(3), tmp_path / "receipt.json"
    for _ in range(150):
        place = rng.randrange(len(text))
        flipped = bytearray(text)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            document = read_document(path)
        except InputError:
            continue
        same = canonical_json(document) == canonical_json(json.loads(text))
        assert holds_all(verify(document)) == same, place


# A server that lies consistently: every digest is right, a number is wrong


def retold(receipt, change):
    """The receipt with ``change(settled data, record, shares)`` made and all that binds to it made anew."""
    receipt = copy.deepcopy(receipt)
    settled = next(entry for entry in receipt["log"] if entry["kind"] == "settled")
    data, record, shares = settled["data"], receipt.get("record"), receipt.get("shares")
    if "share" in receipt:
        shares = {receipt["holder"]["name"]: receipt["share"]}
    change(data, record, shares)
    if record is not None:
        data["record"] = sealed_part(record)
    data["shares"] = {**data["shares"], **{group: sealed_part(share) for group, share in shares.items()}}
    data["settlement"] = settlement_digest(data["public"], data["shares"], data["record"])
    previous, log = genesis(receipt["session"]), []
    for entry in receipt["log"]:
        body = {key: entry[key] for key in ("number", "at", "kind", "by", "data")}
        log.append(sealed_entry(**body, previous=previous).to_dict())
        previous = log[-1]["digest"]
    return redigested({**receipt, "log": log})


def nudge(*path):
    """Add a little to the number there; paths start at public, record, or a share's group."""

    def change(data, record, shares):
        place = {"public": data["public"], "record": record, **shares}
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] += 0.001

    return change


def say(value, *path):
    def change(data, record, shares):
        place = {"public": data["public"], "record": record, **shares}
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def test_a_receipt_that_is_retold_unchanged_holds(played):
    for who in ("provider", "legal"):
        receipt = receipt_of(played, who)
        assert retold(receipt, lambda *parts: None) == receipt


@pytest.mark.parametrize(
    ("change", "part", "words"),
    [
        (nudge("legal", "value"), "share of legal", "its value is"),
        (nudge("legal", "base_value"), "share of legal", "its base value is"),
        (nudge("legal", "group_value"), "share of legal", "its group value is"),
        (nudge("legal", "utility"), "share of legal", "its utility is"),
        (nudge("public", "price"), "share of legal", "the price in the log is"),
        (nudge("public", "model", 0, 0), "share of legal", "no distribution"),
        (say("99.99", "legal", "amount"), "share of legal", "its amount is 99.99"),
        (nudge("legal", "what_if", 0, "utility"), "share of legal", "does not add up"),
        (nudge("public", "rate"), "settlement", "rate is"),
        (say("sha256:0", "public", "pool"), "settlement", "pool is"),
        (say(["support", "legal", "marketing"], "public", "groups"), "settlement", "groups is"),
        (say(["truthful"], "public", "recheck", "broken"), "promises", "failed their recheck: truthful"),
        (say(True, "public", "audit", "promise_broken"), "promises", "audit"),
    ],
)
def test_a_group_finds_numbers_that_do_not_follow(played, change, part, words):
    fault = first_fault(verify(retold(receipt_of(played, "legal"), change)))
    assert fault.part == part
    assert words in fault.words


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (nudge("record", "results", "payments", "legal"), "amount of legal"),
        (nudge("record", "results", "utilities", "legal"), "settlement"),
        (nudge("record", "results", "welfare"), "settlement"),
        (nudge("record", "results", "leave_one_out", "support"), "settlement"),
        (nudge("record", "base_values", "support"), "settlement"),
        (say("1.00", "record", "amounts", "legal"), "amount of legal"),
        (nudge("marketing", "what_if", 1, "payment"), "share of marketing"),
        (nudge("record", "audit", "groups", 0, "best", "gain"), "share of legal"),
        (say({"skipped": "no"}, "public", "audit"), "audit"),
        (say([], "public", "guarantees"), "settlement"),
    ],
)
def test_the_provider_finds_numbers_that_settling_again_does_not_give(played, change, part):
    assert first_fault(verify(retold(receipt_of(played, "provider"), change))).part == part


def test_money_moved_from_one_group_to_another_is_found(played):
    """Every share adds up by itself, the total is right, and still the payments are not those of the reports."""

    def change(data, record, shares):
        for group, by in (("legal", -0.01), ("support", 0.01)):
            share = shares[group]
            share["payment"] += by
            share["utility"] = share["group_value"] - share["payment"]
            share["amount"] = str(round(float(share["amount"]) + 100 * by, 2))
            for lie in share["what_if"]:
                lie["gain"] = lie["utility"] - share["utility"]
            record["amounts"][group] = share["amount"]
            record["results"]["payments"][group] = share["payment"]
            record["results"]["utilities"][group] = share["utility"]

    wrong = retold(receipt_of(played, "provider"), change)
    fault = first_fault(verify(wrong))
    assert fault.part == "settlement"
    assert "settled again from the reports, results payments legal is" in fault.words


def test_another_report_than_the_last_one_is_found(played):
    earlier = played.proofs["earlier"]

    def change(data, record, shares):
        shares["legal"]["report"], shares["legal"]["report_salt"] = earlier["report"], earlier["salt"]

    fault = first_fault(verify(retold(receipt_of(played, "legal"), change)))
    assert fault.part == "report of legal"
    assert "the group's last report" in fault.words


def test_two_parties_who_were_told_different_stories_find_out(played):
    ours, theirs = receipt_of(played, "legal"), receipt_of(played, "support")
    assert holds_all(verify(ours, other=theirs))
    forked = retold(theirs, nudge("public", "price"))
    assert not holds_all(verify(ours, other=forked))  # and by itself it does not hold

    def at_another_time(data, record, shares):
        data["public"]["guarantees"][0]["statement"] = "another sentence"

    forked = retold(theirs, at_another_time)
    assert holds_all(verify(forked))
    fault = first_fault(verify(ours, other=forked))
    number = next(entry["number"] for entry in ours["log"] if entry["kind"] == "settled")
    assert fault.part == "logs"
    assert f"entry {number} differs" in fault.words
    assert first_fault(verify(ours, log=forked["log"])).part == "logs"


def test_a_shorter_log_of_the_same_session_is_the_same_story(played):
    receipt = receipt_of(played, "legal")
    checks = verify(receipt, log=receipt["log"][:5])
    assert holds_all(checks)
    assert "in the 5 entries that both have" in checks[-2].words
    broken = copy.deepcopy(receipt["log"][:5])
    broken[2]["at"] = "2026-01-01T00:00:00.000Z"
    assert first_fault(verify(receipt, log=broken)).part == "other log"


def test_a_move_that_was_not_legal_is_named(played):
    receipt = receipt_of(played, "observer")
    log = [Entry(**entry) for entry in receipt["log"] if entry["kind"] != "closed"]
    previous, forged = genesis(receipt["session"]), []
    for number, entry in enumerate(log):
        forged.append(sealed_entry(number, entry.at, entry.kind, entry.by, entry.data, previous).to_dict())
        previous = forged[-1]["digest"]
    fault = first_fault(verify(redigested({**receipt, "log": forged})))
    assert fault.part == "log"
    assert "settling" in fault.words


def test_a_worth_gives_the_size_that_was_settled(module_desk):
    reports = {
        "legal": {"worth": 50.0, "scores": [[0.1, 0.9, 0.0]]},
        "support": {"size": 1.0, "scores": [[0.6, 0.5, 0.4]]},
    }
    played = published(module_desk, reports=reports, replaced=None)
    receipt = receipt_of(played, "legal")
    assert receipt["share"]["report"]["worth"] == 50.0
    assert holds_all(verify(receipt))


@pytest.mark.slow
def test_other_rules_and_negative_payments_verify(module_desk):
    for terms in (
        {**TERMS, "rule": {"kind": "MaxMin"}},
        {**TERMS, "payment": {"kind": "Free"}},
        {
            **TERMS,
            "divergence": {"kind": "ChiSquared", "strength": 9.0},
            "payment": {"kind": "BalancedBudget", "largest_sizes": 6.0},
        },
    ):
        played = play(module_desk, terms=terms)
        for who in ("provider", "support"):
            checks = verify(receipt_of(played, who))
            assert holds_all(checks), first_fault(checks)


def test_an_audit_that_was_not_made_is_said_not_to_be_checked(module_desk, played):
    receipt = json.loads(json.dumps((one := play(module_desk)).reading.receipt(one.provider, one.id)))
    checks = verify(receipt)
    assert holds_all(checks)
    assert [check.part for check in checks if check.result == UNKNOWN] == ["audit"]


# Files


def test_what_is_no_receipt_is_refused(tmp_path, played):
    receipt = receipt_of(played, "legal")
    path = tmp_path / "receipt.json"
    bad = {
        "{": "is not JSON",
        "[]": "neither a receipt nor",
        '{"kind": "Settlement"}': "its kind is 'Settlement'",
        '{"kind": "receipt", "version": 1}': "it has no session, holder, log, digest",
        json.dumps({**receipt, "version": 2}): "of version 2",
        json.dumps({**receipt, "holder": []}): "its holder must have",
        '{"kind": "receipt", "kind": "receipt"}': "a key is there twice",
        '{"kind": NaN}': "NaN is no number",
        '{"kind": "\\ud800"}': "is not JSON",
        "[" * 100_000: "is not",
    }
    for text, words in bad.items():
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            read_document(path)
    with pytest.raises(InputError, match="does not exist"):
        read_document(tmp_path / "none.json")


def test_a_log_comes_in_three_shapes(tmp_path, played):
    log = receipt_of(played, "observer")["log"]
    for data in (log, {"entries": log}, receipt_of(played, "observer")):
        (tmp_path / "log.json").write_text(json.dumps(data))
        assert read_log(tmp_path / "log.json") == log
    (tmp_path / "log.json").write_text('{"what": 1}')
    with pytest.raises(InputError, match="has no log"):
        read_log(tmp_path / "log.json")


@pytest.mark.parametrize("nonsense", [None, 1, "x", [], {}, [1], {"a": 1}, [[]], [{}]])
def test_nonsense_in_any_part_is_a_fault_and_never_a_crash(played, nonsense):
    for document in (receipt_of(played, "provider"), receipt_of(played, "legal"), played.proofs["legal"]):
        for key in document:
            if key in ("kind", "version"):
                continue
            wrong = {**document, key: nonsense}
            wrong = wrong if key == "digest" else redigested(wrong)
            if key == "holder" and not isinstance(nonsense, dict):
                continue  # refused when it is read
            if key == "holder":
                wrong["holder"] = {"role": "group", "name": nonsense}
            unread = key == "session" and document["kind"] == "report proof"
            assert holds_all(verify(wrong)) == unread, (key, nonsense)


def test_a_commitment_cannot_be_opened_to_another_report(played):
    proof = played.proofs["legal"]
    assert commitment(proof["salt"], proof["report"]) == proof["commitment"]
    wrong = redigested({**proof, "report": {**proof["report"], "size": 4.0}})
    assert first_fault(verify(wrong)).part == "report of legal"


def test_every_part_that_is_checked_is_in_the_docs(played):
    page = (Path(__file__).parents[2] / "docs" / "receipts.md").read_text()
    found = verify(receipt_of(played, "provider")) + verify(receipt_of(played, "legal"), other=played.proofs["legal"])
    found += verify(played.proofs["legal"], other=played.proofs["earlier"])
    for check in found + verify(played.proofs["legal"]):
        part = re.sub(r" of \w+$", " of NAME", check.part)
        assert f"`{part}`" in page


def test_the_program_in_the_docs_runs(played, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "receipts.md").read_text()
    (tmp_path / "receipt.json").write_text(json.dumps(receipt_of(played, "legal")))
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], {})
    assert capsys.readouterr().out == "True []\n"


def test_a_group_that_stayed_silent_has_a_receipt_and_no_part(module_desk):
    played = play(module_desk, "open")
    late = module_desk.join(module_desk.invite(played.provider, played.id, "late"))
    module_desk.freeze(played.provider, played.id, POOL)
    module_desk.begin(played.provider, played.id)
    for name, report in REPORTS.items():
        module_desk.report(played.groups[name], played.id, report)
    module_desk.close(played.provider, played.id)
    played.settle()
    module_desk.publish(played.provider, played.id)
    receipt = played.reading.receipt(module_desk.caller(late.token), played.id)
    assert "share" not in receipt
    assert holds_all(verify(receipt))
    assert holds_all(verify(receipt, other=receipt_of(played, "provider")))
    taken = redigested({**receipt, "share": receipt_of(played, "legal")["share"]})
    assert first_fault(verify(taken)).part == "holder"

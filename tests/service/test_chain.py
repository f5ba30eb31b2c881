"""The log binds to everything in it, and says nothing of what is sealed."""

import hashlib
import json

import pytest

from tuneaccord.artifacts import canonical_json, digest_of
from tuneaccord.service.chain import commitment, first_fault, genesis, new_salt, sealed_entry
from tuneaccord.service.sealing import Told


def log(session_id="s", entries=3):
    """Entries that follow one another."""
    made, previous = [], genesis(session_id)
    for number in range(entries):
        entry = sealed_entry(number, f"t{number}", "joined", {"role": "group", "name": "ä"}, {"x": 0.1}, previous)
        made.append(entry.to_dict())
        previous = entry.digest
    return made


def test_digests_are_those_of_the_written_text():
    """A second route: the text as the documentation describes it, and plain SHA-256."""
    entry = log(entries=1)[0]
    text = (
        '{"at":"t0","by":{"name":"ä","role":"group"},"data":{"x":0.1},"kind":"joined","number":0,'
        f'"previous":"{entry["previous"]}"}}'
    )
    assert entry["digest"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert entry["previous"] == "sha256:" + hashlib.sha256(b'{"session":"s"}').hexdigest()
    bound = "sha256:" + hashlib.sha256(b'{"content":{"size":3.0},"salt":"00"}').hexdigest()
    assert commitment("00", {"size": 3.0}) == bound


def test_each_kind_of_fault_is_named():
    assert first_fault("s", log()) is None
    assert first_fault("s", []) is None
    for change, told in (
        (lambda entries: entries[1].pop("at"), "entry 1 does not have the fields"),
        (lambda entries: entries[1].update(number=2), "entry 1 has the number 2"),
        (lambda entries: entries[1].update(kind="left"), "entry 1 ('left') was changed"),
        (lambda entries: entries[1].update(digest="sha256:0"), "entry 1 ('joined') was changed"),
        (lambda entries: entries.pop(0), "entry 0 has the number 1"),
        (lambda entries: entries.insert(1, "no entry"), "entry 1 does not have the fields"),
    ):
        entries = log()
        change(entries)
        assert told in first_fault("s", entries)
    assert "entry 0 does not follow" in first_fault("other", log())


def test_numbers_that_only_compare_equal_are_told_apart():
    entries = log()
    entries[1]["number"] = True
    assert first_fault("s", entries) is not None
    entries = log()
    entries[0]["number"] = False
    assert first_fault("s", entries) is not None


def test_a_commitment_says_nothing_without_its_salt():
    salts = [new_salt() for _ in range(50)]
    assert len(set(salts)) == 50
    assert {len(bytes.fromhex(salt)) for salt in salts} == {32}
    assert len({commitment(salt, {"size": 3}) for salt in salts}) == 50


@pytest.mark.parametrize(
    "report",
    [
        {"size": 3.0, "scores": [[0.1, 1e-30], [1.0, 0.0]], "how": "given"},
        {"size": 1e9, "scores": [[0.30000000000000004]], "how": 'a "name", </script>, ü and \\'},
    ],
)
def test_what_is_sealed_and_committed_to_is_the_report(report):
    """The text is put together by hand for speed; here by the ordinary functions."""
    told = Told(report)
    assert told.commitment == commitment(told.salt, report)
    assert json.loads(told.text) == {"report": report, "salt": told.salt}
    by = {"role": "group", "name": "legal"}
    entry = sealed_entry(5, "t", "reported", by, {"commitment": told.commitment}, genesis("s"))
    proof = told.proof("s", entry)
    assert proof["digest"] == digest_of({key: value for key, value in proof.items() if key != "digest"})
    assert (proof["group"], proof["commitment"], proof["report"]) == ("legal", told.commitment, report)
    assert proof.text == canonical_json(proof)

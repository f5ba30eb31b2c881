"""Sealed reports open only with the private key and only at their place; key files are for one user."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_play import REPORTS, play

from tuneaccord.errors import StorageError
from tuneaccord.service.current import place_of
from tuneaccord.service.desk import Desk, report_name
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.keys import KEY_FILES, Keys, read_keys
from tuneaccord.service.server import Server

KEYS = Keys.new()
PLACE = b"session/report/7/legal"


@given(st.binary(max_size=400), st.text(max_size=20).map(str.encode))
def test_what_is_sealed_comes_back_at_its_place_only(text, place):
    sealed, stored = KEYS.seal(text, place), KEYS.encrypt(text, place)
    assert KEYS.open_sealed(sealed, place) == KEYS.decrypt(stored, place) == text
    for elsewhere in (place + b"x", b"x" + place):
        with pytest.raises(StorageError, match="was changed"):
            KEYS.open_sealed(sealed, elsewhere)
        with pytest.raises(StorageError, match="was changed"):
            KEYS.decrypt(stored, elsewhere)


def test_any_changed_byte_is_refused():
    sealed, stored = KEYS.seal(b"a secret", PLACE), KEYS.encrypt(b"a secret", PLACE)
    for what, opened in ((sealed, KEYS.open_sealed), (stored, KEYS.decrypt)):
        for place in range(len(what)):
            with pytest.raises(StorageError):
                opened(what[:place] + bytes([what[place] ^ 1]) + what[place + 1 :], PLACE)
        for length in range(len(what)):
            with pytest.raises(StorageError):
                opened(what[:length], PLACE)


def test_equal_reports_look_different():
    assert KEYS.seal(b"same", PLACE) != KEYS.seal(b"same", PLACE)
    assert KEYS.encrypt(b"same", PLACE) != KEYS.encrypt(b"same", PLACE)
    assert b"same" not in KEYS.seal(b"same", PLACE)


def test_without_the_private_key_reports_are_taken_but_not_read():
    taking = Keys.of(KEYS.data, public=KEYS.seal_public)
    sealed = taking.seal(b"a secret", PLACE)
    with pytest.raises(Unavailable, match="no key to open reports"):
        taking.open_sealed(sealed, PLACE)
    assert KEYS.open_sealed(sealed, PLACE) == b"a secret"
    with pytest.raises(StorageError):
        Keys.new().open_sealed(sealed, PLACE)


def test_a_server_that_only_takes_reports_cannot_settle(desk, tmp_path):
    played = play(desk, "reporting")
    (tmp_path / "keys" / "seal.key").rename(tmp_path / "seal.key")
    front = Desk(desk.store, read_keys(tmp_path / "keys"), desk.clock)
    assert front.keys.seal_private is None
    for name, report in REPORTS.items():
        front.report(played.groups[name], played.id, report)
    front.close(played.provider, played.id)
    attempt = Server(front).begin_settling(played.id)
    with pytest.raises(Unavailable, match="no key to open reports"):
        Server(front).compute(played.id, attempt)
    played.server.compute(played.id, attempt)  # by a process that has the key
    assert played.server.record(played.id, attempt)


def test_a_report_in_the_place_of_another_is_refused(desk):
    played = play(desk, "closed")
    store, legal = desk.store, played.session.seats["legal"].report
    name = report_name("legal", legal)
    other = store.document(played.id, report_name("support", played.session.seats["support"].report))
    with pytest.raises(StorageError, match="was changed"):
        desk.keys.open_sealed(other, place_of(played.id, name))
    with pytest.raises(StorageError, match="was changed"):
        desk.keys.open_sealed(store.document(played.id, name), place_of("another session", name))


def test_no_stored_byte_tells_a_report_or_a_pool(desk, tmp_path):
    secret = {"size": 2.718281828, "scores": [[0.123454321, 0.5, 0.987656789]], "how": "canary-how"}
    pool = {
        "prompts": [{"id": "p", "text": "canary-prompt"}],
        "responses": [[{"id": one, "text": f"canary-{one}"} for one in "abc"]],
    }
    played = play(desk, "published", pool=pool, reports={"legal": secret, "support": REPORTS["support"]})
    desk.store.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("tuneaccord.db*"))
    for canary in (b"2.718281828", b"0.123454321", b"0.987656789", b"canary", *map(str.encode, played.tokens.values())):
        assert canary not in stored
    assert b"ours" in stored  # the title, which is public: the search finds what is there


def test_key_files_are_for_one_user_and_read_back(tmp_path):
    before = os.umask(0)
    try:
        keys = read_keys(tmp_path / "keys")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert [stat.S_IMODE((tmp_path / "keys" / name).stat().st_mode) for name in KEY_FILES] == [0o600] * 3
    assert read_keys(tmp_path / "keys") == keys
    assert keys.fingerprint != Keys.new().fingerprint
    assert not [key for key in (keys.data, keys.seal_private) if key.hex() in repr(keys) or repr(key) in repr(keys)]


def test_keys_that_are_missing_or_damaged_are_not_made_anew(tmp_path):
    folder = tmp_path / "keys"
    read_keys(folder)
    texts = {name: (folder / name).read_text() for name in KEY_FILES}
    (folder / "data.key").unlink()
    with pytest.raises(StorageError, match=r"data\.key is missing but other keys are there"):
        read_keys(folder)
    for damaged in ("", "zz" * 32, "00" * 31):
        (folder / "data.key").write_text(damaged)
        with pytest.raises(StorageError, match=r"is not a key|must have 32 bytes"):
            read_keys(folder)
    (folder / "data.key").write_text(texts["data.key"])
    (folder / "seal.key").unlink()
    (folder / "seal.pub").unlink()
    with pytest.raises(StorageError, match="to seal reports with is missing"):
        read_keys(folder)


def test_keys_whose_making_was_interrupted_are_made_again(tmp_path):
    """They were never used: who makes keys gives them out only when all are written."""
    folder = tmp_path / "keys"
    read_keys(folder)
    (folder / "seal.key").unlink()
    (folder / "seal.pub").unlink()
    (folder / ".being-made").touch()
    keys = read_keys(folder)
    assert keys.seal_private is not None
    assert read_keys(folder) == keys
    assert not (folder / ".being-made").exists()


def test_salts_follow_from_the_data_key():
    assert KEYS.salt("a") == KEYS.salt("a") != KEYS.salt("b")
    assert KEYS.salt("a") != Keys.new().salt("a")
    assert len(bytes.fromhex(KEYS.salt("a"))) == 32

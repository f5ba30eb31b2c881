"""Stored steps: the same data has the same key, and what is finished is never done twice."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneaccord.artifacts import Store, canonical_json, digest_of, seed_of
from tuneaccord.errors import StorageError
from tuneaccord.progress import Progress

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("aé☃\u2028"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_canonical_json_round_trips(data):
    content = canonical_json(data)
    assert json.loads(content) == data
    assert canonical_json(json.loads(content)) == content


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(data):
    assert canonical_json(dict(reversed(data.items()))) == canonical_json(data)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_number_is_refused(number):
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json([number])


def test_digests_and_seeds_tell_things_apart():
    parts = [[], [1], ["1"], [1, ""], [[1]], [None], [1.5], ["é"]]
    assert len({digest_of(part) for part in parts}) == len(parts)
    assert len({seed_of(*part) for part in parts}) == len(parts)
    assert all(0 <= seed_of(part) < 2**63 for part in parts)


def test_a_step_is_computed_once_for_its_inputs(tmp_path):
    store, calls = Store(tmp_path / "steps"), []

    def compute():
        calls.append(1)
        return {"number": len(calls)}

    assert store.json("a", {"x": 1}, compute) == store.json("a", {"x": 1}, compute) == {"number": 1}
    assert store.json("a", {"x": 2}, compute) == {"number": 2}
    assert store.json("b", {"x": 1}, compute) == {"number": 3}
    assert len(list((tmp_path / "steps").iterdir())) == 3


def test_arrays_come_back_as_they_were_and_have_the_same_bytes(tmp_path):
    arrays = {"a/b": np.arange(3, dtype=np.float32), "empty": np.zeros(0), "m": np.eye(2)}
    for name in ("one", "two"):
        found = Store(tmp_path / name).arrays("a", 1, lambda: arrays)
        assert {key: (value.dtype, value.tolist()) for key, value in found.items()} == {
            key: (value.dtype, value.tolist()) for key, value in arrays.items()
        }
    contents = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert contents == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:-1], lambda b: b"\xff" * 9])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    store = Store(tmp_path)
    store.json("j", 1, lambda: [1, 2, 3])
    store.arrays("a", 1, lambda: {"x": np.arange(9)})
    for path in tmp_path.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    assert store.json("j", 1, lambda: [4]) == [4]
    assert store.arrays("a", 1, lambda: {"x": np.ones(1)})["x"].tolist() == [1]
    assert store.json("j", 1, lambda: pytest.fail("computed again")) == [4]


def test_damage_inside_an_array_is_noticed(tmp_path):
    store = Store(tmp_path)
    store.arrays("a", 1, lambda: {"x": np.arange(100)})
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert store.arrays("a", 1, lambda: {"x": np.ones(1)})["x"].tolist() == [1]


class Counting(Progress):
    """Remembers what was shown."""

    def task(self, label, total, done=0):
        self.shown = [label, total, done, 0]
        from contextlib import nullcontext

        def advance():
            self.shown[3] += 1

        return nullcontext(advance)

    def note(self, message):
        raise NotImplementedError


def squares(jobs):
    """Results in another order than the jobs."""
    yield from reversed([(index, job**2) for index, job in enumerate(jobs)])


def test_map_runs_only_what_is_missing(tmp_path):
    store, seen, progress = Store(tmp_path), [], Counting()

    def run(jobs):
        seen.append(list(jobs))
        return squares(jobs)

    assert store.map("s", [1, 2, 3], str, run) == [1, 4, 9]
    assert store.map("s", [5, 3, 2, 1, 4], str, run, progress, "squares") == [25, 9, 4, 1, 16]
    assert seen == [[1, 2, 3], [5, 4]]
    assert progress.shown == ["squares", 5, 3, 2]
    assert store.map("s", [4, 4], str, run) == [16, 16]
    assert store.map("s", [], str, run) == []
    assert len(seen) == 2


def test_a_failure_in_the_middle_keeps_what_was_finished(tmp_path):
    store = Store(tmp_path)

    def fails_at_the_third(jobs):
        for index, job in enumerate(jobs):
            if index == 2:
                raise RuntimeError("no")
            yield index, job * 10

    with pytest.raises(RuntimeError, match="no"):
        store.map("s", [1, 2, 3, 4], str, fails_at_the_third)
    seen = []
    assert store.map("s", [1, 2, 3, 4], str, lambda jobs: (seen.extend(jobs), squares(jobs))[1]) == [10, 20, 9, 16]
    assert seen == [3, 4]


def test_what_cannot_be_stored_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        Store(tmp_path / "steps").json("j", 1, lambda: math.nan)
    assert not (tmp_path / "steps").exists()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot write"):
        Store(tmp_path / "file" / "steps").json("j", 1, lambda: 1)

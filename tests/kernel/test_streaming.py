"""Payments from tables that are read in pieces: the same numbers as in memory, and little memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from tuneaccord import (  # noqa: E402
    KL,
    ChiSquared,
    InputError,
    SquaredHellinger,
    TotalVariation,
    all_payments,
    payments_from_parquet,
)
from tuneaccord.progress import Silent  # noqa: E402

SIZES = {"clinic": 3.0, "arcade": 20.0, "library": 1.0}
PROMPTS, REPLIES = 7, 11


def a_market(seed=0, replies=REPLIES):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(PROMPTS, 3, replies)), rng.dirichlet(np.ones(replies), size=PROMPTS)


def identifiers(replies=REPLIES):
    prompts = np.repeat([f"p{i}" for i in range(PROMPTS)], replies)
    return prompts, np.tile([f"r{i}" for i in range(replies)], PROMPTS)


def write_wide(path, scores, base=None, rows=10, order=None, **changes):
    prompts, replies = identifiers(scores.shape[2])
    columns = {"prompt_id": prompts, "reply_id": replies}
    columns |= {name: scores[:, i].ravel() for i, name in enumerate(SIZES)}
    columns |= {} if base is None else {"base": base.ravel()}
    columns |= changes
    order = np.arange(len(prompts)) if order is None else order
    parquet.write_table(pa.table({k: np.asarray(v)[order] for k, v in columns.items()}), path, row_group_size=rows)
    return path


def write_long(path, scores, rows=20, order=None, **changes):
    prompts, replies = identifiers(scores.shape[2])
    columns = {
        "prompt_id": np.repeat(prompts, 3),
        "reply_id": np.repeat(replies, 3),
        "group": np.tile(list(SIZES), len(prompts)),
        "score": np.moveaxis(scores, 1, 2).ravel(),
    } | changes
    order = np.arange(len(columns["prompt_id"])) if order is None else order
    parquet.write_table(pa.table({k: np.asarray(v)[order] for k, v in columns.items()}), path, row_group_size=rows)
    return path


def assert_same(found, expected, rtol=1e-12):
    """Merging moves the last digits: sums of one sign, so a few roundings each."""
    for name in ("payments", "values", "support", "price"):
        got, wanted = (getattr(one, f"{name}_by_prompt") for one in (found, expected))
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=1e-13, err_msg=name)
    np.testing.assert_allclose(found.payments, expected.payments, rtol=rtol, atol=1e-13)


DIVERGENCES = [
    *(KL(5.0), KL(1e3), KL(0.001), ChiSquared(20.0), ChiSquared(8.0), ChiSquared(1.0)),
    *(SquaredHellinger(2.0), TotalVariation(2.0)),
]


@pytest.mark.parametrize("divergence", DIVERGENCES, ids=repr)
@pytest.mark.parametrize("batch_rows", [4, 7, 1000])
def test_a_wide_table_gives_the_payments_of_the_array(tmp_path, divergence, batch_rows):
    """Row groups of ten and prompts of eleven replies: every prompt but the last is split."""
    scores, base = a_market()
    path = write_wide(tmp_path / "wide.parquet", scores, base)
    found = payments_from_parquet(path, SIZES, divergence, batch_rows=batch_rows, chunk_prompts=3)
    assert_same(found, all_payments(scores, list(SIZES.values()), divergence, base))
    assert found.groups == tuple(SIZES)
    assert found.prompts == tuple(f"p{i}" for i in range(PROMPTS))


@pytest.mark.parametrize("divergence", DIVERGENCES, ids=repr)
def test_a_long_table_gives_the_payments_of_the_array(tmp_path, divergence):
    scores, _ = a_market(1)
    path = write_long(tmp_path / "long.parquet", scores)
    found = payments_from_parquet(path, SIZES, divergence, batch_rows=16)
    assert_same(found, all_payments(scores, list(SIZES.values()), divergence))


def test_a_long_table_may_have_the_replies_of_a_prompt_in_any_order(tmp_path):
    scores, _ = a_market(2)
    rng = np.random.default_rng(0)
    order = np.concatenate([33 * p + rng.permutation(33) for p in range(PROMPTS)])
    found = payments_from_parquet(write_long(tmp_path / "long.parquet", scores, order=order), SIZES, KL(5.0))
    assert_same(found, all_payments(scores, list(SIZES.values()), KL(5.0)))


@pytest.mark.parametrize("divergence", [KL(5.0), ChiSquared(40.0)], ids=repr)
def test_scattered_rows_are_fine_where_sums_suffice(tmp_path, divergence):
    scores, base = a_market(3)
    order = np.random.default_rng(1).permutation(PROMPTS * REPLIES)
    path = write_wide(tmp_path / "wide.parquet", scores, base, order=order)
    found = payments_from_parquet(path, SIZES, divergence, batch_rows=9)
    place = [int(prompt[1:]) for prompt in found.prompts]
    assert_same(found, all_payments(scores[place], list(SIZES.values()), divergence, base[place]))


@pytest.mark.parametrize("divergence", [KL(1e-4), TotalVariation(1.0), ChiSquared(0.1)], ids=repr)
def test_scattered_rows_are_an_error_where_a_prompt_must_be_whole(tmp_path, divergence):
    scores, base = a_market(3)
    order = np.random.default_rng(1).permutation(PROMPTS * REPLIES)
    path = write_wide(tmp_path / "wide.parquet", scores, base, order=order)
    with pytest.raises(InputError, match=r"do not follow one another.*Sort the table"):
        payments_from_parquet(path, SIZES, divergence)


def test_scattered_rows_of_a_prompt_that_sums_settle_do_no_harm(tmp_path):
    """Only the first prompt is hot, and its rows are together."""
    scores, _ = a_market(10)
    scores[0] *= 1e4
    order = np.concatenate([np.arange(REPLIES), np.random.default_rng(1).permutation(np.arange(REPLIES, 77))])
    found = payments_from_parquet(write_wide(tmp_path / "wide.parquet", scores, order=order), SIZES, KL(5.0))
    place = [int(prompt[1:]) for prompt in found.prompts]
    np.testing.assert_allclose(
        found.payments_by_prompt, all_payments(scores[place], list(SIZES.values()), KL(5.0)).payments_by_prompt, 1e-11
    )


@pytest.mark.parametrize("name", ["base", "group", "score", "reply_id", "prompt_id"])
def test_a_group_may_be_called_like_a_column_of_a_long_table(tmp_path, name):
    """Whatever the name, the payments are those of the same market under another one, base included."""
    scores, base = a_market(11)
    wide = [name, "arcade", "library"]
    group, weights = np.tile(wide, PROMPTS * REPLIES), np.repeat(base.ravel(), 3)
    path = write_long(tmp_path / "long.parquet", scores, group=group, base=weights)
    sizes = dict(zip(wide, SIZES.values(), strict=True))
    found = payments_from_parquet(path, sizes, KL(5.0))
    assert_same(found, all_payments(scores, list(SIZES.values()), KL(5.0), base))


def test_a_group_called_base_in_a_wide_table_is_no_base(tmp_path):
    scores, _ = a_market(12)
    path = write_wide(tmp_path / "wide.parquet", scores, base=scores[:, 1].ravel())
    found = payments_from_parquet(path, {"clinic": 3.0, "base": 20.0}, KL(5.0))
    assert_same(found, all_payments(scores[:, :2], [3.0, 20.0], KL(5.0)))


def test_several_files_are_one_table_and_prompts_may_differ_in_length(tmp_path):
    """The first prompt goes on in the second file."""
    scores, _ = a_market(4)
    paths = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    write_wide(paths[0], scores, order=np.arange(20))
    write_wide(paths[1], scores, order=np.arange(20, 40))
    for divergence in (KL(5.0), ChiSquared(30.0), TotalVariation(2.0)):
        found = payments_from_parquet(paths, SIZES, divergence, batch_rows=8)
        assert found.prompts == ("p0", "p1", "p2", "p3")
        first = all_payments(scores[:3], list(SIZES.values()), divergence)
        last = all_payments(scores[3, :, :7], list(SIZES.values()), divergence)
        np.testing.assert_allclose(found.payments_by_prompt[:3], first.payments_by_prompt, rtol=1e-12)
        np.testing.assert_allclose(found.payments_by_prompt[3], last.payments, rtol=1e-12)
        np.testing.assert_allclose(found.support_by_prompt[3], last.net_welfare, rtol=1e-12)


def test_first_rows_that_mislead_cost_a_second_pass_and_no_digit(tmp_path):
    """The first batches of each prompt are worthless, the policy is on the last reply."""
    scores, base = a_market(5)
    scores[:, :, :8] -= 30.0
    for divergence in (KL(30.0), KL(200.0), ChiSquared(1e4)):

        class Counted(Silent):
            passes = 0

            def task(self, label, total, done=0):
                Counted.passes += 1
                return super().task(label, total, done)

        path = write_wide(tmp_path / "wide.parquet", scores, base)
        found = payments_from_parquet(path, SIZES, divergence, batch_rows=4, progress=Counted())
        assert_same(found, all_payments(scores, list(SIZES.values()), divergence, base))
        assert Counted.passes <= 3


def test_replies_of_base_zero_do_not_exist(tmp_path):
    scores, base = a_market(6)
    base[:, :5] = 0.0  # the first batch of a prompt lies outside the support
    base /= base.sum(axis=1, keepdims=True)
    path = write_wide(tmp_path / "wide.parquet", scores, base)
    for divergence in (KL(5.0), KL(0.01), ChiSquared(20.0)):
        found = payments_from_parquet(path, SIZES, divergence, batch_rows=4)
        expected = all_payments(scores[:, :, 5:], list(SIZES.values()), divergence, base[:, 5:])
        assert_same(found, expected)


def test_float32_integers_and_numbers_as_identifiers(tmp_path):
    scores = np.random.default_rng(7).integers(0, 9, size=(PROMPTS, 3, REPLIES))
    prompts = np.repeat(np.arange(PROMPTS), REPLIES)
    path = write_wide(
        tmp_path / "wide.parquet", scores, prompt_id=prompts, clinic=scores[:, 0].ravel().astype(np.float32)
    )
    found = payments_from_parquet(path, SIZES, KL(50.0))
    assert_same(found, all_payments(scores.astype(float), list(SIZES.values()), KL(50.0)))
    assert found.prompts == tuple("0123456")


def test_prompt_weights_by_name(tmp_path):
    scores, _ = a_market(8)
    path = write_wide(tmp_path / "wide.parquet", scores)
    weights = dict(
        zip([f"p{i}" for i in range(PROMPTS)], np.random.default_rng(0).dirichlet(np.ones(PROMPTS)), strict=True)
    )
    found = payments_from_parquet(path, SIZES, KL(5.0), prompt_weights=dict(reversed(weights.items())))
    np.testing.assert_allclose(found.payments, list(weights.values()) @ found.payments_by_prompt, rtol=1e-15)
    with pytest.raises(InputError, match="'p6' is only in one"):
        payments_from_parquet(path, SIZES, KL(5.0), prompt_weights={name: 1 / 6 for name in list(weights)[:6]})


def nan_at(scores, row):
    column = scores[:, 0].ravel().copy()
    column[row] = np.nan
    return column


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path, s, b: write_wide(path, s, clinic=nan_at(s, 60)), "'clinic' has a number that is not finite"),
        (lambda path, s, b: write_wide(path, s, clinic=pa.nulls(77, pa.float64()).to_numpy(False)), "not finite"),
        (lambda path, s, b: write_wide(path, s, arcade=np.full(77, "a")), "'arcade' must be numbers, got string"),
        (lambda path, s, b: write_wide(path, s, 2 * b), "base of prompt 'p0' sums to 2"),
        (lambda path, s, b: write_wide(path, s, -b), "must not be negative"),
        (lambda path, s, b: write_long(path, s, group=np.full(231, "clinic")), "has 3 scores of group 'clinic'"),
        (lambda path, s, b: write_long(path, s, order=np.arange(1, 231)), "reply 'r0' to prompt 'p0' has 0 scores of"),
        (lambda path, s, b: write_long(path, s, order=np.r_[0:66, 0:33]), "do not follow one another"),
        (lambda path, s, b: write_wide(path, s, order=np.arange(0)), "has no rows"),
        (
            lambda path, s, b: parquet.write_table(pa.table({"prompt": ["p"]}), path),
            "no column 'prompt_id'. Did you mean",
        ),
        (
            lambda path, s, b: parquet.write_table(pa.table({"prompt_id": ["p"], "clinik": [1.0]}), path),
            "mean 'clinik'",
        ),
        (lambda path, s, b: path.write_text("prompt_id,score"), "cannot read"),
        (lambda path, s, b: None, "does not exist"),
    ],
)
def test_bad_tables_are_named(tmp_path, write, complaint):
    scores, base = a_market()
    path = tmp_path / "table.parquet"
    write(path, scores, base)
    with pytest.raises(InputError, match=complaint):
        payments_from_parquet(path, SIZES, KL(5.0))


def test_an_empty_cell_is_named(tmp_path):
    table = pa.table({"prompt_id": ["p", "p"], "a": pa.array([1.0, None])})
    parquet.write_table(table, tmp_path / "table.parquet")
    with pytest.raises(InputError, match="column 'a' has an empty cell"):
        payments_from_parquet(tmp_path / "table.parquet", {"a": 1}, KL(5.0))


def test_files_must_agree_on_the_base(tmp_path):
    scores, base = a_market()
    paths = [write_wide(tmp_path / "one.parquet", scores, base), write_wide(tmp_path / "two.parquet", scores)]
    with pytest.raises(InputError, match="Give it to all or to none"):
        payments_from_parquet(paths, SIZES, KL(5.0))


@pytest.mark.parametrize(
    ("sizes", "divergence", "complaint"),
    [
        ([1, 2], KL(1.0), "must map each group's name"),
        ({"clinic": -1}, KL(1.0), "size of group 'clinic'"),
        ({"clinic": "big"}, KL(1.0), "size of group 'clinic'"),
        ({"clinic": 1}, 0.5, "must be a Divergence"),
    ],
)
def test_bad_arguments_are_named(tmp_path, sizes, divergence, complaint):
    with pytest.raises(InputError, match=complaint):
        payments_from_parquet(tmp_path / "none.parquet", sizes, divergence)
    with pytest.raises(InputError, match="at least one"):
        payments_from_parquet([], SIZES, KL(1.0))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"paths": None}, "paths must be the path of a Parquet file"),
        ({"batch_rows": 0}, "batch_rows must be a whole number of at least 1"),
        ({"chunk_prompts": "many"}, "chunk_prompts must be a whole number of at least 1"),
        ({"prompt_weights": [0.5, 0.5]}, "prompt_weights must map each prompt"),
        ({"prompt_weights": dict.fromkeys([f"p{i}" for i in range(PROMPTS)], "x")}, "prompt_weights must be"),
    ],
)
def test_bad_options_are_named(tmp_path, changed, complaint):
    path = write_wide(tmp_path / "wide.parquet", a_market()[0])
    with pytest.raises(InputError, match=complaint):
        payments_from_parquet(**{"paths": path, "sizes": SIZES, "divergence": KL(5.0), **changed})


MEASURED = """
import sys
import pyarrow.parquet
from tuneaccord import KL, ChiSquared, payments_from_parquet
sizes = {f"g{i}": 1.0 + i for i in range(8)}
payments_from_parquet(sys.argv[2], sizes, KL(9.0), batch_rows=8192)  # everything loaded
most = lambda: next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = most()
for divergence in (KL(9.0), ChiSquared(50.0)):
    payments_from_parquet(sys.argv[1], sizes, divergence, batch_rows=8192)
print((most() - before) / 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_stays_far_below_the_table(tmp_path):
    """A table of 76 MiB in one prompt, read in batches of half a MiB.

    What ``getrusage`` tells of a process begins with the memory of the one that started it.
    """
    rng = np.random.default_rng(9)
    big, small = tmp_path / "big.parquet", tmp_path / "small.parquet"
    schema = pa.schema([("prompt_id", pa.string()), *((f"g{i}", pa.float64()) for i in range(8))])
    for path, groups in ((big, 50), (small, 1)):
        with parquet.ParquetWriter(path, schema, use_dictionary=["prompt_id"], compression="none") as file:
            for _ in range(groups):
                columns = {f"g{i}": rng.uniform(size=25_000) for i in range(8)}
                file.write_table(pa.table({"prompt_id": ["p"] * 25_000, **columns}, schema))
    table = 50 * 25_000 * 8 * 8 / 2**20
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, str(big), str(small)], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) < table / 3, f"{run.stdout} MiB more, the table has {table:.0f}"

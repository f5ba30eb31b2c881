"""Money from a table of measured models, against loops over models and against per-prompt arithmetic."""

import numpy as np
import pytest

from tuneaccord.errors import InputError
from tuneaccord.mechanism.uncertainty import interval
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.table import MeasuredTable

SIZES = [3.0, 1.0, 2.0]


def table(seed=0, prompts=6, models=4, spread=1.0, fixed=True) -> MeasuredTable:
    draws = np.random.default_rng(seed)
    rows = [Row("base", draws.random((prompts, 3)), np.zeros(prompts), 8)]
    for number in range(1, models):
        rows.append(Row(f"m{number}", draws.random((prompts, 3)) * spread, draws.random(prompts), 8))
    return MeasuredTable(tuple(rows), ("a", "b", "c"), 0.5, fixed)


@pytest.mark.parametrize("seed", range(5))
def test_choice_and_payments_by_a_loop_over_models(seed):
    made = table(seed)
    welfare = {}
    for row in made.rows:
        welfare[row.name] = [size * np.mean(row.values[:, i]) for i, size in enumerate(SIZES)]
    price = {row.name: 0.5 * np.mean(row.kl) for row in made.rows}
    best = max(welfare, key=lambda name: sum(welfare[name]) - price[name])
    settled = made.settle(SIZES)
    assert settled.model == best
    for i, name in enumerate(made.groups):
        others = {m: sum(w for j, w in enumerate(welfare[m]) if j != i) - price[m] for m in welfare}
        assert settled.payments[name] == pytest.approx(max(others.values()) - others[best], abs=1e-12)


def test_intervals_where_the_choice_never_changes():
    """With one far better model, and the base best without each group, payments are linear in the prompts."""
    draws = np.random.default_rng(3)
    base = Row("base", 0.1 * draws.random((8, 3)), np.zeros(8), 4)
    good = Row("good", 0.9 + 0.1 * draws.random((8, 3)), 5.0 + 0.2 * draws.random(8), 4)  # too dear for two groups
    sizes = [1.2, 1.2, 1.2]
    made = MeasuredTable((base, good), ("a", "b", "c"), 0.5, True)
    assert made.settle(sizes).model == "good"
    paid = made.resampled_payments(sizes, seed=11, draws=400)
    for i, name in enumerate(made.groups):
        others = np.where(np.arange(3) == i, 0.0, sizes)
        gain = base.net_welfare(others, 0.5) - good.net_welfare(others, 0.5)
        assert (gain > 0).all()
        expected = interval(gain, seed=11, draws=400)
        assert [paid[name].estimate, paid[name].low, paid[name].high] == pytest.approx(
            [expected.estimate, expected.low, expected.high], abs=1e-12
        )


def test_prompts_that_agree_leave_no_doubt():
    one = table(5, prompts=1)
    rows = tuple(Row(r.name, np.repeat(r.values, 7, axis=0), np.repeat(r.kl, 7), 4) for r in one.rows)
    paid = MeasuredTable(rows, one.groups, 0.5, True).resampled_payments(SIZES, seed=1)
    for name, found in paid.items():
        assert found.high - found.low == pytest.approx(0.0, abs=1e-12)
        assert found.estimate == pytest.approx(one.settle(SIZES).payments[name], abs=1e-12)


def test_truth_is_promised_for_a_table_that_was_there_first_only():
    promised = {fixed: table(fixed=fixed).settle(SIZES).guarantees[0].status for fixed in (True, False)}
    assert promised == {True: "exact", False: "not claimed"}


def test_the_gap_is_to_the_best_of_each_prompt():
    made = table(7)
    chosen = made.rows[made.candidates().index(made.settle(SIZES).model)]
    net = chosen.values @ SIZES - 0.5 * chosen.kl
    assert made.gap(SIZES, net + 0.25, seed=0).estimate == pytest.approx(0.25, abs=1e-12)


def test_a_table_needs_its_base_and_the_same_prompts():
    good = table()
    with pytest.raises(InputError, match="must be the base"):
        MeasuredTable(good.rows[1:], good.groups, 0.5, True)
    with pytest.raises(InputError, match="same prompts"):
        MeasuredTable((*good.rows, table(prompts=5).rows[1]), good.groups, 0.5, True)

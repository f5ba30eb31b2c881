"""What ways are said to cost, to leave and to charge, in the cases that are easily overlooked."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_market import write_market

from tuneaccord.errors import InputError
from tuneaccord.execution import Serial
from tuneaccord.mechanism.uncertainty import Interval
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.ledger import Ledger
from tuneaccord.tuning.table import MeasuredTable
from tuneaccord.tuning.ways.way import WayResult

SIZES, STRENGTH = np.array([3.0, 2.0]), 0.5


def rows(count: int, prompts: int = 5) -> list[Row]:
    draws = np.random.default_rng(3)
    return [Row(f"m{n}", draws.random((prompts, 2)), draws.random(prompts) * (n > 0), 8) for n in range(count)]


def result_of(row: Row, table=None, settlement=None, chargeable: bool = False) -> WayResult:
    paid = {"a": Interval(0.5, 0.4, 0.6, 0.95), "b": Interval(0.1, 0.0, 0.2, 0.95)}
    return WayResult("soups", row, paid, settlement, chargeable, "Because.", (), table=table)


def test_the_base_is_among_what_others_could_have_without_a_group():
    from tuneaccord.tuning.ways.rl import early_stopped, smallest_utility

    base, last, *others = rows(4)
    payments, chosen = early_stopped([base, last], others, SIZES, STRENGTH, seed=1)
    row = (base, last)[chosen]
    utilities = [
        float(size * row.values[:, i].mean()) - paid.estimate
        for i, (size, paid) in enumerate(zip(SIZES, payments, strict=True))
    ]
    found = smallest_utility(base, row, others, SIZES, STRENGTH)
    assert found == pytest.approx(min(utilities), abs=1e-12)
    bad = [Row("without", other.values - 5.0, other.kl, 8) for other in others]  # runs that are worse than the base
    expected = min(
        row.net_welfare(SIZES, STRENGTH).mean() - base.values[:, 1 - i].mean() * SIZES[1 - i] for i in (0, 1)
    )
    assert smallest_utility(base, row, bad, SIZES, STRENGTH) == pytest.approx(expected, abs=1e-12)


def test_payments_of_a_table_are_compared_with_what_its_row_gives_the_others():
    """A second measurement of the chosen model is no part of what was charged."""
    from tuneaccord.tuning.compare import _against_reply
    from tuneaccord.tuning.ways.presence import others_by_group

    table = MeasuredTable(tuple(rows(3)), ("a", "b"), STRENGTH, fixed=True)
    settlement = table.settle(SIZES)
    chosen = table.rows[table.names.index(settlement.model)]
    again = Row(chosen.name, chosen.values - 0.3, chosen.kl, 8)
    market = SimpleNamespace(sizes=SIZES, strength=STRENGTH, settings=SimpleNamespace(seed=1))
    policy = rows(5)[4]
    parts = _against_reply(result_of(again, table, settlement), market, policy, np.zeros((5, 2)))
    lost = (others_by_group(policy, market) - others_by_group(chosen, market)).mean(axis=0)
    assert [part["lost_by_others"]["estimate"] for part in parts.values()] == pytest.approx(lost.tolist(), abs=1e-12)


def test_values_of_another_draw_are_plain_means():
    from tuneaccord.tuning.ways.measured import _row

    scores, kl = np.random.default_rng(0).random((4, 6, 2)), np.ones((4, 6))
    found = _row("again", SimpleNamespace(scores=scores), SimpleNamespace(kl=kl), None)
    np.testing.assert_allclose(found.values, scores.mean(axis=1), atol=1e-15)
    assert (found.name, found.replies, found.kl.tolist()) == ("again", 6, [1.0] * 4)


def test_every_pass_over_the_prompts_that_are_trained_on_counts():
    from plain_route import pool_of_words

    from tuneaccord.tuning.ways.measured import trained_tokens

    pool = pool_of_words([[1], [1], [1]], [[[0, 2], [1]], [[1], [1]], [[2, 2], [2, 2]]])
    adapter = SimpleNamespace(validation_prompts=1, passes=3)
    job = SimpleNamespace(market=SimpleNamespace(settings=SimpleNamespace(adapter=adapter)))
    assert trained_tokens(job, pool, SimpleNamespace(residuals=(1.0,))) == 3 * (3 + 2)
    assert trained_tokens(job, pool, SimpleNamespace(residuals=())) == 0


def test_a_settlement_on_other_pools_is_not_overwritten(tmp_path):
    from tuneaccord.tuning.compare import _check_settled

    sheets = [SimpleNamespace(pool=SimpleNamespace(digest=digest)) for digest in ("sha256:1", "sha256:2")]
    drawn = SimpleNamespace(sheet=sheets[0], held_out=sheets[1])
    _check_settled(tmp_path, tmp_path / "tune.yaml", drawn)
    for digest in ("sha256:1", "sha256:3"):
        record = {"pool": {"digest": digest}, "held_out_pool": {"digest": "sha256:2"}}
        (tmp_path / "settlement.json").write_text(json.dumps(record))
        if digest == "sha256:1":
            _check_settled(tmp_path, tmp_path / "tune.yaml", drawn)
    with pytest.raises(InputError, match="holds a settlement on other pools than"):
        _check_settled(tmp_path, tmp_path / "tune.yaml", drawn)


def test_what_an_earlier_comparison_left_goes(tmp_path):
    """Invoices that may not be charged any more must not stay."""
    from tuneaccord.tuning.ways.outputs import _write_way

    (tmp_path / "adapter").mkdir()
    for name in ("settlement.json", "invoices.csv", "adapter/adapter_config.json"):
        (tmp_path / name).write_text("old")
    _write_way(SimpleNamespace(settings=SimpleNamespace(money=None)), result_of(rows(1)[0]), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_block_within_another_counts_once(tmp_path):
    from test_ledger import work

    ledger = Ledger(tmp_path / "costs.jsonl")
    with ledger.timed("soups"):
        work(0.05)
        with ledger.timed("vocabulary"):
            work(0.1)
    totals = ledger.totals()
    assert totals["vocabulary"] == pytest.approx(0.1, abs=0.05)
    assert totals["soups"] == pytest.approx(0.05, abs=0.04)
    outer = ledger.metered(Serial(), "soups")
    assert ledger.metered(outer, "vocabulary").executor is outer.executor  # not counted under both


@pytest.mark.slow
def test_what_tune_has_spent_is_in_the_comparison(tiny_model, tmp_path):
    """What soups take over from the adapter's way, and both from an earlier run, is part of their cost."""
    from tuneaccord.tuning.compare import compare_ways
    from tuneaccord.tuning.run import run

    adapter = {"method": "vocabulary", "contexts": 3, "validation_prompts": 1}
    market = write_market(tmp_path, tiny_model, adapter=adapter)
    run(market, tmp_path / "out", workers=1)
    spent = Ledger(tmp_path / "out" / "steps" / "costs.jsonl").totals()
    assert min(spent[label] for label in ("pools", "adapter", "vocabulary")) > 0
    comparison = compare_ways(market, ("reply", "adapter", "soups"), tmp_path / "out", workers=1)
    costs = json.loads((tmp_path / "out" / "costs.json").read_text())
    assert comparison.costs["pools"] >= spent["pools"]
    assert comparison.costs["soups"] >= spent["vocabulary"]
    assert comparison.costs["adapter"] >= spent["adapter"] + spent["vocabulary"]
    assert set(costs) == {"pools", "reply", "adapter", "soups"}

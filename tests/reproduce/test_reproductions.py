"""Every reproduction holds on few games, is the same twice, and goes to plain data, CSV, Markdown and a picture."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.mechanism.payments import Externality
from tuneaccord.reproduce import CATALOGUE, Column, reproduce
from tuneaccord.reproduce.games import SCALES, draw_games
from tuneaccord.reproduce.heuristics import ROWS, _on_a_set
from tuneaccord.reproduce.picture import svg
from tuneaccord.reproduce.search import charged
from tuneaccord.reproduce.theorem_4_2 import STRENGTHS
from tuneaccord.reproduce.theorem_4_11 import constructed, forced_payments

ROOT = Path(__file__).parents[2]
FEW = {"table1": 3_000, "theorem-4.2": 500, "theorem-4.3": 300, "theorem-4.11": 20, "theorem-4.12": 2}
FEW |= {"heuristics": 2, "implementability": 1}
_DONE: dict = {}


def test_every_reproduction_is_tested():
    """Those with a language model in ``tests/tuning/test_experiments_on_models.py``."""
    assert set(FEW) == {name for name, entry in CATALOGUE.items() if not entry.model}


def few(name):
    if name not in _DONE:
        _DONE[name] = reproduce(name, samples=FEW[name])
    return _DONE[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_it_holds_and_becomes_plain_data(name):
    result = few(name)
    assert (result.name, result.samples, result.seed) == (name, FEW[name], 0)
    assert result.holds, result.verdict
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["verdict"] == result.verdict
    assert len(data["tables"]) == len(result.tables)
    for table in result.tables:
        rows = list(csv.reader(io.StringIO(table.to_csv())))
        assert rows[0] == [column.name for column in table.columns]
        assert len(set(rows[0])) == len(rows[0])
        assert len(rows) == len(table.rows) + 1 == len(table.texts()) + 1
        assert table.title in result.to_markdown()
    assert len({table.key for table in result.tables}) == len(result.tables)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table1", "theorem-4.2", "theorem-4.3", "theorem-4.12"])
def test_the_same_seed_gives_the_same_numbers(name):
    small = {"table1": 500, "theorem-4.2": 50, "theorem-4.3": 50, "theorem-4.12": 1}[name]
    assert reproduce(name, samples=small, seed=5).to_dict() == reproduce(name, samples=small, seed=5).to_dict()
    assert reproduce(name, samples=small, seed=5).tables != reproduce(name, samples=small, seed=6).tables


@pytest.mark.parametrize("name", ["table1", "theorem-4.12"])
def test_pictures(name):
    pytest.importorskip("matplotlib")
    drawn = svg(few(name).picture, name)
    assert drawn.startswith("<svg")
    for curve in few(name).picture.curves:
        assert curve.name in drawn
    assert drawn == svg(few(name).picture, name)


def test_mistakes_are_named():
    with pytest.raises(ta.InputError, match="Did you mean 'table1'"):
        reproduce("tabel1")
    with pytest.raises(ta.InputError, match="Valid names: figure2, heuristics"):
        reproduce("zzz")
    for options in ({"samples": 0}, {"samples": True}, {"samples": 1.5}, {"seed": -1}):
        with pytest.raises(ta.InputError, match="must be a whole number"):
            reproduce("table1", **options)


def test_cells():
    assert Column("x", ".2%").text(0.1234) == "12.34%"
    assert Column("x", "+.2%").text(-1e-9) == "0.00%"
    assert Column("x", ".2e").text(float("inf")) == "inf"
    assert [Column("x").text(cell) for cell in (None, True, "word", 3, -2.5)] == ["", "yes", "word", "3", "-2.5"]


def test_the_page_has_every_name_and_its_command():
    text = (ROOT / "docs" / "reproductions.md").read_text()
    for name, entry in CATALOGUE.items():
        assert f"## {name}\n" in text
        assert f"tuneaccord reproduce {name}\n" in text
        assert entry.line


def test_the_page_has_the_numbers_of_table_1():
    lines = [
        line for line in (ROOT / "docs" / "reproductions.md").read_text().splitlines() if line.startswith("| 0.001 ")
    ]
    assert lines[0].split(" | ")[3] == "0.1073"


@pytest.mark.parametrize("scale", SCALES)
def test_forced_payments_enclose_the_affine_one(scale):
    games = draw_games(np.random.default_rng(7), 20, scale, responses=4)
    _, exact = charged(games, ta.KL(STRENGTHS[scale]), Externality(), games.liar, games.size)
    for steps in (1, 7, 50):
        low, high = forced_payments(games, STRENGTHS[scale], steps)
        swing = games.size[:, 0] * np.ptp(games.liar, axis=1)
        assert (low <= exact + 1e-12).all()
        assert (exact <= high + 1e-12).all()
        assert (high - low <= swing**2 / (4 * STRENGTHS[scale] * steps) + 1e-12).all()


def test_forced_payments_against_the_cycle_test_of_single_games():
    games = draw_games(np.random.default_rng(8), 3, "sum", responses=4)
    low, high = forced_payments(games, 0.2, 6)
    for game in range(3):
        tables, sizes = games.rewards[game].T, games.sizes[game].tolist()
        reports = [ta.Report(f"g{i}", sizes[i], ta.TableReward(tables[i])) for i in range(3)]
        found = ta.payment_equivalence(ta.Simplex(games.base[game], ta.KL(0.2)), reports, "g0", steps=6)
        assert (low[game], high[game]) == pytest.approx((found.low, found.high), abs=1e-12)


def test_theory_in_the_table_of_heuristics_is_what_the_payments_declare():
    for row in ROWS:
        if row.payment is not None:
            assert (row.payment.truthful, row.payment.never_negative) == (row.truthful, row.never_negative)


@pytest.mark.parametrize("soups", [False, True])
def test_sets_of_models_against_plain_arithmetic(soups):
    games = draw_games(np.random.default_rng(9), 4, "max", responses=4)
    lie, size = games.liar[:, ::-1], 2 * games.size
    worth, paid = _on_a_set(games, ta.KL(2.0), 5, soups)(lie, size)
    drawn = np.random.default_rng(5).dirichlet(np.ones(4), size=(4, 12))
    for game in range(4):
        told = games.rewards[game].copy()
        told[:, 0] = lie[game]
        sizes = np.array([size[game, 0], *games.sizes[game, 1:]])
        models = [games.base[game], *drawn[game]]
        if soups:
            own = np.exp(told * sizes / 2.0)
            own /= own.sum(axis=0)
            shares = [(a, b, 4 - a - b) for a in range(5) for b in range(5 - a)]
            models = [games.base[game], *(own @ np.array(share) / 4 for share in shares)]
        price = [2.0 * float((p * np.log(p / 0.25)).sum()) for p in models]
        net = [float(sizes @ (p @ told)) - cost for p, cost in zip(models, price, strict=True)]
        best = int(np.argmax(net))
        alone = [total - sizes[0] * float(p @ told[:, 0]) for p, total in zip(models, net, strict=True)]
        assert worth[game] == pytest.approx(games.size[game, 0] * (models[best] @ games.liar[game]), abs=1e-12)
        assert paid[game] == pytest.approx(max(alone) - alone[best], abs=1e-12)


def test_the_construction_of_theorem_4_11():
    """By hand with one opponent: a tie, the policy is the base, and u = -lambda log(1 - eps (1 - e^(-1/lambda)))."""
    for eps in (0.3, 0.01):
        for strength in (0.5, 2.0):
            utilities, payments = constructed(eps, 1, strength, "max")
            by_hand = -strength * np.log1p(-eps * -np.expm1(-1 / strength))
            assert utilities[0] == pytest.approx(by_hand, rel=1e-10)
            assert utilities.min() == utilities[0] <= eps
            assert payments.min() >= 0

"""The workbook's formulas, computed by an evaluator of our own, against the solved game at changed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from bargain_runs import game_file, given, one, quadratic, settled
from tiny_sheet import Workbook

import tuneaccord as ta
from tuneaccord.reporting.spreadsheet import MANY, STATIC, workbook


def inputs(book: Workbook) -> dict[tuple[str, str], str]:
    """The address of every input by (party, parameter)."""
    return {(row[0], row[1]): f"C{i}" for i, row in enumerate(book.rows("Inputs"), start=1) if i > 3}


def outcome(book: Workbook) -> dict[str, dict[str, float]]:
    """The sheet Play, computed, by party and column."""
    rows = book.rows("Play")
    names = rows[3]
    letters = "ABCDEFGHIJK"
    return {
        row[0]: {name: book["Play", f"{letters[c]}{i}"] for c, name in enumerate(names)}
        for i, row in enumerate(rows, start=1)
        if i >= 5 and row[0] and row[9] is not None
    }


def agrees(book: Workbook, play: ta.Play) -> None:
    found = outcome(book)
    close = {"rel": 1e-7, "abs": 1e-9}  # a play is right to the square root of its error in utility
    for name, share in play.shares.items():
        assert found[name]["share"] == pytest.approx(share)
        assert found[name]["invests"] == pytest.approx(play.improvements[name], **close)
        assert found[name]["revenue"] == pytest.approx(play.revenues[name], **close)
    assert found["generalist"]["invests"] == pytest.approx(play.base_performance, **close)
    for name, utility in play.utilities.items():
        assert found[name]["utility"] == pytest.approx(utility, **close)
        assert found[name]["cost"] == pytest.approx(play.costs[name], **close)


@pytest.mark.slow
def test_the_formulas_give_the_agreed_play():
    data = one()
    book = Workbook(workbook(data))
    agrees(book, ta.FineTuningGame.from_dict(data["game"]).play(data["agreement"]["shares"]))
    assert book["Play", "B12"].startswith("yes")


@pytest.mark.parametrize("share", [0.0, 0.31, 1.0])
@pytest.mark.parametrize("exponent", [1.3, 2.0, 3.5])
def test_at_a_changed_share_and_exponent_they_give_the_game_solved_again(share, exponent):
    data = one()
    book = Workbook(workbook(data))
    at = inputs(book)
    book["Inputs", at["medical", "share"]] = share
    book["Inputs", at["medical", "cost.exponent"]] = exponent
    game = ta.FineTuningGame.from_dict(data["game"]).with_parameters({"medical.cost.exponent": exponent})
    agrees(book, game.play({"medical": share}))


def test_several_specialists_with_setup_amounts():
    specialists = [
        ta.Specialist("a", ta.Fixed(0.02, ta.Power(0.5, 2)), ta.Linear(0.8), entry_cost=0.01),
        ta.Specialist("b", ta.Fixed(0.5, ta.Power(0.5, 2)), ta.Linear(1.1)),
        ta.Specialist("c", ta.Power(1.0, 1.5), ta.Linear(0.6), outside=-0.1),
    ]
    game = ta.FineTuningGame(ta.Generalist(ta.Power(0.7, 2.5), outside=0.1), specialists)
    shares = {"a": 0.2, "b": 0.5, "c": 0.7}
    book = Workbook(workbook(settled(game_file(game, shares=shares, solutions=()))))
    play = game.play(shares)
    assert set(play.regimes.values()) == {"contributes", "free-rides"}  # or the test looks at one branch only
    agrees(book, play)
    assert {name: row["regime"] for name, row in outcome(book).items() if name in shares} == play.regimes


def test_the_share_table_is_the_game_at_every_share():
    data = given()
    book, game = Workbook(workbook(data)), ta.FineTuningGame.from_dict(data["game"])
    rows = book.rows("Shares")
    for i in (5, 11, 25, len(rows)):
        name, share = rows[i - 1][0], book["Shares", f"B{i}"]
        play = game.play(data["agreement"]["shares"] | {name: share})
        assert book["Shares", f"C{i}"] == pytest.approx(play.base_performance, abs=1e-9)
        assert book["Shares", f"F{i}"] == pytest.approx(play.utilities["generalist"], abs=1e-9)
        assert book["Shares", f"G{i}"] == pytest.approx(play.utilities[name], abs=1e-9)


CURVES = [
    ta.Power(1.2, 0.5), ta.Linear(0.7), ta.Log(1.0, 2.0), ta.Sqrt(0.9), ta.Saturating(1.5, 0.8),
    ta.Logistic(2.0, 0.5, 0.2), ta.Logistic(2.0, 0.5, 1e-4), ta.Capped(0.6, ta.Log(1.0, 2.0)),
]  # fmt: skip


@pytest.mark.parametrize("revenue", CURVES, ids=lambda curve: type(curve).__name__)
def test_curves_are_live_where_best_replies_are_not(revenue):
    """With the investments held, revenue and costs follow a changed parameter by the curve's own formula."""
    data = one()
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2)), [ta.Specialist("medical", ta.Level(ta.Power(2.0, 2)), revenue)]
    )
    invested = data["agreement"]["play"]
    book = Workbook(workbook(data | {"game": game.to_dict(), "share_curves": {}}))
    assert book["Play", "A2"] == STATIC
    base, x = invested["base_performance"], invested["improvements"]["medical"]
    found = outcome(book)["medical"]
    assert found["invests"] == x
    assert found["revenue"] == pytest.approx(float(revenue.value(base + x)), rel=1e-12)
    assert found["cost"] == pytest.approx(float(ta.Level(ta.Power(2.0, 2)).at(base).value(x)), rel=1e-12)


def test_a_name_like_a_formula_stays_text():
    names = ["=1+1", "@sum", "-2"]
    data = settled(game_file(quadratic([(1.0, 1.0)] * 3, names), shares=dict.fromkeys(names, 0.5), solutions=()))
    book = Workbook(workbook(data))
    texts = [cell for sheet in book.book for row in sheet.iter_rows() for cell in row if cell.value in names]
    assert len(texts) > 9
    assert all(cell.data_type == "s" and cell.quotePrefix for cell in texts)


def test_the_same_data_give_the_same_bytes():
    assert workbook(one()) == workbook(one())


def test_too_many_specialists_are_refused():
    data = one() | {"players": ["generalist", *(f"d{i}" for i in range(MANY + 1))]}
    with pytest.raises(ta.InputError, match="at most 200 specialists, got 201"):
        workbook(data)


def test_the_evaluator_knows_the_rules_of_spreadsheets():
    """Left-binding powers, minus before powers; a wrong evaluator would prove nothing."""
    book = Workbook(workbook(one()))
    for text, value in (("=2^3^2", 64.0), ("=0-2^2", -4.0), ("=-2^2", 4.0), ("=1-2-3", -4.0), ("=IF(2>=1,7,8)", 7.0)):
        book["Notes", "Z1"] = text
        assert book["Notes", "Z1"] == value
    assert np.isclose(book["Play", "H5"], one()["agreement"]["play"]["utilities"]["generalist"])

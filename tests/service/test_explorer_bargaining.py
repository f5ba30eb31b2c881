"""The bargaining explorer's numbers, files and figures, without a browser."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the studio needs the web extra: pip install tuneaccord[web]")

from tuneaccord import Linear, Nash, Power
from tuneaccord.bargaining.plays import REGIMES
from tuneaccord.config.game import read_game
from tuneaccord.errors import InputError
from tuneaccord.service.pages import charts_bargaining as charts
from tuneaccord.service.pages.bargaining_families import COSTS, REVENUES, Choice, standard
from tuneaccord.service.pages.bargaining_numbers import is_quick, mapped, pareto, played, solved
from tuneaccord.service.pages.bargaining_sheet import term_sheet
from tuneaccord.service.pages.bargaining_state import (
    ONE,
    PRESETS,
    REGIMES_GAME,
    RETAIL,
    THREE,
    Deal,
    Firm,
    changed,
    deal_of,
    ends_of,
    game_yaml,
    query_of,
    query_pairs,
    with_firm,
    with_firm_fields,
    with_share,
    without_firm,
)
from tuneaccord.service.pages.bargaining_words import better, headline

DEALS = [deal for _, deal in PRESETS.values()]
SLOW = Deal(
    Choice("Power", (1.0, 2.0)),
    (
        Firm("medical", Choice("Power", (2.0, 2.0)), Choice("Saturating", (1.2, 1.5))),
        Firm("legal & <b>co", Choice("Power", (1.0, 2.0)), Choice("Linear", (1.0,))),
    ),
    (0.5, 0.5),
)

QUICK = replace(THREE, outside=0.0)


@pytest.mark.parametrize("deal", [*DEALS, SLOW], ids=lambda deal: deal.names[0])
def test_an_address_and_a_file_hold_the_game(deal, tmp_path):
    assert deal_of(query_pairs(query_of(deal))) == deal
    path = tmp_path / "game.yaml"
    path.write_text(game_yaml(deal))
    read = read_game(path)
    assert (read.game, read.solution) == (deal.game(), deal.rule())
    assert read.map.x.parameter == deal.across


def test_the_play_and_the_sweep_are_the_games():
    found = played(ONE)
    # quadratic costs: base t / 2, improvement (1 - t) / 4, by the first-order conditions at the share t = 0.4
    assert found["play"]["base_performance"] == pytest.approx(0.2, abs=1e-9)
    assert found["play"]["improvements"]["medical"] == pytest.approx(0.15, abs=1e-9)
    for share, generalist, medical in zip(found["sweep"]["share"], *found["sweep"]["utilities"].values(), strict=True):
        base, more = share / 2, (1 - share) / 4
        assert generalist == pytest.approx(share * (base + more) - base**2, abs=1e-9)
        assert medical == pytest.approx((1 - share) * (base + more) - 2 * more**2, abs=1e-9)
    assert ONE.shares[0] in found["sweep"]["share"]


def test_curves_are_marked_where_they_are_used():
    curves = played(ONE)["curves"]
    assert (curves["costs"]["generalist"]["here"], curves["costs"]["generalist"]["height"]) == pytest.approx(
        (0.2, 0.04)
    )
    np.testing.assert_allclose(curves["costs"]["medical"]["heights"], 2 * np.array(curves["at"]) ** 2)
    assert max(curves["at"]) > 0.35


@pytest.mark.parametrize("deal", [REGIMES_GAME, THREE], ids=["one", "three"])
def test_the_map_is_what_is_played_in_each_cell(deal):
    found = mapped(deal)
    across, upwards = found["values"]
    rng = np.random.default_rng(0)
    for i, j in zip(rng.integers(len(across), size=8), rng.integers(len(upwards), size=8), strict=True):
        firm = with_firm_fields(deal, 0, entry=upwards[j])
        play = with_share(firm, 0, across[i]).game().play({**firm.by_name, deal.mover: across[i]})
        for name in deal.names:
            assert REGIMES[found["codes"][name][i][j]] == play.regimes[name]
    assert found["here"] == [deal.shares[0], deal.firms[0].entry]


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_the_map_is_drawn_at_the_share_of_the_slider(share):
    """Where no side of the map is a share, moving the share draws another map: what the game itself plays there."""
    deal = replace(with_share(REGIMES_GAME, 0, share), across="legal.outside", upwards="legal.entry_cost")
    found = mapped(deal)
    across, upwards = found["values"]
    drawn = charts.map_figure(found, "legal")["data"][0]["z"]  # rows upwards, columns across
    rng = np.random.default_rng(1)
    for i, j in zip(rng.integers(len(across), size=8), rng.integers(len(upwards), size=8), strict=True):
        play = with_firm_fields(deal, 0, outside=across[i], entry=upwards[j]).game().play({"legal": share})
        assert REGIMES[drawn[j][i]] == play.regimes["legal"]
    assert f"share of {100 * share:g}% of the legal revenue" in charts.map_words(found)
    assert drawn != charts.map_figure(mapped(with_share(deal, 0, 0.4)), "legal")["data"][0]["z"]


def test_solutions_and_the_pareto_set():
    row = solved(ONE.game(), Nash())
    assert row["agreement"]["shares"]["medical"] == pytest.approx(0.622839, abs=1e-6)  # the README's
    front = pareto(ONE)
    ends = [front["ends"][0][key]["medical"] for key in ("low", "high")]
    assert ends == pytest.approx([1 / 3, 1.0], abs=1e-6)  # where each side is at its best
    assert is_quick(ONE.game())
    assert is_quick(QUICK.game())
    assert not is_quick(SLOW.game())


def test_a_game_without_a_best_investment_says_so():
    deal = replace(ONE, firms=(replace(ONE.firms[0], cost=Choice("Linear", (0.5,))),))
    with pytest.raises(InputError, match="medical"):
        played(deal)
    assert "refused" in solved(deal.game(), Nash())


@pytest.mark.slow
def test_the_solver_process_writes_the_same_rows():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tuneaccord.service.pages.bargaining_solver"],
        input=json.dumps(QUICK.game().to_dict()), capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert rows == json.loads(json.dumps([solved(QUICK.game(), rule) for rule in QUICK.rules()]))


def test_every_family_makes_a_curve_and_survives_an_address():
    for families, role in ((COSTS, "cost"), (REVENUES, "revenue")):
        for family in families:
            firm = replace(ONE.firms[0], **{role: standard(families, family)})
            deal = changed(ONE, firms=(firm,))
            assert deal_of(query_pairs(query_of(deal))) == deal
            assert deal.game().parameters()
    assert COSTS["Power"].make(1.0, 2.0) == Power(1.0, 2.0)
    assert REVENUES["Linear"].make(1.0) == Linear(1.0)


def test_what_no_longer_exists_goes_back_to_what_is_usual():
    over = replace(REGIMES_GAME, across="legal.cost.amount")
    assert with_firm_fields(over, 0, cost=standard(COSTS, "Power")).across == "share.legal"
    two = with_firm(ONE)
    assert two.names == ("medical", "domain 1")
    dictate = replace(two, solution="powerful domain 1", moved=1, upwards="domain 1.outside")
    one = without_firm(dictate, 1)
    assert (one.solution, one.moved, one.upwards) == ("Nash", 0, "medical.entry_cost")
    assert with_firm_fields(dictate, 1, name="law").names == ("medical", "law")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("specialist=Power,2,2:Linear,1:0.4:0:0:generalist", "name of its own"),
        ("specialist=Power,2,2:Linear,1:1.4:0:0:m", "share must be between 0 and 1"),
        ("specialist=Powr,2,2:Linear,1:0.4:0:0:m", "Did you mean 'Power'"),
        ("specialist=Power,2:Linear,1:0.4:0:0:m", "needs scale, exponent"),
        ("specialist=Power,2,99:Linear,1:0.4:0:0:m", "exponent"),
        ("specialist=Power,2,2:Linear,1:0.4:0:0:m&across=m.cost", "no parameter"),
        ("specialist=Power,2,2:Linear,1:0.4:0:0:m&solution=Nsh", "unknown solution"),
        ("specialist=Power,2,2:Linear,1:0.4:0:0:m&specialist=Power,2,2:Linear,1:0.4:0:0:m", "called 'm'"),
        ("specialist=Power,inf,2:Linear,1:0.4:0:0:m", "finite"),
        ("&".join(["specialist=Power,2,2:Linear,1:0.4:0:0:m"] * 4), "1 to 3"),
        ("specialist=m", "unknown cost 'm'|expected a number"),
    ],
)
def test_a_wrong_address_is_refused_in_one_line(query, words):
    with pytest.raises(InputError, match=words) as caught:
        deal_of(query_pairs(query))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("deal", [ONE, RETAIL, THREE, SLOW], ids=lambda deal: deal.names[0])
def test_every_figure_names_its_axes_and_holds_no_markup(deal):
    found, front, cells = played(deal), pareto(deal), mapped(deal)
    rows = [solved(deal.game(), rule) for rule in deal.rules()] if is_quick(deal.game()) else []
    figures = [charts.cost_figure(found), charts.revenue_figure(found), charts.share_figure(found)]
    figures += [charts.frontier_figure(front, rows, found), charts.frontier_figure(None, [], found)]
    figures += [charts.map_figure(cells, name) for name in deal.names]
    for one in figures:
        titles = [one["layout"][side]["title"]["text"] for side in ("xaxis", "yaxis")]
        assert all(title.endswith(")") for title in titles)  # a unit each
        assert "<b>" not in json.dumps(one, allow_nan=False)


def test_solutions_of_one_spot_share_a_mark():
    rows = [solved(ONE.game(), rule) for rule in ONE.rules()]
    names = [trace["name"] for trace in charts.frontier_figure(pareto(ONE), rows, played(ONE))["data"]]
    assert "powerful generalist, maximal performance" in names
    assert "Nash" in names


def test_tables_and_words_say_who_does_what():
    found = played(RETAIL)
    columns, rows = charts.party_table(found)
    assert rows[1][:2] == ["retail", "free-rides"]
    assert "would earn it 0.6 and cost it 0.9" in rows[1][columns.index("why")]
    assert "retail free-rides" in headline(found)
    assert "generalist" in better(found)
    solutions = [solved(ONE.game(), rule) for rule in ONE.rules()]
    for names, lines in (
        (columns, rows),
        charts.solution_table(solutions, ONE.names),
        charts.solution_table([{"name": "Nash", "refused": "no"}], ONE.names),
        charts.share_table(found),
        charts.pareto_table(pareto(RETAIL)),
    ):
        assert {len(line) for line in lines} == {len(names)}
    assert "of 1271 cells" in charts.map_words(mapped(RETAIL))


def test_the_map_covers_where_the_game_is():
    for deal in DEALS:
        for path in deal.paths():
            low, high = ends_of(deal, path)
            now = {**deal.game().parameters(), **{f"share.{name}": x for name, x in deal.by_name.items()}}[path]
            assert low <= now <= high
            assert low < high


def test_the_term_sheet_names_the_share():
    pytest.importorskip("jinja2")
    rows = [solved(ONE.game(), rule) for rule in ONE.rules()]
    sheet = term_sheet(ONE, rows)
    assert "62.28%" in sheet
    assert "http" not in sheet.replace("http://www.w3.org", "")
    with pytest.raises(InputError, match="not known yet"):
        term_sheet(ONE, [])

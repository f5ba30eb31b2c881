"""What a class sees after the reveal, against the paper's formulas written out by hand."""

import itertools
import json

import numpy as np
import pytest

from tuneaccord.errors import InputError
from tuneaccord.service.classroom import true_type
from tuneaccord.service.classroom_results import FACTORS, Game, Player, exaggeration, lie, ranked, results
from tuneaccord.service.classroom_stories import STORIES, fitting_strength, story
from tuneaccord.service.classroom_tables import everything, leaderboard, lies
from tuneaccord.service.classroom_words import class_words, own_words, verdict
from tuneaccord.service.errors import Invalid
from tuneaccord.service.pages.charts import csv_text
from tuneaccord.service.terms import pool_data, pool_of, terms_of

NAMES = ("ada", "ben", "cy", "dot", "eve", "fay")


def _class(count=6, paid=True, strength=3.0, factor=3.0, absent=("cy",), seed=0):
    """Terms, pool and players of which every other one exaggerates."""
    terms = terms_of(
        {
            "title": "class",
            "divergence": {"kind": "KL", "strength": strength},
            "payment": {"kind": "Externality" if paid else "Free"},
            "money": {"currency": "points", "rate": 10},
            "largest_size": 20,
            "classroom": {"seats": 300},
        }
    )
    pool = pool_data(story("homework").pool(), terms)
    names = [*NAMES, *(f"n{number}" for number in range(count))][:count]
    players = []
    for place, name in enumerate(names):
        truth = true_type(f"secret {seed}", name, pool_of(pool), terms)
        told = {**truth, "size": min(20.0, truth["size"] * factor)} if place % 2 else truth
        players.append(Player(name, truth, None if name in absent else told, bot=place == count - 1))
    return terms, pool, players


# The second route: the closed form of a KL-regularised welfare maximiser, in logarithms


def _model(base, sizes, scores, strength):
    weight = np.log(base) + np.asarray(sizes) @ np.asarray(scores) / strength
    weight -= weight.max()
    return np.exp(weight) / np.exp(weight).sum()


def _support(base, sizes, scores, strength):
    weight = np.log(base) + (np.asarray(sizes) @ np.asarray(scores) if len(sizes) else np.zeros(len(base))) / strength
    return strength * (weight.max() + np.log(np.exp(weight - weight.max()).sum()))


def _settled(base, reports, strength):
    """(model, payments) by the formulas, for reports as name -> (size, scores)."""
    names = list(reports)
    sizes, scores = [reports[name][0] for name in names], [reports[name][1] for name in names]
    model, whole = _model(base, sizes, scores, strength), _support(base, sizes, scores, strength)
    payments = {}
    for place, name in enumerate(names):
        others = [index for index in range(len(names)) if index != place]
        alone = _support(base, [sizes[i] for i in others], [scores[i] for i in others], strength)
        payments[name] = alone - (whole - sizes[place] * float(model @ scores[place]))
    return model, payments


@pytest.mark.parametrize("paid", [True, False])
def test_every_players_amounts_are_those_of_the_closed_form(paid):
    terms, pool, players = _class(paid=paid)
    found = results(terms, pool, players)
    base, strength = np.array(pool["base"][0]), 3.0
    told = {
        one.name: (one.report["size"], np.array(one.report["scores"][0])) for one in players if one.report is not None
    }
    model, payments = _settled(base, told, strength)
    assert found["chosen"] == pytest.approx(model, abs=1e-12)
    for one in players:
        row = next(row for row in found["players"] if row["name"] == one.name)
        size, scores = one.truth["size"], np.array(one.truth["scores"][0])
        other_model, other_payments = _settled(base, {**told, one.name: (size, scores)}, strength)
        charge, true_charge = payments.get(one.name, 0.0), other_payments[one.name]
        utility = size * model @ scores - paid * charge
        truthful = size * other_model @ scores - paid * true_charge
        # sums of five terms of size up to 20 at strength 3: rounding far below 1e-9
        assert row["utility"] == pytest.approx(utility, abs=1e-9)
        assert row["truth_utility"] == pytest.approx(truthful, abs=1e-9)
        assert row["payment"] == pytest.approx(paid * charge, abs=1e-9)
        assert row["gain_free"] == pytest.approx(size * (model - other_model) @ scores, abs=1e-9)
        assert row["gain_charged"] == pytest.approx(
            size * (model - other_model) @ scores - (charge - true_charge), abs=1e-9
        )
        assert row["gain"] == pytest.approx(utility - truthful, abs=1e-9)
        assert row["base_value"] == pytest.approx(size * base @ scores, abs=1e-12)


def test_what_the_class_as_a_whole_lost_is_counted_by_the_truth():
    terms, pool, players = _class()
    found = results(terms, pool, players)
    base, strength = np.array(pool["base"][0]), 3.0
    sizes = [one.truth["size"] for one in players]
    scores = np.array([one.truth["scores"][0] for one in players])
    chosen = np.array(found["chosen"])
    price = strength * float(chosen @ np.log(chosen / base))
    assert found["net_welfare"] == pytest.approx(float(np.array(sizes) @ scores @ chosen) - price, abs=1e-9)
    assert found["honest_net_welfare"] == pytest.approx(_support(base, sizes, scores, strength), abs=1e-9)
    assert found["net_welfare"] < found["honest_net_welfare"]


def test_the_curve_is_the_brute_force_one_and_peaks_at_the_truth_only_when_charged():
    terms, pool, players = _class(absent=())
    found = exaggeration(terms, pool, players, "ada")
    base = np.array(pool["base"][0])
    ada = players[0]
    scores = np.array(ada.truth["scores"][0])
    others = {one.name: (one.report["size"], np.array(one.report["scores"][0])) for one in players[1:]}
    for factor, charged, free in zip(found["factor"], found["charged"], found["free"], strict=True):
        model, payments = _settled(base, {**others, "ada": (factor * ada.truth["size"], scores)}, 3.0)
        assert free == pytest.approx(ada.truth["size"] * model @ scores, abs=1e-9)
        assert charged == pytest.approx(free - payments["ada"], abs=1e-9)
    assert found["factor"][int(np.argmax(found["charged"]))] == 1.0
    assert np.all(np.diff(found["free"]) > 0)  # nobody pays: more is always better
    assert set(found["factor"]) <= set(FACTORS)
    bold = players[1].report["size"] / players[1].truth["size"]
    assert bold in exaggeration(terms, pool, players, "ben")["factor"]
    assert max(found["factor"]) * ada.truth["size"] <= 20


@pytest.mark.parametrize("seed", range(5))
def test_with_payments_no_lie_brings_anything_and_without_them_exaggerating_never_costs(seed):
    terms, pool, players = _class(count=12, seed=seed, absent=("cy", "eve"))
    for row in results(terms, pool, players)["players"]:
        assert row["gain_charged"] <= 1e-9  # truth is dominant, for the absent too
        if row["lied"]:
            assert row["gain_free"] >= -1e-9  # every lie in this class is a larger size


def test_absent_players_are_in_the_table_and_pay_nothing():
    terms, pool, players = _class()
    row = next(row for row in results(terms, pool, players)["players"] if row["name"] == "cy")
    assert (row["reported"], row["payment"], row["lied"], row["report"]) == (False, 0.0, False, None)
    assert row["truth_utility"] >= row["utility"]
    assert "did not report" in own_words(row, results(terms, pool, players))[0]


def test_nobody_reported_is_one_clear_line():
    terms, pool, players = _class()
    with pytest.raises(InputError, match="nobody reported"):
        results(terms, pool, [Player(one.name, one.truth) for one in players])


def test_an_unknown_player_is_named():
    terms, pool, players = _class()
    with pytest.raises(InputError, match="no player 'adda'"):
        exaggeration(terms, pool, players, "adda")


def test_equal_utilities_share_a_rank_in_every_order():
    rows = [{"name": name, "utility": utility} for name, utility in (("a", 3.0), ("b", 1.0), ("c", 3.0), ("d", 0.5))]
    for order in itertools.permutations(rows):
        assert [(row["name"], row["rank"]) for row in ranked(order)] == [("a", 1), ("c", 1), ("b", 3), ("d", 4)]


def test_twins_who_want_and_report_the_same_share_a_rank():
    terms, pool, players = _class()
    twin = Player("zoe", players[0].truth, players[0].report)
    rows = {row["name"]: row["rank"] for row in results(terms, pool, [*players, twin])["players"]}
    assert rows["zoe"] == rows["ada"]


def test_a_lie_is_measured_in_size_and_in_scores():
    truth = {"size": 2.0, "scores": [[0.2, 0.4, 0.6]]}
    assert lie(truth, truth)["lied"] is False
    stretched = lie(truth, {"size": 2.0, "scores": [[0.0, 0.4, 1.0]]})
    assert stretched["size_factor"] == 1.0
    assert stretched["spread"] == pytest.approx(2.5)
    assert stretched["moved"] == pytest.approx(0.2)
    assert lie({"size": 1.0, "scores": [[0.5, 0.5]]}, {"size": 1.0, "scores": [[0.5, 0.6]]})["spread"] is None


def test_candidate_models_can_be_played_too():
    terms, _, _ = _class()
    pool = pool_data(
        {
            "kind": "candidates",
            "base": "base",
            "candidates": [
                {"name": "base"},
                {"name": "soup", "price": 0.5},
                {"name": "adapter", "price": 1.0},
            ],
        },
        terms,
    )
    want = {"ada": (2.0, [0.1, 0.5, 0.9]), "ben": (1.0, [0.6, 0.7, 0.0])}
    players = [
        Player(name, {"size": size, "scores": [scores]}, {"size": size * 3, "scores": [scores]})
        for name, (size, scores) in want.items()
    ]
    found = results(terms, pool, players)
    prices = [0.0, 0.5, 1.0]

    def best(reports):
        welfare = [sum(size * scores[row] for size, scores in reports) - prices[row] for row in range(3)]
        return int(np.argmax(welfare)), max(welfare)

    told = {name: (size * 3, scores) for name, (size, scores) in want.items()}
    row, whole = best(told.values())
    assert found["chosen"] == [float(place == row) for place in range(3)]
    for one in found["players"]:
        size, scores = want[one["name"]]
        others = [report for name, report in told.items() if name != one["name"]]
        payment = best(others)[1] - (whole - 3 * size * scores[row])
        assert one["utility"] == pytest.approx(size * scores[row] - payment, abs=1e-12)
    curve = exaggeration(terms, pool, players, "ada")
    assert curve["charged"][curve["factor"].index(3.0)] == pytest.approx(
        next(one["utility"] for one in found["players"] if one["name"] == "ada"), abs=1e-12
    )


@pytest.mark.parametrize("kind", ["KL", "ChiSquared", "ReverseKL"])
def test_a_curve_by_single_solves_is_that_of_whole_settlements(kind):
    terms, pool, players = _class(absent=("cy",))
    terms = terms_of({"title": "class", "divergence": {"kind": kind, "strength": 3.0}, "largest_size": 20})
    game = Game(terms, pool, players)
    for name in ("ben", "cy"):
        truth = game.player(name).truth
        for size, quick in zip((0.5, 3.0, 20.0), game.by_size(name, (0.5, 3.0, 20.0)), strict=True):
            whole = game.outcome(game.with_report(name, {**truth, "size": size}), name)
            # differences of supports of size up to 100: rounding far below 1e-9
            assert (quick.value, quick.payment) == pytest.approx((whole.value, whole.payment), abs=1e-9)


@pytest.mark.parametrize("count", [30, 200])
def test_a_large_class_is_plain_data_with_everybody_in_it(count):
    terms, pool, players = _class(count, strength=fitting_strength(count))
    found = results(terms, pool, players)
    assert len(found["players"]) == count
    assert [row["rank"] for row in found["players"]] == sorted(row["rank"] for row in found["players"])
    assert json.loads(json.dumps(found)) == found
    columns, rows = everything(found)
    assert len(rows) == count
    assert {len(row) for row in rows} == {len(columns)}


def test_tables_say_the_same_as_the_results_in_money():
    terms, pool, players = _class()
    found = results(terms, pool, players)
    columns, rows = leaderboard(found)
    assert len(columns) == len(rows[0])
    for row, shown in zip(found["players"], rows, strict=True):
        assert float(shown[2].replace("\N{MINUS SIGN}", "-")) == pytest.approx(10 * row["utility"], abs=0.05)
        assert shown[6] == verdict(row, found)
    liars = [row for row in found["players"] if row["lied"]]
    assert len(lies(found)[1]) == len(liars)
    assert all(
        row["lied"] == (verdict(row, found) in ("yes", "no", "the same")) for row in found["players"] if row["reported"]
    )


def test_names_that_are_formulas_stay_text_in_the_file():
    terms, pool, players = _class()
    players[0] = Player("=1+1", players[0].truth, players[0].report)
    columns, rows = everything(results(terms, pool, players))
    text = csv_text(columns, rows)
    assert "'=1+1," in text
    assert "\n=1+1" not in text


@pytest.mark.parametrize("paid", [True, False])
def test_words_tell_what_the_numbers_say(paid):
    terms, pool, players = _class(paid=paid, absent=())
    found = results(terms, pool, players)
    assert class_words(found)[0] == "3 of 6 players did not report the truth."
    assert "3 brought something" in class_words(found)[1]
    assert "3 cost something" in class_words(found)[1]
    for row in found["players"]:
        words = " ".join(own_words(row, found))
        if not row["lied"]:
            assert words.startswith("You told the truth")
            continue
        assert f"size {row['report']['size']:g} instead of {row['truth']['size']:g}" in words
        assert ("took more from them than it brought you" in words) == paid
        assert ("exaggerating pays" in words) == (not paid)


def test_an_honest_class_is_told_that_nobody_lied():
    terms, pool, players = _class(factor=1.0, absent=())
    assert class_words(results(terms, pool, players)) == ["Nobody lied."]


def test_stories_are_pools_and_misspelt_ones_are_named():
    for name, one in STORIES.items():
        assert sum(chance for _, _, chance in one.styles) == pytest.approx(1.0, abs=1e-12), name
        assert 4 <= len(one.styles) <= 6
        pool_of(one.pool())
    with pytest.raises(Invalid, match="homework"):
        story("homewrok")

"""The mechanism explorer's numbers, words and figures, without a browser."""

import itertools
import json
import math

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the studio needs the web extra: pip install tuneaccord[web]")

from dataclasses import replace

from tuneaccord import SizeMisreport, settle, what_if
from tuneaccord.config.market import read_market
from tuneaccord.errors import InputError
from tuneaccord.service.pages import charts_mechanism as charts
from tuneaccord.service.pages.mechanism_address import market_yaml, query_of, query_pairs, scene_of
from tuneaccord.service.pages.mechanism_numbers import curves, outcome, truth_of
from tuneaccord.service.pages.mechanism_state import (
    BENDS,
    DIVERGENCES,
    OPPOSED,
    PAYMENTS,
    README,
    Group,
    Scene,
    random_scene,
    with_cell,
    with_group,
    with_responses,
    without_group,
)
from tuneaccord.service.pages.mechanism_words import best_in_words, others_in_words, report_in_words, verdict

ODD = replace(
    README,
    groups=(Group("a:b,c&d=1", 3.0, (0.1, 0.9, 0.0)), Group('<a href="//x">é</a>', 1.0, (0.6, 0.5, 0.4))),
    liar=1,
)


def by_hand(scene, size, rewards):
    """The liar's value, payment and utility under KL, from the policy's formula alone."""
    base = np.array(scene.base) / sum(scene.base)
    sizes = np.array([group.size for group in scene.groups])
    told = np.array([group.rewards for group in scene.groups], float)
    true, mine = told[scene.liar].copy(), scene.liar
    sizes_told = sizes.copy()
    sizes_told[mine], told[mine] = size, rewards

    def best(weights):
        score = weights @ told
        mass = base * np.exp(score / scene.strength)
        return mass / mass.sum(), scene.strength * math.log(mass.sum())

    policy, most = best(sizes_told)
    without = sizes_told.copy()
    without[mine] = 0.0
    payment = best(without)[1] - (most - size * (told[mine] @ policy))
    value = sizes[mine] * (true @ policy)
    return value, payment, value - payment


def test_the_truth_is_the_readmes():
    found = outcome(replace(README, factor=1.0))
    assert [round(row["payment"], 3) for row in found["groups"]] == [0.765, 0.002, 0.271]
    assert np.round(found["policy"], 2).tolist() == [0.12, 0.61, 0.27]
    assert found["gain"] == {"value": 0.0, "payment": 0.0, "utility": 0.0}


def test_a_lie_is_worth_what_the_formula_says():
    scene = replace(README, factor=2.0, amount=1.4)
    own = README.groups[2]
    others = (3 * np.array(README.groups[0].rewards) + np.array(README.groups[1].rewards)) / 4
    told = np.clip(1.4 * np.array(own.rewards) - 0.4 * others, 0.0, 1.0)
    expected = np.array(by_hand(scene, 4.0, told)) - np.array(by_hand(scene, 2.0, own.rewards))
    found = outcome(scene)["gain"]
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-12)  # rounding


def test_a_lie_about_the_size_is_the_readmes():
    found = outcome(README)
    lie = what_if(truth_of(README), "arcade", SizeMisreport(2.0))
    own = found["groups"][2]
    assert round(found["gain"]["value"], 3) == 0.870
    assert round(found["gain"]["utility"], 3) == -0.434
    assert (own["lied_value"], own["lied_payment"]) == pytest.approx((lie.group_value, lie.payment), abs=1e-12)


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_no_lie_on_the_curves_pays_and_they_pass_through_the_scene(divergence):
    for seed in range(3 if divergence == "KL" else 1):
        scene = replace(random_scene(seed), divergence=divergence, factor=1.5, liar=seed)
        for bend in BENDS if divergence == "KL" else ("spread",):
            scene = replace(scene, bend=bend, amount=0.25)
            found, lines = outcome(scene), curves(scene)
            for kind, at in (("size", 1.5), ("bend", 0.25)):
                place = lines[kind]["at"].index(at)
                for name in ("value", "payment", "utility"):
                    assert lines[kind][name][place] == pytest.approx(found["gain"][name], abs=1e-9)  # two settlements
                assert max(lines[kind]["utility"]) < 1e-9  # truth is dominant
                assert len(lines[kind]["at"]) == len(set(lines[kind]["at"])) == len(lines[kind]["value"])


def test_all_groups_are_judged_with_the_truth():
    found = outcome(README)
    lied = np.array(found["lied_policy"])
    for row, group in zip(found["groups"], README.groups, strict=True):
        assert row["lied_value"] == pytest.approx(group.size * float(lied @ np.array(group.rewards)), abs=1e-12)
        assert row["lied_utility"] == pytest.approx(row["lied_value"] - row["lied_payment"], abs=1e-12)


def test_the_widest_settings_stay_finite():
    groups = (Group("a", 20.0, (1.0, 0.0)), Group("b", 0.1, (0.0, 1.0)))
    for divergence in ("KL", "ReverseKL", "TotalVariation"):
        scene = Scene((1.0, 0.0), groups, divergence, 0.05, 0, 10.0, "spread", 0.5)
        for one in (scene, replace(scene, base=(0.001, 1000.0), strength=20.0, factor=0.1)):
            json.dumps(
                [charts.lie_figure(one, curves(one), "size"), charts.groups_figure(outcome(one))], allow_nan=False
            )


def charged_by_hand(scene, payment, size, rewards):
    """What the liar is charged under KL for a report, by the rule's formula and the policy's alone."""
    base, mine = np.array(scene.base) / sum(scene.base), scene.liar
    sizes = np.array([group.size for group in scene.groups])
    told = np.array([group.rewards for group in scene.groups], float)
    sizes[mine], told[mine] = size, rewards

    def most(members):
        score = sum((sizes[i] * told[i] for i in members), np.zeros(len(base)))
        return scene.strength * math.log(base @ np.exp(score / scene.strength))

    everybody = range(len(sizes))
    mass = base * np.exp(sizes @ told / scene.strength)
    policy = mass / mass.sum()
    if payment == "CostShare":
        return scene.strength * float(policy @ np.log(policy / base)) * sizes[mine] / sizes.sum()
    if payment == "Free":
        return 0.0
    orders = list(itertools.permutations(everybody))
    added = [most(order[: order.index(mine) + 1]) - most(order[: order.index(mine)]) for order in orders]
    return size * float(told[mine] @ policy) - sum(added) / len(orders)  # Shapley


@pytest.mark.parametrize("payment", [kind for kind in PAYMENTS if kind != "Externality"])
def test_other_payments_are_what_their_formulas_say(payment):
    """Plotted numbers by a second route, and the point of the paper: with these the lie pays."""
    scene = replace(README, payment=payment, factor=2.0)
    own = README.groups[2]
    found, lines = outcome(scene), curves(scene)
    truth = charged_by_hand(scene, payment, own.size, own.rewards)
    assert found["groups"][2]["payment"] == pytest.approx(truth, abs=1e-12)
    lied = charged_by_hand(scene, payment, 2 * own.size, own.rewards)
    assert found["groups"][2]["lied_payment"] == pytest.approx(lied, abs=1e-12)
    for factor, change in zip(lines["size"]["at"], lines["size"]["payment"], strict=True):
        expected = charged_by_hand(scene, payment, factor * own.size, own.rewards) - truth
        assert change == pytest.approx(expected, abs=1e-9)
    plotted = charts.lie_figure(scene, lines, "size")["data"][1]
    assert (plotted["name"], plotted["y"]) == ("payment", lines["size"]["payment"])
    assert max(lines["size"]["utility"]) > 0.01  # arcade's best size is not its own
    assert scene_of(query_pairs(query_of(scene))) == scene
    assert not [one for one in found["guarantees"] if one["name"] == "truthful" and one["status"] == "exact"]


def test_the_verdict_knows_the_payment():
    free = replace(README, payment="Free")
    assert verdict(outcome(free)) == "Nobody pays: the lie changes what it gets by +0.870. Lying would have helped."
    assert "With a share of the price to pay: " in verdict(outcome(replace(README, payment="CostShare")))


@pytest.mark.parametrize("payment", PAYMENTS)
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_every_payment_has_an_answer_everywhere(divergence, payment):
    groups = (Group("a", 20.0, (1.0, 0.0)), Group("b", 0.1, (0.0, 1.0)), Group("c", 1.0, (0.0, 0.0)))
    for strength in (0.05, 20.0):
        scene = Scene((1.0, 3.0), groups, divergence, strength, 1, 2.0, payment=payment)
        json.dumps(charts.groups_figure(outcome(scene)), allow_nan=False)


OTHERWISE = replace(README, payment="CostShare")


@pytest.mark.parametrize("scene", [README, OPPOSED, ODD, OTHERWISE, random_scene(7, groups=5, responses=6)])
def test_an_address_and_a_file_hold_the_market(scene, tmp_path):
    assert scene_of(query_pairs(query_of(scene))) == scene
    path = tmp_path / "market.yaml"
    path.write_text(market_yaml(scene))
    market = read_market(path)
    expected = settle(scene.space(), scene.reports(), payment=scene.payment_rule)
    assert market.settle().payments == expected.payments


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("group=1:0,1:a", "no base"),
        ("base=1,1&group=1:0,1:a", "groups must be between 2 and 5"),
        ("base=1,1&group=1:0,1:a&group=1:0,2:b", "a reward of 'b' must be between 0 and 1"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:a", "'a'"),
        ("base=1,1&group=1:0,1:a&group=x:0,1:b", "must be a number"),
        ("base=1,1&group=1:0,1:a&group=nan:0,1:b", "finite"),
        ("base=0,0&group=1:0,1:a&group=1:0,1:b", "chance 0"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:b&divergence=kl2", "Did you mean 'KL'"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:b&alpha=1e9", "alpha must be between"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:b&liar=2", "liar"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:b&bend=x", "bend"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:b&payment=Externalty", "Did you mean 'Externality'"),
        ("base=1,1&group=1:0,1:a&group=1:0,1:" + 41 * "b", "40 characters"),
        ("base=" + ",".join(["1"] * 900) + "&group=1:0,1:a&group=1:0,1:b", "responses"),
    ],
)
def test_a_wrong_address_is_refused_in_one_line(query, words):
    with pytest.raises(InputError, match=words) as caught:
        scene_of(query_pairs(query))
    assert "\n" not in str(caught.value)


def test_too_many_parts_of_an_address_are_refused():
    with pytest.raises(ValueError, match="fields"):
        query_pairs("&".join(["group=1:0,1:a"] * 1000))


def test_markets_change_their_shape():
    larger = with_responses(with_group(README), 5)
    assert (len(larger.groups), len(larger.base)) == (4, 5)
    assert all(len(group.rewards) == 5 for group in larger.groups)
    smaller = without_group(larger, 0)
    assert smaller.names[smaller.liar] == "arcade"
    assert with_cell(README, None, 0, 2.0).base == (2.0, 0.3, 0.3)
    assert with_cell(README, 1, 2, 0.9).groups[1].rewards == (0.6, 0.5, 0.9)
    with pytest.raises(InputError, match="reward of 'school'"):
        with_cell(README, 1, 2, 1.9)


def test_the_verdict_says_what_the_numbers_say():
    found = outcome(README)
    assert report_in_words(README) == "arcade reports size 4 instead of 2."
    with_payments, without = verdict(found).splitlines()
    assert "by −0.434. Lying would have hurt." in with_payments
    assert "by +0.870. Lying would have helped." in without
    assert "clinic" in others_in_words(found)
    truthful = replace(README, factor=1.0)
    assert "tells the truth" in report_in_words(truthful)
    assert "utility 0.322" in verdict(outcome(truthful))
    assert others_in_words(outcome(truthful)) == ""
    assert "+0.0080" in best_in_words(README, curves(README)["best"])


@pytest.mark.parametrize("scene", [README, ODD])
def test_every_figure_names_its_axes_and_holds_no_markup(scene):
    scene = replace(scene, factor=2.0)
    found, lines = outcome(scene), curves(scene)
    figures = [charts.policy_figure(found), charts.groups_figure(found)]
    figures += [charts.lie_figure(scene, lines, kind) for kind in ("size", "bend")]
    for one in figures:
        titles = [one["layout"][side]["title"]["text"] for side in ("xaxis", "yaxis")]
        assert all(titles)
        assert "<a" not in json.dumps(one, allow_nan=False)
    assert "size × reward" in figures[1]["layout"]["yaxis"]["title"]["text"]


def test_tables_have_a_number_for_every_column():
    found, lines = outcome(README), curves(README)
    tables = [charts.groups_table(found), charts.policy_table(found), charts.lies_table(README, lines, "bend")]
    for columns, rows in tables:
        assert rows
        assert {len(row) for row in rows} == {len(columns)}

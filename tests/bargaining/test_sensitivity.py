"""One-at-a-time sensitivities against the closed forms of the quadratic game, kinks, regimes and refusals."""

import dataclasses
import json

import numpy as np
import pytest

import tuneaccord as ta

C0, C1, RATE = 1.0, 2.0, 1.5


def quadratic(c0=C0, c1=C1, rate=RATE, **rest):
    medical = ta.Specialist("medical", ta.Power(c1, 2), ta.Linear(rate), **rest)
    return ta.FineTuningGame(ta.Generalist(ta.Power(c0, 2)), [medical])


def effect(found, parameter):
    return next(one for one in found.effects if one.parameter == parameter)


def test_the_utilitarian_share_moves_as_its_formula():
    found = ta.sensitivities(quadratic(), ta.Utilitarian(), step=1e-3)
    share = lambda c0, c1: c1 / (c0 + c1)  # noqa: E731
    now = share(C0, C1)
    base_cost, cost, rate = (
        effect(found, name) for name in ("generalist.cost.scale", "medical.cost.scale", "medical.revenue.rate")
    )
    expected = (share(0.9 * C0, C1) - now, share(1.1 * C0, C1) - now)
    assert base_cost.moves("share.medical") == pytest.approx(expected, abs=1e-9)
    expected = (share(C0, 0.9 * C1) - now, share(C0, 1.1 * C1) - now)
    assert cost.moves("share.medical") == pytest.approx(expected, abs=1e-9)
    assert rate.moves("share.medical") == pytest.approx((0.0, 0.0), abs=1e-9)
    # a central difference of relative step h is off by about h^2
    assert base_cost.derivatives["share.medical"] == pytest.approx(-C1 / (C0 + C1) ** 2, abs=1e-5)
    assert base_cost.elasticities["share.medical"] == pytest.approx(-C0 / (C0 + C1), abs=1e-5)


def test_the_nash_share_moves_as_the_root_of_its_cubic():
    def share(c0, c1):
        r = c0 / c1
        cubic = [-4 * r**2 + 10 * r - 4, 9 * r**2 - 15 * r + 3, 5 * r - 6 * r**2, r**2]
        roots = np.roots(cubic)
        inside = roots.real[(abs(roots.imag) < 1e-9) & (roots.real > 0) & (roots.real < 1)]
        product = lambda d: (2 * r * d + (1 - 2 * r) * d**2) * (1 - d) * (r + (2 - r) * d)  # noqa: E731
        return max(inside, key=product)

    found = ta.sensitivities(quadratic(), ta.Nash(), ["share.medical"])
    moved, now = effect(found, "generalist.cost.scale"), share(C0, C1)
    expected = (share(0.9 * C0, C1) - now, share(1.1 * C0, C1) - now)
    assert moved.moves("share.medical") == pytest.approx(expected, abs=1e-9)
    slope = (share(C0 + 1e-4, C1) - share(C0 - 1e-4, C1)) / 2e-4
    assert moved.derivatives["share.medical"] == pytest.approx(slope, abs=1e-5)  # step ** 2, and a little


def test_at_fixed_shares_every_output_moves_as_its_formula():
    share = 0.4
    found = ta.sensitivities(quadratic(), {"medical": share})
    a0, x = share * RATE / (2 * C0), (1 - share) * RATE / (2 * C1)
    rate = effect(found, "medical.revenue.rate")
    assert found.now["base"] == pytest.approx(a0, abs=1e-12)
    assert rate.derivatives == pytest.approx(
        {
            "share.medical": 0.0,
            "base": a0 / RATE,
            "performance.medical": (a0 + x) / RATE,
            # everything is proportional to the square of the rate
            "utility.generalist": 2 * (share * RATE * (a0 + x) - C0 * a0**2) / RATE,
            "utility.medical": 2 * ((1 - share) * RATE * (a0 + x) - C1 * x**2) / RATE,
            "total utility": 2 * (RATE * (a0 + x) - C0 * a0**2 - C1 * x**2) / RATE,
        },
        abs=1e-6,
    )
    assert rate.elasticities["utility.generalist"] == pytest.approx(2.0, abs=1e-5)
    exponent = effect(found, "generalist.cost.exponent")
    closed = lambda k: (share * RATE / (k * C0)) ** (1 / (k - 1))  # noqa: E731
    assert exponent.moves("base") == pytest.approx((closed(1.8) - a0, closed(2.2) - a0), abs=1e-12)


def test_the_largest_effect_comes_first_and_another_output_ranks_anew():
    found = ta.sensitivities(quadratic(), {"medical": 0.4}, by="performance.medical")
    sizes = [one.size("performance.medical") for one in found.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    ranked = found.ranked("utility.generalist")
    assert {one.parameter for one in ranked} == {one.parameter for one in found.effects}
    assert ranked[0].size("utility.generalist") == max(one.size("utility.generalist") for one in ranked)


def test_amounts_of_zero_move_by_a_part_of_the_utility():
    game = quadratic()
    found = ta.sensitivities(game, {"medical": 0.4}, change=0.1)
    entry = effect(found, "medical.entry_cost")
    utility = found.now["utility.medical"]
    assert entry.low is None
    assert entry.high.value == pytest.approx(0.1 * utility)
    assert entry.moves("utility.medical") == (None, pytest.approx(-0.1 * utility, abs=1e-12))
    assert entry.derivatives["utility.medical"] is None
    outside = effect(found, "medical.outside")
    assert (outside.low.value, outside.high.value) == (pytest.approx(-0.1 * utility), pytest.approx(0.1 * utility))


def test_zeros_without_an_amount_are_left_out():
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2)),
        [ta.Specialist("medical", ta.Power(1.0, 2), ta.Logistic(1.0, 0.0, 1.0))],
    )
    assert ta.sensitivities(game, {"medical": 0.5}, step=None).left_out == ("medical.revenue.midpoint",)


def test_a_regime_that_changes_is_said_and_has_no_derivative():
    # a specialist that cannot improve rides iff 0.6 * base = 0.12 covers its entry cost of 0.115
    medical = ta.Specialist("medical", ta.Linear(5.0), ta.Linear(1.0), entry_cost=0.115)
    legal = ta.Specialist("legal", ta.Linear(5.0), ta.Linear(1.0))
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [medical, legal])
    found = ta.sensitivities(game, {"medical": 0.0, "legal": 0.23}, ["base"], change=0.1)
    assert found.regimes["medical"] == "free-rides"
    entry = effect(found, "medical.entry_cost")
    assert entry.switches == ("medical abstains, no longer free-rides, when it goes up",)
    assert effect(found, "legal.revenue.rate").switches == (
        "medical abstains, no longer free-rides, when it goes down",
    )
    at_the_edge = game.with_parameters({"medical.entry_cost": 0.115 * (1 - 1e-6)})
    edge = ta.sensitivities(at_the_edge, {"medical": 0.0, "legal": 0.23}, ["utility.medical"])
    assert effect(edge, "medical.entry_cost").derivatives == {"utility.medical": None}


def test_a_kink_has_no_derivative():
    """Revenue capped where the free-rider's base stops: more limit is more base, less limit less, costs differ."""
    medical = ta.Specialist("medical", ta.Linear(5.0), ta.Capped(0.25, ta.Linear(1.0)))
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [medical])
    limit = effect(ta.sensitivities(game, {"medical": 0.5}, ["base"]), "medical.revenue.limit")
    # the base would be 0.25 without the cap: it follows the limit down, and not up
    assert limit.moves("base") == pytest.approx((-0.025, 0.0), abs=1e-9)
    assert limit.derivatives == {"base": None}


def test_a_changed_game_without_a_solution_is_told_and_the_others_stand():
    medical = ta.Specialist("medical", ta.Power(2.0, 1.05), ta.Linear(1.0))
    found = ta.sensitivities(ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [medical]), {"medical": 0.4})
    exponent = effect(found, "medical.cost.exponent")
    assert exponent.low.refused
    assert exponent.moves("base")[0] is None
    assert exponent.high.refused == ""
    assert "none" in str(found)


def test_no_step_no_derivatives():
    found = ta.sensitivities(quadratic(), {"medical": 0.4}, step=None)
    assert {slope for one in found.effects for slope in one.derivatives.values()} == {None}


def test_table_and_plain_data():
    calls = []
    found = ta.sensitivities(quadratic(), {"medical": 0.4}, ["base"], progress=lambda *done: calls.append(done))
    assert calls[-1] == (len(quadratic().parameters()), len(quadratic().parameters()))
    assert len(found.table) == len(found.effects)
    assert found.table[0]["output"] == "base"
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["now"] == found.now
    assert plain["effects"][0]["parameter"] == found.effects[0].parameter
    assert dataclasses.is_dataclass(found)
    assert str(found).startswith("base is 0.3;")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"outputs": ["bas"]}, "there is no output 'bas'. Did you mean 'base'?"),
        ({"by": "utility.medicl"}, "Did you mean 'utility.medical'?"),
        ({"change": 1.0}, "change must be a number strictly between 0 and 1, got 1.0."),
        ({"step": 0}, "step must be a number strictly between 0 and 1, got 0."),
    ],
)
def test_wrong_settings_are_told(wrong, said):
    with pytest.raises(ta.InputError) as caught:
        ta.sensitivities(quadratic(), {"medical": 0.4}, **wrong)
    assert said in str(caught.value)


def test_ranking_by_an_unknown_output_is_told():
    found = ta.sensitivities(quadratic(), {"medical": 0.4}, ["base"], step=None)
    with pytest.raises(ta.InputError, match="Valid names: base"):
        found.ranked("total")

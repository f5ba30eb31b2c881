"""Stage two: the generalist's base against closed forms, dense scans, scipy and the laws of ties."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from tuneaccord import (
    Capped,
    Fixed,
    Function,
    Generalist,
    Level,
    Linear,
    Log,
    Logistic,
    Power,
    Saturating,
    Specialist,
    Sqrt,
    Tabulated,
)
from tuneaccord.bargaining.engine import bases, investing
from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.bargaining.engine.replies import replies
from tuneaccord.bargaining.parties import take
from tuneaccord.errors import InputError
from tuneaccord.testing import random_game

ABSTAINS, FREE_RIDES, CONTRIBUTES = 0, 1, 2
SQUARE = Generalist(cost=Power(1.0, 2))


def worth(generalist, specialists, shares, base):
    """What the generalist has at bases of any shape, by the replies alone."""
    earned = sum(s * replies(one, s, base).revenue for one, s in zip(specialists, shares, strict=True))
    return earned - generalist.cost.value(base)


def check_against_scan(seed, **kinds):
    rng = np.random.default_rng(seed)
    game = random_game(rng, specialists=int(rng.integers(1, 4)), **kinds)
    count = len(game.specialists)
    shares = rng.choice([0.0, 1.0, *rng.uniform(size=4)], (1, count))
    play = game.play_many(shares)
    top, base = play.utilities[0, 0], play.base[0]
    near = base * (1 + np.array([-1e-2, -1e-4, -1e-6, -1e-8, 1e-8, 1e-6, 1e-4, 1e-2]))
    scan = np.concatenate([[0.0], np.geomspace(1e-6, 30.0, 60), near])
    others = worth(game.generalist, game.specialists, shares[0], scan)
    # the scale of the money in these games is 1; the bound is on what the search left open
    assert others.max() <= top + np.nan_to_num(play.error[0], nan=1e-9) + 1e-14 * (1 + abs(top)), seed
    assert worth(game.generalist, game.specialists, shares[0], base) == pytest.approx(top, abs=1e-13 * (1 + abs(top)))
    for i, (one, share) in enumerate(zip(game.specialists, shares[0], strict=True)):
        reply = replies(one, share, base)
        assert (reply.regime, float(reply.improvement)) == (play.regime[0, i], play.improvement[0, i])
        assert reply.utility == pytest.approx(play.utilities[0, 1 + i], abs=1e-13)
    return play.error[0]


@pytest.mark.parametrize("seed", range(12))
def test_no_scanned_base_is_better(seed):
    check_against_scan(seed)


@pytest.mark.slow
def test_no_scanned_base_is_better_in_many_games():
    errors = np.array([check_against_scan(seed) for seed in range(100, 220)])
    known = errors[~np.isnan(errors)]
    assert len(known) > 100
    assert np.quantile(known, 0.95) < 1e-9


@pytest.mark.parametrize("exponents", [(2.0, 2.0), (1.3, 2.5), (3.0, 1.1)])
def test_power_costs_and_straight_revenue(exponents):
    (k0, k1), b, c0, c1 = exponents, 1.3, 0.7, 1.9
    share = np.array([0.0, 0.1, 0.45, 0.9, 1.0])
    one = Specialist("d", cost=Power(c1, k1), revenue=Linear(b))
    play = play_many(Generalist(cost=Power(c0, k0)), [one], share[:, None])
    base = (b * share / (k0 * c0)) ** (1 / (k0 - 1))
    x = (b * (1 - share) / (k1 * c1)) ** (1 / (k1 - 1))
    np.testing.assert_allclose(play.base, base, rtol=1e-12)
    np.testing.assert_allclose(play.improvement[:, 0], x, rtol=1e-12)
    np.testing.assert_allclose(play.utilities[:, 0], share * b * (base + x) - c0 * base**k0, atol=1e-12)
    np.testing.assert_allclose(play.utilities[:, 1], (1 - share) * b * (base + x) - c1 * x**k1, atol=1e-12)
    assert (play.error < 1e-14 * (1 + play.utilities.max(axis=1))).all()


def test_a_thousand_quadratic_specialists():
    rng = np.random.default_rng(0)
    b, c, shares = rng.uniform(0.5, 1.5, 1000), rng.uniform(1, 3, 1000), rng.uniform(size=(2, 1000))
    many = [Specialist(f"d{i}", cost=Power(c[i], 2), revenue=Linear(b[i])) for i in range(1000)]
    play = play_many(SQUARE, many, shares)
    np.testing.assert_allclose(play.base, shares @ b / 2, rtol=1e-13)
    np.testing.assert_allclose(play.improvement, (1 - shares) * b / (2 * c), rtol=1e-13)


CONCAVE = [
    (Power(0.7, 1.8), Power(1.5, 1.7), Sqrt(2.0)),
    (Power(0.3, 2.5), Power(0.4, 3.0), Log(2.0, 1.5)),
    (Linear(0.4), Power(1.0, 1.4), Saturating(3.0, 0.8)),
    (Power(1.0, 2.0), Linear(0.8), Power(2.0, 0.6)),
    (Power(0.5, 2.0), Level(Power(0.3, 2.0)), Log(3.0, 1.0)),
]


@pytest.mark.parametrize(("own", "cost", "revenue"), CONCAVE)
def test_concave_games_against_scipy(own, cost, revenue):
    one, share = Specialist("d", cost=cost, revenue=revenue), 0.55

    def minus(base):
        start = cost.at(base)

        def more(x):
            return (1 - share) * revenue.slope(base + x) - start.slope(x)

        x = scipy.optimize.brentq(more, 1e-12, 50.0, xtol=1e-15, rtol=1e-15) if more(1e-12) > 0 else 0.0
        return float(own.value(base) - share * revenue.value(base + x))

    grid = np.linspace(0.0, 6.0, 41)
    start = grid[np.argmin([minus(base) for base in grid])]
    found = scipy.optimize.minimize_scalar(
        minus, bounds=(max(start - 0.2, 0.0), start + 0.2), method="bounded", options={"xatol": 1e-10}
    )
    play = play_many(Generalist(cost=own), [one], [[share]])
    # a minimiser that only sees values finds the place to the root of their precision
    assert play.base[0] == pytest.approx(found.x, abs=3e-5)
    assert play.utilities[0, 0] >= -found.fun - 1e-14
    assert play.utilities[0, 0] == pytest.approx(-found.fun, abs=1e-8)


def test_two_peaks_of_equal_worth():
    # a small model for the lower step of the revenue, a large one for the upper: worth 3 - slope / 2 and 6 - 2 slope
    steps = Function(
        lambda a: np.minimum(a, 0.5) * 6.0 + np.clip(a - 1.5, 0, 0.5) * 6.0,
        lambda a: np.where((a < 0.5) | ((a >= 1.5) & (a < 2.0)), 6.0, 0.0),
        breaks=(0.5, 1.5, 2.0),
    )
    one = Specialist("d", cost=Linear(50.0), revenue=steps)
    for slope, expected in ((2.0 - 1e-9, 2.0), (2.0, 2.0), (2.0 + 1e-9, 0.5)):
        play = play_many(Generalist(cost=Linear(slope)), [one], [[1.0]])
        assert play.base[0] == pytest.approx(expected, rel=1e-14)
        assert play.utilities[0, 0] == pytest.approx(max(3 - slope / 2, 6 - 2 * slope), rel=1e-14)


def test_builds_just_enough_for_the_specialist_to_take_part():
    # taking part is worth (1 - s)(a0 + x) - x^2 = (1 - s) a0 + (1 - s)^2 / 4 against an entry cost of 0.3
    one = Specialist("d", cost=Power(1.0, 2), revenue=Linear(1.0), entry_cost=0.3)
    share = 0.5
    play = play_many(SQUARE, [one], [[share]])
    threshold = (0.3 - (1 - share) ** 2 / 4) / (1 - share)
    assert share / 2 < threshold
    assert play.base[0] == pytest.approx(threshold, rel=1e-15)
    assert play.regime[0, 0] == CONTRIBUTES
    assert play.utilities[0, 1] == pytest.approx(0.0, abs=1e-16)
    # with a curved revenue the threshold is found by a search instead of a formula
    curved = Specialist("d", cost=Power(1.0, 2), revenue=Capped(50.0, Linear(1.0)), entry_cost=0.3)
    searched = play_many(SQUARE, [curved], [[share]])
    assert searched.base[0] == pytest.approx(threshold, rel=1e-14)
    assert searched.regime[0, 0] == CONTRIBUTES
    # too dear to draw in: nothing is built
    dear = Specialist("d", cost=Power(1.0, 2), revenue=Linear(1.0), entry_cost=3.0)
    assert play_many(SQUARE, [dear], [[share]]).regime[0, 0] == ABSTAINS


def test_two_thresholds_are_compared():
    # the generalist earns more from drawing in the second as well
    def game(entry):
        return [
            Specialist("near", cost=Linear(9.0), revenue=Linear(1.0), entry_cost=0.1),
            Specialist("far", cost=Linear(9.0), revenue=Linear(4.0), entry_cost=entry),
        ]

    shares = [[0.5, 0.5]]
    both = play_many(SQUARE, game(2.4), shares)  # the threshold of "far" is 1.2
    assert both.base[0] == pytest.approx(1.25, rel=1e-15)  # (0.5 + 2) / 2
    late = play_many(SQUARE, game(4.0), shares)
    assert late.base[0] == pytest.approx(2.0, rel=1e-15)  # the threshold: 0.5 * 2 + 2 * 2 - 4 = 1 against 0.0625 alone
    never = play_many(SQUARE, game(6.0), shares)
    assert never.base[0] == pytest.approx(0.25, rel=1e-15)
    assert never.regime[0].tolist() == [FREE_RIDES, ABSTAINS]


def test_a_threshold_out_of_reach_does_not_blur_the_others():
    # "far" would join from a base of 3e11 on, whose cost of 1e23 has a rounding of 1e7; "near" joins from 5e4 on
    domains = [
        Specialist("far", cost=Power(1.0, 2), revenue=Linear(1.0), entry_cost=0.3),
        Specialist("near", cost=Power(1.0, 2), revenue=Linear(1.0), entry_cost=0.5),
    ]
    play = play_many(SQUARE, domains, [[1 - 1e-12, 1 - 1e-5]])
    assert play.base[0] == 0.0
    assert play.utilities[0].tolist() == [0.0, 0.0, 0.0]
    assert play.error[0] <= 1e-15


def test_stays_below_the_base_at_which_a_contributor_turns_free_rider():
    # with a set-up cost and concave revenue a larger base makes contributing not worth its set-up
    one = Specialist("d", cost=Fixed(0.2, Power(0.5, 2)), revenue=Log(2.0, 1.0))
    share = 0.3
    play = play_many(Generalist(cost=Power(0.05, 2)), [one], [[share]])
    base = play.base[0]
    assert play.regime[0, 0] == CONTRIBUTES
    assert replies(one, share, base * (1 + 1e-9)).regime == FREE_RIDES
    assert replies(one, share, base * (1 - 1e-9)).regime == CONTRIBUTES


def test_ties_of_the_generalist_go_to_the_larger_base():
    # the base costs nothing up to 1 and brings nothing from 0.5 on
    free = Generalist(cost=Tabulated((0.0, 1.0, 2.0), (0.0, 0.0, 5.0)))
    one = Specialist("d", cost=Linear(9.0), revenue=Capped(0.5, Linear(1.0)))
    assert play_many(free, [one], [[1.0]]).base[0] == pytest.approx(1.0, abs=1e-9)
    # but where building only replaces what the specialist would add, nothing is built, rounding or not
    eager = Specialist("d", cost=Power(0.25, 2), revenue=Capped(1.0, Linear(1.0)))
    assert play_many(SQUARE, [eager], [[0.4]]).base[0] == 0.0


def test_set_up_cost_of_the_generalist():
    one = Specialist("d", cost=Power(1.0, 2), revenue=Linear(1.0))
    # at share s the base brings s^2 / 4
    for curve in (Power(1.0, 2), Tabulated((0, 1, 2, 3), (0, 1, 4, 9))):
        plays = play_many(Generalist(cost=Fixed(0.09, curve)), [one], [[0.59], [0.6], [0.61]])
        assert plays.base[0] == 0.0
        np.testing.assert_allclose(plays.base[1:], [0.3, 0.305], rtol=1e-9 if isinstance(curve, Tabulated) else 1e-15)


@pytest.mark.parametrize(
    ("own", "cost", "revenue"),
    [
        (Power(1.0, 2), Power(2.0, 2), Linear(1.0)),
        (Power(0.8, 1.5), Power(1.2, 1.7), Sqrt(1.5)),
        (Power(0.5, 1.3), Power(0.6, 1.3), Logistic(4.0, 1.0, 0.2)),
    ],
)
def test_units_do_not_matter(own, cost, revenue):
    def scaled(curve, money, unit):
        return Function(
            lambda x: money * curve.value(np.asarray(x) / unit),
            lambda x: money / unit * curve.slope(np.asarray(x) / unit),
            breaks=(),
        )

    shares = np.array([[0.2], [0.5], [0.8]])
    plain = play_many(Generalist(cost=own), [Specialist("d", cost=cost, revenue=revenue)], shares)
    big = {
        Linear: lambda r: Linear(r.rate * 1e6 / 1e3),
        Sqrt: lambda r: Sqrt(r.scale * 1e6 / 1e3**0.5),
        Logistic: lambda r: Logistic(r.scale * 1e6, r.midpoint * 1e3, r.width * 1e3),
    }[type(revenue)](revenue)

    def large(curve):
        return Power(curve.scale * 1e6 / 1e3**curve.exponent, curve.exponent)

    other = play_many(Generalist(cost=large(own)), [Specialist("d", cost=large(cost), revenue=big)], shares)
    np.testing.assert_allclose(other.base, 1e3 * plain.base, rtol=1e-11)
    np.testing.assert_allclose(other.utilities, 1e6 * plain.utilities, rtol=1e-11)


def test_families_are_games_one_by_one(monkeypatch):
    rng = np.random.default_rng(5)
    count = 9
    generalist = Generalist(cost=Power(rng.uniform(0.5, 2, count), rng.uniform(1.2, 3, count)))
    low, high, exponent = (rng.uniform(*ends, count) for ends in ((0.5, 2.0), (1.0, 2.0), (1.2, 3.0)))
    kinds = [
        Specialist("a", cost=Power(low, 1.8), revenue=Sqrt(high)),
        Specialist("b", cost=Fixed(0.1, Power(1.0, exponent)), revenue=Log(high, 1.0)),
        Specialist("c", cost=Linear(low), revenue=Linear(0.4), entry_cost=rng.uniform(0, 0.4, count)),
    ]
    for specialists in (kinds, kinds[2:]):
        shares = rng.uniform(size=(count, len(specialists)))
        together = play_many(generalist, specialists, shares)
        monkeypatch.setattr(investing, "_NUMBERS", 64)
        chunked = play_many(generalist, specialists, shares)
        monkeypatch.undo()
        np.testing.assert_allclose(chunked.base, together.base, rtol=1e-13)
        for i in range(count):
            row = np.array([i])
            alone = play_many(take(generalist, row), [take(one, row) for one in specialists], shares[row])
            assert alone.base[0] == pytest.approx(together.base[i], rel=1e-12)
            np.testing.assert_allclose(alone.utilities[0], together.utilities[i], atol=1e-13)
            assert alone.regime[0].tolist() == together.regime[i].tolist()


def two_steps(*rows):
    """Two games of two specialists whose replies leap; every number of the first game is printed to its last digit."""
    column = lambda *numbers: np.array(numbers)[list(rows)]  # noqa: E731
    first = Specialist(
        "d0",
        Power(column(0.6015069679976074, 0.6666901305729518), column(1.0889852826040816, 1.4676819432087904)),
        Logistic(
            column(3.2789120300178003, 3.947728009152002),
            column(1.7837812360663399, 1.5487722662897447),
            column(0.6377422252770701, 0.5402611125375129),
        ),
        outside=column(0.03779731102794456, 0.04878429717746344),
    )
    second = Specialist(
        "d1",
        Power(column(1.4110245139623967, 0.41326287745016055), column(2.0717504563775333, 1.6215516955745386)),
        Logistic(
            column(2.0109445040448506, 0.99203732105499),
            column(1.036135178146787, 1.0227605678408829),
            column(0.09034506587324209, 0.3212889421276103),
        ),
        column(0.43323952759175005, 0.1194270936410512),
        column(0.07458234606451057, 0.09801127174689397),
    )
    cost = Power(column(1.2917152647926573, 1.306097194383502), column(2.3825218418045226, 1.6997102492106335))
    shares = column([0.5099385946427888, 0.6964505463890581], [0.406372850372387, 0.6283957732974795])
    return Generalist(cost), [first, second], shares


@pytest.mark.parametrize("rows", [(0,), (0, 1)])
def test_who_is_indifferent_where_the_best_base_is_takes_the_larger_reply(rows):
    # the best base is the least at which d0 leaps from 0.076 to 0.644: other games beside it must not change the side
    plays = play_many(*two_steps(*rows))
    assert plays.improvement[0, 0] == pytest.approx(0.6442780664, abs=1e-9)
    assert plays.utilities[0, 0] == pytest.approx(0.2872863151, abs=1e-9)
    assert plays.error[0] < 1e-10


def test_a_far_base_is_no_tie_because_of_what_it_costs():
    # "late" joins far away, at a base that costs 1066: the rounding of such costs must not make it equal to the best
    late = Specialist("late", Power(1.4, 2), Log(1.778318882, 1.0), entry_cost=0.04041801195, outside=1.17386807628)
    early = Specialist("early", Power(1.0, 1.6), Logistic(2.01838959, 1.1, 0.15), outside=0.188243292)
    steep, shares = Generalist(cost=Power(1.0, 30)), [0.20707503, 0.83447175]
    play = play_many(steep, [late, early], [shares])
    assert play.utilities[0, 0] >= worth(steep, [late, early], shares, np.linspace(0.0, 1.5, 301)).max()
    assert play.error[0] < 1e-9


def test_error_is_of_what_is_played(monkeypatch):
    # were the search to choose badly, the error would say by how much
    one = Specialist("d", cost=Power(2.0, 2), revenue=Sqrt(1.0))
    right = play_many(SQUARE, [one], [[0.4]])
    for bad in (0.0, 0.5 * right.base[0]):
        monkeypatch.setattr(bases, "_choose", lambda *_, bad=bad: np.full(1, bad))
        wrong = play_many(SQUARE, [one], [[0.4]])
        lost = right.utilities[0, 0] - wrong.utilities[0, 0]
        assert lost > 1e-4
        assert lost <= wrong.error[0] <= lost + 1e-10


def test_unbounded_base_is_refused():
    one = Specialist("d", cost=Power(1.0, 2), revenue=Linear(1.0))
    with pytest.raises(InputError) as caught:
        play_many(Generalist(cost=Linear(0.3)), [one], [[0.2], [0.5]])
    assert str(caught.value) == (
        "generalist: at these shares each unit of the base earns 0.5 and costs at most 0.3 for ever, so no largest "
        "base exists. Try Capped(...) revenue or a cost exponent above 1."
    )
    assert play_many(Generalist(cost=Linear(0.3)), [one], [[0.3]]).base[0] == 0.0
    with pytest.raises(InputError, match=r"generalist: .* without end"):
        play_many(Generalist(cost=Log(1.0, 1.0)), [Specialist("d", cost=Power(1.0, 2), revenue=Sqrt(1.0))], [[0.5]])


def test_unknown_knots_leave_no_bound_but_the_answer():
    hidden = Specialist("d", cost=Power(2.0, 2), revenue=Function(np.sqrt))
    open_ = Specialist("d", cost=Power(2.0, 2), revenue=Sqrt(1.0))
    found, expected = (play_many(SQUARE, [one], [[0.4]]) for one in (hidden, open_))
    assert np.isnan(found.error[0])
    assert expected.error[0] < 1e-10
    assert found.base[0] == pytest.approx(expected.base[0], rel=1e-6)


def test_smooth_base_is_right_to_twelve_digits():
    # k = 2 and r = a^(1/2) scaled: the marginal condition by hand at the found base
    own, cost, revenue, share = Power(0.9, 2.0), Power(1.4, 2.0), Sqrt(2.0), 0.45
    base = float(play_many(Generalist(cost=own), [Specialist("d", cost=cost, revenue=revenue)], [[share]]).base[0])
    x = scipy.optimize.brentq(lambda x: (1 - share) / np.sqrt(base + x) - 2.8 * x, 1e-9, 5.0, xtol=1e-16, rtol=1e-15)
    a = base + x
    passed_on = 2.8 / (2.8 + (1 - share) * 0.5 * a**-1.5)
    assert share * a**-0.5 * passed_on == pytest.approx(1.8 * base, rel=1e-12)


def test_cost_of_improvement_and_base():
    both = Specialist("d", cost=Function(lambda x, base: 0.3 * ((base + x) ** 2 - base**2)), revenue=Log(3.0, 1.0))
    level = Specialist("d", cost=Level(Power(0.3, 2.0)), revenue=Log(3.0, 1.0))
    found, expected = (play_many(Generalist(cost=Power(0.2, 1.5)), [one], [[0.8]]) for one in (both, level))
    assert np.isnan(found.error[0])
    assert found.base[0] == pytest.approx(expected.base[0], rel=1e-6)
    np.testing.assert_allclose(found.utilities, expected.utilities, rtol=1e-8)


def test_base_moves_evenly_with_the_share_next_to_a_threshold():
    # a smooth optimum just above the base from which the specialist takes part: its place must not be rounded
    one = Specialist("d", cost=Power(1.0, 2), revenue=Saturating(2.0, 1.0), outside=0.2)
    bases = play_many(SQUARE, [one], 0.7247487719 + 1e-9 * np.arange(8)[:, None]).base
    steps = np.diff(bases)
    np.testing.assert_allclose(steps, steps.mean(), rtol=2e-5)  # the steps are 7e-10, known to 1e-15

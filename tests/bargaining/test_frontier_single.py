"""The Pareto set with one specialist: closed form, dense brute force, several pieces and the reasons for their ends."""

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.bargaining.one.frontier_single import pareto_set
from tuneaccord.bargaining.one.jumps import find_jumps
from tuneaccord.bargaining.one.trace import Trace
from tuneaccord.bargaining.plays import CONTRIBUTES, Plays


def game(base_cost, cost, revenue, **extras):
    specialist = ta.Specialist("medical", cost=cost, revenue=revenue, **extras)
    return ta.FineTuningGame(ta.Generalist(cost=base_cost), [specialist])


def ends(front):
    return [(piece.low["medical"], piece.high["medical"]) for piece in front.pieces]


@pytest.mark.parametrize(("base_scale", "scale"), [(1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (1.0, 1e4), (1e4, 1.0)])
def test_the_quadratic_set_is_the_interval_between_the_powerful_parties(base_scale, scale):
    one = game(ta.Power(base_scale, 2), ta.Power(scale, 2), ta.Linear(1.0))
    front = one.frontier()
    low = one.bargain(ta.PowerfulSpecialist()).shares["medical"]
    high = one.bargain(ta.PowerfulGeneralist()).shares["medical"]
    assert ends(front) == [pytest.approx((low, high), abs=1e-12)]
    assert front.pieces[0].low_reason == ("end of [0, 1]" if low == 0 else "peak of medical")
    assert front.pieces[0].high_reason == ("end of [0, 1]" if high == 1 else "peak of generalist")
    assert len(front.points) >= 65
    assert front.resolution < 0.02


def brute_force(utilities, count=20_001):
    """The stretches of shares of a grid that no other share of it beats."""
    share = np.linspace(0, 1, count)
    first, second = utilities(share)
    order = np.lexsort((-second, -first))
    best, kept = -np.inf, np.zeros(count, bool)
    for i in order:
        kept[i] = second[i] > best
        best = max(best, second[i])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], kept.astype(int), [0]])))
    return [(share[a], share[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def power_utilities(c0, c1, k0, k1):
    def utilities(s):
        a, x = (s / (k0 * c0)) ** (1 / (k0 - 1)), ((1 - s) / (k1 * c1)) ** (1 / (k1 - 1))
        return s * (a + x) - c0 * a**k0, (1 - s) * (a + x) - c1 * x**k1

    return utilities


DISCONNECTED = [(1.0, 1.2, 1.15, 1.4), (1.0, 1.0, 1.2, 1.5), (0.9, 1.0, 1.3, 1.3), (1.0, 1.3, 1.25, 1.6)]


@pytest.mark.parametrize("row", DISCONNECTED, ids=str)
def test_power_games_against_brute_force(row):
    c0, c1, k0, k1 = row
    front = pareto_set(game(ta.Power(c0, k0), ta.Power(c1, k1), ta.Linear(1.0)))
    expected = brute_force(power_utilities(*row))
    assert len(front.pieces) == len(expected)
    np.testing.assert_allclose(ends(front), expected, atol=1.2e-4)  # twice the grid's spacing


def test_the_ends_of_a_gap_are_accurate():
    """Beyond the generalist's peak nothing is kept until its utility is back at the peak's value."""
    row = (1.0, 1.2, 1.15, 1.4)
    front = pareto_set(game(ta.Power(1.0, 1.15), ta.Power(1.2, 1.4), ta.Linear(1.0)))
    (low, peak), (back, high) = ends(front)
    utilities = power_utilities(*row)
    first = [utilities(np.array([s]))[0][0] for s in (peak, back)]
    assert (low, high) == (0.0, 1.0)
    assert first[0] == pytest.approx(first[1], rel=1e-10)
    assert front.pieces[0].high_reason == "peak of generalist"
    assert front.pieces[1].low_reason.startswith("level")


def test_a_jump_ends_a_piece():
    set_up = game(ta.Power(1.0, 2), ta.Fixed(0.05, ta.Power(1.0, 2)), ta.Linear(1.0))
    front = set_up.frontier()
    last = 1 - np.sqrt(0.2)  # (1 - share)^2 / 4 = 0.05
    assert ends(front) == [pytest.approx((0.0, last), abs=1e-9), pytest.approx((0.8944271910, 1.0), abs=1e-9)]
    assert front.pieces[0].high_reason == "jump"
    # back when the base alone gives the generalist what it had with the contribution
    assert ends(front)[1][0] ** 2 == pytest.approx(last**2 + 2 * last * (1 - last), abs=1e-9)


def test_a_single_share_may_be_a_piece():
    """Where the specialist is held to its outside option only the generalist's best share is not beaten."""
    entry = game(ta.Power(1.0, 2), ta.Power(1.0, 2), ta.Linear(1.0), entry_cost=0.1)
    front = entry.frontier()
    best = entry.bargain(ta.PowerfulGeneralist()).shares["medical"]
    assert ends(front)[-1] == pytest.approx((best, best), abs=1e-9)
    assert front.pieces[0].high["medical"] == pytest.approx(np.sqrt(0.6), abs=1e-9)  # its profit there is 0
    assert front.pieces[0].high_reason.startswith("level")


@pytest.mark.parametrize(
    "one",
    [
        game(ta.Power(0.5, 1.5), ta.Level(ta.Power(1.0, 1.5)), ta.Log(1.0, 2.0)),
        game(ta.Power(1.0, 2), ta.Linear(0.6), ta.Capped(1.0, ta.Linear(1.0))),
    ],
    ids=["level cost", "cap"],
)
def test_other_curves_against_the_grid_of_plays(one):
    front = one.frontier()

    def utilities(share):
        return one.play_many(share[:, None]).utilities.T

    expected = brute_force(utilities, 1001)
    assert len(front.pieces) == len(expected)
    np.testing.assert_allclose(ends(front), expected, atol=2.1e-3)
    values = front.plays.utilities
    worse = (values[:, None, :] > values[None, :, :] + 1e-9).all(axis=2)
    assert not worse.any()  # no point of the set is better for both than another


def test_jumps_are_found_to_neighbouring_numbers():
    places = (0.123456789, 0.5, 0.87654321)

    def play(share):
        steps = sum((share >= place) * (1.0 - 0.3 * i) for i, place in enumerate(places))
        values = np.stack([share + steps, np.sqrt(share) + (share > 0.5)], axis=1)
        column = share[:, None]
        return Plays(column, share, 0 * column, np.full(column.shape, CONTRIBUTES), values, 0 * share)

    found = find_jumps(Trace(play))
    assert len(found) == 4  # at 0.5 one jumps from the left, the other to the right
    for low, high in found:
        assert np.nextafter(low, 1.0) == high
        assert np.abs(np.array(places) - low).min() < 2e-16


def test_smooth_utilities_have_no_jumps():
    def play(share):
        values = np.stack([share**12, np.tanh(40 * (0.4 - share))], axis=1)
        column = share[:, None]
        return Plays(column, share, 0 * column, np.full(column.shape, CONTRIBUTES), values, 0 * share)

    assert find_jumps(Trace(play)) == []


def test_plain_data():
    front = game(ta.Power(1.0, 2), ta.Power(2.0, 2), ta.Linear(1.0)).frontier()
    data = front.to_dict()
    assert len(data["points"]) == len(front.points)
    assert data["pieces"][0]["low"]["medical"] == pytest.approx(1 / 3)
    assert set(front.pieces[0].points) == set(range(len(front.points)))


def test_rounding_of_a_party_that_cannot_gain_adds_no_piece():
    # the generalist builds just enough for the specialist to break even: it gains 0, or one rounding more, everywhere
    one = ta.Specialist("a", ta.Power(1.7046398868774504, 2), ta.Linear(1.0952018269780193), entry_cost=0.321612688982)
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.2620335186148228, 2.5)), [one])
    front = game.frontier()
    best = game.play_many(np.linspace(0.0, 1.0, 2001)[:, None]).utilities[:, 0].max()
    assert len(front.pieces) == 1
    assert front.plays.utilities[:, 0].min() >= best * (1 - 1e-9)

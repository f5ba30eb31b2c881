"""Closed forms of power games against 40-digit arithmetic, printed figures, brute force and changes of units."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.bargaining.one.bracketed import roots
from tuneaccord.bargaining.one.closed_forms import (
    QUADRATIC,
    PowerGame,
    performance_share,
    quadratic_ideal,
    quadratic_share,
    quadratic_utilities,
    utilitarian_share,
)
from tuneaccord.bargaining.one.nash_bound import nash_slack
from tuneaccord.bargaining.one.power_bargain import power_bargains
from tuneaccord.bargaining.one.power_stretches import generalist_turns, specialist_turns, total_turns
from tuneaccord.bargaining.one.scores import KNOWN
from tuneaccord.errors import InputError

RULES = {rule.__name__: rule() for rule in KNOWN}
RATIOS = [
    1e-12,
    1e-6,
    0.01,
    0.3,
    0.49999999999,
    0.5,
    0.50000000001,
    0.7,
    1.0,
    1.3,
    1.99999999999,
    2.0,
    2.1,
    50.0,
    1e7,
    1e12,
]


def precise_share(solution, ratio):
    """The same share at 40 digits, from the two utilities alone."""
    with mp.workdps(40):
        r = mp.mpf(ratio)

        def both(s):
            return 2 * r * s + (1 - 2 * r) * s * s, (1 - s) * (r + (2 - r) * s)

        generalist = mp.mpf(1) if r <= 1 else r / (2 * r - 1)
        specialist = mp.mpf(0) if r >= 1 else (1 - r) / (2 - r)
        if solution == "PowerfulGeneralist":
            return generalist
        if solution == "PowerfulSpecialist":
            return specialist
        if solution == "MaxPerformance":
            return mp.mpf(1) if r < 1 else mp.mpf(0) if r > 1 else mp.mpf(1) / 2
        if solution == "Utilitarian":
            return 1 / (1 + r)
        if solution == "Nash":

            def slope(s):
                first, second = both(s)
                return (2 * r + 2 * (1 - 2 * r) * s) * second + first * (2 - 2 * r - 2 * (2 - r) * s)

            return mp.findroot(
                slope, (specialist + mp.mpf(10) ** -30, generalist - mp.mpf(10) ** -30), solver="anderson"
            )
        units = (1, 1) if solution == "Egalitarian" else (both(generalist)[0], both(specialist)[1])

        def apart(s):
            first, second = both(s)
            return first * units[1] - second * units[0]

        return mp.findroot(apart, (specialist, generalist), solver="anderson")


@pytest.mark.parametrize("solution", QUADRATIC)
@pytest.mark.parametrize("ratio", RATIOS)
def test_quadratic_shares_against_forty_digits(solution, ratio):
    assert float(quadratic_share(solution, ratio)) == pytest.approx(float(precise_share(solution, ratio)), rel=1e-12)


def test_printed_figures():
    assert float(quadratic_share("Egalitarian", 0.5)) == pytest.approx(0.5773502692, abs=5e-11)
    assert float(quadratic_share("Nash", 0.5)) == pytest.approx(0.6228390306, abs=5e-11)
    assert float(quadratic_share("Utilitarian", 0.5)) == pytest.approx(2 / 3, rel=1e-15)
    assert float(quadratic_share("PowerfulSpecialist", 0.5)) == pytest.approx(1 / 3, rel=1e-15)
    assert quadratic_share("PowerfulGeneralist", 0.5) == 1.0
    assert quadratic_utilities(1.0, 0.5)[1] == 0.0
    share = float(quadratic_share("Egalitarian", 0.5))
    assert [0.25 * one for one in quadratic_utilities(share, 0.5)] == pytest.approx([0.1443375673] * 2, abs=5e-11)
    for solution in set(QUADRATIC) - {"PowerfulGeneralist", "PowerfulSpecialist"}:
        assert float(quadratic_share(solution, 1.0)) == pytest.approx(0.5, rel=1e-15)
    assert float(quadratic_share("PowerfulSpecialist", 1e-14)) == pytest.approx(0.5, rel=1e-13)  # never to 0
    root = float(quadratic_share("Nash", 0.3))  # the cubic of the product
    cubic = [-4 * 0.09 + 3 - 4, 9 * 0.09 - 4.5 + 3, 1.5 - 6 * 0.09, 0.09]
    assert np.polyval(cubic, root) == pytest.approx(0, abs=1e-15)


@given(st.floats(1e-3, 1e3), st.sampled_from(sorted(set(QUADRATIC) - {"PowerfulGeneralist", "PowerfulSpecialist"})))
def test_exchanging_the_parties_mirrors_the_share(ratio, solution):
    assert float(quadratic_share(solution, ratio)) == pytest.approx(
        1 - float(quadratic_share(solution, 1 / ratio)), abs=1e-13
    )


@given(st.floats(0.05, 20), st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)))
def test_the_weighted_quadratic_nash_share_beats_a_grid(ratio, power):
    share = np.linspace(1e-6, 1 - 1e-6, 4001)

    def score(at):
        return sum(w * np.log(u) for w, u in zip(power, quadratic_utilities(at, ratio), strict=True))

    best = quadratic_share("Nash", ratio, power)
    assert float(score(best)) >= score(share).max() - 1e-13 * np.abs(score(share)).max()


def test_refusals():
    with pytest.raises(InputError, match="ratio must be positive"):
        quadratic_share("Nash", -1.0)
    with pytest.raises(InputError, match="Did you mean 'Egalitarian'"):
        quadratic_share("Egalitarain", 1.0)


def test_ideal_gains_are_the_largest_utilities():
    ratio = np.array(RATIOS)
    most = quadratic_ideal(ratio)
    for i, solution in enumerate(("PowerfulGeneralist", "PowerfulSpecialist")):
        np.testing.assert_allclose(quadratic_utilities(quadratic_share(solution, ratio), ratio)[i], most[i], rtol=1e-14)


@pytest.mark.parametrize("exponent", [1.2, 1.5, 1.500001, 1.7, 2.0, 2.5, 3.0, 6.0])
@pytest.mark.parametrize(("base_scale", "scale"), [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (1e-3, 10.0)])
def test_general_exponents_against_forty_digits(exponent, base_scale, scale):
    """Fine grids around, and derivatives at, the formula's share: no better one at 40 digits."""
    with mp.workdps(40):
        k, c0, c1 = mp.mpf(exponent), mp.mpf(base_scale), mp.mpf(scale)
        p = 1 / (k - 1)

        def play(s):
            return (s / (k * c0)) ** p, ((1 - s) / (k * c1)) ** p

        def total(s):
            a, x = play(s)
            return a + x - c0 * a**k - c1 * x**k

        for formula, value in ((utilitarian_share, total), (performance_share, lambda s: sum(play(s)))):
            share = mp.mpf(float(formula(base_scale, scale, exponent)))
            best = value(share)
            others = [mp.mpf(i) / 64 for i in range(65)]
            others += [share + d for d in (mp.mpf("1e-7"), -mp.mpf("1e-7")) if 0 <= share + d <= 1]
            assert all(value(one) <= best * (1 + mp.mpf("1e-20")) for one in others)


def exact_power_game(row):
    """Utilities of one power game at 40 digits, as functions of the share."""
    c0, k0, c1, k1, b = (mp.mpf(float(one)) for one in row)

    def both(s):
        a, x = (s * b / (k0 * c0)) ** (1 / (k0 - 1)), ((1 - s) * b / (k1 * c1)) ** (1 / (k1 - 1))
        return s * b * (a + x) - c0 * a**k0, (1 - s) * b * (a + x) - c1 * x**k1

    return both


def random_power_games(seed, count):
    rng = np.random.default_rng(seed)
    scales = np.exp(rng.normal(size=(2, count)) * 1.5)
    exponents = 1 + np.exp(rng.normal(size=(2, count)) - 0.2)
    return PowerGame(scales[0], exponents[0], scales[1], exponents[1], np.exp(rng.normal(size=count)))


def row(game, i):
    return [getattr(game, name)[i] for name in PowerGame.__dataclass_fields__]


def test_power_utilities_and_slopes_against_forty_digits():
    game = random_power_games(3, 60)
    share = np.random.default_rng(4).uniform(0.01, 0.99, size=60)
    utilities, slopes = game.utilities(share), game.slopes(share)
    with mp.workdps(40):
        for i in range(60):
            both = exact_power_game(row(game, i))
            exact = both(mp.mpf(share[i]))
            size = max(exact)
            for player in (0, 1):
                assert utilities[player][i] == pytest.approx(float(exact[player]), abs=1e-13 * float(size))
                slope = mp.diff(lambda s, both=both, player=player: both(s)[player], mp.mpf(share[i]))
                assert slopes[player][i] == pytest.approx(float(slope), abs=1e-11 * float(size))  # 1/(1 - share) enters


@pytest.mark.parametrize("name", RULES)
def test_power_bargains_beat_a_dense_grid(name):
    game = random_power_games(5, 200)
    outside = np.zeros((200, 2))
    outside[100:] = np.random.default_rng(6).uniform([-0.3, -0.3], [0.1, 0.0], size=(100, 2))
    found = power_bargains(game, RULES[name], outside)
    ends = 10.0 ** -np.arange(3.0, 9.0)
    share = np.unique(np.concatenate([np.linspace(0, 1, 2001), ends, 1 - ends]))
    for i in range(200):
        c0, k0, c1, k1, b = row(game, i)
        for grid in (share, np.array([found.share[i]])):
            a, x = (grid * b / (k0 * c0)) ** (1 / (k0 - 1)), ((1 - grid) * b / (k1 * c1)) ** (1 / (k1 - 1))
            gains = (
                np.stack([grid * b * (a + x) - c0 * a**k0, (1 - grid) * b * (a + x) - c1 * x**k1]) - outside[i][:, None]
            )
            size = np.abs(gains).max()
            fine = (gains >= -1e-12 * size).all(axis=0)
            ideal = found.ideal[i][:, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                score = {
                    "Nash": np.log(np.maximum(gains, 0)).sum(axis=0),
                    "Egalitarian": gains.min(axis=0),
                    "KalaiSmorodinsky": (gains / ideal).min(axis=0),
                    "Utilitarian": gains.sum(axis=0),
                    "PowerfulGeneralist": gains[0],
                    "PowerfulSpecialist": gains[1],
                    "MaxPerformance": a + x,
                }[name]
            score = np.where(fine, score, -np.inf)
            if grid is share:
                best, reach, unit = score.max(), np.where(fine, gains, -np.inf).max(axis=1), size
        if best == -np.inf:
            assert np.isnan(found.share[i])
        else:
            assert score[0] >= best - 1e-12 * max(1.0, abs(best))
            assert (found.ideal[i] >= np.maximum(reach, 0) - 1e-12 * unit).all()


@pytest.mark.parametrize("name", RULES)
def test_units_do_not_matter(name):
    game = random_power_games(7, 100)
    none = np.zeros((100, 2))
    money, performance = 37.0, 0.013
    scaled = PowerGame(
        money * game.base_scale / performance**game.base_exponent,
        game.base_exponent,
        money * game.scale / performance**game.exponent,
        game.exponent,
        money * game.rate / performance,
    )
    first, second = power_bargains(game, RULES[name], none), power_bargains(scaled, RULES[name], none)
    np.testing.assert_allclose(second.share, first.share, atol=1e-10)  # a rounding is magnified by 1/(k - 1)
    np.testing.assert_allclose(second.ideal, money * first.ideal, rtol=1e-11)


@pytest.mark.parametrize("name", RULES)
def test_power_bargains_agree_with_the_quadratic_closed_forms(name):
    ratio = np.array(RATIOS)
    game = PowerGame(
        ratio, np.full(len(ratio), 2.0), np.ones(len(ratio)), np.full(len(ratio), 2.0), np.ones(len(ratio))
    )
    found = power_bargains(game, RULES[name], np.zeros((len(ratio), 2)))
    np.testing.assert_allclose(found.share, quadratic_share(name, ratio), rtol=1e-12)


def test_turns_are_all_sign_changes_of_the_derivative():
    game = random_power_games(8, 300)
    share = np.concatenate([10.0 ** np.linspace(-8, -2.5, 80), np.linspace(0.004, 0.996, 1500)])
    share = np.concatenate([share, 1 - 10.0 ** np.linspace(-2.5, -8, 80)])
    columns = PowerGame(*(getattr(game, name)[:, None] for name in PowerGame.__dataclass_fields__))
    slopes = columns.slopes(share[None, :])
    turns = (generalist_turns(game), specialist_turns(game), total_turns(game))
    for slope, found in zip((*slopes, slopes[0] + slopes[1]), turns, strict=True):
        falls = (slope[:, :-1] > 0) & (slope[:, 1:] < 0)
        for i, j in zip(*np.nonzero(falls), strict=True):
            assert ((found.peaks[i] >= share[j]) & (found.peaks[i] <= share[j + 1])).any()
        inside = (found.peaks > share[0]) & (found.peaks < share[-1])
        assert (inside.sum(axis=1) == falls.sum(axis=1)).all()


def test_extreme_exponents_and_costs_stay_finite():
    base_scale, scale = np.array([1.0, 1.0, 1e-12, 1e12, 1.0]), np.array([1.0, 1e12, 1.0, 1.0, 2.0])
    exponent = np.array([1.02, 2.0, 3.0, 1.5, 40.0])
    game = PowerGame(base_scale, exponent, scale, exponent[::-1].copy(), np.ones(5))
    for rule in RULES.values():
        found = power_bargains(game, rule, np.zeros((5, 2)))
        assert ((found.share >= 0) & (found.share <= 1)).all()
        assert (found.ideal > 0).all()


@pytest.mark.slow
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6))
def test_bracketed_roots(centres):
    centres = np.array(centres)
    found = roots(
        lambda x: np.tanh(x - centres) + (x - centres) ** 3, np.full(len(centres), -5.0), np.full(len(centres), 4.0)
    )
    np.testing.assert_allclose(found, centres, rtol=1e-15, atol=1e-15)


def test_the_public_bargain_uses_the_closed_form():
    game = ta.FineTuningGame(
        ta.Generalist(cost=ta.Power(1.0, 2)), [ta.Specialist("medical", cost=ta.Power(2.0, 2), revenue=ta.Linear(3.0))]
    )
    for name, rule in RULES.items():
        agreement = game.bargain(rule)
        assert agreement.shares["medical"] == pytest.approx(float(quadratic_share(name, 0.5)), rel=1e-12)
        assert "closed form" in agreement.search.lower()


def test_the_nash_bound_holds_on_a_dense_grid_and_sees_through_a_wrong_share():
    game, none = random_power_games(5, 10), np.zeros(2)
    found = power_bargains(game, ta.Nash(), np.zeros((10, 2)))
    share = np.linspace(1e-6, 1 - 1e-6, 20_001)
    for i in range(10):
        one = PowerGame(*(np.array([value]) for value in row(game, i)))
        slack = nash_slack(one, (1.0, 1.0), none, found.share[i])
        assert 0 <= slack <= 1e-6
        wrong = found.share[i] * 0.9
        better = np.log(np.stack(one.utilities(share))).sum(axis=0).max()
        missed = better - np.log(np.stack(one.utilities(np.array([wrong])))).sum()
        assert nash_slack(one, (1.0, 1.0), none, wrong) >= missed - 1e-12

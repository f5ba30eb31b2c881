"""Plays and bargains against brute force on random games of every curve kind, with one specialist to ten.

A play is right if, by formulas that share nothing with the package, every specialist's reply is worth what the package
says, the generalist's utility is what the package says, and no base of a dense search is worth more to it. A flat top
says what the best is worth to many more digits than where it is: values are compared always, shares to 1e-6 and what
the score of a bargain leaves open around its peak.
"""

import numpy as np
import pytest
from bargaining import brute_bargain, brute_force

import tuneaccord as ta
from tuneaccord.bargaining.engine.investing import play_many
from tuneaccord.specs import to_data
from tuneaccord.testing import random_game

RULES = {
    "Nash": ta.Nash(),
    "KalaiSmorodinsky": ta.KalaiSmorodinsky(),
    "Egalitarian": ta.Egalitarian(),
    "Utilitarian": ta.Utilitarian(),
    "PowerfulGeneralist": ta.PowerfulGeneralist(),
    "PowerfulSpecialist": ta.PowerfulSpecialist("d0"),
    "MaxPerformance": ta.MaxPerformance(),
}
SMOOTH = {
    "costs": ["power", "fixed", "level"],
    "revenues": ["linear", "power", "log", "sqrt", "saturating", "capped"],
}


def check_plays(data, plays, shares, **how):
    """Against data, the same game (or games) as plain formulas."""
    base, best = brute_force.play(data, shares, **how)
    size = 1.0 + np.abs(best).max(axis=1)
    own, _ = brute_force.earned(data, shares, plays.base[:, None])
    off = np.abs(own[:, 0] - plays.utilities).max(axis=1)
    # the cost of a huge investment is only known to its own last digits
    assert (off <= 1e-9 * size).all(), f"game {np.argmax(off / size)}: {off.max()}"
    missed = best[:, 0] - plays.utilities[:, 0]
    worst = int(np.argmax(missed / size))
    assert missed[worst] <= 1e-9 * size[worst], (
        f"game {worst}: base {plays.base[worst]}, but {base[worst]} is worth more"
    )
    return base, best


def random_plays(seed, count, **how):
    rng = np.random.default_rng(seed)
    game = random_game(rng, specialists=count)
    shares = rng.uniform(0.0, 1.0, (1, count))
    if rng.uniform() < 0.2:
        shares[0, 0] = rng.choice([0.0, 1.0])
    return check_plays(game.to_dict(), game.play_many(shares), shares, **how)


@pytest.mark.parametrize("seed", range(10))
def test_a_few_plays(seed):
    random_plays(seed, 1 + seed % 2, bases=80, points=60, peaks=2, zooms=4)


#: specialists, and how many random games: 500 in all
GAMES = {1: 250, 2: 100, 3: 60, 4: 30, 5: 20, 6: 10, 7: 8, 8: 8, 9: 7, 10: 7}


@pytest.mark.slow
@pytest.mark.parametrize("count", GAMES)
def test_plays_of_every_kind(count):
    for seed in range(GAMES[count]):
        random_plays(1000 * count + seed, count, bases=120, points=90, peaks=2, zooms=5)


def family(kind, rng, size):
    """Games with several local optima, ``size`` of them in arrays: the parties."""
    spread = lambda low, high: rng.uniform(low, high, size)  # noqa: E731

    def power(low, high):
        return ta.Power(np.exp(spread(-1.0, 0.5)), spread(low, high))

    def logistic():
        midpoint = spread(0.3, 2.0)
        return ta.Logistic(spread(0.3, 4.0), midpoint, midpoint * spread(0.08, 0.4))

    def entry():
        return np.where(rng.uniform(size=size) < 0.5, spread(0.0, 0.6), 0.0)

    if kind == "steps":  # concave and convex by turns, with slopes that are unbounded at 0
        return ta.Generalist(power(1.05, 2.0)), [ta.Specialist("d0", power(1.05, 2.0), logistic())]
    if kind == "set-up costs":
        generalist = ta.Generalist(ta.Fixed(spread(0.0, 0.5), power(1.2, 3.0)))
        return generalist, [
            ta.Specialist("d0", ta.Fixed(spread(0.0, 0.5), power(1.1, 3.0)), ta.Sqrt(spread(1.0, 4.0)), entry())
        ]
    if kind == "levels":
        revenue = ta.Capped(spread(0.5, 3.0), logistic())
        return ta.Generalist(power(1.05, 3.0)), [ta.Specialist("d0", ta.Level(power(1.05, 2.5)), revenue, entry())]
    if kind == "two steps":
        return ta.Generalist(power(1.2, 3.0)), [
            ta.Specialist(f"d{i}", power(1.05, 2.5), logistic(), entry(), spread(0.0, 0.1)) for i in range(2)
        ]
    assert kind == "joining"
    return ta.Generalist(power(1.05, 2.5)), [
        ta.Specialist(f"d{i}", power(1.1, 2.5), ta.Log(spread(0.5, 3.0), spread(0.3, 3.0)), entry(), spread(0.0, 0.2))
        for i in range(3)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["steps", "set-up costs", "levels", "two steps", "joining"])
def test_no_missed_optimum(kind):
    # 10,000 games over the five kinds, in which the utility of the base has several local maxima and jumps
    rng = np.random.default_rng(81)
    chunk, several = 100, 0
    for turn in range(2000 // chunk):
        generalist, specialists = family(kind, rng, chunk)
        data = {"generalist": to_data(generalist), "specialists": [to_data(one) for one in specialists]}
        shares = rng.uniform(0.02, 0.98, (chunk, len(specialists)))
        plays = play_many(generalist, specialists, shares)
        check_plays(data, plays, shares, bases=80, points=60, peaks=2, zooms=3)
        if turn < 4:  # enough to know that such games are drawn
            several += count_several(data, shares)
    assert several > 40, several


def count_several(data, shares):
    """In how many games the generalist's utility has several local maxima on a coarse grid of bases."""
    bases = np.broadcast_to(np.linspace(0.0, 4.0, 60), (len(shares), 60))
    worth = brute_force.earned(data, shares, bases, points=60)[0][..., 0]
    inner = (worth[:, 1:-1] > worth[:, :-2]) & (worth[:, 1:-1] > worth[:, 2:])
    return int((inner.sum(axis=1) + (worth[:, 0] > worth[:, 1]) > 1).sum())


def by_force(data, **how):
    def plays(shares):
        base, utilities = brute_force.play(data, shares, **how)
        replies = brute_force.earned(data, shares, base[:, None])[1]
        return utilities, sum(np.where(joins, base[:, None] + x, 0.0) for x, joins in replies)[:, 0]

    return plays


def check_bargain(game, rule, *, trace=81, zooms=8, **how):
    """One specialist: the score is as good as that of brute force, the share the same where the score tells."""
    plays = by_force(game.to_dict(), **how)
    share, best, ideal = brute_bargain.bargain_single(plays, game.outside, rule, trace=trace, peaks=2, zooms=zooms)
    found = game.bargain(RULES[rule])
    if share is None:
        assert found.status == "no trade"
        return False
    assert found.status == "agreed"
    utilities, performance = plays(np.array([[found.shares["d0"]]]))
    claimed = np.array(list(found.play.utilities.values()))
    size = 1.0 + np.abs(claimed).max()
    # a base just beside a jump may be on either side of it: then the package's own play counts
    own, _ = brute_force.earned(
        game.to_dict(), np.array([[found.shares["d0"]]]), np.array([[found.play.base_performance]])
    )
    assert np.abs(own[0, 0] - claimed).max() <= 1e-9 * size
    assert utilities[0, 0] - claimed[0] <= 1e-9 * size
    reached = brute_bargain.score(
        rule, (claimed - game.outside)[None], ideal, np.array([sum(found.play.performance.values())])
    )
    # a score near a jump of the play is a limit that a grid of shares only comes close to
    assert reached[0] >= best - 1e-8 * (1.0 + abs(best))
    if zooms < 8:
        return True
    assert np.abs(np.array(list(found.ideal.values())) - ideal).max() <= 1e-7 * size
    nearby = share + np.array([-1e-3, 1e-3])
    utilities, performance = plays(np.clip(nearby, 0.0, 1.0)[:, None])
    drop = best - brute_bargain.score(rule, utilities - game.outside, ideal, performance).max()
    if reached[0] <= best + 1e-8 and drop > 1e-9:
        # the score falls by drop at a distance of 1e-3: this near the peak it differs by less than the two scores do
        close = np.maximum(2.0 * abs(reached[0] - best), 1e-13)
        assert abs(found.shares["d0"] - share) <= 1e-6 + 1e-3 * np.sqrt(close / drop)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["Nash", pytest.param("Egalitarian", marks=pytest.mark.slow)])
def test_a_bargain(rule):
    assert check_bargain(random_game(np.random.default_rng(82), extras=0.0, **SMOOTH), rule)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_bargains_with_one_specialist(rule):
    agreed = 0
    for seed in range(3):
        agreed += check_bargain(random_game(np.random.default_rng(8200 + seed), extras=0.3, **SMOOTH), rule)
    assert agreed >= 2


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["Nash", "Egalitarian", "PowerfulSpecialist"])
def test_bargains_over_any_curves(rule):
    # dense in the investments, for a second optimum is easily missed; less so in the shares
    game = random_game(np.random.default_rng(8300 + len(rule)), extras=0.3)
    check_bargain(game, rule, trace=41, zooms=4, bases=160, points=100)


def power_game(rng, count):
    scales, rates = np.exp(rng.uniform(-0.7, 0.7, count + 1)), np.exp(rng.uniform(-0.7, 0.7, count))
    exponents = rng.uniform(1.5, 3.0, count + 1)
    costs = [ta.Power(scale, exponent) for scale, exponent in zip(scales, exponents, strict=True)]
    parties = [ta.Specialist(f"d{i}", costs[1 + i], ta.Linear(rates[i])) for i in range(count)]
    return ta.FineTuningGame(ta.Generalist(costs[0]), parties), brute_bargain.power_plays(scales, exponents, rates)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_bargains_with_many_specialists(count):
    game, plays = power_game(np.random.default_rng(8400 + count), count)
    ideal = brute_bargain.ideal_gains(plays, count)
    for rule in ("Nash", "KalaiSmorodinsky", "Egalitarian", "Utilitarian", "PowerfulGeneralist", "PowerfulSpecialist"):
        shares, best = brute_bargain.bargain_many(plays, count, rule, ideal=ideal, starts=6)
        found = game.bargain(RULES[rule])
        claimed = np.array(list(found.shares.values()))
        utilities, performance = plays(claimed[None])
        np.testing.assert_allclose(list(found.play.utilities.values()), utilities[0], rtol=1e-9, atol=1e-12)
        reached = brute_bargain.score(rule, utilities, ideal, performance)[0]
        assert reached >= best - 1e-8 * (1.0 + abs(best)), rule
        if abs(reached - best) < 1e-9 and rule == "Nash":  # strictly peaked
            np.testing.assert_allclose(claimed, shares, atol=1e-4)

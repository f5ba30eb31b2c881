"""Batches of games give what each game gives alone, whatever the size of the pieces they are cut into."""

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.bargaining import family as family_module
from tuneaccord.bargaining.one.lockstep import settle_many, traced
from tuneaccord.bargaining.one.scores import KNOWN, Measure
from tuneaccord.bargaining.parties import take
from tuneaccord.bargaining.plays import CONTRIBUTES, Plays
from tuneaccord.errors import InputError

GAMES = 12


def draws(seed, count=GAMES):
    rng = np.random.default_rng(seed)
    scales, exponents = np.exp(rng.normal(size=(2, count))), rng.uniform(1.3, 3.0, size=(2, count))
    return rng, scales, exponents


def power_family(seed=0, count=GAMES, **extras):
    rng, scales, exponents = draws(seed, count)
    rate = np.exp(0.5 * rng.normal(size=count))
    specialist = ta.Specialist("medical", cost=ta.Power(scales[1], exponents[1]), revenue=ta.Linear(rate), **extras)
    return ta.GameFamily(ta.Generalist(cost=ta.Power(scales[0], exponents[0])), [specialist])


def entry_family():
    return power_family(1, entry_cost=np.random.default_rng(2).uniform(0.0, 0.3, size=GAMES))


def alone(family, i):
    return ta.FineTuningGame(take(family.generalist, i), [take(one, i) for one in family.specialists])


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("build", [power_family, entry_family])
def test_bargains_agree_with_the_games_alone(kind, build):
    family = build()
    agreed = family.bargain(kind())
    for i in range(0, GAMES, 3):
        one = alone(family, i).bargain(kind())
        assert agreed.status[i] == one.status
        size = max(abs(value) for value in one.play.utilities.values()) + 1e-3
        assert agreed.shares[i, 0] == pytest.approx(one.shares["medical"], abs=1e-7)
        assert agreed.gains[i].tolist() == pytest.approx(list(one.gains.values()), abs=1e-7 * size)
        assert agreed.ideal[i].tolist() == pytest.approx(list(one.ideal.values()), abs=1e-10 * size)
        # what is maximised is flat at a smooth peak, so it agrees far better than the shares do
        if kind is ta.Utilitarian:
            assert agreed.gains[i].sum() == pytest.approx(sum(one.gains.values()), abs=1e-10 * size)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_concave_revenues_agree_with_the_games_alone(kind):
    _, scales, exponents = draws(5, 6)
    specialist = ta.Specialist("medical", cost=ta.Power(scales[1], exponents[1]), revenue=ta.Power(scales[0], 0.6))
    family = ta.GameFamily(ta.Generalist(cost=ta.Power(1.0, exponents[0])), [specialist])
    agreed = family.bargain(kind())
    for i in range(6):
        one = alone(family, i).bargain(kind())
        assert agreed.shares[i, 0] == pytest.approx(one.shares["medical"], abs=1e-7)
        assert agreed.ideal[i].tolist() == pytest.approx(list(one.ideal.values()), abs=1e-9)


def test_pieces_do_not_matter_and_progress_is_told(monkeypatch):
    family = power_family(7, 50)
    whole = family.bargain(ta.Nash())
    monkeypatch.setattr(family_module, "_CHUNK", 7)
    told = []
    parts = family.bargain(ta.Nash(), progress=lambda done, total: told.append((done, total)))
    np.testing.assert_array_equal(whole.shares, parts.shares)
    np.testing.assert_array_equal(whole.plays.utilities, parts.plays.utilities)
    assert told[-1] == (50, 50)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_plays_agree_with_the_games_alone():
    family = power_family(3)
    second = ta.Specialist("legal", cost=ta.Power(2.0, 2), revenue=ta.Linear(np.linspace(0.5, 1.5, GAMES)))
    both = ta.GameFamily(family.generalist, [*family.specialists, second])
    shares = np.random.default_rng(0).uniform(size=(GAMES, 2))
    plays = both.play(shares)
    for i in (0, 5, GAMES - 1):
        one = alone(both, i).play(dict(zip(("medical", "legal"), shares[i], strict=True)))
        assert plays.base[i] == pytest.approx(one.base_performance, rel=1e-12)
        assert plays.utilities[i].tolist() == pytest.approx(list(one.utilities.values()), rel=1e-11)
    np.testing.assert_array_equal(both.play([0.3, 0.4]).shares[3], [0.3, 0.4])


def test_games_without_trade_keep_the_outside_options():
    _, scales, _ = draws(4)
    specialist = ta.Specialist("medical", cost=ta.Power(scales[1], 2), revenue=ta.Linear(1.0))
    outside = np.where(np.arange(GAMES) % 2, 0.0, 100.0)
    family = ta.GameFamily(ta.Generalist(cost=ta.Power(scales[0], 2), outside=outside), [specialist])
    agreed = family.bargain(ta.Egalitarian())
    np.testing.assert_array_equal(agreed.status, np.where(outside > 0, "no trade", "agreed"))
    np.testing.assert_array_equal(agreed.gains[outside > 0], 0.0)
    np.testing.assert_array_equal(agreed.plays.utilities[outside > 0, 0], 100.0)
    assert (agreed.gains[outside == 0] > 0).all()


def test_nash_in_nash_with_one_specialist_is_the_weighted_nash_solution():
    family = power_family(8)
    np.testing.assert_array_equal(family.bargain(ta.NashInNash(0.3)).shares, family.bargain(ta.Nash((0.3, 0.7))).shares)


def test_refusals():
    family = power_family()
    with pytest.raises(InputError, match="one specialist, not 2"):
        ta.GameFamily(
            family.generalist, [*family.specialists, ta.Specialist("b", ta.Power(1.0, 2), ta.Linear(1.0))]
        ).bargain(ta.Nash())
    with pytest.raises(InputError, match="shares must be in"):
        family.play([1.5])
    with pytest.raises(InputError, match="shares must have shape"):
        family.play(np.zeros((5, 1)))
    with pytest.raises(InputError, match="arrays of one length"):
        ta.GameFamily(ta.Generalist(cost=ta.Power(np.ones(3), 2)), family.specialists)
    with pytest.raises(InputError, match="a solution is one of"):
        family.bargain("Nash")
    with pytest.raises(InputError, match="list of at least one"):
        ta.GameFamily(family.generalist, [])


def test_the_lockstep_search_on_made_up_utilities():
    """Waves with a jump in every game: no share of a fine grid is better."""
    rng = np.random.default_rng(11)
    count = 20
    waves, jump = rng.normal(size=(count, 3)), rng.uniform(0.1, 0.9, size=count)

    def utility(number, share):
        smooth = sum(waves[number, j] * np.sin(4 * (j + 1) * share) for j in range(3))
        return smooth + 0.5 * (share > jump[number])

    def play(number, share):
        column = share[:, None]
        values = np.stack([utility(number, share), 0 * share], axis=1)
        return Plays(column, share, 0 * column, np.full(column.shape, CONTRIBUTES), values, 0 * share)

    def measure(plays, number):
        return Measure(plays.utilities[:, :1], np.ones(len(number), bool))

    (best,), unsettled, _ = settle_many(play, traced(play, count), [measure])
    share = np.linspace(0, 1, 100_001)
    assert not unsettled.any()
    for i in range(count):
        grid = utility(np.full(len(share), i), share)
        assert utility(np.array([i]), best[i : i + 1])[0] >= grid.max() - 1e-12


@pytest.mark.slow
def test_many_games_at_once():
    family = power_family(9, 50_000)
    agreed = family.bargain(ta.Nash())
    assert (agreed.status == "agreed").all()
    np.testing.assert_array_equal(agreed.shares[:7], power_family(9, 50_000).bargain(ta.Nash()).shares[:7])
    product = agreed.gains.prod(axis=1)
    for shift in (-1e-3, 1e-3):
        shares = np.clip(agreed.shares + shift, 0.0, 1.0)
        assert (family.play(shares).utilities.prod(axis=1) <= product * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        (ta.Nash(power=(1, 1, 1)), "one number a player, generalist, m: 2 in all, got 3."),
        (ta.PowerfulSpecialist("x"), "there is no specialist 'x'"),
        (ta.Nash, r"a solution needs brackets: try Nash\(\)"),
    ],
    ids=["powers", "name", "brackets"],
)
def test_a_solution_that_does_not_fit_the_players_is_refused(solution, message):
    specialist = ta.Specialist("m", cost=ta.Power(np.array([1.0, 2.0]), 2), revenue=ta.Linear(1.0))
    with pytest.raises(ta.InputError, match=message):
        ta.GameFamily(ta.Generalist(cost=ta.Power(1.0, 2)), [specialist]).bargain(solution)

"""Nash-in-Nash by iteration, against scipy on each bilateral bargain, and alternating offers against their limit."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar

import tuneaccord as ta
from tuneaccord.bargaining.several.bilateral import Bilateral
from tuneaccord.bargaining.several.nash_in_nash import _general


def two_domains(exponent=2.0, **extras):
    return ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, exponent)),
        [
            ta.Specialist("law", ta.Power(1.0, exponent), ta.Linear(1.0)),
            ta.Specialist("medical", ta.Power(1.5, exponent), ta.Linear(1.0), **extras),
        ],
    )


def bilateral_product(game, shares, i, power):
    """The logarithm of one domain's product as a function of its share, the others given, from plays alone."""
    others = [one for j, one in enumerate(game.specialists) if j != i]
    rest = {one.name: share for j, (one, share) in enumerate(zip(game.specialists, shares, strict=True)) if j != i}
    without = ta.FineTuningGame(game.generalist, others).play(rest).utilities["generalist"]

    def product(share):
        trial = {one.name: share if j == i else shares[j] for j, one in enumerate(game.specialists)}
        utilities = game.play(trial).utilities
        gains = utilities["generalist"] - without, utilities[game.names[i]] - game.specialists[i].outside
        return power * np.log(max(gains[0], 1e-300)) + (1 - power) * np.log(max(gains[1], 1e-300))

    return product


def test_iteration_and_closed_form_agree_on_the_printed_figure():
    game = two_domains()
    closed = game.bargain(ta.NashInNash())
    iterated = _general(game, ta.NashInNash())
    # spec of arXiv 2308.04399, c0 = 1, c = (1, 1.5): ten printed digits
    assert list(closed.shares.values()) == pytest.approx([0.5, 0.5495890726], abs=6e-11)
    assert closed.play.utilities["generalist"] == pytest.approx(0.4829229466, abs=6e-11)
    assert iterated.play.shares[0] == pytest.approx(list(closed.shares.values()), abs=1e-9)


@pytest.mark.slow
def test_each_share_is_the_best_bilateral_one_in_a_game_without_closed_forms():
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 1.8)),
        [
            ta.Specialist("law", ta.Power(1.0, 1.6), ta.Linear(1.0)),
            ta.Specialist("medical", ta.Power(2.0, 2.5), ta.Linear(1.3), entry_cost=0.01, outside=0.02),
        ],
    )
    agreement = game.bargain(ta.NashInNash(0.6))
    shares = list(agreement.shares.values())
    assert agreement.status == "agreed"
    for i in range(2):
        product = bilateral_product(game, shares, i, 0.6)
        best = minimize_scalar(
            lambda share, product=product: -product(share), bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
        )
        assert product(shares[i]) >= -best.fun - 1e-12
        assert shares[i] == pytest.approx(
            best.x, abs=1e-6
        )  # a bounded search sees a flat top up to the root of rounding


def test_a_specialist_that_cannot_gain_stays_out_and_the_others_bargain_without_it():
    game = two_domains(entry_cost=50.0)
    agreement = game.bargain(ta.NashInNash())
    assert agreement.play.regimes["medical"] == "abstains"
    assert agreement.shares["medical"] == 0
    alone = ta.FineTuningGame(game.generalist, game.specialists[:1]).play({"law": agreement.shares["law"]})
    # alone against no domain at all, the generalist's threat is to build nothing
    product = lambda share: bilateral_product(game, [share, 0.0], 0, 0.5)(share)  # noqa: E731
    assert product(agreement.shares["law"]) >= max(product(share) for share in np.linspace(0.01, 0.99, 99)) - 1e-12
    assert agreement.play.utilities["generalist"] == pytest.approx(alone.utilities["generalist"], abs=1e-12)


def test_one_specialist_is_the_nash_solution_with_powers():
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [ta.Specialist("law", ta.Power(2.0, 2), ta.Linear(1.0))])
    one, other = game.bargain(ta.NashInNash(0.3)), game.bargain(ta.Nash(power=(0.3, 0.7)))
    assert one.shares["law"] == pytest.approx(other.shares["law"], abs=1e-9)


def test_nobody_gains_is_no_trade():
    game = ta.FineTuningGame(
        ta.Generalist(ta.Power(1.0, 2), outside=9.0),
        [ta.Specialist(name, ta.Power(1.0, 2), ta.Linear(1.0)) for name in ("law", "medical")],
    )
    agreement = game.bargain(ta.NashInNash())
    assert agreement.status == "no trade"
    assert agreement.gains == {"generalist": 0.0, "law": 0.0, "medical": 0.0}


def test_the_threat_is_the_play_without_the_domain():
    game = two_domains()
    threats = Bilateral(game, 0.5).threats(np.array([[0.3, 0.8]]))[0]
    assert threats[0] == pytest.approx(0.8**2 / 4 + 0.8 * 0.2 / 3, rel=1e-12)  # only medical: s S^2 + 2 t d (1 - d)
    assert threats[1] == pytest.approx(0.3**2 / 4 + 0.3 * 0.7 / 2, rel=1e-12)


@pytest.mark.parametrize(("generalist", "specialist"), [(0.9, 0.9), (0.95, 0.7), (0.5, 0.99)])
def test_frequent_alternating_offers_tend_to_the_nash_solution_with_those_powers(generalist, specialist):
    # one specialist, k = 2, c0 = 1, c1 = 2 in units of b^2 / (4 c0), on the Pareto interval of shares [1/3, 1]
    ratio = 0.5

    def first(share):
        return 2 * ratio * share + (1 - 2 * ratio) * share**2

    def second(share):
        return (1 - share) * (ratio + (2 - ratio) * share)

    def offers(wait):
        """The generalist's and the specialist's offers, each leaving the other indifferent to waiting for its own."""

        def answered(mine):  # the specialist's offer if the generalist's is mine: first(theirs) = discount first(mine)
            return brentq(lambda share: first(share) - generalist**wait * first(mine), 0.0, mine, xtol=1e-15)

        mine = brentq(
            lambda share: second(share) - specialist**wait * second(max(answered(share), 1 / 3)),
            0.34,
            1 - 1e-12,
            xtol=1e-15,
        )
        return mine, answered(mine)

    power = ta.rubinstein_power(generalist, specialist)
    assert sum(power) == pytest.approx(1.0)
    game = ta.FineTuningGame(ta.Generalist(ta.Power(1.0, 2)), [ta.Specialist("law", ta.Power(2.0, 2), ta.Linear(1.0))])
    limit = game.bargain(ta.Nash(power=power)).shares["law"]
    errors = [abs(np.mean(offers(wait)) - limit) for wait in (0.1, 0.01)]
    assert errors[0] < 0.1
    assert errors[1] < 0.2 * errors[0] + 1e-7  # at least the first power of the wait
    assert errors[1] < 2e-3


@pytest.mark.parametrize("given", [0.0, 1.0, -0.1, "0.9", True, None])
def test_discount_factors_are_strictly_between_0_and_1(given):
    with pytest.raises(ta.errors.InputError, match="strictly between 0 and 1"):
        ta.rubinstein_power(0.9, given)

"""General libraries as judges: NegMAS of the bargain on a list of shares, Gambit of the investments in a tree.

Neither knows of fine-tuning games. Both are optional (``pip install "tuneaccord[oracles]"``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import tuneaccord as ta

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARES = np.linspace(0.0, 1.0, 51)
RULES = {"Nash": ta.Nash(), "KalaiSmorodinsky": ta.KalaiSmorodinsky(), "Egalitarian": ta.Egalitarian()}


@pytest.fixture(scope="module")
def libraries():
    sys.path.insert(0, str(BENCHMARKS))
    import game_libraries

    yield game_libraries
    sys.path.remove(str(BENCHMARKS))


def games():
    """Several curve kinds, an entry cost and an outside option."""
    power = ta.Power
    return {
        "quadratic": _game(power(1.0, 2), power(2.0, 2), ta.Linear(1.0)),
        "square root": _game(power(0.5, 1.7), power(0.8, 1.5), ta.Sqrt(1.5)),
        "saturating": _game(power(0.3, 2), power(0.5, 1.5), ta.Saturating(2.0, 1.0)),
        "entry cost": _game(power(0.4, 2), power(0.5, 2), ta.Log(2.0, 1.0), entry_cost=0.3),
        "outside option": _game(power(0.4, 2), power(0.5, 2), ta.Log(2.0, 1.0), outside=0.1),
    }


def _game(cost, adapting, revenue, **more):
    return ta.FineTuningGame(
        ta.Generalist(cost=cost), [ta.Specialist("medical", cost=adapting, revenue=revenue, **more)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("solution", list(RULES))
@pytest.mark.parametrize("kind", list(games()))
def test_negmas_picks_the_same_of_a_list(kind, solution, libraries):
    pytest.importorskip("negmas", reason="NegMAS is not installed: pip install 'tuneaccord[oracles]'")
    game = games()[kind]
    utilities = game.play_many(SHARES[:, None]).utilities
    gains = utilities - game.outside
    picked = libraries.negmas_pick(SHARES, utilities, game.outside, solution)
    ours = RULES[solution].score(gains, gains.max(axis=0))
    if solution == "KalaiSmorodinsky":
        # NegMAS takes the smallest gap between the two ratios, we the largest smaller ratio: a step apart on a list
        assert abs(SHARES[ours.argmax()] - picked[0]) <= SHARES[1] + 1e-12
    else:
        assert ours[np.isin(SHARES, picked)].max() == pytest.approx(ours.max(), abs=1e-12)
    # the bargain over all shares is at least as good, and not more than a step of the list away
    agreed = game.bargain(RULES[solution])
    exact = RULES[solution].score(np.array(list(agreed.gains.values())), np.array(list(agreed.ideal.values())))
    against = RULES[solution].score(gains, np.array(list(agreed.ideal.values())))
    assert exact >= against.max() - 1e-9
    assert abs(agreed.shares["medical"] - picked[0]) < SHARES[1] + 1e-9


def test_gambit_finds_the_same_investments(libraries):
    pytest.importorskip("pygambit", reason="Gambit is not installed: pip install 'tuneaccord[oracles]'")
    case = libraries.on_grid()
    bases, improvements = np.linspace(0.0, 1.0, 6), np.linspace(0.0, 0.5, 6)
    for share in (0.2, 0.4, 0.6, 0.8):  # their best investments lie on these grids
        base, improvement, regret = libraries.gambit_play(case, share, bases, improvements)
        play = case.game.play({"medical": share})
        assert regret < 1e-12  # at no node could anybody do better: subgame-perfect by Gambit's count
        assert play.base_performance == pytest.approx(base, abs=1e-12)
        assert play.improvements["medical"] == pytest.approx(improvement, abs=1e-12)


def test_gambit_agrees_that_a_small_improvement_is_not_worth_a_set_up_amount(libraries):
    pytest.importorskip("pygambit", reason="Gambit is not installed: pip install 'tuneaccord[oracles]'")
    import dataclasses

    plain = libraries.on_grid()
    dear = ta.Specialist("medical", cost=ta.Fixed(0.05, ta.Power(1.0, 2)), revenue=ta.Linear(1.0))
    case = dataclasses.replace(plain, game=ta.FineTuningGame(plain.game.generalist, [dear]), setup=0.05)
    bases, improvements = np.linspace(0.0, 1.0, 6), np.linspace(0.0, 0.5, 6)
    regimes = []
    for share in (0.2, 0.4, 0.6, 0.8):  # it pays up to a share of 1 - 2 sqrt(0.05) = 0.553
        base, improvement, regret = libraries.gambit_play(case, share, bases, improvements)
        play = case.game.play({"medical": share})
        assert regret < 1e-12
        assert play.base_performance == pytest.approx(base, abs=1e-12)
        assert play.improvements["medical"] == pytest.approx(improvement, abs=1e-12)
        regimes.append(play.regimes["medical"])
    assert regimes == ["contributes", "contributes", "free-rides", "free-rides"]

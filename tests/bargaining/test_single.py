"""Bargains with one specialist: known answers at kinks, jumps and constraints, closed forms, made-up utilities."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.bargaining.one.closed_forms import PowerGame
from tuneaccord.bargaining.one.peaks import Objective, climb
from tuneaccord.bargaining.one.power_bargain import power_bargains
from tuneaccord.bargaining.one.scores import KNOWN
from tuneaccord.bargaining.one.single import search_text, settle_on
from tuneaccord.bargaining.one.trace import FIRST, Trace, roughness
from tuneaccord.bargaining.plays import CONTRIBUTES, Plays
from tuneaccord.bargaining.rules import ShareRule

PLAYERS = ("generalist", "medical")


def made_up(utilities, performance=None):
    """A trace of any two functions of the share."""

    def play(share):
        values = np.stack([function(share) for function in utilities], axis=1).astype(float)
        built = np.zeros(len(share)) if performance is None else performance(share)
        column = share[:, None]
        return Plays(column, built, 0 * column, np.full(column.shape, CONTRIBUTES), values, np.zeros(len(share)))

    return Trace(play)


def game(base_cost, cost, revenue, **extras):
    outside = extras.pop("generalist_outside", 0.0)
    return ta.FineTuningGame(
        ta.Generalist(cost=base_cost, outside=outside), [ta.Specialist("medical", cost=cost, revenue=revenue, **extras)]
    )


ENTRY = game(ta.Power(1.0, 2), ta.Power(1.0, 2), ta.Linear(1.0), entry_cost=0.1)
SET_UP = game(ta.Power(1.0, 2), ta.Fixed(0.05, ta.Power(1.0, 2)), ta.Linear(1.0))
LINEAR = game(ta.Power(1.0, 2), ta.Linear(0.6), ta.Capped(1.0, ta.Linear(1.0)))
SATURATING = game(ta.Power(1.0, 2), ta.Linear(0.5), ta.Saturating(2.0, 1.0))
ROWS = [  # (game, solution, share, what decides)
    (ENTRY, ta.Egalitarian(), 0.3, "s^2 - (1 - s)^2 = -0.4"),
    (ENTRY, ta.Utilitarian(), 0.5, "the entry cost is sunk"),
    (ENTRY, ta.PowerfulSpecialist(), 0.0, "an end"),
    (SET_UP, ta.Egalitarian(), 0.4, "s^2 - (1 - s)^2 = -0.2"),
    (SET_UP, ta.Utilitarian(), 0.5, "the set-up cost is sunk"),
    (SET_UP, ta.MaxPerformance(), 0.5, "flat while the specialist contributes: the larger sum"),
    (SET_UP, ta.PowerfulGeneralist(), 1.0, "an end"),
    (LINEAR, ta.Nash(), 0.2, "s (0.4 - s)"),
    (LINEAR, ta.Egalitarian(), 0.2, "s = 0.4 - s"),
    (LINEAR, ta.KalaiSmorodinsky(), 0.2, "both could have 0.4"),
    (LINEAR, ta.PowerfulGeneralist(), 0.4, "the last share at which the specialist contributes: T1"),
    (LINEAR, ta.PowerfulSpecialist(), 0.0, "an end"),
]


@pytest.mark.parametrize(("one", "rule", "share", "why"), ROWS, ids=lambda value: getattr(value, "__name__", None))
def test_known_answers(one, rule, share, why):
    agreement = one.bargain(rule)
    assert agreement.status == "agreed", why
    assert agreement.shares["medical"] == pytest.approx(share, abs=1e-9), why


def test_a_jump_is_taken_on_its_better_side():
    agreement = LINEAR.bargain(ta.PowerfulGeneralist())
    assert agreement.play.regimes["medical"] == "contributes"
    assert agreement.gains["generalist"] == pytest.approx(0.4, rel=1e-12)
    assert "jumps" in agreement.reason


def test_a_binding_participation_constraint():
    """The generalist builds just enough for the specialist to take part: one equation in one unknown."""

    def earned(share):
        base = (0.1 - (1 - share) ** 2 / 4) / (1 - share)
        return share * (base + (1 - share) / 2) - base**2

    share = np.linspace(0.7885, 0.7893, 80_001)
    agreement = ENTRY.bargain(ta.PowerfulGeneralist())
    assert agreement.gains["generalist"] == pytest.approx(earned(share).max(), rel=1e-12)
    assert agreement.shares["medical"] == pytest.approx(share[np.argmax(earned(share))], abs=2e-8)  # of the grid
    assert agreement.gains["medical"] == pytest.approx(0.0, abs=1e-13)
    assert "just what it would have without" in agreement.reason


def random_row(rng):
    return [*np.exp(rng.normal(size=2)), *rng.uniform(1.2, 4.0, size=2)]


@pytest.mark.parametrize("seed", range(8))
def test_the_search_finds_what_the_closed_form_knows(seed):
    rng = np.random.default_rng(seed)
    c0, c1, k0, k1 = random_row(rng)
    outside = np.array([[rng.uniform(-0.2, 0.05), rng.uniform(-0.2, 0.0)]]) * (seed % 2)
    known = PowerGame(*(np.array([one]) for one in (c0, k0, c1, k1, 1.0)))
    a0, a1 = (1 / (k0 * c0)) ** (1 / (k0 - 1)), (1 / (k1 * c1)) ** (1 / (k1 - 1))

    def base(s):
        return a0 * s ** (1 / (k0 - 1))

    def improvement(s):
        return a1 * (1 - s) ** (1 / (k1 - 1))

    trace = made_up(
        (
            lambda s: s * (base(s) + improvement(s)) - c0 * base(s) ** k0,
            lambda s: (1 - s) * (base(s) + improvement(s)) - c1 * improvement(s) ** k1,
        ),
        lambda s: base(s) + improvement(s),
    )
    for kind in KNOWN:
        share, ideal = settle_on(trace, kind(), outside[0], PLAYERS)
        found = power_bargains(known, kind(), outside)
        assert ideal == pytest.approx(found.ideal[0], rel=1e-12, abs=1e-14)
        assert share == pytest.approx(found.share[0], abs=1e-8)  # at a flat end rounding hides 1e-8


@pytest.mark.parametrize("seed", range(12))
def test_peaks_of_made_up_utilities_against_a_dense_grid(seed):
    """Sums of waves with a jump and a kink: no share of a fine grid is better."""
    rng = np.random.default_rng(seed)
    waves, jump, kink = rng.normal(size=(2, 4)), rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)

    def utility(i):
        def function(s):
            smooth = 2 + 0.3 * sum(w * np.sin((j + 1) * 3 * s + w) for j, w in enumerate(waves[i]))
            return smooth + (0.3 - 0.6 * i) * (s > jump) + (0.5 + i) * np.abs(s - kink)

        return function

    functions = (utility(0), utility(1))
    share = np.linspace(0, 1, 200_001)
    values = np.stack([function(share) for function in functions])
    outside = values.min(axis=1) - 0.1
    gains = values - outside[:, None]
    scores = {
        ta.Nash(): np.log(gains).sum(axis=0),
        ta.Egalitarian(): gains.min(axis=0),
        ta.Utilitarian(): gains.sum(axis=0),
        ta.KalaiSmorodinsky(): None,
    }
    for rule, score in scores.items():
        found, ideal = settle_on(made_up(functions), rule, outside, PLAYERS)
        assert (ideal >= gains.max(axis=1) - 1e-12).all()
        own = np.array([function(np.array([found]))[0] for function in functions]) - outside
        score = (gains / ideal[:, None]).min(axis=0) if score is None else score
        mine = {"Nash": np.log(own).sum(), "Egalitarian": own.min(), "Utilitarian": own.sum()}
        assert mine.get(type(rule).__name__, (own / ideal).min()) >= score.max() - 1e-12


def test_narrow_peaks_next_to_a_jump_are_found():
    trace = made_up((lambda s: np.where(s < 0.70123, 1 + 40 * np.maximum(s - 0.69, 0.0), 0.5 + s), lambda s: 1 - s))
    peaks = climb(trace, [Objective(lambda plays: plays.utilities[:, 0])])[0]
    assert np.abs(peaks - 0.70123).min() < 1e-15


def test_roughness_is_rounding_for_cubics_and_shows_kinks():
    cubic = roughness(FIRST, (FIRST**3 - FIRST)[:, None])
    kink = roughness(FIRST, np.abs(FIRST - 0.503)[:, None])
    assert cubic.max() < 1e-12
    assert 0.49 < FIRST[2:-2][np.argmax(kink[:, 0])] < 0.52


def test_ties_go_to_the_larger_sum_then_to_the_smaller_share():
    flat = made_up((lambda s: 1 + 0 * s, lambda s: 1 - (s - 0.37) ** 2))
    assert settle_on(flat, ta.PowerfulGeneralist(), np.zeros(2), PLAYERS)[0] == pytest.approx(0.37, abs=1e-7)
    stretch = made_up((lambda s: np.minimum(s, 0.42), lambda s: 2 - np.minimum(s, 0.42)))
    assert settle_on(stretch, ta.PowerfulGeneralist(), np.zeros(2), PLAYERS)[0] == pytest.approx(0.42, abs=1e-11)
    assert settle_on(stretch, ta.Utilitarian(), np.zeros(2), PLAYERS)[0] == 0.0
    twice = made_up((lambda s: np.cos(4 * np.pi * s) + 2, lambda s: 1 + 0 * s))
    assert settle_on(twice, ta.PowerfulGeneralist(), np.zeros(2), PLAYERS)[0] == 0.0


def test_who_cannot_gain_has_no_say():
    trace = made_up((lambda s: s * (1 - s) + 1, lambda s: 0 * s))
    share, ideal = settle_on(trace, ta.Nash(), np.array([0.5, 0.0]), PLAYERS)
    assert share == pytest.approx(0.5, abs=1e-9)
    assert ideal == pytest.approx([0.75, 0.0], abs=1e-12)


def test_no_trade():
    poor = game(ta.Power(1.0, 2), ta.Power(5.0, 2), ta.Linear(1.0), entry_cost=5.0)
    greedy = game(ta.Power(1.0, 2), ta.Power(5.0, 2), ta.Linear(1.0), generalist_outside=3.0)
    for one in (poor, greedy):
        for kind in KNOWN:
            agreement = one.bargain(kind())
            assert agreement.status == "no trade"
            assert set(agreement.gains.values()) == {0.0}
            assert agreement.play.regimes["medical"] == "abstains"
            assert agreement.play.utilities["generalist"] == one.generalist.outside


def test_outside_options_move_the_nash_share():
    shares = [
        game(ta.Power(1.0, 2), ta.Power(2.0, 2), ta.Linear(1.0), generalist_outside=outside).bargain(ta.Nash()).shares
        for outside in (0.0, 0.05, 0.1)
    ]
    found = [one["medical"] for one in shares]
    assert found == sorted(found)
    assert found[2] > found[0] + 0.05


def test_the_generalist_walks_away_below_its_outside_option():
    one = game(ta.Power(1.0, 2), ta.Power(2.0, 2), ta.Linear(1.0), generalist_outside=0.12)
    agreement = one.bargain(ta.PowerfulSpecialist())  # alone it would take 1/3, where the generalist has 1/12
    assert agreement.shares["medical"] == pytest.approx(0.48, abs=1e-12)  # U_G = share / 4
    assert agreement.gains["generalist"] == pytest.approx(0.0, abs=1e-13)


@dataclass(frozen=True)
class NearAThird(ShareRule):
    """A rule of the user's own."""

    def score(self, plays, gains, players):
        return -np.abs(plays.shares[:, 0] - 1 / 3)


def test_a_rule_of_the_users_own_is_searched_for():
    one = game(ta.Power(1.0, 2), ta.Power(2.0, 2), ta.Linear(1.0))
    agreement = one.bargain(NearAThird())
    assert agreement.shares["medical"] == pytest.approx(1 / 3, abs=1e-14)
    assert "NearAThird" in agreement.reason
    assert agreement.search.startswith("Traced at")


def test_the_search_says_what_is_not_known():
    trace = made_up((lambda s: s, lambda s: 1 - s))
    assert "within 0.0e+00 of the best investments" in search_text(trace)
    assert "narrower than the spacing" in search_text(trace)
    unknown = Trace(lambda share: dataclasses.replace(trace.look(share), error=np.full(len(share), np.nan)))
    assert "not certified" in search_text(unknown)


def test_reasons_quote_the_margins():
    one = game(ta.Power(1.0, 2), ta.Power(2.0, 2), ta.Linear(1.0))
    assert "changes the gains" not in one.bargain(ta.Egalitarian()).reason
    nash = one.bargain(ta.Nash()).reason
    assert "1.606% (more) for the generalist and 1.606% (less) for medical" in nash
    assert "an end of the range" in one.bargain(ta.PowerfulGeneralist()).reason
    assert "Both gain 0.1443" in one.bargain(ta.Egalitarian()).reason


@pytest.mark.parametrize("money", [1.0, 1e-6, 1e9])
def test_whoever_cannot_gain_leaves_the_choice_to_the_total(money):
    # entry costs all that it could earn: where it joins it gains 0, or a rounding more, on a whole stretch of shares
    one = ta.Specialist("medical", ta.Power(1.3 * money, 2.5), ta.Linear(0.7 * money), entry_cost=0.3 * money)
    held = ta.FineTuningGame(ta.Generalist(ta.Power(0.6 * money, 2)), [one])
    found = held.bargain(ta.PowerfulSpecialist())
    assert found.status == "agreed"
    assert found.ideal["medical"] == 0.0
    every = held.play_many(np.linspace(0.0, 1.0, 1001)[:, None]).utilities
    assert sum(found.play.utilities.values()) >= every.sum(axis=1).max() * (1 - 1e-9)
    assert found.shares["medical"] == pytest.approx(held.bargain(ta.Utilitarian()).shares["medical"], abs=1e-6)
    sizes = np.array([money, money])
    family = ta.GameFamily(ta.Generalist(ta.Power(0.6 * sizes, 2)), [one])
    assert family.bargain(ta.PowerfulSpecialist()).shares[:, 0] == pytest.approx(found.shares["medical"], abs=1e-6)

"""Solutions keep the axioms that they list, pick what brute force picks, and agree with their conjugates."""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tuneaccord as ta
from tuneaccord.bargaining import check_solution
from tuneaccord.bargaining.forms import LogSum, Minimum

SOLUTIONS = [ta.Nash(), ta.KalaiSmorodinsky(), ta.Egalitarian(), ta.Utilitarian()]


@pytest.mark.parametrize("solution", [*SOLUTIONS, ta.Nash((1.0, 2.0, 3.0))], ids=str)
def test_listed_axioms_hold(solution):
    check_solution(solution)


@pytest.mark.parametrize("solution", SOLUTIONS, ids=str)
def test_axioms_that_are_not_listed_fail_somewhere(solution):
    names = {"Pareto", "symmetry", "scale invariance", "independence of irrelevant alternatives", "strong monotonicity"}
    for name in names - solution.axioms:
        boasting = type("Boasting", (type(solution),), {"axioms": frozenset({name, "monotonicity"})})()
        with pytest.raises(AssertionError, match=f"Boasting does not keep ({name}|monotonicity)"):
            check_solution(boasting, tries=200)


def test_powers_break_the_symmetry():
    boasting = type("Boasting", (ta.Nash,), {"axioms": frozenset({"symmetry"})})((1.0, 2.0, 9.0))
    with pytest.raises(AssertionError, match="symmetry"):
        check_solution(boasting)
    assert "symmetry" in ta.Nash((2.0, 2.0)).axioms
    assert "symmetry" not in ta.Nash((2.0, 1.0)).axioms


# Whole numbers, so that the definition can be computed in fractions: what ties there ties, and what does not
# differs by more than rounding.
@given(arrays(int, (6, 3), elements=st.sampled_from([0, 50, 100, 200]) | st.integers(1, 500)))
def test_the_best_of_a_list_is_what_the_definition_says(gains):
    ideal = gains.max(axis=0).tolist()
    if min(ideal) == 0:
        return
    rows = gains.tolist()
    assert math.prod(rows[ta.Nash().best(gains)]) == max(map(math.prod, rows))
    assert sum(rows[ta.Utilitarian().best(gains)]) == max(map(sum, rows))
    for solution, units in ((ta.Egalitarian(), [1, 1, 1]), (ta.KalaiSmorodinsky(), ideal)):
        ranked = [sorted(Fraction(*pair) for pair in zip(row, units, strict=True)) for row in rows]
        assert ranked[solution.best(gains)] == max(ranked)


@pytest.mark.parametrize("solution", [ta.Egalitarian(), ta.KalaiSmorodinsky()], ids=str)
def test_gains_that_differ_by_rounding_are_a_tie(solution):
    """0.1 + 0.2 is no better than 0.3 for the player who has the least: the next one decides."""
    assert 0.1 + 0.2 > 0.3
    assert solution.best([[0.1 + 0.2, 0.5, 0.5], [0.3, 1.0, 1.0]]) == 1


@given(
    arrays(float, 3, elements=st.floats(0.01, 10)),
    arrays(float, 3, elements=st.floats(0.01, 10)),
    arrays(float, 3, elements=st.floats(0.01, 10)),
)
def test_the_slack_is_conjugate_plus_product_minus_value(gains, weights, units):
    log = LogSum(units)
    conjugate = float(units @ (np.log(units / weights) - 1))  # at the gains units / weights, where the slope is 0
    direct = conjugate + weights @ gains - log.value(gains)
    assert log.slack(weights, gains) == pytest.approx(direct, abs=1e-11 * (1 + abs(direct) + weights @ gains))
    shares = weights / (weights @ units)
    low = Minimum(units)
    assert low.slack(shares, gains) == pytest.approx(shares @ gains - low.value(gains), abs=1e-11)
    assert log.slack(units / gains, gains) <= 1e-14 * units.sum()


def test_who_cannot_gain_has_no_say_and_is_not_hurt():
    gains = np.array([[1.0, 1.0, 0.0], [3.0, 3.0, -1.0], [1.0, 2.0, 0.0]])
    for solution in (ta.Nash(), ta.KalaiSmorodinsky(), ta.Egalitarian()):
        assert solution.best(gains) == 2
        assert solution.score(gains[1], [3.0, 3.0, 0.0]) == -np.inf
        assert solution.score(gains[0], [0.0, 0.0, 0.0]) == 0.0
    assert ta.Utilitarian().best(gains) == 1


def test_nash_wants_everybody_to_gain():
    assert ta.Nash().score([1.0, 0.0], ideal=[1.0, 1.0]) == -np.inf
    assert ta.Nash((2.0, 1.0)).score([np.e, 1.0], ideal=[3.0, 3.0]) == pytest.approx(2.0)


def test_the_textbook_triangle():
    """Gains on the segment from (2, 0) to (0, 1): Nash and KS split in the middle, equal gains are 2/3 each."""
    share = np.linspace(0, 1, 3001)
    gains = np.column_stack([2 * share, 1 - share])
    expected = {
        "Nash": (1.0, 0.5),
        "KalaiSmorodinsky": (1.0, 0.5),
        "Egalitarian": (2 / 3, 2 / 3),
        "Utilitarian": (2, 0),
    }
    for solution in SOLUTIONS:
        assert gains[solution.best(gains)] == pytest.approx(expected[type(solution).__name__], abs=1e-12)


@pytest.mark.parametrize("power", [(), (0.0, 1.0), (-1.0,), (np.inf,), "strong", 3.0, ((1.0,),)], ids=str)
def test_bad_powers_are_named(power):
    with pytest.raises(ta.InputError, match="power must be a list of positive numbers"):
        ta.Nash(power)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ta.InputError, match="Nash has 2 powers but there are 3 players"):
        ta.Nash((1.0, 2.0)).best(np.ones((2, 3)))
    with pytest.raises(ta.InputError, match=r"gains must have shape \(vectors, players\)"):
        ta.Nash().best([1.0, 2.0])
    with pytest.raises(ta.InputError, match="must fit"):
        ta.Nash().score([1.0, 2.0], [1.0])


def test_a_wrong_claim_is_found():
    @dataclass(frozen=True)
    class Backwards(ta.Utilitarian):
        def ranking(self, gains, ideal):
            return -super().ranking(gains, ideal)

    with pytest.raises(AssertionError, match="Backwards does not keep Pareto"):
        check_solution(Backwards())


def test_solutions_are_compared_and_printed():
    assert ta.Nash([1, 2]) == ta.Nash((1.0, 2.0))
    assert all(first != second for first, second in itertools.combinations(SOLUTIONS, 2))


def test_gains_are_finite_numbers():
    for gains in ([[1.0, np.nan], [1.0, 1.0]], "x", [[1.0], [1.0, 2.0]]):
        with pytest.raises(ta.InputError, match="gains must be finite numbers"):
            ta.Nash().best(gains)

"""The largest fee that keeps everybody in, against searches over types that know no closed form."""

import cvxpy
import numpy as np
import pytest
from markets import numbers, reports_of, scale
from priced import DIVERGENCES, ROUNDING, Case, charged, with_tables

import tuneaccord as ta
from tuneaccord.divergence import ChiSquared
from tuneaccord.mechanism.payments.fees import _nearest

SMALLEST = 0.5


def utility_of_type(result, index, size, table):
    """What that type of a group would have got for the truth, under the externality payment."""
    other = with_tables(result, index, size, table)
    plain = ta.settle(other.space, other.reports)
    return list(plain.utilities.values())[index]


def fees(result, payment):
    return charged(result, payment) - charged(result, ta.Externality())


@pytest.mark.slow
@pytest.mark.parametrize("make", DIVERGENCES)
def test_the_fee_for_largest_reward_one_is_that_of_the_worst_vertex(make):
    """Every type with reward 1 on one response and 0 elsewhere is settled by itself."""
    rng = np.random.default_rng(31)
    case = Case(ta.Fee("max", SMALLEST), make, "max")
    for _ in range(4):
        result = case.market(rng, prompts=1)
        found = fees(result, case.payment)
        for index in range(3):
            vertices = [utility_of_type(result, index, SMALLEST, row[None]) for row in np.eye(4)]
            assert found[index] == pytest.approx(min(vertices), abs=ROUNDING * scale(result))


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        *(Case(ta.Fee("max", SMALLEST), make, "max") for make in DIVERGENCES),
        Case(ta.Fee("sum", SMALLEST), normalised="sum"),
    ],
    ids=lambda case: f"{case.payment}, {case.make.__name__}",
)
def test_no_type_is_charged_more_than_its_gain(case):
    rng = np.random.default_rng(32)
    for _ in range(3):
        result = case.market(rng)
        found = fees(result, case.payment)
        for index in range(3):
            for _ in range(5):
                size, table = case.size(rng), case.table(rng, result.space.shape)
                assert utility_of_type(result, index, size, table) >= found[index] - 10 * ROUNDING * scale(result)


@pytest.mark.parametrize("strength", [0.05, 0.3, 2.0])
def test_the_fee_for_rewards_that_sum_to_one_against_a_convex_solver(strength):
    rng = np.random.default_rng(33)
    case = Case(ta.Fee("sum", SMALLEST), normalised="sum", strengths=(strength, strength))
    for _ in range(4):
        result = case.market(rng, prompts=1, responses=5)
        found = fees(result, case.payment)
        for index in range(3):
            without = ta.settle(result.space, [r for at, r in enumerate(result.reports) if at != index])
            reward = cvxpy.Variable(5, nonneg=True)
            lifted = np.log(without.model[0]) + SMALLEST / strength * reward
            problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.log_sum_exp(lifted)), [cvxpy.sum(reward) == 1])
            problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
            assert found[index] == pytest.approx(strength * problem.value, abs=1e-7 * strength)  # Clarabel's digits


@pytest.mark.parametrize("make", DIVERGENCES)
def test_on_a_pool_the_worst_type_of_sum_one_levels_what_the_others_like_least(make):
    """The level by bisection, its type settled by itself, and random types against the fee."""
    rng = np.random.default_rng(36)
    for strength in (0.03, 1.0):
        tables = rng.dirichlet(np.ones(5), size=(3, 1))
        space = ta.Simplex.uniform(1, 5, make(strength))
        result = ta.settle(space, reports_of(rng.uniform(0.5, 2, size=3), tables), payment=ta.Fee("sum", SMALLEST))
        found = fees(result, result.payment)
        for index in range(3):
            others = np.delete(result.sizes, index) @ np.delete(result.scores[0], index, axis=1).T
            low, high = others.min(), others.max() + SMALLEST
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if np.maximum(middle - others, 0).sum() < SMALLEST else (low, middle)
            worst = np.maximum(low - others, 0)[None] / SMALLEST
            least = utility_of_type(result, index, SMALLEST, worst)
            assert found[index] == pytest.approx(least, abs=ROUNDING * scale(result))
            for row in [*np.eye(5), *rng.dirichlet(np.full(5, 0.5), size=3)]:
                assert utility_of_type(result, index, SMALLEST, row[None]) >= found[index] - ROUNDING * scale(result)


@pytest.mark.parametrize(("normalised", "worst"), [("max", [0.0, 1.0, 0.0]), ("sum", [0.0, 1.0, 0.0])])
def test_the_worst_type_has_nothing_left(normalised, worst):
    space = ta.Simplex([0.6, 0.1, 0.3], ta.KL(1.0))
    others = reports_of([1.0], [[[1.0, 0.0, 0.0]]])
    result = ta.settle(
        space, [*others, ta.Report("last", SMALLEST, ta.TableReward(worst))], payment=ta.Fee(normalised, SMALLEST)
    )
    assert result.utilities["last"] == pytest.approx(0.0, abs=1e-15)


def test_the_fee_on_one_response_by_hand():
    """Alone, a type with its reward on the rarest response gains s log(1 + q (e^(w/s) - 1))."""
    space = ta.Simplex([0.9, 0.1], ta.KL(2.0))
    result = ta.settle(space, reports_of([3], [[[1.0, 0.5]]]), payment=ta.Fee("max", 1.5))
    assert fees(result, result.payment)[0] == pytest.approx(2 * np.log(1 + 0.1 * np.expm1(0.75)), rel=1e-12)
    half = ta.settle(space, result.reports, payment=ta.Fee("max", 1.5, fraction=0.5))
    assert fees(half, half.payment)[0] == pytest.approx(fees(result, result.payment)[0] / 2, rel=1e-12)


def test_fees_in_the_far_corners():
    """Exponents far beyond the range of floats, with a response that the others have all but ruled out."""
    for strength in (1e-4, 1e-2):
        space = ta.Simplex([0.5, 0.5], ta.KL(strength))
        tables = [[[1.0, 0.0]], [[1.0, 0.0]]]
        for normalised in ("max", "sum"):
            result = ta.settle(space, reports_of([2, 1], tables), payment=ta.Fee(normalised))
            found = fees(result, result.payment)
            # a type of size 1 ties with the other group of size 1, and is outbid by the one of size 2
            assert found == pytest.approx([strength * np.log(2), 0.0], abs=1e-12)


def test_the_nearest_point_meets_its_conditions():
    rng = np.random.default_rng(34)
    for _ in range(50):
        rarity = rng.exponential(size=(3, 2, 6)) * 10 ** rng.uniform(-3, 3)
        rarity[..., 2] = np.where(rng.uniform(size=(3, 2)) < 0.3, -np.inf, rarity[..., 2])
        budget = 10 ** rng.uniform(-4, 4, size=(2, 1))
        point = _nearest(rarity, budget)
        np.testing.assert_allclose(point.sum(axis=-1), np.broadcast_to(budget[:, 0], (3, 2)), rtol=1e-12)
        level = rarity - point  # constant where the point is positive, not above it elsewhere
        deepest = np.where(point > 0, level, -np.inf).max(axis=-1, keepdims=True)
        tolerance = 1e-12 * (budget + np.where(np.isfinite(rarity), rarity, 0).max())
        assert (np.where(point > 0, np.abs(level - deepest), 0) <= tolerance).all()
        assert (np.where(point > 0, -np.inf, level) <= deepest + tolerance).all()


def test_public_weights_divide_the_fee():
    """A type's utility under the weighted rule, settled by itself, against the fee."""
    rng = np.random.default_rng(35)
    case = Case(ta.Fee("max", SMALLEST), normalised="max")
    rule = ta.Welfare(weights=(2.0, 0.5, 1.0))
    result = case.market(rng, prompts=1)
    with_fee = ta.settle(result.space, result.reports, rule, case.payment)
    found = numbers(with_fee.payments) - numbers(ta.settle(result.space, result.reports, rule).payments)
    for index in range(3):
        utilities = []
        for row in np.eye(4):
            reports = list(result.reports)
            reports[index] = ta.Report(result.names[index], SMALLEST, ta.TableReward(row[None]))
            utilities.append(list(ta.settle(result.space, reports, rule).utilities.values())[index])
        assert found[index] == pytest.approx(min(utilities), abs=ROUNDING * scale(result))


def test_responses_that_the_base_never_gives_take_no_part():
    space = ta.Simplex([0.9, 0.1, 0.0], ta.KL(1.0))
    kept = ta.Simplex([0.9, 0.1], ta.KL(1.0))
    for normalised in ("max", "sum"):
        wide = ta.settle(space, reports_of([2], [[[1.0, 0.0, 0.7]]]), payment=ta.Fee(normalised))
        narrow = ta.settle(kept, reports_of([2], [[[1.0, 0.0]]]), payment=ta.Fee(normalised))
        assert wide.payments["g0"] == pytest.approx(narrow.payments["g0"], rel=1e-12)
    with pytest.raises(ta.InputError, match="leave out responses of base probability zero"):
        ta.settle(space, reports_of([2], [[[0.0, 0.5, 1.0]]]), payment=ta.Fee("max"))


def test_reports_that_are_not_of_the_published_types_are_refused():
    space = ta.Simplex([[0.5, 0.5]] * 2, ta.KL(1.0))
    good = [[1.0, 0.0], [1.0, 0.0]]
    with pytest.raises(ta.InputError, match=r"size of group 2 is 0\.5, below the published smallest size 1"):
        ta.settle(space, reports_of([1, 0.5], [good] * 2), payment=ta.Fee("max"))
    for normalised, bad, told in [
        ("max", [1.0, 1.1], "prompt 2 that of group 2 is 1.1"),
        ("max", [-0.1, 1.0], "smallest reward -0.1"),
        ("sum", [1.0, 1.0], r"TableReward\(scores, scale='sum'\)"),
    ]:
        with pytest.raises(ta.InputError, match=told):
            ta.settle(space, reports_of([1, 1], [good, [[1.0, 0.0], bad]]), payment=ta.Fee(normalised))
    with pytest.raises(ta.InputError, match="ChiSquared and rewards that sum to 1 the fee is known for a uniform base"):
        ta.settle(ta.Simplex([0.4, 0.6], ChiSquared(1.0)), reports_of([1], [[[1.0, 0.0]]]), payment=ta.Fee("sum"))
    with pytest.raises(ta.InputError, match="Fee needs a Simplex, got Candidates"):
        ta.settle(ta.Candidates([[1.0]], [0.0]), [ta.Report("a", 1)], payment=ta.Fee())
    with pytest.raises(ta.InputError, match="Did you mean 'max'"):
        ta.Fee("maxi")
    with pytest.raises(ta.InputError, match="at most 1"):
        ta.Fee(fraction=1.5)
    with pytest.raises(ta.InputError, match="smallest_size must be a finite number"):
        ta.Fee(smallest_size=-1.0)

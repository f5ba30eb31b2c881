"""The cycle test against brute force, linear programs and the affine payments, and the rules that it refutes."""

import itertools

import cvxpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tuneaccord as ta
from tuneaccord.mechanism.implementability.cycles import least_mean_cycle, shortest_paths
from tuneaccord.testing import random_market

MATRICES = st.integers(1, 5).flatmap(
    lambda k: arrays(float, (k, k), elements=st.sampled_from([0.0, 1.0, 2.0]) | st.floats(-3, 3))
)


def market(seed, *, scale="max", strength=0.1, responses=6, prompts=1):
    rng = np.random.default_rng(seed)
    space = ta.Simplex(rng.dirichlet(np.ones(responses), size=prompts), ta.KL(strength))
    tables = rng.uniform(size=(3, prompts, responses))
    return space, [ta.Report(f"g{i}", int(rng.integers(1, 10)), ta.TableReward(tables[i], scale)) for i in range(3)]


def cycle_test(rule, seed, *, count=20, scale="max", sizes=(2.0, 2.0), strength=0.1, prompts=1):
    space, reports = market(seed, scale=scale, strength=strength, prompts=prompts)
    types = ta.type_grid(space, count, seed=seed + 100, scale=scale, sizes=sizes)
    return ta.implementability(space, reports, rule, "g0", types)


def cycles_by_hand(lengths):
    """The least mean over all simple cycles, each tried."""
    nodes = range(len(lengths))
    means = [
        np.mean([lengths[b][a] for b, a in zip(cycle, (*cycle[1:], cycle[0]), strict=True)])
        for size in range(2, len(lengths) + 1)
        for cycle in itertools.permutations(nodes, size)
    ]
    return min(means, default=0.0)


@given(MATRICES)
def test_karp_agrees_with_all_cycles(matrix):
    found = ta.Implementability.from_matrix(matrix)
    least = cycles_by_hand(found.lengths.tolist())
    assert found.distance == pytest.approx(max(0.0, -least), abs=1e-13)
    if len(matrix) > 1:
        assert len(set(found.cycle)) == len(found.cycle) >= 2
        before = np.roll(found.cycle, 1)
        assert found.lengths[before, list(found.cycle)].mean() == pytest.approx(least, abs=1e-13)
        assert found.worst_pair[2] <= found.distance + 1e-13 or found.distance == 0


@given(MATRICES)
def test_no_lie_gains_more_than_the_distance_and_some_lie_does(matrix):
    """The least gain of the best lie is a linear program; the shortest paths attain it."""
    found = ta.Implementability.from_matrix(matrix)
    for payments in (found.payments(), *found.interval(len(matrix) - 1), found.individually_rational_payments):
        utilities = matrix - payments  # a's utility from b's outcome
        lies = utilities - utilities.diagonal()[:, None]
        assert lies.max() <= found.distance + 1e-12
    assert (matrix.diagonal() - found.individually_rational_payments >= 0).all()


def test_the_distance_is_the_value_of_a_linear_program():
    rng = np.random.default_rng(3)
    for _ in range(10):
        matrix = rng.normal(size=(6, 6)) + 1.5 * np.eye(6)
        charges, gain = cvxpy.Variable(6), cvxpy.Variable(nonneg=True)
        lies = matrix - matrix.diagonal()[:, None]
        program = cvxpy.Problem(
            cvxpy.Minimize(gain),
            [lies[a, b] - charges[b] + charges[a] <= gain for a in range(6) for b in range(6) if a != b],
        )
        program.solve(solver=cvxpy.CLARABEL)
        assert ta.Implementability.from_matrix(matrix).distance == pytest.approx(program.value, abs=1e-7)


def test_the_largest_rational_payments_are_those_of_a_linear_program():
    rng = np.random.default_rng(4)
    for seed in range(5):
        found = cycle_test(ta.Welfare(), seed, count=6, sizes=(1.0, 5.0))
        worth, charges = found.valuations, cvxpy.Variable(6)
        weights = rng.uniform(0.5, 1.0, size=6)
        truthful = [worth[a, a] - charges[a] >= worth[a, b] - charges[b] for a in range(6) for b in range(6) if a != b]
        program = cvxpy.Problem(cvxpy.Maximize(weights @ charges), [*truthful, charges <= worth.diagonal()])
        program.solve(solver=cvxpy.CLARABEL)
        assert weights @ found.individually_rational_payments == pytest.approx(program.value, abs=1e-6)


@given(arrays(float, (5, 5), elements=st.floats(0, 3)))
def test_shortest_paths_agree_with_all_paths(lengths):
    paths = shortest_paths(lengths)
    for first, last in itertools.permutations(range(5), 2):
        others = [node for node in range(5) if node not in (first, last)]
        best = min(
            sum(lengths[a, b] for a, b in itertools.pairwise((first, *middle, last)))
            for size in range(4)
            for middle in itertools.permutations(others, size)
        )
        assert paths[first, last] == pytest.approx(best, abs=1e-14)


def test_long_cycles_are_found_where_pairs_pass():
    """A ring of 200 types, each a little happier with its neighbour's outcome and far worse off with any other."""
    matrix = np.full((200, 200), -5.0)
    np.fill_diagonal(matrix, 0.0)
    matrix[np.arange(200), np.arange(1, 201) % 200] = 0.01
    found = ta.Implementability.from_matrix(matrix)
    assert found.worst_pair[2] < 0
    assert len(found.cycle) == 200
    assert found.distance == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize("sizes", [(2.0, 2.0), (1.0, 10.0)], ids=str)
@pytest.mark.parametrize("scale", ["max", "sum"])
@pytest.mark.parametrize("rule", [ta.Welfare(), ta.Welfare(weights=(2.0, 1.0, 0.5))], ids=str)
def test_affine_rules_pass_and_their_payments_lie_in_the_interval(rule, scale, sizes):
    for seed in range(4):
        space, reports = market(seed, scale=scale, prompts=2)
        types = ta.type_grid(space, 25, seed=seed, scale=scale, sizes=sizes)
        found = ta.implementability(space, reports, rule, "g0", types)
        assert found.implementable
        assert found.worst_pair[2] <= 1e-12
        charged = np.array([ta.settle(space, [each, *reports[1:]], rule).payments[each.name] for each in types])
        low, high = found.interval(0)
        rounding = 1e-11 * found.valuations.max()
        assert (charged - charged[0] >= low - rounding).all()
        assert (charged - charged[0] <= high + rounding).all()
        assert (charged <= found.individually_rational_payments + rounding).all()
        assert "can only refute" in found.statement


def test_finite_sets_are_tested_too():
    space = ta.Candidates(np.random.default_rng(6).uniform(size=(8, 2)), np.linspace(0, 0.3, 8))
    reports = [ta.Report("a", 2), ta.Report("b", 3)]
    types = ta.type_grid(space, 30, seed=1, scale=None, sizes=(1.0, 5.0))
    assert ta.implementability(space, reports, None, "b", types).implementable
    assert not ta.implementability(space, reports, ta.MaxMin(), "b", types).implementable


@pytest.mark.parametrize(
    ("rule", "scale", "sizes", "strength"),
    [
        (ta.MaxMin(), "max", (2.0, 2.0), 0.1),
        (ta.MaxMin(), "sum", (2.0, 2.0), 0.02),
        (ta.MaxMin(), "max", (1.0, 10.0), 0.1),
        (ta.NashWelfare(), "sum", (2.0, 2.0), 0.2),
        (ta.NashWelfare(), "sum", (1.0, 10.0), 0.2),
        (ta.SizeShare(), "max", (1.0, 10.0), 0.1),
        (ta.SizeShare(), "sum", (1.0, 10.0), 0.02),
        (ta.Bargained(), "max", (2.0, 2.0), 0.1),
        (ta.Bargained(ta.KalaiSmorodinsky()), "max", (2.0, 2.0), 0.1),
        (ta.Bargained(ta.Egalitarian()), "max", (2.0, 2.0), 0.1),
    ],
    ids=str,
)
def test_rules_that_no_payment_makes_truthful_are_refuted(rule, scale, sizes, strength):
    tries, count = (5, 30) if rule == ta.SizeShare() else (2, 20)  # its cycles are rare
    found = [cycle_test(rule, seed, count=count, scale=scale, sizes=sizes, strength=strength) for seed in range(tries)]
    refuted = [each for each in found if not each.implementable]
    assert refuted
    for each in refuted:
        assert each.distance > 1e-6 * each.scale  # far above the error of the models
        assert each.statement.startswith("Not implementable: a group that is [type ")
        before = np.roll(each.cycle, 1)
        own = each.valuations[list(each.cycle), list(each.cycle)]
        swapped = each.valuations[list(each.cycle), before]
        assert (swapped - own).mean() == pytest.approx(each.distance, rel=1e-9)


def test_size_shares_can_be_implemented_where_sizes_are_public():
    assert all(cycle_test(ta.SizeShare(), seed, strength=0.02).implementable for seed in range(5))


def test_utilitarian_bargains_pass():
    assert cycle_test(ta.Bargained(ta.Utilitarian()), 1, sizes=(1.0, 5.0)).implementable


def test_a_refutation_is_real():
    """A cycle of MaxMin: the same two models, from Clarabel, are swapped by both types."""
    space, reports = market(0)
    types = ta.type_grid(space, 30, seed=100, sizes=(2.0, 2.0))
    found = ta.implementability(space, reports, ta.MaxMin(), "g0", types)
    first, second, gain = found.worst_pair
    assert gain > 1e-3

    def chosen(each):
        policy = cvxpy.Variable(6, nonneg=True)
        tables = [report.reward.on((1, 6))[0] for report in (each, *reports[1:])]
        price = 0.1 * cvxpy.sum(cvxpy.rel_entr(policy, space.base[0]))
        worst = cvxpy.minimum(*[table @ policy for table in tables])
        cvxpy.Problem(cvxpy.Maximize(worst - price), [cvxpy.sum(policy) == 1]).solve(solver=cvxpy.CLARABEL)
        return policy.value

    step = chosen(types[first]) - chosen(types[second])
    rewards = [types[at].reward.on((1, 6))[0] for at in (first, second)]
    assert -0.5 * 2.0 * (rewards[0] - rewards[1]) @ step == pytest.approx(gain, abs=1e-5)


@pytest.mark.parametrize("steps", [1, 10, 100, 1000])
def test_payments_of_welfare_are_pinned_down(steps):
    for seed in range(3 if steps < 1000 else 1):
        space, reports = random_market(np.random.default_rng(seed), strength=0.7)
        found = ta.payment_equivalence(space, reports, "g1", steps)
        osc = np.ptp(reports[1].reward.scores, axis=1)
        bound = reports[1].size ** 2 * (space.prompt_weights @ osc**2) / (4 * 0.7 * steps)
        assert 0 <= found.width <= bound
        assert found.low - 1e-12 <= ta.settle(space, reports).payments["g1"] <= found.high + 1e-12
        if steps < 1000:
            finer = ta.payment_equivalence(space, reports, "g1", 2 * steps)
            assert finer.width == pytest.approx(found.width / 2, rel=0.5)


def test_the_width_is_the_sum_along_the_line():
    space, reports = random_market(np.random.default_rng(9), prompts=1)
    table = reports[0].reward.scores
    models = []
    for share in np.linspace(0, 1, 8):
        moved = ta.TableReward((1 - share) * table.mean() + share * table)
        models.append(ta.settle(space, [ta.Report("g0", reports[0].size, moved), *reports[1:]]).model[0])
    by_hand = reports[0].size * sum((table - table.mean())[0] / 7 @ step for step in np.diff(models, axis=0))
    assert ta.payment_equivalence(space, reports, "g0", 7).width == pytest.approx(by_hand, rel=1e-10)


def test_a_rule_without_payments_may_leave_less_than_no_room():
    space, reports = market(2, scale="sum", strength=0.02)
    widths = [ta.payment_equivalence(space, reports, "g0", steps, ta.MaxMin()).width for steps in (1, 10)]
    assert np.isfinite(widths).all()


def test_types_are_drawn_as_asked():
    space = ta.Simplex(np.full((2, 4), 0.25), ta.KL(1.0))
    types = ta.type_grid(space, 5, seed=3, scale="sum", sizes=(2, 8))
    again = ta.type_grid(space, 5, seed=3, scale="sum", sizes=(2, 8))
    for each, same in zip(types, again, strict=True):
        assert each.size == same.size
        assert 2 <= each.size <= 8
        np.testing.assert_allclose(each.reward.on((2, 4)).sum(axis=1), 1.0)
        np.testing.assert_array_equal(each.reward.on((2, 4)), same.reward.on((2, 4)))
    assert {each.size for each in ta.type_grid(space, 3, seed=3, sizes=(2, 2))} == {2.0}


def test_one_type_is_no_test():
    found = ta.Implementability.from_matrix([[2.0]])
    assert (found.cycle, found.distance, found.implementable) == ((), 0.0, True)
    assert found.individually_rational_payments == pytest.approx([2.0])
    assert least_mean_cycle(np.zeros((1, 1))) == ()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ta.Implementability.from_matrix([[1.0, 2.0]]), "square matrix of finite numbers"),
        (lambda: ta.Implementability.from_matrix([[np.nan]]), "square matrix of finite numbers"),
        (lambda: ta.Implementability.from_matrix([[1.0]], ["a", "b"]), "1 types but 2 names"),
        (lambda: ta.implementability(*market(1), None, "g9", []), "there is no group 'g9'"),
        (lambda: ta.implementability(*market(1), None, "g0", []), "there is no type to test"),
        (lambda: ta.type_grid(market(1)[0], 0, seed=1), "count must be a whole number of at least 1"),
        (lambda: ta.type_grid(market(1)[0], 2, seed=1, sizes=(3, 1)), "sizes must be two positive numbers"),
        (lambda: ta.payment_equivalence(*market(1), "g0", 0), "steps must be a whole number of at least 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ta.InputError, match=message):
        call()


def test_what_is_no_rule_and_no_type():
    space, reports = random_market(np.random.default_rng(0))
    with pytest.raises(ta.InputError, match="rule must be a TrainingRule"):
        ta.implementability(space, reports, "Welfare", "g0", reports)
    with pytest.raises(ta.InputError, match="each type must be a Report"):
        ta.implementability(space, reports, None, "g0", [1])
    with pytest.raises(ta.InputError, match="two positive numbers in order"):
        ta.type_grid(space, 3, seed=0, sizes=2)

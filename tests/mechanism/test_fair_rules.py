"""Fair training rules against convex programs, grids, brute force and each other; their gaps are true."""

from dataclasses import replace

import cvxpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import numbers, reports_of, scale, settlements

import tuneaccord as ta
from tuneaccord.divergence import KL, Alpha, ChiSquared, JensenShannon, ReverseKL, SquaredHellinger, TotalVariation
from tuneaccord.spaces.space import ModelSpace
from tuneaccord.testing import check_settlement, random_market

BARGAINED = [
    ta.Bargained(),
    ta.Bargained(ta.Nash((1.0, 2.0, 3.0))),
    ta.Bargained(ta.KalaiSmorodinsky()),
    ta.Bargained(ta.Egalitarian()),
    ta.Bargained(ta.Utilitarian()),
]
FAIR = [ta.MaxMin(), ta.NashWelfare(), *BARGAINED]
RULES = [*FAIR, ta.SizeShare()]
DIVERGENCES = [KL, ChiSquared, ReverseKL, SquaredHellinger, JensenShannon, TotalVariation, lambda s: Alpha(s, 3.0)]


def market(seed, *, divergence=KL, strength=0.5, **shape):
    space, reports = random_market(np.random.default_rng(seed), **shape)
    return replace(space, divergence=divergence(strength)), reports


def table_of(seed, models=12, groups=3):
    """A finite market whose first row is the base, with ties among few distinct numbers."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 6, size=(models, groups)) / 5
    space = ta.Candidates(values, np.append(0.0, rng.integers(0, 3, size=models - 1) / 20), base=0)
    return space, [ta.Report(f"g{i}", float(rng.integers(1, 5))) for i in range(groups)]


def gains_of(space, reports):
    """w (r - v(base)) for every response, and the most of it, from the definitions."""
    base = np.atleast_2d(space.base)
    tables = np.stack([report.reward.on(base.shape) for report in reports], axis=-1)
    sizes = np.array([report.size for report in reports])
    gains = sizes * (tables - (base[:, :, None] * tables).sum(axis=1, keepdims=True))
    return tables, gains, space.prompt_weights @ np.where(base[:, :, None] > 0, gains, -9.0).max(axis=1)


def objective(rule, space, reports, policy):
    """The rule's objective at policies (..., prompts, responses), written from its definition."""
    tables, gains, ideal = gains_of(space, reports)
    price = space.divergence.price(policy, np.atleast_2d(space.base)) @ space.prompt_weights
    values = np.einsum("p,...pr,prg->...g", space.prompt_weights, policy, tables)
    gained = np.einsum("p,...pr,prg->...g", space.prompt_weights, policy, gains)
    sizes = np.array([report.size for report in reports])
    with np.errstate(divide="ignore", invalid="ignore"):
        if isinstance(rule, ta.MaxMin):
            return values.min(axis=-1) - price
        if isinstance(rule, ta.NashWelfare):
            return np.log(values) @ sizes - price
        if isinstance(rule, ta.SizeShare):
            return values @ sizes / sizes.sum() - price
        kind = type(rule.solution)
        if kind is ta.Nash:
            power = np.ones(len(sizes)) if rule.solution.power is None else np.array(rule.solution.power)
            return np.where((gained > 0).all(axis=-1), np.log(np.abs(gained)) @ power, -np.inf) - price
        if kind is ta.KalaiSmorodinsky:
            return (gained / ideal).min(axis=-1) - price
        return (gained.min(axis=-1) if kind is ta.Egalitarian else gained.sum(axis=-1)) - price


def convex_program(rule, space, reports):
    """The objective's maximum by Clarabel; KL, chi-squared or total variation."""
    tables, gains, ideal = gains_of(space, reports)
    base, rho, lam = np.atleast_2d(space.base), space.prompt_weights, space.divergence.strength
    policy = cvxpy.Variable(base.shape, nonneg=True)
    price = 0
    for p, row in enumerate(base):
        if isinstance(space.divergence, ta.KL):
            cost = cvxpy.sum(cvxpy.rel_entr(policy[p], row))
        elif isinstance(space.divergence, ChiSquared):
            cost = cvxpy.sum_squares(cvxpy.multiply(policy[p] - row, 1 / np.sqrt(row)))
        else:
            cost = cvxpy.norm1(policy[p] - row)
        price += rho[p] * lam * cost
    sizes = np.array([report.size for report in reports])
    values = [sum(rho[p] * policy[p] @ tables[p, :, g] for p in range(len(rho))) for g in range(len(sizes))]
    gained = [sum(rho[p] * policy[p] @ gains[p, :, g] for p in range(len(rho))) for g in range(len(sizes))]
    if isinstance(rule, ta.MaxMin):
        worth = cvxpy.minimum(*values)
    elif isinstance(rule, ta.NashWelfare):
        worth = sum(w * cvxpy.log(v) for w, v in zip(sizes, values, strict=True))
    elif isinstance(rule, ta.SizeShare):
        worth = sum(w * v for w, v in zip(sizes / sizes.sum(), values, strict=True))
    elif isinstance(rule.solution, ta.Nash):
        worth = sum(b * cvxpy.log(g) for b, g in zip(rule.solution.power or np.ones(len(sizes)), gained, strict=True))
    elif isinstance(rule.solution, ta.KalaiSmorodinsky):
        worth = cvxpy.minimum(*[g / most for g, most in zip(gained, ideal, strict=True)])
    else:
        worth = cvxpy.minimum(*gained) if isinstance(rule.solution, ta.Egalitarian) else sum(gained)
    problem = cvxpy.Problem(cvxpy.Maximize(worth - price), [cvxpy.sum(policy, axis=1) == 1])
    problem.solve(solver=cvxpy.CLARABEL)
    return problem.value, policy.value


@pytest.mark.parametrize("divergence", [KL, ChiSquared, TotalVariation])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_clarabel_finds_the_same_model(rule, divergence):
    space, reports = market(1, divergence=divergence, strength=0.3)
    result = ta.settle(space, reports, rule)
    best, policy = convex_program(rule, space, reports)
    ours = float(objective(rule, space, reports, result.optimum.model))
    assert ours == pytest.approx(best, abs=2e-6 * result.sizes.sum())  # Clarabel's digits
    if divergence is not TotalVariation:  # whose best model is not always unique
        np.testing.assert_allclose(result.optimum.model, policy, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("strength", [1e-3, 0.2, 30.0])
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_gap_is_small_for_any_divergence(divergence, strength):
    for rule in FAIR:
        result = ta.settle(*market(3, divergence=divergence, strength=strength), rule)
        assert 0 <= result.gap <= 1e-11 * result.sizes.sum()
        np.testing.assert_allclose(result.optimum.model.sum(axis=1), 1.0, rtol=1e-12)
        assert result.optimum.model.min() >= 0


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_no_other_policy_does_better_and_the_gap_bounds_any(rule, divergence):
    rng = np.random.default_rng(5)
    space, reports = market(4, divergence=divergence, strength=0.2)
    result = ta.settle(space, reports, rule)
    step = 0.1 ** rng.uniform(0, 6, size=(400, 1, 1))
    others = (1 - step) * result.optimum.model + step * rng.dirichlet(np.ones(5), size=(400, 2))
    best = float(objective(rule, space, reports, result.optimum.model))
    values = objective(rule, space, reports, others)
    assert (values <= best + 1e-11 * result.sizes.sum()).all()
    for other, value in zip(others[:2], values[:2], strict=True):
        stated = rule.gap(space, result.scores, result.sizes, replace(result.optimum, model=other))
        assert stated >= best - value - 1e-11 * result.sizes.sum()
        if np.isfinite(value):  # the certificate is not only a bound: the weights are the best ones
            assert stated == pytest.approx(best - value, rel=1e-6, abs=1e-10) or stated > best - value


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != BARGAINED[1]], ids=str)
def test_a_fine_grid_finds_nothing_better_for_two_groups(rule):
    share = np.linspace(0, 1, 20001)
    grid = np.stack([share, 1 - share], axis=-1)[:, None]
    for seed in range(5):
        space, reports = market(seed, prompts=1, responses=2, groups=2, strength=0.4)
        if isinstance(rule, ta.Bargained) and np.ptp([np.argmax(report.reward.scores) for report in reports]):
            continue  # opposed groups: nobody gains but at the other's cost
        result = ta.settle(space, reports, rule)
        values = objective(rule, space, reports, grid)
        best = float(objective(rule, space, reports, result.optimum.model))
        assert values.max() <= best + 1e-12 * result.sizes.sum()
        assert values.max() == pytest.approx(best, abs=1e-6 * result.sizes.sum())  # the grid's resolution, squared


@pytest.mark.slow
@given(settlements(), st.sampled_from([ta.MaxMin(), *BARGAINED[2:]]))
def test_ties_constants_and_zeros_do_no_harm(result, rule):
    found = ta.settle(result.space, result.reports, rule)
    strength = result.space.divergence.strength
    assert 0 <= found.gap <= 1e-10 * (scale(result) + 1) + 1e-14 * strength
    assert (found.optimum.model[np.atleast_2d(result.space.base) == 0] == 0).all()
    check_settlement(found)


@pytest.mark.slow
@given(settlements())
def test_a_nash_bargain_is_found_or_the_base_stays(result):
    found = ta.settle(result.space, result.reports, ta.Bargained())
    assert 0 <= found.gap <= 1e-9 * len(result.sizes)
    check_settlement(found)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_settlements_keep_their_laws(rule):
    for seed in range(2):
        for space, reports in (market(seed), market(seed, divergence=TotalVariation), table_of(seed)):
            result = ta.settle(space, reports, rule)
            check_settlement(result)
            exact = {promise.name for promise in result.guarantees if promise.status == "exact"}
            assert exact == {"never negative"}
            again = ta.Settlement.from_dict(result.to_dict())
            assert again.rule == rule
            assert again.model == pytest.approx(result.model)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != BARGAINED[1]], ids=str)
def test_a_group_of_size_zero_is_absent(rule):
    for space, reports in (market(6), market(6, divergence=TotalVariation)):
        scores = space.scores([report.reward for report in reports])
        sizes = np.array([report.size for report in reports])
        here = rule.choose(space, scores, sizes * [1, 0, 1])
        alone = rule.choose(space, scores[:, :, [0, 2]], sizes[[0, 2]])
        np.testing.assert_allclose(here.model, alone.model, atol=1e-9)
        nobody = rule.choose(space, scores, np.zeros(3))
        np.testing.assert_allclose(nobody.model, np.atleast_2d(space.base), atol=1e-12)


def scale_of(space, reports):
    return sum(report.size for report in reports) * np.abs(space.values).max()


def rows_by_hand(rule, space, reports):
    """The best row by loops over the table, ties to the first."""
    values = space.values.tolist()
    sizes = [report.size for report in reports]
    gains = [[w * (v - b) for w, v, b in zip(sizes, row, values[0], strict=True)] for row in values]
    ideal = [max(column) for column in zip(*gains, strict=True)]
    ideal = [most if most > 1e-12 else 0.0 for most in ideal]
    ranks = []
    for row, gained, price in zip(values, gains, space.prices.tolist(), strict=True):
        kept = [(g, most) for g, most in zip(gained, ideal, strict=True) if most > 0]
        hurt = any(g < -1e-12 for g, most in zip(gained, ideal, strict=True) if most == 0)
        if isinstance(rule, ta.MaxMin):
            rank = [v - price for v in sorted(row)]
        elif isinstance(rule, ta.NashWelfare):
            rank = [sum(w * np.log(v) for w, v in zip(sizes, row, strict=True)) - price]
        elif isinstance(rule.solution, ta.Utilitarian):
            rank = [sum(gained) - price]
        elif isinstance(rule.solution, ta.Nash):
            positive = all(g > 1e-12 for g, _ in kept) and not hurt
            rank = [sum(np.log(g) for g, _ in kept) - price if positive else -np.inf]
        elif hurt:
            rank = [-np.inf] * len(kept)
        else:
            units = [most if isinstance(rule.solution, ta.KalaiSmorodinsky) else 1.0 for _, most in kept]
            rank = [s - price for s in sorted(g / unit for (g, _), unit in zip(kept, units, strict=True))]
        ranks.append(tuple(round(number, 10) for number in rank))
    return max(range(len(ranks)), key=lambda k: (ranks[k], -k)) if max(ranks) > (-np.inf,) else 0


@pytest.mark.parametrize("rule", [rule for rule in FAIR if rule != BARGAINED[1]], ids=str)
def test_every_row_is_tried_on_a_finite_set(rule):
    for seed in range(60):
        space, reports = table_of(seed)
        result = ta.settle(space, reports, rule)
        assert result.model == rows_by_hand(rule, space, reports), seed
        assert result.gap <= 1e-14 * scale_of(space, reports)


def test_the_gap_of_a_row_is_what_it_misses():
    space, reports = table_of(1)
    result = ta.settle(space, reports, ta.MaxMin())
    worst = (space.values.min(axis=1) - space.prices).max() - (space.values[0].min() - space.prices[0])
    assert ta.MaxMin().gap(space, result.scores, result.sizes, replace(result.optimum, model=space.pick(0))) == worst


class Opaque(ModelSpace):
    """A simplex that says no more than the interface asks: no base distribution, no divergence."""

    def __init__(self, inner):
        self.inner = inner

    prompt_weights = property(lambda self: self.inner.prompt_weights)
    base_model = property(lambda self: self.inner.base_model)

    def scores(self, rewards):
        return self.inner.scores(rewards)

    def optimum(self, scores, sizes):
        return self.inner.optimum(scores, sizes)

    def externalities(self, scores, sizes, optimum):
        return self.inner.externalities(scores, sizes, optimum)

    def evaluate(self, scores, model):
        return self.inner.evaluate(scores, model)

    def gap(self, scores, sizes, optimum):
        return self.inner.gap(scores, sizes, optimum)

    def shown(self, model):
        return self.inner.shown(model)

    def boosted(self, boosts):
        return self.inner.boosted(boosts)

    def to_dict(self):
        return self.inner.to_dict()


@pytest.mark.slow
@pytest.mark.parametrize("rule", FAIR, ids=str)
def test_cutting_planes_agree_with_newton(rule):
    """A space that tells only its optima is solved by mixing models, to fewer digits but with a stated gap."""
    space, reports = market(7, strength=0.5)
    direct, mixed = ta.settle(space, reports, rule), ta.settle(Opaque(space), reports, rule)
    assert mixed.gap <= 1e-8 * direct.sizes.sum()
    np.testing.assert_allclose(mixed.optimum.model, direct.optimum.model, atol=1e-3)


def test_one_group_and_equal_groups_by_hand():
    space, reports = market(8, groups=1)
    alone = ta.settle(space, [replace(reports[0], size=1.0)]).optimum.model
    np.testing.assert_allclose(ta.settle(space, reports, ta.MaxMin()).optimum.model, alone, atol=1e-12)
    twins = [replace(reports[0], name=name) for name in "ab"]
    np.testing.assert_allclose(ta.settle(space, twins, ta.MaxMin()).optimum.model, alone, atol=1e-9)


def test_utilitarian_bargain_is_welfare():
    space, reports = market(9)
    bargain = ta.settle(space, reports, ta.Bargained(ta.Utilitarian()))
    np.testing.assert_allclose(bargain.optimum.model, ta.settle(space, reports).optimum.model, atol=1e-13)


@pytest.mark.parametrize("solution", [ta.Nash(), ta.KalaiSmorodinsky()], ids=str)
def test_scale_invariant_bargains_ignore_units(solution):
    space, reports = market(10)
    here = ta.settle(space, reports, ta.Bargained(solution))
    other = [
        ta.Report(r.name, r.size * (i + 2), ta.TableReward(r.reward.scores / (i + 1) - i))
        for i, r in enumerate(reports)
    ]
    there = ta.settle(space, other, ta.Bargained(solution))
    np.testing.assert_allclose(there.optimum.model, here.optimum.model, atol=1e-9)


@pytest.mark.parametrize("solution", [ta.Nash(), ta.KalaiSmorodinsky(), ta.Egalitarian()], ids=str)
def test_a_bargain_leaves_nobody_below_the_base(solution):
    for seed in range(5):
        result = ta.settle(*market(seed, strength=0.05), ta.Bargained(solution))
        assert (numbers(result.values) >= numbers(result.base_values) - 1e-12).all()


@pytest.mark.parametrize("divergence", [KL, TotalVariation])
def test_opposed_groups_keep_the_base(divergence):
    space = ta.Simplex([0.25, 0.75], divergence(0.5))
    reports = reports_of([3.0, 1.0], [np.array([1.0, 0.0]), np.array([0.0, 1.0])])
    for solution in (ta.Nash(), ta.KalaiSmorodinsky(), ta.Egalitarian()):
        result = ta.settle(space, reports, ta.Bargained(solution))
        np.testing.assert_allclose(result.model, space.base, atol=1e-6)
        assert result.gap <= 1e-12


def test_a_group_that_cannot_gain_has_no_say():
    space, reports = market(11)
    constant = ta.Report("constant", 100.0, ta.TableReward(np.full((2, 5), 0.3)))
    for solution in (ta.Nash(), ta.KalaiSmorodinsky(), ta.Egalitarian()):
        with_it = ta.settle(space, [*reports, constant], ta.Bargained(solution))
        np.testing.assert_allclose(
            with_it.optimum.model, ta.settle(space, reports, ta.Bargained(solution)).optimum.model, atol=1e-12
        )


def test_many_groups_and_large_numbers():
    space, reports = market(12, groups=40, responses=30, strength=3.0)
    for rule in (ta.MaxMin(), ta.NashWelfare()):
        assert ta.settle(space, reports, rule).gap <= 1e-11 * sum(report.size for report in reports)
    large = [ta.Report(r.name, r.size * 1e6, ta.TableReward(r.reward.scores * 1e6)) for r in reports[:5]]
    result = ta.settle(replace(space, divergence=KL(1e7)), large, ta.NashWelfare())
    assert result.gap <= 1e-11 * result.sizes.sum()


@pytest.mark.parametrize("divergence", [KL, TotalVariation])
def test_values_that_cannot_be_positive_are_named(divergence):
    space = ta.Simplex([0.5, 0.5], divergence(1.0))
    good = ta.Report("good", 1, ta.TableReward([1.0, 0.0]))
    for bad in ([0.0, 0.0], [-1.0, -2.0], [-1.0, 0.0]):
        with pytest.raises(ta.InputError, match="NashWelfare needs a model that gives every group a positive value"):
            ta.settle(space, [good, ta.Report("bad", 1, ta.TableReward(bad))], ta.NashWelfare())
    mixed = ta.Report("mixed", 1, ta.TableReward([-1.0, 2.0]))  # positive at some model
    result = ta.settle(space, [good, mixed], ta.NashWelfare())
    assert (numbers(result.values) > 0).all()
    assert result.gap <= 1e-11
    rows = ta.Candidates([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0])
    with pytest.raises(ta.InputError, match="NashWelfare needs"):
        ta.settle(rows, [ta.Report("a", 1), ta.Report("b", 1)], ta.NashWelfare())


def test_a_bargain_needs_a_base_and_a_solution():
    rows = ta.Candidates([[1.0, 0.5], [0.5, 1.0]], [0.0, 0.0])
    with pytest.raises(ta.InputError, match="no base row"):
        ta.settle(rows, [ta.Report("a", 1), ta.Report("b", 1)], ta.Bargained())
    with pytest.raises(ta.InputError, match="solution must be a bargaining solution"):
        ta.Bargained("Nash")
    with pytest.raises(ta.InputError, match="Nash has 2 powers but there are 3 players"):
        ta.settle(*market(1), ta.Bargained(ta.Nash((1.0, 2.0))))


@pytest.mark.parametrize("rule", RULES)
def test_rewards_where_no_model_goes_change_nothing(rule):
    rows, wild = [[[0.3, 1.0, 0.2]], [[0.5, 0.6, 0.7]]], [[[0.0, 0.3, 1.0, 0.2]], [[1e15, 0.5, 0.6, 0.7]]]
    if getattr(getattr(rule, "solution", None), "power", None):
        rule = ta.Bargained(ta.Nash((1.0, 2.0)))
    without = ta.settle(ta.Simplex([0.4, 0.4, 0.2], KL(2.0)), reports_of([1, 1], rows), rule)
    result = ta.settle(ta.Simplex([0.0, 0.4, 0.4, 0.2], KL(2.0)), reports_of([1, 1], wild), rule)
    np.testing.assert_allclose(result.model[1:], without.model, atol=1e-12)
    assert result.gap < 1e-11
    counted = ta.Simplex([[0.4, 0.4, 0.2]] * 2, KL(2.0), prompt_weights=[1.0, 0.0])
    result = ta.settle(counted, reports_of([1, 1], [[*rows[0], [0, 0, 0]], [*rows[1], [0, 0, 1e15]]]), rule)
    np.testing.assert_allclose(result.model[0], without.model, atol=1e-12)


def test_opposed_groups_stay_at_a_base_that_rounding_blurs():
    space = ta.Simplex([0.4, 0.6], KL(2.0))
    result = ta.settle(space, reports_of([1, 1], [[[0.3, 1.0]], [[1.0, 0.1]]]), ta.Bargained())
    np.testing.assert_allclose(result.model, [0.4, 0.6], atol=1e-12)


def test_a_giant_does_not_excuse_harm_to_a_group_without_a_say():
    table = ta.Candidates([[0.0, 1.0], [1.0, 0.0]], [0.0, 0.0], base=0)
    for rule in (ta.Bargained(), ta.Bargained(ta.Egalitarian()), ta.Bargained(ta.KalaiSmorodinsky())):
        for size in (1, 1e13):
            assert ta.settle(table, [ta.Report("giant", size), ta.Report("b", 1)], rule).model == 0

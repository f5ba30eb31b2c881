"""The externality payment under every divergence and under public weights and boosts."""

import numpy as np
import pytest
from markets import numbers, reports_of, scale
from priced import DIVERGENCES, ROUNDING, Case, Replaced

import tuneaccord as ta
from tuneaccord.divergence import KL, ChiSquared
from tuneaccord.testing import check_settlement

WEIGHTS = (2.0, 0.5, 1.3)


def without(result, index):
    """The model that the others would have chosen, and what a member of the group values it at."""
    others = ta.settle(result.space, [report for at, report in enumerate(result.reports) if at != index], result.rule)
    values, _ = result.space.evaluate(result.scores, others.optimum.model)
    return others, float(result.space.prompt_weights @ values[:, index])


@pytest.mark.parametrize("make", DIVERGENCES)
def test_a_payment_lies_between_nothing_and_the_gain_from_taking_part(make):
    rng = np.random.default_rng(71)
    for _ in range(5):
        result = Case(ta.Externality(), make).market(rng)
        for index, name in enumerate(result.names):
            gain = result.sizes[index] * (result.values[name] - without(result, index)[1])
            assert 0 <= result.payments[name] <= gain + 10 * ROUNDING * scale(result)


@pytest.mark.parametrize(("make", "factor"), [(KL, 8), (ChiSquared, 16)])
def test_a_payment_is_at_most_quadratic_in_what_is_at_stake(make, factor):
    """Hoeffding under KL; a variance is at most a quarter of the squared range under interior chi-squared."""
    rng = np.random.default_rng(72)
    closest = 0.0
    for _ in range(40):
        strengths = (6.0, 100.0) if make is ChiSquared else (0.05, 100.0)
        result = Case(ta.Externality(), make, strengths=strengths).market(rng, prompts=1)
        spread = result.scores[0].max(axis=0) - result.scores[0].min(axis=0)
        bound = result.sizes**2 * spread**2 / (factor * result.space.divergence.strength)
        assert (numbers(result.payments) <= bound * (1 + ROUNDING)).all()
        closest = max(closest, (numbers(result.payments)[bound > 0] / bound[bound > 0]).max(initial=0.0))
    assert closest > 0.5  # not an idle bound


@pytest.mark.parametrize("make", [KL, ChiSquared])
def test_the_payment_is_the_area_over_the_value(make):
    """pay = w v(w) - integral of v, and so dpay/dw = w dv/dw, by Gauss-Legendre in the size."""
    nodes, masses = np.polynomial.legendre.leggauss(40)
    rng = np.random.default_rng(73)
    for _ in range(3):
        result = Case(ta.Externality(), make, strengths=(6.0, 20.0)).market(rng)
        first = result.reports[0]
        values = []
        for node in nodes:
            size = first.size * (node + 1) / 2
            again = ta.settle(result.space, [ta.Report("g0", size, first.reward), *result.reports[1:]])
            values.append(again.values["g0"])
        area = first.size / 2 * (masses @ values)
        assert result.payments["g0"] == pytest.approx(result.group_values["g0"] - area, abs=1e-12 * scale(result))


def test_interior_chi_squared_payments_do_not_see_the_others():
    rng = np.random.default_rng(74)
    result = Case(ta.Externality(), ChiSquared, strengths=(6.0, 20.0)).market(rng, prompts=1)
    base = result.space.base[0]
    for index, name in enumerate(result.names):
        reward = result.scores[0, :, index]
        variance = base @ (reward - base @ reward) ** 2
        expected = result.sizes[index] ** 2 * variance / (4 * result.space.divergence.strength)
        assert result.payments[name] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("make", [KL, *DIVERGENCES[1:4]])
def test_public_weights_on_a_simplex(make):
    """Payments by their definition, one optimum at a time; then truth, and staying out, under the same weights."""
    rng = np.random.default_rng(75)
    for _ in range(4):
        plain = Case(ta.Externality(), make).market(rng)
        result = ta.settle(plain.space, plain.reports, ta.Welfare(weights=WEIGHTS))
        weighted = np.array(WEIGHTS) * result.sizes
        for index, name in enumerate(result.names):
            absent = np.where(np.arange(3) == index, 0.0, weighted)
            best = result.space.optimum(result.scores, absent)
            values = result.optimum.values * absent
            others = result.space.prompt_weights @ (values.sum(axis=1) - result.optimum.price)
            expected = (result.space.prompt_weights @ best.support - others) / WEIGHTS[index]
            assert result.payments[name] == pytest.approx(expected, abs=10 * ROUNDING * scale(result))
            alone, _ = result.space.evaluate(result.scores, best.model)
            outside = result.sizes[index] * (result.space.prompt_weights @ alone[:, index])
            assert result.utilities[name] >= outside - 10 * ROUNDING * scale(result)
            lies = [Replaced(rng.uniform(0.1, 9), rng.uniform(size=result.space.shape)) for _ in range(5)]
            for lie in ta.sweep(result, name, lies):
                assert lie.utility <= result.utilities[name] + 10 * ROUNDING * scale(result)
        assert (result.payments_by_prompt >= 0).all()
        check_settlement(result)


def test_public_weights_and_boosts_on_candidates():
    rng = np.random.default_rng(76)
    for _ in range(30):
        values, prices, boosts = rng.uniform(size=(6, 3)), rng.uniform(size=6), rng.normal(size=6)
        models = ta.Candidates(values, prices)
        sizes = rng.uniform(0.5, 3, size=3)
        reports = [ta.Report(f"g{i}", w) for i, w in enumerate(sizes)]
        result = ta.settle(models, reports, ta.Welfare(weights=WEIGHTS, boosts=tuple(boosts)))
        weighted = np.array(WEIGHTS) * sizes
        assert result.model == int((values @ weighted - prices + boosts).argmax())
        for index, name in enumerate(result.names):
            others = np.where(np.arange(3) == index, 0.0, weighted)
            worth = values @ others - prices + boosts
            paid = (worth.max() - worth[result.model]) / WEIGHTS[index]
            assert result.payments[name] == pytest.approx(paid, abs=1e-13)
            assert result.payments[name] >= 0
            assert result.utilities[name] >= sizes[index] * values[worth.argmax(), index] - 1e-13
            lies = [Replaced(rng.uniform(0.1, 9), rng.uniform(-1, 2, size=(1, 6))) for _ in range(5)]
            assert max(lie.utility for lie in ta.sweep(result, name, lies)) <= result.utilities[name] + 1e-12


def test_weights_that_depend_on_the_reported_size_are_not_public():
    """Dividing by the reported total, which looks harmless, lets a group gain by its size."""
    rng = np.random.default_rng(77)
    gains = []
    for _ in range(30):
        base = rng.dirichlet(np.ones(3))
        tables, sizes = rng.uniform(size=(2, 1, 3)), rng.uniform(0.5, 4, size=2)

        def utility(reported, base=base, tables=tables, sizes=sizes):
            total = reported + sizes[1]
            reports = reports_of([reported, sizes[1]], tables)
            result = ta.settle(ta.Simplex(base, ta.KL(0.2)), reports, ta.Welfare(weights=(1 / total, 1 / total)))
            return sizes[0] * result.values["g0"] - result.payments["g0"]

        gains.append(max(utility(factor * sizes[0]) for factor in (0.5, 0.8, 1.25, 2.0)) - utility(sizes[0]))
    assert max(gains) > 1e-3

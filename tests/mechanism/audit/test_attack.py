"""The attack finds nothing where the payment is exact, the closed form where there is none, and breaks heuristics."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.mechanism.audit.attack import EFFORTS, general_attack, turning_sizes
from tuneaccord.mechanism.audit.best_response import rows_of
from tuneaccord.mechanism.audit.outcomes import ROUNDING, money_scale
from tuneaccord.mechanism.audit.pairs import PairRows
from tuneaccord.mechanism.feasible import Feasible
from tuneaccord.mechanism.rules import appraised
from tuneaccord.testing import random_market

pytestmark = pytest.mark.slow

SMOOTH = [
    ta.KL(1.0),
    ta.ReverseKL(1.0),
    ta.ChiSquared(1.0),
    ta.SquaredHellinger(2.0),
    ta.JensenShannon(3.0),
    ta.Alpha(1.0, 0.5),
    ta.Alpha(1.0, 1.5),
]
ALL = [*SMOOTH, ta.TotalVariation(1.0)]


def name(divergence):
    return type(divergence).__name__


def settled(rng, divergence=None, scale=None, **options):
    given = {key: options.pop(key) for key in ("payment", "rule") if key in options}
    space, reports = random_market(rng, divergence=divergence, **options)
    reports = [ta.Report(r.name, r.size, ta.TableReward(r.reward.scores, scale)) for r in reports]
    return ta.settle(space, reports, **given)


def attacked(result, index=0, effort="quick", factors=(0.5, 1.0, 2.0), seed=0):
    """The gain of the general attack by itself, without the families' help."""
    nothing = np.zeros((0, *result.scores.shape[:2]))
    feasible, rng = Feasible.of(result, index), np.random.default_rng(seed)
    size, table = general_attack(result, index, feasible, factors, nothing, EFFORTS[effort], rng)
    group = result.names[index]
    lie = ta.what_if(result, group, ta.TableMisreport(table, size / result.sizes[index]))
    return lie.utility - result.utilities[group]


@pytest.mark.parametrize("divergence", SMOOTH, ids=name)
@pytest.mark.parametrize("charged", [True, False])
def test_gradients_are_those_of_finite_differences(divergence, charged):
    rng = np.random.default_rng(1)
    rows = rows_of(settled(rng, divergence, prompts=3, responses=4), 0, 2.0, charged)
    tables = rng.uniform(size=(3, 4))
    _, gradient = rows.value_and_gradient(tables)
    _check_gradient(lambda at: rows.value_and_gradient(at)[0], tables, gradient)


@pytest.mark.parametrize("divergence", SMOOTH, ids=name)
@pytest.mark.parametrize("charged", [True, False])
def test_joint_gradients_are_those_of_finite_differences(divergence, charged):
    rng = np.random.default_rng(2)
    base, rest = rng.dirichlet(np.ones(4), size=3), rng.uniform(size=(3, 4))
    pair = [rng.uniform(0.5, 2, 2) for _ in range(3)]
    rows = PairRows(divergence, base, rest, rng.uniform(size=(2, 3, 4)), *pair, charged)
    tables = rng.uniform(size=(3, 8))
    _, gradient = rows.value_and_gradient(tables)
    _check_gradient(lambda at: rows.value_and_gradient(at)[0], tables, gradient)


def _check_gradient(function, tables, gradient):
    for column in range(tables.shape[1]):
        step = 1e-6 * (np.arange(tables.shape[1]) == column)
        slope = (function(tables + step) - function(tables - step)) / 2e-6
        np.testing.assert_allclose(gradient[:, column], slope, atol=1e-7)  # a difference keeps half the digits


@pytest.mark.parametrize("divergence", ALL, ids=name)
@pytest.mark.parametrize("scale", [None, "max", "sum"])
def test_with_the_exact_payment_nothing_is_found(divergence, scale):
    rng = np.random.default_rng(3)
    rule = ta.Welfare(weights=tuple(rng.uniform(0.5, 2, size=3)))
    result = settled(rng, divergence, scale, rule=rule, responses=4)
    assert attacked(result) <= 1e-12 * money_scale(result, 0)
    report = ta.audit(result, ["g1"], pairs=False, false_names=False)
    assert not report.promise_broken
    assert report.largest_gain == 0.0
    assert all(lie.gain <= 1e-12 * money_scale(result, 1) for group in report.groups for lie in group.lies)


@pytest.mark.parametrize("divergence", SMOOTH, ids=name)
@pytest.mark.parametrize("scale", [None, "max", "sum"])
def test_without_payments_it_finds_the_best_response(divergence, scale):
    rng = np.random.default_rng(4)
    for _ in range(2):
        result = settled(rng, divergence, scale, payment=ta.Free(), responses=4)
        best = ta.best_response_without_payments(result, "g0", largest_size=2 * result.sizes[0])
        gain = attacked(result, effort="thorough", factors=(1.0, 2.0))
        assert gain > 0
        assert gain >= (1 - 1e-5) * best.gain  # an ascent rests a little short of the fractional reward
        if best.exact or scale != "sum":
            assert gain <= best.gain + 1e-12
        else:  # several local maxima, and both are searches
            assert gain == pytest.approx(best.gain, rel=0.01)


@dataclass(frozen=True)
class SameFree(ta.Free):
    """Another class with no payments, for which lies are settled one by one."""


@dataclass(frozen=True)
class SameExternality(ta.Externality):
    """Another class with the exact payment."""


@pytest.mark.parametrize("divergence", ALL, ids=name)
def test_settling_lies_one_by_one_comes_to_the_same(divergence):
    rng = np.random.default_rng(5)
    result = settled(rng, divergence, prompts=2, responses=3)
    free = ta.settle(result.space, result.reports, payment=SameFree())
    batched = attacked(ta.settle(result.space, result.reports, payment=ta.Free()))
    assert attacked(free) == pytest.approx(batched, rel=0.01)  # fewer settlements than batched steps
    exact = ta.settle(result.space, result.reports, payment=SameExternality())
    assert attacked(exact) <= 1e-12 * money_scale(exact, 0)


def test_the_loss_from_a_lie_is_the_divergence_of_the_two_policies():
    rng = np.random.default_rng(6)
    for _ in range(30):
        result = settled(rng, strength=0.7)
        table = rng.uniform(size=result.scores.shape[:2])
        lie = ta.what_if(result, "g0", ta.TableMisreport(table, 1.7))
        score = result.scores @ result.sizes - result.sizes[0] * (result.scores[:, :, 0] - 1.7 * table)
        lied = np.atleast_2d(result.space.base) * np.exp(score / 0.7)
        lied /= lied.sum(axis=1, keepdims=True)
        loss = 0.7 * result.space.prompt_weights @ (lied * np.log(lied / result.optimum.model)).sum(axis=1)
        assert result.utilities["g0"] - lie.utility == pytest.approx(loss, abs=1e-12 * money_scale(result, 0))


def test_the_first_heuristic_is_broken_within_its_certificate():
    rng = np.random.default_rng(7)
    gains = []
    for _ in range(3):
        result = settled(rng, prompts=1, responses=3, groups=2, payment=ta.Intermediate((0.0, 0.25, 0.5, 0.75, 1.0)))
        report = ta.audit(result, pairs=False, false_names=False)
        for group in report.groups:
            assert group.regret[0] <= group.regret[1]
            gains.append(group.best.gain)
        assert not report.promise_broken
    assert max(gains) > 0.01
    assert any(group.pays and "A lie that pays" in group.verdict for group in report.groups)


@dataclass(frozen=True)
class Filtered(ta.TrainingRule):
    """Draws its responses from the reports: only those that some group likes best are kept. Its claims are false."""

    affine = True

    def choose(self, space, scores, sizes):
        kept = np.zeros(scores.shape[:2], bool)
        for group in np.flatnonzero(sizes):
            kept |= scores[:, :, group] == scores[:, :, group].max(axis=1, keepdims=True)
        base = np.where(kept, space.base_model, 0.0)
        inner = replace(space, base=base / base.sum(axis=1, keepdims=True))
        return appraised(space, scores, sizes, inner.optimum(scores, sizes).model)

    def gap(self, space, scores, sizes, optimum):
        return 0.0


def test_responses_drawn_from_the_reports_break_the_promise_and_are_caught():
    result = settled(np.random.default_rng(8), rule=Filtered(), prompts=2, responses=4)
    report = ta.audit(result, pairs=False, false_names=False)
    assert report.promise_broken
    assert "The certificate fails" in " ".join(report.verdicts)
    assert report.to_dict()["promise_broken"] is True


@dataclass(frozen=True)
class Coarse(ta.TrainingRule):
    """The best policy, mixed with the base by a tenth: not the best one, and its gap says so."""

    affine = True

    def choose(self, space, scores, sizes):
        return appraised(space, scores, sizes, 0.9 * space.optimum(scores, sizes).model + 0.1 * space.base_model)


@pytest.mark.parametrize("divergence", [ta.KL(1.0), ta.ChiSquared(1.0), ta.TotalVariation(1.0)], ids=name)
def test_the_certificate_contains_the_attack(divergence):
    rng = np.random.default_rng(9)
    found = []
    for _ in range(2):
        result = settled(rng, divergence, rule=Coarse(), prompts=1, responses=3, groups=2)
        report = ta.audit(result, pairs=False, false_names=False)
        assert not report.promise_broken
        found += [group.regret for group in report.groups]
    assert all(low <= high + 1e-12 for low, high in found)
    if divergence in SMOOTH:  # and it is not far from what a lie can gain
        assert max(low / high for low, high in found) > 0.1


def test_on_candidates_every_report_and_size_is_covered():
    rng = np.random.default_rng(10)
    for payment in (ta.Externality(), ta.Free(), SameFree()):
        for _ in range(5):
            table = rng.uniform(size=(4, 3))
            models = ta.Candidates(table, rng.uniform(size=4))
            result = ta.settle(models, [ta.Report(f"g{i}", rng.uniform(1, 4)) for i in range(3)], payment=payment)
            gain = attacked(result)
            for _ in range(50):
                lie = ta.TableMisreport(rng.uniform(size=(1, 4)), rng.uniform(0.01, 2))
                told = ta.what_if(result, "g0", lie)
                assert told.utility - result.utilities["g0"] <= gain + 1e-12
            if isinstance(payment, ta.Externality):
                assert gain <= ROUNDING


def test_size_lies_on_candidates_are_found_by_breakpoints():
    models = ta.Candidates([[0.0, 2.0], [0.5, 1.75], [1.0, 1.4]], [0.0, 0.0, 0.0])
    result = ta.settle(models, [ta.Report("a", 1), ta.Report("b", 1)])
    sizes = turning_sizes(result, 0, 2.0)
    winners = [models.optimum(result.scores, np.array([size, 1.0])).model.argmax() for size in sizes]
    dense = [models.optimum(result.scores, np.array([size, 1.0])).model.argmax() for size in np.linspace(0.001, 2, 999)]
    assert winners == sorted(set(dense)) == [0, 1, 2]

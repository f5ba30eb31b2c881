"""The model that maximises a concave function of the groups' values minus the price.

``max F(v) - D`` over models is ``min conjugate(c) + h(c)`` over weights, where ``h`` is the space's own support
function, whose gradient is the values: a problem with as many unknowns as groups, whatever the number of responses.
On a simplex with a smooth divergence it is solved by Newton's method. Where the price has kinks, or the space tells
no second derivatives, models are mixed by cutting planes. Finite sets of models are searched row by row. Each way
ends in weights, and any weights certify any model: its distance from the best one is at most

    [conjugate(c) + c.v - F(v)]  +  [h(c) - (c.v - D)].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuneaccord.bargaining.forms import Form, LogSum, Minimum, Total, first_best
from tuneaccord.mechanism.rules.newton import minimise_on_simplex, minimise_with_logs
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.spaces.space import ModelSpace, Optimum

#: rewards below it count as zero, so that their inverses and squares are numbers
TINY = 1e-100
#: of the scale: a gap above it sends a Newton solution to the cutting planes
_PRECISE = 1e-12
#: of the scale: a value below it cannot be told from zero
NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class Problem:
    """Maximise ``form(values) - D`` over the models of ``space``.

    ``tables`` (prompts, responses, counted groups) are what the form sees of each response, ``harmless`` says
    which models of a finite set may be chosen (default: all).
    """

    space: ModelSpace
    tables: np.ndarray
    form: Form
    harmless: np.ndarray | None = None

    @property
    def scale(self) -> float:
        """The largest number among the tables."""
        return float(self.spread.max())

    @property
    def spread(self) -> np.ndarray:
        """The largest number of each group's table."""
        return np.maximum(extent(self.space, self.tables), TINY)

    def values(self, optimum: Optimum) -> np.ndarray:
        """Means over prompts."""
        return self.space.prompt_weights @ optimum.values

    def evaluated(self, model: np.ndarray) -> Optimum:
        """The model with its values on these tables."""
        values, price = self.space.evaluate(self.tables, model)
        return Optimum(model, np.full_like(price, np.nan), values, price)

    def slack(self, weights: np.ndarray, model: np.ndarray) -> float:
        """How far the model can be from the best one, certified by the weights."""
        here = self.evaluated(model)
        return self.form.slack(weights, self.values(here)) + self.space.gap(self.tables, weights, here)


@dataclass(frozen=True, eq=False)
class Solution:
    """The best model and the weights that certify it, with the gap; no weights for a finite set."""

    model: np.ndarray
    weights: np.ndarray | None
    gap: float


def solve(problem: Problem) -> Solution | None:
    """The best model; None where no model has a finite score, as when a logarithm's argument is never positive."""
    if isinstance(problem.space, Candidates):
        return _best_row(problem)
    if isinstance(problem.form, LogSum) and (largest(problem.space, problem.tables) <= NOTHING * problem.spread).any():
        return None
    if isinstance(problem.form, Total):
        return _solution(problem, np.ones(problem.tables.shape[2]))
    found = None
    if isinstance(problem.space, Simplex) and _smooth(problem):
        found = _by_newton(problem)
        if found is None or found.gap <= _PRECISE * size_of(problem):
            return found
    from tuneaccord.mechanism.rules.cutting import solve_by_cutting

    mixed = solve_by_cutting(problem)
    return min((s for s in (found, mixed) if s is not None and s.gap < np.inf), key=lambda s: s.gap, default=None)


def distance(problem: Problem, model: np.ndarray) -> float:
    """A certified bound on how far ``model`` is from the best one, by the problem's objective."""
    if isinstance(problem.space, Candidates):
        levels = _row_levels(problem)[:, 0]
        chosen = levels[int(model[0].argmax())]
        return 0.0 if levels.max() == -np.inf else float(levels.max() - chosen)
    best = solve(problem)
    return 0.0 if best is None else problem.slack(best.weights, model)


def _best_row(problem: Problem) -> Solution | None:
    levels = _row_levels(problem)
    if levels[:, 0].max() == -np.inf:
        return None
    best = first_best(levels, 1e-14 * float(np.abs(levels[np.isfinite(levels)]).max()))
    return Solution(problem.space.pick(best), None, 0.0)


def _row_levels(problem: Problem) -> np.ndarray:
    levels = problem.form.levels(problem.tables[0]) - problem.space.prices[:, None]
    return levels if problem.harmless is None else np.where(problem.harmless[:, None], levels, -np.inf)


def _solution(problem: Problem, weights: np.ndarray) -> Solution:
    model = problem.space.optimum(problem.tables, weights).model
    return Solution(model, weights, problem.slack(weights, model))


def size_of(problem: Problem) -> float:
    """The size of the objective's numbers, which rounding is relative to."""
    if isinstance(problem.form, LogSum):
        return float(problem.form.powers.sum())
    return float((extent(problem.space, problem.tables) / problem.form.units).max())


def _by_newton(problem: Problem) -> Solution | None:
    form = problem.form
    if isinstance(form, Minimum):
        return _solution(problem, _even_weights(problem, form.units))
    assert isinstance(form, LogSum)
    start = _positive_values(problem)
    if start is None:
        return None
    weights = minimise_with_logs(_dual(problem), form.powers, form.powers / start)
    return _solution(problem, weights)


def _even_weights(problem: Problem, units: np.ndarray, precision: float = 1e-15) -> np.ndarray:
    """The weights of ``max min_i v_i / units_i - D``."""
    ratios = Problem(problem.space, problem.tables / units, Minimum(np.ones_like(units)))
    return minimise_on_simplex(_dual(ratios), np.ones_like(units), ratios.scale, precision) / units


def _positive_values(problem: Problem) -> np.ndarray | None:
    """The values of some model that lifts all of them above zero; None where there is none up to rounding."""
    from tuneaccord.mechanism.rules.cutting import lifted_values

    spread = problem.spread
    here = problem.values(problem.space.optimum(problem.tables, np.zeros_like(spread)))
    if not (here > 0.01 * spread).all():
        weights = _even_weights(problem, spread, precision=1e-8)
        here = problem.values(problem.space.optimum(problem.tables, weights))
    return here if (here > NOTHING * spread).all() else lifted_values(problem)


def _dual(problem: Problem):
    """``h`` of the weights with its first two derivatives."""
    rho = problem.space.prompt_weights

    def support(weights):
        here = problem.space.optimum(problem.tables, weights)
        return float(rho @ here.support), problem.values(here), _curvature(problem, here.model)

    return support


def _curvature(problem: Problem, model: np.ndarray) -> np.ndarray:
    """The Hessian of ``h``: the covariance of the tables under the responses' mobility, summed over prompts."""
    mobility = problem.space.divergence.response(model, problem.space.base_model)
    total = np.maximum(mobility.sum(axis=1), np.finfo(float).tiny)
    means = np.einsum("pr,prg->pg", mobility, problem.tables) / total[:, None]
    centred = problem.tables - means[:, None]
    weighted = centred * (problem.space.prompt_weights[:, None] * mobility)[:, :, None]
    groups = problem.tables.shape[2]
    return weighted.reshape(-1, groups).T @ centred.reshape(-1, groups)


def _smooth(problem: Problem) -> bool:
    """Whether probabilities move with scores at all; under total variation they jump."""
    base = problem.space.base_model
    return bool(problem.space.divergence.response(base, base).any())


def extent(space: ModelSpace, tables: np.ndarray) -> np.ndarray:
    """The largest absolute number of each column among the prompts that count."""
    return np.abs(tables[space.prompt_weights > 0]).max(axis=(0, 1))


def largest(space: ModelSpace, tables: np.ndarray) -> np.ndarray:
    """The largest value of each column over all models, means over prompts."""
    if isinstance(space, Candidates):
        return tables[0].max(axis=0)
    if isinstance(space, Simplex):
        possible = np.where(space.base_model[:, :, None] > 0, tables, -np.inf)
        return space.prompt_weights @ possible.max(axis=1)
    far = 1e9  # times the value: the price is then nothing beside it
    alone = [space.optimum(tables, far * row).values[:, group] for group, row in enumerate(np.eye(tables.shape[2]))]
    return space.prompt_weights @ np.stack(alone, axis=1)

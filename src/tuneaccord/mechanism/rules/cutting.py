"""Cutting planes: the best mixture of models that a space named, with more models named until none helps.

For spaces without second derivatives, and for prices with kinks, where the best model lies between the models that
attain ``h``. The price of a mixture is at most the mixture of the prices, so the mixture found is at least as good
as the master problem says. With a price of finitely many pieces the method ends at the exact solution.
"""

from __future__ import annotations

import numpy as np

from tuneaccord.bargaining.forms import LogSum, Minimum
from tuneaccord.mechanism.rules.concave import NOTHING, Problem, Solution, size_of
from tuneaccord.mechanism.rules.newton import minimise_on_simplex

_ROUNDS = 300
#: rounds without a better certificate, after which none is hoped for
_PATIENCE = 30
#: prices are divided by these while a model is sought that lifts every value above zero
_CHEAPER = (1.0, 1e3, 1e6)


class Columns:
    """The models named so far: their values on the tables and their prices, means over prompts."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.models: list[np.ndarray] = []
        self.values: list[np.ndarray] = []
        self.prices: list[float] = []

    def add(self, model: np.ndarray) -> None:
        here = self.problem.evaluated(model)
        self.models.append(model)
        self.values.append(self.problem.values(here))
        self.prices.append(float(self.problem.space.prompt_weights @ here.price))

    def mixed(self, shares: np.ndarray) -> np.ndarray:
        return np.einsum("k,kpr->pr", shares, np.array(self.models))


def solve_by_cutting(problem: Problem) -> Solution | None:
    """The best model with its certificate; None where no model lifts every value above zero and the form needs it."""
    columns = Columns(problem)
    groups = problem.tables.shape[2]
    spread = problem.spread
    if problem.space.base_model is not None:
        columns.add(problem.space.base_model)
    if isinstance(problem.form, Minimum):
        return _rounds(problem, columns, _even_shares, np.ones(groups) / groups / problem.form.units)
    if _lift(problem, columns) is None:
        return None
    return _rounds(problem, columns, _log_shares, problem.form.powers / spread)


def lifted_values(problem: Problem) -> np.ndarray | None:
    """The values of a mixture that lifts all of them above zero; None where there is none up to rounding."""
    columns = Columns(problem)
    shares = _lift(problem, columns)
    return None if shares is None else shares @ np.array(columns.values)


def _lift(problem: Problem, columns: Columns) -> np.ndarray | None:
    """A mixture of the columns, to which it adds, that lifts every value above zero; None where there is none."""
    spread = problem.spread
    for cheaper in _CHEAPER:
        weights, before = np.ones(len(spread)) / len(spread), -np.inf
        for _ in range(_ROUNDS):
            columns.add(problem.space.optimum(problem.tables, cheaper * weights / spread).model)
            ratios, prices = np.array(columns.values) / spread, np.array(columns.prices) / cheaper
            shares, weights = _linear_program(ratios, prices)
            now = float((shares @ ratios).min() - shares @ prices)
            if now <= before + NOTHING:
                break
            before = now
        if (shares @ ratios).min() > NOTHING:
            return shares
    return None


def _rounds(problem: Problem, columns: Columns, master, weights: np.ndarray) -> Solution:
    best, bound, certificate, stuck = None, np.inf, weights, 0
    enough = 1e-13 * size_of(problem)
    for _ in range(_ROUNDS):
        named = problem.space.optimum(problem.tables, weights)
        columns.add(named.model)
        shares, proposed = master(problem, np.array(columns.values), np.array(columns.prices))
        model = columns.mixed(shares)
        candidates = [weights, proposed, certificate]
        gaps = [problem.slack(each, model) for each in candidates]
        certificate, gap = candidates[int(np.argmin(gaps))], min(gaps)
        stuck = 0 if gap < bound else stuck + 1
        if gap < bound:
            best, bound = Solution(model, certificate, gap), gap
        if bound <= enough or stuck >= (3 if bound <= 100 * enough else _PATIENCE):
            break
        weights = proposed
    return best


def _even_shares(problem: Problem, values: np.ndarray, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    shares, weights = _linear_program(values / problem.form.units, prices)
    return shares, weights / problem.form.units


def _linear_program(ratios: np.ndarray, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mixture with the largest smallest ratio net of its price, and the weights that support it."""
    from scipy.optimize import linprog

    count, groups = ratios.shape
    # where nothing is to be had prices set the scale, or their ratio to it would overflow the solver
    scale = max(float(np.abs(ratios).max()), 1e-9 * float(np.abs(prices).max())) or 1.0
    found = linprog(
        np.append(prices / scale, -1.0),
        A_ub=np.column_stack([-ratios.T / scale, np.ones(groups)]),
        b_ub=np.zeros(groups),
        A_eq=np.append(np.ones(count), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * count + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    shares, weights = np.maximum(found.x[:-1], 0.0), np.maximum(-found.ineqlin.marginals, 0.0)
    return shares / shares.sum(), weights / weights.sum()


def _log_shares(problem: Problem, values: np.ndarray, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(problem.form, LogSum)
    powers = problem.form.powers

    def shortfall(shares):
        gains = shares @ values
        if (gains <= 0).any():
            return np.inf, prices, np.zeros((len(shares), len(shares)))
        slope = values / gains
        return float(shares @ prices - powers @ np.log(gains)), prices - slope @ powers, (slope * powers) @ slope.T

    spread = np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    start, _ = _linear_program(values / spread, np.zeros_like(prices))
    start = 0.999 * start + 0.001 / len(start)
    while (start @ values <= 0).any():  # the even part may hurt somebody
        start = 0.9 * start + 0.1 * _linear_program(values / spread, np.zeros_like(prices))[0]
    shares = minimise_on_simplex(shortfall, start, float(powers.sum()))
    return shares, powers / (shares @ values)

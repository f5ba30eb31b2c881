"""Derivatives along the equilibrium against closed forms and differences of plays."""

from __future__ import annotations

import numpy as np
import pytest

from tuneaccord import (
    Capped,
    Fixed,
    Generalist,
    Level,
    Linear,
    Log,
    Logistic,
    Power,
    Saturating,
    Specialist,
    Sqrt,
    Tabulated,
)
from tuneaccord.bargaining.engine.gradients import gradients
from tuneaccord.bargaining.engine.investing import play_many

COST = Generalist(cost=Power(0.8, 1.9))
SQRT = Specialist("b", cost=Power(1.0, 2.2), revenue=Sqrt(1.0))
LOG = Specialist("b", cost=Power(1.0, 2.2), revenue=Log(1.5, 2.0))
STRAIGHT = Specialist("b", cost=Power(1.0, 3), revenue=Linear(2.0))
TABLE = Tabulated((0, 1, 2, 4), (0, 2, 3, 3.5), beyond="flat")
KINDS = {
    "straight": [Specialist("a", cost=Power(1.5, 2), revenue=Linear(1.0)), STRAIGHT],
    "concave": [Specialist("a", cost=Power(1.5, 1.7), revenue=Sqrt(2.0)), LOG],
    "free-rider": [Specialist("a", cost=Linear(2.0), revenue=Saturating(2.0, 1.0)), LOG],
    "level": [Specialist("a", cost=Level(Power(0.2, 2.0)), revenue=Log(1.5, 2.0)), SQRT],
    "set-up": [Specialist("a", cost=Fixed(0.05, Power(0.5, 2.0)), revenue=Sqrt(2.0)), STRAIGHT],
    "logistic": [Specialist("a", cost=Power(0.5, 1.5), revenue=Logistic(4.0, 1.0, 0.4)), SQRT],
    "capped": [Specialist("a", cost=Power(0.1, 2.0), revenue=Capped(1.2, Linear(1.0))), SQRT],
    "tabulated": [Specialist("a", cost=Tabulated((0, 1, 2, 3), (0, 1, 4, 9)), revenue=TABLE)],
    "abstainer": [SQRT, Specialist("a", cost=Power(1.0, 3), revenue=Linear(1.0), entry_cost=50.0)],
}


def differences(specialists, shares, step=1e-4):
    """Fourth-order differences of utilities."""
    columns = []
    for j in range(len(specialists)):
        moved = np.array([shares + k * step * np.eye(len(specialists))[j] for k in (-2, -1, 1, 2)])
        u = play_many(COST, specialists, moved).utilities
        columns.append((u[0] - 8 * u[1] + 8 * u[2] - u[3]) / (12 * step))
    return np.array(columns).T


@pytest.mark.parametrize("name", KINDS)
def test_against_differences(name):
    specialists = KINDS[name]
    shares = np.array([0.45, 0.6][: len(specialists)])
    found = gradients(COST, specialists, play_many(COST, specialists, [shares]))[0]
    expected = differences(specialists, shares)
    # utilities are good to 1e-15, so their differences to 1e-11
    np.testing.assert_allclose(found, expected, atol=2e-9 * np.abs(expected).max())


def test_quadratic_closed_form():
    b, c, c0 = np.array([1.0, 1.3, 0.7]), np.array([1.0, 2.0, 1.5]), 0.9
    specialists = [Specialist(f"d{i}", cost=Power(c[i], 2), revenue=Linear(b[i])) for i in range(3)]
    generalist = Generalist(cost=Power(c0, 2))
    shares = np.array([[0.3, 0.5, 0.8], [0.0, 0.2, 1.0]])
    found = gradients(generalist, specialists, play_many(generalist, specialists, shares))
    s, t = 1 / (4 * c0), 1 / (4 * c)
    for row, share in zip(found, shares, strict=True):
        total = share @ b
        np.testing.assert_allclose(row[0], 2 * s * total * b + 2 * t * b**2 * (1 - 2 * share), rtol=1e-12)
        own = 2 * s * np.outer(b * (1 - share), b)
        own[np.arange(3), np.arange(3)] -= 2 * s * b * total + 2 * t * b**2 * (1 - share)
        np.testing.assert_allclose(row[1:], own, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("end", "inside"), [(0.0, 1.0), (1.0, -1.0)])
def test_one_sided_at_the_ends(end, inside):
    specialists = [Specialist("a", cost=Power(1.5, 2), revenue=Log(2.0, 1.5)), *KINDS["concave"][1:]]
    shares = np.array([end, 0.5])
    found = gradients(COST, specialists, play_many(COST, specialists, [shares]))[0]
    step = 1e-5 * inside
    u = play_many(COST, specialists, shares + np.outer(np.arange(4), [step, 0.0])).utilities
    expected = (-11 * u[0] + 18 * u[1] - 9 * u[2] + 2 * u[3]) / (6 * step)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6, atol=1e-6)


def test_no_number_at_a_kink_or_a_threshold():
    # the generalist builds just enough for the specialist to take part
    threshold = [Specialist("a", cost=Power(1.0, 2), revenue=Linear(1.0), entry_cost=0.3)]
    play = play_many(COST, threshold, [[0.5]])
    assert play.utilities[0, 1] == pytest.approx(0.0, abs=1e-15)
    assert np.isnan(gradients(COST, threshold, play)).all()


def test_nothing_is_built():
    idle = [Specialist("a", cost=Power(1.0, 2), revenue=Linear(1.0))]
    dear = Generalist(cost=Linear(5.0))
    found = gradients(dear, idle, play_many(dear, idle, [[0.4]]))[0]
    # r = (1 - s) / 2, so U_G = s (1 - s) / 2 and U_D = (1 - s)^2 / 4
    np.testing.assert_allclose(found, [[0.1], [-0.3]], rtol=1e-12)

"""A divergence written by a user: the generic route against every built-in family, and what it refuses."""

from dataclasses import dataclass

import numpy as np
import pytest
from families import SMOOTH, draw, scale, settle_by_hand

import tuneaccord as ta
from tuneaccord.testing import check_divergence, check_settlement, check_space, random_market

E, LOG2 = np.exp, np.log(2.0)


def alpha(a):
    limits = (-1 / (a - 1), np.inf) if a > 1 else (-np.inf, 1 / (1 - a))
    return (
        lambda t: (t**a - a * t + a - 1) / (a * (a - 1)),
        lambda t: (t ** (a - 1) - 1) / (a - 1),
        lambda y: (1 + (a - 1) * y) ** (1 / (a - 1)),
        *limits,
    )


#: phi, its slope, the inverse of that, and the slope's limits, as the textbook writes them
TEXTBOOK = {
    "KL": (lambda t: t * np.log(t), lambda t: np.log(t) + 1, lambda y: E(y - 1), -np.inf, np.inf),
    "ReverseKL": (lambda t: -np.log(t), lambda t: -1 / t, lambda y: -1 / y, -np.inf, 0.0),
    "ChiSquared": (lambda t: (t - 1) ** 2, lambda t: 2 * (t - 1), lambda y: 1 + y / 2, -2.0, np.inf),
    "SquaredHellinger": (
        lambda t: (np.sqrt(t) - 1) ** 2,
        lambda t: 1 - t**-0.5,
        lambda y: (1 - y) ** -2.0,
        -np.inf,
        1.0,
    ),
    "JensenShannon": (
        lambda t: (t * np.log(t) - (1 + t) * np.log((1 + t) / 2)) / 2,
        lambda t: np.log(2 * t / (1 + t)) / 2,
        lambda y: E(2 * y) / (2 - E(2 * y)),
        -np.inf,
        LOG2 / 2,
    ),
    **{f"Alpha({order:g})": alpha(order) for order in (-1, 0.5, 1.5, 3)},
}


@dataclass(frozen=True)
class Mine(ta.FDivergence):
    strength: float
    name: str

    @property
    def slope_at_zero(self):
        return TEXTBOOK[self.name][3]

    @property
    def slope_at_infinity(self):
        return TEXTBOOK[self.name][4]

    def phi(self, ratio):
        return TEXTBOOK[self.name][0](ratio)

    def phi_slope(self, ratio):
        return TEXTBOOK[self.name][1](ratio)

    def phi_slope_inverse(self, slope):
        return TEXTBOOK[self.name][2](slope)


ALL = pytest.mark.parametrize("name", SMOOTH)


@ALL
@pytest.mark.parametrize("strength", [1e-6, 0.05, 1.0, 1e6])
def test_agrees_with_the_built_in_family(name, strength):
    rng = np.random.default_rng(31)
    base, scores, sizes = draw(rng, prompts=5)
    base[0, 2] = 0.0
    base /= base.sum(axis=1, keepdims=True)
    scores[:, :, 2] = 0.3
    mine, theirs = Mine(strength, name), SMOOTH[name](strength)
    found, expected = (settle_by_hand(d, base, scores, sizes) for d in (mine, theirs))
    for got, known in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(got, known, rtol=0, atol=1e-12)
    for got, known in zip(found[2:], expected[2:], strict=True):
        np.testing.assert_allclose(got, known, rtol=0, atol=1e-13 * scale(scores, sizes))
    assert (found[2][:, 2] == 0.0).all()
    policy = expected[0]
    np.testing.assert_allclose(mine.price(policy, base), theirs.price(policy, base), rtol=1e-6, atol=1e-13 * strength)
    # the slope is known up to a constant; where it nears its limit its derivative drowns in rounding
    offset = mine.slope(base, base) - theirs.slope(base, base)
    usual = rng.dirichlet(np.full(5, 3.0), size=5)
    np.testing.assert_allclose(mine.slope(usual, base) - offset, theirs.slope(usual, base), rtol=1e-9)
    even = np.full((5, 5), 0.2)
    np.testing.assert_allclose(mine.response(usual, even), theirs.response(usual, even), rtol=1e-8)


@ALL
def test_keeps_the_laws(name):
    check_divergence(Mine(0.7, name))
    space, reports = random_market(np.random.default_rng(32), divergence=Mine(0.7, name))
    result = ta.settle(space, reports)
    check_settlement(result)
    check_space(space, result.scores, result.sizes)


@ALL
def test_mass_where_the_base_has_none(name):
    policy, base = np.array([0.5, 0.5, 0.0]), np.array([1.0, 0.0, 0.0])
    assert Mine(2.0, name).price(policy, base) == pytest.approx(SMOOTH[name](2.0).price(policy, base), rel=1e-14)


@pytest.mark.parametrize(
    ("part", "wrong", "claim"),
    [
        (0, lambda t: t**2, r"phi\(1\) is 0"),
        (1, lambda t: 3 * (t - 1), "phi_slope_inverse inverts phi_slope"),
        (0, lambda t: 2 * (t - 1) ** 2, "phi_slope is the derivative of phi"),
        (3, 0.0, "phi_slope stays above slope_at_zero"),
        (4, 1.0, "phi_slope stays below slope_at_infinity"),
    ],
)
def test_members_that_contradict_each_other_are_refused(monkeypatch, part, wrong, claim):
    members = list(TEXTBOOK["ChiSquared"])
    members[part] = wrong
    monkeypatch.setitem(TEXTBOOK, "wrong", tuple(members))
    with pytest.raises(ta.InputError, match=f"Mine contradicts itself: {claim} fails.*Check the five members"):
        Mine(1.0, "wrong")


def test_its_strength_is_checked():
    with pytest.raises(ta.InputError, match="strength must be a positive finite number"):
        Mine(-1.0, "KL")


def test_it_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        ta.FDivergence()

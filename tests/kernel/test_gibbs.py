"""The Gibbs policy in logarithms, and the plain route that other tests compare payments with."""

import mpmath
import numpy as np
import pytest
from plain_gibbs import centred_exponential, kl_externalities

from tuneaccord.kernel.gibbs import log_gibbs


@pytest.mark.parametrize("y", [0.5, -0.5, 0.3, 1e-3, -1e-6, 1e-12, -1e-100])
def test_the_centred_exponential_keeps_all_digits(y):
    with mpmath.workdps(250):
        exact = float(mpmath.expm1(-mpmath.mpf(y)) + y)
    assert float(centred_exponential(np.array(y))) == pytest.approx(exact, rel=1e-15)


def test_the_centred_exponential_is_never_negative():
    y = np.concatenate([np.linspace(-0.5, 0.5, 10001), 10.0 ** np.arange(-320, 0)])
    assert (centred_exponential(y) >= 0).all()
    assert centred_exponential(np.zeros(1)) == 0.0


@pytest.mark.parametrize("lift", [1e-12, 1e-6, 0.999, 1.001, 50.0, 1e5])
def test_the_gibbs_mass_keeps_its_digits_weak_and_strong(lift):
    base = np.array([0.2, 0.3, 0.5])
    score = lift * np.array([0.0, -0.4, -1.0])
    log_policy, best = log_gibbs(score, 1.0, np.log(base))
    with mpmath.workdps(60):
        masses = [mpmath.mpf(q) * mpmath.exp(s) for q, s in zip(base, score, strict=True)]
        exact = mpmath.log(mpmath.fsum(masses) / mpmath.fsum(base))
        policy = [float(mpmath.log(mass / mpmath.fsum(masses))) for mass in masses]
    assert float(best) == pytest.approx(float(exact), rel=1e-14)
    np.testing.assert_allclose(log_policy, policy, rtol=1e-14, atol=1e-15)


def externalities(base, scores, sizes):
    """One prompt at strength one; ``scores`` has a row for each group."""
    with np.errstate(divide="ignore"):
        log_base = np.log([base])
    scores, sizes = np.array(scores, float).T[None], np.array(sizes, float)
    log_policy, _ = log_gibbs(scores @ sizes, 1.0, log_base)
    return kl_externalities(scores, sizes, 1.0, log_base, log_policy)[0]


def test_a_reward_far_away_where_the_base_is_zero_does_not_overflow():
    """exp(1000) must not meet the zero probability of the third response."""
    charges = externalities([0.5, 0.5, 0.0], [[1.0, 0.99, 0.0], [1.0, 1.0, 0.0]], [1000, 1000])
    without_it = externalities([0.5, 0.5], [[1.0, 0.99], [1.0, 1.0]], [1000, 1000])
    np.testing.assert_allclose(charges, without_it, rtol=1e-14)
    assert charges[1] == 0.0


def test_a_response_too_unlikely_for_float64_can_still_carry_the_payment():
    """The policy gives the second response e^-1000, which is zero; without the first group it gets 1/(1+e^-1)."""
    charges = externalities([0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]], [1001, 1])
    assert charges[0] == pytest.approx(np.logaddexp(0, 1), rel=1e-14)
    assert charges[1] == 0.0  # e^-1000


def test_each_prompt_takes_its_own_branch():
    scores = np.random.default_rng(0).uniform(size=(3, 4, 2)) * np.array([1e-6, 1.0, 1e3])[:, None, None]
    sizes, log_base = np.array([5.0, 1.0]), np.log(np.full((3, 4), 0.25))
    log_policy, _ = log_gibbs(scores @ sizes, 1.0, log_base)
    together = kl_externalities(scores, sizes, 1.0, log_base, log_policy)
    for p in range(3):
        alone = kl_externalities(scores[[p]], sizes, 1.0, log_base[[p]], log_policy[[p]])
        np.testing.assert_allclose(together[p], alone[0], rtol=1e-9)

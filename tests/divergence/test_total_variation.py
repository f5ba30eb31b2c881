"""Total variation: who loses mass, ties, thresholds, and the payments that belong to the policy shown."""

import numpy as np
import pytest

import tuneaccord as ta

TV = ta.TotalVariation(1.0)


@pytest.mark.parametrize(
    ("score", "policy", "best"),
    [
        ([5.0, 4.0, 0.0], [0.75, 0.25, 0.0], 3.75),
        ([2.0, 1.0, 0.0], [0.25, 0.25, 0.5], 0.75),  # exactly at the threshold: stays
        ([3.0, 3.0, 0.0], [0.5, 0.5, 0.0], 2.0),  # the best share what moves
        ([0.0, 0.0, 0.0], [0.25, 0.25, 0.5], 0.0),
        ([0.0, 9.0, 9.0], [0.0, 0.25 + 0.25 / 3, 0.5 + 0.5 / 3], 8.5),
    ],
)
def test_by_hand(score, policy, best):
    got, value = TV.tilt(np.array(score), np.array([0.25, 0.25, 0.5]))
    np.testing.assert_allclose(got, policy, rtol=1e-15)
    assert value == best


def test_scores_that_differ_by_rounding_are_tied():
    """Sums of 0.1, 0.2 and 0.3 in two orders."""
    score = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, -9.0])
    assert score[0] != score[1]
    policy, _ = TV.tilt(score, np.array([0.2, 0.4, 0.4]))
    np.testing.assert_allclose(policy, [1 / 3, 2 / 3, 0.0], rtol=1e-14)


def test_a_payment_by_hand():
    """Alone the second group keeps the base; with the first group 1/2 moves, which costs the second 1 of its reward."""
    base = np.array([[0.5, 0.5]])
    scores = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    payments = TV.externalities(scores, np.array([4.0, 1.0]), base)
    # without the first: 1/2; with it the policy (1, 0): value 0, price 1
    np.testing.assert_allclose(payments, [[1.5, 0.0]], rtol=1e-15)


def test_payments_jump_at_the_threshold_and_utilities_do_not():
    base, scores = np.array([[0.5, 0.5]]), np.array([[[1.0], [0.0]]])
    eps = 1e-9
    paid, worth = [], []
    for size in (2 - eps, 2 + eps):
        sizes = np.array([size])
        policy, _ = TV.tilt(scores[:, :, 0] * size, base)
        payment = TV.externalities(scores, sizes, base)[0, 0]
        paid.append(payment)
        worth.append(size * policy[0, 0] - payment)
    assert paid == pytest.approx([0.0, 1.0], abs=1e-8)
    assert worth[0] == pytest.approx(worth[1], abs=1e-8)


def test_it_has_no_response_and_a_flat_slope():
    policy, base = np.array([[0.7, 0.3, 0.0]]), np.array([0.5, 0.3, 0.2])
    np.testing.assert_array_equal(TV.response(policy, base), np.zeros((1, 3)))
    np.testing.assert_array_equal(TV.slope(policy, base), [[1.0, 0.0, -1.0]])

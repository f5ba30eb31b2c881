"""What each group would pay without another: matrix products against many digits, and against settling again."""

import numpy as np
import pytest
from exact_payments import exact, random_market, relative_errors

from tuneaccord import (
    KL,
    ChiSquared,
    Externality,
    InputError,
    Report,
    Simplex,
    SquaredHellinger,
    TableReward,
    TotalVariation,
    leave_two_out,
    leave_two_out_solved,
    settle,
)


def as_tensor(array):
    import torch

    return torch.from_numpy(array)


def exact_pairs(scores, sizes, strength, base):
    without = [np.where(np.arange(len(sizes)) == i, 0.0, sizes) for i in range(len(sizes))]
    pairs = np.stack([exact(scores, rest, strength, base)[0] for rest in without], axis=1)
    return pairs * (1.0 - np.eye(len(sizes)))


@pytest.mark.parametrize("kind", [np.asarray, as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("extreme", [False, True], ids=["usual", "extreme"])
def test_pairs_against_the_textbook_formula_in_many_digits(kind, extreme):
    """Also where payments are far below a rounding of the amounts that the textbook subtracts."""
    rng = np.random.default_rng(21)
    for _ in range(15):
        scores, sizes, strength, base = random_market(rng, extreme)
        expected = exact_pairs(scores, sizes, strength, base)
        found = leave_two_out(kind(scores), sizes, strength, base)
        solved = leave_two_out_solved(kind(scores), sizes, KL(strength), base)
        for pairs in (found, solved):
            assert (pairs >= 0).all()
            for i in range(len(sizes)):
                assert relative_errors(pairs[:, i], expected[:, i], scores, sizes, strength).max() < 1e-13


@pytest.mark.parametrize("strength", [1e-6, 0.1, 3.0, 1e3, 1e6])
def test_both_routes_agree_on_larger_markets(strength):
    rng = np.random.default_rng(22)
    for prompts, groups, responses in [(3, 6, 40), (1, 12, 9000)]:
        scores, sizes = rng.uniform(size=(prompts, groups, responses)), rng.uniform(1, 5, size=groups)
        found = leave_two_out(scores, sizes, strength)
        solved = leave_two_out_solved(scores, sizes, KL(strength))
        # scores reach 60 / strength, and their rounding moves both routes
        rtol = 1e-12 + 1e-14 * 60 / strength
        np.testing.assert_allclose(found, solved, rtol=rtol, atol=1e-25 * strength)
        assert (np.diagonal(found, axis1=1, axis2=2) == 0).all()


@pytest.mark.parametrize(
    "divergence", [KL(1.0), ChiSquared(0.5), ChiSquared(40.0), TotalVariation(1.0), SquaredHellinger(1.0)], ids=repr
)
def test_a_pair_is_a_settlement_without_the_absent_group(divergence):
    rng = np.random.default_rng(23)
    scores, sizes, base = rng.uniform(size=(2, 3, 8)), np.array([4.0, 2.0, 1.0]), rng.dirichlet(np.ones(8), size=2)
    pairs = leave_two_out_solved(scores, sizes, divergence, base)
    for absent in range(3):
        rest = [i for i in range(3) if i != absent]
        reports = [Report(f"g{i}", sizes[i], TableReward(scores[:, i])) for i in rest]
        settled = settle(Simplex(base, divergence), reports, payment=Externality())
        np.testing.assert_allclose(pairs[:, absent, rest], settled.payments_by_prompt, rtol=1e-10, atol=1e-14)


def test_a_dominating_group_and_a_constant_one():
    """Without the group of a million the others settle as if it had never come; a constant pays exactly nothing."""
    rng = np.random.default_rng(24)
    scores, sizes = rng.uniform(size=(2, 4, 30)), np.array([1e6, 1.0, 2.0, 1.0])
    scores[:, 3] = 0.3
    found = leave_two_out(scores, sizes, 1.0)
    expected = exact_pairs(scores, sizes, 1.0, np.full((2, 30), 1 / 30))
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-13)  # the others are of order one
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-25)  # scores of 1e6 are rounded to 1e-10
    assert (found[:, :, 3] == 0).all()


def test_a_payment_that_two_absences_make_out_of_a_vanishing_probability():
    """The policy gives the second response e^-748, which is zero; without two groups it gets e^-150."""
    scores = np.array([[[299.0, 0.0], [299.0, 0.0], [150.0, 0.0]]])
    found = leave_two_out(scores, [1, 1, 1], 1.0)
    np.testing.assert_allclose(found, exact_pairs(scores, np.ones(3), 1.0, np.full((1, 2), 0.5)), rtol=1e-12)


def test_one_group_alone_and_float32():
    assert leave_two_out([[0.0, 1.0]], [3.0], 1.0).tolist() == [[[0.0]]]
    scores = np.random.default_rng(25).uniform(size=(2, 3, 50)).astype(np.float32)
    # float32 rewards are taken as the numbers they are
    np.testing.assert_allclose(
        leave_two_out(scores, [3, 2, 1], 1e4), leave_two_out(scores.astype(float), [3, 2, 1], 1e4), rtol=1e-12
    )


def test_bad_input_is_named():
    with pytest.raises(InputError, match="strength must be a positive"):
        leave_two_out(np.ones((2, 3)), [1, 2], -1.0)
    with pytest.raises(InputError, match="each of the 2 groups"):
        leave_two_out(np.ones((2, 3)), [1, 2, 3], 1.0)
    with pytest.raises(InputError, match="finite"):
        leave_two_out(np.full((2, 3), np.nan), [1, 2], 1.0)

"""All payments by array code, against the textbook formula in many digits, the careful route, and settlements."""

import numpy as np
import pytest
from exact_payments import exact, random_market, relative_errors
from plain_gibbs import kl_externalities

import tuneaccord.kernel.inputs as inputs
from tuneaccord import (
    KL,
    Alpha,
    ChiSquared,
    InputError,
    JensenShannon,
    MissingDependencyError,
    Report,
    ReverseKL,
    Simplex,
    SquaredHellinger,
    TableReward,
    TotalVariation,
    all_payments,
    settle,
)
from tuneaccord.kernel import careful, portable
from tuneaccord.kernel.gibbs import log_gibbs


def as_tensor(array):
    import torch

    return torch.from_numpy(array)


def gibbs_payments(scores, sizes, strength, base):
    """The careful route, with responses before groups."""
    table = np.swapaxes(scores.astype(float), 1, 2)
    table = table - table[:, :1]
    with np.errstate(divide="ignore"):
        log_base = np.log(base)
    return kl_externalities(table, sizes, strength, log_base, log_gibbs(table @ sizes, strength, log_base)[0])


@pytest.mark.parametrize("kind", [np.asarray, as_tensor], ids=["numpy", "torch"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("extreme", [False, True], ids=["usual", "extreme"])
def test_payments_against_the_textbook_formula_in_many_digits(kind, dtype, extreme):
    rng = np.random.default_rng(11)
    for _ in range(25):
        scores, sizes, strength, base = random_market(rng, extreme)
        scores = scores.astype(dtype)
        payments, values, support, price = exact(scores, sizes, strength, base)
        found = all_payments(kind(scores), sizes, KL(strength), base, tier="portable")
        assert relative_errors(found.payments_by_prompt, payments, scores, sizes, strength).max() < 1e-13
        assert (found.payments_by_prompt >= 0).all()
        np.testing.assert_allclose(
            found.values_by_prompt, values, atol=1e-14 * (1 + 1e6 * extreme) * sizes.sum() / strength + 1e-14
        )
        np.testing.assert_allclose(found.support_by_prompt, support, atol=1e-14 * sizes.sum())
        np.testing.assert_allclose(found.price_by_prompt, price, atol=1e-14 * sizes.sum())


@pytest.mark.parametrize("strength", [1e-3, 1.0, 30.0, 1e6])
def test_several_prompts_and_many_blocks_against_the_careful_route(strength):
    rng = np.random.default_rng(1)
    for prompts, groups, responses in [(1, 3, 60_000), (40, 5, 700), (300, 70, 8)]:
        scores, sizes = rng.uniform(size=(prompts, groups, responses)), rng.uniform(1, 5, size=groups)
        base = rng.dirichlet(np.ones(responses), size=prompts)
        found = all_payments(scores, sizes, KL(strength), base, tier="portable")
        # a score's rounding is 1e-16 of its size, up to 2e5 strengths here; smaller payments than 1e-150 underflow
        expected = gibbs_payments(scores, sizes, strength, base)
        np.testing.assert_allclose(
            found.payments_by_prompt, expected, rtol=1e-11 / min(strength, 1.0), atol=1e-150 * strength
        )


def test_sorted_rewards_do_not_mislead_the_centre():
    """The best responses come last, and the sample of evenly spaced ones has none of them."""
    scores = np.zeros((1, 2, 100_001))
    scores[0, :, -3:] = [[20.0, 20.0, 20.001], [1.0, 1.00001, 1.0]]
    sizes = np.array([2.0, 1.0])
    found = all_payments(scores, sizes, KL(1.0), tier="portable")
    base = np.full((1, 100_001), 1 / 100_001)
    np.testing.assert_allclose(found.payments_by_prompt, gibbs_payments(scores, sizes, 1.0, base), rtol=1e-12)


def test_small_groups_keep_their_digits_in_float32():
    """A group of a hundred thousandth of the strength: the textbook difference has no digit left in float32."""
    scores = np.random.default_rng(2).uniform(size=(2, 3, 40)).astype(np.float32)
    sizes, strength = np.array([1e-5, 1.0, 0.5]), 1.0
    payments = exact(scores, sizes, strength, np.full((2, 40), 1 / 40))[0]
    found = all_payments(scores, sizes, KL(strength), tier="portable")
    np.testing.assert_allclose(found.payments_by_prompt, payments, rtol=1e-13)


@pytest.mark.parametrize("divergence", [KL(1.0), KL(1e-6), ChiSquared(20.0), ChiSquared(0.1), SquaredHellinger(1.0)])
@pytest.mark.parametrize("kind", [np.asarray, as_tensor], ids=["numpy", "torch"])
def test_a_constant_reward_pays_exactly_nothing(divergence, kind):
    scores = np.random.default_rng(3).uniform(size=(3, 2, 50))
    scores[:, 0] = [[1e6 / 3], [0.1], [-0.7]]
    found = all_payments(kind(scores), [5.0, 3.0], divergence, tier="portable")
    assert (found.payments_by_prompt[:, 0] == 0.0).all()
    assert (found.payments_by_prompt[:, 1] > 0).all()
    np.testing.assert_array_equal(found.values_by_prompt[:, 0], scores[:, 0, 0])


def test_responses_of_base_zero_do_not_exist():
    rng = np.random.default_rng(4)
    scores, base = rng.uniform(size=(2, 3, 30)), rng.dirichlet(np.ones(30), size=2)
    base[:, [0, 7, 20]] = 0.0
    base /= base.sum(axis=1, keepdims=True)
    scores[:, :, 7] = 1e5
    kept = base[0] > 0
    for divergence in (KL(0.5), KL(1e-4), ChiSquared(30.0), ChiSquared(0.5), TotalVariation(0.5)):
        found = all_payments(scores, [3, 2, 1], divergence, base)
        fewer = all_payments(scores[:, :, kept], [3, 2, 1], divergence, base[:, kept])
        np.testing.assert_allclose(found.payments_by_prompt, fewer.payments_by_prompt, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found.values_by_prompt, fewer.values_by_prompt, rtol=1e-14)


@pytest.mark.parametrize(
    "divergence",
    [
        *(KL(2.0), ReverseKL(2.0), TotalVariation(1.0), SquaredHellinger(2.0), JensenShannon(2.0), Alpha(2.0, 1.5)),
        *(ChiSquared(0.5), ChiSquared(6.0), ChiSquared(50.0)),
    ],
    ids=repr,
)
def test_every_divergence_agrees_with_its_settlement(divergence):
    rng = np.random.default_rng(5)
    scores, base, sizes = rng.uniform(size=(4, 3, 12)), rng.dirichlet(np.ones(12), size=4), [4.0, 1.0, 2.0]
    weights = rng.dirichlet(np.ones(4))
    reports = [Report(f"g{i}", size, TableReward(scores[:, i])) for i, size in enumerate(sizes)]
    settled = settle(Simplex(base, divergence, weights), reports)
    for array in (scores, as_tensor(scores)):
        found = all_payments(array, sizes, divergence, base, weights)
        # amounts of order one; total variation and others stop at rounding, a few units in the last place
        np.testing.assert_allclose(found.payments_by_prompt, settled.payments_by_prompt, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(found.payments, list(settled.payments.values()), rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(found.values, list(settled.values.values()), rtol=1e-13)
        np.testing.assert_allclose(found.utilities, list(settled.utilities.values()), rtol=1e-12)
        assert found.net_welfare == pytest.approx(settled.net_welfare, rel=1e-13)
        assert found.price == pytest.approx(settled.price, rel=1e-11)
        assert 0 <= found.gap < 1e-12


@pytest.mark.parametrize("strength", [4.0, 6.0, 9.0, 14.0])
def test_chi_squared_prompts_take_their_own_path(strength):
    """Some prompts are interior and some are not; both against the divergence's own solver."""
    rng = np.random.default_rng(6)
    scores, sizes = rng.uniform(size=(30, 4, 9)) ** 3, np.array([9.0, 5.0, 1.0, 3.0])
    base = rng.dirichlet(np.ones(9), size=30)
    found = all_payments(scores, sizes, ChiSquared(strength), base)
    expected = ChiSquared(strength).externalities(np.swapaxes(scores, 1, 2), sizes, base)
    np.testing.assert_allclose(found.payments_by_prompt, expected, rtol=1e-10, atol=1e-14)


def test_an_offset_changes_no_payment():
    rng = np.random.default_rng(7)
    scores, offset = rng.integers(0, 64, size=(3, 2, 40)) / 64, 2.0**20  # exact in float64 with the offset
    for divergence in (KL(1.0), KL(1e-3), ChiSquared(8.0), ChiSquared(0.2)):
        plain = all_payments(scores, [3, 2], divergence)
        raised = all_payments(scores + offset, [3, 2], divergence)
        np.testing.assert_allclose(raised.payments_by_prompt, plain.payments_by_prompt, rtol=1e-9)


def test_an_absent_group_pays_nothing_and_changes_nothing():
    scores = np.random.default_rng(8).uniform(size=(2, 3, 10))
    for divergence in (KL(1.0), ChiSquared(3.0), TotalVariation(0.3)):
        absent = all_payments(scores, [2.0, 0.0, 1.0], divergence)
        gone = all_payments(scores[:, [0, 2]], [2.0, 1.0], divergence)
        np.testing.assert_allclose(absent.payments_by_prompt[:, [0, 2]], gone.payments_by_prompt, rtol=1e-12)
        assert (absent.payments_by_prompt[:, 1] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "divergence",
    [
        *(KL(0.01), KL(2.0), KL(1e3), ChiSquared(0.3), ChiSquared(5.0), ChiSquared(300.0), TotalVariation(0.5)),
        *(ReverseKL(5.0), SquaredHellinger(5.0), JensenShannon(5.0), Alpha(5.0, 0.5), Alpha(5.0, 1.5)),
    ],
    ids=repr,
)
def test_the_tiers_agree(divergence, dtype):
    """float32 rewards are multiplied in float32 by the fused tier, and taken as exact numbers by the other."""
    rng = np.random.default_rng(12)
    scores, sizes = rng.uniform(size=(5, 4, 200)).astype(dtype), [3.0, 1.0, 2.0, 5.0]
    base = rng.dirichlet(np.ones(200), size=5)
    scores[:, 1] = 0.25
    for given in (None, base):
        portable_ = all_payments(scores, sizes, divergence, given, tier="portable")
        fused = all_payments(scores, sizes, divergence, given, tier="fused", threads=1)
        tolerance = 2e-6 if dtype == np.float32 else 1e-11
        np.testing.assert_allclose(fused.payments_by_prompt, portable_.payments_by_prompt, rtol=tolerance, atol=1e-30)
        np.testing.assert_allclose(fused.values_by_prompt, portable_.values_by_prompt, rtol=tolerance)
        np.testing.assert_allclose(fused.support_by_prompt, portable_.support_by_prompt, rtol=tolerance)
        assert (fused.payments_by_prompt[:, 1] == 0).all()


@pytest.mark.parametrize("divergence", [KL(2.0), ChiSquared(5.0), ChiSquared(0.3), ReverseKL(5.0)], ids=repr)
def test_the_gap_covers_what_float32_does(divergence):
    """The fused tier multiplies float32 rewards in float32: amounts are off by more than a rounding of float64."""
    scores = np.random.default_rng(13).uniform(size=(2, 4, 200)).astype(np.float32)
    fused = all_payments(scores, [3, 1, 2, 5], divergence, tier="fused", threads=1)
    exactly = all_payments(scores, [3, 1, 2, 5], divergence, tier="portable")
    off = np.abs(fused.utilities - exactly.utilities).max()
    assert 1e-13 < off + abs(fused.net_welfare - exactly.net_welfare) <= fused.regret_bound < 1e-4


def test_squares_beyond_float32_are_taken_in_float64():
    scores = (1e20 * np.random.default_rng(14).uniform(size=(2, 3, 50))).astype(np.float32)
    found = all_payments(scores, [1, 2, 3], ChiSquared(1e22), tier="fused", threads=1)
    expected = all_payments(scores, [1, 2, 3], ChiSquared(1e22), tier="portable")
    np.testing.assert_array_equal(found.payments, expected.payments)
    assert np.isfinite(found.payments).all()


def test_prompts_are_settled_on_their_own():
    rng = np.random.default_rng(9)
    scores = rng.uniform(size=(5, 3, 6)) * np.array([1e-6, 1e-3, 1.0, 1e3, 1e6])[:, None, None]
    together = all_payments(scores, [3, 2, 1], KL(1.0))
    for p in range(5):
        alone = all_payments(scores[p], [3, 2, 1], KL(1.0))
        np.testing.assert_allclose(alone.payments, together.payments_by_prompt[p], rtol=1e-9)


def test_the_careful_route_agrees_with_the_other_careful_route():
    rng = np.random.default_rng(10)
    for strength in (1e-4, 1e-2, 1.0, 100.0):
        scores, sizes = rng.uniform(size=(6, 4, 20)), np.array([1e4, 1.0, 3.0, 50.0])
        base = rng.dirichlet(np.ones(20), size=6)
        everyone = np.ones((6, 4), bool)
        found = careful.kl_payments(scores, np.log(base), sizes, strength, scores[:, :, 0], everyone)
        reach = 1e4 / strength
        expected = gibbs_payments(scores, sizes, strength, base)
        np.testing.assert_allclose(found, expected, rtol=1e-14 * (100 + reach), atol=1e-25 * strength)
        only = np.zeros((6, 4), bool)
        only[2, 1] = True
        some = careful.kl_payments(scores, np.log(base), sizes, strength, scores[:, :, 0], only)
        assert some[2, 1] == pytest.approx(found[2, 1], rel=1e-12, abs=1e-25 * strength)
        assert np.count_nonzero(some) <= 1


def test_tensors_of_other_types_are_read_as_float32():
    import torch

    scores = torch.linspace(0, 1, 12, dtype=torch.float16).reshape(1, 2, 6)
    half = all_payments(scores, [1, 2], KL(1.0))
    np.testing.assert_array_equal(half.payments, all_payments(scores.float(), [1, 2], KL(1.0)).payments)


def test_gradients_are_left_out():
    import torch

    scores = torch.rand(1, 2, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert (all_payments(scores, [1, 2], KL(1.0)).payments > 0).all()


GOOD = np.random.default_rng(0).uniform(size=(2, 3, 4))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"scores": np.where(GOOD[1, 2, 3] == GOOD, np.nan, GOOD)}, "finite number"),
        ({"scores": np.where(GOOD[1, 2, 3] == GOOD, -np.inf, GOOD), "tier": "fused"}, "finite number"),
        (
            {"scores": np.where(GOOD[1, 2, 3] == GOOD, np.inf, GOOD), "tier": "fused", "divergence": ChiSquared(1.0)},
            "finite number",
        ),
        ({"scores": GOOD[0, 0]}, r"shape \(prompts, groups, responses\)"),
        ({"scores": GOOD[:, :, :0]}, "not be empty"),
        ({"scores": [["a", "b"]]}, "rectangular array of numbers"),
        ({"scores": [[1.0], [1.0, 2.0]]}, "rectangular array of numbers"),
        ({"scores": [["1", "2"]] * 3}, "rectangular array of numbers"),
        ({"scores": GOOD + 1j}, "rectangular array of numbers"),
        ({"sizes": ["1", "2", "3"]}, "sizes must be numbers"),
        ({"sizes": [1, 2]}, "each of the 3 groups.*swap the last two axes"),
        ({"sizes": [1, -2, 3]}, "not negative"),
        ({"sizes": ["many", 2, 3]}, "sizes must be numbers"),
        ({"divergence": "KL"}, "must be a Divergence"),
        ({"base": [0.5, 0.5]}, r"shape \(4,\) or \(2, 4\)"),
        ({"base": [0.5, 0.5, 0.5, 0.5]}, "row 0 sums to 2"),
        ({"base": [1.5, -0.5, 0, 0]}, "not negative"),
        ({"base": [np.nan, 1, 0, 0]}, "finite"),
        ({"base": "uniform"}, "base must be numbers"),
        ({"prompt_weights": [1.0]}, "each of the 2 prompts"),
        ({"prompt_weights": "equal"}, "prompt_weights must be .* numbers"),
        ({"tier": "fusd"}, "Did you mean 'fused'"),
        ({"threads": 0}, "threads must be a whole number of at least 1"),
        ({"threads": True}, "threads must be a whole number of at least 1"),
        ({"scores": "tensor", "tier": "fused"}, "tier='portable'"),
    ],
)
def test_bad_input_is_named(change, complaint):
    given = {"scores": GOOD, "sizes": [1, 2, 3], "divergence": KL(1.0), **change}
    if isinstance(given["scores"], str):
        given["scores"] = as_tensor(GOOD)
    with pytest.raises(InputError, match=complaint):
        all_payments(**given)


def test_without_numba_the_fused_tier_is_an_error_and_auto_is_portable(monkeypatch):
    monkeypatch.setattr(inputs, "find_spec", lambda name: None)
    monkeypatch.setattr(inputs, "_MANY", 1)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tuneaccord\[fast\]'"):
        all_payments(GOOD, [1, 2, 3], KL(1.0), tier="fused")
    np.testing.assert_array_equal(
        all_payments(GOOD, [1, 2, 3], KL(1.0)).payments,
        all_payments(GOOD, [1, 2, 3], KL(1.0), tier="portable").payments,
    )


@pytest.mark.parametrize("y", [0.5, -0.5, 0.3, 1e-3, -1e-6, 1e-12, -1e-100, 0.6, -0.7, 20.0, -20.0])
def test_the_centred_exponential_keeps_all_digits(y):
    import mpmath

    with mpmath.workdps(250):
        exactly = float(mpmath.expm1(-mpmath.mpf(y)) + mpmath.mpf(y))
    for block in (np.array([y]), as_tensor(np.array([y, 0.9])), np.array([y, 30.0])):
        xp = portable.namespace(block)
        # two roundings more where exp(-y) and y are of opposite sign
        assert float(portable.centred_exponential(block, xp)[0]) == pytest.approx(exactly, rel=2e-15, abs=0)

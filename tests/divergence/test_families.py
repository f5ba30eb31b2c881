"""What holds for every divergence: the shipped laws, invariances, limits, exact zeros and certificates."""

import exact_divergences
import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from families import FAMILIES, SMOOTH, draw, scale, settle_by_hand
from hypothesis import given, settings
from hypothesis import strategies as st

import tuneaccord as ta
from tuneaccord.testing import check_divergence, check_settlement, check_space, random_market

ALL = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
STRENGTHS = [1e-6, 1e-3, 0.5, 1, 1e3, 1e6]
EDGES = [1e-100, 1e100]  #: the least and the largest


@ALL
@pytest.mark.parametrize("strength", STRENGTHS)
def test_keeps_the_laws(family, strength):
    check_divergence(family(strength))


@ALL
@pytest.mark.parametrize("strength", EDGES)
def test_the_least_and_the_largest_strength_overflow_nowhere(family, strength):
    base, scores, sizes = draw(np.random.default_rng(13), sizes=(1e-5, 1e6))
    policy, values, payments, best = settle_by_hand(family(strength), base, scores, sizes)
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-14)
    assert np.isfinite(values).all()
    assert np.isfinite(best).all()
    assert ((payments >= 0) & (payments < scale(scores, sizes))).all()


@ALL
@pytest.mark.parametrize("strength", [0.05, 1.0, 20.0])
def test_markets_keep_the_laws(family, strength):
    space, reports = random_market(np.random.default_rng(1), divergence=family(strength))
    result = ta.settle(space, reports)
    check_settlement(result)
    check_space(space, result.scores, result.sizes)


@ALL
@settings(max_examples=25)
@given(data=st.data())
def test_certificates_and_identities_on_drawn_markets(family, data):
    """Ties, constants, base zeros, six decades of sizes and twelve of strengths."""
    divergence = family(10.0 ** data.draw(st.integers(-6, 6)))
    responses, groups = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    masses = data.draw(npst.arrays(float, (2, responses), elements=st.sampled_from([0.0, 1e-9, 0.1, 1.0, 3.0])))
    masses[:, 0] += masses.sum(axis=1) == 0
    base = masses / masses.sum(axis=1, keepdims=True)
    rewards = st.sampled_from([0.0, 0.1, 0.5, 1.0]) | st.floats(0, 1)
    scores = data.draw(npst.arrays(float, (2, responses, groups), elements=rewards))
    sizes = np.array([10.0 ** data.draw(st.floats(-2, 4)) for _ in range(groups)])
    policy, values, payments, best = settle_by_hand(divergence, base, scores, sizes)
    # with constant rewards only the square of rounding is left
    tolerance = 2e-14 * scale(scores, sizes) + 1e-30 * divergence.strength
    np.testing.assert_allclose(policy.sum(axis=1), 1.0, rtol=1e-14)  # KL takes exponentials of logarithms
    assert (policy >= 0).all()
    assert (policy[base == 0] == 0).all()
    price = divergence.price(policy, base)
    assert (price >= 0).all()
    np.testing.assert_allclose(values @ sizes - price, best, rtol=0, atol=tolerance)  # gap
    assert (payments >= 0).all()
    for group in range(groups):
        constant = (np.where(base > 0, scores[:, :, group], scores[:, [0], group]) == scores[:, [0], group]).all(axis=1)
        assert (payments[constant & (base[:, 0] > 0), group] == 0.0).all()
        absent = np.delete(scores, group, axis=2), np.delete(sizes, group)
        if groups == 1:
            np.testing.assert_allclose(payments[:, 0], price, rtol=1e-9, atol=tolerance)
            continue
        _, _, _, without = settle_by_hand(divergence, base, *absent)
        np.testing.assert_allclose(
            payments[:, group], without - (best - sizes[group] * values[:, group]), atol=tolerance
        )
        worth_without = divergence.tilt(absent[0] @ absent[1], base)[0]
        own = np.einsum("pr,pr->p", worth_without, scores[:, :, group]) * sizes[group]
        utility = sizes[group] * values[:, group] - payments[:, group]
        assert (utility >= own - tolerance - 1e-10 * sizes[group]).all()  # the policy without, to rounding


@ALL
def test_leading_axes_are_solved_together_and_one_by_one(family):
    rng = np.random.default_rng(2)
    base, scores, sizes = draw(rng, prompts=7)
    divergence = family(0.7)
    score = rng.normal(size=(3, 7, 5))
    together = divergence.tilt(score, base)
    for k in range(3):
        for p in range(7):
            policy, best = divergence.tilt(score[k, p], base[p])
            np.testing.assert_allclose(together[0][k, p], policy, rtol=1e-13)
            assert together[1][k, p] == pytest.approx(float(best), rel=1e-14, abs=1e-14)
    payments = divergence.externalities(scores, sizes, base)
    alone = [divergence.externalities(scores[[p]], sizes, base[[p]])[0] for p in range(7)]
    np.testing.assert_allclose(payments, alone, rtol=1e-12)


@ALL
def test_blocks_of_prompts_change_nothing(family, monkeypatch):
    base, scores, sizes = draw(np.random.default_rng(3), prompts=7)
    whole = family(0.7).externalities(scores, sizes, base)
    monkeypatch.setattr("tuneaccord.divergence.ratio._BLOCK", 10)
    np.testing.assert_allclose(family(0.7).externalities(scores, sizes, base), whole, rtol=1e-13)


@ALL
@pytest.mark.parametrize("strength", [0.05, 1.0, 100.0])
def test_what_changes_no_payment(family, strength):
    """Renaming groups or responses, adding a constant to a reward, and splitting a response with its mass."""
    base, scores, sizes = draw(np.random.default_rng(4))
    scores[0, 1] = scores[0, 0]  # a tie
    divergence, tolerance = family(strength), dict(rtol=1e-9, atol=1e-14 * sizes.max())
    payments = divergence.externalities(scores, sizes, base)
    groups, responses = np.array([2, 0, 1]), np.array([3, 0, 4, 1, 2])
    renamed = divergence.externalities(scores[:, :, groups], sizes[groups], base)
    np.testing.assert_allclose(renamed, payments[:, groups], **tolerance)
    renamed = divergence.externalities(scores[:, responses], sizes, base[:, responses])
    np.testing.assert_allclose(renamed, payments, **tolerance)
    raised = divergence.externalities(scores + np.array([0.0, 3.0, -1.0]), sizes, base)
    np.testing.assert_allclose(raised, payments, **tolerance)
    split = np.concatenate([base, base[:, :1] * 0.3], axis=1)
    split[:, 0] *= 0.7
    longer = np.concatenate([scores, scores[:, :1]], axis=1)
    np.testing.assert_allclose(divergence.externalities(longer, sizes, split), payments, **tolerance)
    policy, _ = divergence.tilt(longer @ sizes, split)
    np.testing.assert_allclose(policy[:, 0] * 0.3, policy[:, -1] * 0.7, rtol=1e-10)


@ALL
def test_responses_that_the_base_lacks_do_not_matter(family):
    base, scores, sizes = draw(np.random.default_rng(5))
    divergence = family(0.5)
    policy, _, payments, best = settle_by_hand(divergence, base, scores, sizes)
    longer = np.concatenate([base, np.zeros((2, 1))], axis=1)
    for wild in (-1e9, 0.0, 1e9):
        more = np.concatenate([scores, np.full((2, 1, 3), wild)], axis=1)
        tilted, top = divergence.tilt(more @ sizes, longer)
        np.testing.assert_allclose(tilted, np.concatenate([policy, np.zeros((2, 1))], axis=1), rtol=1e-11)
        np.testing.assert_allclose(top, best, rtol=1e-14)
        np.testing.assert_allclose(divergence.externalities(more, sizes, longer), payments, rtol=1e-12)
        first = np.roll(more, 1, axis=1), sizes, np.roll(longer, 1, axis=1)
        np.testing.assert_allclose(divergence.externalities(*first), payments, rtol=1e-12)


@ALL
def test_a_base_that_sums_to_one_in_nine_digits_is_taken_as_its_distribution(family):
    base, scores, sizes = draw(np.random.default_rng(14))
    loose = base * (1 + 9e-10)
    for got, expected in zip(*(settle_by_hand(family(1.0), q, scores, sizes) for q in (loose, base)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    np.testing.assert_allclose(
        ta.all_payments(np.swapaxes(scores, 1, 2), sizes, family(1.0), loose).support_by_prompt, expected, rtol=1e-14
    )


@ALL
def test_the_least_markets(family):
    divergence = family(0.5)
    policy, best = divergence.tilt(np.array([3.0]), np.array([1.0]))
    assert (policy.tolist(), float(best)) == ([1.0], 3.0)
    assert divergence.externalities(np.ones((1, 1, 2)), np.array([1.0, 2.0]), np.ones((1, 1))).tolist() == [[0.0, 0.0]]
    base, scores, sizes = draw(np.random.default_rng(6), groups=1)
    policy, _, payments, _ = settle_by_hand(divergence, base, scores, sizes)
    np.testing.assert_allclose(payments[:, 0], divergence.price(policy, base), rtol=1e-12)
    absent = divergence.externalities(scores, np.zeros(1), base)
    assert (absent == 0.0).all()


@ALL
def test_identical_groups_pay_the_same(family):
    base, scores, _ = draw(np.random.default_rng(7))
    scores[:, :, 1] = scores[:, :, 2] = scores[:, :, 0]
    payments = family(1.0).externalities(scores, np.full(3, 2.0), base)
    np.testing.assert_allclose(payments, payments[:, :1] * np.ones(3), rtol=1e-12, atol=1e-15)


@ALL
def test_a_dominating_group_leaves_the_others_their_digits(family):
    """The others' scores are a millionth of the sum."""
    base, scores, _ = draw(np.random.default_rng(8), prompts=1, groups=4)
    sizes, divergence = np.array([1e6, 1.0, 2.0, 1.0]), family(1.0)
    _, _, exact, _ = exact_divergences.market(divergence, base, scores, sizes)
    np.testing.assert_allclose(divergence.externalities(scores, sizes, base), exact, rtol=1e-8, atol=1e-15 * sizes[0])


@pytest.mark.parametrize("family", SMOOTH.values(), ids=SMOOTH.keys())
def test_a_large_strength_charges_variances(family):
    """``w^2 Var_q(r) / (2 strength phi''(1))``, where ``phi''(1) = 1 / (strength response / q)`` at the base."""
    base, scores, sizes = draw(np.random.default_rng(9))
    for strength, error in ((1e4, 1e-2), (1e6, 1e-4)):
        divergence = family(strength)
        mean = np.einsum("pr,prg->pg", base, scores)
        variance = np.einsum("pr,prg->pg", base, (scores - mean[:, None]) ** 2)
        ease = (divergence.response(base, base) / base)[0, 0]
        curvature = 1 / (strength * ease)
        assert curvature == pytest.approx(CURVATURES.get(type(divergence).__name__, 1.0), rel=1e-12)
        expected = sizes**2 * variance / (2 * strength * curvature)
        np.testing.assert_allclose(divergence.externalities(scores, sizes, base), expected, rtol=error)


CURVATURES = {"ChiSquared": 2.0, "SquaredHellinger": 0.5, "JensenShannon": 0.25}


@ALL
def test_a_small_strength_charges_the_pivot_payment(family):
    base, scores, sizes = draw(np.random.default_rng(10), responses=3)
    scores = np.round(scores, 1)
    everyone = scores @ sizes
    chosen = everyone.argmax(axis=1)
    others = everyone[:, :, None] - sizes * scores
    pivot = others.max(axis=1) - others[np.arange(2), chosen]
    # what the divergence still costs at its most: for order -1 and reverse KL the tails shrink like a root
    payments = family(1e-9).externalities(scores, sizes, base)
    np.testing.assert_allclose(payments, pivot, atol=1e-3 * sizes.max())
    assert pivot.max() > 0.1


@pytest.mark.parametrize("family", SMOOTH.values(), ids=SMOOTH.keys())
def test_slope_and_response_are_derivatives(family):
    rng = np.random.default_rng(11)
    base, policy, direction = rng.dirichlet(np.ones(5)), rng.dirichlet(np.full(5, 9.0)), rng.normal(size=5)
    direction -= direction.mean()
    divergence, step = family(2.0), 1e-5
    ahead, back = (divergence.price(policy + sign * step * direction, base) for sign in (1, -1))
    assert divergence.slope(policy, base) @ direction == pytest.approx((ahead - back) / (2 * step), rel=1e-7)
    score = 0.3 * rng.normal(size=5)
    best, _ = divergence.tilt(score, base)
    ahead, back = (divergence.tilt(score + sign * step * direction, base)[0] for sign in (1, -1))
    k = divergence.response(best, base)
    predicted = k * (direction - (k @ direction) / k.sum())
    np.testing.assert_allclose(predicted, (ahead - back) / (2 * step), rtol=1e-6, atol=1e-10)


@ALL
def test_slope_and_response_at_the_edges(family):
    divergence = family(1e6)
    base, policy = np.array([0.5, 0.5, 0.0]), np.array([1.0, 0.0, 0.0])
    slope, response = divergence.slope(policy, base), divergence.response(policy, base)
    assert np.isfinite(slope).all()
    assert np.isfinite(response).all()
    assert slope[2] == 0.0
    assert response[1] == response[2] == 0.0
    assert slope[0] > slope[1]


@pytest.mark.parametrize("family", SMOOTH.values(), ids=SMOOTH.keys())
def test_the_slopes_of_an_optimum_are_its_scores(family):
    """Up to one constant where there is mass, and not below it elsewhere."""
    base, scores, sizes = draw(np.random.default_rng(12))
    divergence, score = family(1.0), scores @ sizes
    policy, _ = divergence.tilt(score, base)
    excess = score - divergence.slope(policy, base)
    for row, p in zip(excess, policy, strict=True):
        np.testing.assert_allclose(row[p > 0], row[p > 0][0], atol=1e-9)
        assert (row[p == 0] <= row[p > 0][0] + 1e-9).all()


@pytest.mark.parametrize("name", [name for name in FAMILIES if "Alpha" not in name])
@pytest.mark.parametrize("strength", [0, -1.0, np.nan, np.inf])
def test_a_strength_that_is_not_positive_and_finite_is_refused(name, strength):
    with pytest.raises(ta.InputError, match=r"strength must be a positive finite number, got .*; try 0\.5"):
        FAMILIES[name](strength)


@ALL
def test_a_divergence_is_plain_data(family):
    from tuneaccord.specs import from_data, to_data

    assert from_data(to_data(family(np.float32(0.5)))) == family(0.5)


@ALL
def test_mass_where_the_base_has_none_has_a_price(family):
    """``p phi'(infinity)``: infinite unless the slope of ``phi`` is bounded."""
    price = family(1.0).price(np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    limits = {"SquaredHellinger": 2.0, "JensenShannon": np.log(2.0), "TotalVariation": 2.0}
    expected = limits.get(type(family(1.0)).__name__, np.inf)
    if getattr(family(1.0), "order", 1) < 0:  # no mass is left where the base has all of it
        expected = np.inf
    elif getattr(family(1.0), "order", 1) == 0.5:
        expected = 4.0
    assert price == pytest.approx(expected, rel=1e-14)

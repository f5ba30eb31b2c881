"""The contract of the block sums: merging, finishing, and knowing when they do not suffice."""

import functools
import itertools

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneaccord import AllPayments, ChiSquared, InputError
from tuneaccord.kernel.chi_squared import chi_squared_sums, floors
from tuneaccord.kernel.portable import kl_sums
from tuneaccord.kernel.result import prompt_mean_weights
from tuneaccord.kernel.sums import ChiSquaredSums, KLSums, log_shortfall

SIZES, STRENGTH = np.array([3.0, 1.0, 40.0]), 2.0


def a_market(seed=0, prompts=2, responses=24):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(prompts, 3, responses)), rng.dirichlet(np.ones(responses), size=prompts)


def kl_block(scores, base, centre):
    return kl_sums(scores, np.log(base), SIZES, STRENGTH, centre)[0]


def assert_same_sums(one, two, rtol):
    for name in one.__dataclass_fields__:
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=rtol, err_msg=name)


@pytest.mark.parametrize("x", [1e-300, 1e-12, -1e-9, 1e-4, 0.1, -0.3, 0.499, -0.499, 0.501, -0.6, -0.999, 3.0, 1e9])
def test_the_log_shortfall_keeps_all_digits(x):
    with mpmath.workdps(700):
        exact = float(mpmath.mpf(x) - mpmath.log1p(mpmath.mpf(x)))
    assert float(log_shortfall(np.array(x))) == pytest.approx(exact, rel=2e-15, abs=0)


@pytest.mark.parametrize("largest", [1e-200, 1e-17, 1e-9, 1e-4, 0.03, 0.2, 0.499, 0.6, 40.0])
def test_the_log_shortfall_takes_as_many_terms_as_its_largest_argument_needs(largest):
    x = largest * np.concatenate([[1.0, -min(1.0, 0.99 / largest)], np.random.default_rng(0).uniform(-0.9, 1, 200)])
    x = x[x > -1]
    with mpmath.workdps(450):
        exact = [float(one - mpmath.log1p(one)) for one in map(mpmath.mpf, x.tolist())]
    np.testing.assert_allclose(log_shortfall(x), exact, rtol=2e-15)


def test_lots_of_prompts_are_finished_together_as_one_by_one(monkeypatch):
    scores, base = a_market(prompts=7)
    whole = kl_block(scores, base, scores[:, :, 0])
    together = whole.settle(SIZES, STRENGTH)
    monkeypatch.setattr("tuneaccord.kernel.sums._LOT", 6)  # two prompts of three groups
    for got, expected in zip(whole.settle(SIZES, STRENGTH), together, strict=True):
        if isinstance(got, AllPayments):
            got, expected = got.payments_by_prompt, expected.payments_by_prompt
        np.testing.assert_allclose(got, expected, rtol=1e-14)


@given(cuts=st.sets(st.integers(1, 23), min_size=1, max_size=6), seed=st.integers(0, 5))
def test_blocks_merge_to_the_whole_in_any_order(cuts, seed):
    scores, base = a_market(seed)
    centre = kl_block(scores, base, scores[:, :, 0]).finish(SIZES, STRENGTH).values_by_prompt
    edges = [0, *sorted(cuts), 24]
    parts = [
        kl_block(scores[:, :, start:stop], base[:, start:stop], centre) for start, stop in itertools.pairwise(edges)
    ]
    whole = kl_block(scores, base, centre)
    left = functools.reduce(KLSums.merge, parts)
    right = functools.reduce(lambda merged, part: part.merge(merged), reversed(parts))
    # terms of one sign: a few roundings each, and those of exp(top - top')
    for merged in (left, right, KLSums.merge_all(parts)):
        for name in ("top", "mass", "spread", "spread_of_all"):
            np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-13, err_msg=name)
        np.testing.assert_allclose(merged.values, whole.values, atol=1e-13 * whole.mass.max() * np.abs(scores).max())
        np.testing.assert_allclose(
            merged.finish(SIZES, STRENGTH).payments_by_prompt,
            whole.finish(SIZES, STRENGTH).payments_by_prompt,
            rtol=1e-12,
        )


def test_the_empty_sums_change_nothing():
    scores, base = a_market()
    whole = kl_block(scores, base, scores[:, :, 0])
    empty = KLSums.empty(whole.centre)
    assert_same_sums(whole.merge(empty), whole, rtol=0)
    assert_same_sums(empty.merge(whole), whole, rtol=0)


def test_prompts_join_and_part():
    scores, base = a_market()
    whole = kl_block(scores, base, scores[:, :, 0])
    halves = [kl_block(scores[[p]], base[[p]], scores[[p], :, 0]) for p in range(2)]
    assert_same_sums(KLSums.join(halves), whole, rtol=1e-15)
    assert_same_sums(KLSums.join([whole.at(np.array([0])), whole.at(np.array([1]))]), whole, rtol=0)


def test_sums_around_different_centres_do_not_merge():
    scores, base = a_market()
    with pytest.raises(InputError, match="share their centre"):
        kl_block(scores, base, scores[:, :, 0]).merge(kl_block(scores, base, scores[:, :, 1]))


def test_a_shared_group_of_one_pays_what_moving_the_policy_costs():
    """Alone in the market, group one pays strength * KL(p* || q): rewards 0 and 1, uniform base, strength 1."""
    sums, _ = kl_sums(np.array([[[0.0, 1.0]]]), None, np.ones(1), 1.0, np.array([[0.5]]))
    p = np.e / (1 + np.e)
    price = p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))
    found = sums.finish(np.ones(1), 1.0)
    assert found.payments[0] == pytest.approx(price, rel=1e-14)
    assert found.price == pytest.approx(price, rel=1e-14)
    assert found.values[0] == pytest.approx(p, rel=1e-15)


def test_without_the_spread_of_all_the_price_is_right_in_absolute_terms():
    scores, base = a_market()
    whole = kl_block(scores, base, scores[:, :, 0])
    bare = KLSums(whole.top, whole.mass, whole.values, whole.spread, whole.centre)
    assert bare.merge(bare).spread_of_all is None
    fine, rough = whole.finish(SIZES, STRENGTH), bare.finish(SIZES, STRENGTH)
    np.testing.assert_allclose(rough.price_by_prompt, fine.price_by_prompt, atol=1e-13 * 44 * np.abs(scores).max())


def test_a_centre_far_from_the_value_is_noticed():
    scores, base = a_market()
    base = np.eye(24)[:2] * (1 - 1e-12) + 1e-12 / 24  # nearly all weight on one response: small payments
    near = (scores * base[:, None]).sum(axis=2)
    assert not kl_block(0.01 * scores, base, 0.01 * near).settle(SIZES, STRENGTH)[1].any()
    assert kl_block(0.01 * scores, base, 0.01 * near + 1.0).settle(SIZES, STRENGTH)[1].all()


def chi_block(scores, base, centre):
    sums = chi_squared_sums(scores, base, SIZES, centre)
    floor, without = floors(scores, base, SIZES, centre)
    return ChiSquaredSums(sums.mass, sums.first, sums.second, sums.cross, centre, sums.lowest, floor, without)


@given(cut=st.integers(1, 23), seed=st.integers(0, 5))
def test_chi_squared_blocks_merge(cut, seed):
    scores, base = a_market(seed)
    centre = scores[:, :, 0]
    whole = chi_block(scores, base, centre)
    merged = chi_block(scores[:, :, :cut], base[:, :cut], centre).merge(
        chi_block(scores[:, :, cut:], base[:, cut:], centre)
    )
    scale = (np.abs(scores - centre[..., None]).max() * SIZES.sum()) ** 2
    for name in whole.__dataclass_fields__:  # sums of both signs: roundings of the largest term
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-12, atol=1e-14 * scale)


@pytest.mark.parametrize("strength", [1.0, 20.0, 60.0, 100.0, 400.0])
def test_interior_is_what_the_policies_say(strength):
    """Some response has probability zero, with all groups or without one, exactly where interior is False."""
    scores, base = a_market(prompts=8)
    empties = []
    for kept in [np.ones(3), *(1 - np.eye(3))]:
        policy, _ = ChiSquared(strength).tilt(np.einsum("g,pgr->pr", SIZES * kept, scores), base)
        empties.append((policy == 0).any(axis=1))
    sums = chi_block(scores, base, scores[:, :, 0])
    np.testing.assert_array_equal(sums.interior(SIZES, strength), ~np.any(empties, axis=0))
    cautious = chi_squared_sums(scores, base, SIZES, scores[:, :, 0]).interior(SIZES, strength)
    assert (cautious <= sums.interior(SIZES, strength)).all()


def test_the_closed_form_is_refused_where_it_does_not_hold():
    scores, base = a_market()
    sums = chi_block(scores, base, scores[:, :, 0])
    with pytest.raises(InputError, match="lose all of its probability"):
        sums.finish(SIZES, 1e-3)
    payments = sums.finish(SIZES, 1e4).payments_by_prompt
    mean = np.einsum("pr,pgr->pg", base, scores)
    variance = np.einsum("pr,pgr->pg", base, (scores - mean[..., None]) ** 2)
    np.testing.assert_allclose(payments, SIZES**2 * variance / 4e4, rtol=1e-13)


def test_means_over_prompts_use_the_weights():
    scores, base = a_market()
    found = kl_block(scores, base, scores[:, :, 0]).finish(SIZES, STRENGTH, np.array([0.25, 0.75]))
    assert isinstance(found, AllPayments)
    np.testing.assert_allclose(found.payments, [0.25, 0.75] @ found.payments_by_prompt, rtol=1e-15)
    np.testing.assert_allclose(found.utilities, SIZES * found.values - found.payments, rtol=1e-15)
    assert found.welfare - found.price == pytest.approx(found.net_welfare, rel=1e-13)
    assert 0 < found.regret_bound == found.gap < 1e-12 * found.welfare


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ([1.0], "one number for each of the 2"),
        ([0.5, 0.6], "sum to 1"),
        ([1.5, -0.5], "non-negative"),
        ([np.nan, 1], "sum"),
    ],
)
def test_prompt_weights_are_checked(weights, complaint):
    with pytest.raises(InputError, match=complaint):
        prompt_mean_weights(weights, 2)

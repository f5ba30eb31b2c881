"""The compiled tier against long-double sums, the careful route and the divergences' own solvers."""

import numpy as np
import pytest
from plain_gibbs import kl_externalities

from tuneaccord.divergence import Alpha, ChiSquared, JensenShannon, ReverseKL, SquaredHellinger, TotalVariation
from tuneaccord.kernel.fused import blocks, kl
from tuneaccord.kernel.fused.chi_squared import chi_squared_sums, floors
from tuneaccord.kernel.fused.kl import kl_sums
from tuneaccord.kernel.fused.scores import total_scores
from tuneaccord.kernel.fused.solved import solved_payments
from tuneaccord.kernel.gibbs import log_gibbs
from tuneaccord.kernel.sums import ChiSquaredSums, KLSums

# Relative errors of a payment. float32 rounds each weight and each reward's distance from the centre to 6e-8, and each
# lane of a vector adds up hundreds of them: up to 7e-7 in vectors of 256 bits, 3e-6 in those of 128, whose lanes are
# fewer and longer.
TOLERANCE = {np.float32: 4e-6, np.float64: 1e-12}
KINDS = pytest.mark.parametrize("kind", [np.float32, np.float64])
SHAPES = [(1, 3, 5000), (1, 20, 9001), (3, 1, 1), (4, 2, 17), (30, 9, 64), (7, 6, 128), (2, 5, 33)]


def market(seed, shape, kind, base=False):
    rng = np.random.default_rng(seed)
    scores = rng.random(shape).astype(kind)
    sizes = rng.integers(1, 11, shape[1]).astype(float)
    if not base:
        return scores, sizes, None
    weights = rng.gamma(0.3, size=(shape[0], shape[2])) * (rng.random((shape[0], shape[2])) < 0.7)
    weights[:, 0] += 1e-3
    return scores, sizes, weights / weights.sum(axis=1, keepdims=True)


def log(base):
    with np.errstate(divide="ignore"):
        return None if base is None else np.log(base)


def long_double_payments(scores, sizes, strength, base):
    """``strength * log E[exp(-y)]`` around the value, in 64 bits of mantissa; ``h`` by its series where y is small."""
    rewards = scores.astype(np.longdouble)
    scale = sizes.astype(np.longdouble) / np.longdouble(strength)
    z = np.einsum("g,pgr->pr", scale, rewards)
    policy = np.exp(z - z.max(axis=1, keepdims=True)) * (1 if base is None else base)
    policy /= policy.sum(axis=1, keepdims=True)
    y = scale[:, None] * (rewards - np.einsum("pr,pgr->pg", policy, rewards)[..., None])
    series = np.ones_like(y)
    for k in range(20, 2, -1):
        series = 1 - y / k * series
    h = np.where(np.abs(y) < 0.5, y * y / 2 * series, np.expm1(-y) + y)
    return strength * np.log1p(np.einsum("pr,pgr->pg", policy, h))


def fused(scores, sizes, strength, base, threads=1):
    sums = kl_sums(scores, log(base), sizes, strength, threads=threads)
    return KLSums(*sums[:6]).finish(sizes, strength), sums.hot


@KINDS
@pytest.mark.parametrize("with_base", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pull", [0.01, 4.0, 60.0])
def test_kl_payments_agree_with_long_double(kind, with_base, shape, pull):
    scores, sizes, base = market(sum(shape), shape, kind, with_base)
    strength = sizes.sum() / pull
    found, hot = fused(scores, sizes, strength, base)
    expected = long_double_payments(scores, sizes, strength, base)
    error = np.abs(found.payments_by_prompt - expected)
    assert (error <= TOLERANCE[kind] * expected)[~hot].all()
    assert not hot.any() or pull > 10


@KINDS
def test_kl_values_and_support(kind):
    scores, sizes, base = market(1, (5, 4, 700), kind, True)
    found, _ = fused(scores, sizes, 3.0, base)
    wide = scores.astype(float)
    log_policy, best = log_gibbs(np.einsum("g,pgr->pr", sizes, wide), 3.0, log(base))
    eps = float(20 * np.finfo(kind).eps)
    assert found.values_by_prompt == pytest.approx(np.einsum("pr,pgr->pg", np.exp(log_policy), wide), rel=eps)
    assert found.support_by_prompt == pytest.approx(best, rel=eps)


@KINDS
def test_kl_payments_agree_with_the_careful_route_also_when_a_group_dominates(kind):
    scores, _, _ = market(2, (3, 4, 50), kind)
    sizes = np.array([1e2, 1.0, 2.0, 1.0])
    base = np.full((3, 50), 0.02)
    found, hot = fused(scores, sizes, 8.0, None)
    table = np.swapaxes(scores, 1, 2).astype(float)
    log_policy, _ = log_gibbs(table @ sizes, 8.0, np.log(base))
    expected = kl_externalities(table, sizes, 8.0, np.log(base), log_policy)
    assert not hot.any()
    # the careful route loses a few digits itself
    assert found.payments_by_prompt == pytest.approx(expected, rel=max(TOLERANCE[kind], 1e-10))


@KINDS
@pytest.mark.parametrize("pull", [1e2, 1e3, 1e4])
@pytest.mark.parametrize("pairs", [1, 300])
def test_large_terms_that_cancel_leave_the_small_group_its_digits(kind, pull, pairs):
    """Opposed groups: the score is of order one, its terms are not, and float32 would round them."""
    rng = np.random.default_rng(14)
    strong, weak = np.repeat(rng.random((2, 1, 64)), pairs, axis=1), rng.random((2, 1, 64))
    scores = np.concatenate([strong, -strong, weak], axis=1).astype(kind)
    sizes = np.append(np.full(2 * pairs, pull / pairs), 1.0)
    found, hot = fused(scores, sizes, 1.0, None)
    expected = long_double_payments(scores, sizes, 1.0, None)
    assert not hot[:, -1].any()
    # scores are rounded to a float64 of the size of the pull
    rel = TOLERANCE[kind] + 1e-15 * pull
    assert found.payments_by_prompt[:, -1] == pytest.approx(expected[:, -1].astype(float), rel=rel)


@KINDS
def test_groups_that_would_overflow_are_reported(kind):
    scores, sizes, _ = market(3, (2, 3, 40), kind)
    sums = kl_sums(scores, None, sizes, sizes.sum() / 1e4, threads=1)
    assert sums.hot.any()
    assert np.isinf(sums.spread[sums.hot]).all()
    assert np.isfinite(sums.values).all()


@KINDS
@pytest.mark.parametrize("shape", [(1, 5, 40_000), (4, 5, 30)])
def test_a_constant_reward_pays_exactly_nothing(kind, shape):
    scores, sizes, base = market(4, shape, kind, True)
    scores[:, 2] = 0.3
    found, _ = fused(scores, sizes, 1.0, base)
    assert (found.payments_by_prompt[:, 2] == 0).all()
    assert (found.payments_by_prompt[:, 3] > 0).all()


@KINDS
def test_rewards_off_the_support_do_not_count(kind):
    scores, sizes, base = market(5, (3, 4, 100), kind, True)
    other = scores.copy()
    other[np.broadcast_to((base == 0)[:, None], other.shape)] = 0.99
    one, two = (fused(s, sizes, 2.0, base)[0].payments_by_prompt for s in (scores, other))
    # the centre of a first block starts from its first response, which is in the support
    assert one == pytest.approx(two, rel=TOLERANCE[kind])


@KINDS
def test_a_support_that_starts_late(kind):
    scores, sizes, _ = market(6, (1, 6, 30_000), kind)
    base = np.zeros((1, 30_000))
    base[:, 29_000:] = 1e-3
    found, _ = fused(scores, sizes, 2.0, base)
    expected = long_double_payments(scores, sizes, 2.0, base)
    assert found.payments_by_prompt == pytest.approx(expected.astype(float), rel=TOLERANCE[kind])


@KINDS
def test_sorted_responses_are_read_again_around_the_values(kind):
    scores, sizes, _ = market(7, (1, 2, 60_000), kind)
    scores.sort(axis=2)
    found, hot = fused(scores, sizes, sizes.sum() / 20, None)
    expected = long_double_payments(scores, sizes, sizes.sum() / 20, None)
    assert not hot.any()
    assert found.payments_by_prompt == pytest.approx(expected.astype(float), rel=TOLERANCE[kind])


@KINDS
@pytest.mark.parametrize("shape", [(1, 7, 70_000), (600, 8, 100)])
def test_threads_do_not_change_a_bit(kind, shape, monkeypatch):
    monkeypatch.setattr(blocks, "_TASK", 1 << 16)
    scores, sizes, base = market(8, shape, kind, True)
    one, two = (kl_sums(scores, log(base), sizes, 5.0, threads=threads) for threads in (1, 2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    one, two = (chi_squared_sums(scores, base, sizes, threads=threads) for threads in (1, 2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))
    one, two = (solved_payments(scores, base, sizes, ReverseKL(9.0), threads)[0] for threads in (1, 2))
    assert (one == two).all()


@KINDS
def test_blocks_merge_to_the_whole(kind):
    scores, sizes, base = market(9, (2, 5, 3000), kind, True)
    centre = scores[:, :, :1].mean(axis=2)
    cuts = (slice(0, 700), slice(700, 701), slice(701, 3000))
    parts = [
        kl_sums(np.ascontiguousarray(scores[..., cut]), log(base)[:, cut], sizes, 4.0, centre, threads=1)
        for cut in cuts
    ]
    merged = KLSums(*parts[0][:6]).merge(KLSums(*parts[1][:6])).merge(KLSums(*parts[2][:6])).finish(sizes, 4.0)
    whole = KLSums(*kl_sums(scores, log(base), sizes, 4.0, centre, threads=1)[:6]).finish(sizes, 4.0)
    rel = 10 * TOLERANCE[kind]  # the common centre is one response, far from the values
    assert merged.payments_by_prompt == pytest.approx(whole.payments_by_prompt, rel=rel)
    assert merged.support_by_prompt == pytest.approx(whole.support_by_prompt, rel=rel)


def test_a_prompt_is_cut_where_the_cache_ends_and_nowhere_else():
    parts = blocks.pieces(prompts=2, groups=8, responses=1_000_000, width=4096)
    assert (parts[:-1, 2][parts[:-1, 0] == parts[1:, 0]] == parts[1:, 1][parts[:-1, 0] == parts[1:, 0]]).all()
    assert parts[parts[:, 0] == 1, 2].max() == 1_000_000
    assert kl.FusedKLSums._fields[:6] == tuple(KLSums.__dataclass_fields__)[:6]


@KINDS
@pytest.mark.parametrize("with_base", [False, True])
@pytest.mark.parametrize("shape", [(1, 3, 20_000), (12, 7, 40), (2, 1, 1)])
def test_chi_squared_sums_and_floors(kind, with_base, shape):
    scores, sizes, base = market(10, shape, kind, with_base)
    sums = ChiSquaredSums(*chi_squared_sums(scores, base, sizes, threads=1))
    found = sums.closed_form(sizes, 1.0)
    rewards = scores.astype(np.longdouble)
    q = np.full((shape[0], shape[2]), 1.0 / shape[2]) if base is None else base
    gap = rewards - np.einsum("pr,pgr->pg", q, rewards)[..., None]
    expected = sizes**2 * np.einsum("pr,pgr->pg", q, gap**2) / 4
    assert found.payments_by_prompt == pytest.approx(expected.astype(float), rel=TOLERANCE[kind], abs=1e-30)
    moved = rewards - sums.centre[..., None]
    score = np.einsum("g,pgr->pr", sizes, moved)
    low, without = floors(scores, base, sizes, sums.centre, threads=1)
    held = q > 0
    rest = np.where(held[:, None], score[:, None] - sizes[:, None] * moved, np.inf).min(axis=2)
    # minima are float64 sums whatever the rewards' type
    assert low == pytest.approx(np.where(held, score, np.inf).min(axis=1).astype(float), abs=1e-12)
    assert without == pytest.approx(rest.astype(float), abs=1e-12)


DIVERGENCES = [
    ReverseKL(1.0),
    SquaredHellinger(2.0),
    JensenShannon(4.0),
    Alpha(1.0, 0.3),
    Alpha(1.0, -1.0),
    Alpha(2.0, 1.5),
    ChiSquared(0.05),
    ChiSquared(1.0),
    TotalVariation(0.1),
    TotalVariation(0.4),
]


@KINDS
@pytest.mark.parametrize("with_base", [False, True])
@pytest.mark.parametrize("divergence", DIVERGENCES, ids=str)
@pytest.mark.parametrize("shape", [(1, 3, 5000), (6, 9, 30), (2, 2, 1)])
def test_solved_payments_agree_with_the_divergence(kind, with_base, divergence, shape):
    scores, sizes, base = market(11, shape, kind, with_base)
    sizes /= sizes.sum()
    payments, missing = solved_payments(scores, base, sizes, divergence, threads=1)
    q = np.full((shape[0], shape[2]), 1.0 / shape[2]) if base is None else base
    expected = divergence.externalities(np.swapaxes(scores, 1, 2).astype(float), sizes, q)
    # total variation's payments are sums of differences of scores, in absolute terms right to rounding
    near = pytest.approx(expected[~missing], rel=TOLERANCE[kind], abs=1e-14)
    assert payments[~missing] == near
    assert missing.mean() < 0.5


@KINDS
def test_solved_payments_of_a_constant_reward_are_nothing(kind):
    scores, sizes, base = market(12, (2, 4, 60), kind, True)
    scores[:, 1] = 0.7
    for divergence in DIVERGENCES:
        payments, missing = solved_payments(scores, base, sizes / sizes.sum(), divergence, threads=1)
        assert (payments[:, 1][~missing[:, 1]] < 1e-28).all(), divergence


def test_total_scores_in_float64():
    scores, sizes, _ = market(13, (3, 6, 5000), np.float32)
    wide = scores.astype(float)
    expected = np.einsum("g,pgr->pr", sizes, wide - wide[:, :, :1])
    assert total_scores(scores, sizes, threads=1) == pytest.approx(expected, abs=1e-12)

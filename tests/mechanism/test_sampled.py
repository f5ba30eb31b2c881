"""On a pool that was drawn before the reports no lie pays; on one that depends on them, a lie does."""

from dataclasses import replace

import numpy as np
import pytest
from markets import numbers, reports_of, scale

import tuneaccord as ta
from tuneaccord.testing import check_settlement, random_market


def drawn(full, reports, responses, seed, proposal=None):
    pool = ta.sample_pool(full, responses, seed, proposal)
    return pool, ta.settle(pool.space, pool.reports(reports))


# ---- the draw


def test_the_draw_is_repeated_by_its_seed_and_published_by_its_digest():
    space, _ = random_market(np.random.default_rng(81))
    pool, again, other = (ta.sample_pool(space, 6, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(pool.indices, again.indices)
    assert pool.digest == again.digest != other.digest
    assert pool.digest.startswith("sha256:")
    assert replace(pool, indices=pool.indices[:, ::-1]).digest != pool.digest
    assert replace(pool, weights=np.full((2, 6), 1 / 6 + 1e-15)).digest != pool.digest
    assert ta.sample_pool(replace(space, divergence=ta.KL(2.0)), 6, 1).digest != pool.digest
    for array in (pool.indices, pool.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0


def test_responses_come_as_often_as_the_proposal_says_and_weigh_base_over_proposal():
    base, law = np.array([[0.5, 0.3, 0.2, 0.0]]), np.array([[0.1, 0.3, 0.6, 0.0]])
    pool = ta.sample_pool(ta.Simplex(base, ta.KL(1.0)), 100_000, 0, law)
    shares = np.bincount(pool.indices[0], minlength=4) / 100_000
    np.testing.assert_allclose(shares, law[0], atol=0.008)  # five standard deviations
    assert shares[3] == 0
    ratio = base[0, :3] / law[0, :3]
    np.testing.assert_allclose(pool.weights / pool.weights[0, 0], [ratio[pool.indices[0]] / ratio[pool.indices[0, 0]]])
    assert pool.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (ta.sample_pool(ta.Simplex(base, ta.KL(1.0)), 8, 0).weights == 1 / 8).all()


def test_rewards_are_read_off_the_full_table_and_divided_there():
    space = ta.Simplex([0.25, 0.25, 0.5], ta.KL(1.0), [1.0])
    pool = ta.sample_pool(space, 5, 3)
    table = np.array([1.0, 2.0, 5.0])
    (plain,) = pool.rewards([ta.Report("a", 1, ta.TableReward(table))])
    (divided,) = pool.rewards([ta.Report("a", 1, ta.TableReward(table, scale="sum"))])
    np.testing.assert_array_equal(plain.scores, [table[pool.indices[0]]])
    np.testing.assert_allclose(divided.scores, [table[pool.indices[0]] / 8])
    assert pool.space.base.shape == (5,)
    assert pool.reports([ta.Report("a", 2, ta.TableReward(table))])[0].size == 2


def test_repeated_responses_count_once_with_their_weight_together():
    for seed in range(10):
        space, reports = random_market(np.random.default_rng(seed), prompts=1, responses=4)
        pool, result = drawn(space, reports, 12, seed)
        merged = np.bincount(pool.indices[0], minlength=4) / 12
        expected = ta.settle(ta.Simplex(merged, space.divergence), reports)
        np.testing.assert_allclose(numbers(result.payments), numbers(expected.payments), atol=1e-12 * scale(result))
        assert result.net_welfare == pytest.approx(expected.net_welfare, abs=1e-12 * scale(result))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"responses": 0}, "responses must be a whole number of at least 1, got 0"),
        ({"responses": 2.5}, "responses must be a whole number"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"proposal": [0.5, 0.5]}, r"the base's shape \(1, 3\), got \(1, 2\)"),
        ({"proposal": [0.5, 0.2, 0.2]}, "must be a distribution"),
        ({"proposal": [np.nan, 0.5, 0.5]}, "must be a distribution"),
        ({"proposal": [0.5, 0.5, 0.0]}, "positive exactly where the base is; response 0 of prompt 0 has 0.5 against 0"),
        ({"proposal": [0.0, 1.0, 0.0]}, "positive exactly where the base is; response 2 of prompt 0 has 0 against 0.6"),
        ({"space": ta.Candidates([[1.0]], [0.0])}, "sampled from a Simplex, got Candidates"),
    ],
    ids=str,
)
def test_a_wrong_draw_is_told_what_is_wrong(arguments, message):
    given = {"space": ta.Simplex([0.0, 0.4, 0.6], ta.KL(1.0)), "responses": 2, "seed": 0, **arguments}
    with pytest.raises(ta.InputError, match=message):
        ta.sample_pool(**given)


# ---- truth on the pool


def settled_lies(space, truth, others, lies, size):
    """The first group's utility by its true table (responses,) under each lie (lies, responses), on one pool."""
    count = len(lies)
    tiled = ta.Simplex(np.tile(space.base_model, (count, 1)), space.divergence)
    reports = [ta.Report("liar", size, ta.TableReward(lies))]
    sizes, tables = zip(*others, strict=True)
    reports += reports_of(sizes, [np.tile(table, (count, 1)) for table in tables])
    result = ta.settle(tiled, reports)
    return result, size * result.optimum.model @ truth


@pytest.mark.parametrize("proposal", [False, True])
def test_no_lie_pays_on_any_realised_pool(proposal):
    """10,000 lies; a lie about the size is one about the reward, as only their product is used."""
    rng = np.random.default_rng(82)
    for seed in range(5):
        space, reports = random_market(rng, prompts=1, responses=50, strength=10 ** rng.uniform(-1, 1))
        law = rng.dirichlet(np.ones(50))[None] if proposal else None
        pool, truthful = drawn(space, reports, int(rng.integers(1, 20)), seed, law)
        check_settlement(truthful)
        assert (truthful.payments_by_prompt >= 0).all()
        truth, *others = (np.ravel(table.scores) for table in pool.rewards(reports))
        lies = truth * np.exp(rng.normal(size=(1000, 1))) + rng.normal(size=(1000, len(truth))) * rng.choice(
            [0.0, 0.01, 0.1, 1.0], size=(1000, 1)
        )
        lies[0] = truth
        result, values = settled_lies(
            pool.space, truth, list(zip([r.size for r in reports[1:]], others, strict=True)), lies, reports[0].size
        )
        utilities = values - result.payments_by_prompt[:, 0]
        assert utilities[0] >= utilities.max() - 1e-12 * scale(result)


# ---- truth lost where the pool depends on the reports: two groups, 4,000 draws, in units of the truthful utility


def wrong_pool_market(repeats):
    rng = np.random.default_rng(7)
    base, tables = rng.dirichlet(np.ones(40)), rng.uniform(size=(2, 40)) ** 3
    full = ta.Simplex(np.tile(base, (repeats, 1)), ta.KL(1.0))
    return full, np.tile(tables[:, None], (1, repeats, 1))


def mean_gain(pool_of, factor, repeats=4000):
    """How much the first group gains on average, and its standard error, when it reports ``factor`` times its size.

    ``pool_of(full, reports)`` returns base and indices of the pools that the reports lead to.
    """
    full, tables = wrong_pool_market(repeats)
    utilities = []
    for claimed in (2.0, 2.0 * factor):
        reports = reports_of([claimed, 2.0], tables)
        base, indices = pool_of(full, reports)
        on_pool = [np.take_along_axis(table, indices, axis=1) for table in tables]
        result = ta.settle(ta.Simplex(base, full.divergence), reports_of([claimed, 2.0], on_pool))
        values = 2.0 * (result.optimum.model * on_pool[0]).sum(axis=1)
        utilities.append(values - result.payments_by_prompt[:, 0])
    gain = (utilities[1] - utilities[0]) / utilities[0].mean()
    return gain.mean(), gain.std() / np.sqrt(repeats)


def from_the_base(full, reports):
    pool = ta.sample_pool(full, 8, 0)
    return pool.weights, pool.indices


def from_the_trained_policy(full, reports):
    pool = ta.sample_pool(full, 8, 0, proposal=ta.settle(full, reports).model)
    return pool.weights, pool.indices


def best_of_32(full, reports):
    """The 8 of 32 replies that the reports like best, as if they were a draw from the base."""
    pool = ta.sample_pool(full, 32, 0)
    liked = sum(r.size * table.scores for r, table in zip(reports, pool.rewards(reports), strict=True))
    best = np.argsort(-liked, axis=1, kind="stable")[:, :8]
    return np.full(best.shape, 1 / 8), np.take_along_axis(pool.indices, best, axis=1)


def drawn_again_where_the_size_is_low(full, reports):
    """Up to six draws until the effective sample size of the policy is half the pool."""
    indices, done = None, np.zeros(full.shape[0], bool)
    for seed in range(6):
        pool, result = drawn(full, reports, 8, seed)
        indices = pool.indices if indices is None else np.where(done[:, None], indices, pool.indices)
        done |= pool.space.effective_sample_size(result.optimum.model) >= 4
    return pool.weights, indices


@pytest.mark.parametrize(
    ("pool_of", "factor", "least"),
    [
        (from_the_trained_policy, 8.0, 0.3),
        (best_of_32, 1.5, 0.01),
        (drawn_again_where_the_size_is_low, 0.8, 0.01),
    ],
    ids=["trained on the reports", "best by reported reward", "drawn again"],
)
def test_a_lie_pays_where_the_pool_depends_on_the_reports(pool_of, factor, least):
    gain, error = mean_gain(pool_of, factor)
    assert gain > least
    assert gain > 5 * error
    honest, _ = mean_gain(from_the_base, factor)
    assert honest < 0


def test_a_lie_pays_where_rewards_are_divided_by_their_maximum_on_the_pool():
    """What the group values is not so divided: it then counts for too much, and understates its size."""
    space = ta.Simplex(np.full(10, 0.1), ta.KL(1.0))
    tables = np.random.default_rng(84).uniform(size=(2, 10))
    best = int(tables[0].argmax())
    tables[0] = np.where(np.arange(10) == best, 1.0, 0.5 * tables[0])
    seed = next(s for s in range(50) if best not in ta.sample_pool(space, 4, s).indices)
    full = reports_of([3.0, 3.0], tables)
    pool = ta.sample_pool(space, 4, seed)
    truth = pool.rewards(full)[0].scores
    assert truth.max() <= 0.5

    def utility(size, table):
        liar = ta.Report("g0", size, table)
        result = ta.settle(pool.space, [liar, pool.reports(full)[1]])
        return 3.0 * float((result.model * truth).sum()) - result.payments["g0"]

    divided = ta.TableReward(truth, scale="max")
    assert utility(3.0 * truth.max(), divided) > utility(3.0, divided) + 0.004
    plain = ta.TableReward(truth)
    assert all(utility(3.0 * factor, plain) <= utility(3.0, plain) for factor in (0.25, 0.5, 0.9, 1.1, 2.0, 4.0))


def test_a_lie_pays_where_the_corrected_payment_is_charged():
    """On pools of four; the same lies never pay at the charged payment."""
    rng = np.random.default_rng(85)
    gains = []
    for _ in range(5):
        truth, other = rng.uniform(size=(2, 4))
        lies = truth * np.exp(0.3 * rng.normal(size=(1000, 1))) + rng.normal(size=(1000, 4)) * rng.choice(
            [0.0, 0.05, 0.3], size=(1000, 1)
        )
        lies[0] = truth
        space = ta.Simplex(np.full(4, 0.25), ta.KL(1.0))
        result, values = settled_lies(space, truth, [(2.0, other)], lies, 2.0)
        corrected = ta.sampling_report(result, draws=2).by_prompt["payments"].corrected[:, 0]
        charged = result.payments_by_prompt[:, 0]
        assert (values - charged).argmax() == 0 or (values - charged)[0] >= (values - charged).max() - 1e-14
        gains.append((values - corrected).max() - (values - corrected)[0])
    assert min(gains) > 1e-5
    assert max(gains) > 0.01

"""The experiments on a language model: amounts by another route, bounds that are kept, what is wrong is caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuneaccord import KL, Candidates, Report, RewardMisreport, Simplex, SizeMisreport, settle, what_if
from tuneaccord.spaces.simplex import table_rewards
from tuneaccord.tuning.comparison import Row
from tuneaccord.tuning.experiments import figure2
from tuneaccord.tuning.experiments.claims import Claim, pure, resized, scores_of, shifted, wanting
from tuneaccord.tuning.experiments.outcomes import PoolOutcomes, SoupOutcomes
from tuneaccord.tuning.experiments.truth import truth_of
from tuneaccord.tuning.table import MeasuredTable

STRENGTH = 0.3
NAMES = ("press", "desk", "garden")
MIXED = (Claim("a", 4.0, (0.7, 0.0, 0.3)), Claim("b", 3.0, (0.0, 1.0, 0.0)), Claim("c", 2.0, (0.5, 0.5, 0.0)))


def pool_scores(seed: int, prompts: int = 6, replies: int = 7, criteria: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, size=(prompts, replies, criteria))


def pool(seed: int = 0, criteria: int = 3, draws: int = 50) -> PoolOutcomes:
    return PoolOutcomes(pool_scores(seed, criteria=criteria), KL(STRENGTH), seed=seed, draws=draws)


def table(seed: int = 0, models: int = 5, prompts: int = 8, criteria: int = 3) -> MeasuredTable:
    rng = np.random.default_rng(seed)
    lifts, prices = rng.normal(scale=0.1, size=(models, criteria)), rng.uniform(0.1, 0.5, size=models)
    rows = []
    for index in range(models):
        values = 0.5 + lifts[index] + rng.normal(scale=0.03, size=(prompts, criteria))
        kl = prices[index] * rng.uniform(0.5, 1.5, size=prompts)
        rows.append(Row("base" if index == 0 else f"soup {index}", values, kl * (index > 0), 4))
    return MeasuredTable(tuple(rows), NAMES[:criteria], STRENGTH, fixed=True)


def soups(seed: int = 0, **shape) -> SoupOutcomes:
    return SoupOutcomes(table(seed, **shape), seed=seed, draws=50)


def lies(truth, group):
    return [
        *(resized(truth[group], factor) for factor in (0.5, 3.0)),
        *(shifted(truth, group, shift) for shift in (0.7, 1.8)),
        wanting(truth[group], "all", (1 / 3,) * 3),
    ]


# Amounts


def test_amounts_on_a_pool_are_gibbs_weights_and_the_others_loss():
    """By hand, prompt by prompt: weights exp(s / strength), payment as the others' loss."""
    space = pool(1)
    for group in range(3):
        for lie in lies(MIXED, group):
            said = [lie.claim if index == group else claim for index, claim in enumerate(MIXED)]
            told, real = scores_of(space.scores, said), scores_of(space.scores, MIXED)
            value = payment = welfare = 0.0
            for prompt in range(len(told)):
                total = sum(claim.size * told[prompt, :, i] for i, claim in enumerate(said))
                others = total - lie.claim.size * told[prompt, :, group]
                weights = np.exp(total / STRENGTH) / np.exp(total / STRENGTH).sum()
                price = STRENGTH * float(weights @ np.log(weights * len(weights)))
                best = STRENGTH * np.log(np.exp(others / STRENGTH).mean())
                value += MIXED[group].size * float(weights @ real[prompt, :, group]) / len(told)
                payment += (best - (weights @ others - price)) / len(told)
                welfare += (
                    sum(claim.size * float(weights @ real[prompt, :, i]) for i, claim in enumerate(MIXED)) - price
                ) / len(told)
            amounts = space.amounts(MIXED, group, lie.claim)
            # sums of a few dozen numbers near 1
            assert amounts.value[0] == pytest.approx(value, abs=1e-12)
            assert amounts.payment[0] == pytest.approx(payment, abs=1e-12)
            assert amounts.net_welfare[0] == pytest.approx(welfare, abs=1e-12)


@pytest.mark.parametrize("group", [0, 1])
def test_the_paper_s_misreports_are_the_library_s(group):
    truth = pure(NAMES[:2], (3, 7))
    on_pool, on_soups = pool(2, criteria=2), soups(2, criteria=2)
    reports = [
        [Report(c.name, c.size, reward) for c, reward in zip(truth, table_rewards(on_pool.scores), strict=True)],
        [Report(c.name, c.size) for c in truth],
    ]
    measured = on_soups.table
    spaces = [
        Simplex.uniform(*on_pool.scores.shape[:2], KL(STRENGTH)),
        Candidates(measured.values.mean(axis=0), measured.prices.mean(axis=0), measured.names, base=0),
    ]
    for outcomes, space, told in zip((on_pool, on_soups), spaces, reports, strict=True):
        settled = settle(space, told)
        for lie in figure2.lies_of(truth, group):
            kind = SizeMisreport if lie.kind == "size" else RewardMisreport
            expected = what_if(settled, truth[group].name, kind(lie.at))
            amounts = outcomes.amounts(truth, group, lie.claim)
            # the same arithmetic in another order
            assert amounts.value[0] == pytest.approx(expected.group_value, abs=1e-12)
            assert amounts.payment[0] == pytest.approx(expected.payment, abs=1e-12)
            assert amounts.utility[0] == pytest.approx(expected.utility, abs=1e-12)


def test_amounts_on_a_table_are_those_of_its_rows_also_on_resamples():
    space = soups(3)
    values, prices = space.resamples
    assert values.shape == (51, 5, 3)
    assert np.allclose(values[0], space.table.values.mean(axis=0), rtol=0, atol=1e-15)
    truth = MIXED
    for group in range(3):
        for lie in lies(truth, group):
            said = [lie.claim if index == group else claim for index, claim in enumerate(truth)]
            amounts = space.amounts(truth, group, lie.claim)
            for draw in range(0, 51, 10):
                told, real = scores_of(values[draw], said), scores_of(values[draw], truth)
                net = [
                    sum(c.size * row[i] for i, c in enumerate(said)) - p
                    for row, p in zip(told, prices[draw], strict=True)
                ]
                alone = [total - lie.claim.size * row[group] for total, row in zip(net, told, strict=True)]
                chosen = int(np.argmax(net))
                assert amounts.value[draw] == pytest.approx(truth[group].size * real[chosen][group], abs=1e-12)
                assert amounts.payment[draw] == pytest.approx(max(alone) - alone[chosen], abs=1e-12)
            assert amounts.model == space.table.names[np.argmax([*map(float, _net(space, said))])]


def _net(space, said):
    sizes = np.array([claim.size for claim in said])
    return scores_of(space.table.values.mean(axis=0), said) @ sizes - space.table.prices.mean(axis=0)


@pytest.mark.parametrize("space", [pool(4), soups(4)], ids=["pool", "soups"])
def test_utility_is_net_welfare_minus_a_constant(space):
    for group in range(3):
        without = space.best_without(MIXED, group)
        for lie in lies(MIXED, group):
            amounts = space.amounts(MIXED, group, lie.claim)
            assert amounts.net_welfare[0] - amounts.utility[0] == pytest.approx(without, abs=1e-12)


def test_bands_of_a_change_are_paired():
    """The truth against itself changes nothing on any resample, and its utility varies."""
    space = pool(5)
    first, second = (space.amounts(MIXED, 0, MIXED[0]) for _ in range(2))
    assert np.array_equal(first.utility, second.utility)
    assert np.std(first.utility[1:]) > 0


def test_a_shift_by_hand():
    truth = pure(NAMES, (2, 1, 3))
    wants = shifted(truth, 0, 2.0).claim.wants  # 2 r - (1/4 r_desk + 3/4 r_garden)
    assert wants == pytest.approx((2.0, -0.25, -0.75), abs=1e-15)
    assert scores_of(np.array([1.0, 0.0, 0.0]), [shifted(truth, 0, 2.0).claim])[0] == 1.0  # clipped to the scale


# Truth


@pytest.mark.parametrize("make", [pool, soups])
def test_no_lie_pays_where_it_is_settled(make):
    space, others = make(6), make(7)
    for group in range(3):
        truth = truth_of(space, others, MIXED, group, lies(MIXED, group), cases=1)
        assert truth.gain <= truth.rounding < 1e-8


def test_without_payments_lies_pay_and_are_found():
    class Free(PoolOutcomes):
        def amounts(self, truth, group, claim):
            amounts = super().amounts(truth, group, claim)
            return replace(amounts, payment=0 * amounts.payment)

    space, others = (Free(pool_scores(seed), KL(STRENGTH), seed=seed) for seed in (8, 9))
    truth = truth_of(space, others, MIXED, 0, lies(MIXED, 0), cases=1)
    assert truth.gain > 0.01
    assert not truth.holds


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pool", "soups"])
def test_the_bound_on_other_prompts_is_kept_as_often_as_it_says(kind):
    """Prompts of one kind, settled on some and delivered on others: at most 5% may be beyond, 40 times."""
    kept = 0
    for seed in range(40):
        if kind == "pool":
            scores = pool_scores(seed, prompts=24)
            parts = [PoolOutcomes(part, KL(STRENGTH), seed=i, draws=150) for i, part in enumerate(np.split(scores, 2))]
        else:
            whole = table(seed, prompts=24)
            rows = [
                tuple(replace(row, values=row.values[part], kl=row.kl[part]) for row in whole.rows)
                for part in (slice(None, None, 2), slice(1, None, 2))
            ]
            parts = [SoupOutcomes(replace(whole, rows=part), seed=i, draws=150) for i, part in enumerate(rows)]
        kept += truth_of(*parts, MIXED, 0, lies(MIXED, 0), cases=1).holds
    assert kept >= 34  # 38 expected; fewer than 34 of 40 has a chance of 2% at 95% each


def test_a_drift_between_the_prompts_is_noticed():
    """The liar's favourite is worth more on the other prompts than where it paid: outside the bound, and said so."""
    claims = pure(NAMES[:2], (1, 1))
    base = Row("base", np.full((8, 2), 0.5), np.zeros(8), 4)
    soup = Row("soup", base.values + np.array([-0.1, 0.1]), np.full(8, 1.0), 4)
    settled = SoupOutcomes(MeasuredTable((base, soup), NAMES[:2], STRENGTH, fixed=True), draws=50)
    for more, kept in ((0.2, True), (0.35, False)):
        elsewhere = replace(soup, values=soup.values + np.array([0.0, more]))
        others = SoupOutcomes(MeasuredTable((base, elsewhere), NAMES[:2], STRENGTH, fixed=True), draws=50)
        truth = truth_of(settled, others, claims, 1, [resized(claims[1], 50.0)], cases=1)
        # the lie brings the soup, which is worth 0.1 more to the liar; the payment is the other's loss and the price
        assert truth.gain == pytest.approx(0.1 - (0.1 + STRENGTH), abs=1e-12)
        assert truth.delivered == pytest.approx(truth.gain + more, abs=1e-12)
        assert truth.bound == pytest.approx(0.0, abs=1e-12)  # all prompts are alike, so nothing is uncertain
        assert truth.holds == kept

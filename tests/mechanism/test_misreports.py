"""With externality payments a lie raises the group's value and not its utility; without payments it pays."""

from dataclasses import replace

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.testing import random_market


def markets(payment=None, count=30):
    rng = np.random.default_rng(21)
    for _ in range(count):
        space, reports = random_market(rng, groups=int(rng.integers(2, 5)), strength=10 ** rng.uniform(0, 1.5))
        yield ta.settle(space, reports, payment=payment)


@pytest.mark.parametrize("factor", [1.5, 3.0, 10.0])
def test_a_larger_size_raises_the_value_and_not_the_utility(factor):
    for result in markets():
        for name in result.names:
            lie = ta.what_if(result, name, ta.SizeMisreport(factor))
            assert lie.group_value > result.group_values[name]
            assert lie.utility < result.utilities[name]
            assert lie.utility == lie.group_value - lie.payment


@pytest.mark.parametrize("misreport", [ta.SizeMisreport(0.3), *map(ta.RewardMisreport, (0.0, 0.5, 1.5, 4.0))], ids=str)
def test_other_lies_do_not_raise_the_utility(misreport):
    for result in markets():
        for name in result.names:
            assert ta.what_if(result, name, misreport).utility < result.utilities[name]


def test_without_payments_exaggerating_pays():
    for result in markets(payment=ta.Free()):
        for name in result.names:
            lie = ta.what_if(result, name, ta.SizeMisreport(3.0))
            assert lie.payment == 0.0
            assert lie.utility > result.utilities[name]


def test_the_truth_as_a_misreport_changes_nothing():
    for result in markets(count=5):
        for misreport in (ta.SizeMisreport(1.0), ta.RewardMisreport(1.0)):
            same = ta.what_if(result, "g0", misreport)
            assert (same.utility, same.payment) == (result.utilities["g0"], result.payments["g0"])


def test_a_shifted_reward_is_a_mix_with_the_others_inside_the_scale():
    space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    reports = [
        ta.Report("a", 1, ta.TableReward([0.9, 0.4])),
        ta.Report("b", 1, ta.TableReward([0.1, 0.2])),
        ta.Report("c", 3, ta.TableReward([0.5, 0.6])),
    ]
    result = ta.settle(space, reports)
    size, table = ta.RewardMisreport(0.5).report(result, 0)
    assert size == 1
    np.testing.assert_allclose(table, [[0.65, 0.45]])  # halfway to the others' mean (0.4, 0.5)
    _, table = ta.RewardMisreport(2.0).report(result, 0)
    np.testing.assert_allclose(table, [[1.0, 0.3]])  # 1.4 is outside the scale
    _, table = ta.RewardMisreport(2.0, scale=(0.0, 2.0)).report(result, 0)
    np.testing.assert_allclose(table, [[1.4, 0.3]])


@pytest.mark.parametrize(("divisor", "total"), [("sum", np.sum), ("max", np.max)])
def test_a_divided_reward_is_divided_again(divisor, total):
    rng = np.random.default_rng(22)
    for _ in range(20):
        space, reports = random_market(rng, responses=4)
        reports = [replace(one, reward=ta.TableReward(one.reward.scores, divisor)) for one in reports]
        result = ta.settle(space, reports)
        for shift in (-1.0, 0.0, 0.5, 1.5, 4.0):
            misreport = ta.RewardMisreport(shift, scale=(-1.0, 1.0))
            _, table = misreport.report(result, 0)
            assert (table >= 0).all()
            filed = table / total(table, axis=1, keepdims=True)
            lied = ta.settle(space, [replace(reports[0], reward=ta.TableReward(filed)), *reports[1:]])
            outcome = ta.what_if(result, "g0", misreport)
            assert outcome.payment == pytest.approx(lied.payments["g0"], rel=1e-11)
            assert outcome.utility <= result.utilities["g0"] + 1e-12
        for truth in (ta.SizeMisreport(1.0), ta.RewardMisreport(1.0)):
            assert ta.what_if(result, "g0", truth).utility == result.utilities["g0"]


def test_a_shift_that_leaves_nothing_to_divide_is_the_truth_there():
    space = ta.Simplex([[0.5, 0.5], [0.5, 0.5]], ta.KL(1.0))
    reports = [
        ta.Report("a", 1, ta.TableReward([[0.2, 0.8], [0.9, 0.1]], scale="sum")),
        ta.Report("b", 1, ta.TableReward([[5.0, 5.0], [0.1, 0.1]])),
    ]
    result = ta.settle(space, reports)
    _, table = ta.RewardMisreport(2.0).report(result, 0)
    np.testing.assert_allclose(table, [[0.2, 0.8], [1.0, 0.1]])
    assert ta.what_if(result, "a", ta.RewardMisreport(2.0)).utility < result.utilities["a"]


def test_without_a_divisor_the_range_is_the_scale_widened_to_the_group_s_own():
    space = ta.Simplex([0.5, 0.5], ta.KL(1.0))
    reports = [ta.Report("a", 1, ta.TableReward([-0.5, 3.0])), ta.Report("b", 1, ta.TableReward([1.0, 0.0]))]
    _, table = ta.RewardMisreport(2.0).report(ta.settle(space, reports), 0)
    np.testing.assert_array_equal(table, [[-0.5, 3.0]])


def test_a_group_alone_has_nobody_to_polarise_against():
    result = ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), [ta.Report("a", 1, ta.TableReward([1.0, 0.0]))])
    assert ta.what_if(result, "a", ta.RewardMisreport(3.0)).utility == result.utilities["a"]


def test_a_sweep_keeps_the_order():
    result = next(markets())
    factors = [0.5, 1.0, 2.0]
    outcomes = ta.sweep(result, "g1", map(ta.SizeMisreport, factors))
    assert [outcome.misreport.factor for outcome in outcomes] == factors
    assert outcomes[2] == ta.what_if(result, "g1", ta.SizeMisreport(2.0))


def test_lies_are_judged_by_the_settlement_s_own_rules():
    result = next(markets(payment=ta.Free()))
    doubled = replace(result.reports[0], size=2 * result.reports[0].size)
    settled = ta.settle(result.space, [doubled, *result.reports[1:]], payment=ta.Free())
    value = ta.what_if(result, "g0", ta.SizeMisreport(2.0)).group_value
    assert value == pytest.approx(settled.group_values["g0"] / 2)


def test_an_unknown_group_gets_the_nearest_name():
    result = ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), [ta.Report("clinic", 1, ta.TableReward([1.0, 0.0]))])
    with pytest.raises(ta.InputError, match=r"there is no group 'clinc'. Did you mean 'clinic'\?"):
        ta.what_if(result, "clinc", ta.SizeMisreport(2.0))


def test_a_misreport_that_no_group_could_file_is_refused():
    with pytest.raises(ta.InputError, match="size of group 'g0' must be a positive finite number"):
        ta.what_if(next(markets()), "g0", ta.SizeMisreport(0.0))


def scaled_market(rng, scale, **options):
    space, reports = random_market(rng, **options)
    return ta.settle(space, [replace(one, reward=ta.TableReward(one.reward.scores, scale)) for one in reports])


def test_a_spread_moves_the_best_up_and_the_worst_down_within_its_bounds():
    space = ta.Simplex([0.5, 0.3, 0.2, 0.0], ta.KL(1.0))

    def moved(table, scale, amount):
        result = ta.settle(space, [ta.Report("a", 2, ta.TableReward(table, scale)), *others])
        return ta.SpreadMisreport(amount).report(result, 0)[1][0]

    others = [ta.Report("b", 1, ta.TableReward([0.0, 0.5, 1.0, 0.2]))]
    # the last response is impossible: neither its 0.9 nor its 0 counts
    np.testing.assert_allclose(moved([0.3, 0.8, 0.2, 0.9], None, 0.1), [0.3, 0.9, 0.1, 0.9])
    np.testing.assert_allclose(moved([0.3, 0.8, 0.2, 0.9], None, 5.0), [0.3, 1.0, 0.0, 0.9])
    np.testing.assert_allclose(moved([0.3, 1.0, 0.2, 0.0], "max", 0.1), [0.3, 1.0, 0.1, 0.0])
    np.testing.assert_allclose(moved([0.3, 0.5, 0.2, 0.0], "sum", 0.1), [0.3, 0.6, 0.1, 0.0])
    np.testing.assert_allclose(moved([0.3, 0.5, 0.2, 0.0], "sum", 0.9), [0.3, 0.7, 0.0, 0.0])
    np.testing.assert_array_equal(moved([0.5, 0.5, 0.5, 0.9], None, 0.1), [0.5, 0.5, 0.5, 0.9])


@pytest.mark.parametrize("scale", [None, "max", "sum"])
@pytest.mark.parametrize("misreport", [ta.SpreadMisreport, ta.GradientMisreport])
def test_small_moves_of_both_kinds_pay_without_payments_and_not_with(misreport, scale):
    rng = np.random.default_rng(23)
    for amount in (1e-4, 1e-3, 0.03):
        for divergence in (ta.KL(1.0), ta.SquaredHellinger(3.0)):
            result = scaled_market(rng, scale, divergence=divergence)
            free = ta.settle(result.space, result.reports, payment=ta.Free())
            for name in result.names:
                lie = misreport(amount)
                _, table = lie.report(result, result.names.index(name))
                assert (table >= 0).all()
                assert (table <= 1).all()
                if scale == "sum":
                    np.testing.assert_allclose(table.sum(axis=1), 1.0)
                if scale == "max":
                    np.testing.assert_allclose(table.max(axis=1), 1.0)
                # under "max" the best response is at 1 already, and a worst one at 0 has nowhere to go
                assert ta.what_if(free, name, lie).utility > free.utilities[name]
                assert ta.what_if(result, name, lie).utility < result.utilities[name] + 1e-15


def test_the_gradient_is_that_of_the_value():
    rng = np.random.default_rng(24)
    for divergence in (ta.KL(0.7), ta.ReverseKL(1.0), ta.ChiSquared(5.0), ta.JensenShannon(2.0)):
        result = scaled_market(rng, None, prompts=1, divergence=divergence)
        own = result.scores[:, :, 0]
        slopes = []
        for response in range(own.shape[1]):
            step = 1e-6 * (np.arange(own.shape[1]) == response)
            ends = [ta.what_if(result, "g0", ta.TableMisreport(own + sign * step)).group_value for sign in (1, -1)]
            slopes.append((ends[0] - ends[1]) / 2e-6)
        wide = ta.GradientMisreport(0.1, scale=(-9.0, 9.0)).report(result, 0)[1] - own
        np.testing.assert_allclose(wide[0], 0.1 * np.array(slopes) / np.abs(slopes).max(), atol=1e-7)


def test_a_gradient_where_there_is_none():
    result = scaled_market(np.random.default_rng(25), None, divergence=ta.TotalVariation(1.0))
    np.testing.assert_array_equal(ta.GradientMisreport(0.1).report(result, 0)[1], result.scores[:, :, 0])
    models = ta.settle(ta.Candidates([[1.0], [0.5]], [0.0, 0.0]), [ta.Report("a", 1)])
    with pytest.raises(ta.InputError, match="needs a Simplex with a divergence, not Candidates"):
        ta.what_if(models, "a", ta.GradientMisreport(0.1))


def test_a_table_of_one_s_own():
    result = next(markets())
    table = np.random.default_rng(26).uniform(size=result.scores.shape[:2])
    lie = ta.what_if(result, "g0", ta.TableMisreport(table, factor=2.0))
    filed = [ta.Report("g0", 2 * result.sizes[0], ta.TableReward(table)), *result.reports[1:]]
    assert lie.payment == ta.settle(result.space, filed).payments["g0"]
    assert ta.TableMisreport(table) == ta.TableMisreport(table.tolist())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ta.SizeMisreport("2"), "factor must be a number"),
        (lambda: ta.RewardMisreport(float("nan")), "shift must be a finite number"),
        (lambda: ta.RewardMisreport(1.5, (1.0, 0.0)), "scale must be two finite numbers"),
        (lambda: ta.SpreadMisreport("x"), "amount must be a number"),
        (lambda: ta.GradientMisreport(0.1, (0.0, float("inf"))), "scale must be two finite numbers"),
        (lambda: ta.TableMisreport([[1.0]], factor=None), "factor must be a number"),
        (lambda: ta.what_if(next(markets()), "g0", 3), "a misreport must be one such as"),
    ],
)
def test_bad_numbers_are_named(make, message):
    with pytest.raises(ta.InputError, match=message):
        make()

"""What a pool says about all responses, held against second routes and against simulation.

The formulas of bias and influence are written out again from the full market's exact policies, and the jackknife is
done by settling once for each response left out.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from markets import numbers, reports_of, scale

import tuneaccord as ta
from tuneaccord.testing import random_market

SIZES = np.array([1.0, 2.0, 3.0])
NAMES = ("g0", "g1", "g2")


def market(seed, strength, repeats, responses=200):
    """One prompt of many responses, as often as there are draws wanted, and its exact settlement."""
    rng = np.random.default_rng(seed)
    base, tables = rng.dirichlet(np.ones(responses)), rng.uniform(size=(3, responses))
    one = ta.settle(ta.Simplex(base, ta.KL(strength)), reports_of(SIZES, tables))
    full = ta.Simplex(np.tile(base, (repeats, 1)), ta.KL(strength))
    return full, reports_of(SIZES, [np.tile(table, (repeats, 1)) for table in tables]), one


def drawn(full, reports, responses, seed, proposal=None):
    pool = ta.sample_pool(full, responses, seed, proposal)
    return pool, ta.settle(pool.space, pool.reports(reports))


def truth_of(one, name):
    truth = getattr(one, name)
    return numbers(truth) if isinstance(truth, dict) else truth


def left_out_one_by_one(result):
    """The jackknife's corrected estimates and errors, by settling again without each response."""
    space, count = result.space, result.space.shape[1]
    found = {"net_welfare": [], "welfare": [], "values": [], "payments": []}
    for k in range(count):
        base = np.delete(space.base_model, k, axis=1)
        tables = [np.delete(np.atleast_2d(report.reward.scores), k, axis=1) for report in result.reports]
        reports = [replace(r, reward=ta.TableReward(t)) for r, t in zip(result.reports, tables, strict=True)]
        again = ta.settle(ta.Simplex(base / base.sum(axis=1, keepdims=True), space.divergence), reports)
        found["values"].append(again.optimum.values)
        found["payments"].append(again.payments_by_prompt)
        found["welfare"].append(again.optimum.values @ again.sizes)
        found["net_welfare"].append(again.optimum.values @ again.sizes - again.optimum.price)
    whole = {
        "values": result.optimum.values,
        "payments": result.payments_by_prompt,
        "welfare": result.optimum.values @ result.sizes,
        "net_welfare": result.optimum.values @ result.sizes - result.optimum.price,
    }
    for name, parts in found.items():
        parts = np.array(parts)
        corrected = count * whole[name] - (count - 1) * parts.mean(axis=0)
        yield name, corrected, np.sqrt((count - 1) / count * ((parts - parts.mean(axis=0)) ** 2).sum(axis=0))


@pytest.mark.parametrize("strength", [1e-3, 0.05, 1.0, 100.0])
@pytest.mark.parametrize("sizes", [(1.0, 10.0), (1e-3, 1e4)], ids=str)
def test_the_jackknife_is_that_of_settling_without_each_response(strength, sizes):
    rng = np.random.default_rng(86)
    for groups in (1, 3):
        space, reports = random_market(rng, responses=9, groups=groups, strength=strength, sizes=sizes)
        result = ta.settle(space, reports)
        found = ta.sampling_report(result, draws=2).by_prompt
        for name, corrected, error in left_out_one_by_one(result):
            rounding = 1e-11 * (scale(result) + strength)  # nine payments with up to 1e-12 of rounding each
            np.testing.assert_allclose(found[name].corrected, corrected, atol=rounding, err_msg=name)
            np.testing.assert_allclose(found[name].standard_error, error, atol=rounding, err_msg=name)


def expected_errors(one, law):
    """Bias times K, and influence (responses, ...), from the full market's exact policies."""
    strength, base = one.space.divergence.strength, one.space.base_model[0]
    scores, policy = one.scores[0], one.optimum.model[0]
    rho, u = policy / law, base / law
    centred = scores - policy @ scores
    value_bias = -(law * rho**2) @ centred
    biases, influences = {"values": value_bias}, {"values": rho[:, None] * centred}
    biases["net_welfare"] = -strength / 2 * (law @ rho**2 - law @ u**2)
    influences["net_welfare"] = strength * (rho - u)
    for name in ("payments", "welfare"):
        biases[name], influences[name] = np.zeros(3), np.zeros((len(law), 3))
    for i in range(3):
        weights = np.where(np.arange(3) == i, 0.0, one.sizes)
        without = base * np.exp(scores @ weights / strength)
        alone = without / without.sum() / law
        biases["payments"][i] = -strength / 2 * (law @ alone**2 - law @ rho**2) + one.sizes[i] * value_bias[i]
        influences["payments"][:, i] = strength * (alone - rho) + one.sizes[i] * rho * centred[:, i]
    biases["welfare"], influences["welfare"] = value_bias @ one.sizes, influences["values"] @ one.sizes
    return biases, influences


QUANTITIES = ("net_welfare", "welfare", "values", "payments")


@pytest.mark.slow
@pytest.mark.parametrize("proposal", [False, True])
@pytest.mark.parametrize(("responses", "repeats", "allowed"), [(64, 4000, 0.07), (256, 2000, 0.07)])
def test_bias_and_error_are_as_predicted(proposal, responses, repeats, allowed):
    """The estimates less their first-order error, whose mean is 0, so that little noise is left around the bias."""
    full, reports, one = market(87, 1.2, repeats)
    base = full.base[0]
    law = 0.5 * base + 0.5 / len(base) if proposal else base
    pool, result = drawn(full, reports, responses, 1, np.tile(law, (repeats, 1)))
    found = ta.sampling_report(result, draws=2).by_prompt
    biases, influences = expected_errors(one, law)
    for name in QUANTITIES:
        predicted, exact = biases[name] / responses, truth_of(one, name)
        first_order = influences[name][pool.indices].mean(axis=1)
        seen = (found[name].estimate - exact - first_order).mean(axis=0)
        slack = allowed * np.abs(predicted) + 0.02 * np.abs(biases["net_welfare"]) / responses
        assert (np.abs(seen - predicted) <= slack).all(), (name, seen / predicted)
        assert (np.abs(found[name].bias.mean(axis=0) - predicted) <= 1.5 * slack).all(), name
        left = (found[name].corrected - exact - first_order).mean(axis=0)
        assert (np.abs(left) <= slack).all(), (name, left / predicted)
        spread = found[name].estimate.std(axis=0)
        asymptotic = np.sqrt(law @ influences[name] ** 2 / responses)
        np.testing.assert_allclose(spread, asymptotic, rtol=0.15)
        np.testing.assert_allclose(found[name].standard_error.mean(axis=0), spread, rtol=0.08)
        np.testing.assert_allclose(found[name].influence_error.mean(axis=0), spread, rtol=0.12)
    low = [name for name in QUANTITIES if np.all(biases[name] < 0)]
    assert {"net_welfare", "payments"} <= set(low) or proposal  # what comes out low from the base


def test_at_sixteen_responses_the_predicted_bias_is_right_to_a_sixth():
    full, reports, one = market(87, 1.2, 8000)
    pool, result = drawn(full, reports, 16, 1)
    found = ta.sampling_report(result, draws=2).by_prompt
    biases, influences = expected_errors(one, full.base[0])
    for name in QUANTITIES:
        noise = truth_of(one, name) + influences[name][pool.indices].mean(axis=1)
        seen = (found[name].estimate - noise).mean(axis=0)
        np.testing.assert_allclose(seen, biases[name] / 16, rtol=0.17)
        assert (np.abs((found[name].corrected - noise).mean(axis=0)) < 0.15 * np.abs(seen)).all(), name


@pytest.mark.slow
@pytest.mark.parametrize(("responses", "low", "high"), [(16, 0.74, 0.90), (64, 0.87, 0.95), (256, 0.925, 0.965)])
def test_intervals_cover_as_often_as_they_should_once_there_are_enough_responses(responses, low, high):
    full, reports, one = market(88, 0.9, 2000)
    assert 2.5 < (one.optimum.model**2 / full.base[:1]).sum() < 3.5  # K over the effective sample size
    found = ta.sampling_report(drawn(full, reports, responses, 2)[1], draws=2).by_prompt
    for name in ("values", "payments"):
        reach = 1.96 * found[name].standard_error
        covered = (np.abs(found[name].corrected - truth_of(one, name)) <= reach).mean(axis=0)
        assert (covered >= low).all(), (name, covered)
        assert (covered <= high).all(), (name, covered)


@pytest.mark.slow
def test_the_intervals_over_prompts_cover_the_mean_over_all_prompts():
    """Sixty data sets of 40 prompts with 64 responses each; standard deviation of the coverage 0.03."""
    rng = np.random.default_rng(89)
    prompts, count = 40, 60
    base = rng.dirichlet(np.ones(30), size=prompts * count)
    tables = rng.uniform(size=(3, prompts * count, 30))
    exact = ta.settle(ta.Simplex(base, ta.KL(2.0)), reports_of(SIZES, tables)).payments
    covered = []
    for start in range(0, prompts * count, prompts):
        rows = slice(start, start + prompts)
        _, result = drawn(ta.Simplex(base[rows], ta.KL(2.0)), reports_of(SIZES, tables[:, rows]), 64, start)
        report = ta.sampling_report(result, draws=400)
        covered.append([not report.payments[name].prompts_interval.excludes(exact[name]) for name in NAMES])
    assert (np.mean(covered, axis=0) >= 0.85).all()


def test_prompts_are_averaged_by_their_weights():
    space, reports = random_market(np.random.default_rng(90), prompts=3, responses=30)
    space = replace(space, prompt_weights=[0.2, 0.0, 0.8])
    report = ta.sampling_report(ta.settle(space, reports))
    for name in QUANTITIES:
        by_prompt = report.by_prompt[name]
        number = getattr(report, name)["g1"] if name in ("values", "payments") else getattr(report, name)
        column = (slice(None), 1) if name in ("values", "payments") else slice(None)
        for field in ("estimate", "bias", "corrected"):
            rows = getattr(by_prompt, field)[column]
            assert getattr(number, field) == pytest.approx(0.2 * rows[0] + 0.8 * rows[2], rel=1e-12)
        rows = by_prompt.standard_error[column]
        assert number.standard_error == pytest.approx(np.hypot(0.2 * rows[0], 0.8 * rows[2]), rel=1e-12)
        assert number.interval.high - number.corrected == pytest.approx(1.959964 * number.standard_error, rel=1e-6)
        means = by_prompt.corrected[column][[0, 2]]
        assert min(means) <= number.prompts_interval.low <= number.prompts_interval.high <= max(means)
    result = ta.settle(space, reports)
    assert report.payments["g1"].estimate == pytest.approx(result.payments["g1"], rel=1e-12)
    assert report.net_welfare.estimate == pytest.approx(result.net_welfare, rel=1e-12)
    assert report.welfare.estimate == pytest.approx(result.welfare, rel=1e-12)


def test_effective_sample_sizes_and_the_warning():
    full, reports, one = market(91, 1.2, 20)
    few, many = (ta.sampling_report(drawn(full, reports, count, 3)[1], draws=2) for count in (40, 400))
    expected = 400 / (one.optimum.model**2 / full.base[:1]).sum()
    assert many.effective_sample_size.mean() == pytest.approx(expected, rel=0.1)
    for name, sizes in many.effective_sample_size_without.items():
        alone = ta.settle(one.space, [report for report in one.reports if report.name != name])
        expected = 400 / (alone.optimum.model**2 / full.base[:1]).sum()
        assert sizes.mean() == pytest.approx(expected, rel=0.1)
    assert many.warning == ""
    assert "the effective sample size is below 30, at worst" in few.warning
    assert "of 40 responses: intervals are too short there. Draw about" in few.warning


def test_a_report_goes_to_plain_data():
    space, reports = random_market(np.random.default_rng(92), prompts=1, responses=8)
    data = json.loads(json.dumps(ta.sampling_report(ta.settle(space, reports)).to_dict(), allow_nan=False))
    assert data["kind"] == "SamplingReport"
    assert data["responses"] == 8
    assert set(data["payments"]) == set(NAMES)
    assert data["payments"]["g0"]["prompts_interval"] is None  # one prompt says nothing about others
    assert data["payments"]["g0"]["interval"]["level"] == 0.95


def test_a_constant_reward_has_no_errors():
    space, reports = random_market(np.random.default_rng(93), responses=6)
    flat = ta.Report("flat", 5.0, ta.TableReward(np.full(space.shape, 0.3)))
    report = ta.sampling_report(ta.settle(space, [*reports, flat]))
    for number in (report.payments["flat"], report.values["flat"]):
        # sums of six policies' roundings, times size
        np.testing.assert_allclose([number.bias, number.standard_error, number.influence_error], 0.0, atol=1e-14)
    assert report.payments["flat"].corrected == pytest.approx(0.0, abs=1e-14)
    assert report.values["flat"].corrected == pytest.approx(0.3, abs=1e-14)


@pytest.mark.parametrize(
    ("settled", "message"),
    [
        (lambda s, r: ta.settle(s, r, payment=ta.Free()), r"those of Welfare\(\) with Externality\(\), got .*Free\(\)"),
        (lambda s, r: ta.settle(s, r, ta.Welfare(weights=(1, 2, 3))), "Settle the same pool with these two"),
        (lambda s, r: ta.settle(ta.Candidates([[1.0]], [0.0]), [ta.Report("a", 1)]), "known for a Simplex with KL"),
        (
            lambda s, r: ta.settle(ta.Simplex([1.0, 0.0], ta.KL(1.0)), reports_of([1], [[1.0, 2.0]])),
            "prompt 0 has 1 response, which has no spread",
        ),
    ],
)
def test_what_has_no_report_is_told_why(settled, message):
    with pytest.raises(ta.InputError, match=message):
        ta.sampling_report(settled(*random_market(np.random.default_rng(94))))
    with pytest.raises(ta.InputError, match=r"level must be between 0 and 1, got 95. Try 0.95"):
        ta.sampling_report(ta.settle(*random_market(np.random.default_rng(94))), level=95)
    result = ta.settle(*random_market(np.random.default_rng(94)))
    for options, message in (
        ({"level": "a"}, "level must be"),
        ({"seed": -1}, "seed must be"),
        ({"draws": 0}, "draws must be"),
    ):
        with pytest.raises(ta.InputError, match=message):
            ta.sampling_report(result, **options)


def test_responses_of_no_weight_change_nothing():
    rng = np.random.default_rng(95)
    rewards, base = rng.uniform(size=(2, 5)), rng.dirichlet(np.ones(5))
    padded = np.zeros((2, 9)), np.zeros(9)
    padded[0][:, :5], padded[1][:5] = rewards, base
    reports = []
    for table, weights in ((rewards, base), padded):
        result = ta.settle(ta.Simplex(weights, ta.KL(0.3)), reports_of([1, 2], table))
        reports.append(ta.sampling_report(result))
    for kind in ("values", "payments"):
        for name, number in getattr(reports[0], kind).items():
            other = getattr(reports[1], kind)[name]
            assert number.corrected == pytest.approx(other.corrected, rel=1e-12)
            assert number.standard_error == pytest.approx(other.standard_error, rel=1e-12)

import copy

import pytest

from tuneaccord.reporting import wording


@pytest.fixture
def mine(run):
    return copy.deepcopy(run)


def whole(estimate, low, high):
    return {"estimate": estimate, "low": low, "high": high, "level": 0.95}


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (whole(0.5, 0.4, 0.6), "gains +0.500 [0.400, 0.600] over the base in net welfare."),
        (whole(0.1, -0.1, 0.3), "The interval includes zero: that it is better is not shown."),
        (whole(-0.3, -0.4, -0.2), "it is worse than the base."),
    ],
)
def test_a_gain_is_claimed_only_when_its_interval_excludes_zero(mine, gain, words):
    wording.rows_of(mine)["policy"]["gain"] = gain
    assert words in wording.chosen_in_words(mine)


def test_a_payment_is_the_difference_it_makes_to_the_others(mine):
    settlement = mine["settlement"]
    settlement["net_welfare"]["estimate"] = 7.0
    settlement["group_values"]["marketing"]["estimate"] = 4.0
    settlement["payments"]["marketing"]["estimate"] = 0.5
    settlement["utilities"]["marketing"]["estimate"] = 3.5
    settlement["staying_out"]["marketing"] = 3.2
    words = wording.payment_in_words(mine, "marketing")
    assert "left them 3.50 units net of the price; with it they have 3.00." in words
    assert "0.300 units more than by staying out" in words


def test_a_group_that_pays_nothing_is_told_so(mine):
    mine["settlement"]["payments"]["legal"]["estimate"] = 0.0
    assert wording.payment_in_words(mine, "legal").startswith("pays nothing: the others lose nothing")


def test_a_group_that_is_worse_off_is_told_so(mine):
    mine["settlement"]["staying_out"]["legal"] = 100.0
    assert "less than by staying out" in wording.payment_in_words(mine, "legal")


def test_conflicts_allies_and_bystanders(mine):
    mine["correlations"] = [[1.0, -0.4, 0.0], [-0.4, 1.0, 0.1], [0.0, 0.1, 1.0]]
    conflict, bystander = wording.relations(mine)
    assert conflict.startswith("marketing and legal conflict (−0.40)")
    assert bystander.startswith("support is a bystander")
    mine["correlations"][0][2] = 0.5
    assert "marketing and support want similar replies (+0.50)." in wording.relations(mine)


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_an_unknown_correlation_is_no_conflict(mine, unknown):
    mine["correlations"] = [[1.0, unknown, unknown]] * 3
    assert wording.relations(mine)[0].startswith("marketing, legal and support are bystanders")


def test_no_misreport_of_the_settled_market_paid(run):
    words = wording.lies_in_words(run)
    assert words.startswith("45 misreports were tried, each with the others unchanged. None would have paid.")


def test_a_misreport_that_paid_is_told_and_not_explained_away(mine):
    outcomes = mine["misreports"]["legal"]
    outcomes["size"][5]["utility"] = outcomes["truth"]["utility"] + 0.25
    words = wording.lies_in_words(mine)
    assert "One would have paid: legal gains 0.250 units with size × 2." in words
    assert wording.WHY not in words


def test_a_thin_pool_is_told(mine):
    mine["settlement"]["effective_sample_size"] = {"mean": 9.0, "min": 1.2}
    assert "draw more replies" in wording.spread_in_words(mine)


def test_only_kl_is_described_by_exponential_weights(mine):
    assert "exp(total score ÷ 0.5)" in wording.policy_in_words(mine)
    mine["divergence"]["kind"] = "ChiSquared"
    assert "exp" not in wording.policy_in_words(mine)


@pytest.mark.parametrize(
    ("status", "bound", "words"),
    [
        ("exact", 0.0, "0"),
        ("bounded", 0.25, "at most 0.250 units"),
        ("not claimed", None, "none stated"),
        ("exact", float("inf"), "none stated"),
    ],
)
def test_bounds_in_words(status, bound, words):
    assert wording.bound_in_words({"status": status, "bound": bound}) == words


def test_training_tells_what_validation_did(run):
    told = wording.training_in_words(run)
    assert "multiplied by 0.41" in told
    assert "98% of its value" in told
    without = {**run, "adapter": {**run["adapter"], "validation_correlation": None, "passes": 2}}
    assert "multiplied" not in wording.training_in_words(without)
    assert "2 times over" in wording.training_in_words(without)


def test_the_command_that_checks_the_payments(run):
    odd = {**run, "groups": [{"name": "R & D", "size": 2.5}, {"name": "desk", "size": 3.0}]}
    command = wording.check_command(odd)
    assert command == "tuneaccord settle scores.parquet --strength 0.5 '--size=R & D=2.5' --size=desk=3"


def test_the_command_that_checks_the_payments_keeps_every_digit(run):
    odd = {**run, "groups": [{"name": "desk", "size": 1234567.25}], "divergence": {"strength": 0.123456789}}
    command = wording.check_command(odd)
    assert command == "tuneaccord settle scores.parquet --strength 0.123456789 --size=desk=1234567.25"

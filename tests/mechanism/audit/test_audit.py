"""What an audit reports: plain, repeatable, and in words that never claim more than is known."""

import json
import re

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.progress import Silent
from tuneaccord.testing import random_market


@pytest.fixture
def market():
    space = ta.Simplex(base=[0.4, 0.3, 0.3], divergence=ta.KL(strength=1.0))
    return space, [
        ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 0.9, 0.0])),
        ta.Report("school", size=1, reward=ta.TableReward([0.6, 0.5, 0.4])),
        ta.Report("arcade", size=2, reward=ta.TableReward([0.2, 0.0, 1.0])),
    ]


def test_with_exact_payments_it_says_that_no_lie_was_found_and_what_is_proved(market):
    report = ta.audit(ta.settle(*market))
    for group in report.groups:
        assert re.match(rf"No lie tried pays {group.group}; at these reports no lie can gain more than ", group.verdict)
        assert group.best.family == "truth"
        assert group.regret[0] == 0.0
        assert group.regret[1] < 1e-12
        assert {lie.family for lie in group.lies} == {"size", "shift", "spread", "gradient", "table"}
        assert group.gain_without_payments_any_size >= group.gain_without_payments > 0
    assert not any("truthful" in sentence for sentence in report.verdicts)


def test_without_payments_it_names_the_lie(market):
    report = ta.audit(ta.settle(*market, payment=ta.Free()))
    clinic = report.group("clinic")
    assert clinic.pays
    assert not clinic.promise_broken
    assert clinic.regret[1] == np.inf
    assert clinic.verdict.startswith("A lie that pays clinic 0.97: claims size 6 instead of 3 and reports rewards")
    lie = ta.what_if(ta.settle(*market, payment=ta.Free()), "clinic", ta.TableMisreport(clinic.best.table, 2.0))
    assert lie.utility - clinic.utility == pytest.approx(clinic.best.gain)


def test_where_nothing_is_proved_and_nothing_found_it_says_so(market):
    space, reports = market
    constant = [ta.Report("flat", 1, ta.TableReward([0.5, 0.5, 0.5])), *reports]
    report = ta.audit(ta.settle(space, constant, payment=ta.Free()), ["flat"])
    assert report.group("flat").verdict.endswith("nothing is proved: the search may have missed one that does.")


def test_it_is_plain_data_and_the_same_for_the_same_seed(market):
    for payment in (ta.Externality(), ta.Shapley()):
        result = ta.settle(*market, payment=payment)
        first, second = (json.dumps(ta.audit(result, seed=3).to_dict(), allow_nan=False) for _ in range(2))
        assert first == second
    assert json.loads(first)["kind"] == "AuditReport"


def test_a_group_s_report_does_not_depend_on_who_else_is_audited(market):
    result = ta.settle(*market, payment=ta.CostShare("size"))
    assert ta.audit(result, ["arcade"]).groups[0].to_dict() == ta.audit(result).group("arcade").to_dict()


@pytest.mark.parametrize("payment", [ta.CostShare("value"), ta.Shapley()], ids=str)
def test_shared_costs_are_manipulable(payment):
    rng = np.random.default_rng(1)
    space, reports = random_market(rng, prompts=1)
    report = ta.audit(ta.settle(space, reports, payment=payment), pairs=False, false_names=False)
    assert report.largest_gain > 0.01
    assert not report.promise_broken  # nothing was promised


def test_a_rule_that_divides_by_the_sizes_is_manipulable():
    space, reports = random_market(np.random.default_rng(2), prompts=1, responses=3, groups=2)
    result = ta.settle(space, reports, rule=ta.SizeShare())
    report = ta.audit(result, pairs=False, false_names=False)
    assert report.group("g0").best_response is None
    assert report.largest_gain > 0.01
    assert not report.promise_broken


def test_a_group_alone():
    result = ta.settle(ta.Simplex([0.5, 0.5], ta.KL(1.0)), [ta.Report("a", 2, ta.TableReward([0.8, 0.1]))])
    report = ta.audit(result)
    assert (report.largest_gain, report.pairs) == (0.0, ())
    assert len(report.verdicts) == 2  # itself, and under several names: it competes with the price of moving


def test_reports_that_a_payment_refuses_are_passed_over(market):
    result = ta.settle(*market, payment=ta.Redistribution(largest_size=3.0))
    report = ta.audit(result, ["clinic"], sizes=(1.0, 4.0), pairs=False)
    assert report.group("clinic").best.family == "truth"
    assert "refused" in next(lie.words for lie in report.group("clinic").lies if lie.family == "size")


def test_many_prompts_are_described_in_a_few_words():
    space, reports = random_market(np.random.default_rng(3), prompts=4, responses=6)
    report = ta.audit(ta.settle(space, reports, payment=ta.Free()), ["g0"], pairs=False)
    assert len(report.group("g0").verdict) < 300
    assert re.search(r"response \d of prompt \d", report.group("g0").verdict)


def test_progress_counts_groups_and_pairs(market):
    class Counting(Silent):
        steps = 0

        def task(self, label, total, done=0):
            self.total = total
            return super().task(label, total, done)

    watch = Counting()
    ta.audit(ta.settle(*market), progress=watch)
    assert watch.total == 6


def test_thorough_tries_more(market):
    report = ta.audit(ta.settle(*market), ["clinic"], effort="thorough", pairs=False)
    assert report.largest_gain == 0.0


def test_errors(market):
    result = ta.settle(*market)
    with pytest.raises(ta.InputError, match=r"there is no group 'clinc'. Did you mean 'clinic'\?"):
        ta.audit(result, ["clinc"])
    with pytest.raises(ta.InputError, match="there is no effort 'fast'"):
        ta.audit(result, effort="fast")
    with pytest.raises(ta.InputError, match="sizes must be positive numbers"):
        ta.audit(result, sizes=(0.0, 1.0))
    for options, message in (
        ({"scale": 5}, "scale must be two finite numbers"),
        ({"scale": ("a", "b")}, "scale must be two finite numbers"),
        ({"scale": (0, np.inf)}, "scale must be two finite numbers"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"effort": ["quick"]}, "there is no effort"),
        ({"groups": 3}, "groups must be names"),
        ({"sizes": "12"}, "sizes must be positive numbers"),
    ):
        with pytest.raises(ta.InputError, match=message):
            ta.audit(result, **options)
    with pytest.raises(ta.InputError, match="needs what settle"):
        ta.audit(market[1])


def test_a_group_named_twice_is_audited_once_and_is_no_pair(market):
    report = ta.audit(ta.settle(*market), ["clinic", "clinic"])
    assert [one.group for one in report.groups] == ["clinic"]
    assert report.pairs == ()


def test_rounding_is_in_a_group_s_own_units(market):
    """With a small public weight the group's payment, and its rounding, is many times the others' amounts."""
    space, reports = market
    plain = ta.audit(ta.settle(space, reports), pairs=False, false_names=False)
    weights = (1e-6, *[1.0] * (len(reports) - 1))
    weighed = ta.audit(ta.settle(space, reports, ta.Welfare(weights)), pairs=False, false_names=False)
    assert weighed.groups[0].rounding > 1e4 * plain.groups[0].rounding
    assert weighed.groups[1].rounding <= plain.groups[1].rounding

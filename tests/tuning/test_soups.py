"""Soups and mixed logits on the tiny market: the set of models knows no size, and money is arithmetic on the table."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_market import settings, write_market

from tuneaccord.config.tune import SoupSection
from tuneaccord.errors import InputError
from tuneaccord.llm.adapters import Adapter
from tuneaccord.llm.mixing import LogitMixture
from tuneaccord.llm.mixture import relative_error
from tuneaccord.llm.soup import name_of, weight_grid
from tuneaccord.tuning.job import frozen
from tuneaccord.tuning.market import read_market
from tuneaccord.tuning.opening import opened
from tuneaccord.tuning.ways.mixing import Mixing
from tuneaccord.tuning.ways.soups import Soups, reported_rewards, single_adapters, soup_proposals

SIZES, STRENGTH = np.array([3.0, 2.0, 1.5]), 0.3
SOUPS = {"strength": 0.1, "steps": 2, "rewards": "public"}
ADAPTER = {
    "method": "log-variance",
    "rank": 2,
    "learning_rate": 0.03,
    "block": 4,
    "blocks_per_step": 3,
    "passes": 1,
    "validation_prompts": 0,
}


@contextmanager
def ready(market, out, workers=1):
    """A job on this market with its frozen pools."""
    described = read_market(market)
    with opened(market, described, out, workers, None) as (job, _):
        drawn = frozen(job)
        yield job.ready(drawn), drawn


def obtained(way, market, out, workers=1):
    with ready(market, out, workers) as (job, drawn):
        return way.run(job, drawn)


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory):
    return write_market(tmp_path_factory.mktemp("market"), tiny_model, soups=SOUPS, adapter=ADAPTER)


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """A folder whose finished steps all tests share."""
    return tmp_path_factory.mktemp("out") / "out"


@pytest.fixture(scope="module")
def soups(market, steps):
    return obtained(Soups(), market, steps)


@pytest.mark.slow
def test_the_choice_and_the_payments_by_brute_force(soups):
    """The definition on the table of means: welfare minus price, with everybody and without each group."""
    values = np.array([row.values.mean(axis=0) for row in soups.table.rows])
    prices = STRENGTH * np.array([row.kl.mean() for row in soups.table.rows])
    assert values.shape == (7, 3)  # the base, three groups alone, three pairs
    best = max(range(7), key=lambda k: values[k] @ SIZES - prices[k])
    assert soups.row is soups.table.rows[best]
    assert soups.about["chosen"] == soups.table.names[best]
    for i, (name, paid) in enumerate(soups.payments.items()):
        others = np.where(np.arange(3) == i, 0.0, SIZES)
        without = max(values[k] @ others - prices[k] for k in range(7))
        assert paid.estimate == pytest.approx(without - (values[best] @ others - prices[best]), abs=1e-9), name
        assert paid.estimate >= -1e-12


def test_what_is_trained_moves_the_values(soups):
    assert [row.name for row in soups.table.rows[:4]] == ["base", "press alone", "desk alone", "garden alone"]
    assert soups.table.rows[5].name == "0.5 press + 0.5 garden"
    assert all(row.kl.mean() > 1e-4 for row in soups.table.rows[1:])


@pytest.mark.slow
def test_no_size_goes_into_the_set_of_models(market, soups, tiny_model, tmp_path):
    groups = [{**group, "size": size} for group, size in zip(settings("x")["groups"], (0.5, 9, 4), strict=True)]
    other = write_market(tmp_path / "other", tiny_model, soups=SOUPS, adapter=ADAPTER, groups=groups)
    again = obtained(Soups(), other, tmp_path / "out")
    assert again.about["adapters"] == soups.about["adapters"]
    for mine, theirs in zip(soups.table.rows, again.table.rows, strict=True):
        np.testing.assert_array_equal(mine.values, theirs.values)
        np.testing.assert_array_equal(mine.kl, theirs.kl)
    values = np.array([row.values.mean(axis=0) for row in soups.table.rows])
    prices = STRENGTH * np.array([row.kl.mean() for row in soups.table.rows])
    assert again.about["chosen"] == soups.table.names[int(np.argmax(values @ [0.5, 9, 4] - prices))]


def test_the_mixtures_are_exact_sums_of_the_groups_adapters(market, soups, steps):
    with ready(market, steps) as (job, drawn):
        singles = single_adapters(job, drawn)
        proposals = soup_proposals(job, singles)
    adapters = [single.adapter for single in singles]
    assert [proposal.policy.digest for proposal in proposals[:3]] == [adapter.digest for adapter in adapters]
    for proposal in proposals:
        assert relative_error(proposal.policy, adapters, proposal.weights) < 1e-6
    assert soups.trained == sum(single.trained for single in singles)
    assert isinstance(soups.delivered, Adapter) == (soups.about["chosen"] != "base")
    assert soups.about.get("relative_error_of_the_sum", 0.0) < 1e-5


def test_guarantees_when_rewards_were_public_and_when_they_are_reports(market, soups, steps, tiny_model, tmp_path):
    assert soups.chargeable
    status = {guarantee.name: guarantee.status for guarantee in soups.guarantees}
    assert (status["truthful"], status["set of models fixed first"]) == ("exact", "exact")
    asked = write_market(tmp_path / "m", tiny_model, soups={**SOUPS, "rewards": "reported"}, adapter=ADAPTER)
    with ready(asked, steps) as (job, drawn):
        reported = Soups().run(job, drawn)
    status = {guarantee.name: guarantee.status for guarantee in reported.guarantees}
    assert (status["truthful"], status["set of models fixed first"]) == ("not claimed", "not claimed")
    assert status["never negative"] == "exact"
    assert not reported.chargeable
    assert reported.payments == soups.payments


def test_whose_rewards_are_reports():
    """What a group filled in or answered is its report, whatever the file says of the rewards."""
    groups = [
        SimpleNamespace(name="press", fit=None, new_texts=True, identity={"function": "rewards.py:own"}),
        SimpleNamespace(name="desk", fit=object(), new_texts=True, identity={"answers": "a"}),
        SimpleNamespace(name="garden", fit=None, new_texts=False, identity={"sheet": "s"}),
        SimpleNamespace(name="tower", fit=None, new_texts=True, identity={"criterion": "upbeat"}),
    ]

    def market(rewards):
        return SimpleNamespace(groups=groups, settings=SimpleNamespace(soups=SimpleNamespace(rewards=rewards)))

    assert reported_rewards(market("public")) == ("desk", "garden")
    assert reported_rewards(market(None)) == ("press", "desk", "garden")
    assert reported_rewards(market("reported")) == ("press", "desk", "garden", "tower")


@pytest.mark.slow
def test_mixed_logits_share_what_was_trained(market, soups, steps):
    before = len(list((steps / "steps").glob("measure-*")))
    mixing = obtained(Mixing(), market, steps)
    assert mixing.about["adapters"] == soups.about["adapters"]
    for mine, theirs in zip(mixing.table.rows[:4], soups.table.rows[:4], strict=True):  # the groups alone
        np.testing.assert_array_equal(mine.values, theirs.values)
    pairs = zip(mixing.table.rows[4:], soups.table.rows[4:], strict=True)
    assert all(np.any(mine.kl != theirs.kl) for mine, theirs in pairs)
    assert len(list((steps / "steps").glob("measure-*"))) == before + 3 * 3  # three pairs on three prompts
    chosen = mixing.about["chosen"]
    assert isinstance(mixing.delivered, LogitMixture) == (" + " in chosen)


@pytest.mark.slow
def test_on_the_output_layer_both_ways_are_the_same_policies(tiny_model, tmp_path):
    words = write_market(
        tmp_path / "m", tiny_model, soups=SOUPS, adapter={"method": "vocabulary", "validation_prompts": 1}
    )
    soups, mixing = (obtained(way, words, tmp_path / "out") for way in (Soups(), Mixing()))
    assert soups.trained == mixing.trained == 0  # no gradient is taken
    for mine, theirs in zip(mixing.table.rows, soups.table.rows, strict=True):
        np.testing.assert_allclose(mine.values, theirs.values, atol=1e-12)  # the same replies
        np.testing.assert_allclose(mine.kl, theirs.kl, rtol=1e-3, atol=1e-6)  # float32
    assert max(row.kl.mean() for row in soups.table.rows) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("way", [Soups(), Mixing()], ids=["soups", "mixing"])
def test_the_same_settlement_here_and_on_workers(market, steps, tmp_path, way):
    def written(result):
        table = [[row.name, row.values.tolist(), row.kl.tolist()] for row in result.table.rows]
        paid = {name: payment.to_dict() for name, payment in result.payments.items()}
        return json.dumps([result.settlement.to_dict(), table, paid, result.about], sort_keys=True)

    here = written(obtained(way, market, steps))
    assert written(obtained(way, market, tmp_path / "out", workers=2)) == here


def test_the_grid():
    assert weight_grid(1, steps=3) == [(1.0,)]
    grid = weight_grid(3, steps=4, lengths=(1.0, 0.5))
    assert len(grid) == len(set(grid)) == 2 * 15
    assert all(sum(weights) == 1.0 for weights in grid[:15])
    assert all(sum(weights) == 0.5 for weights in grid[15:])
    assert {tuple(4 * w for w in weights) for weights in grid[:15]} == {
        (a, b, 4 - a - b) for a in range(5) for b in range(5 - a)
    }
    assert [sum(w > 0 for w in weights) for weights in grid[:15]] == [1] * 3 + [2] * 9 + [3] * 3
    with pytest.raises(InputError, match="makes 1771 mixtures"):
        weight_grid(4, steps=20)


def test_names_of_mixtures():
    assert name_of((0.0, 0.5), ("a", "b")) == "0.5 b"
    assert name_of((0.0, 0.0), ("a", "b")) == "nothing of anybody"


def test_a_grid_that_is_too_large_is_refused_before_training(market, steps, tiny_model, tmp_path):
    huge = write_market(tmp_path / "m", tiny_model, soups={"steps": 40}, adapter={**ADAPTER, "rank": 7})
    before = len(list((steps / "steps").glob("tune-*")))
    with ready(huge, steps) as (job, drawn), pytest.raises(InputError, match=r"Lower soups\.steps"):
        Soups().run(job, drawn)
    assert len(list((steps / "steps").glob("tune-*"))) == before


@pytest.mark.parametrize("lengths", [[0.0, 1.0], [1.0, 1.0], [-1.0]])
def test_lengths_that_make_no_sense(lengths):
    with pytest.raises(ValueError, match="distinct positive numbers"):
        SoupSection(lengths=lengths)

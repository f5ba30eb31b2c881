"""What staying away would have brought: from what a group has, and from all reports; what is shown to whom."""

import numpy as np
import pytest

from tuneaccord.mechanism.absences import absences
from tuneaccord.reporting.session_absence import away_words, value_without, values_without
from tuneaccord.reporting.session_documents import explanation_html
from tuneaccord.service.settling import outcome_of, settle_data, settlement_of
from tuneaccord.service.terms import pool_data, terms_data, terms_of

NAMES = ("legal", "support", "marketing")


def market(seed, kind="responses", divergence="KL", strength=0.7, **terms):
    """(terms, pool, reports) drawn from a seed: two prompts of four responses, or five candidates."""
    rng = np.random.default_rng(seed)
    agreed = terms_data({"title": "ours", "divergence": {"kind": divergence, "strength": strength}, **terms})
    shape = (2, 4) if kind == "responses" else (1, 5)
    if kind == "responses":
        base = rng.dirichlet(np.ones(4), size=2)
        base[0] = [0.5, 0.0, 0.25, 0.25]
        pool = {
            "prompts": [{"id": "p"}, {"id": "q"}],
            "responses": [[{"id": name} for name in "abcd"]] * 2,
            "base": base.tolist(),
            "prompt_weights": [0.25, 0.75],
        }
    else:
        prices = [0.0, *rng.uniform(0, 0.5, size=4)]
        rows = [{"name": f"m{place}", "price": price} for place, price in enumerate(prices)]
        pool = {"kind": "candidates", "candidates": rows, "base": "m0"}
    reports = {
        name: {"size": float(rng.uniform(0.5, 4)), "scores": rng.uniform(size=shape).tolist(), "how": "given"}
        for name in NAMES
    }
    return agreed, pool_data(pool, terms_of(agreed)), reports


def settled(terms, pool, reports):
    """(shares, public outcome, record, settlement)."""
    result = settlement_of(terms_of(terms), pool, reports)
    found = outcome_of(terms_of(terms), pool, reports, result)
    return found.shares, found.public, found.record, result


@pytest.mark.parametrize("seed", range(4))
def test_a_group_finds_the_others_model_in_the_chosen_one(seed):
    """Three routes: the group's own, the settlement of the others alone, and the mechanism's absences."""
    terms, pool, reports = market(seed)
    shares, public, record, result = settled(terms, pool, reports)
    outside = absences(result).outside
    for place, name in enumerate(NAMES):
        found = value_without(shares[name], public, terms, pool)
        others = settle_data(terms, pool, {other: reports[other] for other in NAMES if other != name}).public["model"]
        scores = np.array(reports[name]["scores"])
        alone = np.array([0.25, 0.75]) @ (np.array(others) * scores).sum(axis=1)
        assert found == pytest.approx(alone, abs=1e-10)  # exponents of at most 6, taken off again
        assert reports[name]["size"] * found == pytest.approx(outside[place], abs=1e-10)
        assert values_without(record, public, terms, pool)[name] == found
        assert shares[name]["utility"] >= reports[name]["size"] * found - 1e-12  # nobody is worse off
        words = away_words(shares[name], found, terms, pool)
        assert "better off" in words
        assert "Utility, had you stayed away" in explanation_html(shares[name], public, VIEW | {"terms": terms}, pool)


VIEW = {"id": "ab", "title": "ours", "at": "2026-01-01T00:00:00.000Z", "head": "sha256:0", "groups": [], "entries": 1}
VIEW |= {"pool": "sha256:0", "settlement": "sha256:0", "state": "published"}


@pytest.mark.parametrize("seed", range(4))
def test_among_candidates_the_provider_sees_it_and_a_group_does_not(seed):
    terms, pool, reports = market(seed, "candidates")
    shares, public, record, result = settled(terms, pool, reports)
    found = values_without(record, public, terms, pool)
    for place, name in enumerate(NAMES):
        assert value_without(shares[name], public, terms, pool) is None
        assert reports[name]["size"] * found[name] == pytest.approx(absences(result).outside[place], abs=1e-12)
        told = explanation_html(shares[name], public, VIEW | {"terms": terms}, pool)
        assert "had you stayed away" not in told
        assert "it would tell you which model the others want" in told


def test_a_lone_group_would_have_had_the_base():
    terms, pool, reports = market(0)
    shares, public, *_ = settled(terms, pool, {"legal": reports["legal"]})
    assert value_without(shares["legal"], public, terms, pool) == pytest.approx(
        shares["legal"]["base_value"], abs=1e-12
    )


@pytest.mark.parametrize(
    "given",
    [
        {"divergence": "ChiSquared"},
        {"divergence": "TotalVariation"},
        {"rule": {"kind": "MaxMin"}},
        {"rule": {"kind": "Welfare", "weights": [1, 2, 3]}},
        {"strength": 0.0005},  # chances of 1e-600 cannot be told from 0
    ],
)
def test_what_does_not_follow_is_not_told(given):
    terms, pool, reports = market(1, **given)
    shares, public, record, _ = settled(terms, pool, reports)
    assert value_without(shares["legal"], public, terms, pool) is None
    assert values_without(record, public, terms, pool)["legal"] is None
    assert "does not follow from what you may see" in away_words(shares["legal"], None, terms, pool)


def test_a_share_of_another_pool_is_not_computed_with():
    terms, pool, reports = market(2)
    shares, public, *_ = settled(terms, pool, reports)
    assert value_without({**shares["legal"], "value": 0.9}, public, terms, pool) is None

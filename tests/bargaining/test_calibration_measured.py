"""The measured runs that come with the examples: complete, consistent, and what the example's fits rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tuneaccord as ta
from tuneaccord.config.runs import read_columns

FOLDER = Path(__file__).parents[2] / "examples" / "bargaining" / "measured"
AMOUNTS = [512 * steps for steps in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)]
DOMAINS = ("documentation", "code")
SCORED = [("generalist", domain) for domain in DOMAINS] + [(domain, domain) for domain in DOMAINS]


def measured(party: str, domain: str, start: int = 0) -> dict[str, list]:
    rows = {"party": party, "domain": domain, "start": str(start)}
    return read_columns(FOLDER / "runs.csv", ("tokens", "teraflop", "seconds", "loss"), ("run",), rows)


@pytest.mark.parametrize(("party", "domain"), SCORED)
def test_three_runs_are_scored_at_every_amount(party, domain):
    found = measured(party, domain)
    for run in "012":
        mine = [place for place, name in enumerate(found["run"]) if name == run]
        assert [found["tokens"][place] for place in mine] == AMOUNTS
        seconds = [found["seconds"][place] for place in mine]
        assert seconds == sorted(seconds)
    per_token = np.array(found["teraflop"])[1:] / np.maximum(np.array(found["tokens"])[1:], 1)
    np.testing.assert_allclose(per_token[per_token > 0], per_token[0], rtol=1e-3)  # four decimals in the file


def test_every_run_starts_from_the_same_model():
    for domain in DOMAINS:
        for party in ("generalist", domain):
            found = measured(party, domain)
            untouched = {loss for loss, tokens in zip(found["loss"], found["tokens"], strict=True) if tokens == 0}
            assert len(untouched) == 1


@pytest.mark.parametrize(("party", "domain"), SCORED)
def test_training_helps_and_ever_less(party, domain):
    found = measured(party, domain)
    fit = ta.fit_cost(found["tokens"], found["loss"], transform=ta.Turned(), run=found["run"], draws=0)
    assert fit.curve.exponent > 1.0
    assert fit.r_squared > 0.7


def test_runs_after_a_generalist_start_better_than_the_untouched_model():
    for domain in DOMAINS:
        assert measured(domain, domain, start=4096)["loss"][0] < measured(domain, domain)["loss"][0]


@pytest.mark.slow
def test_what_is_scored_was_not_trained_on(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import texts

    some = texts.modules()[::48]
    monkeypatch.setattr(texts, "modules", lambda: some)
    for domain in DOMAINS:
        training, held_out = texts.documents(domain)
        assert not set(training) & set(held_out)
        assert 0 < len(held_out) < len(training)

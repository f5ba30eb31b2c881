"""Runs whose adapter is a bias on the vocabulary."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_route import token_logits
from tiny_market import write_market

from tuneaccord.artifacts import Store
from tuneaccord.execution import Serial
from tuneaccord.llm import hf
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.distil import Training
from tuneaccord.llm.edits import draw_contexts
from tuneaccord.llm.vocabulary import likely_tokens, vocabulary_bias
from tuneaccord.progress import Silent
from tuneaccord.tuning.job import frozen
from tuneaccord.tuning.market import read_market
from tuneaccord.tuning.opening import opened
from tuneaccord.tuning.run import run
from tuneaccord.tuning.steps import tune_adapter

ADAPTER = {"method": "vocabulary", "contexts": 3, "block": 4, "validation_prompts": 1}


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory):
    return write_market(tmp_path_factory.mktemp("market"), tiny_model, adapter=ADAPTER)


@pytest.mark.slow
def test_what_is_written_loads_and_has_the_bias_of_an_additive_credit(market, ref, tiny, tmp_path):
    """The credits by calling the rewards here, on texts put together here."""
    from peft import PeftModel

    record = run(market, tmp_path / "out", workers=1).record
    made = record["adapter"]
    assert (made["objective"], made["rank"], made["targets"], made["steps"]) == ("vocabulary", 1, ["lm_head"], 0)
    with quiet():
        loaded = PeftModel.from_pretrained(hf.load.__wrapped__(ref).model, tmp_path / "out" / "adapter").eval()
    weights = {name: weight for name, weight in loaded.named_parameters() if "lora" in name}
    assert len(weights) == 2
    prompt = tiny.encode("how do i water the plant ?")
    with torch.no_grad():
        tuned, base = (token_logits(model, prompt, [6, 7]) for model in (loaded, tiny.model))
    (bias,) = (weight[:, 0].detach().numpy() for name, weight in weights.items() if "lora_B" in name)
    change = (tuned - base).numpy()
    assert np.abs(change).max() > 0.01
    for row in change:  # the same for every context, up to the length
        assert np.corrcoef(row, bias)[0, 1] == pytest.approx(1.0, abs=1e-4)

    with opened(market, read_market(market), tmp_path / "out", 1, None) as (job, _):
        drawn = frozen(job)
        sheet = drawn.sheet
        found = tune_adapter(job.ready(drawn), sheet, job.market.sizes)
        contexts = draw_contexts(sheet.pool.first(3), 3, 7)
        likely = likely_tokens(job.market.ref, sheet.pool.first(3), 4, job.market.how.temperature, *tools_of(tmp_path))
        assert 2 < len(likely) <= len(tiny.tokenizer)
        worth = []
        for context in contexts:
            reply = list(sheet.pool.tokens[context.prompt][context.reply])
            texts = []
            for token in likely.tolist():
                rest = [] if token in tiny.stop_tokens else reply[context.position + 1 :]
                texts.append(tiny.decode([*reply[: context.position], token, *rest]))
            prompts = [sheet.pool.prompts[context.prompt].text] * len(texts)
            worth.append([group.score(prompts, texts) for group in job.market.groups])
    assert found.factor == made["factor"]
    worth = np.array(worth)  # (contexts, groups, vocabulary)
    credits = np.zeros(len(tiny.tokenizer))
    middle = np.median(worth - np.median(worth, axis=2, keepdims=True), axis=0)
    credits[likely] = np.einsum("gv,g->v", middle, job.market.sizes)
    # what remains of the bias is what tokens lead to: added to the credits, and nothing for tokens that nobody said
    scale = job.market.how.temperature * found.factor
    credits = credits / job.market.strength
    training = Training(0.01, 1, 4, 1, 1, 7)
    targets = sheet.scores @ job.market.sizes / job.market.strength
    tools = tools_of(tmp_path)
    plain = vocabulary_bias(job.market.ref, sheet.pool, targets, credits, job.market.how.temperature, training, *tools)
    (wanted,) = (weight[:, 0] for name, weight in plain.state.items() if "lora_B" in name)
    np.testing.assert_allclose(bias, wanted, atol=1e-5 * np.abs(wanted).max())
    assert np.corrcoef(bias, credits * scale)[0, 1] > 0.9


def tools_of(folder):
    return Store(folder / "steps"), Serial(), Silent()


@pytest.mark.slow
def test_a_run_again_and_with_workers_gives_the_same_bytes(market, tmp_path, workers):
    first = run(market, tmp_path / "one", workers=1)
    again = run(market, tmp_path / "one", workers=1)
    other = run(market, tmp_path / "two", workers=2)
    assert json.dumps(first.record) == json.dumps(again.record) == json.dumps(other.record)
    written = [(tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes() for name in ("one", "two")]
    assert written[0] == written[1]


def test_a_report_that_scores_no_new_text_is_followed_by_log_variance(market, tmp_path):
    with opened(market, read_market(market), tmp_path / "out", 1, None) as (job, _):
        drawn = frozen(job)
        groups = list(job.market.groups)
        sheet = {drawn.sheet.pool.digest: drawn.sheet.scores[:, :, 0]}
        groups[0] = replace(groups[0], function=None, sheets=sheet)
        bound = replace(job, market=replace(job.market, groups=tuple(groups)))
        found = tune_adapter(bound, drawn.sheet, job.market.sizes)
    assert found.method == "log-variance"
    assert len(found.residuals) > 0

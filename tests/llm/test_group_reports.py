"""Mixes, classifiers, sheets, time limits and batches: what a group may report besides functions and fits."""

from __future__ import annotations

import csv
import io
import json
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as parquet
import pytest
import torch
from plain_route import pool_of_words
from test_scoring import reward
from tiny_classifier import save_classifier

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError, ModelError, RewardError
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.criteria import CRITERIA
from tuneaccord.llm.pool import Pool
from tuneaccord.llm.prompts import Prompt
from tuneaccord.llm.reports import reward as reward_module
from tuneaccord.llm.reports.classifier import Classifier
from tuneaccord.llm.reports.filled import Sheet, blank_sheet, short_name
from tuneaccord.llm.reports.mixes import Mix
from tuneaccord.llm.scoring import resolve, score_pool
from tuneaccord.llm.timelimit import OutOfTime, within
from tuneaccord.progress import Silent

# Time limits


def forever() -> None:
    while True:
        pass


def swallow() -> None:
    """A loop that catches everything it can, once."""
    for _ in range(2):
        try:
            forever()
        except BaseException:
            continue


@pytest.mark.parametrize("block", [forever, lambda: time.sleep(60), lambda: threading.Event().wait(60)])
def test_a_block_is_stopped(block):
    start = time.monotonic()
    with pytest.raises(OutOfTime), within(0.1):
        block()
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_a_block_that_catches_everything_is_stopped_the_next_time():
    done = []
    with within(0.5):  # not before it has begun
        swallow()
        done.append(1)
    assert done == [1]


def test_a_block_in_another_thread_is_stopped():
    caught = []

    def work():
        try:
            with within(0.1):
                forever()
        except OutOfTime:
            caught.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    assert caught == [1]


def test_nothing_is_left_of_a_limit():
    import signal

    before = signal.getsignal(signal.SIGALRM)
    with within(60):
        pass
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_reward_that_takes_forever(tmp_path):
    (tmp_path / "slow.py").write_text("def f(prompts, replies):\n    while True: pass\n")
    group = resolve("press", 2.0, "slow.py:f", tmp_path, seconds=0.5)
    with pytest.raises(RewardError) as caught:
        group.score(["p"] * 3, ["r"] * 3)
    assert str(caught.value) == (
        "the reward of group 'press' (slow.py:f) took longer than 0.5 s to score 3 replies. Make it faster, or give it "
        "more time with reward_seconds."
    )


def test_a_reward_file_that_takes_forever(tmp_path):
    (tmp_path / "slow.py").write_text("while True: pass\n")
    with pytest.raises(RewardError, match=r"group 'press': .*slow\.py took longer than 0\.1 s to import"):
        resolve("press", 2.0, "slow.py:f", tmp_path, seconds=0.1)


# Batches


def test_a_reward_is_called_in_batches_that_are_stored(tmp_path, monkeypatch):
    """Stopped after some batches, the rest is scored; the result is that of one call with everything."""
    monkeypatch.setattr("tuneaccord.llm.scoring.BATCH", 4)
    calls = tmp_path / "calls"
    note = f"with open({str(calls)!r}, 'a') as file: file.write(f'{{len(replies)}} ')"
    body = f"{note}\n    return [len(r) / 9 for r in replies]"
    pool = pool_of_words([[1], [2]], [[[3], [44], [5, 6], [7], [8]], [[7], [8], [99], [100], [4]]])
    group = reward(tmp_path, body)
    store = Store(tmp_path / "steps")
    sheet = score_pool(pool, (group,), store, Silent(), "scoring")
    assert [int(size) for size in calls.read_text().split()] == [4, 4, 2, 8]  # three batches, and a few again
    np.testing.assert_array_equal(sheet.scores[:, :, 0].ravel(), group.score(*pool.flat()))
    kept = sorted((tmp_path / "steps").glob("score-*.json"))
    assert len(kept) == 3
    kept[1].unlink()
    calls.unlink()
    again = score_pool(pool, (group,), store, Silent(), "scoring")
    sizes = [int(size) for size in calls.read_text().split()]
    assert len(sizes) == 2
    assert sizes[0] in (2, 4)
    np.testing.assert_array_equal(again.scores, sheet.scores)


def test_a_reward_that_looks_at_its_company(tmp_path, monkeypatch):
    """Ranks within a batch are no scores of a reply."""
    monkeypatch.setattr("tuneaccord.llm.scoring.BATCH", 3)
    group = reward(tmp_path, "return [sorted(replies).index(r) / len(replies) for r in replies]")
    pool = pool_of_words([[1], [2]], [[[3], [44], [5, 6]], [[7], [8], [99]]])
    with pytest.raises(RewardError, match="gives other scores to the same replies when they are asked in"):
        score_pool(pool, (group,), Store(tmp_path / "steps"), Silent(), "scoring")


# Mixes


def test_a_mix_is_the_weighted_sum(tmp_path):
    group = resolve("press", 2.0, Mix((("upbeat", 0.7), ("easy", 0.3))), tmp_path)
    prompts, replies = ["p"] * 3, ["What a wonderful day!", "", "Intercontinental telecommunications."]
    upbeat, easy = (np.array(CRITERIA[name].score(prompts, replies)) for name in ("upbeat", "easy"))
    np.testing.assert_allclose(group.score(prompts, replies), 0.7 * upbeat + 0.3 * easy, rtol=1e-14)
    assert group.reward == "0.7 upbeat + 0.3 easy"
    other_order = resolve("press", 2.0, Mix((("easy", 0.3), ("upbeat", 0.7))), tmp_path)
    assert other_order.identity == group.identity


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"upbaet": 1.0}, "no criterion 'upbaet' to mix. Did you mean 'upbeat'?"),
        ({"upbeat": 0.7, "easy": 0.4}, "must sum to 1, got 1.1"),
        ({"upbeat": 1.5, "easy": -0.5}, "the weight of 'easy' must not be negative, got -0.5"),
        ({"upbeat": float("nan")}, "must not be negative, got nan"),
    ],
)
def test_mixes_that_are_none(tmp_path, weights, expected):
    with pytest.raises(InputError) as caught:
        resolve("press", 2.0, Mix(tuple(weights.items())), tmp_path)
    assert expected in str(caught.value)
    assert "group 'press'" in str(caught.value)


def test_a_published_scale_is_not_changed(tmp_path):
    with pytest.raises(InputError, match="leave 'scale' out"):
        resolve("press", 2.0, Mix((("upbeat", 1.0),)), tmp_path, (0.0, 2.0))


# Classifiers


PROMPTS = ["how do i water the plant ?", "is it ?", "how is it ?", "a plant"]
REPLIES = ["water it .", "good", "it is not very good and not very bad .", "the plant is happy in the water !"]


def one_by_one(folder, inputs: str) -> np.ndarray:
    """Logits of each text by itself: no batch, no padding."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    rows = []
    for prompt, reply in zip(PROMPTS, REPLIES, strict=True):
        texts = {"reply": (reply,), "pair": (prompt, reply), "chat": (f"<user> {prompt} <user> {reply}",)}
        tokens = tokenizer(*texts[inputs])
        with torch.no_grad():
            rows.append(model(**{key: torch.tensor([value]) for key, value in tokens.items()}).logits[0].numpy())
    return np.array(rows, dtype=float)


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("inputs", ["reply", "pair", "chat"])
def test_a_classifier_is_the_softmax_at_its_label(tmp_path, kind, inputs):
    folder = save_classifier(tmp_path / "judge", kind, 3)
    group = resolve("press", 2.0, Classifier("judge", "L2", inputs), tmp_path)
    logits = one_by_one(folder, inputs)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.ptp(expected[:, 2]) > 0.02
    np.testing.assert_allclose(group.score(PROMPTS, REPLIES), expected[:, 2], atol=1e-5)  # float32, padded
    assert group.score([], []).shape == (0,)
    assert group.new_texts
    assert (group.scale, group.reward) == ((0.0, 1.0), "judge: L2")
    by_index = resolve("press", 2.0, Classifier("judge", 2, inputs), tmp_path)
    assert by_index.identity == group.identity
    assert resolve("press", 2.0, Classifier("judge", 1, inputs), tmp_path).identity != group.identity


def test_one_logit_is_squashed_by_a_sigmoid_also_without_padding(tmp_path):
    folder = save_classifier(tmp_path / "judge", "llama", 1, pad=False)
    group = resolve("press", 2.0, Classifier("judge"), tmp_path)
    expected = 1 / (1 + np.exp(-one_by_one(folder, "reply")[:, 0]))
    np.testing.assert_allclose(group.score(PROMPTS, REPLIES), expected, atol=1e-6)


def test_labels_that_do_not_exclude_each_other(tmp_path):
    folder = save_classifier(tmp_path / "judge", "bert", 3, problem_type="multi_label_classification")
    group = resolve("press", 2.0, Classifier("judge", "l1"), tmp_path)
    expected = 1 / (1 + np.exp(-one_by_one(folder, "reply")[:, 1]))
    np.testing.assert_allclose(group.score(PROMPTS, REPLIES), expected, atol=1e-5)


def test_texts_of_any_length(tmp_path):
    save_classifier(tmp_path / "judge", "bert", 2)
    group = resolve("press", 2.0, Classifier("judge", 0, "pair"), tmp_path)
    long = " ".join(["water"] * 300)
    assert group.score([long, "", long], ["", "", long]).shape == (3,)


def test_the_files_of_a_classifier_are_in_its_identity(tmp_path):
    save_classifier(tmp_path / "a" / "judge", "bert", 2)
    save_classifier(tmp_path / "b" / "judge", "bert", 2)
    save_classifier(tmp_path / "c" / "judge", "bert", 2, initializer_range=0.5)
    identities = [resolve("press", 2.0, Classifier("judge", 0), tmp_path / name).identity for name in "abc"]
    assert identities[0] == identities[1] != identities[2]
    assert str(tmp_path) not in str(identities)


@pytest.mark.parametrize(
    ("classifier", "expected"),
    [
        (Classifier("judge", "L7"), "has no label 'L7'"),
        (Classifier("judge", "l_2"), "Did you mean 'L2'?"),
        (Classifier("judge", 3), "has the labels 0 to 2, got 3: L0, L1, L2."),
        (Classifier("judge"), "say which 'label' of the classifier is wanted: L0, L1, L2."),
        (Classifier("nowhere", 0), "there is no classifier 'nowhere'"),
        (Classifier("empty", 0), "has no readable config.json"),
        (Classifier("writer", 0), "is not a sequence classifier but LlamaForCausalLM"),
    ],
)
def test_classifiers_that_are_none(tmp_path, tiny_model, classifier, expected):
    save_classifier(tmp_path / "judge", "bert", 3)
    (tmp_path / "empty").mkdir()
    (tmp_path / "writer").symlink_to(tiny_model)
    with pytest.raises((InputError, ModelError)) as caught:
        resolve("press", 2.0, classifier, tmp_path)
    assert expected in str(caught.value)
    assert "group 'press'" in str(caught.value)


def test_a_classifier_without_its_weights(tmp_path, tiny_model):
    """A language model under a classifier's name: the head is missing, and would be random."""
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "judge")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["LlamaForSequenceClassification"]}))
    group = resolve("press", 2.0, Classifier("judge", 0), tmp_path)
    with pytest.raises(RewardError, match="does not hold a whole sequence classifier: 1 weights are missing"):
        group.score(["p"], ["good"])


# Sheets


@pytest.fixture
def pools():
    first = pool_of_words([[1], [2]], [[[3], [44], [5, 6]], [[7], [8], [99]]])
    return first, pool_of_words([[1], [2]], [[[13], [44], [5, 6]], [[7], [8], [99]]])


def filled_in(pools, score) -> list[dict]:
    rows = list(csv.DictReader(io.StringIO(blank_sheet(*pools))))
    return [{**row, "score": str(score(number))} for number, row in enumerate(rows)]


def save_rows(path, rows) -> None:
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        scores = pa.array([float(row["score"]) for row in rows])
        parquet.write_table(table.set_column(table.column_names.index("score"), "score", scores), path)
    else:
        pyarrow.csv.write_csv(table, path)


@pytest.mark.parametrize("name", ["legal.csv", "legal.parquet"])
def test_a_sheet_that_was_filled_in(tmp_path, pools, name):
    """Rows in any order; each score at its reply, in both pools, although their ids are the same."""
    rows = filled_in(pools, lambda number: number / 12)
    save_rows(tmp_path / name, rows[::-1])
    group = resolve("legal", 2.0, Sheet(name), tmp_path).on(*pools)
    for pool, first in zip(pools, (0, 6), strict=True):
        sheet = score_pool(pool, (group,), Store(tmp_path / "steps"), Silent(), "scoring")
        np.testing.assert_allclose(sheet.scores[:, :, 0], (first + np.arange(6).reshape(2, 3)) / 12, rtol=1e-15)
    assert not group.new_texts
    assert group.scale_policy == "refused"
    with pytest.raises(RewardError, match=r"group 'legal' reported legal\.\w+, which scores the replies of the frozen"):
        group.score(["p"], ["r"])
    with pytest.raises(RewardError, match="no other text"):
        score_pool(pool_of_words([[1]], [[[3], [4]]]), (group,), Store(tmp_path / "steps"), Silent(), "scoring")


def changed(rows, number, **cells):
    return [{**row, **cells} if index == number else row for index, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda rows: rows[1:], "the score of reply '0' to prompt 'p0' is missing"),
        (lambda rows: rows[:6], "has no score of the pool"),
        (lambda rows: [*rows, rows[2]], "reply '2' to prompt 'p0' is scored twice, in rows 4 and 14"),
        (lambda rows: changed(rows, 0, reply_id="9"), "there is no reply '9' to prompt 'p0' in this market"),
        (lambda rows: changed(rows, 0, prompt_id="x"), "there is no reply '0' to prompt 'x'"),
        (lambda rows: changed(rows, 0, score=""), "row 2: the score must be a finite number, got ''"),
        (lambda rows: changed(rows, 0, score="nan"), "the score must be a finite number"),
        (lambda rows: changed(rows, 0, score="1.5"), "gives 1.5 to reply '0' to prompt 'p0', outside its scale [0, 1]"),
        (lambda rows: changed(rows, 0, pool="f" * 16), "scores the pool 'ffffffffffffffff', and the pools of this run"),
        (lambda rows: [{k: v for k, v in row.items() if k != "pool"} for row in rows], "has no column 'pool'"),
    ],
)
def test_sheets_that_are_none(tmp_path, pools, change, expected):
    save_rows(tmp_path / "legal.csv", change(filled_in(pools, lambda number: 0.5)))
    with pytest.raises(InputError) as caught:
        resolve("legal", 2.0, Sheet("legal.csv"), tmp_path).on(*pools)
    assert expected in str(caught.value)
    assert "group 'legal'" in str(caught.value)


def test_a_sheet_of_another_kind_of_file(tmp_path):
    with pytest.raises(InputError, match=r"group 'legal': a score sheet must be \.csv or \.parquet, got legal\.xlsx"):
        resolve("legal", 2.0, Sheet("legal.xlsx"), tmp_path)
    with pytest.raises(InputError, match=r"group 'legal': .*does not exist"):
        resolve("legal", 2.0, Sheet("legal.csv"), tmp_path)


def test_a_sheet_on_a_scale_of_its_own(tmp_path, pools):
    save_rows(tmp_path / "legal.csv", filled_in(pools, lambda number: number - 5))
    group = resolve("legal", 2.0, Sheet("legal.csv"), tmp_path, (-5.0, 6.0)).on(*pools)
    assert group.sheets[pools[0].digest].min() == -5


def test_a_report_on_the_pools_needs_them(tmp_path, pools):
    save_rows(tmp_path / "legal.csv", filled_in(pools, lambda number: 0.5))
    group = resolve("legal", 2.0, Sheet("legal.csv"), tmp_path)
    assert not group.new_texts
    assert short_name(pools[0].digest) in (tmp_path / "legal.csv").read_text()
    assert reward_module.GroupReward.on(group, *pools).pending is None


@pytest.mark.slow
def test_a_classifier_that_runs_out_of_memory_takes_fewer_texts(tmp_path, monkeypatch):
    """Batches of more than one text fail; the scores are those of whole batches, up to rounding."""
    from tuneaccord.llm import memory
    from tuneaccord.llm.reports import classifier

    folder = save_classifier(tmp_path / "judge", "bert", 2)
    group = resolve("press", 2.0, Classifier("judge", 0), tmp_path)
    expected = group.score(PROMPTS, REPLIES)
    monkeypatch.setattr(memory, "_fitted", {})
    sizes = []

    def check(module, arguments, given):
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError("out of memory")

    hook = classifier.load(str(folder))[0].register_forward_pre_hook(check, with_kwargs=True)
    said = []

    class Heard(Silent):
        def note(self, message):
            said.append(message)

    pool = Pool((Prompt("p", PROMPTS[0]),), ((1,),), (((1,), (2,), (3,), (4,)),), (tuple(REPLIES),))
    sheet = score_pool(pool, (group,), Store(tmp_path / "steps"), Heard(), "scoring")
    hook.remove()
    np.testing.assert_allclose(sheet.scores[0, :, 0], expected, atol=1e-6)
    assert said[0] == "group press: not enough memory for classifying 32 replies at a time; going on with 16 at a time"
    assert sizes[0] == 4
    assert sizes[-4:] == [1] * 4


def test_a_classifier_without_a_chat_template(tmp_path):
    save_classifier(tmp_path / "judge", "bert", 2)
    (tmp_path / "judge" / "chat_template.jinja").unlink()
    group = resolve("press", 2.0, Classifier("judge", 0, "chat"), tmp_path)
    with pytest.raises(RewardError, match=r"group 'press' .* has no chat template. Use input: pair"):
        group.score(["p"], ["good"])

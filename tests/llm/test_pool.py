"""The frozen pool: its fingerprint, its file, and that nothing but its own inputs goes into it."""

import json
from dataclasses import replace

import pyarrow.parquet as parquet
import pytest

from tuneaccord.artifacts import Store
from tuneaccord.errors import InputError
from tuneaccord.execution import Serial
from tuneaccord.llm import hf
from tuneaccord.llm.generate import Sampling, sample
from tuneaccord.llm.pool import SampleJob, batches_of, pool_seed, sample_pool
from tuneaccord.llm.prompts import Prompt
from tuneaccord.progress import Silent

PROMPTS = tuple(Prompt(name, text) for name, text in [("a", "is it good ?"), ("b", "how do i ?"), ("c", "water ?")])


HOW = Sampling(4, 0.9)


def draw(ref, folder, executor=None, prompts=PROMPTS, replies=4, seed=1, how=HOW, label="sampling"):
    encoded = hf.encode_all(hf.load(ref), {prompt.id: prompt.text for prompt in prompts}, how.new_tokens)
    store = Store(folder)
    return sample_pool(ref, prompts, encoded, replies, how, seed, store, executor or Serial(), Silent(), label)


@pytest.fixture
def pool(ref, tmp_path):
    return draw(ref, tmp_path / "steps")


@pytest.mark.slow
def test_the_same_for_any_number_of_workers(ref, pool, tmp_path, workers):
    assert draw(ref, tmp_path / "other", workers) == pool


def test_the_same_in_any_order(ref, pool, tmp_path):
    turned = draw(ref, tmp_path / "other", prompts=PROMPTS[::-1])
    assert turned.texts[::-1] == pool.texts
    assert turned.tokens[::-1] == pool.tokens


@pytest.mark.parametrize("change", [{"seed": 2}, {"how": Sampling(4, 1.0)}, {"how": Sampling(3, 0.9)}, {"label": "x"}])
def test_what_it_depends_on(ref, pool, tmp_path, change):
    assert draw(ref, tmp_path / "steps", **change).digest != pool.digest


def test_prompts_of_one_length_share_batches(ref, tmp_path):
    """Each reply is what its prompt alone gives, in float32 to the token; a batch is all or nothing of a length."""
    words = ("good", "bad", "great", "happy", "calm")
    prompts = (*(Prompt(word, f"is it {word} ?") for word in words), Prompt("long", "how do i water the plant ?"))
    encoded = hf.encode_all(hf.load(ref), {prompt.id: prompt.text for prompt in prompts}, 4)
    model = hf.load(ref)
    together = draw(ref, tmp_path / "steps", prompts=prompts, replies=50)
    for prompt, replies in zip(prompts, together.tokens, strict=True):
        alone = sample(model.model, encoded[prompt.id], 50, HOW, pool_seed(1, "sampling", prompt), model.stop_tokens)
        assert list(map(list, replies)) == alone


def test_batches_are_cut_evenly_whatever_is_missing(ref):
    lengths = [3, 3, 3, 3, 3, 2, 4, 4]
    jobs = [
        SampleJob(ref, Prompt(f"p{number}", "?"), (7,) * length, 40, HOW, number)
        for number, length in enumerate(lengths)
    ]
    batches = batches_of(jobs, 128)
    assert [[job.seed for job in batch] for batch in batches] == [[5], [0, 1], [2, 3, 4], [6, 7]]
    assert [job.place for job in batches[2]] == [(0, 3), (1, 3), (2, 3)]
    assert batches_of(jobs[::-1], 128) == batches
    assert [len(batch) for batch in batches_of(jobs, 20)] == [1] * 8


def test_a_batch_of_which_some_is_missing_is_drawn_again_as_a_whole(ref, tmp_path):
    """So that what is missing comes out as it did the first time."""
    prompts = tuple(Prompt(word, f"is it {word} ?") for word in ("good", "bad", "great"))
    whole = draw(ref, tmp_path / "steps", prompts=prompts)
    first, *_ = sorted((tmp_path / "steps").iterdir())
    first.unlink()

    class Watching(Serial):
        def run(self, function, jobs):
            jobs = list(jobs)
            seen.extend(len(job) for job in jobs)
            return super().run(function, jobs)

    seen = []
    assert draw(ref, tmp_path / "steps", Watching(), prompts=prompts) == whole
    assert seen == [3]


def test_texts_are_the_decoded_tokens(tiny, pool):
    assert pool.shape == (3, 4)
    for tokens, texts in zip(pool.tokens, pool.texts, strict=True):
        assert [tiny.decode(list(reply)) for reply in tokens] == list(texts)
    prompts, replies = pool.flat()
    assert prompts == [prompt.text for prompt in PROMPTS for _ in range(4)]
    assert replies[5] == pool.texts[1][1]


def test_the_digest_changes_with_any_reply_or_prompt(pool):
    digests = {pool.digest}
    for i in range(3):
        for k in range(4):
            texts = [list(row) for row in pool.texts]
            texts[i][k] += "!"
            tokens = [list(row) for row in pool.tokens]
            tokens[i][k] = (*tokens[i][k], 5)
            digests.add(replace(pool, texts=tuple(map(tuple, texts))).digest)
            digests.add(replace(pool, tokens=tuple(map(tuple, tokens))).digest)
    digests.add(replace(pool, prompts=(Prompt("a", "is it bad ?"), *PROMPTS[1:])).digest)
    digests.add(replace(pool, prompts=(Prompt("z", "is it good ?"), *PROMPTS[1:])).digest)
    assert len(digests) == 1 + 2 * 12 + 2


def test_the_parquet_file(pool, tmp_path):
    pool.write(tmp_path / "pool.parquet")
    table = parquet.read_table(tmp_path / "pool.parquet")
    assert json.loads(table.schema.metadata[b"tuneaccord"]) == {"digest": pool.digest}
    assert table.column_names == ["prompt_id", "reply_id", "prompt", "reply", "tokens"]
    rows = table.to_pylist()
    assert [(row["prompt_id"], row["reply_id"]) for row in rows[3:6]] == [("a", "3"), ("b", "0"), ("b", "1")]
    assert [row["reply"] for row in rows] == pool.flat()[1]
    assert [row["prompt"] for row in rows] == pool.flat()[0]
    assert [tuple(row["tokens"]) for row in rows] == [reply for row in pool.tokens for reply in row]


def test_the_first_prompts(pool):
    assert pool.first(2).shape == (2, 4)
    assert pool.first(2).texts == pool.texts[:2]


def test_a_pool_of_one_reply_is_refused(ref, tmp_path):
    with pytest.raises(InputError, match="at least 2 replies"):
        draw(ref, tmp_path, replies=1)

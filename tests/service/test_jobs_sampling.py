"""A pool drawn from a language model inside a job: the same as drawn directly, and continued where it was stopped."""

import threading

import pytest
from session_steps import in_state, kinds, opened, until

from tuneaccord.errors import InputError
from tuneaccord.progress import Silent
from tuneaccord.service.jobs import Jobs, Pace
from tuneaccord.service.jobs_patience import Stopping, Superseded
from tuneaccord.service.jobs_sampling import SamplingPlace, SessionProgress, drawn_pool, freeze_drawn_pool
from tuneaccord.service.times import utc_now

pytestmark = pytest.mark.slow
#: of several lengths, so that they are drawn in several batches
PROMPTS = ["how do i water the plant ?", "water ?", "how do i ?", "the plant ?"]


@pytest.fixture
def source(tiny_model):
    return {"model": str(tiny_model), "prompts": PROMPTS, "replies": 3, "longest": 5, "temperature": 0.8, "seed": 7}


@pytest.fixture
def place(tmp_path, tiny_model):
    return SamplingPlace(tmp_path / "sampling", (str(tiny_model),), on="serial")


def drawn_directly(source):
    """Prompt by prompt, without store, batches or executor."""
    from pathlib import Path

    from tuneaccord.llm import hf
    from tuneaccord.llm.generate import Sampling, sample
    from tuneaccord.llm.pool import pool_seed
    from tuneaccord.llm.prompts import Prompt

    model = hf.load(hf.find(source["model"], Path(".")))
    how = Sampling(source["longest"], source["temperature"])
    rows = []
    for number, text in enumerate(source["prompts"], start=1):
        seed = pool_seed(source["seed"], "sampling", Prompt(f"p{number:03d}", text))
        drawn = sample(model.model, model.encode(text), source["replies"], how, seed, model.stop_tokens)
        rows.append([model.decode(reply) for reply in drawn])
    return rows


def test_the_pool_is_that_of_drawing_directly(source, place):
    pool = drawn_pool(source, place, Silent())
    assert [[one["text"] for one in row] for row in pool["responses"]] == drawn_directly(source)
    assert [one["text"] for one in pool["prompts"]] == PROMPTS
    assert pool["source"]["seed"] == 7
    assert str(place.folder.parent) not in str(pool), "where the server keeps its files is nobody's business"


def test_a_model_that_is_not_offered_is_refused(source, place):
    with pytest.raises(InputError, match=r"does not sample from 'owner/other'. It offers: /"):
        drawn_pool({**source, "model": "owner/other"}, place, Silent())


def test_the_session_is_frozen_by_the_job_and_progress_is_seen(connected, source, place, monkeypatch):
    desk = connected()
    desk.clock = utc_now
    told = []
    monkeypatch.setattr(desk.store, "set_progress", lambda *given: told.append(given[1:4]))
    name, provider, _ = opened(desk, sampling=source)
    jobs = Jobs(desk, pace=Pace(sweep=0.2, poll=0.05, silence=2, grace=60), sampling=place)
    jobs.start()
    desk.sample(provider, name)
    until(in_state(desk, name, "frozen"))
    jobs.stop()
    assert kinds(desk, name)[-2:] == ["sampling", "frozen"]
    assert desk.pool(name)[0]["source"]["model"] == source["model"]
    assert told[0] == ("sampling", 0, 4)
    assert told[-1] == ("sampling", 4, 4)


def test_it_goes_on_where_it_was_stopped(connected, source, place, monkeypatch):
    from tuneaccord.llm import pool as llm_pool

    desk = connected()
    name, provider, _ = opened(desk, sampling=source)
    desk.sample(provider, name)
    drawn, real, stopping = [], llm_pool.run_sample_batch, threading.Event()

    def noted(jobs):
        drawn.extend(job.prompt.id for job in jobs)
        stopping.set()
        return real(jobs)

    monkeypatch.setattr(llm_pool, "run_sample_batch", noted)
    with pytest.raises(Stopping):
        freeze_drawn_pool(desk, name, place, stopping)
    first = len(drawn)
    assert 0 < first < len(PROMPTS)
    freeze_drawn_pool(desk, name, place, threading.Event())
    assert sorted(drawn) == ["p001", "p002", "p003", "p004"], "what was drawn before the stop was drawn again"
    with pytest.raises(Superseded):
        freeze_drawn_pool(desk, name, place, threading.Event())


def test_a_cancelled_session_ends_the_sampling(connected, source, place):
    desk = connected()
    name, provider, _ = opened(desk, sampling=source)
    desk.sample(provider, name)
    progress = SessionProgress(desk, name, threading.Event())
    with progress.task("sampling", 4) as advance:
        advance()
        desk.cancel(provider, name, "no model is needed")
        progress._said = float("-inf")
        with pytest.raises(Superseded):
            advance()

"""CPU-seconds are those of the process that did the work, each counted once."""

import time

import pytest

from tuneaccord.execution import Serial
from tuneaccord.tuning.ledger import Ledger


def work(seconds: float) -> float:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def test_here_the_clock_around_the_block_counts(tmp_path):
    ledger = Ledger(tmp_path / "costs.jsonl")
    with ledger.timed("training"):
        assert ledger.metered(Serial(), "training").map(work, [0.05, 0.1]) == [0.05, 0.1]
    assert 0.149 < ledger.totals()["training"] < 0.28  # not 0.3; whatever else this process does counts too
    assert len(ledger.path.read_text().splitlines()) == 1


@pytest.mark.slow
def test_elsewhere_each_job_counts(tmp_path, workers):
    ledger = Ledger(tmp_path / "costs.jsonl")
    with ledger.timed("training"):
        assert ledger.metered(workers, "training").map(work, [0.2, 0.3]) == [0.2, 0.3]
    assert 0.499 < ledger.totals()["training"] < 0.9  # not 1.0


def test_labels_add_up_and_a_torn_line_is_left_out(tmp_path):
    ledger = Ledger(tmp_path / "costs.jsonl")
    for label, cpu in (("a", 1.0), ("b", 2.0), ("a", 0.5)):
        ledger.add(label, cpu, cpu)
    with open(ledger.path, "a") as file:
        file.write('{"label": "a", "cp')
    assert ledger.totals() == {"a": 1.5, "b": 2.0}
    assert Ledger(tmp_path / "nothing").totals() == {}

"""All ways on one market: every number of the comparison can be had again, and the same bytes come out."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from tiny_market import process, settings, write_market
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.errors import InputError
from tuneaccord.reporting.formatting import percent
from tuneaccord.reporting.pages import cell
from tuneaccord.reporting.ways_report import ways_markdown
from tuneaccord.tuning.compare import compare_ways
from tuneaccord.tuning.ways import NAMES, way

SIZES, STRENGTH = np.array([3.0, 2.0, 1.5]), 0.3
TRAINED = ("reply", "adapter", "leave-one-out")


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), tiny_model)


@pytest.fixture(scope="module")
def comparison(market, tmp_path_factory):
    assert settings("x")["divergence"]["strength"] == STRENGTH
    return compare_ways(market, TRAINED, tmp_path_factory.mktemp("out") / "out", workers=1)


def by_name(comparison) -> dict:
    return {result.name: result for result in comparison.results}


@pytest.mark.slow
def test_reply_mode_is_the_run_itself(market, comparison, tmp_path):
    result = CliRunner().invoke(app, ["tune", str(market), "--no-tune", "--out", str(tmp_path / "tune"), "--json"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    reply = comparison.record["ways"][0]
    assert reply["payments"] == record["settlement"]["payments"]
    assert reply["net_welfare"] == record["held_out"]["rows"][1]["net_welfare"]
    assert (reply["generated"], reply["trained"], reply["chargeable"]) == (0, 0, True)


def test_payments_of_a_delivered_adapter(comparison):
    """What the others could have on the pool (closed form), minus what they have with the adapter."""
    result = by_name(comparison)["adapter"]
    scores = held_out_scores(comparison)
    for i, (name, paid) in enumerate(result.payments.items()):
        sizes = np.where(np.arange(3) == i, 0.0, SIZES)
        best = STRENGTH * (logsumexp(scores @ sizes / STRENGTH, axis=1) - np.log(scores.shape[1]))
        have = result.row.values @ sizes - STRENGTH * result.row.kl
        assert paid.estimate == pytest.approx(float(np.mean(best - have)), abs=1e-9), name


def held_out_scores(comparison) -> np.ndarray:
    import pyarrow.parquet as parquet

    path = comparison.folder / "scores-held-out.parquet"
    rows = parquet.read_table(path).to_pylist()
    groups = list(dict.fromkeys(row["group"] for row in rows))
    prompts = list(dict.fromkeys(row["prompt_id"] for row in rows))
    table = np.zeros((len(prompts), 8, len(groups)))
    for row in rows:
        table[prompts.index(row["prompt_id"]), int(row["reply_id"]), groups.index(row["group"])] = row["score"]
    return table


def test_the_difference_to_reply_mode_is_the_sum_of_its_parts(comparison):
    for entry in comparison.record["ways"][1:]:
        for name, parts in entry["against_reply"].items():
            found = parts["lost_by_others"]["estimate"] + parts["smaller_set"]
            assert found == pytest.approx(parts["difference"], abs=1e-12), (entry["name"], name)
            expected = entry["payments"][name]["estimate"] - parts["reply"]["estimate"]
            assert parts["difference"] == pytest.approx(expected, abs=1e-12)
    adapter = comparison.record["ways"][1]["against_reply"]
    for parts in adapter.values():  # its others' best is the pool's: nothing is smaller
        assert parts["smaller_set"] == pytest.approx(0.0, abs=1e-12)


def test_one_training_more_for_each_group(comparison):
    one, all_of_them = (by_name(comparison)[name] for name in ("adapter", "leave-one-out"))
    assert all_of_them.trained == 4 * one.trained > 0
    assert all_of_them.generated > 2 * one.generated > 0


@pytest.mark.slow
def test_the_same_bytes_again_and_elsewhere(market, comparison, tmp_path):
    written = (comparison.folder / "comparison.json").read_bytes()
    compare_ways(market, TRAINED, tmp_path / "out", workers=1)
    assert (tmp_path / "out" / "comparison.json").read_bytes() == written
    assert json.loads(written)["kind"] == "WayComparison"


def test_what_is_left_for_people(comparison):
    folder = comparison.folder
    assert (folder / "comparison.html").read_text().count("<table") >= 3
    assert "<svg" in (folder / "comparison.svg").read_text()
    assert (folder / "ways" / "reply" / "invoices.csv").is_file()
    assert not (folder / "ways" / "adapter" / "invoices.csv").exists()  # those may not be charged
    assert (folder / "ways" / "adapter" / "adapter" / "adapter_config.json").is_file()
    assert set(json.loads((folder / "costs.json").read_text())) == {"pools", *TRAINED}


def test_the_markdown_table_has_every_figure(comparison):
    text = ways_markdown(comparison.record, comparison.costs)
    delivered, paid = (part.splitlines() for part in text.split("\n\nAll ways share")[0:1] + text.split("|---|\n")[-1:])
    assert len(delivered) == 2 + len(TRAINED)
    adapter = comparison.record["ways"][1]
    (line,) = (row for row in delivered if row.startswith("| adapter |"))
    assert f"{adapter['generated']:,}" in line
    assert f"{adapter['trained']:,}" in line
    assert percent(adapter["share"]) in line
    assert [row.split("|")[1].strip() for row in paid] == ["reply policy", "adapter", "n + 1 adapters"]
    assert paid[0].endswith(f"| yes | {cell(comparison.record['ways'][0]['why'])} |")


def test_an_unknown_way():
    with pytest.raises(InputError, match="Did you mean 'soups'"):
        way("soup")


@pytest.mark.slow
def test_an_unknown_way_at_the_command_line(market, tmp_path):
    result = process("compare", market, "--ways", "reply,soup", "--out", tmp_path / "out")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_every_way_has_a_class():
    assert [way(name).name for name in NAMES] == list(NAMES)

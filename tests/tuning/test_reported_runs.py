"""Whole runs whose groups report a sheet, pairs, answers, a mix or a classifier."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from tiny_classifier import save_classifier
from tiny_market import write_market
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.errors import InputError
from tuneaccord.llm.pool import read_pool
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.tuning.fitted import largest_gain, with_fits
from tuneaccord.tuning.run import policy_of, run

FORMS = {
    "press": {"reward": "upbeat", "size": 3},
    "legal": {"reward": {"sheet": "legal.csv"}, "size": 2},
    "desk": {"reward": {"answers": "desk.csv"}, "size": 2, "scale": [0.0, 2.0]},
    "shop": {"reward": {"preferences": "pairs.jsonl"}, "size": 1.5},
    "staff": {"reward": {"mix": {"calm": 0.25, "easy": 0.75}}, "size": 1},
    "lab": {"reward": {"model": "judge", "label": "L1", "input": "pair"}, "size": 1, "reward_seconds": 60},
}


def command(*arguments) -> str:
    result = CliRunner().invoke(app, [str(one) for one in (*arguments, "--workers", "1")])
    assert result.exit_code == 0, result.output
    return result.stdout


def brief(reply: str) -> float:
    return 1 / (1 + len(reply.split()) / 3)


def fill(source: Path, target: Path, score) -> list[dict]:
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "score": score(row["reply"])} for row in rows)
    return rows


def write_pairs(path: Path, rows: list[dict]) -> None:
    """Every two different replies to a tuning prompt, the shorter one first."""
    pairs = []
    for prompt in sorted({row["prompt"] for row in rows if row["prompt"].startswith("how")}):
        ours = sorted({row["reply"] for row in rows if row["prompt"] == prompt}, key=lambda r: (len(r), r))
        pairs += [{"prompt": prompt, "chosen": a, "rejected": b} for n, a in enumerate(ours) for b in ours[n + 1 :]]
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))


def make(folder: Path, model: Path, *names: str) -> tuple[Path, Path]:
    """A tune file of these groups, its run's folder, and everything that they report, made as a person would."""
    groups = [{"name": name, **FORMS[name]} for name in names]
    market = write_market(folder, model, groups=groups)
    save_classifier(folder / "judge", "bert", 2)
    out = folder / "out"
    command("pool", market, "--out", out)
    rows = fill(out / "pools" / "sheet.csv", folder / "legal.csv", brief)
    if "desk" in names:
        command("questions", market, "--group", "desk", "--out", out, "--count", 12, "--check", 6)
        fill(out / "pools" / "questions-desk.csv", folder / "desk.csv", lambda reply: 2 * brief(reply))
    write_pairs(folder / "pairs.jsonl", rows)
    return market, out


@pytest.fixture(scope="module")
def everything(tiny_model, tmp_path_factory):
    """A finished run with all forms: its tune file, its folder, its record."""
    market, out = make(tmp_path_factory.mktemp("forms"), tiny_model, *FORMS)
    return market, out, run(market, out, workers=1).record


def sheet(path: Path, group: str) -> dict:
    rows = parquet.read_table(path).to_pylist()
    return {(row["prompt_id"], row["reply_id"]): row["score"] for row in rows if row["group"] == group}


@pytest.mark.slow
def test_each_form_is_scored_and_recorded(everything):
    market, out, record = everything
    facts = {group["name"]: group for group in record["groups"]}
    pool = read_pool(out / "pool.parquet")
    replies = {
        (p.id, str(k)): text for p, row in zip(pool.prompts, pool.texts, strict=True) for k, text in enumerate(row)
    }
    assert sheet(out / "scores.parquet", "legal") == {cell: brief(reply) for cell, reply in replies.items()}
    mixed = [sheet(out / "scores.parquet", name) for name in ("staff", "lab", "shop", "desk")]
    assert all(set(scores) == set(replies) for scores in mixed)
    assert all(0 <= score <= 2 for score in mixed[3].values())
    assert {name: fact["scale_policy"]["outside"] for name, fact in facts.items()} == {
        "press": "refused", "legal": "refused", "desk": "clipped", "shop": "clipped", "staff": "refused",
        "lab": "refused",
    }  # fmt: skip
    assert [name for name, fact in facts.items() if fact["fit"]] == ["desk", "shop"]
    assert [name for name, fact in facts.items() if not fact["new_texts"]] == ["legal"]
    assert len({fact["report_digest"] for fact in facts.values()}) == len(facts)
    assert str(market.parent) not in json.dumps(record)


@pytest.mark.slow
def test_the_published_pools_are_those_that_are_settled_on(everything):
    _, out, record = everything
    for published, used, key in (("tune", "pool", "pool"), ("held-out", "pool-held-out", "held_out_pool")):
        digest = read_pool(out / "pools" / f"{published}.parquet").digest
        assert digest == read_pool(out / f"{used}.parquet").digest == record[key]["digest"]


@pytest.mark.slow
def test_the_adapter_is_measured_by_weights_where_a_sheet_scores_no_new_reply(everything):
    _, out, record = everything
    assert record["held_out"]["adapter_method"]["method"].startswith("importance weights")
    assert record["held_out"]["second_estimate"] is None
    assert not (out / "scores-adapter.parquet").exists()
    adapter = next(row for row in record["held_out"]["rows"] if row["name"] == "adapter")
    assert set(adapter["values"]) == set(FORMS)
    names = [promise["name"] for promise in record["delivery"]["policy"]["guarantees"]]
    assert not [name for name in names if "new prompts" in name]


@pytest.mark.slow
def test_no_reply_without_a_score(everything):
    _, out, _ = everything
    with pytest.raises(InputError, match="group 'legal' filled in a score sheet, which scores the frozen repl"):
        policy_of(out)


@pytest.mark.slow
def test_the_same_bytes_again_and_on_two_workers(everything, tmp_path):
    market, out, _ = everything
    run(market, tmp_path / "again", workers=2)
    assert (tmp_path / "again" / "settlement.json").read_bytes() == (out / "settlement.json").read_bytes()


@pytest.mark.slow
def test_fitted_reports_answer_new_prompts(tiny_model, tmp_path):
    """The fit of the run is that of the policy, and its promises are about the frozen pool's error."""
    market, out = make(tmp_path, tiny_model, "press", "desk", "shop")
    record = run(market, out, train=False, workers=1).record
    policy = policy_of(out)
    assert [group.fit.digest for group in policy.groups[1:]] == [g["fit"]["digest"] for g in record["groups"][1:]]
    assert policy.reply("is it good ?", seed=3).scores.shape == (8, 3)
    promises = {promise["name"]: promise for promise in record["settlement"]["guarantees"]}
    expected = max(largest_gain(g["size"], g["fit"]["epsilon"], 0.3) for g in record["groups"][1:])
    assert promises["truthful"]["status"] == "bounded"
    assert abs(promises["truthful"]["bound"] - expected) < 1e-9
    worst = max(2 * g["size"] * g["fit"]["epsilon"] for g in record["groups"][1:])
    assert abs(promises["nobody worse off"]["bound"] - worst) < 1e-12
    assert promises["never negative"]["status"] == "exact"
    assert promises["fits as good as estimated"]["status"] == "not claimed"


def test_no_other_report_gains_more_than_the_bound():
    """By brute force: the group's true reward is off from its fit by epsilon, and it tries many other reports."""
    draws, strength, size = np.random.default_rng(8), 0.4, 2.0
    tightest = 0.0
    for _ in range(30):
        epsilon = draws.choice([0.02, 0.1, 0.4])
        true, others = draws.random(8), 3 * draws.random(8)
        fitted = true + epsilon * draws.choice([-1, 1], size=8)

        def utility(report, true=true, others=others):
            """Own value at the chosen weights minus what its presence costs the others, uniform base."""
            tilt = (others + size * report) / strength
            weights = np.exp(tilt - tilt.max())
            weights /= weights.sum()
            price = strength * (weights * np.log(8 * weights)).sum()
            return size * weights @ true + weights @ others - price

        bound = largest_gain(size, epsilon, strength)
        lies = [true, *(fitted + draws.normal(scale=epsilon, size=8) for _ in range(50)), *draws.random((50, 8))]
        gain = max(utility(lie) for lie in lies) - utility(fitted)
        assert gain <= bound + 1e-12
        tightest = max(tightest, gain / bound)
    assert tightest > 0.5  # the bound says something


def test_promises_without_a_fit_are_as_they_were():
    promise = Guarantee("truthful", "exact", "No misreport pays.", 0.0)
    assert with_fits([promise], (), 0.5) == (promise,)


@pytest.mark.slow
def test_what_somebody_filled_in_is_not_overwritten(everything):
    market, out, _ = everything
    for arguments, file in (
        (("pool", market), "sheet.csv"),
        (("questions", market, "--group", "desk", "--count", 12, "--check", 6), "questions-desk.csv"),
    ):
        path = out / "pools" / file
        command(*arguments, "--out", out)  # the empty one is written again without a word
        before = path.read_text()
        path.write_text(before + "mine")
        result = CliRunner().invoke(app, [*map(str, arguments), "--out", str(out), "--workers", "1"])
        assert result.exit_code == 2
        assert f"{file} exists and is not the empty one" in " ".join(result.stderr.split())
        assert path.read_text() == before + "mine"
        path.write_text(before)


@pytest.mark.slow
def test_the_commands_say_what_to_do_next(everything, tmp_path):
    market, out, record = everything
    assert json.loads(command("pool", market, "--out", out, "--json"))["pool"] == record["pool"]["digest"]
    said = command("questions", market, "--group", "press", "--out", out, "--to", tmp_path / "q.csv", "--count", 5)
    assert "reward: {answers: FILE}" in said
    assert len((tmp_path / "q.csv").read_text().splitlines()) == 16
    result = CliRunner().invoke(app, ["questions", str(market), "--group", "pres", "--out", str(out)])
    assert result.exit_code == 2
    assert "Did you mean 'press'?" in result.stderr


@pytest.mark.slow
def test_a_pool_file_that_is_none(everything, tmp_path):
    _, out, _ = everything
    with pytest.raises(InputError, match="is not a pool of replies"):
        read_pool(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="is not a pool of replies"):
        read_pool(out / "scores.parquet")
    table = parquet.read_table(out / "pool.parquet")
    parquet.write_table(table.slice(0, table.num_rows // 2), tmp_path / "half.parquet")
    with pytest.raises(InputError, match="its digest is another"):
        read_pool(tmp_path / "half.parquet")


@pytest.mark.slow
def test_a_sheet_of_another_pool_is_refused(tiny_model, tmp_path):
    market, out = make(tmp_path, tiny_model, "press", "legal")
    market.write_text(market.read_text().replace("seed: 7", "seed: 8"))
    result = CliRunner().invoke(app, ["tune", str(market), "--out", str(out), "--workers", "1"])
    assert result.exit_code == 2
    assert "group 'legal': " in result.stderr
    assert "write new sheets with tuneaccord pool" in " ".join(result.stderr.split())
    assert not (out / "settlement.json").exists()


@pytest.mark.slow
def test_a_reward_that_takes_forever_stops_the_run(tiny_model, tmp_path):
    """One line that names the group and the limit; what was scored before is kept."""
    groups = [
        {"name": "press", "size": 3, "reward": "upbeat"},
        {"name": "desk", "size": 2, "reward": "rewards.py:short", "reward_seconds": 1},
    ]
    market = write_market(tmp_path, tiny_model, groups=groups)
    (tmp_path / "rewards.py").write_text("def short(prompts, replies):\n    while True:\n        pass\n")
    result = CliRunner().invoke(app, ["tune", str(market), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "the reward of group 'desk' (rewards.py:short) took longer than 1 s to score 32 replies" in line
    assert len(list((tmp_path / "out" / "steps").glob("score-*.json"))) == 1
    assert not (tmp_path / "out" / "settlement.json").exists()

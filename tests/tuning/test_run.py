"""Whole runs on the tiny model: every file is there, every number can be had again, nothing else decides it."""

import csv
import json
import shutil
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
import yaml
from plain_route import token_logits
from tiny_market import process, settings, write_market
from typer.testing import CliRunner

from tuneaccord.cli.app import app
from tuneaccord.errors import InputError
from tuneaccord.llm import pool as pool_module
from tuneaccord.llm.adapters import Lora, attach, digest_state, put, trainable
from tuneaccord.llm.backend import quiet
from tuneaccord.llm.criteria import upbeat
from tuneaccord.tuning import opening
from tuneaccord.tuning.run import policy_of, run

STRENGTH = 0.3
SIZES = np.array([3.0, 2.0, 1.5])
NAMES = ("press", "desk", "garden")
FILES = {
    "settlement.json", "invoices.csv", "replies.json", "report.html", "run.json", "pool.parquet",
    "pool-held-out.parquet", "scores.parquet", "scores-held-out.parquet",
}  # fmt: skip
TUNED = FILES | {"pool-adapter.parquet", "scores-adapter.parquet"}


@pytest.fixture(scope="module")
def market(tiny_model, tmp_path_factory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), tiny_model)


@pytest.fixture(scope="module")
def out(market, tmp_path_factory) -> Path:
    """The folder of a finished run with one worker."""
    folder = tmp_path_factory.mktemp("finished") / "out"
    run(market, folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def record(out) -> dict:
    return json.loads((out / "settlement.json").read_text())


def files(folder: Path) -> set[str]:
    """What a run leaves for people to read."""
    return {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}


def scores(path: Path) -> np.ndarray:
    """(prompts, replies, groups) from a Parquet score sheet."""
    rows = parquet.read_table(path).to_pylist()
    prompts = list(dict.fromkeys(row["prompt_id"] for row in rows))
    cells = {(row["prompt_id"], int(row["reply_id"]), row["group"]): row["score"] for row in rows}
    replies = 1 + max(reply for _, reply, _ in cells)
    return np.array([[[cells[p, k, g] for g in NAMES] for k in range(replies)] for p in prompts])


def gibbs(sheet: np.ndarray, sizes: np.ndarray):
    """Per prompt: weights, best net welfare, values of all groups; written out from the training rule."""
    tilted = np.exp(sheet @ sizes / STRENGTH)
    weights = tilted / tilted.sum(axis=1, keepdims=True)
    best = STRENGTH * np.log(tilted.mean(axis=1))
    return weights, best, np.einsum("pk,pkg->pg", weights, sheet)


# The files


@pytest.mark.slow
def test_all_outputs_exist(out):
    assert files(out) == TUNED
    assert {path.name for path in (out / "adapter").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "README.md",
    }  # fmt: skip
    assert "<html" in (out / "report.html").read_text()
    card = (out / "adapter" / "README.md").read_text()
    assert all(name in card for name in NAMES)
    about = json.loads((out / "run.json").read_text())
    assert {"sampling", "scoring", "settling", "tuning", "measuring"} <= set(about["seconds"])


def test_pools_and_digests(out, record):
    for file, key in (("pool", "pool"), ("pool-held-out", "held_out_pool")):
        table = parquet.read_table(out / f"{file}.parquet")
        assert json.loads(table.schema.metadata[b"tuneaccord"])["digest"] == record[key]["digest"]
    prompts = {row["prompt"] for row in parquet.read_table(out / "pool.parquet").to_pylist()}
    held_out = {row["prompt"] for row in parquet.read_table(out / "pool-held-out.parquet").to_pylist()}
    assert (len(prompts), len(held_out), prompts & held_out) == (4, 3, set())


def test_invoices_add_up_to_the_cent(out, record):
    rows = list(csv.DictReader((out / "invoices.csv").read_text().splitlines()))
    amounts = {row["group"]: Decimal(row["amount"]) for row in rows}
    total = amounts.pop("total")
    payments = {name: record["settlement"]["payments"][name]["estimate"] for name in NAMES}
    assert sum(amounts.values()) == total == round(Decimal(repr(100 * sum(payments.values()))), 2)
    assert all(abs(float(amounts[name]) - 100 * payments[name]) < 0.01 for name in NAMES)
    assert record["money"]["invoices"] == {name: str(amount) for name, amount in amounts.items()}


# The numbers, by another route


def test_the_settlement_from_the_score_sheet(out, record):
    sheet = scores(out / "scores.parquet")
    settled = record["settlement"]
    weights, best, values = gibbs(sheet, SIZES)
    for index, name in enumerate(NAMES):
        others = np.where(np.arange(3) == index, 0.0, SIZES)
        _, without, outside = gibbs(sheet, others)
        payment = without.mean() - (best - SIZES[index] * values[:, index]).mean()
        staying_out = SIZES[index] * outside[:, index].mean()
        assert settled["payments"][name]["estimate"] == pytest.approx(payment, abs=1e-12)
        assert settled["values"][name]["estimate"] == pytest.approx(values[:, index].mean(), abs=1e-12)
        assert settled["staying_out"][name] == pytest.approx(staying_out, abs=1e-12)
        assert settled["payments"][name]["estimate"] >= 0
        assert settled["utilities"][name]["estimate"] >= staying_out - 1e-12
        assert settled["base_values"][name]["estimate"] == pytest.approx(sheet[:, :, index].mean(), abs=1e-12)
    assert settled["net_welfare"]["estimate"] == pytest.approx(best.mean(), abs=1e-12)
    assert settled["kl"]["estimate"] == pytest.approx((weights * np.log(8 * weights)).sum(axis=1).mean(), abs=1e-12)
    assert settled["effective_sample_size"]["mean"] == pytest.approx((1 / (weights**2).sum(axis=1)).mean())


def test_settle_on_the_score_sheet_agrees(out, record):
    sizes = [option for name, size in zip(NAMES, SIZES, strict=True) for option in ("--size", f"{name}={size}")]
    sheet = str(out / "scores.parquet")
    result = CliRunner().invoke(app, ["settle", sheet, "--strength", str(STRENGTH), *sizes, "--json", "--no-what-if"])
    assert result.exit_code == 0, result.output
    payments = json.loads(result.stdout)["payments"]
    for name in NAMES:
        assert payments[name] == pytest.approx(record["settlement"]["payments"][name]["estimate"], abs=1e-9)


def test_the_adapters_row_is_in_its_score_sheet(out, record):
    """Anybody can recompute it from the adapter's replies and the pool's that share their random numbers."""
    fresh, pool = scores(out / "scores-adapter.parquet"), scores(out / "scores-held-out.parquet")
    expected = controlled(fresh, pool).mean(axis=0)
    row = {row["name"]: row for row in record["held_out"]["rows"]}["adapter"]
    assert [row["values"][name]["estimate"] for name in NAMES] == pytest.approx(expected.tolist(), abs=1e-12)


def controlled(fresh: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Mean of the fresh scores with the pool's as control variate, (prompts, groups), group by group."""
    shared = pool[:, : fresh.shape[1]]
    columns = []
    for group in range(fresh.shape[2]):
        x, y = ((part - part.mean(axis=1, keepdims=True)).ravel() for part in (shared[..., group], fresh[..., group]))
        slope = min(1.0, max(0.0, float(np.linalg.lstsq(x[:, None], y, rcond=None)[0][0])))
        surprise = shared[..., group].mean(axis=1) - pool[..., group].mean(axis=1)
        columns.append(fresh[..., group].mean(axis=1) - slope * surprise)
    return np.stack(columns, axis=1)


@pytest.mark.slow
def test_a_finished_run_of_another_file_is_not_replaced(market, tmp_path):
    mine, yours = (shutil.copytree(market.parent, tmp_path / name) / market.name for name in ("mine", "yours"))
    run(mine, tmp_path / "out", train=False, workers=1)
    before = (tmp_path / "out" / "settlement.json").read_bytes()
    with pytest.raises(InputError, match=r"holds the finished run of .*mine.*another folder with --out"):
        run(yours, tmp_path / "out", train=False, workers=1)
    assert (tmp_path / "out" / "settlement.json").read_bytes() == before


@pytest.mark.slow
def test_what_a_killed_run_was_writing_is_removed(market, out, record):
    litter = [out / ".report.html.abcd.partial", out / "steps" / ".sample-1.json.abcd.partial"]
    for file in litter:
        file.write_text("half")
    run(market, out, workers=1)
    assert not any(file.exists() for file in litter)


def test_the_adapter_is_what_was_trained(out, record, tiny_model, ref):
    """PEFT puts it on a fresh base; the weights are the last step's, and the logits those of the tuned model."""
    loaded = on_a_fresh_base(tiny_model, out / "adapter")
    weights = {name: weight.detach().numpy() for name, weight in loaded.named_parameters() if "lora_" in name}
    assert digest_state(weights) == record["adapter"]["digest"]
    lora = Lora(record["adapter"]["rank"], record["adapter"]["alpha"], "all-linear", seed=7)
    model = attach(ref, lora).model
    put(model, weights)
    assert set(trainable(model)) == set(weights)
    tokens = torch.tensor([[2, 8, 9, 3]])
    with torch.no_grad():
        ours, theirs = model(tokens).logits, loaded(tokens).logits
        with loaded.disable_adapter():
            base = loaded(tokens).logits
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (theirs - base).abs().max() > 0.1


def test_gain_and_share_of_policy_and_adapter(out, record, tiny_model, tiny):
    """From the held-out sheet and the adapter's replies, with the adapter as PEFT loads it."""
    sheet = scores(out / "scores-held-out.parquet")
    base = (sheet @ SIZES).mean(axis=1)
    _, best, _ = gibbs(sheet, SIZES)
    model = on_a_fresh_base(tiny_model, out / "adapter")
    drawn = [json.loads(path.read_bytes()) for path in (out / "steps").glob("measure-*.json")]
    prompts = ["is it the ?", "is it a ?", "is it plant ?"]
    fresh, price = np.zeros((3, 4, 3)), np.zeros(3)
    for one in drawn:  # which prompt they answer: the one whose divergences fit
        texts = one["texts"]
        short = [1 / (1 + len(text.split())) for text in texts]
        wet = [min(1.0, text.split().count("water") / 2) for text in texts]
        kl = {prompt: plain_divergence(model, tiny.encode(prompt), one["tokens"]) for prompt in prompts}
        fits = [prompt for prompt in prompts if np.allclose(kl[prompt], one["kl"], rtol=1e-3, atol=1e-5)]
        assert len(fits) == 1
        index = prompts.index(fits[0])
        fresh[index] = np.array([upbeat([""], texts), short, wet]).T
        price[index] = STRENGTH * np.mean(kl[fits[0]])
    net = controlled(fresh, sheet) @ SIZES - price
    rows = {row["name"]: row for row in record["held_out"]["rows"]}
    assert len(drawn) == 3
    assert rows["base"]["net_welfare"]["estimate"] == pytest.approx(base.mean(), abs=1e-12)
    assert rows["policy"]["gain"]["estimate"] == pytest.approx((best - base).mean(), abs=1e-12)
    assert rows["adapter"]["gain"]["estimate"] == pytest.approx(np.mean(net) - base.mean(), abs=1e-4)
    share = (np.mean(net) - base.mean()) / (best - base).mean()
    assert rows["adapter"]["share"]["estimate"] == pytest.approx(share, abs=1e-3)
    assert rows["policy"]["share"]["estimate"] == pytest.approx(1.0)
    best_row = max(rows.values(), key=lambda row: row["net_welfare"]["estimate"])
    assert record["held_out"]["recommended"] == best_row["name"]


def on_a_fresh_base(base: Path, adapter: Path):
    """As a user loads it."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with quiet():  # PEFT asks transformers for an attribute by its old name
        fresh = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        return PeftModel.from_pretrained(fresh, adapter).eval()


def plain_divergence(model, prompt, replies, temperature=0.9) -> list[float]:
    found = []
    for reply in replies:
        with torch.no_grad():
            tuned = torch.log_softmax(token_logits(model, prompt, reply).double() / temperature, dim=-1)
            with model.disable_adapter():
                base = torch.log_softmax(token_logits(model, prompt, reply).double() / temperature, dim=-1)
        found.append(float((tuned.exp() * (tuned - base)).sum()))
    return found


# What decides a run, and what does not


@pytest.mark.slow
def test_the_same_bytes_in_another_folder_with_two_workers(market, out, tmp_path, workers, monkeypatch):
    used = []
    monkeypatch.setattr(opening, "executor_for", lambda count, **_: used.append(count) or Lent(workers))
    elsewhere = shutil.copytree(market.parent, tmp_path / "market")
    run(elsewhere / "tune.yaml", tmp_path / "out", workers=2)
    assert used == [2]
    for name in ("settlement.json", "invoices.csv", "replies.json", "adapter/adapter_model.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (out / name).read_bytes(), name


class Lent:
    """Workers that the run must not close: other tests use them."""

    def __init__(self, executor):
        self.executor = executor

    def __enter__(self):
        return self.executor

    def __exit__(self, *_):
        pass


def count_samples(monkeypatch) -> list:
    """The prompts that replies are drawn to."""
    calls = []
    real = pool_module.sample_each
    monkeypatch.setattr(
        pool_module, "sample_each", lambda model, prompts, *given: calls.extend(prompts) or real(model, prompts, *given)
    )
    return calls


@pytest.mark.slow
def test_the_pool_does_not_depend_on_the_groups(market, out, record, tiny_model, tmp_path, monkeypatch):
    """Other groups and sizes settle on the same replies, which are read back and not drawn again."""
    folder = shutil.copytree(out, tmp_path / "out", ignore=shutil.ignore_patterns("run.json"))
    config = shutil.copytree(market.parent, tmp_path / "market") / "tune.yaml"
    calls = count_samples(monkeypatch)
    run(config, folder, workers=1)
    assert calls == []
    groups = [{"name": "other", "size": 40, "reward": "calm"}, {"name": "press", "size": 1, "reward": "easy"}]
    config.write_text(yaml.safe_dump(settings(tiny_model, groups=groups, divergence={"kind": "KL", "strength": 9.0})))
    changed = run(config, folder, train=False, workers=1).record
    assert calls == []
    assert changed["pool"] == record["pool"]
    assert changed["held_out_pool"] == record["held_out_pool"]
    assert changed["settlement"]["payments"].keys() == {"other", "press"}
    config.write_text(yaml.safe_dump(settings(tiny_model, seed=8)))
    other = run(config, folder, train=False, workers=1).record
    assert len(calls) == 7
    assert other["pool"]["digest"] != record["pool"]["digest"]


@pytest.mark.slow
def test_a_finished_run_is_read_back(market, out, tmp_path, monkeypatch):
    folder = shutil.copytree(out, tmp_path / "out")
    before = (folder / "settlement.json").read_bytes()
    steps = {path.name for path in (folder / "steps").iterdir()}
    count_samples(monkeypatch)
    run(market, folder, workers=1)
    assert (folder / "settlement.json").read_bytes() == before
    assert {path.name for path in (folder / "steps").iterdir()} == steps


@pytest.mark.slow
def test_damaged_and_missing_steps_are_done_again(market, out, tmp_path):
    folder = shutil.copytree(out, tmp_path / "out")
    for number, path in enumerate(sorted((folder / "steps").iterdir())):
        if number % 3 == 0:
            path.write_bytes(path.read_bytes()[:-7])
        elif number % 3 == 1:
            path.unlink()
    (folder / "settlement.json").unlink()
    run(market, folder, workers=1)
    assert (folder / "settlement.json").read_bytes() == (out / "settlement.json").read_bytes()


@pytest.mark.slow
def test_without_tuning_and_with_it_later(market, out, record, tmp_path):
    folder = tmp_path / "out"
    untuned = run(market, folder, train=False, workers=1).record
    assert files(folder) == FILES
    assert not (folder / "adapter").exists()
    assert (untuned["adapter"], untuned["delivery"]["adapter"]) == (None, None)
    assert [row["name"] for row in untuned["held_out"]["rows"]] == ["base", "policy"]
    assert untuned["settlement"] == record["settlement"]
    assert list((folder / "steps").glob("tune-*")) == []
    run(market, folder, workers=1)
    assert (folder / "settlement.json").read_bytes() == (out / "settlement.json").read_bytes()
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    run(market, folder, train=False, workers=1)
    assert not (folder / "adapter").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "constant", [*(pytest.param(c, marks=pytest.mark.slow) for c in ("0.0", "0.1")), "len(prompts[0]) % 5 / 5"]
)
def test_rewards_that_do_not_tell_replies_apart(tiny_model, tmp_path, constant):
    """Nothing to gain, nothing to pay, nothing to learn, and no number that is none."""
    config = write_market(tmp_path, tiny_model, groups=[{"name": "a", "size": 2, "reward": "rewards.py:f"}])
    body = f"return [{constant.replace('prompts[0]', 'p')} for p, _ in zip(prompts, replies)]"
    (tmp_path / "rewards.py").write_text(f"def f(prompts, replies):\n    {body}\n")
    record = run(config, tmp_path / "out", workers=1).record
    rows = {row["name"]: row for row in record["held_out"]["rows"]}
    assert record["settlement"]["payments"]["a"]["estimate"] == pytest.approx(0.0, abs=1e-12)
    assert rows["policy"]["gain"]["estimate"] == pytest.approx(0.0, abs=1e-12)
    assert rows["adapter"]["share"] is None
    assert rows["adapter"]["kl"]["estimate"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_prompts_on_which_nothing_can_be_gained(tiny_model, tmp_path):
    """A resample of such prompts alone has no gain to take a share of."""
    config = write_market(tmp_path, tiny_model, groups=[{"name": "a", "size": 2, "reward": "rewards.py:f"}])
    (tmp_path / "rewards.py").write_text(
        "def f(prompts, replies):\n    return [('plant' in p) * len(r) % 7 / 7 for p, r in zip(prompts, replies)]\n"
    )
    record = run(config, tmp_path / "out", workers=1).record
    rows = {row["name"]: row for row in record["held_out"]["rows"]}
    assert rows["policy"]["gain"]["estimate"] > 0
    assert rows["adapter"]["share"] is None


@pytest.mark.slow
def test_no_prompt_to_train_on_is_told_before_anything_is_drawn(tiny_model, tmp_path):
    config = write_market(tmp_path, tiny_model, adapter={"validation_prompts": 4})
    with pytest.raises(InputError, match="validation_prompts"):
        run(config, tmp_path / "out", workers=1)
    assert not (tmp_path / "out" / "steps").exists()
    run(config, tmp_path / "out", train=False, workers=1)


# Replies with the chosen policy


def test_the_policy_replies(out, record):
    policy = policy_of(out)
    draw, again, other = (policy.reply("is it good ?", seed) for seed in (1, 1, 2))
    assert draw.replies == again.replies != other.replies
    assert draw.kept == again.kept
    assert len(draw.replies) == record["pool"]["replies"]
    expected = np.exp(draw.scores @ SIZES / STRENGTH)
    np.testing.assert_allclose(draw.weights, expected / expected.sum(), rtol=1e-12)


@pytest.mark.slow
def test_the_kept_reply_follows_its_weight(out):
    policy = policy_of(out)
    draws = [policy.reply("is it good ?", seed) for seed in range(200)]
    welfare = np.array([draw.scores @ SIZES for draw in draws])
    kept = np.array([row[draw.kept] for row, draw in zip(welfare, draws, strict=True)])
    expected = np.array([row @ draw.weights for row, draw in zip(welfare, draws, strict=True)])
    error = (kept - expected).std() / np.sqrt(len(draws))
    assert abs((kept - expected).mean()) < 4 * error  # one seed: a chance of 6 in 100,000
    assert kept.mean() > welfare.mean() + 4 * error


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"groups": settings("")["groups"][:2]}, "groups"),
        ({"groups": [{**group, "size": group["size"] + 1} for group in settings("")["groups"]]}, "groups"),
        ({"divergence": {"kind": "KL", "strength": 0.4}}, "divergence"),
        ({"pool": {"replies": 9, "new_tokens": 5, "temperature": 0.9}}, "pool"),
        ({"pool": {"replies": 8, "new_tokens": 5, "temperature": 0.8}}, "pool"),
        ({"dtype": "bfloat16"}, "model"),
    ],
)
def test_a_policy_whose_configuration_changed(market, out, tiny_model, tmp_path, change, named):
    folder, config = moved(market, out, tmp_path)
    policy_of(folder)
    config.write_text(yaml.safe_dump(settings(tiny_model, **change)))
    with pytest.raises(InputError, match=rf"was settled with other {named}.* than .*Settle it again with"):
        policy_of(folder)


def test_a_policy_whose_reward_changed(market, out, tmp_path):
    folder, config = moved(market, out, tmp_path)
    with open(config.parent / "rewards.py", "a") as file:
        file.write("# changed\n")
    with pytest.raises(InputError, match="settled with other groups or rewards than"):
        policy_of(folder)


def moved(market, out, tmp_path) -> tuple[Path, Path]:
    """Copies of the run's folder and of its market, which belong together."""
    config = shutil.copytree(market.parent, tmp_path / "market") / "tune.yaml"
    folder = shutil.copytree(out, tmp_path / "out")
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "config": str(config)}))
    return folder, config


# Through the command line, as a process


@pytest.mark.slow
def test_the_command(market, out, tmp_path):
    result = process("tune", market, "--out", tmp_path / "out", "--workers", "1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "settlement.json").read_bytes() == (out / "settlement.json").read_bytes()
    assert "sampling: done in" in result.stderr
    assert "Warning" not in result.stderr
    # a long path is broken over lines
    assert f"tuneaccord reply {tmp_path / 'out'}".replace(" ", "") in "".join(result.stdout.split())
    assert files(tmp_path / "out") == TUNED


@pytest.mark.slow
def test_an_adapter_of_factor_zero_says_what_the_base_says(tiny_model, tmp_path):
    """Paired with the pool on the same random numbers, it has the base's values exactly."""
    adapter = {"method": "log-variance", "rank": 2, "learning_rate": 0.01, "block": 4, "validation_prompts": 2}
    record = run(write_market(tmp_path, tiny_model, adapter=adapter), tmp_path / "out", workers=1).record
    rows = {row["name"]: row for row in record["held_out"]["rows"]}
    assert record["adapter"]["validation_prompts"] == 2
    assert record["adapter"]["factor"] == 0.0
    assert rows["adapter"]["values"] == rows["base"]["values"]
    assert rows["adapter"]["kl"]["estimate"] == pytest.approx(0.0, abs=1e-6)

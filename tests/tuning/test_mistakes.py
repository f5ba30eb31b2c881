"""Each mistake in a tune file or in what it names: one line, exit status 2, and no settlement."""

import errno
import json
import os
import re
import shutil

import pytest
import yaml
from filelock import FileLock
from tiny_market import CONTEXT, save_tiny_model, settings, write_market, write_prompts
from typer.testing import CliRunner

from tuneaccord.cli.app import app


@pytest.fixture
def market(tiny_model, tmp_path):
    return write_market(tmp_path, tiny_model)


def refused(config, *options) -> str:
    """The one line of a refusal."""
    out = config.parent / "out"
    result = CliRunner().invoke(app, ["tune", str(config), "--out", str(out), "--workers", "1", *options])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    progress = [line for line in result.stderr.splitlines() if line not in errors]
    assert all(re.fullmatch(r"[a-z, -]+( \.\.\..*|: done in .*)", line) for line in progress), progress
    assert len(errors) == 1
    assert not (out / "settlement.json").exists()
    assert not (out / "invoices.csv").exists()
    return errors[0]


def groups(*rewards) -> dict:
    return {"groups": [{"name": f"g{number}", "size": 1, "reward": reward} for number, reward in enumerate(rewards)]}


ADAPTER = {"method": "log-variance", "rank": 2, "validation_prompts": 1}
PRESS = {"name": "press", "size": 3, "reward": "upbeat"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"modle": "x"}, "unknown key 'modle'. Did you mean 'model'?"),
        ({"pool": {"replis": 8}}, "pool: unknown key 'replis'. Did you mean 'replies'?"),
        ({"adapter": {"learning-rate": 1}}, "adapter: unknown key 'learning-rate'. Did you mean 'learning_rate'?"),
        ({"groups": [{**PRESS, "sise": 3}]}, "groups.0: unknown key 'sise'. Did you mean 'size'?"),
        (
            {"prompts": {"tune": "tune.jsonl", "heldout": "x"}},
            "prompts: unknown key 'heldout'. Did you mean 'held_out'?",
        ),
        ({"divergence": {"kind": "KL", "strenght": 1}}, "KL has no field 'strenght'. Did you mean 'strength'?"),
        ({"divergence": {"kind": "KL", "strength": 0}}, "strength must be a positive finite number"),
        ({"divergence": {"kind": "KL", "strength": -0.5}}, "strength must be a positive finite number"),
        ({"groups": [{**PRESS, "size": 0}]}, "groups.0.size: expected a positive number, got 0."),
        ({"groups": [{**PRESS, "size": -2}]}, "groups.0.size: expected a positive number, got -2."),
        ({"groups": [PRESS, PRESS]}, "press"),
        ({"groups": []}, "groups: expected at least 1 entries"),
        ({"groups": [{**PRESS, "scale": [1, 0]}]}, "scale must be [low, high] with low < high, got [1.0, 0.0]"),
        ({"dtype": "bflaot16"}, "Did you mean 'bfloat16'?"),
        ({"name": "../x"}, "name: expected"),
        ({"seed": -1}, "seed: expected a number of at least 0, got -1."),
        ({"seed": 2**63}, "seed: expected a number of at most"),
        ({"pool": {"replies": 1}}, "pool.replies: expected a number of at least 2, got 1. Try "),
        ({"pool": {"temperature": 0}}, "pool.temperature: expected a number of at least 0.01, got 0."),
        ({"pool": {"new_tokens": 0}}, "pool.new_tokens: expected a number of at least 1"),
        ({"prompts": {"tune": "tune.jsonl", "held_out": "tune.jsonl"}}, "held_out is the same file as prompts.tune"),
        ({"prompts": {"tune": "tune.jsonl", "held_out": "./tune.jsonl"}}, "is the same file"),
        ({"prompts": {"tune": "none.jsonl", "held_out": "tune.jsonl"}}, "none.jsonl does not exist"),
        ({"prompts": {"tune": ".", "held_out": "tune.jsonl"}}, "is a folder, expected a file"),
        (groups("upbaet"), "group 'g0': there is no criterion 'upbaet'. Did you mean 'upbeat'?"),
        (groups("none.py:f"), "none.py does not exist"),
        (groups("upbeat", "rewards.py:wte"), "has no function 'wte'. Did you mean 'wet'?"),
        ({"model": "tune.yaml"}, "model 'tune.yaml' is a file, expected a folder"),
        ({"model": "."}, "is not a language model: config.json, *.safetensors, tokenizer.json missing"),
        ({"model": "no-such-model"}, "there is no model 'no-such-model'"),
        ({"adapter": {**ADAPTER, "targets": ["no_such"]}}, "an adapter on ['no_such'] does not fit model"),
        ({"adapter": {**ADAPTER, "targets": []}}, "adapter"),
        ({"adapter": {**ADAPTER, "learning_rate": 1e30}}, "Lower adapter.learning_rate"),
        ({"adapter": {"validation_prompts": 9}}, "adapter.validation_prompts is 9 but there are 4 prompts"),
        ({"pool": {"replies": 8, "new_tokens": 60}}, f"exceeds the {CONTEXT} that"),
    ],
)
def test_the_tune_file(market, tiny_model, change, expected):
    market.write_text(yaml.safe_dump(settings(tiny_model, **change)))
    assert expected in refused(market)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "prompt file {tune} is empty"),
        (b'{"prompt": "x"}\nnot json\n', "{tune}, line 2 is not JSON: not json."),
        (b'{"text": "x"}\n', "{tune}, line 1 has no 'prompt'"),
        (b'{"prompt": "x", "id": 1}\n{"prompt": "y", "id": 1}\n', "{tune} has the id '1' twice"),
        (b'{"prompt": "x"}\n{"prompt": "x"}\n', "{tune} has the prompt 'x' twice"),
        (b'{"prompt": "is it a ?"}\n{"prompt": "x"}\n', "the prompt 'is it a ?' is in both prompt files"),
        (b'{"prompt": "x"}\n', "prompts.tune has only one prompt"),
        (b'{"prompt": "caf\xe9"}\n', "prompt file {tune} is not UTF-8 text"),
        (
            b'{"prompt": "x"}\n{"prompt": "' + b"water " * 70 + b'"}\n',
            "prompt 'p002' has 72 tokens, which with 5 new tokens exceeds",
        ),
    ],
)
def test_a_prompt_file(market, content, expected):
    path = market.parent / "tune.jsonl"
    path.write_bytes(content)
    assert expected.format(tune=path) in refused(market, "--no-tune")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise RuntimeError('out of tea')", "raised RuntimeError: out of tea"),
        ("return [float('nan')] * len(replies)", "gave nan to the reply"),
        ("return [0.5]", "must return one number for each of 32 replies, got [0.5]"),
        ("return 'excellent'", "got 'excellent'"),
        ("return [2.0] * len(replies)", "outside its scale [0, 1]"),
    ],
)
def test_a_reward_names_its_group(market, body, expected):
    path = market.parent / "rewards.py"
    path.write_text(path.read_text() + f"\n\ndef wet(prompts, replies):\n    {body}\n")
    line = refused(market)
    assert expected in line
    assert "the reward of group 'garden' (rewards.py:wet)" in line


def test_a_tokenizer_without_a_chat_template(market, tmp_path):
    save_tiny_model(tmp_path / "base", template=None)
    market.write_text(yaml.safe_dump(settings("base")))
    assert "the tokenizer of model 'base' has no chat template" in refused(market)


def test_a_file_that_is_no_model_inside(market, tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "spoilt")
    (tmp_path / "spoilt" / "model.safetensors").write_bytes(b"not weights")
    market.write_text(yaml.safe_dump(settings("spoilt")))
    assert "model 'spoilt' in" in refused(market)


def test_a_folder_in_use(market):
    (market.parent / "out").mkdir()
    with FileLock(market.parent / "out" / ".lock"):
        assert "another run is working in" in refused(market)


def test_an_out_that_is_a_file(market):
    (market.parent / "out").write_text("mine")
    result = CliRunner().invoke(app, ["tune", str(market), "--out", str(market.parent / "out")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "cannot write" in result.stderr
    assert (market.parent / "out").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 16])
def test_no_room_on_disk(market, monkeypatch, after):
    """At any file: what is there is whole, and the run continues once there is room."""
    real, written = os.replace, []

    def replace(source, target):
        if len(written) >= after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(target)
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    assert "no room on disk to write" in refused(market, "--no-tune")
    assert len(written) == after
    left = [
        path
        for path in (market.parent / "out").rglob("*")
        if path.is_file() and path.name not in (".lock", "costs.jsonl")
    ]
    assert sorted(map(str, left)) == sorted(map(str, written))
    monkeypatch.setattr(os, "replace", real)
    result = CliRunner().invoke(
        app, ["tune", str(market), "--out", str(market.parent / "out"), "--workers", "1", "--no-tune"]
    )
    assert result.exit_code == 0, result.output


# reply


@pytest.mark.parametrize(("files", "missing"), [({}, "run.json"), ({"run.json": '{"config": "x"}'}, "settlement.json")])
def test_reply_in_a_folder_that_is_no_run(tmp_path, files, missing):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    result = CliRunner().invoke(app, ["reply", str(tmp_path), "hello"])
    assert result.exit_code == 2
    assert f"is not the folder of a finished run ({missing} is missing or damaged)" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["run.json", "settlement.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null"])
def test_reply_with_damaged_files(market, tmp_path, name, content):
    about = {"run.json": json.dumps({"config": str(market)}), "settlement.json": json.dumps({"kind": "TuneSettlement"})}
    for file, text in {**about, name: content}.items():
        (tmp_path / file).write_text(text)
    result = CliRunner().invoke(app, ["reply", str(tmp_path), "hello"])
    assert result.exit_code == 2, result.exception
    assert "is not the folder of a finished run" in result.stderr


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_reply_to_nothing(tmp_path, prompt):
    result = CliRunner().invoke(app, ["reply", str(tmp_path), prompt])
    assert result.exit_code == 2
    assert "the prompt is empty" in result.stderr


def test_reply_with_a_seed_that_is_no_seed(tmp_path):
    for seed in ("-1", str(2**63), "x"):
        result = CliRunner().invoke(app, ["reply", str(tmp_path), "hello", "--seed", seed])
        assert result.exit_code == 2
        assert "--seed" in result.stderr


@pytest.mark.slow
def test_prompts_with_odd_texts(market, tmp_path):
    """Nothing in a prompt can end a run: unknown words, scripts, markup, a control character."""
    odd = ["日本語", "<b>bold</b>", "<end> <pad> <assistant>", "a\u2028b", "\x07 {{ 7 * 7 }} {% raw %}", "🌱" * 20]
    write_prompts(tmp_path / "tune.jsonl", odd)
    result = CliRunner().invoke(app, ["tune", str(market), "--out", str(tmp_path / "o"), "--workers", "1", "--no-tune"])
    assert result.exit_code == 0, result.output

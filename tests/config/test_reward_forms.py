"""The forms of a reward in a tune file: each is read, and each mistake has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuneaccord.config.tune import RewardSection, TuneSection, load_tune
from tuneaccord.errors import InputError

HEAD = """prompts: {tune: a.jsonl, held_out: b.jsonl}
divergence: {kind: KL, strength: 0.5}
reward_seconds: 90
groups:
"""


def load(folder: Path, group: str) -> TuneSection:
    path = folder / "tune.yaml"
    path.write_text(f"{HEAD}  - {{name: press, size: 5, {group}}}\n")
    return load_tune(path)


@pytest.mark.parametrize(
    ("reward", "form"),
    [
        ("{model: judge, label: positive}", "model"),
        ("{model: me/judge, label: 1, input: chat, revision: main}", "model"),
        ("{sheet: legal.csv}", "sheet"),
        ("{preferences: pairs.jsonl}", "preferences"),
        ("{mix: {upbeat: 0.7, easy: 0.3}}", "mix"),
        ("{answers: sub/answers.csv}", "answers"),
    ],
)
def test_each_form_is_read(tmp_path, reward, form):
    settings = load(tmp_path, f"reward: {reward}, reward_seconds: 5")
    (group,) = settings.groups
    assert isinstance(group.reward, RewardSection)
    assert group.reward.form == form
    assert (settings.reward_seconds, group.reward_seconds) == (90, 5)


def test_files_are_beside_the_tune_file(tmp_path):
    assert load(tmp_path, "reward: {sheet: legal.csv}").groups[0].reward.sheet == tmp_path / "legal.csv"


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ("{shete: legal.csv}", "unknown key 'shete'. Did you mean 'sheet'?"),
        ("{}", "a reward is exactly one of model, sheet, preferences, mix, answers, got none of them"),
        ("{sheet: a.csv, mix: {easy: 1}}", "got sheet and mix"),
        ("{sheet: a.csv, label: x}", "'label' is about a 'model', and this reward is a sheet. Leave it out."),
        ("{model: judge, label: x, input: both}", "input: expected 'reply' or 'pair' or 'chat', got 'both'."),
        ("{mix: {easy: high}}", "expected a number, got 'high'."),
        ("{mix: {}}", "mix: expected at least 1 entries"),
        ("3", "reward: expected a text or a mapping, got 3"),
        ("''", "reward: expected a text that is not empty"),
    ],
)
def test_mistakes(tmp_path, reward, expected):
    with pytest.raises(InputError) as caught:
        load(tmp_path, f"reward: {reward}")
    assert expected in str(caught.value)
    assert "line 5" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seconds", ["0", "-1", ".inf", "soon"])
def test_time_limits_are_positive_numbers(tmp_path, seconds):
    with pytest.raises(InputError, match="reward_seconds: expected a"):
        load(tmp_path, f"reward: upbeat, reward_seconds: {seconds}")

"""YAML into settings: what is accepted, and the one line that each mistake gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from tuneaccord import KL, Divergence
from tuneaccord.config import RelativePath, Section, load_yaml
from tuneaccord.config.loading import spec
from tuneaccord.errors import InputError


class Group(Section):
    name: str = Field(min_length=1)
    size: float = Field(gt=0, examples=[3])
    scores: list[float] | list[list[float]] | RelativePath = Field([1.0], examples=["a.csv"])


class Fast(Section):
    kind: Literal["fast"]
    steps: int


class Slow(Section):
    kind: Literal["slow"]
    depth: int = 1


class Settings(Section):
    groups: list[Group] = Field(min_length=1)
    by_name: dict[str, Group] = Field(default_factory=dict)
    nested: list[list[Group]] = Field(default_factory=list)
    choice: Group | Literal["auto", "none"] = "auto"
    method: Annotated[Fast | Slow, Field(discriminator="kind")] = Slow(kind="slow")
    either: Fast | Slow | str = "x"
    steps: tuple[int, ...] = ()
    rate: float | None = None
    limit: Annotated[float, Field(gt=0)] | Literal["auto"] = 1.0
    on: bool = True
    divergence: Annotated[Divergence, spec(Divergence)] = KL(1.0)

    @field_validator("groups")
    @classmethod
    def _distinct(cls, groups):
        if len({group.name for group in groups}) < len(groups):
            raise InputError("a group is named twice.")
        return groups


GROUPS = "groups:\n  - {name: a, size: 2}\n"


def load(folder: Path, text: str | bytes) -> Settings:
    path = folder / "run.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_yaml(path, Settings)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text)
    message = str(caught.value)
    assert "\n" not in message
    assert message.count(str(folder / "run.yaml")) == 1
    return message.replace(str(folder / "run.yaml"), "run.yaml")


def test_values_of_every_shape(tmp_path):
    settings = load(
        tmp_path,
        GROUPS
        + """  - {name: b, size: 1e-3, scores: sheets/b.csv}
  - {name: c, size: 1, scores: [[1, 2], [3, 4]]}
by_name: {2024: {name: no, size: 2}}
choice: {name: x, size: 1}
method: {kind: fast, steps: 3}
steps: [1, 2]
rate: ~
limit: auto
on: false
divergence: {kind: KL, strength: 2}
""",
    )
    assert settings.groups[0].size == 2.0
    assert isinstance(settings.groups[0].size, float)
    assert settings.groups[1].size == 1e-3
    assert settings.groups[1].scores == tmp_path / "sheets" / "b.csv"
    assert settings.groups[2].scores == [[1.0, 2.0], [3.0, 4.0]]
    assert settings.by_name["2024"].name == "no"  # YAML 1.1 would make it false
    assert settings.choice == Group(name="x", size=1)
    assert settings.method == Fast(kind="fast", steps=3)
    assert settings.steps == (1, 2)
    assert (settings.rate, settings.limit, settings.on) == (None, "auto", False)
    assert settings.divergence == KL(2)
    with pytest.raises(ValidationError):
        settings.rate = 1.0


def test_absolute_paths_stay(tmp_path):
    settings = load(tmp_path, GROUPS.replace("size: 2", "size: 2, scores: /elsewhere/a.csv"))
    assert settings.groups[0].scores == Path("/elsewhere/a.csv")


def test_anchors_and_merges(tmp_path):
    text = "groups:\n  - &one {name: a, size: 2}\n  - {<<: *one, name: b}\n"
    assert [group.name for group in load(tmp_path, text).groups] == ["a", "b"]


MISTAKES = [
    ("", "run.yaml is empty."),
    ("# only a comment\n", "run.yaml is empty."),
    ("- a\n", "expected keys with values, such as groups, by_name, nested, at the top level"),
    ("text\n", "at the top level"),
    ("groups: [\n", "run.yaml, line 1: "),
    (GROUPS + "rate: 'x\n", "run.yaml, line 3: found unexpected end of stream"),
    (GROUPS + "rate: a: b\n", "run.yaml, line 3: mapping values are not allowed"),
    (GROUPS + "---\nrate: 1\n", "single document"),
    (GROUPS + "rate: 1\nrate: 2\n", "run.yaml, line 4: the key 'rate' appears twice"),
    ("groups:\n  - {name: a, size: 1, name: b}\n", "line 2: the key 'name' appears twice"),
    (GROUPS + "? [a]\n: 3\n", "line 3: a key must be a text"),
    (GROUPS + "rate: !!python/object:os.system 1\n", "line 3: the tag '!!python/object:os.system'"),
    (GROUPS + "rate: !!int a\n", "'a' is not a number"),
    (GROUPS + "on: !!bool 3\n", "expected true or false"),
    (GROUPS + "rate: 1" + "0" * 310 + "\n", "line 3: this number has more than 300 digits"),
    (GROUPS + "rate: \x01\n", "line 3: a control character"),
    (GROUPS + 'choice: "\\ud800"\n', "run.yaml, line 3: "),
    ("groups: &a [*a]\n", "refers to itself"),
    ("groups: " + "[" * 300 + "]" * 300, "nested too deeply"),
    ("groups: " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    (b"groups: \xff\n", "not UTF-8"),
    (GROUPS + "rates: 1\n", "line 3: unknown key 'rates'. Did you mean 'rate'?"),
    (GROUPS + "zzz: 1\n", "unknown key 'zzz'. Valid names: by_name, choice,"),
    ("groups:\n  - nam: a\n    size: 3\n", "line 2: groups.0: unknown key 'nam'. Did you mean 'name'?"),
    (GROUPS + "by_name: {x: {name: a, siz: 3}}\n", "line 3: by_name.x: unknown key 'siz'. Did you mean 'size'?"),
    (GROUPS + "nested: [[{nme: a, size: 3}]]\n", "nested.0.0: unknown key 'nme'. Did you mean 'name'?"),
    (GROUPS + "choice: {name: a, siz: 1}\n", "choice: unknown key 'siz'. Did you mean 'size'?"),
    (GROUPS + "method: {kind: slow, dept: 1}\n", "method: unknown key 'dept'. Did you mean 'depth'?"),
    (GROUPS + "method: {kind: slwo}\n", "method.kind: expected 'fast' or 'slow', got 'slwo'. Did you mean 'slow'?"),
    (GROUPS + "method: {depth: 1}\n", "method: the key 'kind' is missing."),
    (GROUPS + "either: {kind: fast, step: 1}\n", "either: unknown key 'step'. Did you mean 'steps'?"),
    (GROUPS + "divergence: {kind: KL, strenght: 1}\n", "KL has no field 'strenght'. Did you mean 'strength'?"),
    (GROUPS + "divergence: {kind: LK, strength: 1}\n", "divergence: unknown kind 'LK'."),
    (GROUPS + "divergence: {kind: [KL], strength: 1}\n", "kind must be a name"),
    (GROUPS + "divergence: {kind: KL, strength: .nan}\n", "strength must be a positive finite number"),
    (GROUPS + "divergence: 1\n", "divergence: expected a mapping with a 'kind'"),
    ("rate: 1\n", "the key 'groups' is missing."),
    ("groups:\n  - {name: a}\n", "line 2: groups.0: the key 'size' is missing. Try size: 3."),
    ("groups: []\n", "groups: expected at least 1 entries, got an empty list."),
    ("groups: 3\n", "groups: expected a list, got 3."),
    ("groups: {a: 1}\n", "groups: expected a list, got a mapping."),
    ("groups: [3]\n", "groups.0: expected a mapping, got 3."),
    (GROUPS + "  - {name: b, size: -3}\n", "line 3: groups.1.size: expected a positive number, got -3. Try 3."),
    (GROUPS + "  - {name: b, size: '3'}\n", "size: expected a number, got '3'. Write it without quotes."),
    (GROUPS + "  - {name: b, size: true}\n", "size: expected a number, got true."),
    (GROUPS + "  - {name: b, size: .nan}\n", "size: expected a finite number, got nan."),
    (GROUPS + "  - {name: b, size: .inf}\n", "size: expected a finite number, got inf."),
    (GROUPS + "  - {name: 3, size: 3}\n", "name: expected a text, got 3. Put it in quotes."),
    (GROUPS + "  - {name: '', size: 3}\n", "name: expected a text that is not empty, got ''."),
    (GROUPS + "  - {name: a, size: 3}\n", "groups: a group is named twice."),
    ("groups: [{name: a, size: 1, scores: [1, .nan]}]\n", "scores.1: expected a finite number, got nan."),
    ("groups: [{name: a, size: 1, scores: [[1], [b]]}]\n", "scores.1.0: expected a number, got 'b'."),
    (
        "groups: [{name: a, size: 1, scores: {}}]\n",
        "scores: expected a list or a text, got an empty mapping. Try a.csv.",
    ),
    ('groups: [{name: a, size: 1, scores: "a\\0b"}]\n', "scores: a path cannot have a zero character."),
    (GROUPS + "steps: [1, 2.5]\n", "steps.1: expected a whole number, got 2.5."),
    (GROUPS + "rate: yes\n", "rate: expected a number, got 'yes'."),
    (GROUPS + "on: yes\n", "on: expected true or false, got 'yes'. Leave it out for true."),
    (GROUPS + "choice: aut\n", "choice: expected a mapping or 'auto' or 'none', got 'aut'. Did you mean 'auto'?"),
    (GROUPS + "limit: -3\n", "limit: expected a positive number, got -3. Leave it out for 1.0."),
    (GROUPS + "limit: aut\n", "limit: expected a number or 'auto', got 'aut'. Did you mean 'auto'?"),
    (GROUPS + "rate: x\non: 3\n", "line 3: rate: expected a number, got 'x'. Also wrong: on (line 4)."),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES)
def test_each_mistake_is_one_line(tmp_path, text, expected):
    assert expected in refusal(tmp_path, text)


def test_many_mistakes_are_counted(tmp_path):
    message = refusal(tmp_path, "groups:\n" + "  - {name: a, size: -1}\n" * 6)
    assert message.endswith(
        "Also wrong: groups.1.size (line 3), groups.2.size (line 4), groups.3.size (line 5) and 2 more."
    )


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_yaml(tmp_path / "none.yaml", Settings)
    with pytest.raises(InputError, match="is a folder"):
        load_yaml(tmp_path, Settings)


def test_the_line_of_an_overridden_merge_is_its_own(tmp_path):
    text = "groups:\n  - &one\n    name: a\n    size: 2\n  - <<: *one\n    name: b\n    size: -2\n"
    assert "line 7: groups.1.size" in refusal(tmp_path, text)

"""The documentation says what the code does: examples run, and every key and command is described."""

import contextlib
import io
import re
import typing
from pathlib import Path

import pytest
from pydantic import BaseModel

from tuneaccord.cli.app import app
from tuneaccord.config.game import GameSection
from tuneaccord.config.market import MarketSection
from tuneaccord.config.tune import TuneSection

ROOT = Path(__file__).parents[1]


def code_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_readme_examples_print_what_they_say():
    block = "\n".join(code_blocks("README.md", "python"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block, {})
    said = re.findall(r"-?\d+\.\d+", " ".join(re.findall(r"#(.*)", block)))
    assert re.findall(r"-?\d+\.\d+", printed.getvalue()) == said


def test_the_reward_in_the_docs_scores_replies():
    namespace: dict = {}
    exec(code_blocks("docs/tune-file.md", "python")[0], namespace)
    assert namespace["brief"](["a prompt"] * 2, ["", "x" * 100]) == [1.0, 0.5]


@pytest.mark.parametrize(
    ("page", "settings"),
    [("tune-file.md", TuneSection), ("market-file.md", MarketSection), ("game-file.md", GameSection)],
)
def test_every_key_of_a_file_is_described(page, settings):
    text = (ROOT / "docs" / page).read_text()
    described = set(re.findall(r"`([a-z_]+(?:(?:\[\])?\.[a-z_]+)?)`", text))
    assert set(keys(settings)) <= described


def keys(settings: type[BaseModel]):
    """Every key of a settings class, dotted, with ``[]`` after lists."""
    for name, field in settings.model_fields.items():
        inner = [kind for kind in (field.annotation, *getattr(field.annotation, "__args__", ())) if is_section(kind)]
        dots = f"{name}[]" if typing.get_origin(field.annotation) is list else name
        yield from (f"{dots}.{key}" for kind in inner for key in kind.model_fields)
        if not inner:
            yield name


def is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_command_is_in_the_readme_or_the_docs():
    pages = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    names += [group.name for group in app.registered_groups]
    assert [name for name in names if f"tuneaccord {name}" not in pages] == []


def test_the_game_in_the_docs_is_a_game(tmp_path):
    from tuneaccord.config.game import read_game

    path = tmp_path / "game.yaml"
    path.write_text(code_blocks("docs/game-file.md", "yaml")[0])
    assert read_game(path).game.names == ("medical",)


def test_linked_pages_exist():
    text = (ROOT / "README.md").read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links
    assert [link for link in links if not link.startswith("http") and not (ROOT / link).exists()] == []


def test_make_targets_in_the_readme_exist():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text())
    assert set(wanted) <= set(targets)


def test_every_dependency_is_pinned():
    """Names in pyproject.toml, extras included, have a version in constraints.txt."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.match(r"[A-Za-z0-9_.-]+", name)[0].lower().replace("_", "-") for name in wanted} - {"tuneaccord"}
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert names - pinned == set()

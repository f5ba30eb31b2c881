"""The page on classes says what the code does."""

import contextlib
import io
import re
from pathlib import Path

from test_classroom_results import _class

from tuneaccord.service.classroom_results import results
from tuneaccord.service.classroom_stories import STORIES
from tuneaccord.service.classroom_tables import everything

PAGE = (Path(__file__).parents[2] / "docs" / "classroom.md").read_text()


def test_the_example_prints_what_the_page_says():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block, {})
    assert printed.getvalue().splitlines() == re.findall(r"^# (.+)$", block, re.MULTILINE)


def test_every_story_and_every_column_of_the_file_is_described():
    assert all(f"*{one.title}*" in PAGE for one in STORIES.values())
    terms, pool, players = _class()
    columns, _ = everything(results(terms, pool, players))
    named = {column.partition(" (")[0] for column in columns if "score" not in column and "size" not in column}
    assert named <= set(re.findall(r"`([a-z_]+)`", PAGE))

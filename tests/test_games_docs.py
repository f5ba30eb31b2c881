"""The page on games runs from top to bottom, prints what it says, and has a word on every public name."""

import contextlib
import io
import re
from pathlib import Path

import tuneaccord as ta

PAGE = (Path(__file__).parents[1] / "docs" / "games.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_runs_and_prints_what_it_says():
    namespace: dict = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in BLOCKS:
            exec(block, namespace)
    said = re.findall(r"print\(.*\)  # (.*)", "".join(BLOCKS))
    assert len(said) >= 4
    for line in said:
        assert line in printed.getvalue()


#: what comes back, and interfaces to derive from: their docstrings describe them
RESULTS = {"Agreement", "CalibratedGame", "FamilyAgreements", "Fit", "Play", "Plays", "RegimeMap", "Sensitivities"}
RESULTS |= {"Frontier", "UncertainOutcome"}
INTERFACES = {"BargainingSolution", "Curve", "Distribution", "ScoreTransform", "ShareRule"}


def test_every_curve_solution_and_question_is_on_the_page():
    ours = [name for name in ta.__all__ if getattr(ta, name).__module__.startswith("tuneaccord.bargaining")]
    assert len(ours) > 40
    assert [name for name in ours if name not in RESULTS | INTERFACES and not re.search(rf"\b{name}\b", PAGE)] == []

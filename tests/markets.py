"""Markets drawn by Hypothesis, full of ties, zeros and constants, and what tests read off a settlement."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import tuneaccord as ta

REWARDS = st.sampled_from([0.0, 0.1, 0.5, 1.0]) | st.floats(0, 1)

FEW = st.integers(1, 4)


def numbers(by_name: dict[str, float]) -> np.ndarray:
    return np.array(list(by_name.values()))


def scale(result: ta.Settlement) -> float:
    """All that the groups could be worth together: what rounding in an amount of money is relative to."""
    return float(result.sizes @ np.abs(result.scores).max(axis=(0, 1)))


def reports_of(sizes, tables) -> list[ta.Report]:
    return [ta.Report(f"g{i}", size, ta.TableReward(tables[i])) for i, size in enumerate(sizes)]


@st.composite
def settlements(draw, groups=FEW) -> ta.Settlement:
    """A settled market: rewards in [0, 1], sizes and strengths over six and four decades, base zeros."""
    count, prompts, responses = draw(groups), draw(st.integers(1, 2)), draw(st.integers(1, 4))
    masses = draw(arrays(int, (prompts, responses), elements=st.integers(0, 5)))
    masses[:, 0] += masses.sum(axis=1) == 0
    tables = draw(arrays(float, (count, prompts, responses), elements=REWARDS))
    sizes = [10 ** draw(st.floats(-3, 3)) for _ in range(count)]
    divergence = ta.KL(10 ** draw(st.floats(-2, 2)))
    space = ta.Simplex(masses / masses.sum(axis=1, keepdims=True), divergence)
    return ta.settle(space, reports_of(sizes, tables))

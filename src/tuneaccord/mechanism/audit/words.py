"""A false report in words."""

from __future__ import annotations

import numpy as np

from tuneaccord.mechanism.audit.outcomes import Filed
from tuneaccord.mechanism.settlement import Settlement

_FEW = 8  #: rewards that are written out


def described(result: Settlement, index: int, filed: Filed) -> str:
    """What differs from the truth: the size, and the rewards one by one where they are few."""
    size, table = filed
    parts = []
    if size != result.sizes[index]:
        parts.append(f"claims size {size:.6g} instead of {result.sizes[index]:.6g}")
    own = result.scores[:, :, index]
    if not np.array_equal(table, own):
        parts.append(_few(own, table) if table.size <= _FEW else _many(own, table))
    return " and ".join(parts) or "tells the truth"


def _few(own: np.ndarray, table: np.ndarray) -> str:
    return f"reports rewards {_rows(table)} instead of {_rows(own)}"


def _many(own: np.ndarray, table: np.ndarray) -> str:
    change = np.abs(table - own)
    prompt, response = np.unravel_index(change.argmax(), change.shape)
    place = f"response {response + 1}" + (f" of prompt {prompt + 1}" if len(own) > 1 else "")
    return (
        f"{_shape(table)}, most wrong for {place}: {table[prompt, response]:.3g} instead of {own[prompt, response]:.3g}"
    )


def _shape(table: np.ndarray) -> str:
    low, high = table.min(), table.max()
    share = np.isin(table, (low, high)).mean()
    if share == 1.0:
        return f"reports no reward but {low:.3g} and {high:.3g}"
    if share > 0.9:
        return f"reports {low:.3g} or {high:.3g} for nearly every response"
    return f"reports {table.size} rewards of its own choice"


def _rows(table: np.ndarray) -> str:
    rows = ["[" + ", ".join(f"{number:.3g}" for number in row) + "]" for row in table]
    return rows[0] if len(rows) == 1 else "[" + ", ".join(rows) + "]"

"""A table of expected against computed numbers that knows whether they agree."""

from __future__ import annotations

import sys


class Table:
    """Rows ``what | expected | computed | difference``; :meth:`finish` prints them and gives the exit status."""

    def __init__(self, claim: str) -> None:
        self.claim, self.rows, self.failed = claim, [], []

    def row(self, what: str, expected: float, computed: float, tolerance: float = 1e-12) -> None:
        """One comparison; it fails beyond ``tolerance``, relative where the expected number is larger than 1."""
        off = abs(computed - expected)
        holds = off <= tolerance * max(1.0, abs(expected))  # False for NaN
        self.rows.append((what, f"{expected:.10g}", f"{computed:.10g}", f"{off:.0e}" + ("" if holds else "  WRONG")))
        if not holds:
            self.failed.append(what)

    def fact(self, what: str, holds: bool) -> None:
        """A claim that is true or false."""
        self.rows.append((what, "true", str(bool(holds)).lower(), "" if holds else "WRONG"))
        if not holds:
            self.failed.append(what)

    def finish(self) -> int:
        """0 if every row agrees, else 1."""
        print(self.claim, "\n")
        shown = [("", "closed form", "computed", "difference"), *self.rows]
        widths = [max(len(row[i]) for row in shown) for i in range(4)]
        for row in shown:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        print(f"\n{len(self.rows) - len(self.failed)} of {len(self.rows)} rows agree.")
        for what in self.failed:
            print(f"does not hold: {what}", file=sys.stderr)
        return 1 if self.failed else 0

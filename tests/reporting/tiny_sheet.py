"""A second route for workbooks: a small evaluator of spreadsheet formulas that knows nothing of the writer.

Numbers, texts, cells and ranges (also of other sheets), ``+ - * / ^``, comparisons, and a few functions. As in a
spreadsheet, ``^`` binds to the left and a leading minus before it: ``-2^2`` is 4.
"""

from __future__ import annotations

import io
import math
import re

import openpyxl
from openpyxl.utils import range_boundaries

TOKEN = re.compile(
    r'\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?)|(?P<text>"(?:[^"]|"")*")'
    r"|(?P<cell>(?:(?:\w+|'[^']+')!)?\$?[A-Z]{1,3}\$?\d+(?::\$?[A-Z]{1,3}\$?\d+)?)|(?P<name>[A-Z]+)(?=\()"
    r"|(?P<sign><=|>=|<>|[-+*/^(),<>=]))"
)
FUNCTIONS = {
    "SUM": lambda *parts: sum(flat(parts)),
    "MIN": lambda *parts: min(flat(parts)),
    "MAX": lambda *parts: max(flat(parts)),
    "AND": lambda *parts: all(flat(parts)),
    "SUMPRODUCT": lambda left, right: sum(a * b for a, b in zip(left, right, strict=True)),
    "EXP": math.exp,
    "LN": math.log,
    "SQRT": math.sqrt,
    "TANH": math.tanh,
    "IF": lambda condition, yes, no: yes if condition else no,
}


def flat(parts):
    for part in parts:
        yield from part if isinstance(part, list) else [part]


class Workbook:
    """A workbook whose cells can be changed and read; every read computes from the inputs."""

    def __init__(self, content: bytes):
        self.book = openpyxl.load_workbook(io.BytesIO(content))

    def __getitem__(self, spot: tuple[str, str]):
        sheet, address = spot
        cell = self.book[sheet][address]
        return Reader(self, sheet, cell.value[1:]).result() if cell.data_type == "f" else cell.value

    def __setitem__(self, spot: tuple[str, str], value) -> None:
        self.book[spot[0]][spot[1]] = value

    def rows(self, sheet: str):
        return [[cell.value for cell in row] for row in self.book[sheet].iter_rows()]


class Reader:
    """Recursive descent over one formula."""

    def __init__(self, book: Workbook, sheet: str, text: str):
        self.book, self.sheet, self.tokens, at = book, sheet, [], 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            assert found, f"cannot read {text[at:]!r}"
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def result(self):
        value = self.comparison()
        assert not self.tokens, f"left over: {self.tokens}"
        return value

    def take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def comparison(self):
        left = self.chain(self.product, "+", "-")
        sign = self.take("<", ">", "<=", ">=", "=", "<>")
        if not sign:
            return left
        right = self.chain(self.product, "+", "-")
        return {
            "<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right, "=": left == right,
            "<>": left != right,
        }[sign]  # fmt: skip

    def product(self):
        return self.chain(lambda: self.chain(self.atom, "^"), "*", "/")

    def chain(self, part, *signs):
        value = part()
        while sign := self.take(*signs):
            right = part()
            value = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
                     "^": lambda a, b: a**b}[sign](value, right)  # fmt: skip
        return value

    def atom(self):
        if self.take("-"):
            return -self.atom()
        if self.take("("):
            value = self.comparison()
            assert self.take(")")
            return value
        kind, word = self.tokens.pop(0)
        if kind == "number":
            return float(word)
        if kind == "text":
            return word[1:-1].replace('""', '"')
        if kind == "cell":
            return self.cell(word)
        assert kind == "name"
        assert self.take("(")
        arguments = [self.comparison()]
        while self.take(","):
            arguments.append(self.comparison())
        assert self.take(")")
        return FUNCTIONS[word](*arguments)

    def cell(self, word: str):
        sheet, _, spot = word.rpartition("!")
        sheet, spot = sheet.strip("'") or self.sheet, spot.replace("$", "")
        if ":" not in spot:
            value = self.book[sheet, spot]
            return 0.0 if value is None else value
        left, top, right, bottom = range_boundaries(spot)
        cells = self.book.book[sheet]
        every = [cells.cell(r, c).coordinate for r in range(top, bottom + 1) for c in range(left, right + 1)]
        return [self.book[sheet, one] or 0.0 for one in every]

"""A bargain as a workbook whose formulas live: change a share or a parameter and the play is computed again.

With power costs and linear revenues everybody's best investment is a formula. For other curves no formula has it: the
investments are then the solved numbers and stay, while costs, revenues and utilities still follow from them.
"""

from __future__ import annotations

import io

from tuneaccord.errors import InputError
from tuneaccord.reporting import bargain_words as words
from tuneaccord.reporting.bargain_rows import party_rows, solution_rows
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.spreadsheet_cells import formula, formula_or, text, widths, without_clock
from tuneaccord.reporting.spreadsheet_formulas import best_investment, closed, value_formula

LIVE = "Change a yellow cell: the best investments and everything else are computed again."
STATIC = (
    "Change a yellow cell: costs, revenues and utilities are computed again. The investments are not: they were "
    "computed by tuneaccord for these numbers and do not update, for these curves have no formula of the best reply."
)
EXACT = "yes: at these shares everybody takes part"
INEXACT = "no: somebody would rather stay out, which changes what is built; ask tuneaccord"
MANY = 200  #: specialists that a workbook takes
HEADINGS = ("party", "share", "invests", "reaches", "cost", "revenue", "its part", "utility", "outside", "gain")


def workbook(data: dict) -> bytes:
    """The workbook as the bytes of an ``.xlsx`` file: the same for the same data.

    Raises :class:`InputError` with more than ``MANY`` specialists, whose formulas would be too long for a cell, and
    :class:`MissingDependencyError` without the plotting extra.

    >>> workbook.__name__
    'workbook'
    """
    if len(data["players"]) > MANY + 1:
        raise InputError(f"a workbook takes at most {MANY} specialists, got {len(data['players']) - 1}. Try the JSON.")
    book = need("openpyxl").Workbook()
    book.remove(book.active)
    inputs = _Inputs(book.create_sheet("Inputs"), data)
    _play(book.create_sheet("Play", 0), data, inputs)
    _shares(book.create_sheet("Shares"), data, inputs)
    _solutions(book.create_sheet("Solutions"), data)
    _notes(book.create_sheet("Notes"), data)
    out = io.BytesIO()
    book.save(out)
    return without_clock(out.getvalue())


class _Inputs:
    """The sheet of parameters, and where each is."""

    def __init__(self, sheet, data: dict) -> None:
        self.sheet, self.live = sheet, closed(data["game"])
        self.at: dict[tuple[str, str], str] = {}
        self.row = 4
        text(sheet, 1, 1, data["title"], bold=True)
        text(sheet, 2, 1, LIVE if self.live else STATIC)
        for column, heading in enumerate(("party", "parameter", "value"), start=1):
            text(sheet, 3, column, heading, bold=True)
        generalist = data["game"]["generalist"]
        self._curve(words.GENERALIST, "cost", generalist["cost"])
        self._number(words.GENERALIST, "outside", generalist["outside"])
        for one in data["game"]["specialists"]:
            self._number(one["name"], "share", data["agreement"]["shares"][one["name"]] or 0.0)
            self._curve(one["name"], "cost", one["cost"])
            self._curve(one["name"], "revenue", one["revenue"])
            self._number(one["name"], "entry_cost", one["entry_cost"])
            self._number(one["name"], "outside", one["outside"])
        widths(sheet, 24, 26, 14)
        sheet.freeze_panes = "A4"

    def cell(self, party: str, path: str) -> str:
        """The address of a parameter, from any sheet."""
        return f"Inputs!{self.at[party, path]}"

    def cells(self, party: str, curve: str):
        """The addresses of a curve's parameters."""
        return lambda key: self.cell(party, f"{curve}.{key}")

    def _curve(self, party: str, path: str, curve: dict) -> None:
        for key, value in curve.items():
            if isinstance(value, dict):
                self._curve(party, f"{path}.{key}", value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                self._number(party, f"{path}.{key}", value)

    def _number(self, party: str, path: str, value: float) -> None:
        text(self.sheet, self.row, 1, party)
        text(self.sheet, self.row, 2, path)
        cell = self.sheet.cell(self.row, 3, value)
        cell.fill = need("openpyxl.styles").PatternFill("solid", start_color="FFF2CC")
        self.at[party, path] = f"$C${self.row}"
        self.row += 1


def _play(sheet, data: dict, inputs: _Inputs) -> None:
    rows = party_rows(data)
    text(sheet, 1, 1, data["title"], bold=True)
    text(sheet, 2, 1, LIVE if inputs.live else STATIC)
    for column, heading in enumerate((*HEADINGS, "regime"), start=1):
        text(sheet, 4, column, heading, bold=True)
    first, last = 6, 4 + len(rows)
    for row, party in enumerate(rows, start=5):
        text(sheet, row, 1, party["party"])
        _outcome(sheet, row, party, data, inputs, last)
    text(sheet, last + 2, 1, "all", bold=True)
    formula(sheet, last + 2, 8, f"SUM(H5:H{last})")
    if inputs.live:
        rates = [f"B{row}*{inputs.cell(party['party'], 'revenue.rate')}" for row, party in enumerate(rows[1:], start=6)]
        text(sheet, last + 3, 1, "sum of share x rate")
        sheet.cell(last + 3, 8).value = "=" + "+".join(rates)
        text(sheet, last + 4, 1, "sum of share x rate x improvement")
        sheet.cell(last + 4, 8).value = "=" + "+".join(f"{rate}*C{row}" for row, rate in enumerate(rates, start=6))
        text(sheet, last + 6, 1, "exact?")
        enough = ",".join(f"H{row}>=I{row}-1E-12" for row in range(first, last + 1))
        formula(sheet, last + 6, 2, f'IF(AND({enough}),"{EXACT}","{INEXACT}")')
    widths(sheet, 30, *[12] * 9, 14)
    sheet.freeze_panes = "B5"


def _outcome(sheet, row: int, party: dict, data: dict, inputs: _Inputs, last: int) -> None:
    """The cells of one party on the sheet ``Play``."""
    name = party["party"]
    if name == words.GENERALIST:
        cost, cells = data["game"]["generalist"]["cost"], inputs.cells(name, "cost")
        investment = best_investment(cost, cells, f"H{last + 3}") if inputs.live else None
        formula_or(sheet, row, 3, investment, party["investment"])
        formula(sheet, row, 4, f"C{row}")
        formula_or(sheet, row, 5, value_formula(cost, cells, f"C{row}"), party["cost"])
        formula(sheet, row, 7, f"SUMPRODUCT(B{row + 1}:B{last},F{row + 1}:F{last})")
        formula(sheet, row, 8, f"G{row}-E{row}")
    else:
        one = next(one for one in data["game"]["specialists"] if one["name"] == name)
        takes_part = inputs.live or party["regime"] != "abstains"
        formula(sheet, row, 2, inputs.cell(name, "share"))
        rate = inputs.live and f"(1-B{row})*{inputs.cell(name, 'revenue.rate')}"
        cells = inputs.cells(name, "cost")
        investment = best_investment(one["cost"], cells, rate) if rate else None
        formula_or(sheet, row, 3, investment, party["investment"])
        if takes_part:
            formula(sheet, row, 4, f"C$5+C{row}")
            spent = value_formula(one["cost"], cells, f"C{row}", "C$5")
            formula_or(sheet, row, 5, spent and f"{spent}+{inputs.cell(name, 'entry_cost')}", party["cost"])
            earned = value_formula(one["revenue"], inputs.cells(name, "revenue"), f"D{row}")
            formula_or(sheet, row, 6, earned, party["revenue"])
        else:
            for column in (4, 5, 6):
                sheet.cell(row, column, 0.0)
        formula(sheet, row, 7, f"(1-B{row})*F{row}")
        formula(sheet, row, 8, f"G{row}-E{row}" if takes_part else f"I{row}")
    formula(sheet, row, 9, inputs.cell(name, "outside"))
    formula(sheet, row, 10, f"H{row}-I{row}")
    if inputs.live and name != words.GENERALIST:
        formula(sheet, row, 11, f'IF(H{row}<I{row}-1E-12,"abstains",IF(C{row}>0,"contributes","free-rides"))')
    else:
        text(sheet, row, 11, party["regime"])


def _shares(sheet, data: dict, inputs: _Inputs) -> None:
    """What everybody gets as one share moves and the others stay."""
    text(sheet, 1, 1, "One share moves from 0 to 1, the others stay as in Inputs", bold=True)
    own = "These are formulas." if inputs.live else "Computed by tuneaccord for the other numbers; does not update."
    text(sheet, 2, 1, own + " Exact where everybody takes part." if inputs.live else own)
    headings = ("specialist", "its share", "base", "improvement", "performance", "utility of generalist", "own utility")
    for column, heading in enumerate(headings, start=1):
        text(sheet, 4, column, heading, bold=True)
    row = 5
    names = data["players"][1:]
    for name, curve in data["share_curves"].items():
        step = 2 if len(names) == 1 else 10
        for i in range(0, len(curve["share"]), step):
            text(sheet, row, 1, name)
            sheet.cell(row, 2, curve["share"][i])
            if inputs.live:
                _live_share(sheet, row, name, names, data, inputs)
            else:
                values = (curve["base"][i], curve["improvement"][i], curve["performance"][i])
                for column, value in enumerate((*values, *_both(curve, name, i)), start=3):
                    sheet.cell(row, column, value)
            row += 1
    if len(names) == 1 and row > 5:
        _chart(sheet, row - 1)
    widths(sheet, 20, *[14] * 4, 20, 14)
    sheet.freeze_panes = "A5"


def _both(curve: dict, name: str, i: int) -> tuple[float, float]:
    return curve["utilities"][words.GENERALIST][i], curve["utilities"][name][i]


def _live_share(sheet, row: int, name: str, names: list[str], data: dict, inputs: _Inputs) -> None:
    last, own = 5 + len(names), 6 + names.index(name)
    one, rate = data["game"]["specialists"][names.index(name)], inputs.cell(name, "revenue.rate")
    base_cost, cells = data["game"]["generalist"]["cost"], inputs.cells(words.GENERALIST, "cost")
    total = f"(Play!$H${last + 3}+(B{row}-Play!$B${own})*{rate})"
    formula(sheet, row, 3, best_investment(base_cost, cells, total))
    formula(sheet, row, 4, best_investment(one["cost"], inputs.cells(name, "cost"), f"(1-B{row})*{rate}"))
    formula(sheet, row, 5, f"C{row}+D{row}")
    rest = f"(Play!$H${last + 4}-Play!$B${own}*{rate}*Play!$C${own}+B{row}*{rate}*D{row})"
    formula(sheet, row, 6, f"{total}*C{row}+{rest}-{value_formula(base_cost, cells, f'C{row}')}")
    spent = value_formula(one["cost"], inputs.cells(name, "cost"), f"D{row}")
    formula(sheet, row, 7, f"(1-B{row})*{rate}*E{row}-{spent}-{inputs.cell(name, 'entry_cost')}")


def _chart(sheet, last: int) -> None:
    charts = need("openpyxl.chart")
    chart = charts.ScatterChart()
    chart.title, chart.style, chart.height, chart.width = "Utilities over the share", 2, 9, 16
    chart.x_axis.title, chart.y_axis.title = "generalist's share", "utility"
    chart.x_axis.delete = chart.y_axis.delete = False
    chart.x_axis.scaling.min, chart.x_axis.scaling.max = 0, 1
    across = charts.Reference(sheet, min_col=2, min_row=5, max_row=last)
    for column in (6, 7):
        series = charts.Series(
            charts.Reference(sheet, min_col=column, min_row=4, max_row=last), across, title_from_data=True
        )
        series.marker.symbol = "none"
        chart.series.append(series)
    sheet.add_chart(chart, "I4")


def _solutions(sheet, data: dict) -> None:
    text(sheet, 1, 1, "The generalist's share and everybody's utility under each solution", bold=True)
    text(sheet, 2, 1, "Computed by tuneaccord; does not update.")
    names = data["players"][1:]
    shares, utilities = (
        [f"share of {name}" for name in names],
        [f"utility of {name}" for name in data["players"]],
    )
    for column, heading in enumerate(("solution", "chosen", *shares, *utilities), start=1):
        text(sheet, 4, column, heading, bold=True)
    for row, found in enumerate(solution_rows(data), start=5):
        text(sheet, row, 1, found["name"])
        text(sheet, row, 2, "yes" if found["chosen"] else "")
        agreed = found["status"] != "no trade"
        numbers = [found["shares"][name] if agreed else None for name in names]
        numbers += [found["utilities"][name] for name in data["players"]]
        for column, number in enumerate(numbers, start=3):
            sheet.cell(row, column, number)
    widths(sheet, 26, 8, *[18] * (len(shares) + len(utilities)))
    sheet.freeze_panes = "C5"


def _notes(sheet, data: dict) -> None:
    text(sheet, 1, 1, "What was assumed, and how sure this is", bold=True)
    lines = [words.headline(data), data["agreement"]["reason"], *words.curves_in_words(data)]
    lines += [
        words.outside_in_words(data),
        words.units_in_words(data),
        words.TIMING,
        words.TIES,
        *words.certainty(data),
    ]
    lines += [f"{name}: {text}" for name, text in words.reasons(data).items()]
    wrapped = need("openpyxl.styles").Alignment(wrap_text=True, vertical="top")
    for row, line in enumerate([line for line in lines if line], start=3):
        text(sheet, row, 1, line)
        sheet.cell(row, 1).alignment = wrapped
    widths(sheet, 110)

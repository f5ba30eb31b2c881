"""``tuneaccord settle``: a finite market in, the chosen model and the payments out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import numpy as np
import typer
from rich.console import Console

from tuneaccord.cli import render
from tuneaccord.cli.errors import PROMISE_FAILED, error_line
from tuneaccord.cli.named import named_numbers
from tuneaccord.config.market import Market, read_market
from tuneaccord.files import write_atomically
from tuneaccord.mechanism.audit.outcomes import money_scale
from tuneaccord.mechanism.lie_curves import attempts
from tuneaccord.mechanism.misreports import RewardMisreport, SizeMisreport, WhatIf
from tuneaccord.mechanism.money import in_cents, invoices_csv
from tuneaccord.mechanism.recheck import TOLERANCE, broken_promises, lie_pays
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.specs import to_data

LIES = (SizeMisreport(2.0), RewardMisreport(1.5))
LIE_NAMES = ("size x 2", "reward shift 1.5")
MANY_PROMPTS = 3
MANY_REPLIES = 10
MANY_MODELS = 20

#: for each group what each of LIES would have brought; None where the payment rule refuses the report
Lies = dict[str, list[WhatIf | None]]


def run(
    file: Path,
    *,
    out: Path | None,
    as_json: bool,
    strength: float | None,
    sizes: Iterable[str],
    with_lies: bool,
) -> None:
    """Settle, write, print and recheck; exit status 1 when a promise fails."""
    market = read_market(file, strength, parse_sizes(sizes))
    settlement = market.settle()
    money = in_cents(settlement.payments, market.money.rate)
    lies = {name: attempts(settlement, name, LIES) for name in settlement.names} if with_lies else {}
    if out is not None:
        _write(out, market, settlement)
    if as_json:
        typer.echo(json_text(_document(market, settlement, money, lies)), nl=False)
    else:
        _print(market, settlement, money, lies, out)
    broken = broken_promises(settlement, {name: [lie for lie in told if lie] for name, told in lies.items()})
    for promise in broken:
        typer.echo(error_line(f"a promise fails its recheck: {promise}."), err=True)
    if broken:
        raise typer.Exit(PROMISE_FAILED)


def parse_sizes(given: Iterable[str]) -> dict[str, float]:
    """``NAME=N`` options as sizes by name.

    >>> parse_sizes(["clinic=3"])
    {'clinic': 3.0}
    """
    return named_numbers(given, "--size", "N", "clinic=3", "group")


def json_text(data: dict) -> str:
    """JSON with the same bytes for the same data: sorted keys, no NaN."""
    return json.dumps(data, sort_keys=True, indent=2, allow_nan=False) + "\n"


# Files


def _write(folder: Path, market: Market, settlement: Settlement) -> None:
    contents = {
        "settlement.json": json_text(settlement.to_dict()),
        **_models_csv(market, settlement),
        "invoices.csv": invoices_csv(
            {report.name: report.size for report in settlement.reports},
            settlement.values,
            settlement.payments,
            market.money.currency,
            market.money.rate,
        ),
    }
    for name, content in contents.items():
        write_atomically(folder / name, content)


def _models_csv(market: Market, settlement: Settlement) -> dict[str, str]:
    """What was chosen, as one CSV file under its name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if isinstance(settlement.space, Candidates):
        writer.writerow(["model", *settlement.names, "price", "net_welfare", "chosen"])
        writer.writerows(_models(settlement))
        return {"candidates.csv": text.getvalue()}
    writer.writerow(["prompt_id", "reply_id", "base", "chosen"])
    writer.writerows(_policy(market, settlement))
    return {"policy.csv": text.getvalue()}


def _models(settlement: Settlement) -> list[tuple]:
    """Each candidate: name, one member's value in each group, price, net welfare, whether it was chosen."""
    scores, prices = settlement.scores[0], settlement.space.prices
    net = scores @ settlement.sizes - prices
    rows = zip(settlement.space.names, scores.tolist(), prices.tolist(), net.tolist(), strict=True)
    return [(name, *values, price, welfare, name == settlement.model) for name, values, price, welfare in rows]


def _policy(market: Market, settlement: Settlement) -> list[tuple[str, str, float, float]]:
    base = np.atleast_2d(settlement.space.base).tolist()
    chosen = settlement.optimum.model.tolist()
    return [
        (prompt, reply, base[row][column], chosen[row][column])
        for row, prompt in enumerate(market.layout.prompts)
        for column, reply in enumerate(market.layout.replies[row])
    ]


def _document(market: Market, settlement: Settlement, money: dict[str, Decimal], lies: Lies) -> dict:
    """The settlement's own data, which rebuilds it, and what else the command can say."""
    return {
        **settlement.to_dict(),
        "base_values": _base_values(settlement),
        "prompts": list(market.layout.prompts),
        "replies": [list(replies) for replies in market.layout.replies],
        "invoices": {
            "currency": market.money.currency,
            "rate": market.money.rate,
            "amounts": {name: str(amount) for name, amount in money.items()},
        },
        "what_if": {name: [_lie_data(settlement, name, lie) for lie in told if lie] for name, told in lies.items()},
    }


def _base_values(settlement: Settlement) -> dict[str, float | None]:
    known = settlement.space.base_model is not None
    return settlement.base_values if known else dict.fromkeys(settlement.names)


def _lie_data(settlement: Settlement, name: str, lie: WhatIf) -> dict:
    return {
        "misreport": to_data(lie.misreport),
        "group_value": lie.group_value,
        "payment": lie.payment,
        "utility": lie.utility,
        "would_have_helped": lie_pays(settlement, name, lie),
    }


# Output for people


def _print(market: Market, settlement: Settlement, money: dict[str, Decimal], lies: Lies, folder: Path | None) -> None:
    out = render.console()
    if isinstance(settlement.space, Candidates):
        _print_models(out, settlement)
    else:
        _print_policy(out, market, settlement)
    _print_groups(out, market, settlement, money)
    if lies:
        _print_lies(out, settlement, lies)
    render.heading(out, "What this guarantees")
    render.guarantees(out, settlement.guarantees)
    if folder is not None:
        render.sentence(out, "")
        names = ", ".join(["settlement.json", *_models_csv(market, settlement), "invoices.csv"])
        render.sentence(out, f"Written to {folder}: {names}")


def _print_models(out: Console, settlement: Settlement) -> None:
    render.heading(out, f"Chosen model: {settlement.model}")
    rows = [
        (f"{name} *" if chosen else name, *map(render.number, numbers))
        for name, *numbers, chosen in _models(settlement)[:MANY_MODELS]
    ]
    out.print(render.table(["model", *settlement.names, "price", "net welfare"], rows))
    if len(settlement.space.names) > MANY_MODELS:
        render.sentence(out, f"... and {len(settlement.space.names) - MANY_MODELS} more; --out writes all of them")


def _print_policy(out: Console, market: Market, settlement: Settlement) -> None:
    prompts, replies = settlement.space.shape
    render.heading(out, "Chosen model: the chance of each response")
    shown = {prompt: 0 for prompt in market.layout.prompts[:MANY_PROMPTS]}
    rows = []
    for prompt, reply, base, chosen in _policy(market, settlement):
        if shown.get(prompt, MANY_REPLIES) < MANY_REPLIES:
            shown[prompt] += 1
            rows.append((prompt, reply, render.number(base), render.number(chosen)))
    if prompts == 1:
        out.print(render.table(["response", "base", "chosen"], [row[1:] for row in rows]))
    else:
        out.print(render.table(["prompt", "response", "base", "chosen"], rows, left=2))
    hidden = []
    if replies > MANY_REPLIES:
        hidden.append(f"{replies - MANY_REPLIES} more responses a prompt")
    if prompts > MANY_PROMPTS:
        hidden.append(f"{prompts - MANY_PROMPTS} more prompts")
    if hidden:
        render.sentence(out, f"... and {' and '.join(hidden)}; --out writes all of them to policy.csv")


def _print_groups(out: Console, market: Market, settlement: Settlement, money: dict[str, Decimal]) -> None:
    render.heading(out, "Groups: value to one member, and who pays what")
    base = _base_values(settlement)
    rows = [
        (
            report.name,
            render.size(report.size),
            "" if base[report.name] is None else render.number(base[report.name]),
            render.number(settlement.values[report.name]),
            render.number(settlement.payments[report.name]),
            render.number(settlement.utilities[report.name]),
            f"{money[report.name]} {market.money.currency}",
        )
        for report in settlement.reports
    ]
    out.print(render.table(["group", "size", "base value", "value", "payment", "utility", "invoice"], rows))
    render.sentence(
        out,
        f"welfare {render.number(settlement.welfare)}, price of leaving the base {render.number(settlement.price)}, "
        f"net welfare {render.number(settlement.net_welfare)}",
    )
    if settlement.forgone > TOLERANCE * max(abs(settlement.welfare), abs(settlement.price)):
        best = render.number(settlement.net_welfare + settlement.forgone)
        rule = type(settlement.rule).__name__
        render.sentence(
            out, f"The largest net welfare is {best}; {rule} gives up {render.number(settlement.forgone)} of it."
        )


def _print_lies(out: Console, settlement: Settlement, lies: Lies) -> None:
    render.heading(out, "What if a group had lied: change in group value (size x value) and utility")
    rows = [
        (name, lie_name, *_lie_cells(settlement, name, lie))
        for name, told in lies.items()
        for lie_name, lie in zip(LIE_NAMES, told, strict=True)
    ]
    out.print(render.table(["group", "lie", "group value", "utility", "would lying have helped?"], rows, left=2))
    render.sentence(
        out,
        "Two lies of many: twice the size; and rewards moved away from what the others want, by half the distance "
        "(within the scale). tuneaccord audit looks for better ones.",
    )


def _lie_cells(settlement: Settlement, name: str, lie: WhatIf | None) -> tuple[str, str, str]:
    if lie is None:
        return "", "", "no, it is refused"
    least = TOLERANCE * money_scale(settlement, settlement.names.index(name))
    changes = (lie.group_value - settlement.group_values[name], lie.utility - settlement.utilities[name])
    return (
        *(render.number(change if abs(change) > least else 0.0) for change in changes),
        "yes" if lie_pays(settlement, name, lie) else "no",
    )

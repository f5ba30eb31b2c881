"""``tuneaccord tune``: the whole job, from a configuration to an adapter, a settlement and a report."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from tuneaccord.cli import render
from tuneaccord.cli.errors import PROMISE_FAILED, error_line
from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.cli.settle import LIES, json_text
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.misreports import sweep
from tuneaccord.mechanism.recheck import broken_promises

ROW_NAMES = {"base": "base", "policy": "chosen policy", "adapter": "adapter"}


def run(file: Path, *, out: Path | None, as_json: bool, train: bool, workers: int | None) -> None:
    """Run the job, print its tables, recheck its promises; exit status 1 when one fails."""
    progress = TerminalProgress()
    from tuneaccord.tuning.run import run as run_job

    outcome = run_job(file, out, train, workers, progress)
    record = outcome.record
    if as_json:
        typer.echo(json_text(record), nl=False)
    else:
        _print(render.console(), record, outcome.replies, outcome.folder)
    lies = {name: sweep(outcome.settlement, name, LIES) for name in outcome.settlement.names}
    broken = broken_promises(outcome.settlement, lies)
    for promise in broken:
        typer.echo(error_line(f"a promise fails its recheck: {promise}."), err=True)
    if broken:
        raise typer.Exit(PROMISE_FAILED)


def _print(out: Console, record: dict, replies: list[dict], folder: Path) -> None:
    _print_groups(out, record)
    _print_lies(out, record)
    _print_held_out(out, record)
    _print_replies(out, replies)
    render.heading(out, "What this guarantees")
    render.guarantees(out, [Guarantee(**promise) for promise in record["delivery"]["policy"]["guarantees"]])
    if record["delivery"]["adapter"]:
        render.sentence(out, "delivering the adapter instead:")
        render.guarantees(out, [Guarantee(**promise) for promise in record["delivery"]["adapter"]["guarantees"]])
    best = record["held_out"]
    render.heading(out, f"Recommended: the {ROW_NAMES[best['recommended']]}")
    render.sentence(out, best["reason"])
    render.sentence(out, "")
    if not all(group["new_texts"] for group in record["groups"]):
        render.sentence(out, f"Open {folder / 'report.html'} in a browser.")
        return
    render.sentence(out, f"Open {folder / 'report.html'} in a browser; ask the chosen policy something with:")
    render.sentence(out, f'  tuneaccord reply {folder} "How do I water a cactus?"')


def _print_groups(out: Console, record: dict) -> None:
    settled, money = record["settlement"], record["money"]
    prompts, replies = record["prompts"]["tune"]["count"], record["pool"]["replies"]
    render.heading(out, f"Settled on {prompts} prompts x {replies} frozen replies: who gets what, who pays what")
    rows = []
    for group in record["groups"]:
        name = group["name"]
        rows.append(
            (
                name,
                f"{group['reward']} x {render.size(group['size'])}",
                render.number(settled["base_values"][name]["estimate"]),
                render.number(settled["values"][name]["estimate"]),
                _short(settled["payments"][name]),
                render.number(settled["utilities"][name]["estimate"]),
                f"{money['invoices'][name]}",
            )
        )
    columns = ["group", "wants x size", "base", "chosen", "payment", "utility", money["currency"]]
    out.print(render.table(columns, rows, left=2))
    render.sentence(
        out,
        f"net welfare {_short(settled['net_welfare'])} = welfare {render.number(settled['welfare']['estimate'])} - "
        f"price {render.number(settled['price']['estimate'])}; the base has {_short(settled['base_welfare'])}. "
        f"Effective sample size {settled['effective_sample_size']['mean']:.1f} of {replies} replies. "
        "Brackets: 95% intervals over prompts.",
    )


def _print_lies(out: Console, record: dict) -> None:
    render.heading(out, "Had you lied: change in your value and in your utility")
    rows = []
    for name, lies in record["misreports"].items():
        shown = {
            "size x 2": _find(lies["size"], "factor", 2.0),
            "reward shift 1.5": _find(lies["shift"], "shift", 1.5),
        }
        for label, lie in shown.items():
            change = {key: lie[key] - lies["truth"][key] for key in ("group_value", "payment", "utility")}
            helped = "yes" if change["utility"] > 1e-9 else "no"
            numbers = (f"{change[key]:+.3f}" for key in ("group_value", "payment", "utility"))
            rows.append((name, label, *numbers, helped))
    out.print(render.table(["group", "lie", "value", "payment", "utility", "did it help?"], rows, left=2))
    render.sentence(
        out,
        "Value: size times one member's value. Utility: value minus payment. Reward shift 1.5: reporting 1.5 times "
        "the own reward minus 0.5 times the others' mean.",
    )


def _find(lies: list[dict], key: str, value: float) -> dict:
    return next(lie for lie in lies if lie[key] == value)


def _print_held_out(out: Console, record: dict) -> None:
    count = record["prompts"]["held_out"]["count"]
    render.heading(out, f"Measured on {count} held-out prompts")
    names = [group["name"] for group in record["groups"]]
    rows = []
    for row in record["held_out"]["rows"]:
        values = [render.number(row["values"][name]["estimate"]) for name in names]
        gain = "" if row["name"] == "base" else _signed(row["gain"])
        kl, net = (render.number(row[key]["estimate"]) for key in ("kl", "net_welfare"))
        rows.append((row["name"], *values, kl, net, gain))
    out.print(render.table(["model", *names, "KL", "net", "gain over base"], rows))
    for row in record["held_out"]["rows"]:
        if row["name"] == "adapter" and row["share"] is not None:
            share = {key: f"{100 * row['share'][key]:.0f}%" for key in ("estimate", "low", "high")}
            render.sentence(
                out, "The adapter realises {estimate} [{low}, {high}] of the policy's gain.".format(**share)
            )
    method = record["held_out"]["adapter_method"]
    if method is not None and "reason" in method:
        render.sentence(out, f"The adapter is measured by {method['method']}. {method['reason']}")
    second = record["held_out"]["second_estimate"]
    if second is not None:
        render.sentence(
            out,
            f"Second estimate, {second['method']}: {_signed(second['gain'])} (effective sample size "
            f"{second['effective_sample_size']:.1f} of {record['held_out_pool']['replies']}).",
        )
    if record["adapter"] is None:
        render.sentence(out, "No adapter was trained (--no-tune).")
    elif record["adapter"]["factor"] == 0.0:
        render.sentence(
            out, "The adapter equals the base: on the validation prompts, nothing that it learnt was of use (factor 0)."
        )


def _print_replies(out: Console, replies: list[dict]) -> None:
    render.heading(out, "Side by side, first draws")
    for row in replies[:1]:
        render.sentence(out, f"> {row['prompt']}")
        for name in ("base", "policy", "adapter"):
            if row[name] is not None:
                render.sentence(out, f"  {ROW_NAMES[name]}: {' '.join(row[name].split())}")


def _short(interval: dict) -> str:
    return f"{interval['estimate']:.3f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _signed(interval: dict) -> str:
    return f"{interval['estimate']:+.3f} [{interval['low']:+.2f}, {interval['high']:+.2f}]"

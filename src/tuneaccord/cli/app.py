"""The commands and their options.

To add one, write its ``run`` in a file of its own in this folder and a function here that lists the
options and imports that file when it is called. Nothing else may be imported here, so that ``--help``
stays fast. The commands ``tuneaccord session ...`` are listed in ``session/app.py`` in the same way.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tuneaccord.cli.errors import Commands
from tuneaccord.cli.session import app_provider
from tuneaccord.errors import InputError

app = typer.Typer(
    name="tuneaccord",
    cls=Commands,
    help="Decide together how one language model gets tuned, and who pays what.",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

OutOption = Annotated[Path | None, typer.Option("--out", help="Write the results into this folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
StrengthOption = Annotated[
    float | None,
    typer.Option("--strength", help="Units of reward that one unit of divergence costs; needed for a sheet."),
]
SizeOption = Annotated[
    list[str] | None, typer.Option("--size", metavar="NAME=N", help="The size of a group; may be given several times.")
]


@app.callback()
def tuneaccord(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Decide together how one language model gets tuned, and who pays what."""
    if version:
        from tuneaccord import __version__

        typer.echo(__version__)
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command()
def settle(
    file: Annotated[Path, typer.Argument(help="A market (.yaml), or a long score sheet (.csv, .parquet).")],
    out: OutOption = None,
    as_json: JsonOption = False,
    strength: StrengthOption = None,
    size: SizeOption = None,
    what_if: Annotated[
        bool, typer.Option("--what-if/--no-what-if", help="Also settle as if each group had lied.")
    ] = True,
) -> None:
    """Choose the model of a finite market and say who pays what."""
    from tuneaccord.cli.settle import run

    run(file, out=out, as_json=as_json, strength=strength, sizes=size or [], with_lies=what_if)


@app.command()
def audit(
    file: Annotated[Path, typer.Argument(help="A market, a score sheet, or a settlement.json of settle --out.")],
    out: OutOption = None,
    as_json: JsonOption = False,
    strength: StrengthOption = None,
    size: SizeOption = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Audit only this group; may be given several times.")
    ] = None,
    effort: Annotated[str, typer.Option("--effort", help="quick or thorough.")] = "quick",
    pairs: Annotated[bool, typer.Option("--pairs/--no-pairs", help="Also try two groups that lie together.")] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Where the search starts.")] = 0,
) -> None:
    """Look for lies that pay: one group, pairs, one group under several names."""
    from tuneaccord.cli.audit import run

    run(
        file, out=out, as_json=as_json, strength=strength, sizes=size or [], groups=group or [],
        effort=effort, pairs=pairs, seed=seed,
    )  # fmt: skip


@app.command()
def bargain(
    file: Annotated[Path, typer.Argument(help="A game (.yaml); examples/bargaining/game.yaml is one.")],
    out: OutOption = None,
    as_json: JsonOption = False,
    solution: Annotated[
        str | None, typer.Option("--solution", metavar="NAME", help="Nash, KalaiSmorodinsky, ...; replaces the file's.")
    ] = None,
    shares: Annotated[
        list[str] | None,
        typer.Option("--shares", metavar="NAME=SHARE", help="Play at this share of NAME's revenue; one for each."),
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write one HTML page that opens offline.")] = None,
    compare: Annotated[bool, typer.Option("--compare/--no-compare", help="Also settle by the other solutions.")] = True,
) -> None:
    """Bargain over the shares of revenue between a generalist and its specialists, and say what is then built."""
    from tuneaccord.cli.bargain import run

    run(file, solution=solution, shares=shares or [], as_json=as_json, out=out, report=report, compare=compare)


@app.command()
def calibrate(
    cost: Annotated[
        Path | None, typer.Option("--cost", help="Measured runs (.csv): what was spent, what it scored.")
    ] = None,
    revenue: Annotated[Path | None, typer.Option("--revenue", help="Prices (.csv): what each score earned.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="Of the cost: Power, Linear, Tabulated or best.")] = "Power",
    revenue_kind: Annotated[
        str, typer.Option("--revenue-kind", help="Power, Linear, Log, Saturating, Logistic, Tabulated or best.")
    ] = "best",
    transform: Annotated[
        str,
        typer.Option("--transform", help="Score to performance: shift, turned (a loss), log-odds (an accuracy)."),
    ] = "shift",
    start: Annotated[
        float | None, typer.Option("--start", help="The score that is performance 0; default: that of spend 0.")
    ] = None,
    unit: Annotated[float, typer.Option("--unit", help="How much score is one unit of performance.")] = 1.0,
    price: Annotated[float, typer.Option("--price", help="Money for one unit of spending.")] = 1.0,
    spend_column: Annotated[str, typer.Option("--spend", metavar="COLUMN", help="Column of the spending.")] = "spend",
    score_column: Annotated[str, typer.Option("--score", metavar="COLUMN", help="Column of the score.")] = "score",
    run_column: Annotated[
        str | None, typer.Option("--run", metavar="COLUMN", help="Column that names the run, if one was scored often.")
    ] = None,
    price_score_column: Annotated[
        str, typer.Option("--revenue-score", metavar="COLUMN", help="Column of the score in the prices.")
    ] = "score",
    revenue_column: Annotated[
        str, typer.Option("--revenue-column", metavar="COLUMN", help="Column of the revenue in the prices.")
    ] = "revenue",
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="COLUMN=VALUE", help="Use only these rows of the runs.")
    ] = None,
    revenue_where: Annotated[
        list[str] | None,
        typer.Option("--revenue-where", metavar="COLUMN=VALUE", help="Use only these rows of the prices."),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=0, help="How many times to resample the measurements.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Another seed resamples otherwise.")] = 0,
    out: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit cost and revenue curves to measured runs and prices, and say how uncertain they are."""
    from tuneaccord.cli.calibrate import Sheet, run

    run(
        cost=None if cost is None else Sheet(cost, (spend_column, score_column), run_column, where or []),
        revenue=None
        if revenue is None
        else Sheet(revenue, (price_score_column, revenue_column), None, revenue_where or []),
        cost_kind=kind, revenue_kind=revenue_kind, transform=transform, start=start, unit=unit, price=price,
        draws=draws, seed=seed, as_json=as_json, out=out,
    )  # fmt: skip


DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Only measure this machine and say what the run will cost.")
]
TuneOption = Annotated[bool, typer.Option("--tune/--no-tune", help="Also train and measure the adapter.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Worker processes; default: one for each core, as memory allows.")
]


def _run_on(place: str | None) -> None:
    """Tell ``tuneaccord.execution``, which reads it where workers are started."""
    if place is not None:
        os.environ["TUNEACCORD_ON"] = place


OnOption = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="PLACE", callback=_run_on, expose_value=False,
        help="Where workers run: processes, or ray (the cluster of RAY_ADDRESS, or one on this machine).",
    ),
]  # fmt: skip


@app.command()
def tune(
    file: Annotated[Path, typer.Argument(help="A tune file (.yaml); examples/assistant/tune.yaml is one.")],
    out: OutOption = None,
    as_json: JsonOption = False,
    train: TuneOption = True,
    workers: WorkersOption = None,
    on: OnOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Sample, score, settle, fine-tune and measure one language model for several groups.

    Writes to runs/NAME. Stopped at any moment, the same command continues where it was.
    """
    if dry_run:
        from tuneaccord.cli.plan import run
    else:
        from tuneaccord.cli.tune import run

    run(file, out=out, as_json=as_json, train=train, workers=workers)


@app.command()
def compare(
    file: Annotated[Path, typer.Argument(help="A tune file (.yaml); examples/assistant/tune.yaml is one.")],
    ways: Annotated[
        str | None,
        typer.Option(
            "--ways",
            metavar="LIST",
            help="Of reply, adapter, leave-one-out, soups, mixing, rl, checkpoints, early-stopped; default: all.",
        ),
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown and nothing else.")
    ] = False,
    workers: WorkersOption = None,
    on: OnOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Obtain the shared model in every way and compare welfare, divergence, cost, payments and guarantees.

    Works in the folder of `tuneaccord tune` and uses what is finished there. Stopped at any moment, the same command
    continues where it was.
    """
    if as_json and markdown:
        raise InputError("--json and --markdown both say what to print. Choose one of them.")
    names = [name.strip() for name in (ways or "").split(",") if name.strip()]
    if ways is not None and not names:
        raise InputError("--ways names no way. List some, such as reply,soups, or leave --ways out for all.")
    if dry_run:
        from tuneaccord.cli.plan import run_ways

        run_ways(file, ways=names, out=out, as_json=as_json, workers=workers)
        return
    from tuneaccord.cli.compare import run

    run(file, ways=names, out=out, as_json=as_json, workers=workers, markdown=markdown)


@app.command()
def demo(
    out: OutOption = None,
    as_json: JsonOption = False,
    train: TuneOption = True,
    workers: WorkersOption = None,
    on: OnOption = None,
) -> None:
    """The main job on the embedded default model: tuneaccord tune examples/assistant/tune.yaml."""
    from tuneaccord.cli.tune import run
    from tuneaccord.shipped import example

    run(example("assistant/tune.yaml"), out=out, as_json=as_json, train=train, workers=workers)


@app.command()
def reply(
    folder: Annotated[Path, typer.Argument(help="The folder of a finished run, such as runs/assistant.")],
    prompt: Annotated[str, typer.Argument(help="What to ask.")],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=2**63 - 1, help="Repeat a draw; default: a new one.")
    ] = None,
    show: Annotated[int, typer.Option("--show", min=0, help="Also show this many of the candidates.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Answer one prompt with the chosen policy: draw replies, score them, keep one by its weight."""
    from tuneaccord.cli.reply import run

    run(folder, prompt, seed=seed, show=show, as_json=as_json)


@app.command()
def soup(
    adapters: Annotated[
        list[str], typer.Argument(metavar="FOLDER=WEIGHT...", help="Folders that PEFT wrote, each with its weight.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Write the sum into this folder.")],
    model: Annotated[
        str, typer.Option("--model", help="Their base: a folder, owner/model of the hub, or the embedded default.")
    ] = "smollm2-135m-instruct",
    revision: Annotated[str | None, typer.Option("--revision", help="The commit of a hub model.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the exact weighted sum of LoRA adapters as one ordinary adapter."""
    from tuneaccord.cli.soup import run

    run(adapters, model=model, revision=revision, out=out, as_json=as_json)


@app.command()
def reproduce(
    name: Annotated[
        str | None, typer.Argument(help="What to reproduce, such as table1; without a name they are listed.")
    ] = None,
    out: OutOption = None,
    as_json: JsonOption = False,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="How many random games, or replies a prompt; default: see the list."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=2**63 - 1, help="Another seed draws other games or replies.")
    ] = 0,
    market: Annotated[
        Path | None,
        typer.Option("--market", help="figure2 and tables2-6: a tune file of your own, with its model and rewards."),
    ] = None,
    workers: WorkersOption = None,
    on: OnOption = None,
) -> None:
    """Recompute the paper's tables, figure and theorems and print them beside the paper."""
    from tuneaccord.cli.reproduce import run

    run(name, out=out, as_json=as_json, samples=samples, seed=seed, market=market, workers=workers)


@app.command()
def pool(
    file: Annotated[Path, typer.Argument(help="A tune file (.yaml); what the groups report need not exist yet.")],
    out: OutOption = None,
    as_json: JsonOption = False,
    workers: WorkersOption = None,
    on: OnOption = None,
) -> None:
    """Draw the frozen pools before anybody reports, with an empty score sheet to fill in.

    Writes to pools/ in the folder of the run; the same pools are then settled on by tuneaccord tune.
    """
    from tuneaccord.cli.asking import pool as run

    run(file, out=out, as_json=as_json, workers=workers)


@app.command()
def questions(
    file: Annotated[Path, typer.Argument(help="A tune file (.yaml); what the groups report need not exist yet.")],
    group: Annotated[str, typer.Option("--group", metavar="NAME", help="The group that is asked.")],
    count: Annotated[int, typer.Option("--count", min=1, help="How many replies it scores for the fit.")] = 20,
    checks: Annotated[int, typer.Option("--check", min=1, help="How many more, to check the fit on.")] = 10,
    to: Annotated[Path | None, typer.Option("--to", help="Write the questions to this file.")] = None,
    out: OutOption = None,
    workers: WorkersOption = None,
    on: OnOption = None,
) -> None:
    """Ask a group about a few well-chosen replies of the frozen pool, in place of a reward model.

    Which ones follows from the pool and the group's name, and from no report.
    """
    from tuneaccord.cli.asking import questions as run

    run(file, group=group, count=count, checks=checks, to=to, out=out, workers=workers)


@app.command("fetch-model")
def fetch_model() -> None:
    """Download the embedded default model and convert it, if it is not there yet."""
    from tuneaccord.cli.fetch import run

    run()


FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="Where the server keeps its database and keys; or TUNEACCORD_FOLDER.")
]
DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="postgresql://USER@HOST/NAME; default: a file in the folder."),
]


@app.command()
def serve(
    folder: FolderOption = None,
    database: DatabaseOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Listen at this address; default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Default: 8090; 0 takes any free one.")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The address that users see, such as https://accord.example.org.")
    ] = None,
    reports: Annotated[
        list[Path] | None,
        typer.Option("--reports", metavar="FOLDER", help="Show this finished run; may be given several times."),
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave jobs to other processes: tuneaccord work.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve other machines without TLS, on a network that is trusted.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the studio in a browser.")] = False,
    new_operator_token: Annotated[
        bool,
        typer.Option("--new-operator-token", help="Only make a new operator link; earlier ones no longer work."),
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option("--ready-file", help="Write address and port here once requests are accepted.")
    ] = None,
) -> None:
    """Serve sessions of several parties, and the studio. Settings also come from TUNEACCORD_... variables."""
    from tuneaccord.cli.serve import run

    run(
        folder=folder, database=database, host=host, port=port, url=url, reports=reports or [],
        worker=False if no_worker else None, insecure=insecure, open_browser=open_browser,
        new_operator_token=new_operator_token, ready_file=ready_file,
    )  # fmt: skip


@app.command()
def work(folder: FolderOption = None, database: DatabaseOption = None) -> None:
    """Add a process that does the jobs of a server: closing, settling, publishing, sampling."""
    from tuneaccord.cli.work import run

    run(folder=folder, database=database)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt or the proof of a report (.json).")],
    log: Annotated[Path | None, typer.Option("--log", help="Compare with this copy of the session's log.")] = None,
    other: Annotated[
        Path | None, typer.Option("--with", help="Compare with another receipt or proof of the same session.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a receipt or proof offline, and say where the first fault is."""
    from tuneaccord.cli.verify import run

    run(file, log=log, other=other, as_json=as_json)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Write the backup to this file.")],
    folder: FolderOption = None,
    database: DatabaseOption = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Include the keys: whoever has the file can then read everything.")
    ] = False,
) -> None:
    """Write everything a server keeps into one file, while it runs."""
    from tuneaccord.cli.backup import backup as run

    run(file, folder=folder, database=database, with_keys=with_keys)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that tuneaccord backup wrote.")],
    folder: FolderOption = None,
    database: DatabaseOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also when there are sessions already; they are lost.")
    ] = False,
) -> None:
    """Fill a server's database from a backup, after checking every log in it."""
    from tuneaccord.cli.backup import restore as run

    run(file, folder=folder, database=database, replace=replace)


app.add_typer(app_provider.session_app, name="session")

"""``tuneaccord soup``: the exact weighted sum of LoRA adapters, written as one ordinary adapter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import typer

from tuneaccord.cli.settle import json_text
from tuneaccord.errors import InputError


def run(parts: list[str], *, model: str, revision: str | None, out: Path, as_json: bool) -> None:
    """Read the adapters, sum them, write the sum with its model card, and say how exact the written file is."""
    folders, weights = zip(*map(_part, parts), strict=True)
    if any(folder.resolve() == out.resolve() for folder in folders):
        raise InputError(f"--out {out} is one of the adapters. Write the sum into another folder.")
    from tuneaccord.llm import embedded, hf
    from tuneaccord.llm.adapter_files import read_adapter
    from tuneaccord.llm.mixture import write_mixture
    from tuneaccord.reporting.mixture_card import mixture_card

    ref = hf.find(model, Path(), "float32", revision)
    adapters = [read_adapter(folder, ref) for folder in folders]
    described = [
        {"name": name, "weight": weight, "digest": adapter.digest}
        for name, weight, adapter in zip(_names(folders), weights, adapters, strict=True)
    ]
    origin = embedded.about(ref.name)

    def card(error: float) -> str:
        return mixture_card(origin.get("hub_name", ref.name), described, error, origin.get("license"))

    error = write_mixture(ref, adapters, weights, out, card)
    rank = read_adapter(out, ref).lora.rank
    if as_json:
        facts = {"model": ref.name, "rank": rank, "relative_error": error, "adapters": described}
        typer.echo(json_text(facts), nl=False)
        return
    typer.echo(f"{out}: rank {rank}, for {ref.name}")
    typer.echo(f"The written update misses the exact sum by {error:.1e} of its size.")


def _part(text: str) -> tuple[Path, float]:
    """``FOLDER=WEIGHT``; of several equals signs the last one counts."""
    folder, _, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not folder or not math.isfinite(weight):
        raise InputError(
            f"an adapter is given as FOLDER=WEIGHT with a finite weight, such as runs/a/adapter=0.5, got {text!r:.80}."
        )
    return Path(folder), weight


def _names(folders: Sequence[Path]) -> list[str]:
    """The last parts of the folders' paths, as few as tell them apart: a model card does not say where files are.

    >>> _names([Path("/home/a/adapter"), Path("/home/b/adapter")])
    ['a/adapter', 'b/adapter']
    """
    whole = [folder.resolve().parts[1:] for folder in folders]
    distinct = len(set(whole))
    for count in range(1, max(map(len, whole)) + 1):
        short = ["/".join(parts[-count:]) for parts in whole]
        if len(set(short)) == distinct:
            return short
    return ["/".join(parts) for parts in whole]

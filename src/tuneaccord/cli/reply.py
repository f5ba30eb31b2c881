"""``tuneaccord reply``: one prompt through the chosen policy of a finished run."""

from __future__ import annotations

import secrets
import textwrap
from pathlib import Path

import typer

from tuneaccord.cli import render
from tuneaccord.cli.settle import json_text
from tuneaccord.errors import InputError


def run(folder: Path, prompt: str, *, seed: int | None, show: int, as_json: bool) -> None:
    """Draw, score, keep one, and print it; with ``show`` also the likeliest candidates."""
    if not prompt.strip():
        raise InputError('the prompt is empty. Give a question, such as "How do I water a cactus?".')
    from tuneaccord.tuning.run import policy_of

    policy = policy_of(folder)
    seed = secrets.randbits(32) if seed is None else seed
    draw = policy.reply(prompt, seed)
    if as_json:
        typer.echo(json_text(_document(prompt, seed, draw, policy)), nl=False)
        return
    typer.echo(render.printable_lines(draw.reply))
    if show:
        _print_candidates(draw, policy, seed, show)


def _document(prompt: str, seed: int, draw, policy) -> dict:
    names = [group.name for group in policy.groups]
    candidates = [
        {"reply": reply, "weight": float(weight), "scores": dict(zip(names, scores.tolist(), strict=True))}
        for reply, weight, scores in zip(draw.replies, draw.weights, draw.scores, strict=True)
    ]
    return {
        "prompt": prompt,
        "seed": seed,
        "reply": draw.reply,
        "kept": draw.kept,
        "payments": draw.payments,
        "candidates": candidates,
    }


def _print_candidates(draw, policy, seed: int, show: int) -> None:
    out = render.console()
    render.heading(out, f"The {show} likeliest of {len(draw.replies)} candidates (--seed {seed} repeats this draw)")
    order = sorted(range(len(draw.replies)), key=lambda index: -draw.weights[index])[:show]
    rows = [
        (
            "kept" if index == draw.kept else "",
            textwrap.shorten(draw.replies[index], 60, placeholder=" ..."),
            f"{draw.weights[index]:.3f}",
            *(f"{score:.2f}" for score in draw.scores[index]),
        )
        for index in order
    ]
    columns = ["", "reply", "weight", *(group.name for group in policy.groups)]
    out.print(render.table(columns, rows, left=2))
    charges = ", ".join(f"{name} {render.number(payment)}" for name, payment in draw.payments.items())
    render.sentence(out, f"Settled on these candidates alone, the payments for this reply are: {charges}.")

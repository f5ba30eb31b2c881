"""How fast all payments are computed, and how exactly.

    python benchmarks/kernel.py [--shapes A B C] [--quick] [--growth]

Routes run in turn, again and again, in one process; the table gives medians in units of one ``numpy.sum`` over the
same rewards. Single-threaded unless a row says otherwise. Results go to ``--out`` as JSON and Markdown, and
those of all shapes into the table of ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import divergences
import growth
import numpy as np
import routes

SHAPES = {"A": (1, 8, 1_000_000), "B": (1, 256, 65_536), "C": (1024, 64, 64)}
KINDS = {"f32": np.float32, "f64": np.float64}
HERE = Path(__file__).parent
_TABLE = "<!-- table -->"


def market(shape, kind, seed=0):
    """Uniform rewards, whole sizes from 1 to 10, and a strength of a quarter of their sum."""
    rng = np.random.default_rng(seed)
    scores = rng.random(shape, dtype=kind)
    sizes = rng.integers(1, 11, shape[1]).astype(float)
    return scores, sizes, sizes.sum() / 4


def alternate(tasks, repeats):
    """Median seconds of each task; all tasks once, then all again. Tasks that take seconds are timed once."""
    times = {name: [] for name in tasks}
    skip = set()
    for name, task in tasks.items():
        task()  # compiles, or fills caches
        start = time.perf_counter()
        task()
        if time.perf_counter() - start > 2.0:
            times[name].append(time.perf_counter() - start)
            skip.add(name)
    for _ in range(repeats):
        for name, task in tasks.items():
            if name not in skip:
                start = time.perf_counter()
                task()
                times[name].append(time.perf_counter() - start)
    return {name: float(np.median(found)) for name, found in times.items()}


def some(groups, count):
    return np.unique(np.linspace(0, groups - 1, count).astype(int))


def worst_error(payments, expected, groups):
    """The worst relative error of a positive payment; None when all were left out."""
    got = np.asarray(payments)[: len(expected), groups]
    held = np.isfinite(got) & (expected > 0)
    return float(np.abs(got[held] / expected[held] - 1).max()) if held.any() else None


def kl_rows(shape, kind, quick):
    """The KL table of one shape and type."""
    scores, sizes, strength = market(shape, kind)
    flat, groups = scores.reshape(-1), some(shape[1], 8)
    expected = routes.reference(scores, sizes, strength, groups)
    ways = {
        "fused, one read": routes.fused(1),
        "fused, all cores": routes.fused(None),
        "all_payments, fused": routes.entry("fused"),
        "all_payments, portable": routes.entry("portable"),
        "torch eager, two passes": routes.torch_two_pass(False),
        "torch.compile, two passes": None if quick else routes.torch_two_pass(True),
        "NumPy, n + 1 logsumexp, shared sum": routes.shared_sum,
    }
    ways = {name: way for name, way in ways.items() if way}
    tasks = {"numpy.sum": lambda: np.sum(scores), "vectorised sum": lambda: routes.vector_sum(flat)}
    tasks |= {name: lambda way=way: way(scores, sizes, strength) for name, way in ways.items()}
    seconds = alternate(tasks, 3 if quick else 11)
    errors = {name: worst_error(way(scores, sizes, strength), expected, groups) for name, way in ways.items()}
    few = some(shape[1], 2 if quick else 8)
    for name, add in (("matrix products", routes.product), ("weighted sums", routes.weighted)):
        name = f"NumPy, n + 1 separate solves by {name}"
        start = time.perf_counter()
        plain = routes.separate_solves(scores, sizes, strength, few, add)
        seconds[name] = (time.perf_counter() - start) * (shape[1] + 1) / (len(few) + 1)
        errors[name] = worst_error(plain, routes.reference(scores, sizes, strength, few), few)
    return [row("KL", name, seconds, errors.get(name)) for name in seconds]


def divergence_rows(shape, kind, quick):
    """The table of the other divergences, one shape and type."""
    scores, sizes, _ = market(shape, kind)
    groups = some(shape[1], 2 if quick else 4)
    cases = divergences.cases(sizes)
    tasks = {"numpy.sum": lambda: np.sum(scores)}
    for name, divergence in cases.items():
        tasks[f"{name}, fused"] = lambda name=name, one=divergence: divergences.compiled(name, one, scores, sizes)
    seconds, errors = alternate(tasks, 2 if quick else 5), {}
    for name, divergence in cases.items():
        payments = divergences.compiled(name, divergence, scores, sizes)
        start = time.perf_counter()
        expected = divergences.portable(divergence, scores[:4], sizes, groups)
        each = (time.perf_counter() - start) / len(groups) * (len(scores) / len(scores[:4]))
        errors[f"{name}, fused"] = worst_error(payments, expected, groups)
        if "closed form" not in name:
            seconds[f"{name}, NumPy"] = each * shape[1]
    return [row("other", name, seconds, errors.get(name)) for name in seconds if name != "numpy.sum"]


def row(part, name, seconds, error):
    return {
        "part": part,
        "route": name,
        "seconds": seconds[name],
        "ratio": seconds[name] / seconds["numpy.sum"],
        "error": error,
    }


def solver_rows(quick):
    """A general convex solver against the fused kernel at the same number of responses; 8 groups, float64."""
    rows = []
    for responses in (100, 1000) if quick else (100, 1000, 4000, 16_000):
        scores, sizes, strength = market((1, 8, responses), np.float64)
        start = time.perf_counter()
        payments = routes.convex_solver(scores, sizes, strength)
        slow = time.perf_counter() - start
        fast = alternate({"fused": lambda m=(scores, sizes, strength): routes.fused(1)(*m)}, 51)["fused"]
        error = worst_error(payments, routes.reference(scores, sizes, strength, range(8)), range(8))
        rows.append({"responses": responses, "solver": slow, "fused": fast, "ratio": slow / fast, "error": error})
    return rows


def tables(found):
    """The results in Markdown."""
    lines = []
    for part, title in (("KL", "KL, all payments"), ("other", "Other divergences, all payments")):
        cells = {(r["route"], key): r for key, rows in found["shapes"].items() for r in rows if r["part"] == part}
        columns = list(found["shapes"])
        names = list(dict.fromkeys(name for name, _ in cells))
        lines += [f"**{title}** (units of one `numpy.sum`; in brackets the worst relative error)", ""]
        lines += ["| route | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
        for name in names:
            shown = [cell(cells.get((name, column))) for column in columns]
            lines.append(f"| {name} | " + " | ".join(shown) + " |")
        lines.append("")
    lines += ["**General convex solver** (CVXPY with Clarabel, 8 groups, float64, n + 1 solves)", ""]
    lines += ["| responses | solver, s | fused, ms | ratio | solver's worst relative error |", "|---|---|---|---|---|"]
    for one in found["solver"]:
        numbers = f"{one['solver']:.3g} | {1e3 * one['fused']:.3g} | {one['ratio']:.0f} | {one['error']:.0e}"
        lines.append(f"| {one['responses']} | {numbers} |")
    return "\n".join(lines) + "\n"


def cell(found):
    if found is None:
        return ""
    number = f"{found['ratio']:.2f}" if found["ratio"] < 100 else f"{found['ratio']:.0f}"
    if found["error"] is None:
        return f"{number} (unchecked)" if "fused" in found["route"] else number
    return f"{number} ({found['error']:.0e})"


def versions():
    names = ("numpy", "numba", "scipy", "torch", "cvxpy", "clarabel")
    installed = {}
    for name in names:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **installed}


def write(found, out):
    out.mkdir(parents=True, exist_ok=True)
    (out / "kernel.json").write_text(json.dumps(found, indent=1) + "\n")
    used = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    how = "Quick run" if found["quick"] else "Measured"
    text = f"{how} on {found['machine']}; {used}.\n\n{tables(found)}"
    (out / "kernel.md").write_text(text)
    print(text)
    if out != HERE / "results" or len(found["shapes"]) < len(SHAPES) * len(KINDS):
        return  # the published table is of whole runs
    readme = HERE / "README.md"
    parts = readme.read_text().split(_TABLE)
    readme.write_text(f"{parts[0]}{_TABLE}\n\n{text}\n{_TABLE}{parts[2]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=SHAPES)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no torch.compile; for a first look")
    parser.add_argument("--growth", action="store_true", help="growth in groups, responses and prompts, as SVG")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--machine", default="two cores, AVX-512", help="the class of machine, for the record")
    given = parser.parse_args()
    if given.growth:
        growth.draw(growth.measure(given.quick), given.out)
        return
    shapes = {}
    for name in given.shapes:
        for label, kind in KINDS.items():
            print(f"{name} {label} ...", flush=True)
            rows = kl_rows(SHAPES[name], kind, given.quick) + divergence_rows(SHAPES[name], kind, given.quick)
            shapes[f"{name} {label}"] = rows
    found = {
        "quick": given.quick,
        "machine": given.machine,
        "versions": versions(),
        "shapes": shapes,
        "solver": solver_rows(given.quick),
    }
    write(found, given.out)


if __name__ == "__main__":
    main()

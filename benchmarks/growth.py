"""How the time grows with groups, responses and prompts, against reading the rewards once."""

from __future__ import annotations

import json
import time

import numpy as np
import routes

#: what grows, and the market's shape (prompts, groups, responses) at each size
LADDERS = {
    "groups": [(1, n, 16_384) for n in (2, 4, 8, 16, 32, 64, 128, 256)],
    "responses": [(1, 16, m) for m in (64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576)],
    "prompts": [(p, 16, 64) for p in (1, 4, 16, 64, 256, 1024, 4096)],
}
_AXIS = {"prompts": 0, "groups": 1, "responses": 2}


def measure(quick: bool) -> dict:
    """Median seconds of the fused kernel (one thread) and of ``numpy.sum``, float32."""
    found = {}
    for name, shapes in LADDERS.items():
        found[name] = [_one(name, shape, 3 if quick else 15) for shape in (shapes[::2] if quick else shapes)]
    return found


def _one(name, shape, repeats):
    rng = np.random.default_rng(0)
    scores, sizes = rng.random(shape, dtype=np.float32), rng.integers(1, 11, shape[1]).astype(float)
    kernel = routes.fused(1)
    kernel(scores, sizes, sizes.sum() / 4)
    fused, read = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        kernel(scores, sizes, sizes.sum() / 4)
        middle = time.perf_counter()
        np.sum(scores)
        fused.append(middle - start)
        read.append(time.perf_counter() - middle)
    return {"size": shape[_AXIS[name]], "fused": float(np.median(fused)), "read": float(np.median(read))}


def draw(found: dict, out) -> None:
    """Two rows of plots, wall time and ratio to one read, as SVG, and the numbers as JSON."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "growth"
    import matplotlib.pyplot as plt

    out.mkdir(parents=True, exist_ok=True)
    (out / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    figure, axes = plt.subplots(2, 3, figsize=(10, 5.5), layout="constrained", sharex="col", sharey="row")
    for column, (name, rows) in enumerate(found.items()):
        sizes, fused, read = (np.array([row[key] for row in rows]) for key in ("size", "fused", "read"))
        shape = [f"{label} {size:,}" for label, size in zip(_AXIS, LADDERS[name][0], strict=True) if label != name]
        top, bottom = axes[0, column], axes[1, column]
        top.loglog(sizes, 1e3 * fused, "o-", color="#0072b2", label="all payments")
        top.loglog(sizes, 1e3 * read, "s--", color="#555555", label="reading the rewards once")
        top.set_title(", ".join(shape), fontsize=10)
        bottom.semilogx(sizes, fused / read, "o-", color="#0072b2")
        bottom.set_yscale("log")
        bottom.axhline(1, color="#999999", linewidth=0.8)
        bottom.set_xlabel(name)
    axes[0, 0].set_ylabel("milliseconds")
    axes[1, 0].set_ylabel("all payments / one read")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure.savefig(out / "growth.svg", metadata={"Date": None})
    plt.close(figure)
    for name, rows in found.items():
        steps = np.log([row["fused"] for row in rows]), np.log([row["size"] for row in rows])
        print(f"{name}: time grows as size ** {np.polyfit(steps[1][-4:], steps[0][-4:], 1)[0]:.2f}")

"""How fast and how exactly fine-tuning games are solved, beside what people do today.

    python benchmarks/games.py [--quick] [--parts nested libraries family crowd] [--out FOLDER]

Routes run in turn in one process; speed is their ratio. Results go to ``--out`` as JSON and Markdown, those of whole
runs also into the table of ``benchmarks/README.md``. One thread, except the family of games, which uses all cores.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import game_growth
import game_libraries
import numpy as np
from game_baselines import brute_nash, brute_plays, nested, power_best
from game_cases import cases
from game_tables import tables

import tuneaccord as ta

HERE = Path(__file__).parent
_TABLE = "<!-- games -->"
PARTS = ("nested", "libraries", "family", "crowd")


def timed(task, repeats: int = 1):
    """Median seconds, and what the last call returned; the first of several calls is not counted."""
    times = []
    for _ in range(repeats + (repeats > 1)):
        start = time.perf_counter()
        found = task()
        times.append(time.perf_counter() - start)
    return float(np.median(times[repeats > 1 :])), found


def nested_rows(quick: bool) -> list[dict]:
    """One row a curve family: our bargain, the nested search, and the brute force that judges both."""
    rows = []
    for name, case in cases().items():
        if quick and name not in ("quadratic, linear", "powers, square root", "powers, capped"):
            continue
        ours, agreement = timed(lambda case=case: case.game.bargain(ta.Nash()), 2 if quick else 9)
        slow, theirs = timed(lambda case=case: nested(case, 41 if quick else 201))
        share = agreement.shares["medical"]
        gains = np.array([agreement.gains["generalist"], agreement.gains["medical"]])
        # an agreement may lie on a jump, where the brute force may see either side: its neighbours count too
        near = np.clip([share - 1e-7, share, share + 1e-7], 0.0, 1.0)
        plays = np.stack(brute_plays(case, near), axis=1)
        best = brute_nash(case, *((21, 2) if quick else (61, 6)))
        truly = np.concatenate(brute_plays(case, [theirs[0]]))  # what their share brings when it is played rightly
        rows.append(
            {
                "family": name,
                "ours": ours,
                "nested": slow,
                "ratio": slow / ours,
                "share": share,
                "nested_share": theirs[0],
                "error": agreement.error,
                "play_off": float(np.abs(gains - plays).max(axis=1).min()),
                "missed": float(best / gains.prod() - 1),
                "nested_misplayed": float(np.abs(np.array(theirs[1:]) - truly).max()),
                "nested_missed": float(1 - truly.prod() / gains.prod()),
            }
        )
        print(f"  {name}: {1e3 * ours:.1f} ms, nested {slow:.2f} s", flush=True)
    return rows


def library_rows(quick: bool) -> list[dict]:
    """The discretised game in NegMAS and in Gambit, where they are installed."""
    return [_negmas(quick), _gambit(quick)]


def _library(name, package, what):
    return {"library": name, "version": version(package), "what": what}


def _negmas(quick):
    points = 51 if quick else 201
    row = _library("NegMAS", "negmas", f"Nash bargain over 201 shares, {points} x {points} investments")
    if row["version"] is None:
        return row
    case, shares = cases()["quadratic, linear"], np.linspace(0.0, 1.0, 201)
    game_libraries.negmas_pick(shares[:2], np.eye(2), (0.0, 0.0))  # its import is not timed

    def theirs():
        return game_libraries.negmas_pick(shares, game_libraries.discretised(case, shares, points), (0.0, 0.0))

    slow, picked = timed(theirs, 1 if quick else 3)
    fast, agreement = timed(lambda: case.game.bargain(ta.Nash()), 9)
    plays = case.game.play_many(shares[:, None]).utilities
    start = time.perf_counter()
    same_grid = game_libraries.negmas_pick(shares, plays, (0.0, 0.0))
    alone = time.perf_counter() - start
    best = float(shares[ta.Nash().best(plays)])
    return row | {
        "seconds": slow,
        "library_seconds": alone,
        "ours": fast,
        "ratio": slow / fast,
        "off": abs(picked[0] - agreement.shares["medical"]),
        "agrees": best in same_grid,
    }


def _gambit(quick):
    row = _library("Gambit", "pygambit", "subgame-perfect play, tree of 11 x 11 investments")
    if row["version"] is None:
        return row
    importlib.import_module("pygambit")  # not timed
    # with costs a0**2 / 2 and x**2 the investments at shares of 0, 0.1, ..., 1 lie on these grids: nothing is rounded
    case = game_libraries.on_grid()
    bases, improvements = np.linspace(0.0, 1.0, 11), np.linspace(0.0, 0.5, 11)
    shares = np.linspace(0.1, 0.9, 3 if quick else 9)
    slow, found = timed(
        lambda: [game_libraries.gambit_play(case, float(share), bases, improvements) for share in shares]
    )
    fast, plays = timed(lambda: [case.game.play({"medical": float(share)}) for share in shares], 5)
    off = [
        max(abs(play.base_performance - base), abs(play.improvements["medical"] - x))
        for play, (base, x, _) in zip(plays, found, strict=True)
    ]
    return row | {
        "seconds": slow / len(shares),
        "ours": fast / len(shares),
        "ratio": slow / fast,
        "off": max(off),
        "agrees": max(off) < 1e-9 and max(regret for *_, regret in found) < 1e-12,
    }


def family_rows(quick: bool) -> list[dict]:
    """A million two-player games with power costs and linear revenues at once, on all cores."""
    count, rng = (20_000 if quick else 1_000_000), np.random.default_rng(0)
    costs, exponents, rate = (
        rng.uniform(0.3, 3.0, (2, count)),
        rng.uniform(1.2, 3.0, (2, count)),
        rng.uniform(0.5, 2.0, count),
    )
    family = ta.GameFamily(
        ta.Generalist(cost=ta.Power(costs[0], exponents[0])),
        [ta.Specialist("medical", cost=ta.Power(costs[1], exponents[1]), revenue=ta.Linear(rate))],
    )
    shares = rng.uniform(size=(count, 1))
    rows = []
    play, plays = timed(lambda: family.play(shares))
    some = rng.choice(count, 20, replace=False)
    off = max(
        float(np.abs(plays.utilities[i] - _single(costs[:, i], exponents[:, i], rate[i], shares[i])).max())
        for i in some
    )
    rows.append({"what": "play", "games": count, "seconds": play, "off": off})
    rules = {"Nash": ta.Nash(), "Kalai-Smorodinsky": ta.KalaiSmorodinsky(), "egalitarian": ta.Egalitarian()}
    for name, rule in rules.items():
        if quick and name != "Nash":
            continue
        seconds, found = timed(lambda rule=rule: family.bargain(rule))
        scores = {"Nash": found.gains.prod(axis=1), "egalitarian": found.gains.min(axis=1)}
        scores["Kalai-Smorodinsky"] = (found.gains / found.ideal).min(axis=1)
        best = [power_best(costs[:, i], exponents[:, i], rate[i], name) for i in some]
        off = float(np.abs(np.array(best) / scores[name][some] - 1).max())
        rows.append({"what": f"bargain, {name}", "games": count, "seconds": seconds, "off": off})
        print(f"  {count:,} bargains, {name}: {seconds:.1f} s", flush=True)
    return rows


def _single(costs, exponents, rate, shares):
    specialist = ta.Specialist("medical", cost=ta.Power(costs[1], exponents[1]), revenue=ta.Linear(rate))
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(costs[0], exponents[0])), [specialist])
    return game.play_many(shares[None]).utilities[0]


def version(name: str) -> str | None:
    """The installed version, or None."""
    return importlib.metadata.version(name) if importlib.util.find_spec(name) else None


def write(found: dict, out: Path) -> None:
    """JSON and Markdown in ``out``; the README's table only from whole runs into the published folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "games.json").write_text(json.dumps(found, indent=1) + "\n")
    text = tables(found)
    (out / "games.md").write_text(text)
    print(text)
    if out != HERE / "results" or found["quick"] or any(part not in found for part in PARTS):
        return
    readme = HERE / "README.md"
    before, _, after = readme.read_text().split(_TABLE)
    readme.write_text(f"{before}{_TABLE}\n\n{text}\n{_TABLE}{after}")


def main(arguments=None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes and few repeats, for a first look")
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--machine", default="two cores, AVX-512", help="the class of machine, for the record")
    given = parser.parse_args(arguments)
    measures = {"nested": nested_rows, "libraries": library_rows, "family": family_rows, "crowd": game_growth.measure}
    packages = ("numpy", "scipy", "negmas", "pygambit")
    versions = {"python": platform.python_version(), **{name: version(name) for name in packages if version(name)}}
    found = {"quick": given.quick, "machine": given.machine, "versions": versions}
    for part in given.parts:
        print(f"{part} ...", flush=True)
        found[part] = measures[part](given.quick)
    write(found, given.out)
    if "crowd" in found:
        game_growth.draw(found["crowd"], given.out)


if __name__ == "__main__":
    main()

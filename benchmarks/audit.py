"""Attack many random markets: exact payments leave nothing to gain, no payments always leave something.

    python benchmarks/audit.py [--markets 10000] [--seed 0] [--out FILE.json]

Every group of every market is attacked with every start and with gradient ascent, its size included (half, true and
double), once with the externality payment and once without payments. Markets of one shape, scale and
divergence are attacked together, one row a group; a score divided by the strength is a score at strength 1,
so that markets of different strengths share a batch. One market in ten is settled again, group by group,
with the lies that were found, which is the long way to the same gains.

Exits with status 1 if a lie pays with exact payments by more than rounding, if the two ways disagree, or if there is a
market in which some group has no profitable lie without payments, although the divergence is smooth and the
chosen policy gives every response a positive probability (arXiv 2405.16276, Theorem 4.2, asks for both: under
chi-squared, say, a favourite that already has all the mass leaves nothing to lie for).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tuneaccord as ta
from tuneaccord.mechanism.audit.rows import Rows, best_reports, stacked, starts
from tuneaccord.mechanism.feasible import Feasible

DIVERGENCES = (
    ta.KL(1.0),
    ta.ChiSquared(1.0),
    ta.ReverseKL(1.0),
    ta.SquaredHellinger(1.0),
    ta.JensenShannon(1.0),
    ta.Alpha(1.0, 0.5),
    ta.Alpha(1.0, 1.5),
    ta.TotalVariation(1.0),
)
SCALES = (None, "max", "sum")
FACTORS = (0.5, 1.0, 2.0)
BATCH = 100
ROUNDING = 1e-12  #: of the sum of sizes times largest rewards
RECHECKED = 10  #: one market in this many is settled again
WIDTHS = (8, 9, 18, 10, 20, 13)
KEEP, STEPS = 8, 80


@dataclass(frozen=True)
class Batch:
    """Markets of one shape: base (markets, responses), rewards (markets, responses, groups), sizes over strength."""

    divergence: ta.Divergence
    scale: str | None
    base: np.ndarray
    rewards: np.ndarray
    sizes: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, divergence: ta.Divergence, scale: str | None, markets: int) -> Batch:
        """Rewards uniform on [0, 1] and then scaled, sizes 1 to 10, strengths from a tenth to ten times their sum."""
        groups, responses = int(rng.integers(2, 6)), int(rng.integers(2, 9))
        base = rng.dirichlet(np.ones(responses), size=markets)
        rewards = rng.uniform(size=(markets, responses, groups))
        if scale is not None:
            rewards /= rewards.sum(axis=1, keepdims=True) if scale == "sum" else rewards.max(axis=1, keepdims=True)
        sizes = rng.integers(1, 11, size=(markets, groups)).astype(float)
        strength = sizes.sum(axis=1, keepdims=True) * 10 ** rng.uniform(-1, 1, size=(markets, 1))
        return cls(divergence, scale, base, rewards, sizes / (strength / responses if scale == "sum" else strength))

    def rows(self, factor: float, charged: bool) -> Rows:
        """One row for each group of each market, groups fastest."""
        _, responses, groups = self.rewards.shape
        score = np.einsum("mrg,mg->mr", self.rewards, self.sizes)
        own = np.moveaxis(self.rewards, 2, 1).reshape(-1, responses)
        size = self.sizes.reshape(-1, 1)
        others = np.repeat(score, groups, axis=0) - size * own
        return Rows(self.divergence, np.repeat(self.base, groups, axis=0), others, own, size, factor * size, charged)

    def attack(self, rng: np.random.Generator, charged: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best gain of each group relative to what all could be worth, with its table and size factor."""
        parts = [self.rows(factor, charged) for factor in FACTORS]
        begin = starts(parts[0].reward, Feasible(self.scale), rng, most=16)
        together = stacked(parts)
        tables, worth = best_reports(together, Feasible(self.scale), np.tile(begin, (1, len(FACTORS), 1)), KEEP, STEPS)
        truth = self.rows(1.0, charged)
        worth = worth.reshape(len(FACTORS), -1) - truth.worth(truth.policy(truth.reward))
        best = worth.argmax(axis=0)
        tables = tables.reshape(len(FACTORS), *truth.reward.shape)[best, np.arange(len(best))]
        return worth.max(axis=0).reshape(len(self.base), -1) / self.scales()[:, None], tables, np.array(FACTORS)[best]

    def scales(self) -> np.ndarray:
        """What all groups of each market could be worth together."""
        return (self.sizes * self.rewards.max(axis=1)).sum(axis=1)

    def settled_gain(self, market: int, group: int, table: np.ndarray, factor: float, payment) -> float:
        """The same gain by settling one market with the lie."""
        names = [f"g{i}" for i in range(self.sizes.shape[1])]
        rewards = [ta.TableReward(self.rewards[market, :, i], self.scale) for i in range(len(names))]
        sizes = self.sizes[market].tolist()
        reports = [ta.Report(*one) for one in zip(names, sizes, rewards, strict=True)]
        result = ta.settle(ta.Simplex(self.base[market], self.divergence), reports, payment=payment)
        lie = ta.what_if(result, names[group], ta.TableMisreport(table, factor))
        return (lie.utility - result.utilities[names[group]]) / float(self.scales()[market])


@dataclass
class Tally:
    """What was found for one divergence."""

    markets: int = 0
    attacks: int = 0
    largest_gain: float = -np.inf  #: with exact payments, relative
    smallest_gain: float = np.inf  #: without payments, of the group that could gain least, relative
    interior: int = 0  #: markets whose policy is positive everywhere
    without_a_lie: int = 0  #: of these, in how many some group had no profitable lie without payments
    disagreement: float = 0.0

    def add(self, batch: Batch, rng: np.random.Generator) -> None:
        paid, tables, factors = batch.attack(rng, charged=True)
        free, free_tables, free_factors = batch.attack(rng, charged=False)
        groups = paid.shape[1]
        self.markets += len(paid)
        self.attacks += 2 * paid.size
        self.largest_gain = max(self.largest_gain, float(paid.max()))
        truth = batch.rows(1.0, charged=False)
        interior = (truth.policy(truth.reward) > 0).all(axis=1).reshape(paid.shape)[:, 0]
        least = free.min(axis=1)[interior]
        self.smallest_gain = min(self.smallest_gain, float(least.min(initial=np.inf)))
        self.interior += len(least)
        self.without_a_lie += int((least <= ROUNDING).sum())
        for market in range(0, len(paid), RECHECKED):
            for group in range(groups):
                row = market * groups + group
                for gain, told, factor, payment in (
                    (paid, tables, factors, ta.Externality()),
                    (free, free_tables, free_factors, ta.Free()),
                ):
                    again = batch.settled_gain(market, group, told[row], float(factor[row]), payment)
                    self.disagreement = max(self.disagreement, abs(again - float(gain[market, group])))


def run(markets: int, seed: int) -> dict[str, Tally]:
    """Attack at least ``markets`` markets, spread over divergences and scales."""
    rng, found = np.random.default_rng(seed), {}
    kinds = [(divergence, scale) for scale in SCALES for divergence in DIVERGENCES]
    done = number = 0
    while done < markets:
        divergence, scale = kinds[number % len(kinds)]
        size = min(BATCH, max(1, -(-markets // len(kinds))), markets - done)
        batch = Batch.draw(rng, divergence, scale, size)
        found.setdefault(_name(divergence), Tally()).add(batch, rng)
        done, number = done + size, number + 1
    return found


def _name(divergence: ta.Divergence) -> str:
    order = getattr(divergence, "order", None)
    return type(divergence).__name__ + (f"({order:g})" if order is not None else "")


def _markdown(data: dict[str, dict]) -> str:
    lines = [
        "| divergence | markets | groups attacked | best lie, paying | interior markets | least gain, nobody paying | "
        "interior markets without a profitable lie |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in data.items():
        without = "not asked" if name == "TotalVariation" else row["without_a_lie"]
        lines.append(
            f"| {name} | {row['markets']} | {row['attacks']} | {row['largest_gain']:.1e} | {row['interior']} | "
            f"{row['smallest_gain']:.1e} | {without} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    began = time.perf_counter()
    found = run(options.markets, options.seed)
    print("gains are relative to the sum of sizes times largest rewards\n")
    heads = ("markets", "attacks", "best lie, paying", "interior", "no payments, least", "without one")
    print(f"{'divergence':18}" + "".join(f"{head:>{width}}" for head, width in zip(heads, WIDTHS, strict=True)))
    for name, tally in found.items():
        numbers = (
            str(tally.markets),
            str(tally.attacks),
            f"{tally.largest_gain:.1e}",
            str(tally.interior),
            f"{tally.smallest_gain:.1e}",
            str(tally.without_a_lie),
        )
        print(f"{name:18}" + "".join(f"{number:>{width}}" for number, width in zip(numbers, WIDTHS, strict=True)))
    worst = max(tally.largest_gain for tally in found.values())
    smooth = [tally for name, tally in found.items() if name != "TotalVariation"]
    missing = sum(tally.without_a_lie for tally in smooth)
    disagreement = max(tally.disagreement for tally in found.values())
    total = sum(tally.markets for tally in found.values())
    print(f"\n{total} markets in {time.perf_counter() - began:.0f} s")
    print(f"with exact payments the best lie of all gains {worst:.1e}, allowed {ROUNDING:.0e}")
    print(f"without payments, smooth and interior: {missing} markets in which some group has no profitable lie")
    print(f"settling the lies again agrees to {disagreement:.1e}")
    if options.out:
        data = {name: vars(tally) for name, tally in found.items()}
        options.out.write_text(json.dumps({"seed": options.seed, "divergences": data}, indent=2, sort_keys=True) + "\n")
        options.out.with_suffix(".md").write_text(_markdown(data))
    return int(worst > ROUNDING or missing > 0 or disagreement > 100 * ROUNDING)


if __name__ == "__main__":
    sys.exit(main())

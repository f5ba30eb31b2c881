"""A bargain with measured costs: curves fitted to fine-tuning runs of a small language model, with their uncertainty.

What performance costs was measured (``measured/measure.py``): training compute against the loss that it takes off
held-out text, for a generalist that trains on two domains at once and for a specialist of each. What performance earns
was not: the prices in ``measured/prices-assumed.csv`` and the money for compute are assumptions.
"""

from pathlib import Path

import numpy as np

import tuneaccord as ta
from tuneaccord.config.runs import read_columns

FOLDER = Path(__file__).parent / "measured"
DOMAINS = ("documentation", "code")
COMPUTE = 1.0  # money for 10^12 operations: an assumption
LOSS = ta.Turned(unit=0.01)  # performance in hundredths of a nat a token below the untouched model


def runs(party: str, domain: str, start: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Money spent, held-out loss and run of each measurement of a party."""
    rows = {"party": party, "domain": domain, "start": str(start)}
    found = read_columns(FOLDER / "runs.csv", ("teraflop", "loss"), ("run",), rows)
    return COMPUTE * np.array(found["teraflop"]), np.array(found["loss"]), found["run"]


def fitted_cost(spend: np.ndarray, loss: np.ndarray, run: list[str], name: str) -> ta.Fit:
    """The cost curve, fitted and printed."""
    fit = ta.fit_cost(spend, loss, kind="Power", transform=LOSS, run=run, draws=40)
    low, high = fit.intervals()["exponent"]
    errors = ", ".join(f"{kind} {error:.2f}" for kind, error in fit.left_out.items())
    print(f"{name}: {fit.curve.scale:.4f} x^{fit.curve.exponent:.2f} (exponent {low:.2f} to {high:.2f})")
    print(f"    performance measured {fit.range[0]:.1f} to {fit.range[1]:.1f}; error in left-out runs: {errors}")
    return fit


print("Costs (90% intervals over 40 resamples of the runs)")
spend, _, names = runs("generalist", DOMAINS[0])
average = np.mean([runs("generalist", domain)[1] for domain in DOMAINS], axis=0)
generalist = fitted_cost(spend, average, names, "generalist")
specialists = {}
for domain in DOMAINS:
    cost = fitted_cost(*runs(domain, domain), domain)
    prices = read_columns(FOLDER / "prices-assumed.csv", ("loss", "revenue"), (), {"domain": domain})
    revenue = ta.fit_revenue(prices["loss"], prices["revenue"], transform=cost.transform, draws=0)
    print(f"    revenue: {revenue.curve} (of the assumed prices)")
    specialists[domain] = {"cost": cost, "revenue": revenue}

print("\nIs a specialist's cost that of its own improvement? Runs that start from a generalist's model")
for domain in DOMAINS:
    spent, loss, _ = runs(domain, domain, start=4096)
    cost = specialists[domain]["cost"]
    base, reached = cost.transform.performance(loss[0]), cost.transform.performance(loss[1:])
    own = np.median(cost.curve.value(reached - base) / spent[1:])
    level = np.median((cost.curve.value(reached) - cost.curve.value(base)) / spent[1:])
    print(f"    {domain} from {base:.1f}: by its own improvement {own:.2f} of what was spent, by level {level:.2f}")
print(
    "    No: what is left to gain gets dearer. A cost by the levels at its two ends comes closer, and is still too low."
)

for by_level, assumption in ((False, "the cost of its own improvement, as in the paper"), (True, "a cost by level")):
    parties = {name: fields | {"by_level": by_level} for name, fields in specialists.items()}
    calibrated = ta.calibrated_game(generalist, parties, games=40)
    agreement = calibrated.bargain(ta.Nash())
    print(f"\nNash bargain of all three, {assumption}: the base reaches {agreement.play.base_performance:.1f}")
    signed = calibrated.bargain_under_uncertainty(agreement.shares)
    for name in DOMAINS:
        share, reached = agreement.shares[name], agreement.play.performance[name]
        print(f"    {name} gives {share:.3f} of its revenue, {agreement.play.regimes[name]}, reaches {reached:.1f}")
    print("    What these shares bring, if the costs are any of 40 that the runs allow (middle 90%):")
    for name in calibrated.game.players:
        low, high = signed.interval(f"utility.{name}")
        print(f"        {name}: {agreement.play.utilities[name]:.2f} ({low:.2f} to {high:.2f})")
    print("    What each would agree to alone with the generalist, over the same costs (middle 90%):")
    for name in DOMAINS:
        alone = ta.calibrated_game(generalist, {name: parties[name]}, games=40)
        low, high = alone.bargain_under_uncertainty(ta.Nash()).interval(f"share.{name}")
        print(f"        {name}: {alone.bargain(ta.Nash()).shares[name]:.3f} ({low:.3f} to {high:.3f})")
    for sentence in calibrated.extrapolation(agreement):
        print(f"    Beyond the data: {sentence}")

print("\nBy level, what a specialist reaches does not depend on the base: a generalist that builds less than that")
print("earns nothing by it, and all that is left to share is the revenue.")

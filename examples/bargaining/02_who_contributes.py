"""When does a specialist improve the model, sell it as it is, or stay out? And who pays for the others' base?

A set-up cost makes small improvements not worth it, an entry cost makes taking part not worth it. With several
specialists each one's share also pays for the base that all the others build on.
"""

import numpy as np

import tuneaccord as ta


def game(setup: float, entry: float) -> ta.FineTuningGame:
    cost = ta.Fixed(setup, ta.Power(0.5, 2))
    specialist = ta.Specialist("legal", cost=cost, revenue=ta.Linear(1.0), entry_cost=entry)
    return ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, 2)), [specialist])


for setup, entry in [(0.05, 0.0), (0.3, 0.0), (0.3, 0.4)]:
    play = game(setup, entry).play({"legal": 0.5})
    print(f"set-up {setup}, entry {entry}: legal {play.regimes['legal']}.\n  {play.reasons['legal']}")

print(
    "\nThe same over a grid (c contributes, f free-rides, . abstains), set-up amount to the right, entry cost upwards:"
)
setups, entries = np.linspace(0.0, 0.4, 41), np.linspace(0.0, 0.4, 9)
axes = {"legal.cost.amount": setups, "legal.entry_cost": entries}
found = ta.regime_map(game(0.1, 0.1), axes, shares={"legal": 0.5})
for row in range(len(entries))[::-1]:
    print(f"{entries[row]:5.2f}  " + "".join(".fc"[code] for code in found.regimes["legal"][:, row]))
print(found)

three = ta.FineTuningGame(
    ta.Generalist(cost=ta.Power(1.0, 2)),
    [ta.Specialist(name, ta.Power(scale, 2), ta.Linear(1.0)) for name, scale in [("medical", 2.0), ("legal", 1.0)]],
)
low, high = (three.play({"medical": share, "legal": 0.3}) for share in (0.3, 0.6))
gain = high.utilities["legal"] - low.utilities["legal"]
print(f"\nIf medical gives 60% instead of 30%, legal gains {gain:.4f} from the better base without giving anything.")

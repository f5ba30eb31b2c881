"""Fairer-sounding rules, and how far each is from one that payments can make truthful.

A small grid of types can only refute: 0 says that no cycle was found among these twenty.
"""

import tuneaccord as ta

space = ta.Simplex([0.4, 0.3, 0.3], ta.KL(0.5))
reports = [
    ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 0.9, 0.2])),
    ta.Report("arcade", size=1, reward=ta.TableReward([0.2, 0.1, 1.0])),
]
types = ta.type_grid(space, 20, scale="max", sizes=(1.0, 3.0), seed=0)
rules = [ta.Welfare(), ta.SizeShare(), ta.NashWelfare(), ta.MaxMin(), ta.Bargained(ta.KalaiSmorodinsky())]
for rule in rules:
    result = ta.settle(space, reports, rule)
    values = ", ".join(f"{name} {value:.3f}" for name, value in result.values.items())
    verdict = ta.implementability(space, reports, rule, "clinic", types)
    print(f"{rule!s:48} {values}  distance from implementable {verdict.distance:.2g}")

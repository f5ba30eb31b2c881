"""The audit: without payments everybody gains by exaggerating; with them nobody does."""

import tuneaccord as ta

space = ta.Simplex([0.4, 0.3, 0.3], ta.KL(1.0))
reports = [
    ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 0.9, 0.0])),
    ta.Report("arcade", size=2, reward=ta.TableReward([0.2, 0.0, 1.0])),
]
for payment in (ta.Free(), ta.Externality()):
    found = ta.audit(ta.settle(space, reports, payment=payment))
    print(f"\n{payment}")
    for verdict in found.verdicts:
        print("-", verdict)

"""Three departments, three candidate answers: which model, and who pays what?"""

import tuneaccord as ta

space = ta.Simplex(base=[0.4, 0.3, 0.3], divergence=ta.KL(strength=1.0))
reports = [
    ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 0.9, 0.0])),
    ta.Report("school", size=1, reward=ta.TableReward([0.6, 0.5, 0.4])),
    ta.Report("arcade", size=2, reward=ta.TableReward([0.2, 0.0, 1.0])),
]
result = ta.settle(space, reports)

print("the chance of each answer:", result.model.round(3))
for name, value in result.values.items():
    print(f"{name:8} value {value:.3f}  pays {result.payments[name]:.3f}  keeps {result.utilities[name]:.3f}")
for promise in result.guarantees:
    print(f"{promise.name} ({promise.status}): {promise.statement}")

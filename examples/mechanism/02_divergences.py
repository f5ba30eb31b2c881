"""The same market under every divergence: how far the model moves, and what that does to payments."""

import tuneaccord as ta

reports = [
    ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 0.9, 0.0])),
    ta.Report("arcade", size=2, reward=ta.TableReward([0.2, 0.0, 1.0])),
]
divergences = [
    ta.KL(1.0),
    ta.ReverseKL(1.0),
    ta.ChiSquared(1.0),
    ta.TotalVariation(0.5),
    ta.SquaredHellinger(2.0),
    ta.JensenShannon(4.0),
    ta.Alpha(1.0, order=1.5),
]

print(f"{'divergence':34}{'chance of each answer':26}{'clinic pays':>12}{'arcade pays':>12}{'gap':>10}")
for divergence in divergences:
    result = ta.settle(ta.Simplex([0.4, 0.3, 0.3], divergence), reports)
    policy = " ".join(f"{chance:.3f}" for chance in result.model)
    clinic, arcade = result.payments.values()
    print(f"{divergence!s:34}{policy:26}{clinic:12.3f}{arcade:12.3f}{result.gap:10.1e}")

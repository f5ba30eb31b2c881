"""A generalist and one specialist bargain over who gets which share of what the specialist will earn.

The generalist builds a base of performance a for 1 a^2, the specialist improves it by x for 2 x^2, and a unit of
performance earns 1. Neither can be told what to invest: who gets more of the revenue invests more of its own accord.
"""

import tuneaccord as ta

game = ta.FineTuningGame(
    ta.Generalist(cost=ta.Power(1.0, 2)), [ta.Specialist("medical", cost=ta.Power(2.0, 2), revenue=ta.Linear(1.0))]
)

play = game.play({"medical": 0.4})
print(f"at a share of 40% the base is {play.base_performance:.3f}, the product {play.performance['medical']:.3f};")
print(f"medical {play.regimes['medical']}: {play.reasons['medical']}")

print("\nsolution              share     base  generalist  medical")
solutions = [ta.Nash(), ta.KalaiSmorodinsky(), ta.Egalitarian(), ta.Utilitarian(), ta.PowerfulGeneralist()]
for solution in [*solutions, ta.PowerfulSpecialist(), ta.MaxPerformance()]:
    agreement = game.bargain(solution)
    utilities = agreement.play.utilities
    print(
        f"{type(solution).__name__:<20} {agreement.shares['medical']:.4f}   {agreement.play.base_performance:.4f}"
        f"      {utilities['generalist']:.4f}   {utilities['medical']:.4f}"
    )

# The formulas of the paper for quadratic costs (c0 = 1, c1 = 2): (c1 - c0) / (2 c1 - c0) and c1 / (c0 + c1).
assert abs(game.bargain(ta.PowerfulSpecialist()).shares["medical"] - 1 / 3) < 1e-8
assert abs(game.bargain(ta.Utilitarian()).shares["medical"] - 2 / 3) < 1e-8

for piece in game.frontier().pieces:
    low, high = piece.low["medical"], piece.high["medical"]
    print(f"\nnobody can gain without the other losing from a share of {low:.4f} ({piece.low_reason})")
    print(f"to {high:.4f} ({piece.high_reason})")

print("\nAs a file: see game.yaml here, and run tuneaccord bargain game.yaml --report bargain.html")

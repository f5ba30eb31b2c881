"""Four models that exist, measured: choose one, and let a model's own running cost count."""

import tuneaccord as ta

models = ta.Candidates(
    values=[[0.50, 0.50], [0.90, 0.20], [0.30, 0.95], [0.72, 0.66]],
    prices=[0.0, 0.30, 0.25, 0.20],
    names=["base", "clinic-lora", "arcade-lora", "soup"],
    base="base",
)
reports = [ta.Report("clinic", size=3), ta.Report("arcade", size=2)]

for title, rule in {
    "as it is": ta.Welfare(),
    "the soup costs 0.5 more to serve": ta.Welfare(boosts=(0.0, 0.0, 0.0, -0.5)),
    "the arcade counts double": ta.Welfare(weights=(1.0, 2.0)),
}.items():
    result = ta.settle(models, reports, rule)
    paid = ", ".join(f"{name} pays {amount:.3f}" for name, amount in result.payments.items())
    print(f"{title}: {result.model}; {paid}")

"""One model, several ways to charge for it, and what each promises."""

import tuneaccord as ta

space = ta.Simplex([0.4, 0.3, 0.3], ta.KL(2.0))
reports = [
    ta.Report("clinic", size=3, reward=ta.TableReward([0.1, 1.0, 0.0], scale="max")),
    ta.Report("arcade", size=2, reward=ta.TableReward([0.2, 0.0, 1.0], scale="max")),
]
payments = [
    ta.Externality(),
    ta.Fee(scale="max"),
    ta.Redistribution(largest_size=3.0),
    ta.CostShare(by="size"),
    ta.Shapley(),
    ta.Free(),
]
for payment in payments:
    result = ta.settle(space, reports, payment=payment)
    promised = [promise.name for promise in result.guarantees if promise.status == "exact"]
    amounts = ", ".join(f"{name} {amount:+.4f}" for name, amount in result.payments.items())
    print(f"{payment!s:48} {amounts}\n    promised: {', '.join(promised) or 'nothing'}")

found = ta.cost_recovery(ta.settle(space, reports), bill=1.0, fee=ta.Fee(scale="max"))
print(found.statement, found.suggestion)

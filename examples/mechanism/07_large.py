"""A market of 64 groups and 20,000 responses: all payments in one read."""

import numpy as np

import tuneaccord as ta

rng = np.random.default_rng(0)
scores = rng.random((64, 20_000), dtype=np.float32)  # groups, responses
sizes = rng.integers(1, 11, 64)
found = ta.all_payments(scores, sizes, ta.KL(strength=sizes.sum() / 4))
print(f"{len(sizes)} payments, {found.payments.sum():.4f} in all; the largest is {found.payments.max():.4f}")

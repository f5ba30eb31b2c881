"""All leave-one-out optima and payments at once, by sums that never subtract large numbers.

``sums`` is the contract, ``portable`` and ``fused`` are its two tiers, ``payments`` the entry point, ``streaming``
reads tables larger than memory, ``pairs`` takes out two groups at a time, and ``gibbs`` is the careful route for
KL that the others fall back on. Import from the modules: divergences import ``gibbs`` and are imported by
``payments``.
"""

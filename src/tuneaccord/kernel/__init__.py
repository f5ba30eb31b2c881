"""All leave-one-out optima and payments at once, by sums that never subtract large numbers.

``sums`` is the contract and ``result`` what comes of it; ``portable``, ``chi_squared`` and ``fused`` are the tiers,
``solving`` is the way of all other divergences, and ``payments`` the entry point. ``streaming`` reads tables larger
than memory, ``pairs`` takes out two groups at a time, ``careful`` does the few payments under KL that no sum gives,
and ``gibbs`` is the policy. Import from the modules: divergences import ``gibbs``, ``portable`` and ``careful`` and
are imported by ``payments``.
"""

"""The compiled tier of the payment kernel, in numba: one file a family of divergences.

``kl`` and ``chi_squared`` give the sums of one read of the rewards, ``roots``, ``quadratic`` and
``total_variation`` the payments of the other cases, row by row; ``solved`` picks among these. ``arithmetic`` holds
the exponentials and logarithms, ``blocks`` the cutting into blocks and threads. Importing a module here imports numba.
"""

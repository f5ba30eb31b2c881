"""What :func:`tuneaccord.all_payments` takes: checks at the door, in the user's words."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.divergence.ratio import distribution
from tuneaccord.errors import InputError, MissingDependencyError, nearest, whole_number
from tuneaccord.kernel.arrays import blocks, is_tensor, like, namespace, to_numpy
from tuneaccord.rewards import to_numbers

_TIERS = ("auto", "portable", "fused")
#: so many rewards before compiled code pays for its compilation
_MANY = 1_000_000


def checked(scores, sizes, divergence, base):
    """Scores (prompts, groups, responses) in float32 or float64, sizes, and the base like the scores or None.

    Raises :class:`InputError` that says what was given, what was expected and what to try.

    >>> from tuneaccord import KL
    >>> checked([[0, 1]], [2], KL(1.0), None)[0].shape
    (1, 1, 2)
    """
    if not isinstance(divergence, Divergence):
        raise InputError(f"divergence must be a Divergence such as KL(strength=0.5), got {divergence!r}.")
    scores = _rewards(scores)
    groups = scores.shape[1]
    try:
        sizes = to_numbers("sizes", sizes)
    except InputError:
        raise InputError(f"sizes must be numbers, one for each group, got {sizes!r:.80}.") from None
    if sizes.shape != (groups,):
        raise InputError(
            f"sizes must have one number for each of the {groups} groups, got shape {sizes.shape}. Scores are "
            "(prompts, groups, responses): swap the last two axes if yours are the other way round."
        )
    if not (np.isfinite(sizes).all() and (sizes >= 0).all()):
        raise InputError(f"sizes must be finite and not negative, got {sizes.tolist()!s:.80}.")
    return scores, sizes, None if base is None else _base(base, scores)


def _rewards(scores):
    if not is_tensor(scores):
        try:
            scores = np.asarray(scores)
            if scores.dtype.kind not in "biufO":  # text and complex numbers, which NumPy would convert
                raise TypeError
            scores = scores if scores.dtype in (np.float32, np.float64) else scores.astype(float)
        except (TypeError, ValueError):
            raise InputError(f"scores must be a rectangular array of numbers, got {scores!r:.80}.") from None
    elif str(scores.dtype) not in ("torch.float32", "torch.float64"):
        scores = scores.detach().float()
    else:
        scores = scores.detach()
    if scores.ndim == 2:
        scores = scores[None]
    if scores.ndim != 3 or 0 in scores.shape:
        raise InputError(
            "scores must have shape (prompts, groups, responses) or (groups, responses) and not be empty, "
            f"got {tuple(scores.shape)}."
        )
    return scores


def _base(base, scores):
    prompts, _, responses = scores.shape
    try:
        table = to_numpy(base) if is_tensor(base) else to_numbers("base", base)
    except InputError:
        raise InputError(f"base must be numbers, got {base!r:.80}.") from None
    if table.shape not in ((responses,), (prompts, responses)):
        raise InputError(
            f"base must have shape ({responses},) or ({prompts}, {responses}) to fit the scores, got {table.shape}."
        )
    table = np.broadcast_to(table, (prompts, responses))
    if not np.isfinite(table).all() or (table < 0).any():
        raise InputError("base must be finite and not negative, because it is a probability of each response.")
    totals = table.sum(axis=1)
    worst = int(np.abs(totals - 1.0).argmax())
    if abs(totals[worst] - 1.0) > 1e-9:
        raise InputError(f"base must sum to 1, row {worst} sums to {totals[worst]:.12g}. Divide it by its sum.")
    return like(distribution(table), scores)


def check_finite(scores) -> None:
    """Raises :class:`InputError` where a score is NaN or infinite; one read.

    >>> check_finite(np.zeros((1, 1, 2)))
    """
    xp = namespace(scores)
    for rows, pieces in blocks(scores):
        for piece in pieces:
            with np.errstate(over="ignore", invalid="ignore"):
                total = scores[rows, :, piece].sum()  # infinities and NaN survive a sum; the copy is only made then
            if not bool(xp.isfinite(total)) and not bool(xp.isfinite(scores[rows, :, piece]).all()):
                raise InputError("every score must be a finite number. Leave out responses that nobody could score.")


def log_of(base):
    """The logarithm of a base like the scores, minus infinity at zero.

    >>> log_of(np.array([1.0, 0.0]))
    array([  0., -inf])
    """
    if is_tensor(base):
        return base.log()
    with np.errstate(divide="ignore"):
        return np.log(base)


def use_fused(tier: str, threads: int | None, scores) -> bool:
    """Whether the compiled tier does the work; raises the errors of ``tier`` and ``threads``.

    >>> use_fused("portable", None, np.zeros((1, 1, 1)))
    False
    """
    if tier not in _TIERS:
        raise InputError(f"tier must be one of {', '.join(_TIERS)}, got {tier!r}. {nearest(str(tier), _TIERS)}")
    if threads is not None:  # None is all cores
        whole_number("threads", threads, least=1)
    if tier == "portable":
        return False
    installed = find_spec("numba") is not None
    if tier == "auto":
        return installed and not is_tensor(scores) and scores.size > _MANY
    if is_tensor(scores):
        raise InputError("the fused tier reads NumPy arrays, got a tensor. Use tier='portable', or tensor.numpy().")
    if not installed:
        raise MissingDependencyError(
            "the fused tier needs numba. Run: pip install 'tuneaccord[fast]', or use tier='portable'."
        )
    return True

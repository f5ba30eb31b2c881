"""Two heuristic payments from checkpoints that were measured: plain functions of values and prices.

The rules that compute the checkpoints of an ideal run are in :mod:`tuneaccord.mechanism.payments.heuristics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneaccord.errors import InputError
from tuneaccord.rewards import to_numbers


def intermediate_payments(values, price, checkpoint_values, checkpoint_prices, sizes) -> np.ndarray:
    """Heuristic 1: what the others lose against the best checkpoint of the same run, shape (groups,).

    ``max_c [sum_{j != i} w_j v_j(c) - D(c)] - [sum_{j != i} w_j v_j - D]`` over the checkpoints ``c``, the
    chosen model among them. ``values`` (groups,) and ``price`` are the chosen model's, one member's value a group;
    ``checkpoint_values`` has shape (checkpoints, groups), ``checkpoint_prices`` (checkpoints,). All may have
    leading axes. Never negative. Not truthful: a report moves the checkpoints.

    Raises :class:`InputError` on shapes that do not fit and numbers that are not finite.

    Source: arXiv 2405.16276, Heuristic 1.

    >>> intermediate_payments([0.9, 0.2], 0.3, [[0.5, 0.5], [0.8, 0.4]], [0.0, 0.1], sizes=[3, 1])
    array([0.6, 0. ])
    """
    model = Measured.of(values, price, sizes)
    table = model.table("checkpoint", checkpoint_values, checkpoint_prices)
    return np.maximum(model.lost_by_the_others(*table).max(axis=-2), 0.0)


def early_stopped_payments(
    values,
    price,
    checkpoint_values: Sequence,
    checkpoint_prices: Sequence,
    sizes,
    *,
    public_values=None,
    public_prices=None,
    clip: bool = False,
) -> np.ndarray:
    """Heuristic 2: what the others lose against the best checkpoint of a run without the group, shape (groups,).

    As :func:`intermediate_payments`, with one table of checkpoints a group: ``checkpoint_values[i]`` of shape
    (checkpoints, groups) and ``checkpoint_prices[i]`` of shape (checkpoints,) are those of the run without group i,
    whose own column is not read. Runs may differ in length. ``public_values`` (models, groups) and
    ``public_prices`` (models,) are models that were fixed before anybody reported; the best of them and of the
    checkpoints counts. The payment is then never negative when the chosen model is one of them.

    Truth is dominant if the run without i does not see what i reported and the chosen model is the best one, and
    up to the gap of the chosen model otherwise. The payment can be negative; ``clip`` sets such a payment to 0,
    after which a lie can pay.

    Raises :class:`InputError` on shapes that do not fit and numbers that are not finite.

    Source: arXiv 2405.16276, Heuristic 2.

    >>> runs = [[[0.5, 0.5], [0.2, 0.8]], [[0.5, 0.5], [0.9, 0.1]]]
    >>> early_stopped_payments([0.9, 0.2], 0.3, runs, [[0.0, 0.2], [0.0, 0.4]], sizes=[3, 1])
    array([ 0.7, -0.1])
    """
    model = Measured.of(values, price, sizes)
    groups = len(model.sizes)
    if len(checkpoint_values) != groups or len(checkpoint_prices) != groups:
        raise InputError(
            f"there must be one table of checkpoints for each of the {groups} groups, of the run without it; "
            f"got {len(checkpoint_values)} of values and {len(checkpoint_prices)} of prices."
        )
    best = [
        model.lost_by_the_others(*model.table(f"checkpoint (run without group {i})", v, p, i))[..., i].max(axis=-1)
        for i, (v, p) in enumerate(zip(checkpoint_values, checkpoint_prices, strict=True))
    ]
    payments = np.stack(best, axis=-1)
    if (public_values is None) != (public_prices is None):
        raise InputError("public models need both public_values and public_prices.")
    if public_values is not None:
        table = model.table("public", public_values, public_prices)
        payments = np.maximum(payments, model.lost_by_the_others(*table).max(axis=-2))
    return np.maximum(payments, 0.0) if clip else payments


@dataclass(frozen=True, eq=False)
class Measured:
    """A model as it was measured: values (..., groups) and price (...,), beside the sizes."""

    values: np.ndarray
    price: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, values, price, sizes) -> Measured:
        values, price, sizes = (
            finite_numbers("values", values),
            finite_numbers("price", price),
            finite_numbers("sizes", sizes),
        )
        if sizes.ndim != 1 or values.shape[-1:] != sizes.shape or values.shape[:-1] != price.shape:
            raise InputError(
                f"values must have shape (groups,), price () and sizes (groups,), got {values.shape}, {price.shape} "
                f"and {sizes.shape}."
            )
        return cls(values, price, sizes)

    def table(self, name: str, values, prices, ignored: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Checked values (..., checkpoints, groups) and prices (..., checkpoints); column ``ignored`` is not read."""
        values = to_numbers(f"{name} values", values)
        if ignored is not None and values.ndim > 1 and values.shape[-1] == len(self.sizes):
            values[..., ignored] = 0.0
        values, prices = finite_numbers(f"{name} values", values), finite_numbers(f"{name} prices", prices)
        fits = values.ndim == self.values.ndim + 1 and values.shape[:-2] + values.shape[-1:] == self.values.shape
        if not fits or prices.shape != values.shape[:-1] or not prices.shape[-1]:
            raise InputError(
                f"{name} values must have shape (checkpoints, groups) with {len(self.sizes)} groups, and prices one "
                f"number a checkpoint; got {values.shape} and {prices.shape}."
            )
        return values, prices

    def lost_by_the_others(self, values: np.ndarray, prices: np.ndarray) -> np.ndarray:
        """By how much each model's net welfare without group i is above this one's, (..., checkpoints, groups)."""
        gains = self.sizes * (values - self.values[..., None, :])
        without = 1.0 - np.eye(len(self.sizes))  # a sum of the others' parts: a giant's own part costs them no digits
        return gains @ without - (prices - self.price[..., None])[..., None]


def finite_numbers(name: str, given) -> np.ndarray:
    array = to_numbers(name, given)
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite numbers, got {array[~np.isfinite(array)][0]}.")
    return array

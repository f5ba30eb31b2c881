"""A finite table of models: what each is worth to each group, and what each costs.

Checkpoints, soups or adapters that were trained and measured before anybody reported. The support function
is a maximum over the rows, the training rule picks a row, and every payment is exact arithmetic on the
table. Nothing is mixed: a row is a model that exists, not a lottery over models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.rewards import RewardModel, to_numbers
from tuneaccord.spaces.space import ModelSpace, Optimum


@dataclass(frozen=True, eq=False)
class Candidates(ModelSpace):
    """A fixed set of models, as given.

    ``values`` has shape (models, groups): one member's value of each model, columns in the order of the
    reports. ``prices`` has one number a model, its divergence from the base with the strength (or any cost in
    the same units). Reports then need no reward; a report that brings one, a table of one number a model,
    replaces its column. Ties go to the first of the tied rows. ``names`` are the models' names (default: their
    positions). ``base`` names the row of the untuned model, if it is there; no row is added unless
    :meth:`with_base` is asked to. Say ``fixed=False`` for models that were trained from the reports: then no
    settlement on them claims truthfulness (arXiv 2405.16276 plots such soups; they are manipulable).
    Prices may be any public cost, also a negative one; where a base is named they are divergences from it.

    Payments are never negative and nobody does worse than by staying out on any table. Truth is dominant if
    the table does not depend on any report.

    Raises :class:`InputError` on numbers that are not finite, shapes that do not fit, a base row that is not free,
    or a row that is cheaper than the base.

    Source: arXiv 2405.16276, section 5 (candidate models), Proposition 4.4.

    >>> import tuneaccord as ta
    >>> models = ta.Candidates([[0.5, 0.5], [0.9, 0.2], [0.1, 0.9]], prices=[0.0, 0.3, 0.2], names=["base", "a", "b"])
    >>> result = ta.settle(models, [ta.Report("clinic", size=3), ta.Report("arcade", size=1)])
    >>> result.model, round(result.payments["clinic"], 3)
    ('a', 0.8)
    """

    values: np.ndarray
    prices: np.ndarray
    names: tuple[str, ...] | None = None
    base: int | str | None = None
    fixed: bool = True

    def __post_init__(self) -> None:
        values, prices = _finite("values", self.values), _finite("prices", self.prices)
        if values.ndim != 2 or values.size == 0:
            raise InputError(f"values must have shape (models, groups), one row a model; got {values.shape}.")
        if prices.shape != values.shape[:1]:
            raise InputError(f"prices must have one number for each of the {len(values)} models, got {prices.shape}.")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "prices", prices)
        object.__setattr__(self, "names", _checked_names(self.names, len(values)))
        if not isinstance(self.fixed, bool):
            raise InputError(f"fixed must be True or False, got {self.fixed!r}.")
        if self.base is not None:
            self._check_base()

    def _check_base(self) -> None:
        row = self.index(self.base)
        if self.prices[row] != 0:
            raise InputError(
                f"the base model is free, but the price of row {self.base!r} is {self.prices[row]:g}. "
                "Set it to 0, or leave base out."
            )
        if self.prices.min() < 0:
            cheapest = int(self.prices.argmin())
            raise InputError(
                f"a divergence from the base is never negative, but the price of row {cheapest} is "
                f"{self.prices[cheapest]:g}. If prices are other costs, leave base out."
            )
        if not isinstance(self.base, str):
            object.__setattr__(self, "base", row)

    @property
    def shape(self) -> tuple[int, int]:
        """(1, models): a table counts as one prompt."""
        return 1, len(self.values)

    @property
    def prompt_weights(self) -> np.ndarray:
        return np.ones(1)

    @property
    def base_model(self) -> np.ndarray | None:
        return None if self.base is None else self.pick(self.base)

    def index(self, model: int | str) -> int:
        """The row of a model, by name or position.

        >>> Candidates([[1.0], [2.0]], [0.0, 0.0], names=["base", "soup"]).index("soup")
        1
        """
        if isinstance(model, str):
            if self.names is None:
                raise InputError(
                    f"the models have no names, got {model!r}. Use a row from 0 to {len(self.values) - 1}."
                )
            if model not in self.names:
                raise InputError(f"there is no model {model!r}. {nearest(model, self.names)}")
            return self.names.index(model)
        if isinstance(model, bool) or not isinstance(model, int | np.integer) or not 0 <= model < len(self.values):
            raise InputError(f"a model must be a name or a row from 0 to {len(self.values) - 1}, got {model!r}.")
        return int(model)

    def pick(self, model: int | str) -> np.ndarray:
        """One model of the set, as :meth:`evaluate` takes it: shape (1, models), a single 1."""
        chosen = np.zeros(self.shape)
        chosen[0, self.index(model)] = 1.0
        return chosen

    def with_base(self, values, name: str = "base") -> Candidates:
        """The same set with the untuned model as its first row, worth ``values`` to one member of each group.

        >>> Candidates([[0.9, 0.2]], [0.3]).with_base([0.5, 0.5]).prices
        array([0. , 0.3])
        """
        if self.base is not None:
            raise InputError(f"the set has a base already, row {self.base!r}. Leave it, or build the set without base.")
        row = _finite("values", values)
        if row.shape != self.values.shape[1:]:
            raise InputError(
                f"the base needs one value for each of the {self.values.shape[1]} groups, got {row.shape}."
            )
        names = None if self.names is None else (name, *self.names)
        return Candidates(np.vstack([row, self.values]), np.append(0.0, self.prices), names, base=0, fixed=self.fixed)

    def scores(self, rewards: list[RewardModel | None]) -> np.ndarray:
        groups = self.values.shape[1]
        if len(rewards) != groups:
            raise InputError(f"the table has {groups} columns of values but there are {len(rewards)} reports.")
        columns = [
            self.values[:, group] if reward is None else reward.on(self.shape)[0]
            for group, reward in enumerate(rewards)
        ]
        return np.stack(columns, axis=-1)[None]

    def optimum(self, scores: np.ndarray, sizes: np.ndarray) -> Optimum:
        best = int((scores[0] @ sizes - self.prices).argmax())
        for _ in range(len(self.prices)):  # measured from the row itself, differences are finer; ties go to the first
            better = int(self._ahead(scores, sizes, best).argmax())
            if better == best:
                break
            best = better
        model = self.pick(best)
        values, price = self.evaluate(scores, model)
        return Optimum(model, values @ sizes - price, values, price)

    def evaluate(self, scores: np.ndarray, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return model @ scores[0], model @ self.prices

    def externalities(self, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> np.ndarray:
        chosen = int(optimum.model[0].argmax())
        gains = sizes * (scores[0] - scores[0, chosen])
        ahead = self._ahead(scores, sizes, chosen)[:, None] - gains
        mass = np.abs(gains).max(axis=0)
        for group in np.flatnonzero(mass > 0.5 * mass.sum()):  # its own part would leave no digits for the others
            ahead[:, group] = np.delete(gains, group, axis=1).sum(axis=1) - (self.prices - self.prices[chosen])
        return np.maximum(ahead.max(axis=0), 0.0)[None]

    def gap(self, scores: np.ndarray, sizes: np.ndarray, optimum: Optimum) -> float:
        return float(self._ahead(scores, sizes, int(optimum.model[0].argmax())).max())

    def _ahead(self, scores: np.ndarray, sizes: np.ndarray, chosen: int) -> np.ndarray:
        """By how much the net welfare of each row is above that of row ``chosen``."""
        gains = sizes * (scores[0] - scores[0, chosen])
        return gains.sum(axis=1) - (self.prices - self.prices[chosen])  # not @, whose rounding may differ by row

    def shown(self, model: np.ndarray) -> int | str:
        row = int(model[0].argmax())
        return row if self.names is None else self.names[row]

    def boosted(self, boosts: np.ndarray) -> Candidates:
        boosts = _finite("boosts", boosts)
        if boosts.shape != self.prices.shape:
            raise InputError(f"boosts must have one number for each of the {len(self.prices)} models.")
        return replace(self, prices=self.prices - boosts, base=None)

    def to_dict(self) -> dict:
        return {
            "kind": "Candidates",
            "values": self.values.tolist(),
            "prices": self.prices.tolist(),
            "names": None if self.names is None else list(self.names),
            "base": self.base,
            "fixed": self.fixed,
        }

    @classmethod
    def from_dict(cls, data: dict) -> Candidates:
        """Rebuild the set that :meth:`to_dict` wrote."""
        return cls(**{key: value for key, value in data.items() if key != "kind"})


def _finite(name: str, given) -> np.ndarray:
    try:
        array = to_numbers(name, given)
    except InputError:
        raise InputError(
            f"{name} must be a rectangular table of numbers, one row a model and one column a group; got {given!r:.80}."
        ) from None
    if not np.isfinite(array).all():
        place = ", ".join(str(int(i)) for i in np.argwhere(~np.isfinite(array))[0])
        raise InputError(f"{name} must be finite numbers, got {array[~np.isfinite(array)][0]} at [{place}].")
    array.flags.writeable = False
    return array


def _checked_names(names, models: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    names = (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)
    if len(names) != models or not all(isinstance(name, str) and name.strip() for name in names):
        raise InputError(f"names must be {models} non-empty texts, one for each model; got {names!r:.80}.")
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise InputError(f"model {repeated[0]!r} is named twice. Give each model its own name.")
    return names

"""Any parameter object to plain data and back, by its public class name.

A variant is a frozen dataclass whose fields are its parameters, so one function serves all of them, and
the package's public list is the registry: adding a class and its line there makes it readable from YAML.
"""

from __future__ import annotations

import dataclasses
from types import FunctionType
from typing import Any

from tuneaccord.errors import InputError, nearest

_EXAMPLES = {"TrainingRule": "{kind: Welfare}", "PaymentRule": "{kind: Externality}"}


def to_data(spec: Any) -> dict:
    """A parameter object as plain data: its class name under ``kind``, then its fields, nested ones likewise.

    >>> from tuneaccord import KL
    >>> to_data(KL(strength=0.5))
    {'kind': 'KL', 'strength': 0.5}
    """
    fields = {field.name: _plain(getattr(spec, field.name)) for field in dataclasses.fields(spec)}
    return {"kind": type(spec).__name__, **fields}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_data(value)
    if isinstance(value, FunctionType):
        raise InputError(f"a function of Python, {value!r:.60}, cannot be written as data. For a curve try Tabulated.")
    return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value


def _object(value: Any) -> Any:
    if isinstance(value, dict) and "kind" in value:
        return from_data(value)
    return type(value)(map(_object, value)) if type(value) in (tuple, list) else value


def from_data(data: dict, expected: type | None = None) -> Any:
    """The object that :func:`to_data` wrote, or that a user wrote in YAML.

    Where one ``expected`` class says what it is about, the name alone does: ``MaxMin`` for ``{kind: MaxMin}``.
    Raises :class:`InputError` on an unknown kind or field, with the nearest valid name.

    >>> from_data({"kind": "KL", "strength": 0.5})
    KL(strength=0.5)
    >>> from_data({"kind": "Bargained", "solution": {"kind": "KalaiSmorodinsky"}})
    Bargained(solution=KalaiSmorodinsky())
    """
    if isinstance(data, str) and expected is not None:
        data = {"kind": data}
    if not isinstance(data, dict) or "kind" not in data:
        example = _EXAMPLES.get(getattr(expected, "__name__", ""), "{kind: KL, strength: 0.5}")
        raise InputError(f"expected a mapping with a 'kind', such as {example}, got {data!r:.80}.")
    registry = _registry(expected)
    fields = {key: value for key, value in data.items() if key != "kind"}
    if not isinstance(data["kind"], str) or data["kind"] not in registry:
        raise InputError(f"unknown kind {data['kind']!r}. {nearest(data['kind'], registry)}")
    cls = registry[data["kind"]]
    valid = [field.name for field in dataclasses.fields(cls)]
    for key in fields:
        if key not in valid:
            raise InputError(f"{data['kind']} has no field {key!r}. {nearest(key, valid)}")
    fields = {key: _object(value) for key, value in fields.items()}
    try:
        return cls(**fields)
    except TypeError:
        raise InputError(f"{data['kind']} needs {', '.join(valid)}; got {', '.join(fields) or 'nothing'}.") from None


def _registry(expected: type | None) -> dict[str, type]:
    import tuneaccord

    public = {name: getattr(tuneaccord, name) for name in tuneaccord.__all__}
    return {
        name: value
        for name, value in public.items()
        if isinstance(value, type)
        and dataclasses.is_dataclass(value)
        and (expected is None or issubclass(value, expected))
    }

"""YAML files as checked, immutable settings.

A settings class derives from :class:`Section` and lists its keys as annotated fields; :func:`load_yaml`
reads a file into it or says in one line which key is wrong, where, and what to write instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainValidator, ValidationError, ValidationInfo

from tuneaccord.config.complaints import complaint
from tuneaccord.config.syntax import parse
from tuneaccord.errors import InputError
from tuneaccord.files import read_text


class Section(BaseModel):
    """A part of a configuration file: no unknown key, no silent conversion, no NaN, immutable.

    A whole number is fine where a number is expected; ``"3"`` is not. The ``examples`` of a field become
    the "Try ..." of its errors.

    >>> from pydantic import Field
    >>> class Money(Section):
    ...     currency: str
    ...     rate: float = Field(1.0, gt=0, examples=[100])
    >>> Money(currency="EUR").rate
    1.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True)


Settings = TypeVar("Settings", bound=BaseModel)


def load_yaml(path: Path | str, model: type[Settings]) -> Settings:
    """The settings in the YAML file ``path``, checked against ``model``.

    Raises :class:`InputError` in one line that names the file, the line and the key: a file that cannot be
    read or is not UTF-8, bad syntax, a key written twice, an unknown key (with the nearest valid one), a
    missing key, a value of the wrong type or out of range, and whatever the model's own validators raise
    as ``ValueError``. With several mistakes the first is told in full and the places of the others.

    Validators find the file's folder under ``info.context["folder"]``; :data:`RelativePath` uses it.
    """
    path = Path(path)
    document = parse(read_text(path, "configuration file"), str(path))
    if not isinstance(document.data, dict):
        keys = ", ".join(list(model.model_fields)[:3])
        raise InputError(f"{path}: expected keys with values, such as {keys}, at the top level.")
    try:
        # by way of JSON, where lists may become tuples and texts paths although everything else is strict
        return model.model_validate_json(json.dumps(document.data), context={"folder": path.parent})
    except ValueError as error:
        if not isinstance(error, ValidationError):  # json refuses a value that contains itself
            raise InputError(f"{path} refers to itself with an alias. Write the value out.") from None
        if error.errors()[0]["type"] == "json_invalid":  # only depth can be wrong with what json wrote
            raise InputError(f"{path} is nested too deeply to be a configuration file.") from None
        raise InputError(complaint(error, document, model, str(path))) from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply to be a configuration file.") from None


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    if "\0" in str(path):
        raise InputError("a path cannot have a zero character.")
    folder = (info.context or {}).get("folder")
    return path if folder is None else Path(folder) / path


#: A path in a configuration file: relative paths are relative to the file.
RelativePath = Annotated[Path, AfterValidator(_beside_the_file)]


def spec(expected: type, optional: bool = False) -> PlainValidator:
    """A validator for a parameter object written by its kind, such as ``{kind: KL, strength: 0.5}``.

    ``optional`` lets None through.

    >>> from tuneaccord import KL, Divergence
    >>> class Market(Section):
    ...     divergence: Annotated[Divergence, spec(Divergence)] = KL(strength=1.0)
    >>> Market(divergence={"kind": "KL", "strength": 0.5}).divergence
    KL(strength=0.5)
    """
    from tuneaccord.specs import from_data

    def read(given: Any) -> Any:
        if isinstance(given, expected) or (optional and given is None):
            return given
        if isinstance(given, dict) and not isinstance(given.get("kind", ""), str):
            raise InputError(f"kind must be a name such as KL, got {given['kind']!r:.40}.")
        return from_data(given, expected)

    return PlainValidator(read)

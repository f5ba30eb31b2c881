"""How data enters the service: as settings of a known form, as names and as texts that can be stored and shown."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from tuneaccord.config.complaints import complaint
from tuneaccord.config.loading import Section
from tuneaccord.service.errors import Invalid
from tuneaccord.specs import to_data

LONGEST_TEXT = 20_000  #: characters of a prompt or a response
LONGEST_NAME = 80

Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT), AfterValidator(lambda text: checked_text(text))]

Model = TypeVar("Model", bound=Section)


class _NoLines:
    """Stands for a file where the data came from elsewhere."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def line(self, path: Any) -> int:
        return 0


def checked(model: type[Model], data: Any, what: str, as_given: bool = False) -> Model:
    """``data`` as settings of the kind ``model``.

    ``as_given`` is for what is large and has nothing in it that is read otherwise from JSON than from Python.

    Raises :class:`Invalid` in one line that names the key, what was expected and what to try.
    """
    if not isinstance(data, Mapping):
        raise Invalid(f"{what}: expected a mapping with keys such as {', '.join(list(model.model_fields)[:3])}.")
    try:
        if as_given:
            return model.model_validate(dict(data))
        return model.model_validate_json(json.dumps(dict(data)))
    except ValidationError as error:
        text = complaint(error, _NoLines(dict(data)), model, what)
        raise Invalid(text.replace(", line 0:", ":").replace(" (line 0)", "")) from None
    except (ValueError, TypeError, RecursionError):
        raise Invalid(f"{what}: this is not plain data of numbers, texts, lists and mappings.") from None


def plain(section: Any) -> Any:
    """Checked settings as the plain data that is stored: parameter objects by their kind, all defaults written out."""
    if isinstance(section, Section):
        return {name: plain(getattr(section, name)) for name in type(section).model_fields}
    if dataclasses.is_dataclass(section) and not isinstance(section, type):
        return to_data(section)
    return [plain(one) for one in section] if isinstance(section, list | tuple) else section


def checked_text(text: str) -> str:
    """``text`` if it can be stored and shown everywhere, else ValueError."""
    if "\0" in text or any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise ValueError("a text cannot have a zero character or half a surrogate pair.")
    return text


def checked_name(name: Any) -> str:
    """A group's name as it is used: not empty, one line, no control characters, trimmed.

    >>> checked_name(" legal ")
    'legal'
    """
    if not isinstance(name, str) or not name.strip() or len(name.strip()) > LONGEST_NAME:
        raise Invalid(f"a group's name must be a text of 1 to {LONGEST_NAME} characters, got {name!r:.90}.")
    if not name.strip().isprintable():
        raise Invalid("a group's name must be one line without control characters.")
    return name.strip()


def finite(number: Any) -> bool:
    """Whether this is a number that can be computed with."""
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)

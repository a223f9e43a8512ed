"""Configurations as plain values, for JSON and back."""

import reprlib
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any, Self, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class JsonConfig:
    """A frozen dataclass of strings, numbers, booleans and tuples of them that files can hold."""

    def check(self) -> None:
        """Sees that the values make sense; for subclasses to say what does.

        Raises:
          ValueError: one does not; the message names it.
        """

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> Self:
        """The inverse of `to_dict`, for values from anywhere.

        Raises:
          ValueError: they are no mapping; a field is missing, unknown, of another type, or has a
            value that makes no sense; the message names it.
        """
        if not isinstance(values, dict):
            raise ValueError(f"configuration is {reprlib.repr(values)}, expected named fields")
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise ValueError(
                f"configuration has fields {sorted(map(str, values))}, expected {sorted(names)}"
            )
        hints = get_type_hints(cls)
        for name, value in values.items():
            if not _fits(value, hints[name]):
                raise ValueError(f"configuration field '{name}' is {reprlib.repr(value)}")
        config = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
        config.check()
        return config


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Sees that a field's value is one of low .. high; raises a `ValueError` that names it."""
    if not low <= value <= high:
        raise ValueError(
            f"configuration field '{name}' is {reprlib.repr(value)}, expected {low} to {high}"
        )


def require_names(name: str, values: tuple[str, ...]) -> None:
    """Sees that a field has names, none of them twice; raises a `ValueError` that names it."""
    if not values or len({*values}) != len(values):
        raise ValueError(f"configuration field '{name}' is {values}, expected different names")


def _fits(value: object, hint: Any) -> bool:
    """Whether a value of JSON is of a field's type."""
    if get_origin(hint) is tuple:
        element, *_ = get_args(hint)
        return isinstance(value, list | tuple) and all(_fits(each, element) for each in value)
    if hint is float:
        largest = sys.float_info.max  # not a number is not between, either
        return type(value) in (int, float) and -largest <= value <= largest  # type: ignore[operator]
    return type(value) is hint

"""Configurations as plain values, for JSON and back."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self, get_origin, get_type_hints


@dataclass(frozen=True)
class JsonConfig:
    """A frozen dataclass of strings, numbers, booleans and tuples that files can hold."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
          ValueError: a field is missing, unknown or of another type; the message names it.
        """
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise ValueError(f"configuration has fields {sorted(values)}, expected {sorted(names)}")
        hints = get_type_hints(cls)
        for name, value in values.items():
            if not isinstance(value, _PLAIN.get(get_origin(hints[name]) or hints[name], ())):
                raise ValueError(f"configuration field '{name}' is {value!r}")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


_PLAIN: dict[Any, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    float: (int, float),
    bool: (bool,),
    tuple: (list, tuple),
}

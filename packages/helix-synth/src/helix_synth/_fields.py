"""What a spec holds: each field declared once, with its type, bounds and meaning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a spec.

    Attributes
    ----------
    default : bool, int, float, str or tuple
        Its type is the field's.
    low, high : int or float, optional
        Inclusive bounds.
    choices : tuple of str
        What a string may be; for a tuple, what its items may be.
    meaning : str
    """

    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    meaning: str = ""

    def check(self, generator: str, name: str, value: Any) -> Any:
        """The value in the field's type.

        Raises
        ------
        SpecError
            If it is of another type or out of bounds.
        """
        kind = type(self.default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is tuple and isinstance(value, list):
            value = tuple(value)
        if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            value = value.item()
        fine = type(value) is kind
        if fine and kind is tuple:
            fine = bool(value) and set(value) <= set(self.choices)
        elif fine and self.choices:
            fine = value in self.choices
        elif fine and kind in (int, float):
            fine = value == value  # not NaN
            fine &= self.low is None or value >= self.low
            fine &= self.high is None or value <= self.high
        if not fine:
            raise SpecError(
                f"[{generator}] expected {name}: {self}; got {value!r}. "
                f"Hint: {self.meaning or 'see helix synth list'}"
            )
        return value

    def __str__(self) -> str:
        kind = type(self.default).__name__
        if self.choices:
            return f"{kind} of {', '.join(self.choices)}"
        if self.low is None and self.high is None:
            return kind
        if self.high is None:
            return f"{kind} >= {self.low:g}"
        return f"{kind} in [{self.low:g}, {self.high:g}]"


def field(
    default: Any,
    low: float | None = None,
    high: float | None = None,
    meaning: str = "",
    *,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field of a generator's spec in its class body."""
    return Field(default=default, low=low, high=high, choices=choices, meaning=meaning)


def checked(
    generator: str, fields: Mapping[str, Field], values: Mapping[str, Any]
) -> dict[str, Any]:
    """A whole spec: the given values, the defaults for the others."""
    unknown = [name for name in values if name not in fields]
    if unknown:
        raise SpecError(
            f"[{generator}] expected fields of {', '.join(fields) or '(none)'}; "
            f"got {', '.join(unknown)}. Hint: helix synth list {generator}"
        )
    return {
        name: f.check(generator, name, values.get(name, f.default))
        for name, f in fields.items()
    }


def canonical(spec: Mapping[str, Any]) -> str:
    """The one JSON text of a spec: sorted keys, no spaces, shortest floats."""
    return json.dumps(spec, sort_keys=True, separators=(",", ":"), allow_nan=False)

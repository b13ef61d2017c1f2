"""Configurations of models: frozen records of plain values."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, Self, cast

from ._check import LayerError


class Config:
    """Base of the frozen dataclasses that configure models."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """A configuration from plain values, such as JSON.

        Raises
        ------
        LayerError
            For a name that is none of the fields.
        """
        known = [f.name for f in fields(cast(Any, cls))]
        unknown = [k for k in values if k not in known]
        if unknown:
            raise LayerError(
                f"[{cls.__name__}] expected settings of {', '.join(known)}; got "
                f"{', '.join(unknown)}"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(cast(Any, self))

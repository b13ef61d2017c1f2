"""What a fault is: a change after which a sample breaks its promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from .._block import Sample

# takes a sample, another of the same generator, luck and a severity in (0, 1]; changes
# the (copied) sample and says whether it could
Change = Callable[[Sample, Mapping[str, Any], Random, float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A kind of fault.

    Attributes
    ----------
    name : str
    change : callable
    modality : str
        Of the generators it is for; "" is every one.
    only : tuple of str
        Names of generators; () is all of the modality.
    graded : bool
        Whether it has a severity.
    """

    name: str
    change: Change
    modality: str = ""
    only: tuple[str, ...] = ()
    graded: bool = False

    def fits(self, generator: str, modality: str) -> bool:
        """Whether samples of this generator can have it."""
        if self.only:
            return generator in self.only
        return self.modality in ("", modality)


FAULTS: list[Fault] = []


def fault(
    modality: str = "", *only: str, graded: bool = False
) -> Callable[[Change], Change]:
    """Register a change under its function's name."""

    def add(change: Change) -> Change:
        name = f"{modality or 'any'}: {change.__name__.strip('_').replace('_', ' ')}"
        FAULTS.append(
            Fault(name=name, change=change, modality=modality, only=only, graded=graded)
        )
        return change

    return add


def arrays(sample: Mapping[str, Any], kinds: str = "biuf") -> list[str]:
    """Fields that are non-empty arrays of these kinds of dtype."""
    return [
        k
        for k, v in sample.items()
        if isinstance(v, np.ndarray) and v.size and v.dtype.kind in kinds
    ]


def copied(sample: Mapping[str, Any]) -> Sample:
    """The same sample in memory of its own."""
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in sample.items()}

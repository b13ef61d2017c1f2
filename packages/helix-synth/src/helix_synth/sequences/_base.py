"""What sequence tasks share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .._block import Column
from ..generator import Generator

IGNORE = -100  # a target that no loss counts


class SequenceTask(Generator):
    """A task on tokens.

    A sample has ``inputs`` (time,) int32 and ``targets`` (time,) int32: what the model
    should say at each position, -100 where it does not matter.
    """

    modality: ClassVar[str] = "sequence"


def pair(inputs: np.ndarray, targets: np.ndarray) -> dict[str, Column]:
    """The two columns of a task."""
    return {
        "inputs": np.ascontiguousarray(inputs, np.int32),
        "targets": np.ascontiguousarray(targets, np.int32),
    }


def ignored(rows: int, length: int) -> np.ndarray:
    """Targets that nothing asks for yet: (row, time) int32."""
    return np.full((rows, length), IGNORE, np.int32)

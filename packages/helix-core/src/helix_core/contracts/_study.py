"""What the factory of a study gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Study(Protocol):
    """An experiment of many runs, each resumable on its own.

    Attributes
    ----------
    version : int
        Results of another version count no more.
    """

    version: int

    def cells(self) -> Sequence[str]:
        """The runs, as unique keys in the order they are made: ``"xor/early/seed0"``."""

    def run(self, cell: str) -> dict[str, Any]:
        """Make one run: numbers and words for a JSON file. The same key, the same run."""

    def judge(self, results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows of what was aimed at and reached, by the results there are so far.

        Each row has ``goal`` (str), ``measured`` and ``target`` (float), ``better``
        ("higher" or "lower"), ``runs`` (how many it rests on) and ``ok`` (bool).
        """

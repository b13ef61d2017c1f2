"""Batches by number: what lets a run resume anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from helix_core import HelixError


class Stream(Protocol):
    """An endless sequence of batches."""

    def __getitem__(self, k: int) -> Any:
        """Batch k, always the same for the same k."""


class _Cycle:
    """A finite sequence of batches, again and again."""

    def __init__(self, batches: Any) -> None:
        if len(batches) == 0:
            raise HelixError("[trainer] expected at least one batch; got none")
        self.batches = batches

    def __getitem__(self, k: int) -> Any:
        return self.batches[k % len(self.batches)]


class _Replay:
    """An iterable of batches, started again at its end. Going back, or resuming, reads
    from the start: give the data a ``__getitem__`` to seek instead."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches
        self.it: Iterator[Any] = iter(batches)
        self.next = 0

    def __getitem__(self, k: int) -> Any:
        if k < self.next:
            self.it, self.next = iter(self.batches), 0
        while True:
            batch = self._one()
            self.next += 1
            if self.next > k:
                return batch

    def _one(self) -> Any:
        for batch in self.it:
            return batch
        self.it = iter(self.batches)
        for batch in self.it:
            return batch
        raise HelixError("[trainer] expected at least one batch; the data is empty")


def as_stream(data: Any) -> Stream:
    """A stream from one, from a sequence of batches, or from any iterable of them."""
    if hasattr(data, "__getitem__"):
        return _Cycle(data) if hasattr(data, "__len__") else data  # type: ignore
    if hasattr(data, "__iter__"):
        return _Replay(data)
    raise HelixError(
        "[trainer] expected data with __getitem__ or __iter__; got "
        f"{type(data).__name__}"
    )

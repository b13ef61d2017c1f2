"""Batches by number: what lets a run resume anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from helix_core import HelixError

from ._shuffle import Permutation


class Stream(Protocol):
    """An endless sequence of batches."""

    def __getitem__(self, k: int) -> Any:
        """Batch k, always the same for the same k."""


class Shuffle:
    """Which of n items are in batch k: epochs of random order, entered anywhere in O(1).

    Parameters
    ----------
    n, batch : int
        Items in an epoch, and in a batch; a batch may span two epochs.
    seed : int
    """

    def __init__(self, n: int, batch: int, seed: int) -> None:
        if n < 1 or batch < 1:
            raise HelixError(
                f"[shuffle] expected at least one item, in batches of at least one; got "
                f"n={n}, batch={batch}"
            )
        self.n, self.batch, self.seed = n, batch, seed
        self._known: dict[int, Permutation] = {}

    def __getitem__(self, k: int) -> np.ndarray:
        """Item numbers, int64 (batch,)."""
        place = np.arange(k * self.batch, (k + 1) * self.batch)
        epoch, at = place // self.n, place % self.n
        first, last = int(epoch[0]), int(epoch[-1])
        if first == last:
            return self._epoch(first)(at)
        parts = (self._epoch(e)(at[epoch == e]) for e in range(first, last + 1))
        return np.concatenate(list(parts))

    def _epoch(self, epoch: int) -> Permutation:
        if epoch not in self._known:
            self._known = {epoch: Permutation(self.n, self.seed, epoch)}
        return self._known[epoch]


class Batches:
    """Shuffled batches of arrays, endless; batch k is a function of (seed, k).

    Parameters
    ----------
    arrays : ndarray (item, ...)
        Equally long.
    batch : int
    seed : int

    Examples
    --------
    >>> data = Batches(np.arange(6), np.arange(6) * 10, batch=3, seed=0)
    >>> x, y = data[1000]
    >>> bool((y == 10 * x).all()), x.shape
    (True, (3,))
    """

    def __init__(self, *arrays: np.ndarray, batch: int, seed: int = 0) -> None:
        sizes = {len(a) for a in arrays}
        if len(sizes) != 1:
            raise HelixError(
                f"[batches] expected arrays of one length; got {sorted(sizes)}"
            )
        self.arrays = arrays
        self.shuffle = Shuffle(sizes.pop(), batch, seed)

    def __getitem__(self, k: int) -> tuple[np.ndarray, ...]:
        rows = self.shuffle[k]
        return tuple([a[rows] for a in self.arrays])


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
            self._again()
            self.next = 0
        while True:
            batch = self._one()
            self.next += 1
            if self.next > k:
                return batch

    def _one(self) -> Any:
        for batch in self.it:
            return batch
        self._again()
        for batch in self.it:
            return batch
        raise HelixError("[trainer] expected at least one batch; the data is empty")

    def _again(self) -> None:
        it = iter(self.batches)
        if it is self.it:
            raise HelixError(
                f"[trainer] expected data that can be read more than once; this "
                f"{type(it).__name__} ended after {self.next} batches. Hint: a list, or "
                "an object whose __iter__ starts anew"
            )
        self.it = it


def as_stream(data: Any) -> Stream:
    """A stream from one, from a sequence of batches, or from any iterable of them."""
    if isinstance(data, Mapping) or not (
        hasattr(data, "__getitem__") or hasattr(data, "__iter__")
    ):
        raise HelixError(
            "[trainer] expected data with __getitem__ or __iter__; got "
            f"{type(data).__name__}"
        )
    if hasattr(data, "__getitem__"):
        return _Cycle(data) if hasattr(data, "__len__") else data
    return _Replay(data)

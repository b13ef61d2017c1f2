"""One row's random words, one after another."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import TypeVar

T = TypeVar("T")


class Tape:
    """Words of one stream for code that loops; extends itself as it is read."""

    __slots__ = ("_at", "_block", "_more", "_row", "_words")

    def __init__(
        self,
        words: list[int],
        row: int,
        block: int,
        more: Callable[[int, int], list[int]],
    ) -> None:
        self._words, self._row, self._block, self._more = words, row, block, more
        self._at = 0

    def word(self) -> int:
        """32 bits."""
        if self._at == len(self._words):
            self._words = self._more(self._row, self._block)
            self._block += 16
            self._at = 0
        w = self._words[self._at]
        self._at += 1
        return w

    def below(self, n: int) -> int:
        """An integer in [0, n), n up to 2**32, without bias."""
        product = self.word() * n
        if (product & 0xFFFFFFFF) < n:
            floor = 0x100000000 % n
            while (product & 0xFFFFFFFF) < floor:
                product = self.word() * n
        return product >> 32

    def uniform(self) -> float:
        """A float in [0, 1)."""
        return self.word() * 2.0**-32

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Permute in place (Fisher and Yates)."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """k different items, in random order."""
        pool = list(items)
        for i in range(k):
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:k]

    def weighted(self, weights: Sequence[float]) -> int:
        """An index, each with its weight's share."""
        total = 0.0
        for w in weights:
            total += w
        u = self.uniform() * total
        for i, w in enumerate(weights):
            u -= w
            if u < 0:
                return i
        return len(weights) - 1

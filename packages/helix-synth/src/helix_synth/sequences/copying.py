"""Tasks that say the sequence again: as it was, in part, backwards or in order."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import SequenceTask, ignored, pair


class _Echo(SequenceTask):
    """``items`` tokens, a separator, then room for the answer.

    Tokens are 0 to vocab - 1; the separator is ``vocab``, a blank ``vocab + 1``. The
    answer is the target of the separator and of the blanks after it.
    """

    items: int = field(64, 1, 1 << 20, "tokens to say again")
    vocab: int = field(32, 2, 1 << 20, "tokens there are")

    def answer(self, tokens: np.ndarray) -> np.ndarray:
        """From (row, item) to (row, item)."""
        raise NotImplementedError

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, k = len(draws), self.items
        tokens = draws.integers(0, self.vocab, k)
        inputs = np.full((n, 2 * k), self.vocab + 1, np.int32)
        inputs[:, :k], inputs[:, k] = tokens, self.vocab
        targets = ignored(n, 2 * k)
        targets[:, k:] = self.answer(tokens)
        return pair(inputs, targets)


class Copy(_Echo):
    """Say the tokens again: tokens, a separator, then blanks to answer on."""

    name = "copy"

    def answer(self, tokens: np.ndarray) -> np.ndarray:
        return tokens


class Reverse(_Echo):
    """Say the tokens backwards: tokens, a separator, then blanks to answer on."""

    name = "reverse"

    def answer(self, tokens: np.ndarray) -> np.ndarray:
        return tokens[:, ::-1]


class Sorting(_Echo):
    """Say the tokens in order: tokens, a separator, then blanks to answer on."""

    name = "sorting"

    def answer(self, tokens: np.ndarray) -> np.ndarray:
        return np.sort(tokens, 1)


class SelectiveCopy(SequenceTask):
    """Tokens scattered among blanks, to be said again without them (Gu and Dao 2023).

    Tokens are 0 to vocab - 1, a blank is ``vocab``, the separator ``vocab + 1``; after
    it come blanks whose targets are the tokens in their order.
    """

    name = "selective_copy"
    length: int = field(256, 1, 1 << 20, "positions that hold tokens or blanks")
    items: int = field(16, 1, 1 << 16, "tokens to say again")
    vocab: int = field(16, 2, 1 << 20, "tokens there are")

    def check(self) -> None:
        if self.items > self.length:
            raise SpecError(
                f"[selective_copy] expected items <= length; got items={self.items}, "
                f"length={self.length}. Hint: items={self.length}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, k = len(draws), self.items
        at = np.sort(draws.choice(self.length, k), 1)
        tokens = draws.integers(0, self.vocab, k).astype(np.int32)
        inputs = np.full((n, self.length + k), self.vocab, np.int32)
        np.put_along_axis(inputs, at, tokens, 1)
        inputs[:, self.length] = self.vocab + 1
        targets = ignored(n, self.length + k)
        targets[:, self.length :] = tokens
        return pair(inputs, targets)

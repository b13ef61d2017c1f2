"""Tasks that carry a state along: a bit, a sum, a permutation, a stack, a count."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from .._block import Column
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import SequenceTask, ignored, pair


class Parity(SequenceTask):
    """Bits; the target at each position is the parity of those so far."""

    name = "parity"
    length: int = field(128, 1, 1 << 20, "bits in a sequence")

    def rows(self, draws: Draws) -> dict[str, Column]:
        bits = draws.integers(0, 2, self.length)
        return pair(bits, np.cumsum(bits, 1) % 2)


class ModularAddition(SequenceTask):
    """Numbers below ``modulus``; the target is their sum so far, modulo it."""

    name = "modular_addition"
    length: int = field(64, 1, 1 << 20, "numbers in a sequence")
    modulus: int = field(97, 2, 1 << 20, "sums are modulo this")

    def rows(self, draws: Draws) -> dict[str, Column]:
        numbers = draws.integers(0, self.modulus, self.length)
        return pair(numbers, np.cumsum(numbers, 1) % self.modulus)


class StateTracking(SequenceTask):
    """Permutations of five things, composed one after another (S5).

    Not solvable at fixed depth by what lies in TC0 (Merrill et al. 2024). Token t is the
    t-th permutation in lexicographic order; the target is the product so far, the newest
    applied last.
    """

    name = "state_tracking"
    length: int = field(64, 1, 1 << 20, "permutations in a sequence")
    things: int = field(5, 2, 6, "5 is S5")

    def rows(self, draws: Draws) -> dict[str, Column]:
        group = np.array(list(permutations(range(self.things))))
        rank = {tuple(p): i for i, p in enumerate(group.tolist())}
        after = np.array(
            [[rank[tuple(b[a].tolist())] for b in group] for a in group], np.int32
        )  # after[a, b]: first a, then b
        tokens = draws.integers(0, len(group), self.length)
        states = np.empty_like(tokens)
        state = np.zeros(len(draws), np.int64)
        for t in range(self.length):
            state = after[state, tokens[:, t]]
            states[:, t] = state
        return pair(tokens, states)


class Dyck(SequenceTask):
    """Balanced brackets of several kinds, every shape equally likely.

    Opening brackets are 0 to kinds - 1, closing ones follow. The target is the closing
    bracket that the position would need next, or ``2 * kinds`` where nothing is open.
    """

    name = "dyck"
    length: int = field(128, 2, 1 << 14, "brackets in a sequence; even")
    kinds: int = field(3, 1, 1 << 10, "kinds of bracket")

    def check(self) -> None:
        if self.length % 2:
            raise SpecError(
                f"[dyck] expected an even length; got {self.length}. "
                f"Hint: length={self.length + 1}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, row = len(draws), np.arange(len(draws))
        u = draws.uniform(self.length)
        kinds = draws.integers(0, self.kinds, self.length)
        stack = np.zeros((n, self.length // 2 + 1), np.int64)
        height = np.zeros(n, np.int64)
        inputs = np.empty((n, self.length), np.int32)
        targets = np.empty((n, self.length), np.int32)
        for t in range(self.length):
            left = self.length - t
            # of the paths that end at zero, the share that goes up (ballot numbers)
            up = (height + 2) * (left - height) / (2.0 * left * (height + 1))
            opens = u[:, t] < up
            top = stack[row, np.maximum(height - 1, 0)]
            inputs[:, t] = np.where(opens, kinds[:, t], self.kinds + top)
            at = row[opens]
            stack[at, height[at]] = kinds[at, t]
            height += np.where(opens, 1, -1)
            top = stack[row, np.maximum(height - 1, 0)]
            targets[:, t] = self.kinds + np.where(height > 0, top, self.kinds)
        return pair(inputs, targets)


class Majority(SequenceTask):
    """Which token has come most often so far? The smallest of them in a tie."""

    name = "majority"
    length: int = field(64, 1, 1 << 14, "tokens in a sequence")
    vocab: int = field(4, 2, 256, "tokens there are")

    def rows(self, draws: Draws) -> dict[str, Column]:
        tokens = draws.integers(0, self.vocab, self.length)
        counts = np.cumsum(tokens[..., None] == np.arange(self.vocab), 1)
        return pair(tokens, np.argmax(counts, 2))


class Addition(SequenceTask):
    """Two numbers of ``digits`` decimal digits and their sum, lowest digit first.

    Tokens: 0 to 9, 10 is plus, 11 equals, 12 a blank to answer on.
    """

    name = "addition"
    digits: int = field(8, 1, 1 << 12, "digits of each number")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, d = len(draws), self.digits
        a, b = draws.integers(0, 10, d), draws.integers(0, 10, d)
        inputs = np.full((n, 3 * d + 2), 12, np.int32)
        inputs[:, :d], inputs[:, d] = a, 10
        inputs[:, d + 1 : 2 * d + 1], inputs[:, 2 * d + 1] = b, 11
        targets = ignored(n, 3 * d + 2)
        carry = np.zeros(n, np.int64)
        for t in range(d):
            total = a[:, t] + b[:, t] + carry
            targets[:, 2 * d + 1 + t] = total % 10
            carry = total // 10
        targets[:, 3 * d + 1] = carry
        return pair(inputs, targets)

"""Tasks whose answer stands earlier in the sequence."""

from __future__ import annotations

import numpy as np

from .._block import Column
from .._elementary import power
from .._fields import field
from ..distributions import Draws
from ..errors import SpecError
from ._base import SequenceTask, ignored, pair


class MQAR(SequenceTask):
    """Multi-query associative recall (Arora et al. 2023, "Zoology").

    Pairs of key and value stand first; each key comes again later, at distances that
    follow a power law, and asks for its value. Keys are 1 to vocab / 2 - 1, values
    vocab / 2 to vocab - 1.
    """

    name = "mqar"
    length: int = field(512, 4, 1 << 20, "tokens in a sequence")
    vocab: int = field(8192, 8, 1 << 30, "tokens there are; even")
    pairs: int = field(32, 1, 1 << 16, "pairs of key and value")
    power_a: float = field(
        0.01, 0.001, 10.0, "small: queries come soon after the pairs"
    )
    random_non_queries: bool = field(True, meaning="noise between the queries, else 0")

    def check(self) -> None:
        if 4 * self.pairs > self.length or self.pairs >= self.vocab // 2:
            raise SpecError(
                f"[mqar] expected 4 * pairs <= length and pairs < vocab / 2; got "
                f"pairs={self.pairs}, length={self.length}, vocab={self.vocab}. "
                f"Hint: pairs={max(1, min(self.length // 4, self.vocab // 2 - 1))}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, k, half = len(draws), self.pairs, self.vocab // 2
        keys = 1 + draws.choice(half - 1, k)
        values = half + draws.integers(0, self.vocab - half, k)
        space = (self.length - 2 * k) // 2
        # the k smallest of exponentials over weights: drawn one by one by weight
        weight = power(np.arange(1.0, space + 1), self.power_a - 1.0)
        gaps = np.argsort(draws.exponential(space) / weight, 1, kind="stable")[:, :k]
        at = 2 * k + 2 * gaps
        inputs = np.zeros((n, self.length), np.int32)
        if self.random_non_queries:  # values only: a stray key would be a query
            inputs[:, 2 * k :] = half + draws.integers(
                0, self.vocab - half, self.length - 2 * k
            )
        inputs[:, 0 : 2 * k : 2], inputs[:, 1 : 2 * k : 2] = keys, values
        targets = ignored(n, self.length)
        np.put_along_axis(inputs, at, keys.astype(np.int32), 1)
        np.put_along_axis(targets, at, values.astype(np.int32), 1)
        return pair(inputs, targets)


class AssociativeRecall(SequenceTask):
    """Pairs of key and value, then one key: what was its value?

    Ba et al. 2016. Keys are 0 to keys - 1, values follow them; a key may come twice and
    its last value counts.
    """

    name = "associative_recall"
    pairs: int = field(16, 1, 1 << 16, "pairs of key and value")
    keys: int = field(26, 1, 1 << 20, "keys there are")
    values: int = field(26, 2, 1 << 20, "values there are")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, k = len(draws), self.pairs
        keys = draws.integers(0, self.keys, k)
        values = self.keys + draws.integers(0, self.values, k)
        row = np.arange(n)
        asked = keys[row, draws.integers(0, k)]
        last = k - 1 - np.argmax(keys[:, ::-1] == asked[:, None], 1)
        inputs = np.empty((n, 2 * k + 1), np.int32)
        inputs[:, 0:-1:2], inputs[:, 1::2], inputs[:, -1] = keys, values, asked
        targets = ignored(n, 2 * k + 1)
        targets[:, -1] = values[row, last]
        return pair(inputs, targets)


class Induction(SequenceTask):
    """A marker, a token, noise, the marker again: which token came after it?

    Olsson et al. 2022. The marker is token ``vocab``.
    """

    name = "induction"
    length: int = field(256, 4, 1 << 20, "tokens in a sequence")
    vocab: int = field(16, 2, 1 << 20, "tokens beside the marker")

    def rows(self, draws: Draws) -> dict[str, Column]:
        n = len(draws)
        inputs = draws.integers(0, self.vocab, self.length).astype(np.int32)
        at = draws.integers(0, self.length - 2)
        row = np.arange(n)
        inputs[row, at] = inputs[:, -1] = self.vocab
        targets = ignored(n, self.length)
        targets[:, -1] = inputs[row, at + 1]
        return pair(inputs, targets)


class Needle(SequenceTask):
    """A needle in a haystack: one marked number somewhere in noise, asked for at the end.

    Tokens: 0 to vocab - 1 hay, then ``vocab`` (here it comes) and ``vocab + 1`` (what was
    it), then the digits. ``position`` says where the needle is.
    """

    name = "needle"
    length: int = field(1024, 16, 1 << 22, "tokens in a sequence")
    vocab: int = field(64, 1, 1 << 20, "kinds of hay")
    digits: int = field(5, 1, 32, "digits of the number")

    def check(self) -> None:
        if 2 * self.digits + 2 >= self.length:
            raise SpecError(
                f"[needle] expected length > 2 * digits + 2; got length={self.length}, "
                f"digits={self.digits}. Hint: length={4 * self.digits + 16}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, d = len(draws), self.digits
        inputs = draws.integers(0, self.vocab, self.length).astype(np.int32)
        number = self.vocab + 2 + draws.integers(0, 10, d).astype(np.int32)
        at = draws.integers(0, self.length - 2 * d - 1)
        inputs[np.arange(n), at] = self.vocab
        np.put_along_axis(inputs, at[:, None] + 1 + np.arange(d), number, 1)
        inputs[:, -d - 1] = self.vocab + 1
        inputs[:, -d:] = number
        targets = ignored(n, self.length)
        targets[:, -d - 1 : -1] = number
        return {**pair(inputs, targets), "position": at}


class NBack(SequenceTask):
    """Is this token the one of n steps ago? 1 if it is, 0 if not."""

    name = "n_back"
    length: int = field(128, 2, 1 << 20, "tokens in a sequence")
    back: int = field(3, 1, 1 << 16, "steps back")
    vocab: int = field(10, 2, 1 << 20, "tokens there are")
    match: float = field(0.3, 0.0, 1.0, "how often a token is made to match")

    def check(self) -> None:
        if self.back >= self.length:
            raise SpecError(
                f"[n_back] expected back < length; got back={self.back}, "
                f"length={self.length}. Hint: back={self.length - 1}"
            )

    def rows(self, draws: Draws) -> dict[str, Column]:
        n, b = len(draws), self.back
        inputs = draws.integers(0, self.vocab, self.length).astype(np.int32)
        again = draws.bernoulli(self.match, self.length)
        for t in range(b, self.length):
            inputs[:, t] = np.where(again[:, t], inputs[:, t - b], inputs[:, t])
        targets = ignored(n, self.length)
        targets[:, b:] = inputs[:, b:] == inputs[:, :-b]
        return pair(inputs, targets)

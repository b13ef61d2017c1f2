"""Draws for many samples at once, each from a stream of its own.

Every method gives row r values that depend on the key, the row's stream and the draws
before it, never on the other rows. Values that are rejected are drawn again from blocks
far away (the high half of the block counter counts the attempts), so that what follows
does not move. All steps are exact (:mod:`helix_synth._elementary`): the same bits on
every system. The bits are frozen: tests hold known answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from ._elementary import exp, log, sin_cos_turns
from ._philox import Philox
from ._tape import Tape
from .errors import SynthError

Shape = int | tuple[int, ...]
_ATTEMPT = 1 << 32  # blocks between a draw and its next attempt
_TAPE = 1 << 63  # where a row's tape begins
_U32 = 1 << 32
_LOW = np.uint64(_U32 - 1)
_ZERO, _ONE = 0.0, 1.0  # defaults that cost nothing


def _shape(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


class Draws:
    """Random values for rows.

    Parameters
    ----------
    philox : Philox
    streams : (row,) uint64
        The index of each row's sample.

    Notes
    -----
    All shapes given to methods are of one row: ``uniform((3, 4))`` is (row, 3, 4).
    """

    __slots__ = ("_block", "_philox", "streams")

    def __init__(self, philox: Philox, streams: np.ndarray) -> None:
        self._philox = philox
        self.streams = streams
        self._block = 0

    def __len__(self) -> int:
        return len(self.streams)

    def words(self, n: int) -> np.ndarray:
        """The next words: (row, n) uint32. Whole blocks of four are used up."""
        blocks = -(-n // 4)
        out = self._philox.words(self.streams, self._block, blocks)
        self._block += blocks
        return out[:, :n]

    def words64(self, n: int) -> np.ndarray:
        """The next pairs of words: (row, n) uint64."""
        pairs = self.words(2 * n)
        out = pairs[:, 1::2].astype(np.uint64)
        out <<= np.uint64(32)
        out |= pairs[:, 0::2]
        return out

    def _again(self, first: int, at: np.ndarray, n: int, attempt: int) -> np.ndarray:
        """Words for elements that were rejected; ``at`` indexes (row, n)."""
        row, word = np.divmod(at, n)
        block = (first + attempt * _ATTEMPT + word // 4).astype(np.uint64)
        found = self._philox.scattered(self.streams[row], block)
        return np.asarray(found[np.arange(len(at)), word % 4])

    def apart(self) -> Draws:
        """Draws of the same rows that may take as many words as they like."""
        out = Draws(self._philox, self.streams)
        out._block = self._block
        self._block += 1 << 24
        return out

    def each(self) -> Iterator[Draws]:
        """For each row, draws of its own that may take as many words as they like."""
        for r in range(len(self)):
            out = Draws(self._philox, self.streams[r : r + 1])
            out._block = self._block
            yield out
        self._block += 1 << 24

    def uniform(
        self, shape: Shape = (), low: object = 0.0, high: object = 1.0
    ) -> np.ndarray:
        """Float64 in [low, high), multiples of 2**-32 of the width."""
        shape = _shape(shape)
        u = self.words(prod(shape)) * 2.0**-32
        u = u.reshape(len(self), *shape)
        if isinstance(low, float) and isinstance(high, float):
            if (low, high) == (0.0, 1.0):
                return u
            u *= high - low
            u += low
            return u
        return np.asarray(np.asarray(low) + u * (np.asarray(high) - np.asarray(low)))

    def uniform53(self, shape: Shape = ()) -> np.ndarray:
        """Float64 in [0, 1), multiples of 2**-53."""
        shape = _shape(shape)
        u = (self.words64(prod(shape)) >> np.uint64(11)) * 2.0**-53
        return u.reshape(len(self), *shape)

    def integers(self, low: int, high: int, shape: Shape = ()) -> np.ndarray:
        """Int64 in [low, high), each as likely as the others (Lemire 2019)."""
        shape = _shape(shape)
        width = int(high) - int(low)
        if not 0 < width <= 2**63:
            raise SynthError(
                f"[integers] expected low < high; got low={low}, high={high}. "
                "Hint: high is exclusive"
            )
        count = prod(shape)
        if width > _U32:
            out = self._wide_integers(width, count)
        else:
            first = self._block
            words = self.words(count)
            product = words * np.uint64(width)
            floor = _U32 % width
            if floor:
                self._redraw(product, first, np.uint64(width), floor)
            product >>= np.uint64(32)
            out = product.astype(np.int64)
        out += low
        return out.reshape(len(self), *shape)

    def _redraw(
        self, product: np.ndarray, first: int, width: np.uint64, floor: int
    ) -> None:
        low = product.astype(np.uint32)
        if low.size == 0 or int(low.min()) >= floor:
            return
        at = np.flatnonzero(low.reshape(-1) < floor)
        flat = product.reshape(-1)
        attempt = 0
        while len(at):
            attempt += 1
            words = self._again(first, at, product.shape[1], attempt)
            flat[at] = words * width
            at = at[(flat[at] & _LOW) < floor]

    def _wide_integers(self, width: int, count: int) -> np.ndarray:
        mask = np.uint64((1 << (width - 1).bit_length()) - 1)
        first = self._block
        out = self.words64(count) & mask
        flat = out.reshape(-1)
        at = np.flatnonzero(flat >= width)
        attempt = 0
        while len(at):
            attempt += 1
            row, pair = np.divmod(at, count)
            block = (first + attempt * _ATTEMPT + pair // 2).astype(np.uint64)
            found = self._philox.scattered(self.streams[row], block)
            each, half = np.arange(len(at)), 2 * (pair % 2)
            high = found[each, half + 1].astype(np.uint64) << np.uint64(32)
            flat[at] = (high | found[each, half]) & mask
            at = at[flat[at] >= width]
        return out.astype(np.int64)

    def below(self, width: np.ndarray) -> np.ndarray:
        """Int64 in [0, width) for an array of widths up to 2**32.

        Parameters
        ----------
        width : (row, ...) of positive integers
        """
        width = np.asarray(width)
        n = prod(width.shape[1:])
        first = self._block
        flat = width.reshape(-1).astype(np.uint64)
        product = self.words(n).reshape(-1) * flat
        at = np.flatnonzero((product & _LOW) < np.uint64(_U32) % flat)
        if len(at):
            product[at] = self._below(first, at, n, flat[at], 1) << np.uint64(32)
        return (product >> np.uint64(32)).astype(np.int64).reshape(width.shape)

    def again(
        self, first: int, at: np.ndarray, n: int, width: Any, attempt: int
    ) -> Any:
        """Int64 in [0, width): what the draws of `below` are when drawn once more.

        Parameters
        ----------
        first : int
            `position` before those draws.
        at : (element,) int64
            Which of (row, n), flat.
        width : int or (element,) array
        attempt : int
            From 1.
        """
        width = np.broadcast_to(np.asarray(width, np.uint64), at.shape)
        return self._below(first, at, n, width, attempt << 16).astype(np.int64)

    @property
    def position(self) -> int:
        """Where the next draw begins."""
        return self._block

    def _below(
        self, first: int, at: np.ndarray, n: int, width: np.ndarray, attempt: int
    ) -> np.ndarray:
        product = self._again(first, at, n, attempt) * width
        floor = np.uint64(_U32) % width
        left = np.flatnonzero((product & _LOW) < floor)
        while len(left):
            attempt += 1
            w = width[left]
            product[left] = self._again(first, at[left], n, attempt) * w
            left = left[(product[left] & _LOW) < floor[left]]
        return np.asarray(product >> np.uint64(32))

    def bernoulli(self, p: object, shape: Shape = ()) -> np.ndarray:
        """True with probability p."""
        return self.uniform(shape) < p

    def normal(
        self, shape: Shape = (), mean: object = _ZERO, std: object = _ONE
    ) -> np.ndarray:
        """Float64 of the normal distribution, by Box and Muller's pairs."""
        shape = _shape(shape)
        n = prod(shape)
        half = -(-n // 2)
        w = self.words(2 * half)
        radius = np.sqrt(-2.0 * log((w[:, :half] + 1.0) * 2.0**-32))
        s, c = sin_cos_turns(w[:, half:] * 2.0**-32)
        out = np.concatenate([radius * c, radius * s], 1)[:, :n]
        out = out.reshape(len(self), *shape)
        if mean is not _ZERO or std is not _ONE:
            out = np.asarray(mean) + out * np.asarray(std)
        return out

    def exponential(self, shape: Shape = (), scale: object = 1.0) -> np.ndarray:
        """Float64 of the exponential distribution of this mean."""
        return np.asarray(-log(1.0 - self.uniform53(shape)) * np.asarray(scale))

    def geometric(self, p: float, shape: Shape = ()) -> np.ndarray:
        """Int64: how many failures before the first success of probability p."""
        if p >= 1.0:
            return np.zeros((len(self), *_shape(shape)), np.int64)
        step = -1.0 / float(log(np.array([1.0 - p]))[0])
        return np.floor(self.exponential(shape) * step).astype(np.int64)

    def laplace(self, shape: Shape = (), scale: object = 1.0) -> np.ndarray:
        """Float64 of the Laplace distribution: two exponentials' difference."""
        return np.asarray(
            self.exponential(shape, scale) - self.exponential(shape, scale)
        )

    def pareto(self, exponent: float, shape: Shape = ()) -> np.ndarray:
        """Float64 of at least 1 whose tail falls as ``x ** -exponent``."""
        return exp(self.exponential(shape, 1.0 / exponent))

    def poisson(self, rate: np.ndarray | float, shape: Shape = ()) -> np.ndarray:
        """Int64 of the Poisson distribution, by inversion; rates up to 500."""
        u = self.uniform53(shape)
        rate = np.broadcast_to(np.asarray(rate, np.float64), u.shape)
        term = exp(-rate)
        total, out = term.copy(), np.zeros(u.shape, np.int64)
        left = u >= total
        k = 0
        while left.any() and k < 2000:
            k += 1
            out += left
            term = term * rate / k
            total += term
            left = u >= total
        return out

    def gamma(self, shape_parameter: float, shape: Shape = ()) -> np.ndarray:
        """Float64 of the gamma distribution of scale 1 (Marsaglia and Tsang 2000)."""
        a = shape_parameter + (shape_parameter < 1.0)
        d = a - 1.0 / 3.0
        c = 1.0 / float(np.sqrt(9.0 * d))
        rows, size = len(self), prod(_shape(shape))
        out = np.empty((rows, size))
        left = np.ones((rows, size), bool)
        start = self._block
        # every round draws for all, so that a row never depends on another's luck
        for _ in range(64):
            x = self.normal(size)
            v = (1.0 + c * x) ** 3
            u = 1.0 - self.uniform53(size)
            positive = np.maximum(v, 1e-300)
            good = (v > 0) & (
                log(u) < 0.5 * x * x + d - d * positive + d * log(positive)
            )
            np.copyto(out, d * v, where=left & good)
            left &= ~good
            if not left.any():
                break
        self._block = start + (1 << 24)  # past whatever the rounds took
        if shape_parameter < 1.0:
            out *= exp(log(1.0 - self.uniform53(size)) / shape_parameter)
        return out.reshape(rows, *_shape(shape))

    def dirichlet(self, concentration: float, n: int) -> np.ndarray:
        """Float64 weights that add up to 1: (row, n)."""
        g = np.maximum(self.gamma(concentration, n), 1e-300)
        return np.asarray(g / np.add.accumulate(g, 1)[:, -1:])

    def categorical(self, weights: np.ndarray, shape: Shape = ()) -> np.ndarray:
        """Int64 indices, each with its weight's share.

        Parameters
        ----------
        weights : (category,) float64, or (row, category)
        """
        edges = np.cumsum(np.asarray(weights, np.float64), -1)
        u = self.uniform53(shape)
        if edges.ndim == 1:
            edges = edges / edges[-1]
            found = np.searchsorted(edges, u, side="right")
        else:
            edges = edges / edges[:, -1:]
            found = (u.reshape(len(self), -1, 1) >= edges[:, None]).sum(-1)
            found = found.reshape(u.shape)
        return np.asarray(np.minimum(found, edges.shape[-1] - 1).astype(np.int64))

    def permutation(self, n: int) -> np.ndarray:
        """Int64 permutations of ``range(n)``: (row, n), by sorting 64-bit words."""
        return np.argsort(self.words64(n), axis=1, kind="stable")

    def choice(self, n: int, k: int) -> np.ndarray:
        """Int64: k different numbers below n in random order, (row, k).

        Element j is the first of its draws that no earlier element took, so that rows
        whose first draws differ, which most do where k is small, cost k words.
        """
        if not 0 <= k <= n < _U32:
            raise SynthError(
                f"[choice] expected 0 <= k <= n < 2**32; got n={n}, k={k}. "
                "Hint: k different numbers below n"
            )
        if 4 * k >= n:
            return self.permutation(n)[:, :k]
        first = self._block
        out = self.integers(0, n, k)
        ordered = np.sort(out.astype(np.int32 if n < 2**31 else np.int64), axis=1)
        clash = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(1))
        if len(clash):
            rows = out[clash]
            for j in range(1, k):
                taken = (rows[:, :j] == rows[:, j : j + 1]).any(1)
                attempt = 0
                while taken.any():
                    attempt += 1
                    at = np.flatnonzero(taken)
                    rows[at, j] = self.again(first, clash[at] * k + j, k, n, attempt)
                    taken = (rows[:, :j] == rows[:, j : j + 1]).any(1)
            out[clash] = rows
        return out

    def tapes(self, prefetch: int = 64) -> list[Tape]:
        """For each row, words one after another, for code that loops.

        Parameters
        ----------
        prefetch : int
            About how many words a row needs: they are made for all rows at once.
        """
        blocks = -(-prefetch // 4)
        first = _TAPE + self._block
        ready = self._philox.words(self.streams, first, blocks).tolist()
        more: Callable[[int, int], list[int]] = lambda row, block: self._philox.words(
            self.streams[row : row + 1], block, 16
        )[0].tolist()
        self._block += 1 << 24
        return [Tape(words, r, first + blocks, more) for r, words in enumerate(ready)]

"""Philox4x32-10 on arrays of counters, in pieces that stay in the cache.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011). A key is two 32-bit
words, a counter four: (block low, block high, stream low, stream high).
"""

from __future__ import annotations

import threading

import numpy as np

_MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_PIECE = 1 << 13  # blocks: four arrays of two rows of 64 KiB


class _Scratch(threading.local):
    def __init__(self) -> None:
        self.words = np.empty(8 * _PIECE, np.uint64)


_scratch = _Scratch()  # fresh pages would cost as much as the rounds


class Philox:
    """Random words of one key, addressed by stream and block.

    Parameters
    ----------
    key : int
        64 bits.
    """

    __slots__ = ("_keys", "key")

    def __init__(self, key: int) -> None:
        self.key = key
        k0, k1 = key & 0xFFFFFFFF, key >> 32
        self._keys = [
            np.array(
                [
                    [(k0 + r * _WEYL[0]) & 0xFFFFFFFF],
                    [(k1 + r * _WEYL[1]) & 0xFFFFFFFF],
                ],
                np.uint64,
            )
            for r in range(_ROUNDS)
        ]

    def words(self, streams: np.ndarray, first: int, blocks: int) -> np.ndarray:
        """Consecutive blocks of each stream.

        Parameters
        ----------
        streams : (row,) uint64
        first, blocks : int
            Blocks ``first`` to ``first + blocks`` of each.

        Returns
        -------
        (row, 4 * blocks) uint32
        """
        rows = len(streams)
        out = np.empty((rows, 4 * blocks), np.uint32)
        if not rows or not blocks:
            return out
        wide = min(blocks, _PIECE)
        tall = max(1, _PIECE // wide)
        for b in range(0, blocks, wide):
            nb = min(wide, blocks - b)
            block = np.arange(first + b, first + b + nb, dtype=np.uint64)
            for r in range(0, rows, tall):
                s = streams[r : r + tall]
                nr = len(s)
                state = _scratch.words[: 8 * nr * nb].reshape(4, 2, nr, nb)
                state[0, 0] = block & _LOW
                state[1, 0] = block >> _HALF
                state[0, 1] = (s & _LOW)[:, None]
                state[1, 1] = (s >> _HALF)[:, None]
                even, odd = self._rounds(state.reshape(4, 2, -1))
                piece = out[r : r + nr, 4 * b : 4 * (b + nb)].reshape(nr, nb, 4)
                _spread(piece, even, odd)
        return out

    def scattered(self, streams: np.ndarray, blocks: np.ndarray) -> np.ndarray:
        """One block for each pair of a stream and a block.

        Parameters
        ----------
        streams, blocks : (element,) uint64

        Returns
        -------
        (element, 4) uint32
        """
        out = np.empty((len(streams), 4), np.uint32)
        for i in range(0, len(streams), _PIECE):
            s, b = streams[i : i + _PIECE], blocks[i : i + _PIECE]
            state = _scratch.words[: 8 * len(s)].reshape(4, 2, len(s))
            state[0, 0], state[1, 0] = b & _LOW, b >> _HALF
            state[0, 1], state[1, 1] = s & _LOW, s >> _HALF
            _spread(out[i : i + _PIECE], *self._rounds(state))
        return out

    def _rounds(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        even, odd, p, q = state  # words 0 and 2, words 1 and 3; odd has dirty high bits
        for key in self._keys:
            np.multiply(even, _MULTIPLIERS, out=p)
            np.right_shift(p, _HALF, out=even)
            np.bitwise_xor(odd, key, out=odd)
            np.bitwise_xor(even[::-1], odd, out=q)
            np.bitwise_and(q, _LOW, out=q)
            even, q = q, even
            odd, p = p[::-1], odd
        return even, odd


def _spread(out: np.ndarray, even: np.ndarray, odd: np.ndarray) -> None:
    """Words side by side: ``out`` is (..., 4) uint32."""
    shape = out.shape[:-1]
    for word, values in enumerate((even[0], odd[0], even[1], odd[1])):
        np.copyto(out[..., word], values.reshape(shape), casting="unsafe")

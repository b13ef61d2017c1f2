"""A permutation of ``range(n)`` in which every place can be asked for by itself."""

from __future__ import annotations

import numpy as np

_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_ROUNDS = 6


class Shuffle:
    """A Feistel network over the next power of four, walked until it lands below n.

    Parameters
    ----------
    n : int
        Up to 2**62.
    key : int
        64 bits.
    """

    def __init__(self, n: int, key: int) -> None:
        self.n = n
        self._half = np.uint64(max(1, ((n - 1).bit_length() + 1) // 2))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        self._keys = [
            np.uint64((key * (2 * r + 1) + _MIX[0] * r) % 2**64) for r in range(_ROUNDS)
        ]

    def _f(self, x: np.ndarray, key: np.uint64, epoch: np.ndarray) -> np.ndarray:
        y: np.ndarray = x + key + epoch * np.uint64(_MIX[0])
        y = (y ^ (y >> np.uint64(30))) * np.uint64(_MIX[1])
        y = (y ^ (y >> np.uint64(27))) * np.uint64(_MIX[2])
        return np.asarray((y ^ (y >> np.uint64(31))) & self._mask)

    def _once(self, x: np.ndarray, epoch: np.ndarray, back: bool) -> np.ndarray:
        left, right = x >> self._half, x & self._mask
        for key in reversed(self._keys) if back else self._keys:
            if back:
                left, right = right ^ self._f(left, key, epoch), left
            else:
                left, right = right, left ^ self._f(right, key, epoch)
        return (left << self._half) | right

    def __call__(
        self, place: np.ndarray, epoch: np.ndarray, *, back: bool = False
    ) -> np.ndarray:
        """What is at these places in the permutation of their epoch; or where it is.

        Parameters
        ----------
        place, epoch : (element,) uint64
        back : bool
            The inverse permutation.
        """
        out = self._once(place, epoch, back)
        while (far := out >= self.n).any():
            out[far] = self._once(out[far], epoch[far], back)
        return out

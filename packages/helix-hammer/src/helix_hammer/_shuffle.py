"""A random order that can be entered anywhere: element i of a permutation in O(1).

A Feistel network over the smallest even number of bits that holds n, walked until the
value is below n, is a bijection of 0..n-1 for every key. So batch k of epoch e is a
function of (seed, e, k): resuming seeks, it never replays.

Source: Black and Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002.
"""

from __future__ import annotations

import numpy as np

_ROUNDS = 6


def _mix(x: np.ndarray, key: int) -> np.ndarray:
    """SplitMix64's finaliser: a good 64-bit hash of x + key."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


class Permutation:
    """A permutation of 0..n-1 drawn by (seed, epoch), evaluated where it is asked.

    Parameters
    ----------
    n : int
        At least 1.
    seed, epoch : int

    Examples
    --------
    >>> p = Permutation(10, seed=0, epoch=0)
    >>> sorted(p(np.arange(10)).tolist()) == list(range(10))
    True
    """

    def __init__(self, n: int, seed: int, epoch: int) -> None:
        if n < 1:
            raise ValueError(f"[shuffle] expected at least one element; got n={n}")
        self.n = n
        self.half = max(1, ((n - 1).bit_length() + 1) // 2)
        state = np.array([seed & (2**64 - 1)], np.uint64)
        base = _mix(state, 0x9E3779B97F4A7C15 * (epoch + 1) & (2**64 - 1))
        self.keys = [int(_mix(base, r + 1)[0]) for r in range(_ROUNDS)]

    def __call__(self, index: np.ndarray) -> np.ndarray:
        """Places of these elements (int64, any shape) in the shuffled order."""
        x = np.asarray(index, np.uint64)
        x = self._once(x)
        while True:
            outside = x >= self.n
            if not outside.any():
                return x.astype(np.int64)
            x = np.where(outside, self._once(x), x)

    def _once(self, x: np.ndarray) -> np.ndarray:
        half, mask = np.uint64(self.half), np.uint64((1 << self.half) - 1)
        left, right = x >> half, x & mask
        for key in self.keys:
            left, right = right, left ^ (_mix(right, key) & mask)
        return np.asarray((left << half) | right)

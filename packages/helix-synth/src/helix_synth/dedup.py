"""Duplicates, exact and near: digests, MinHash, SimHash and perceptual hashes.

Sets of shingles stand for texts and token sequences. MinHash (Broder 1997) finds sets
that share much by their bands (Leskovec, Rajaraman and Ullman, 3.4), and the exact share
decides. A perceptual hash is the signs of an image's low cosine frequencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from ._digest import sample_digest
from ._philox import Philox
from .distributions import Draws
from .errors import SynthError

PERMUTATIONS = 128
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_PIECE = 1 << 16  # shingles that are hashed at once
_FEW = 4  # rows of a band


def _mixed(x: np.ndarray) -> np.ndarray:
    """Every bit of a word changes half of the others (splitmix64's last step)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def shingles(what: str | bytes | np.ndarray, width: int = 5) -> np.ndarray:
    """Hashes of all runs of ``width`` bytes or tokens, each once, rising.

    Parameters
    ----------
    what : str, bytes or (time,) integers
        A str is its UTF-8 bytes. What is shorter than ``width`` is one run.
    width : int
        At least 1.

    Returns
    -------
    (shingle,) uint64
    """
    return np.unique(_runs(what, width))


def _runs(what: str | bytes | np.ndarray, width: int) -> np.ndarray:
    if width < 1:
        raise SynthError(
            f"[shingles] expected width >= 1; got {width}. Hint: width=5 for text"
        )
    data = what.encode() if isinstance(what, str) else what
    values = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    if values.ndim != 1 or values.dtype.kind not in "biu":
        raise SynthError(
            "[shingles] expected a str, bytes or a vector of integers; got "
            f"{values.dtype} of shape {values.shape}. Hint: tokens[0] of a batch"
        )
    words = values.astype(np.int64).view(np.uint64) + np.uint64(1)
    count = max(len(words) - width + 1, min(len(words), 1))
    out = np.zeros(count, np.uint64)
    for k in range(min(width, len(words))):
        out = out * _PRIME + _mixed(words[k : k + count])
    return _mixed(out)


@lru_cache(8)
def _permutations(seed: int) -> tuple[np.ndarray, np.ndarray]:
    words = Draws(Philox(seed), np.zeros(1, np.uint64)).words64(2 * PERMUTATIONS)[0]
    return words[:PERMUTATIONS] | np.uint64(1), words[PERMUTATIONS:]


def minhash(sets: Sequence[np.ndarray], seed: int = 1) -> np.ndarray:
    """Signatures: the share in which two agree estimates their sets' Jaccard index.

    The standard error is at most ``0.5 / sqrt(128)``. Two empty sets agree.

    Parameters
    ----------
    sets : sequence of (shingle,) uint64
        What `shingles` returns.
    seed : int
        Of the 128 multiply-shift hashes.

    Returns
    -------
    (set, 128) uint32
    """
    a, b = _permutations(seed)
    out = np.full((len(sets), PERMUTATIONS), 0xFFFFFFFF, np.uint32)
    for i, found in enumerate(sets):
        for at in range(0, len(found), _PIECE):
            hashed = found[at : at + _PIECE, None] * a + b
            low = (hashed >> np.uint64(32)).min(0).astype(np.uint32)
            np.minimum(out[i], low, out=out[i])
    return out


def jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """Share of what is in either of two sets that is in both; 1 for two empty ones."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    either = len(a) + len(b) - both
    return both / either if either else 1.0


def near_sets(sets: Sequence[np.ndarray], threshold: float = 0.8) -> np.ndarray:
    """Pairs of sets whose Jaccard index is at least the threshold.

    32 bands of 4 hashes propose pairs, of which every one at 0.8 is missed with a
    probability of 5e-8, at 0.5 of 0.13; the exact index decides.

    Parameters
    ----------
    sets : sequence of (shingle,) uint64
    threshold : float
        In (0, 1].

    Returns
    -------
    (pair, 2) int64
        i < j in each, in order.
    """
    if not 0 < threshold <= 1:
        raise SynthError(
            f"[near_sets] expected threshold in (0, 1]; got {threshold}. Hint: 0.8"
        )
    signatures = minhash(sets)
    bands = [
        np.ascontiguousarray(signatures[:, k : k + _FEW]).view("V16")[:, 0]
        for k in range(0, PERMUTATIONS, _FEW)
    ]
    found = _together(bands)
    kept = [jaccard(sets[i], sets[j]) >= threshold for i, j in found.tolist()]
    return found[np.array(kept, bool)]


def _together(keys: Iterable[np.ndarray]) -> np.ndarray:
    """(pair, 2): i < j that have the same key in one of the columns at least."""
    pairs = set()
    for column in keys:
        _, group = np.unique(column, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1, append=-1))
        for first, last in pairwise(starts.tolist()):
            if last - first > 1:
                i, j = np.triu_indices(last - first, 1)
                members = order[first:last]
                pairs |= set(zip(members[i].tolist(), members[j].tolist(), strict=True))
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def simhash(what: str | bytes | np.ndarray, width: int = 5) -> int:
    """64 bits, most of which near texts share (Charikar 2002): majority votes.

    Runs vote as often as they come; `distance` compares.
    """
    runs = _runs(what, width)
    ones = sum(
        np.unpackbits(runs[i : i + _PIECE].view(np.uint8).reshape(-1, 8), axis=1).sum(0)
        for i in range(0, len(runs), _PIECE)
    )
    votes = np.broadcast_to(2 * np.asarray(ones, np.int64) > len(runs), 64)
    return int.from_bytes(np.packbits(votes).tobytes(), "big")


def perceptual_hash(image: np.ndarray) -> int:
    """64 bits of what an image shows: signs of 8 x 8 cosine coefficients of 32 x 32.

    Parameters
    ----------
    image : (row, column) or (row, column, channel)
        Of any real dtype; channels are averaged.
    """
    if image.ndim not in (2, 3) or image.size == 0:
        raise SynthError(
            "[perceptual_hash] expected (row, column) or (row, column, channel); got "
            f"shape {image.shape}. Hint: one image, at least a pixel"
        )
    gray = image.astype(np.float64)
    gray = gray.mean(2) if gray.ndim == 3 else gray
    rows, columns = (_cosines() @ _areas(n) for n in gray.shape)
    low = (rows @ gray @ columns.T).ravel()
    middle = np.median(low[1:])  # the first is the mean
    return int.from_bytes(np.packbits(low > middle).tobytes(), "big")


@lru_cache(1)
def _cosines() -> np.ndarray:
    """(8, 32): the first rows of a discrete cosine transform, type 2."""
    at = (np.arange(32) + 0.5) * np.pi / 32
    return np.asarray(np.cos(np.arange(8)[:, None] * at))


@lru_cache(64)
def _areas(n: int) -> np.ndarray:
    """(32, n): the mean over the part of a side that each of 32 cells covers."""
    edge = np.arange(33) * (n / 32)
    covered = np.clip(edge[:, None] - np.arange(n), 0, 1)
    return np.asarray(np.diff(covered, axis=0) * (32 / n))


def distance(a: int, b: int) -> int:
    """In how many bits two hashes differ."""
    return (a ^ b).bit_count()


def near_hashes(hashes: Sequence[int], most: int = 4) -> np.ndarray:
    """Pairs of 64-bit hashes that differ in at most so many bits; none is missed.

    Of ``most + 1`` pieces of two such hashes, one is the same.

    Returns
    -------
    (pair, 2) int64
        i < j in each, in order.
    """
    if not 0 <= most < 32:
        raise SynthError(
            f"[near_hashes] expected most in [0, 32); got {most}. Hint: most=4"
        )
    words = np.array(list(hashes), np.uint64)
    edge = [64 * k // (most + 1) for k in range(most + 2)]
    pieces = [
        (words >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        for low, high in pairwise(edge)
    ]
    found = _together(pieces)
    differ = np.bitwise_count(words[found[:, 0]] ^ words[found[:, 1]])
    return found[differ <= most]


def repeated(samples: Iterable[dict[str, Any]], n: int) -> int:
    """How many of n samples have the bits of an earlier one.

    Memory is 16 bytes a sample.
    """
    seen = np.empty(n, "V16")
    count = 0
    for sample in samples:
        if count == n:
            break
        seen[count] = np.void(sample_digest(sample)[:16])
        count += 1
    return count - len(np.unique(seen[:count]))

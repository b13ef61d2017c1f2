"""Digests of samples, and Merkle trees over them.

A leaf is blake2b-256 of ``0x00`` and the sample's fields, an inner node of ``0x01`` and
its two children; a node without a sibling goes up as it is (RFC 6962's shape). The root
depends on the samples in their order alone, not on how they are cut into shards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np

SIZE = 32


def sample_digest(sample: Mapping[str, Any]) -> bytes:
    """32 bytes for one sample: names, types, shapes and little-endian bytes."""
    h = blake2b(b"\0", digest_size=SIZE)
    for name in sorted(sample):
        value = sample[name]
        if isinstance(value, np.ndarray):
            if value.dtype.byteorder == ">":
                value = value.astype(value.dtype.newbyteorder("<"))
            shape = "x".join(map(str, value.shape))
            h.update(f"{name}\0{value.dtype.str}\0{shape}\0".encode())
            h.update(np.ascontiguousarray(value).data.cast("B") if value.size else b"")
        else:
            text = value if isinstance(value, str) else repr(value)
            data = text.encode()
            h.update(f"{name}\0{type(value).__name__}\0{len(data)}\0".encode())
            h.update(data)
    return h.digest()


def _join(left: bytes, right: bytes) -> bytes:
    return blake2b(b"\1" + left + right, digest_size=SIZE).digest()


class MerkleTree:
    """The root of a growing list of leaves, in memory of its logarithm."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._full: list[tuple[int, bytes]] = []  # (height, node), heights falling
        self.count = 0
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """Append a leaf of 32 bytes."""
        height, node = 0, leaf
        while self._full and self._full[-1][0] == height:
            node = _join(self._full.pop()[1], node)
            height += 1
        self._full.append((height, node))
        self.count += 1

    def root(self) -> str:
        """64 hexadecimal digits; of no leaves, the digest of nothing."""
        if not self._full:
            return blake2b(b"", digest_size=SIZE).hexdigest()
        node = self._full[-1][1]
        for _, left in reversed(self._full[:-1]):
            node = _join(left, node)
        return node.hex()


def split(data: bytes) -> list[bytes]:
    """Leaves that were written one after another."""
    return [data[i : i + SIZE] for i in range(0, len(data), SIZE)]

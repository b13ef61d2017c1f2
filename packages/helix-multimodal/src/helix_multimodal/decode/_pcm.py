"""Samples of sound as bytes, to float32 in -1 to 1."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..limits import Meter
from ._bytes import corrupt

# frames of a block while channels are separated: it stays in the cache
_BLOCK = 1 << 14


@functools.cache
def _mulaw() -> NDArray[np.float32]:
    """ITU-T G.711 mu-law: 14 bits, shifted to 16."""
    u = ~np.arange(256, dtype=np.int32) & 0xFF
    value = (((u & 15) << 3) + 0x84 << ((u >> 4) & 7)) - 0x84
    return (np.where(u & 0x80, -value, value) / 32768).astype(np.float32)


@functools.cache
def _alaw() -> NDArray[np.float32]:
    """ITU-T G.711 A-law: 13 bits, shifted to 16."""
    a = np.arange(256, dtype=np.int32) ^ 0x55
    segment, value = (a >> 4) & 7, ((a & 15) << 4) + 8
    value = np.where(segment > 0, value + 0x100 << np.maximum(segment - 1, 0), value)
    return (np.where(a & 0x80, value, -value) / 32768).astype(np.float32)


def table(law: str) -> NDArray[np.float32]:
    """The 256 values of "alaw" or "mulaw"."""
    return _alaw() if law == "alaw" else _mulaw()


def frames_in(meter: Meter, size: int, width: int, channels: int, rate: float) -> int:
    """Frames that ``size`` bytes hold; channels, rate and duration are checked.

    Raises
    ------
    Corrupt, LimitExceeded
    """
    if not 1 <= channels <= 1024:
        raise corrupt(meter.what, "1 to 1024 channels", channels)
    if not 1 <= rate <= 100_000_000:
        raise corrupt(meter.what, "a sample rate from 1 Hz", rate)
    count = size // (width * channels)
    meter.check("seconds", count / rate)
    meter.charge(count * channels * 4)
    return count


def to_float(
    raw: memoryview, kind: str, width: int, order: str, channels: int, count: int
) -> NDArray[np.float32]:
    """Interleaved samples to (channel, time) float32.

    Parameters
    ----------
    raw : memoryview of at least count * channels * width bytes
    kind : {"int", "unsigned", "float", "alaw", "mulaw"}
    width : int
        Bytes of a sample: 1 to 4 of integers, 4 or 8 of floats, 1 of the laws.
    order : {"<", ">"}
    """
    out = np.empty((channels, count), np.float32)
    step = max(1, _BLOCK // channels)
    stride = width * channels
    for start in range(0, count, step):
        n = min(step, count - start)
        block = raw[start * stride : (start + n) * stride]
        values = _block(block, kind, width, order, n, channels)
        part = out[:, start : start + n]
        if kind in ("alaw", "mulaw"):
            part[:] = table(kind)[values].T
        elif kind == "float":
            part[:] = values.T
        else:
            top = 31 if width == 3 else 8 * width - 1
            np.multiply(values.T, np.float32(2.0**-top), out=part, casting="unsafe")
            if kind == "unsigned":
                part -= np.float32(1)
    return out


def _block(
    raw: memoryview, kind: str, width: int, order: str, n: int, channels: int
) -> NDArray[Any]:
    """Samples as NumPy numbers, (time, channel)."""
    if kind in ("alaw", "mulaw"):
        return np.frombuffer(raw, np.uint8).reshape(n, channels)
    if kind == "float":
        return np.frombuffer(raw, f"{order}f{width}").reshape(n, channels)
    if width == 3:  # as the upper bytes of 32 bits
        wide = np.zeros((n * channels, 4), np.uint8)
        triples = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        if order == "<":
            wide[:, 1:] = triples
        else:
            wide[:, :3] = triples
        return wide.view(f"{order}i4").reshape(n, channels)
    sign = "u" if kind == "unsigned" else "i"
    return np.frombuffer(raw, f"{order}{sign}{width}").reshape(n, channels)

"""Change of sample rate by a polyphase windowed sinc."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtra
from ._check import OptionError, one_of, real

_OUTPUTS = 128  # of one matrix product: as wide as BLAS likes
_BANK = 1 << 22  # coefficients that are worth keeping, of all phases or of a matrix
_BLOCK = 1 << 20  # coefficients at a time from the table
_TABLE = 4096  # points of the table between two zeros of the sinc


class _Quality(NamedTuple):
    zeros: int  # of the sinc on each side
    beta: float  # of the Kaiser window
    edge: float  # centre of the transition band, of the lower Nyquist frequency


# attenuation a: beta = 0.1102 (a - 8.7); the transition is (a - 7.95) / (14.36 zeros)
# of the Nyquist frequency wide, and ends at it
QUALITIES = {
    "high": _Quality(92, 0.1102 * (125.0 - 8.7), 1.0 - 0.5 * 117.05 / (14.36 * 92)),
    "fast": _Quality(24, 0.1102 * (80.0 - 8.7), 1.0 - 0.5 * 72.05 / (14.36 * 24)),
}


def _kernel(t: NDArray[np.float64], cutoff: float, q: _Quality) -> NDArray[np.float64]:
    """The filter at ``t`` input samples from its centre; cutoff in cycles / 2."""
    u = t * cutoff / (q.edge * q.zeros)
    root = np.sqrt(np.maximum(0.0, 1.0 - u * u))
    shape = np.i0(q.beta * root) / np.i0(q.beta)
    return np.where(np.abs(u) < 1.0, cutoff * np.sinc(cutoff * t) * shape, 0.0)


def _reach(cutoff: float, q: _Quality) -> int:
    return math.ceil(q.zeros * q.edge / cutoff)


class _Piece(NamedTuple):
    start: int  # of its window, in input samples from the period's start
    matrix: NDArray[np.float64]  # (window, output)


@lru_cache(maxsize=16)
def _pieces(up: int, down: int, name: str) -> tuple[int, int, tuple[_Piece, ...]]:
    """Outputs and inputs of a period, and matrices that make its outputs."""
    q = QUALITIES[name]
    cutoff = q.edge * min(1.0, up / down)
    reach = _reach(cutoff, q)
    repeat = -(-_OUTPUTS // up)
    outputs, inputs = up * repeat, down * repeat
    count = -(-outputs // (2 * _OUTPUTS)) if outputs > 2 * _OUTPUTS else 1
    made = []
    for part in np.array_split(np.arange(outputs), count):
        centre = part * down
        first = int(centre[0]) // up - reach
        last = int(centre[-1]) // up + reach + 1
        at = np.arange(first, last + 1)[:, None]
        m = _kernel(at - centre / up, cutoff, q)
        m /= m.sum(axis=0)  # a constant stays as it is in every phase
        m.flags.writeable = False
        made.append(_Piece(first, m))
    return outputs, inputs, tuple(made)


def _by_products(
    x: NDArray[Any], n: int, up: int, down: int, name: str
) -> NDArray[Any]:
    outputs, inputs, pieces = _pieces(up, down, name)
    periods = -(-n // outputs)
    before = -pieces[0].start
    widest = max(p.start + len(p.matrix) for p in pieces)
    need = (periods - 1) * inputs + widest
    padded = np.zeros((len(x), before + max(need, x.shape[1])))
    padded[:, before : before + x.shape[1]] = x
    out = np.empty((len(x), periods, outputs), x.dtype)
    column = 0
    for p in pieces:
        rows, width = p.matrix.shape
        view = np.lib.stride_tricks.sliding_window_view(
            padded[:, before + p.start :], rows, axis=-1
        )[:, ::inputs][:, :periods]
        for i in range(0, periods, 256):
            out[:, i : i + 256, column : column + width] = (
                view[:, i : i + 256] @ p.matrix
            )
        column += width
    return out.reshape(len(x), -1)[:, :n]


@lru_cache(maxsize=4)
def _table(name: str) -> NDArray[np.float64]:
    q = QUALITIES[name]
    t = np.arange(-1, q.zeros * _TABLE + 2) / _TABLE
    return _kernel(t / q.edge, q.edge, q)


def _by_table(x: NDArray[Any], n: int, up: int, down: int, name: str) -> NDArray[Any]:
    """For ratios with too many phases to keep: taps from a table, linear in between."""
    q = QUALITIES[name]
    scale = min(1.0, up / down)
    cutoff = q.edge * scale
    reach = _reach(cutoff, q)
    table = _table(name)
    padded = np.zeros((len(x), x.shape[1] + 2 * reach + 2))
    padded[:, reach : reach + x.shape[1]] = x
    out = np.empty((len(x), n), x.dtype)
    taps = np.arange(-reach, reach + 2)
    step = max(1, min(2048, _BLOCK // len(taps)))
    for i in range(0, n, step):
        whole, part = np.divmod(np.arange(i, min(n, i + step)) * down, up)
        at = np.abs(taps - (part / up)[:, None]) * (cutoff * _TABLE) + 1.0
        low = np.minimum(at.astype(np.int64), len(table) - 2)
        left = table[low]
        k = left + np.minimum(at - low, 1.0) * (table[low + 1] - left)
        k /= k.sum(axis=1, keepdims=True)
        index = np.minimum(whole[:, None] + taps + reach, padded.shape[1] - 1)
        out[:, i : i + step] = np.einsum("ctk,tk->ct", padded[:, index], k)
    return out


def resample(
    x: Any, source: int, target: int, *, quality: str = "high"
) -> NDArray[np.floating[Any]]:
    """Resample along the last axis; sums are float64.

    Sample i of the result lies at ``i source / target`` samples of the input, which is
    taken as silent beyond its ends.

    Parameters
    ----------
    x : (..., time) array of real numbers
    source, target : int
        Sample rates, Hz.
    quality : {"high", "fast", "soxr"}
        "high": flat to 0.91 of the lower Nyquist frequency, 120 dB down from it on;
        "fast": to 0.79, and 80 dB. "soxr" asks libsoxr for its HQ (extra ``audio``).

    Returns
    -------
    (..., ceil(time * target / source)) array
        float64 for float64 input, otherwise float32.

    Raises
    ------
    ShapeError, DTypeError, MissingExtra

    Notes
    -----
    Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983, ch. 4.
    """
    op = "resample"
    x = real(op, "x", x)
    for key, rate in (("source", source), ("target", target)):
        if not isinstance(rate, (int, np.integer)) or rate < 1:
            raise OptionError(
                f"[{op}] expected {key} to be a whole number of Hz; got {rate!r}"
            )
    one_of(op, "quality", quality, [*QUALITIES, "soxr"])
    dtype = np.float64 if x.dtype == np.float64 else np.float32
    x = x.astype(dtype, copy=False)
    g = math.gcd(source, target)
    up, down = int(target) // g, int(source) // g
    n = -(-x.shape[-1] * up // down)
    if up == down or not x.size:
        return np.zeros((*x.shape[:-1], n), dtype) if not x.size else x.copy()
    rows = x.reshape(-1, x.shape[-1])
    if quality == "soxr":
        out = _soxr(rows, int(source), int(target), n)
    else:
        taps = 2 * _reach(min(1.0, up / down), QUALITIES[quality])
        columns = min(up * -(-_OUTPUTS // up), 2 * _OUTPUTS)
        matrix = columns * (columns * down // up + taps)
        way = _by_products if max(up * taps, matrix) <= _BANK else _by_table
        out = way(rows, n, up, down, quality)
    return out.reshape(*x.shape[:-1], n)


def _soxr(rows: NDArray[Any], source: int, target: int, n: int) -> NDArray[Any]:
    try:
        import soxr
    except ImportError:
        raise MissingExtra(
            "[resample] expected soxr for quality='soxr'; got none installed. "
            "Hint: pip install 'helix-multimodal[audio]'",
            "audio",
        ) from None
    out = np.zeros((len(rows), n), rows.dtype)
    made = soxr.resample(rows.T, source, target, quality="HQ").T[:, :n]
    out[:, : made.shape[1]] = made
    return out

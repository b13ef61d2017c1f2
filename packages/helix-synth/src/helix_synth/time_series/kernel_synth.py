"""KernelSynth (Ansari et al. 2024, Chronos): Gaussian processes of composed kernels.

The grammar and the bank are the published ones: up to five kernels of 33, joined from the
left by + or x. Under both, a composite is a sum of terms

    (t t')**n  white?  product of smooth stationary kernels  product of periodic kernels

because a dot product is ``s**2 + t t'``. Terms are independent, and each factor has
features: a smooth kernel the columns of its pivoted Cholesky factor, a periodic one its
Fourier series. A sample is the product of the features with normal weights, contracted
factor by factor, without a covariance matrix: exact in law to about 1e-9 of a term's
variance, where a factorisation of 1024 by 1024 would cost 30 ms or more.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial
from typing import NamedTuple

import numpy as np

from .._block import Column
from .._elementary import cos_turns, exp, log, sin_cos_turns
from .._fields import field
from ..distributions import Draws
from ._base import SeriesProcess

# periods in steps of a grid of 1024, as published (two of them twice, one thrice)
_PERIODS = (
    24,
    48,
    96,
    168,
    336,
    672,
    7,
    14,
    30,
    60,
    365,
    730,
    4,
    26,
    52,
    4,
    6,
    12,
    4,
    40,
    10,
)
BANK = (
    *(("periodic", float(p)) for p in _PERIODS),
    *(("dot", s) for s in (0.0, 1.0, 10.0)),
    *(("rbf", s) for s in (0.1, 1.0, 10.0)),
    *(("rq", a) for a in (0.1, 1.0, 10.0)),
    *(("white", w) for w in (0.1, 1.0)),
    ("constant", 1.0),
)
_HARMONICS = 9  # the tenth holds 2e-10 of the variance
_TINY = 1e-10


def _bessel(j: int) -> float:
    """I_j(1), by its series: the Fourier weights of exp(cos)."""
    return sum(
        0.5 ** (2 * m + j) / (factorial(m) * factorial(m + j)) for m in range(14)
    )


_BESSEL = [_bessel(j) for j in range(_HARMONICS + 1)]


class Term(NamedTuple):
    """(t t')**power, white or not, smooth factors and periods."""

    power: int
    white: bool
    smooth: tuple[tuple[str, float], ...]
    periods: tuple[float, ...]


def _terms(kind: str, value: float) -> dict[Term, float]:
    plain = Term(0, False, (), ())
    if kind == "constant":
        return {plain: value}
    if kind == "white":
        return {plain._replace(white=True): value}
    if kind == "dot":
        line = {plain._replace(power=1): 1.0}
        return line | {plain: value * value} if value else line
    if kind == "periodic":
        return {plain._replace(periods=(value,)): 1.0}
    return {plain._replace(smooth=((kind, value),)): 1.0}


def _times(a: dict[Term, float], b: dict[Term, float]) -> dict[Term, float]:
    out: dict[Term, float] = {}
    for s, v in a.items():
        for t, w in b.items():
            white = s.white or t.white  # on the diagonal every stationary kernel is 1
            product = Term(
                s.power + t.power,
                white,
                () if white else tuple(sorted(s.smooth + t.smooth)),
                () if white else tuple(sorted(s.periods + t.periods)),
            )
            out[product] = out.get(product, 0.0) + v * w
    return out


def _plus(a: dict[Term, float], b: dict[Term, float]) -> dict[Term, float]:
    return {
        t: a.get(t, 0.0) + b.get(t, 0.0) for t in (*a, *(t for t in b if t not in a))
    }


@lru_cache(64)
def _fourier(period: float, length: int) -> np.ndarray:
    """(feature, time): features whose products sum to exp(-2 sin**2(pi d / period))."""
    t = np.arange(length) / (length - 1.0) * (1024.0 / period)
    turns = np.arange(1, _HARMONICS + 1)[:, None] * t
    s, c = sin_cos_turns(turns - np.floor(turns))
    e = float(exp(np.array([-1.0]))[0])
    scale = np.sqrt(2.0 * e * np.array(_BESSEL[1:]))[:, None]
    first = np.full((1, length), np.sqrt(e * _BESSEL[0]))
    return np.concatenate([first, scale * c, scale * s])


def _lags(smooth: tuple[tuple[str, float], ...], length: int) -> np.ndarray:
    d2 = (np.arange(length) / (length - 1.0)) ** 2
    power = np.zeros(length)
    for kind, value in smooth:
        if kind == "rbf":
            power -= d2 / (2.0 * value * value)
        else:
            power -= value * log(1.0 + d2 / (2.0 * value))
    return exp(power)


@lru_cache(512)
def _low_rank(smooth: tuple[tuple[str, float], ...], length: int) -> np.ndarray:
    """(feature, time) whose products are a stationary kernel: pivoted Cholesky."""
    lags = _lags(smooth, length)
    both = np.concatenate([lags[:0:-1], lags])  # lag d is at length - 1 + d
    left = np.ones(length)
    rows: list[np.ndarray] = []
    while len(rows) < length:
        pivot = int(np.argmax(left))
        if left[pivot] < _TINY:
            break
        row = both[length - 1 - pivot : 2 * length - 1 - pivot].copy()
        for r in rows:
            row -= r[pivot] * r
        row /= np.sqrt(left[pivot])
        rows.append(row)
        left = np.maximum(left - row * row, 0.0)
        left[pivot] = 0.0
    return np.stack(rows)


class KernelSynth(SeriesProcess):
    """A Gaussian process on [0, 1] whose ``kernel`` is composed at random, exactly.

    ``kernel`` is its expression: periods in 1024ths of the interval.
    """

    name = "kernel_synth"
    version = 1
    chunk = 64
    length: int = field(1024, 16, 1 << 14, "steps of a series")
    kernels: int = field(5, 1, 8, "at most so many kernels in one")

    def rows(self, draws: Draws) -> dict[str, Column]:
        x = np.empty((len(draws), self.length), np.float32)
        count = 1 + draws.integers(0, self.kernels)
        which = draws.integers(0, len(BANK), self.kernels)
        times = draws.integers(0, 2, self.kernels)
        names = []
        for r, own in enumerate(draws.each()):
            chosen = [BANK[w] for w in which[r, : count[r]]]
            text, terms = _name(*chosen[0]), _terms(*chosen[0])
            for (kind, value), product in zip(chosen[1:], times[r, 1:], strict=False):
                sign, join = ("*", _times) if product else ("+", _plus)
                text = f"({text} {sign} {_name(kind, value)})"
                terms = join(terms, _terms(kind, value))
            x[r] = sample(own, terms, self.length)
            names.append(text)
        return {"series": x, "kernel": names}


def _name(kind: str, value: float) -> str:
    return f"{kind}({value:g})"


def sample(own: Draws, terms: dict[Term, float], length: int) -> np.ndarray:
    """(time,) float64: one draw of a process with these terms."""
    t = np.arange(length) / (length - 1.0)
    x = np.zeros(length)
    for term, variance in terms.items():
        part = own.normal(length)[0] if term.white else _stationary(own, term, length)
        for _ in range(term.power):
            part = part * t
        x += np.sqrt(variance) * part
    return x


def _stationary(own: Draws, term: Term, length: int) -> np.ndarray:
    if len(term.periods) + bool(term.smooth) > 3:  # their features would be too many
        z = own.normal(length)[0]
        out: np.ndarray = _triangular(term, length) @ z
        return out
    factors = [_fourier(p, length) for p in term.periods]
    if term.smooth:
        factors.append(_low_rank(term.smooth, length))
    if not factors:
        return np.full(length, own.normal(1)[0, 0])
    factors.sort(key=len)
    sizes = [len(f) for f in factors]
    weights = own.normal(int(np.prod(sizes)))[0].reshape(-1, sizes[-1])
    part = weights @ factors[-1]  # (features of the others, time)
    for f in reversed(factors[:-1]):
        part = (part.reshape(-1, len(f), length) * f).sum(1)
    return np.asarray(part.reshape(length))


def _triangular(term: Term, length: int) -> np.ndarray:
    """The Cholesky factor of a term's covariance, one part in 1e9 on its diagonal."""
    lags = _lags(term.smooth, length)
    for period in term.periods:
        d = np.arange(length) / (length - 1.0) * (1024.0 / period)
        lags = lags * exp(
            cos_turns(d - np.floor(d)) - 1.0
        )  # -2 sin**2 of half the turn
    both = np.concatenate([lags[:0:-1], lags])
    k = np.lib.stride_tricks.sliding_window_view(both, length)[::-1].copy()
    k[np.arange(length), np.arange(length)] += 1e-9
    factor: np.ndarray = np.linalg.cholesky(k)
    return factor

"""Positions: rotary tables and their scalings, ALiBi slopes, sinusoids, learned rows.

Tables are made in float64 on the host, kept for the next layer, and are no parameters.
"""

from __future__ import annotations

import math
from typing import Any

import helix_core as hx
import numpy as np

from .._check import LayerError, positive

Array = np.ndarray[Any, np.dtype[np.float64]]

KINDS = ("rotary", "learned", "sinusoidal", "alibi", "none")
_NEEDED = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "yarn": ("factor",),
}
_OPTIONAL = {
    "llama3": ("original_max_position_embeddings",),
    "yarn": (
        "original_max_position_embeddings",
        "beta_fast",
        "beta_slow",
        "attention_factor",
        "mscale",
        "mscale_all_dim",
        "truncate",
    ),
}


class _Tables:
    """Rows of a table by position; those of the last call are kept."""

    def __init__(self) -> None:
        self._last: tuple[Any, tuple[hx.Tensor, ...]] = (None, ())

    def _rows(self, start: int, time: int) -> tuple[Array, ...]:
        raise NotImplementedError

    def tables(
        self, start: int, time: int, device: Any, dtype: Any
    ) -> tuple[hx.Tensor, ...]:
        """Of positions ``start`` to ``start + time``."""
        key = (start, time, device, dtype)
        last = self._last  # read once: threads may share the table
        if last[0] != key:
            made = self._rows(start, time)
            rows = [hx.tensor(a, dtype=dtype, device=device) for a in made]
            last = self._last = key, tuple(rows)
        return last[1]


class Rotary(_Tables):
    """Rotary position embedding (Su et al., arXiv:2104.09864).

    Parameters
    ----------
    d_rot : int
        Features that turn, an even number.
    theta : float
        Pair i turns by ``theta ** (-2 i / d_rot)`` a position.
    scaling : dict, optional
        ``{"rope_type": "linear" | "dynamic" | "llama3" | "yarn", "factor": ...}`` with the
        names of transformers' ``config.json``; see `frequencies`.
    max_positions : int
        The length that a scaling stretches, where it does not say another.
    interleaved : bool
        Pairs are neighbours (GPT-J) instead of feature i and i + d_rot / 2 (Llama).

    Notes
    -----
    Frequencies of "dynamic" depend on the length. Keys of a cache stay as they were
    turned, as in transformers: beyond ``max_positions`` a step after a prefill is not
    the forward pass over the whole.
    """

    def __init__(
        self,
        d_rot: int,
        theta: float = 10_000.0,
        scaling: dict[str, Any] | None = None,
        max_positions: int = 2048,
        interleaved: bool = False,
    ) -> None:
        super().__init__()
        self.d_rot = positive("Rotary", "d_rot", d_rot)
        if d_rot % 2:
            raise LayerError(
                f"[Rotary] expected an even number of features to turn; got {d_rot}. "
                "Hint: d_head, or rope_dim"
            )
        if not 0.0 < theta < math.inf:
            raise LayerError(f"[Rotary] expected theta > 0; got {theta}")
        self.theta, self.interleaved = float(theta), bool(interleaved)
        self.max_positions = positive("Rotary", "max_positions", max_positions)
        self.scaling = checked(scaling)

    def __repr__(self) -> str:
        return f"Rotary({self.d_rot}, theta={self.theta:g}, scaling={self.scaling})"

    def _rows(self, start: int, time: int) -> tuple[Array, ...]:
        rates, size = frequencies(
            self.d_rot, self.theta, self.scaling, self.max_positions, start + time
        )
        angles = np.outer(np.arange(start, start + time), rates)
        return size * np.cos(angles), size * np.sin(angles)

    def __call__(self, x: Any, start: int = 0) -> hx.Tensor:
        """Turn x (batch, time, heads, d_head), whose first place is ``start``."""
        cos, sin = self.tables(start, x.shape[1], x.device, x.dtype)
        return hx.rotary(x, cos, sin, interleaved=self.interleaved)


def checked(scaling: dict[str, Any] | None) -> dict[str, Any] | None:
    """The scaling, if it is one that is known, with all that it needs."""
    if scaling is None:
        return None
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind not in _NEEDED:
        raise LayerError(
            f"[Rotary] expected a rope_type of {', '.join(_NEEDED)}; got {kind!r}"
        )
    given = {k: v for k, v in scaling.items() if k not in ("type", "rope_type")}
    lacking = [k for k in _NEEDED[kind] if given.get(k) is None]
    known = (*_NEEDED[kind], *_OPTIONAL.get(kind, ()))
    extra = [k for k in given if k not in known]
    if lacking or extra:
        raise LayerError(
            f"[Rotary] expected a scaling of rope_type {kind!r} with "
            f"{', '.join(known) or 'nothing else'}; got "
            f"{', '.join(given) or 'nothing else'}"
        )
    factor = given.get("factor", 1.0)
    if not factor >= 1.0:
        raise LayerError(f"[Rotary] expected a factor >= 1; got {factor}")
    return None if kind == "default" else {"rope_type": kind, **given}


def frequencies(
    d_rot: int,
    theta: float = 10_000.0,
    scaling: dict[str, Any] | None = None,
    max_positions: int = 2048,
    length: int = 0,
) -> tuple[Array, float]:
    """Angles per position, (d_rot / 2,), and the size that cos and sin are given.

    "linear" divides all by ``factor`` (Chen et al., arXiv:2306.15595). "dynamic" raises
    theta once ``length`` exceeds ``max_positions`` (NTK-aware). "llama3" divides those
    of long waves, and blends between the two bounds (Llama 3.1). "yarn" blends by the
    number of turns within the original length, and enlarges the scores (Peng et al.,
    arXiv:2309.00071).
    """
    powers = np.arange(0, d_rot, 2) / d_rot
    if scaling is None:
        return theta**-powers, 1.0
    kind, factor = scaling["rope_type"], float(scaling["factor"])
    original = scaling.get("original_max_position_embeddings") or max_positions
    if kind == "linear":
        return theta**-powers / factor, 1.0
    if kind == "dynamic":
        if d_rot > 2:
            stretch = factor * max(length, original) / original - (factor - 1.0)
            theta = theta * stretch ** (d_rot / (d_rot - 2))
        return theta**-powers, 1.0
    rates = theta**-powers
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        turns = original * rates / (2 * math.pi)
        keep = np.clip((turns - low) / (high - low), 0.0, 1.0)
    else:
        keep = 1.0 - _ramp(scaling, d_rot, theta, original)
    blended: Array = rates / factor * (1.0 - keep) + rates * keep
    return blended, _temperature(scaling) if kind == "yarn" else 1.0


def _ramp(s: dict[str, Any], d_rot: int, theta: float, original: int) -> Array:
    """0 for pairs that turn often within the original length, 1 for those that do not."""

    def pair(turns: float) -> float:
        wave = original / (turns * 2 * math.pi)
        return d_rot * math.log(wave) / (2 * math.log(theta))

    low, high = pair(s.get("beta_fast") or 32), pair(s.get("beta_slow") or 1)
    if s.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, d_rot - 1)
    if low == high:
        high += 0.001
    ramp: Array = np.clip((np.arange(d_rot // 2) - low) / (high - low), 0.0, 1.0)
    return ramp


def _temperature(s: dict[str, Any]) -> float:
    given, factor = s.get("attention_factor"), float(s["factor"])
    if given is not None:
        return float(given)

    def size(m: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * m * math.log(factor) + 1.0

    m, over = s.get("mscale"), s.get("mscale_all_dim")
    return size(m) / size(over) if m and over else size(1.0)


def alibi_slopes(n_heads: int) -> Array:
    """Slopes of ALiBi (Press et al., arXiv:2108.12409), (n_heads,).

    ``2 ** (-8 i / n)`` for a power of two; else those of the power below, and every
    second one of the power above.

    Examples
    --------
    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """

    def powers(n: int) -> Any:
        return 2.0 ** (-8.0 / n * np.arange(1, n + 1))

    below = 1 << (n_heads.bit_length() - 1)
    return np.concatenate([powers(below), powers(2 * below)[::2][: n_heads - below]])


class Sinusoids(_Tables):
    """Sines and cosines in turn, of wavelengths 2 pi to 10000 * 2 pi (arXiv:1706.03762).

    Parameters
    ----------
    d_model : int
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = positive("Sinusoids", "d_model", d_model)

    def __repr__(self) -> str:
        return f"Sinusoids({self.d_model})"

    def _rows(self, start: int, time: int) -> tuple[Array, ...]:
        rates = 10_000.0 ** (-np.arange(0, self.d_model, 2) / self.d_model)
        angles = np.outer(np.arange(start, start + time), rates)
        both = np.stack([np.sin(angles), np.cos(angles)], -1)
        return (both.reshape(time, 2 * len(rates))[:, : self.d_model],)

    def __call__(self, x: Any, start: int = 0) -> Any:
        """Add them to x (batch, time, d_model), whose first place is ``start``."""
        return x + self.tables(start, x.shape[1], x.device, x.dtype)[0]


class LearnedPositions(hx.Module):
    """A learned vector for each position.

    Parameters
    ----------
    max_positions, d_model : int
    std : float
        Deviation of the normal that draws them.

    Attributes
    ----------
    weight : Parameter (max_positions, d_model)
    """

    def __init__(
        self,
        max_positions: int,
        d_model: int,
        std: float = 0.02,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        positive("LearnedPositions", "max_positions", max_positions)
        positive("LearnedPositions", "d_model", d_model)
        where = {"device": device, "dtype": dtype, "generator": generator}
        w = hx.init.normal((max_positions, d_model), 0.0, std, **where)
        self.weight = hx.Parameter(w, "weight")

    def forward(self, x: Any, start: int = 0) -> Any:
        """Add them to x (batch, time, d_model), whose first place is ``start``."""
        rows, end = self.weight.value.shape[0], start + x.shape[1]
        if end > rows:
            raise LayerError(
                f"[LearnedPositions] expected positions below max_positions={rows}; got "
                f"position {end - 1}. Hint: shorter sequences, or rotary positions"
            )
        return x + self.weight.value[start:end]

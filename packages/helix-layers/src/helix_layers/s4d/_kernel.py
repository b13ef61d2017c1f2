"""What a diagonal state space is made of, and the filter that it amounts to."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import helix_core as hx
import numpy as np

from .._check import LayerError, positive
from ._ops import s4d_kernel

KINDS = ("lin", "inv", "real")


class Discrete(NamedTuple):
    """The recurrence s_t = e^a s_{t-1} + u_t, y_t = sum_n Re(c_n s_{n,t}).

    Attributes
    ----------
    a_re, a_im, c_re, c_im : Tensor (d_model, states)
    """

    a_re: hx.Tensor
    a_im: hx.Tensor
    c_re: hx.Tensor
    c_im: hx.Tensor

    def decay(self, steps: int = 1) -> tuple[hx.Tensor, hx.Tensor]:
        """Parts of e^(a steps)."""
        size, angle = hx.exp(self.a_re * steps), self.a_im * steps
        return size * hx.cos(angle), size * hx.sin(angle)


class S4DKernel(hx.Module):
    """The state space x' = A x + B u, y = Re(C x) with diagonal A and B = 1.

    ``lin``: A_n = -1/2 + i pi n; ``inv``: A_n = -1/2 + i N/pi (N / (2n + 1) - 1), both
    for n < N/2 with their conjugates; ``real``: A_n = -(n + 1) for n < N.

    Parameters
    ----------
    d_model : int
        Channels, each with a state space of its own.
    d_state : int
        N; even unless ``kind`` is "real".
    kind : {"lin", "inv", "real"}
    dt_min, dt_max : float
        Step sizes are drawn log-uniformly from between.

    Attributes
    ----------
    log_dt : Parameter (d_model,)
    log_A_real : Parameter (d_model, states)
        Re A = -exp of it. ``states`` is N for "real", else N/2.
    A_imag : Parameter (d_model, states), or None for "real"
    C : Parameter (d_model, states, 2), or (d_model, states) for "real"
        Real and imaginary parts, drawn from a normal of variance 1/2 each (1 for
        "real").

    Notes
    -----
    ``log_dt``, ``log_A_real`` and ``A_imag`` take no weight decay, and learn well with a
    rate of at most 1e-3 (the paper's). Discretised with zero-order hold. Parameters have
    the names of the paper's minimal implementation.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 64,
        kind: str = "lin",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.d_model = positive("S4D", "d_model", d_model)
        self.d_state = positive("S4D", "d_state", d_state)
        if kind not in KINDS:
            raise LayerError(
                f"[S4D] expected a kind of {', '.join(KINDS)}; got {kind!r}"
            )
        if kind != "real" and d_state % 2:
            raise LayerError(
                f"[S4D] expected an even d_state, of pairs of conjugates; got {d_state}"
            )
        if not 0.0 < dt_min <= dt_max:
            raise LayerError(
                f"[S4D] expected 0 < dt_min <= dt_max; got {dt_min}, {dt_max}"
            )
        self.kind = kind
        where = {"device": device, "dtype": dtype, "generator": generator}
        low, high = math.log(dt_min), math.log(dt_max)
        log_dt = hx.init.uniform((d_model,), low, high, **where)
        self.log_dt = hx.Parameter(log_dt, "log_dt", decay=False)
        rates, angles = start(kind, d_state)
        states = self.states = len(rates)

        def rows(a: np.ndarray, name: str) -> hx.Parameter:
            t = hx.tensor(np.tile(a, (d_model, 1)), dtype or hx.float32, device)
            return hx.Parameter(t, name, decay=False)

        self.log_A_real = rows(np.log(rates), "log_A_real")
        self.A_imag = None if kind == "real" else rows(angles, "A_imag")
        shape: tuple[int, ...] = (d_model, states)
        std = 1.0
        if kind != "real":
            shape, std = (*shape, 2), math.sqrt(0.5)
        self.C = hx.Parameter(hx.init.normal(shape, 0.0, std, **where), "C")

    def discrete(self) -> Discrete:
        """The recurrence that a step of the learned length makes."""
        dt = hx.expand_dims(hx.exp(self.log_dt.value), -1)
        re = -hx.exp(self.log_A_real.value)
        x = dt * re
        grow = hx.expm1(x)
        if self.A_imag is None:
            zero = hx.zeros_like(re)
            return Discrete(x, zero, self.C.value * grow / re, zero)
        im, c = self.A_imag.value, self.C.value
        y = dt * im
        # e^(x + iy) - 1, without cancellation near zero
        er = grow * hx.cos(y) - 2.0 * hx.square(hx.sin(y * 0.5))
        ei = (grow + 1.0) * hx.sin(y)
        # times 2 C / A: the conjugate pairs add the same real part again
        scale = 2.0 / (re * re + im * im)
        br, bi = (er * re + ei * im) * scale, (ei * re - er * im) * scale
        cr, ci = c[..., 0], c[..., 1]
        return Discrete(x, y, cr * br - ci * bi, cr * bi + ci * br)

    def forward(self, length: int) -> hx.Tensor:
        """The filter, (length, d_model): y = filter * u."""
        return s4d_kernel(*self.discrete(), length=length)


def start(kind: str, d_state: int) -> tuple[np.ndarray, np.ndarray]:
    """-Re A and Im A at first."""
    if kind == "real":
        rates = np.arange(1.0, d_state + 1)
        return rates, np.zeros_like(rates)
    n = np.arange(d_state // 2)
    if kind == "lin":
        return np.full(n.shape, 0.5), np.pi * n
    return np.full(n.shape, 0.5), d_state / np.pi * (d_state / (2 * n + 1) - 1)

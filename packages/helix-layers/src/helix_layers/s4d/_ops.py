"""Sums of exponentials along time, both ways, as composites.

``s4d_kernel`` goes from coefficients to a filter, ``s4d_state`` from inputs to a state.
Kernels of both hold nothing of size (time, channel, state).
"""

from __future__ import annotations

from typing import Any

import helix_core as hx

# a_re, a_im (h, n): the exponents; c_re, c_im (h, n): the coefficients


def _powers(a_re: Any, a_im: Any, steps: Any) -> tuple[hx.Tensor, hx.Tensor]:
    """Parts of e^(a l), (l, h, n)."""
    steps = hx.reshape(steps, (-1, 1, 1))
    size, angle = hx.exp(a_re * steps), a_im * steps
    return size * hx.cos(angle), size * hx.sin(angle)


def _steps(length: int, like: Any) -> hx.Tensor:
    return hx.arange(length, dtype=like.dtype, device=like.device)


def _kernel(a_re: Any, a_im: Any, c_re: Any, c_im: Any, length: int) -> hx.Tensor:
    er, ei = _powers(a_re, a_im, _steps(length, a_re))
    return hx.sum(c_re * er - c_im * ei, -1)


def _kernel_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, length: int
) -> tuple[hx.Tensor, ...]:
    a_re, a_im, c_re, c_im = inputs
    steps = _steps(length, a_re)
    er, ei = _powers(a_re, a_im, steps)
    dk = hx.expand_dims(cts[0], -1)
    dkl = dk * hx.reshape(steps, (-1, 1, 1))
    r0, i0 = hx.sum(dk * er, 0), hx.sum(dk * ei, 0)
    r1, i1 = hx.sum(dkl * er, 0), hx.sum(dkl * ei, 0)
    return c_re * r1 - c_im * i1, -(c_re * i1 + c_im * r1), r0, -i0


s4d_kernel_c = hx.composite(
    "s4d_kernel",
    fwd=lambda a, b, c, d, length: (_kernel(a, b, c, d, length),),
    bwd=_kernel_bwd,
    reads_outputs=False,
)(_kernel)


def s4d_kernel(a_re: Any, a_im: Any, c_re: Any, c_im: Any, length: int) -> hx.Tensor:
    """K_l = sum_n Re(c_n e^(a_n l)) for l < length.

    Parameters
    ----------
    a_re, a_im, c_re, c_im : Tensor (channel, state)
        Real and imaginary parts.
    length : int

    Returns
    -------
    Tensor (length, channel)
    """
    out: hx.Tensor = s4d_kernel_c(a_re, a_im, c_re, c_im, length=length)
    return out


def _state(u: Any, a_re: Any, a_im: Any) -> tuple[hx.Tensor, hx.Tensor]:
    er, ei = _powers(a_re, a_im, _steps(u.shape[1], a_re))
    u = hx.expand_dims(hx.flip(u, (1,)), -1)  # (batch, time, channel, 1), last first
    return hx.sum(u * er, 1), hx.sum(u * ei, 1)


def _state_bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any
) -> tuple[hx.Tensor, ...]:
    u, a_re, a_im = inputs
    steps = _steps(u.shape[1], a_re)
    er, ei = _powers(a_re, a_im, steps)
    dr, di = (hx.expand_dims(ct, 1) for ct in cts)  # (batch, 1, channel, state)
    back = hx.expand_dims(hx.flip(u, (1,)), -1)
    du = hx.flip(hx.sum(dr * er + di * ei, -1), (1,))
    late = back * hx.reshape(steps, (-1, 1, 1))
    da_re = hx.sum(late * (dr * er + di * ei), (0, 1))
    return du, da_re, hx.sum(late * (di * er - dr * ei), (0, 1))


s4d_state_c = hx.composite(
    "s4d_state", fwd=lambda *xs: _state(*xs), bwd=_state_bwd, reads_outputs=False
)(_state)


def s4d_state(u: Any, a_re: Any, a_im: Any) -> tuple[hx.Tensor, hx.Tensor]:
    """S_n = sum_l u_l e^(a_n (time - 1 - l)): the state after the last input.

    Parameters
    ----------
    u : Tensor (batch, time, channel)
    a_re, a_im : Tensor (channel, state)

    Returns
    -------
    Tensor, Tensor (batch, channel, state)
        Real and imaginary parts.
    """
    re, im = s4d_state_c(u, a_re, a_im)
    return re, im

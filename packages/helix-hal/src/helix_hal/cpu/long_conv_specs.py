"""Kernels of long convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from helix_hal.cpu.specs import c, serves, single

_OPTIONAL = ("d", "pre", "post")


def _named(rest: Any, flags: dict[str, bool]) -> dict[str, Any]:
    it = iter(rest)
    return {name: next(it) if flags[name] else None for name in _OPTIONAL}


@serves("long_conv", single)
@serves("long_conv.fwd", single)
def _long_conv(dev: Any, u: Any, k: Any, *rest: Any, **flags: bool) -> Any:
    from helix_hal.cpu.kernels.long_conv import long_conv_forward

    return long_conv_forward(u, k, **_named(rest, flags))


@serves("long_conv.bwd", single)
def _long_conv_bwd(dev: Any, u: Any, k: Any, *rest: Any, **flags: bool) -> Any:
    from helix_hal.cpu.kernels.long_conv import long_conv_backward

    *given, dy = rest
    g = long_conv_backward(u, k, **_named(given, flags), dy=dy)
    return tuple([g[name] for name in ("u", "k", *_OPTIONAL) if name in g])


# ------------------------------------------------------ S4D, which layers declare
@serves("s4d_kernel", single)
@serves("s4d_kernel.fwd", single)
def _s4d_kernel(
    dev: Any, a_re: Any, a_im: Any, c_re: Any, c_im: Any, length: int
) -> Any:
    from helix_hal.cpu.kernels.s4d import exponential_sums

    return exponential_sums(a_re, a_im, c_re[None], c_im[None], length)[0]


@serves("s4d_kernel.bwd", single)
def _s4d_kernel_bwd(
    dev: Any, a_re: Any, a_im: Any, c_re: Any, c_im: Any, dk: Any, length: int
) -> Any:
    from helix_hal.cpu.kernels.s4d import exponential_moments

    r0, i0, r1, i1 = exponential_moments(dk[None], a_re, a_im, lags=True)[:, 0]
    return c_re * r1 - c_im * i1, -(c_re * i1 + c_im * r1), r0, -i0


@serves("s4d_state", single)
@serves("s4d_state.fwd", single)
def _s4d_state(dev: Any, u: Any, a_re: Any, a_im: Any) -> Any:
    from helix_hal.cpu.kernels.s4d import exponential_moments

    return tuple(exponential_moments(u, a_re, a_im, backwards=True))


@serves("s4d_state.bwd", single)
def _s4d_state_bwd(dev: Any, u: Any, a_re: Any, a_im: Any, dr: Any, di: Any) -> Any:
    from helix_hal.cpu.kernels.s4d import exponential_moments, exponential_sums

    du = exponential_sums(a_re, a_im, dr, -di, u.shape[1], backwards=True)
    _, _, r1, i1 = exponential_moments(u, a_re, a_im, backwards=True, lags=True)
    return du, (dr * r1 + di * i1).sum(0), (di * r1 - dr * i1).sum(0)


# ----------------------------------------------------- Hyena, which layers declare
def _hyena_2(device: Any, *avals: Any, order: int, **attrs: Any) -> Any:
    ok = single(device, *avals)
    if ok is True and (order != 2 or avals[0].shape[2] % 16):
        return None
    return ok


@serves("hyena", _hyena_2)
@serves("hyena.fwd", _hyena_2)
def _hyena(dev: Any, *inputs: Any, order: int, shift: float, compute: str) -> Any:
    from helix_hal.cpu.kernels.hyena import hyena_forward

    return hyena_forward(*map(c, inputs), shift=shift, compute=compute)


@serves("hyena.bwd", _hyena_2)
def _hyena_bwd(dev: Any, *flat: Any, order: int, shift: float, compute: str) -> Any:
    from helix_hal.cpu.kernels.hyena import hyena_backward

    arrays: list[Any] = [c(a) for a in flat]
    out_b, times, ct = arrays[10:]
    attrs: dict[str, Any] = {"shift": shift, "compute": compute}
    *first, dout = hyena_backward(*[*arrays[:10], times, ct], **attrs)
    dout_b = ct.sum((0, 1)) if ct.size < 1 << 16 else _column_sums(ct)
    return *first, dout, dout_b.astype(out_b.dtype), np.zeros_like(times)


def _column_sums(ct: Any) -> Any:
    from helix_hal.cpu.kernels.hyena import _sums

    return _sums(ct.reshape(-1, ct.shape[-1]))

"""The selective state space scan of Mamba (Gu and Dao, arXiv:2312.00752)."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import ShapeError
from .._grad import vjp
from .._reduce import linear_scan
from .._shape import _in
from .._tensor import Tensor

# inputs: u (b, t, d), dt (b, t, d), A (d, n), B (b, t, n), C (b, t, n), then, where the
# attribute of the same name says so: D (d,), z (b, t, d), dt_bias (d,), h0 (b, d, n).
# outputs: y (b, t, d) and the last state (b, d, n).
# residual: the state before every chunk, (b, chunks, n, d)

CHUNK = 32
OPTIONAL = ("D", "z", "dt_bias", "h0")


def _named(rest: tuple[Tensor, ...], flags: dict[str, Any]) -> dict[str, Any]:
    it = iter(rest)
    return {k: next(it) if flags[k] else None for k in OPTIONAL}


def _states(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, rest: Any, flags: Any
) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
    """y, every state (b, t, d, n), and the initial one."""
    from ..activations import silu, softplus

    o = _named(rest, flags)
    if o["dt_bias"] is not None:
        dt = dt + o["dt_bias"]
    if flags["softplus"]:
        dt = softplus(dt)
    b, _, d = u.shape
    h0 = o["h0"]
    if h0 is None:
        h0 = ops.zeros((b, d, A.shape[1]), u.dtype, u.device)
    decay = ops.exp(ops.expand_dims(dt, -1) * A)
    drive = ops.expand_dims(dt * u, -1) * ops.expand_dims(B, 2)
    h = linear_scan(decay, drive, h0, axis=1)
    y = ops.sum(h * ops.expand_dims(C, 2), -1)
    if o["D"] is not None:
        y = y + u * o["D"]
    if o["z"] is not None:
        y = y * silu(o["z"])
    return y, h, h0, o


def _scan(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, *rest: Tensor, **flags: Any
) -> tuple[Tensor, Tensor]:
    y, h, h0, _ = _states(u, dt, A, B, C, rest, flags)
    t = u.shape[1]
    last = ops.squeeze(ops.narrow(h, 1, t - 1, t), 1) if t else h0
    return y, last


def _fwd(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, *rest: Tensor, **flags: Any
) -> tuple[Tensor, Tensor, Tensor]:
    y, h, h0, _ = _states(u, dt, A, B, C, rest, flags)
    t = u.shape[1]
    ends = [h0] + [
        ops.squeeze(ops.narrow(h, 1, i - 1, i), 1) for i in range(CHUNK, t, CHUNK)
    ]
    last = ops.squeeze(ops.narrow(h, 1, t - 1, t), 1) if t else h0
    return y, last, ops.swapaxes(ops.stack(ends, 1), 2, 3)


def _bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any, **flags: Any) -> Any:
    _, pull = vjp(lambda *xs: _scan(*xs, **flags), *inputs)
    return pull(tuple(cts))


selective_scan_c = composite("selective_scan", fwd=_fwd, bwd=_bwd, reads_outputs=False)(
    _scan
)


def selective_scan(
    u: Any,
    dt: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any = None,
    z: Any = None,
    dt_bias: Any = None,
    h0: Any = None,
    softplus: bool = True,
    return_state: bool = False,
) -> Any:
    """h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t;  y_t = (C_t h_t + D u_t) silu(z_t).

    Parameters
    ----------
    u, dt : Tensor (batch, time, d)
        Inputs and step sizes; ``dt_bias`` is added and softplus applied to ``dt``.
    A : Tensor (d, n)
        Negative decay rates.
    B, C : Tensor (batch, time, n)
    D : Tensor (d,), optional
    z : Tensor (batch, time, d), optional
        Gate.
    dt_bias : Tensor (d,), optional
    h0 : Tensor (batch, d, n), optional
        State before the first step; zeros by default.
    return_state : bool
        Also return the state after the last step, which has a gradient.

    Returns
    -------
    Tensor (batch, time, d), or a pair with the state (batch, d, n).

    Notes
    -----
    Kernels keep O(time d) memory: states are saved at chunk boundaries and computed
    again in the backward pass. The default body holds (batch, time, d, n).
    """
    u, dt, A, B, C = (_in(x) for x in (u, dt, A, B, C))
    given = {"D": D, "z": z, "dt_bias": dt_bias, "h0": h0}
    rest = {k: _in(v) for k, v in given.items() if v is not None}
    _check(u, dt, A, B, C, rest)
    y, last = selective_scan_c(
        *ops.lift(u, dt, A, B, C, *rest.values()),
        softplus=softplus,
        **{k: k in rest for k in OPTIONAL},
    )
    return (y, last) if return_state else y


def _check(
    u: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, rest: dict[str, Tensor]
) -> None:
    if u.ndim != 3 or A.ndim != 2:
        raise ShapeError(
            f"[selective_scan] expected u (batch, time, d) and A (d, n); got "
            f"u.shape={u.shape}, A.shape={A.shape}"
        )
    (b, t, d), n = u.shape, A.shape[1]
    want = {
        "dt": (dt, (b, t, d)),
        "A": (A, (d, n)),
        "B": (B, (b, t, n)),
        "C": (C, (b, t, n)),
    }
    shape = {"D": (d,), "z": (b, t, d), "dt_bias": (d,), "h0": (b, d, n)}
    want |= {k: (v, shape[k]) for k, v in rest.items()}
    for name, (x, s) in want.items():
        if x.shape != s:
            raise ShapeError(
                f"[selective_scan] expected {name} of shape {s}; got {x.shape} "
                f"(u.shape={u.shape}, A.shape={A.shape}) on {u.device.name!r}"
            )

"""``linear`` and ``linear_act``: products whose bias, activation and residual are fused."""

from __future__ import annotations

from typing import Any

import numpy as np

from helix_hal.cpu.blas import tiles
from helix_hal.cpu.specs import c, rows, serves

_LEAST = 1 << 18  # multiply-adds from which our own tiles are worth a launch,
_ROWS = 5  # and rows from which packing the weights is worth while


def _wide(device: Any, x: Any, w: Any, *avals: Any, compute: str, **attrs: Any) -> Any:
    """Enough float32 on a processor whose tiles are ours; else the parts do as well."""
    few = x.size < _ROWS * x.shape[-1]
    if few or x.dtype.name != "float32" or x.size * w.shape[0] < _LEAST:
        return None
    own = "AVX512-BF16" if compute == "bfloat16" else "AVX-512"
    return True if tiles(compute) == own else None


def _flat(a: np.ndarray) -> np.ndarray:
    """(rows, features), without a copy where rows are evenly apart."""
    return a if a.ndim == 2 else rows(a)


def _forward(
    x: Any,
    w: Any,
    rest: Any,
    bias: bool,
    residual: bool,
    compute: str,
    activation: str = "none",
    keep: bool = False,
) -> tuple[Any, Any]:
    from helix_hal.cpu.kernels.linear import linear_forward

    shape = (*x.shape[:-1], w.shape[0])
    y, kept = linear_forward(
        *(_flat(x), w, c(rest[0]) if bias else None),
        rows(rest[-1]) if residual else None,
        activation=activation,
        compute=compute,
        keep=keep,
    )
    return y.reshape(shape), None if kept is None else kept.reshape(shape)


@serves("linear", _wide)
@serves("linear.fwd", _wide)
@serves("linear_act", _wide)
def _plain(dev: Any, x: Any, w: Any, *rest: Any, **attrs: Any) -> Any:
    return _forward(x, w, rest, **attrs)[0]


@serves("linear_act.fwd", _wide)
def _keeping(dev: Any, x: Any, w: Any, *rest: Any, **attrs: Any) -> Any:
    return _forward(x, w, rest, **attrs, keep=True)


def _backward(
    x: Any,
    w: Any,
    kept: Any,
    dy: Any,
    bias: bool,
    residual: bool,
    compute: str,
    activation: str = "none",
) -> tuple[Any, ...]:
    from helix_hal.cpu.kernels.linear import linear_backward

    dx, dw, db = linear_backward(
        *(_flat(x), w, rows(dy), None if kept is None else rows(kept)),
        activation=activation,
        bias=bias,
        compute=compute,
    )
    some = (db,) if bias else ()
    return dx.reshape(x.shape), dw, *some, *((dy,) if residual else ())


@serves("linear.bwd", _wide)
def _linear_bwd(dev: Any, x: Any, w: Any, dy: Any, **attrs: Any) -> Any:
    return _backward(x, w, None, dy, **attrs)


@serves("linear_act.bwd", _wide)
def _act_bwd(dev: Any, x: Any, w: Any, *rest: Any, **attrs: Any) -> Any:
    return _backward(x, w, *rest[-2:], **attrs)

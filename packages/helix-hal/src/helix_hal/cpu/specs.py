"""Which composite each kernel serves: the adapters between flat op signatures and kernels.

The op's arguments arrive flat, as its composite documents them; kernels want contiguous
two-dimensional arrays of float32 or float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from helix_core.contracts import KernelSpec

from helix_hal.cpu import pool
from helix_hal.cpu.optim_specs import SPECS as OPTIM_SPECS

_DTYPES = ("float32", "float64")
SPECS: list[KernelSpec] = [*OPTIM_SPECS]


def floats(device: Any, *avals: Any, **attrs: Any) -> Any:
    """The first operand is float32 or float64, and so is every other float."""
    kinds = {a.dtype.name for a in avals if a.dtype.inexact}
    if len(kinds) != 1 or not kinds <= set(_DTYPES):
        return f"expected float32 or float64 throughout; got {', '.join(sorted(kinds))}"
    if any(0 in a.shape for a in avals):
        return None
    return True


def single(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Every float is float32."""
    ok = floats(device, *avals)
    if ok is True and any(a.dtype.name == "float64" for a in avals):
        return "expected float32; got float64"
    return ok


def serves(op: str, supports: Any = floats) -> Callable[[Any], Any]:
    def wrap(fn: Any) -> Any:
        SPECS.append(KernelSpec(op, "cpu", fn, supports=supports, priority=100))
        return fn

    return wrap


def c(a: np.ndarray) -> np.ndarray:
    """Contiguous; the array itself where it is so already."""
    return a if a.flags.c_contiguous else np.ascontiguousarray(a)


def rows(a: np.ndarray) -> np.ndarray:
    """(rows, features)."""
    return c(a).reshape(-1, a.shape[-1])


# ------------------------------------------------------------------------- softmax
def _by_rows(name: str) -> Callable[..., Any]:
    def run(dev: Any, *xs: Any) -> Any:
        from helix_hal.cpu.kernels import softmax

        return getattr(softmax, name)(*[rows(x) for x in xs]).reshape(xs[0].shape)

    return run


for _op in ("softmax", "log_softmax"):
    serves(_op)(_by_rows(f"{_op}_forward"))
    serves(f"{_op}.fwd")(_by_rows(f"{_op}_forward"))
    serves(f"{_op}.bwd")(_by_rows(f"{_op}_backward"))  # (y, dy)


# --------------------------------------------------------------------------- norms
@serves("rms_norm.fwd")
def _rms(dev: Any, x: Any, w: Any, eps: float) -> Any:
    from helix_hal.cpu.kernels.norm import rms_norm_forward

    y, rstd, _ = rms_norm_forward(rows(x), c(w), eps=eps)
    return y.reshape(x.shape), rstd.reshape(x.shape[:-1])


@serves("rms_norm")
def _rms_plain(dev: Any, x: Any, w: Any, eps: float) -> Any:
    return _rms(dev, x, w, eps)[0]


@serves("rms_norm.bwd")
def _rms_bwd(dev: Any, x: Any, w: Any, rstd: Any, dy: Any, eps: float) -> Any:
    from helix_hal.cpu.kernels.norm import rms_norm_backward

    dx, dw = rms_norm_backward(rows(x), c(w), rstd.reshape(-1), rows(dy))
    return dx.reshape(x.shape), dw


@serves("rms_norm_add.fwd")
def _rms_add(dev: Any, x: Any, w: Any, res: Any, eps: float) -> Any:
    from helix_hal.cpu.kernels.norm import rms_norm_forward

    y, rstd, h = rms_norm_forward(rows(x), c(w), rows(res), eps=eps)
    return y.reshape(x.shape), h.reshape(x.shape), rstd.reshape(x.shape[:-1])


@serves("rms_norm_add")
def _rms_add_plain(dev: Any, x: Any, w: Any, res: Any, eps: float) -> Any:
    return _rms_add(dev, x, w, res, eps)[:2]


@serves("rms_norm_add.bwd")
def _rms_add_bwd(
    dev: Any, w: Any, y: Any, h: Any, rstd: Any, dy: Any, dh: Any, eps: float
) -> Any:
    from helix_hal.cpu.kernels.norm import rms_norm_backward

    dx, dw = rms_norm_backward(rows(h), c(w), rstd.reshape(-1), rows(dy), rows(dh))
    dx = dx.reshape(h.shape)
    return dx, dw, dx


@serves("layer_norm.fwd")
def _layer(dev: Any, x: Any, w: Any, b: Any, eps: float) -> Any:
    from helix_hal.cpu.kernels.norm import layer_norm_forward

    y, mean, rstd, _ = layer_norm_forward(rows(x), c(w), c(b), eps=eps)
    lead = x.shape[:-1]
    return y.reshape(x.shape), mean.reshape(lead), rstd.reshape(lead)


@serves("layer_norm")
def _layer_plain(dev: Any, x: Any, w: Any, b: Any, eps: float) -> Any:
    return _layer(dev, x, w, b, eps)[0]


@serves("layer_norm.bwd")
def _layer_bwd(
    dev: Any, x: Any, w: Any, b: Any, mean: Any, rstd: Any, dy: Any, eps: float
) -> Any:
    from helix_hal.cpu.kernels.norm import layer_norm_backward

    dx, dw, db = layer_norm_backward(
        rows(x), c(w), mean.reshape(-1), rstd.reshape(-1), rows(dy)
    )
    return dx.reshape(x.shape), dw, db


@serves("layer_norm_add.fwd")
def _layer_add(dev: Any, x: Any, w: Any, b: Any, res: Any, eps: float) -> Any:
    from helix_hal.cpu.kernels.norm import layer_norm_forward

    y, mean, rstd, h = layer_norm_forward(rows(x), c(w), c(b), rows(res), eps=eps)
    lead = x.shape[:-1]
    both = y.reshape(x.shape), h.reshape(x.shape)
    return *both, mean.reshape(lead), rstd.reshape(lead)


@serves("layer_norm_add")
def _layer_add_plain(dev: Any, x: Any, w: Any, b: Any, res: Any, eps: float) -> Any:
    return _layer_add(dev, x, w, b, res, eps)[:2]


@serves("layer_norm_add.bwd")
def _layer_add_bwd(
    dev: Any, w: Any, y: Any, h: Any, mean: Any, rstd: Any, dy: Any, dh: Any, eps: float
) -> Any:
    from helix_hal.cpu.kernels.norm import layer_norm_backward

    dx, dw, db = layer_norm_backward(
        rows(h), c(w), mean.reshape(-1), rstd.reshape(-1), rows(dy), rows(dh)
    )
    dx = dx.reshape(h.shape)
    return dx, dw, db, dx


# -------------------------------------------------------------------- cross-entropy
def _lce_run(
    x: Any, w: Any, labels: Any, bias: Any, want: bool, attrs: dict[str, Any]
) -> Any:
    from helix_hal.cpu.kernels.linear_cross_entropy import linear_cross_entropy

    b = c(bias[0]) if bias else None
    return linear_cross_entropy(c(x), c(w), c(labels), b, want_grads=want, **attrs)


@serves("linear_cross_entropy")
def _lce(dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any) -> Any:
    return np.asarray(_lce_run(x, w, labels, bias, False, attrs).loss)


@serves("linear_cross_entropy.fwd")
def _lce_fwd(dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any) -> Any:
    r = _lce_run(x, w, labels, bias, True, attrs)
    grads = (r.dx, r.dw, r.dbias) if bias else (r.dx, r.dw)
    return np.asarray(r.loss), *grads


@serves("linear_cross_entropy.bwd")
def _lce_bwd(dev: Any, x: Any, w: Any, labels: Any, *rest: Any, **attrs: Any) -> Any:
    """The gradients were made in the forward pass: scale them, or hand them over."""
    *saved, ct = rest
    grads = saved[1:] if len(saved) == 4 else saved  # a bias comes before its gradients
    if ct == 1:
        return tuple(grads)
    return tuple([np.multiply(g, ct, out=pool.empty(g.shape, g.dtype)) for g in grads])


@serves("linear_cross_entropy_rows")
def _lce_rows(dev: Any, *args: Any, **attrs: Any) -> Any:
    return _lce_rows_fwd(dev, *args, **attrs)[0]


@serves("linear_cross_entropy_rows.fwd")
def _lce_rows_fwd(
    dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any
) -> Any:
    r = _lce_run(x, w, labels, bias, False, {**attrs, "reduction": "none"})
    return r.loss, r.lse


@serves("linear_cross_entropy_rows.bwd")
def _lce_rows_bwd(
    dev: Any, x: Any, w: Any, labels: Any, *rest: Any, **attrs: Any
) -> Any:
    from helix_hal.cpu.kernels.linear_cross_entropy import linear_cross_entropy_backward

    *bias, lse, ct = rest
    b = c(bias[0]) if bias else None
    dx, dw, db = linear_cross_entropy_backward(
        c(x), c(w), c(labels), lse, ct, b, **attrs
    )
    return (dx, dw, db) if bias else (dx, dw)


# ------------------------------------------------------------- embedding and dropout
@serves("embedding")
@serves("embedding.fwd")
def _embedding(dev: Any, ids: Any, weight: Any, rows: int) -> Any:
    from helix_hal.cpu.kernels.embedding import embedding_forward

    return embedding_forward(c(weight), c(ids))


@serves("embedding.bwd")
def _embedding_bwd(dev: Any, ids: Any, dy: Any, rows: int) -> Any:
    from helix_hal.cpu.kernels.embedding import embedding_backward

    return embedding_backward(c(ids), c(dy), rows)


@serves("dropout")
@serves("dropout.fwd")
def _dropout(dev: Any, x: Any, key: Any, p: float) -> Any:
    from helix_hal.cpu.kernels.dropout import dropout

    return dropout(c(x), p, key[:2], key[2:])


@serves("dropout.bwd")
def _dropout_bwd(dev: Any, key: Any, dy: Any, p: float) -> Any:
    return _dropout(dev, dy, key, p)


# --------------------------------------------------------------------- activations
def _activation(op: str, kernel: str) -> None:
    def forward(dev: Any, x: Any, **attrs: Any) -> Any:
        from helix_hal.cpu.kernels.elementwise import unary_forward

        return unary_forward(kernel, c(x))

    def backward(dev: Any, x: Any, dy: Any, **attrs: Any) -> Any:
        from helix_hal.cpu.kernels.elementwise import unary_backward

        return unary_backward(kernel, c(x), c(dy))

    serves(op, large)(forward)
    serves(f"{op}.fwd", large)(forward)
    serves(f"{op}.bwd", large)(backward)


def large(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Enough elements that a compiled map is worth it."""
    ok = floats(device, *avals)
    return None if ok is True and avals[0].size < 4096 else ok


for _name, _kernel in {
    "sigmoid": "sigmoid",
    "silu": "silu",
    "softplus": "softplus",
    "gelu": "gelu",
    "gelu_tanh": "gelu_tanh",
}.items():
    _activation(_name, _kernel)


# ----------------------------------------------------------- convolution and scan
def _conv_inputs(rest: Any, bias: bool, state: bool) -> tuple[Any, Any]:
    it = iter(rest)
    b = next(it) if bias else None
    return b, next(it) if state else None


_TAPS = 16  # what a window in registers may hold


def _short(device: Any, x: Any, w: Any, *avals: Any, **attrs: Any) -> Any:
    ok = single(device, x, w, *avals)
    if ok is True and w.shape[1] > _TAPS:
        return f"expected at most {_TAPS} taps; got {w.shape[1]}"
    return ok


@serves("causal_conv1d", _short)
@serves("causal_conv1d.fwd", _short)
def _conv(
    dev: Any, x: Any, w: Any, *rest: Any, bias: bool, state: bool, silu: bool
) -> Any:
    from helix_hal.cpu.kernels.causal_conv1d import causal_conv1d_forward

    b, s = _conv_inputs(rest, bias, state)
    return causal_conv1d_forward(x, w, b, s, silu=silu)


@serves("causal_conv1d.bwd", _short)
def _conv_bwd(
    dev: Any, x: Any, w: Any, *rest: Any, bias: bool, state: bool, silu: bool
) -> Any:
    from helix_hal.cpu.kernels.causal_conv1d import causal_conv1d_backward

    *given, dy, dlast = rest
    b, s = _conv_inputs(given, bias, state)
    dx, dw, db, ds = causal_conv1d_backward(x, w, b, s, dy, dlast, silu=silu)
    return dx, dw, *((db,) if bias else ()), *((ds,) if state else ())


_OPTIONAL = ("D", "z", "dt_bias", "h0")


def _scan_inputs(rest: Any, flags: dict[str, Any]) -> dict[str, Any]:
    it = iter(rest)
    return {k: next(it) if flags[k] else None for k in _OPTIONAL}


@serves("selective_scan.fwd", single)
def _scan(
    dev: Any, u: Any, dt: Any, A: Any, B: Any, C: Any, *rest: Any, **flags: Any
) -> Any:
    from helix_hal.cpu.kernels.selective_scan import selective_scan_forward

    o = _scan_inputs(rest, flags)
    return selective_scan_forward(u, dt, A, B, C, **o, soft=flags["softplus"])


@serves("selective_scan", single)
def _scan_plain(dev: Any, *xs: Any, **flags: Any) -> Any:
    return _scan(dev, *xs, **flags)[:2]


@serves("selective_scan.bwd", single)
def _scan_bwd(
    dev: Any, u: Any, dt: Any, A: Any, B: Any, C: Any, *rest: Any, **flags: Any
) -> Any:
    from helix_hal.cpu.kernels.selective_scan import selective_scan_backward

    *given, ends, dy, dlast = rest
    o = _scan_inputs(given, flags)
    del o["h0"]
    g = selective_scan_backward(
        u, dt, A, B, C, **o, ends=ends, dy=dy, dlast=dlast, soft=flags["softplus"]
    )
    names = ["u", "dt", "A", "B", "C", *(k for k in _OPTIONAL if flags[k])]
    return tuple([g[k] for k in names])

"""The short causal depthwise convolution in front of a state space layer."""

from __future__ import annotations

from typing import Any

from .. import _ops as ops
from .._composite import composite
from .._errors import ShapeError
from .._shape import _in
from .._tensor import Tensor

# inputs: x (b, t, c), weight (c, k), then bias (c,) and state (b, k-1, c) where the
# attributes say so. outputs: y, and the last k-1 inputs


def _window(x: Tensor, w: Tensor, rest: tuple[Tensor, ...], state: bool) -> Tensor:
    """x with the k-1 inputs before it in front."""
    k = w.shape[1]
    if state:
        before = rest[-1]
    else:
        before = ops.zeros((x.shape[0], k - 1, x.shape[2]), x.dtype, x.device)
    return ops.concat([before, x], 1)


def _linear(
    full: Tensor, x: Tensor, w: Tensor, rest: tuple[Tensor, ...], bias: bool
) -> Tensor:
    n, k = x.shape[1], w.shape[1]
    columns = [ops.reshape(ops.narrow(w, 1, j, j + 1), -1) for j in range(k)]
    y = ops.narrow(full, 1, 0, n) * columns[0]
    for j in range(1, k):
        y = y + ops.narrow(full, 1, j, j + n) * columns[j]
    return y + rest[0] if bias else y


def _conv(
    x: Tensor, w: Tensor, *rest: Tensor, bias: bool, state: bool, silu: bool
) -> tuple[Tensor, Tensor]:
    full = _window(x, w, rest, state)
    y = _linear(full, x, w, rest, bias)
    if silu:
        y = y * ops.sigmoid(y)
    n, k = x.shape[1], w.shape[1]
    return y, ops.narrow(full, 1, n, n + k - 1)


def _bwd(
    inputs: Any,
    outputs: Any,
    residuals: Any,
    cts: Any,
    bias: bool,
    state: bool,
    silu: bool,
) -> tuple[Any, ...]:
    x, w, *rest = inputs
    rest = tuple(rest)
    ct, ct_state = cts
    n, k = x.shape[1], w.shape[1]
    full = _window(x, w, rest, state)
    if silu:
        y = _linear(full, x, w, rest, bias)
        s = ops.sigmoid(y)
        ct = ct * (s * (1.0 + y * (1.0 - s)))
    # the cotangent of every place of the window
    zero = ops.zeros((), ct.dtype, ct.device)
    dfull = ops.pad_p(ct_state, zero, ((0, 0, 0), (n, 0, 0), (0, 0, 0)))
    dw = []
    for j in range(k):
        wj = ops.reshape(ops.narrow(w, 1, j, j + 1), -1)
        dfull = dfull + ops.pad_p(
            ct * wj, zero, ((0, 0, 0), (j, k - 1 - j, 0), (0, 0, 0))
        )
        dw.append(ops.sum(ct * ops.narrow(full, 1, j, j + n), (0, 1)))
    grads: list[Any] = [ops.narrow(dfull, 1, k - 1, k - 1 + n), ops.stack(dw, 1)]
    if bias:
        grads.append(ops.sum(ct, (0, 1)))
    if state:
        grads.append(ops.narrow(dfull, 1, 0, k - 1))
    return tuple(grads)


causal_conv1d_c = composite("causal_conv1d", fwd=_conv, bwd=_bwd, reads_outputs=False)(
    _conv
)


def causal_conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    activation: str | None = None,
    state: Any = None,
    return_state: bool = False,
) -> Any:
    """y_t = act(bias + sum_j weight_j x_{t-k+1+j}), one filter per channel.

    Parameters
    ----------
    x : Tensor (batch, time, channel)
    weight : Tensor (channel, k)
    bias : Tensor (channel,), optional
    activation : {None, "silu"}
    state : Tensor (batch, k-1, channel), optional
        The inputs before ``x``; zeros by default.
    return_state : bool
        Also return the last k-1 inputs.

    Returns
    -------
    Tensor (batch, time, channel), or a pair with the new state.
    """
    x, weight = _in(x), _in(weight)
    if x.ndim != 3 or weight.ndim != 2 or x.shape[2] != weight.shape[0]:
        raise ShapeError(
            "[causal_conv1d] expected x (batch, time, channel) and weight (channel, k); "
            f"got x.shape={x.shape}, weight.shape={weight.shape}"
        )
    if activation not in (None, "silu"):
        raise ShapeError(
            f"[causal_conv1d] expected activation None or 'silu'; got {activation!r}"
        )
    args = [x, weight]
    if bias is not None:
        args.append(_in(bias))
        if args[-1].shape != x.shape[2:]:
            raise ShapeError(
                f"[causal_conv1d] expected bias {x.shape[2:]}; got {args[-1].shape}"
            )
    if state is not None:
        args.append(_in(state))
        want = (x.shape[0], weight.shape[1] - 1, x.shape[2])
        if args[-1].shape != want:
            raise ShapeError(
                f"[causal_conv1d] expected state {want}; got {args[-1].shape}"
            )
    y, last = causal_conv1d_c(
        *ops.lift(*args),
        bias=bias is not None,
        state=state is not None,
        silu=activation == "silu",
    )
    return (y, last) if return_state else y

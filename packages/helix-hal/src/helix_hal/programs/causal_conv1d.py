"""The short causal convolution in front of a state space layer: a point per result.

Neighbouring points are neighbouring channels. Gradients of weights and bias are summed
over parts of (batch, time), then over the parts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, Expr, LoopProgram, Ref

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._kernels import Kernel, floats, serves, wide
from helix_hal.programs._math import silu, silu_slope
from helix_hal.programs._run import channels_last, dense, empty, flat, launch, like
from helix_hal.programs.sums import add_up, parts

KERNELS: list[Kernel] = []
_TAPS = 16  # written out one by one


class _Window:
    """x (batch, time, channel) with the inputs before it in front."""

    def __init__(self, b: Builder, dtype: str, taps: int, state: bool) -> None:
        self.b, self.taps, self.real = b, taps, wide(dtype)
        self.batch, self.time = b.size("batch"), b.size("time")
        self.channels = b.size("channels")
        self.x_b, self.x_t = b.size("x_b"), b.size("x_t")
        self.x, self.w = b.input("x", dtype), b.input("w", dtype)
        self.state: Ref | None = b.input("state", dtype) if state else None

    def at(self, i: Expr, p: Expr, c: Expr, more: Expr | None = None) -> Expr:
        """The input at time p >= 1 - taps; where ``more`` is false, 0."""
        gate = p >= 0 if more is None else (p >= 0) & more
        e = self.x.load(i * self.x_b + p * self.x_t + c, gate).cast(self.real)
        if self.state is None:
            return e
        k = self.taps - 1
        early = p < 0 if more is None else (p < 0) & more
        place = ((i * k + (p + k)) * self.channels) + c
        return e + self.state.load(place, early).cast(self.real)

    def weight(self, c: Expr, j: int) -> Expr:
        return self.w[c * self.taps + j].cast(self.real)

    def sum(self, i: Expr, t: Expr, c: Expr, bias: Ref | None) -> Expr:
        """The convolution at (i, t, c)."""
        total = None if bias is None else bias[c].cast(self.real)
        for j in range(self.taps):
            term = self.at(i, t + (j - self.taps + 1), c) * self.weight(c, j)
            total = term if total is None else total + term
        assert total is not None
        return total


@lru_cache
def conv(
    dtype: str, taps: int, bias: bool, state: bool, activation: bool
) -> LoopProgram:
    """y (batch, time, channel)."""
    b = Builder("causal_conv1d")
    win = _Window(b, dtype, taps, state)
    bs = b.input("b", dtype) if bias else None
    y = b.output("y", dtype)
    i, t, c = b.axis(win.batch), b.axis(win.time), b.axis(win.channels)
    z = win.sum(i, t, c, bs)
    new = silu(z) if activation else z
    y[(i * win.time + t) * win.channels + c] = new.cast(dtype)
    return b.build()


@lru_cache
def last_inputs(dtype: str, taps: int, state: bool) -> LoopProgram:
    """The last taps - 1 inputs (batch, taps - 1, channel) of a shorter x."""
    b = Builder("causal_conv1d_state")
    win = _Window(b, dtype, taps, state)
    kept, last = b.size("kept"), b.output("last", dtype)
    i, k, c = b.axis(win.batch), b.axis(kept), b.axis(win.channels)
    e = win.at(i, win.time + k - kept, c)
    last[(i * kept + k) * win.channels + c] = e.cast(dtype)
    return b.build()


@lru_cache
def slope(dtype: str, taps: int, bias: bool, state: bool) -> LoopProgram:
    """g = dy silu'(z), where y = silu(z)."""
    b = Builder("causal_conv1d_slope")
    win = _Window(b, dtype, taps, state)
    bs = b.input("b", dtype) if bias else None
    dy, g = b.input("dy", dtype), b.output("g", dtype)
    g_b, g_t = b.size("g_b"), b.size("g_t")
    i, t, c = b.axis(win.batch), b.axis(win.time), b.axis(win.channels)
    d = dy[i * g_b + t * g_t + c].cast(win.real)
    new = d * silu_slope(win.sum(i, t, c, bs))
    g[(i * win.time + t) * win.channels + c] = new.cast(dtype)
    return b.build()


@lru_cache
def conv_backward(dtype: str, taps: int) -> LoopProgram:
    """The window's gradient (batch, taps - 1 + time, channel): the state's, then x's."""
    b, real = Builder("causal_conv1d_backward"), wide(dtype)
    batch, time, channels = b.size("batch"), b.size("time"), b.size("channels")
    full, g_b, g_t = b.size("full"), b.size("g_b"), b.size("g_t")
    w, g, dlast = b.input("w", dtype), b.input("g", dtype), b.input("dlast", dtype)
    d = b.output("d", dtype)
    i, p, c = b.axis(batch), b.axis(full), b.axis(channels)
    at = (i * (taps - 1) + (p - time)) * channels + c
    total = dlast.load(at, p >= time).cast(real)
    for j in range(taps):
        t = p - j
        here = (t >= 0) & (t < time)
        e = g.load(i * g_b + t * g_t + c, here).cast(real)
        total = total + e * w[c * taps + j].cast(real)
    d[(i * full + p) * channels + c] = total.cast(dtype)
    return b.build()


@lru_cache
def conv_weights(dtype: str, taps: int, bias: bool, state: bool) -> LoopProgram:
    """A part's gradients (parts, taps, channel), and the bias's as one row more."""
    b = Builder("causal_conv1d_weights")
    win = _Window(b, dtype, taps, state)
    g, out = b.input("g", dtype), b.output("out", win.real)
    g_b, g_t = b.size("g_b"), b.size("g_t")
    split, each = b.size("parts"), b.size("each")
    part, c = b.axis(split), b.axis(win.channels)
    b.serial(each)
    rows = taps + 1 if bias else taps
    with b.scan([0] * rows, win.real) as s:
        r = part * each + s.step
        here = r < win.batch * win.time
        i = (r // win.time).min(win.batch - 1)
        t = r % win.time
        d = g.load(i * g_b + t * g_t + c, here).cast(win.real)
        new = [
            s.states[j] + d * win.at(i, t + (j - taps + 1), c, here)
            for j in range(taps)
        ]
        s.next(*new, *([s.states[taps] + d] if bias else []))
    for j, total in enumerate(s.results):
        out[(part * rows + j) * win.channels + c] = total
    return b.build()


# ------------------------------------------------------------------------- adapters
def short(device: Any, x: Any, w: Any, *avals: Any, **attrs: Any) -> Any:
    """At most 16 taps."""
    ok = floats(device, x, w)
    if ok is True and w.shape[1] > _TAPS:
        return f"expected at most {_TAPS} taps; got {w.shape[1]}"
    return ok


def _given(
    dev: Any, x: Any, w: Any, rest: Any, bias: bool, state: bool
) -> tuple[list[Buffer], list[Buffer], dict[str, int]]:
    """x, w, state; the bias; the sizes of a window."""
    x = channels_last(dev, x)
    n, t, c = x.shape
    sizes = {"batch": n, "time": t, "channels": c}
    sizes |= {"x_b": x.strides[0], "x_t": x.strides[1]}
    before = [dense(dev, rest[-1])] if state else []
    return [x, dense(dev, w), *before], [flat(dev, rest[0])] if bias else [], sizes


@serves(KERNELS, "causal_conv1d", "causal_conv1d.fwd", supports=short)
def _conv(
    dev: Any, x: Any, w: Any, *rest: Any, bias: bool, state: bool, silu: bool
) -> Any:
    window, bs, sizes = _given(dev, x, w, rest, bias, state)
    dtype, (n, t, c), taps = x.dtype.name, x.shape, w.shape[1]
    if 0 in (taps - 1, *(() if not state else rest[-1].shape)):
        window, state = window[:2], False
    y = like(dev, x)
    launch(dev, conv(dtype, taps, bias, state, silu), (*window, *bs, y), **sizes)
    if t >= taps - 1:
        whole = window[0]
        return y, whole.slice((0, t - taps + 1, 0), whole.shape, (1, 1, 1))
    last = empty(dev, (n, taps - 1, c), x.dtype)
    program = last_inputs(dtype, taps, state)
    launch(dev, program, (*window, last), kept=taps - 1, **sizes)
    return y, last


@serves(KERNELS, "causal_conv1d.bwd", supports=short)
def _conv_bwd(
    dev: Any, x: Any, w: Any, *rest: Any, bias: bool, state: bool, silu: bool
) -> Any:
    *given, dy, dlast = rest
    window, bs, sizes = _given(dev, x, w, given, bias, state)
    dtype, (n, t, c), taps = x.dtype.name, x.shape, w.shape[1]
    g = channels_last(dev, dy)
    some = state and taps > 1
    window = window if some else window[:2]
    if silu:
        program, out = slope(dtype, taps, bias, some), like(dev, x)
        steps = {"g_b": g.strides[0], "g_t": g.strides[1]}
        launch(dev, program, (*window, *bs, g, out), **sizes, **steps)
        g = out
    sizes |= {"g_b": g.strides[0], "g_t": g.strides[1]}
    split, each = parts(n * t)
    rows = taps + bias
    part = empty(dev, (split, rows * c), wide(dtype))
    program = conv_weights(dtype, taps, bias, some)
    launch(dev, program, (*window, g, part), parts=split, each=each, **sizes)
    total = add_up(dev, part, dtype)
    full = empty(dev, (n, taps - 1 + t, c), x.dtype)
    program = conv_backward(dtype, taps)
    ends = (window[1], g, dense(dev, dlast), full)
    launch(dev, program, ends, full=taps - 1 + t, **sizes)
    dx = full.slice((0, taps - 1, 0), full.shape, (1, 1, 1))
    dw = total.view((c, taps), (1, c))
    db = (total.view((c,), (1,), taps * c),) if bias else ()
    ds = (full.slice((0, 0, 0), (n, taps - 1, c), (1, 1, 1)),) if state else ()
    return dx, dw, *db, *ds

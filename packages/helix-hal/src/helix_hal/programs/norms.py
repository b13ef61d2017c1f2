"""RMS norm and layer norm: a point per row; weights' gradients in parts of rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.programs._kernels import Kernel, serves, wide
from helix_hal.programs._run import empty, flat, launch, like, rows
from helix_hal.programs.sums import add_up, parts

KERNELS: list[Kernel] = []


@lru_cache
def norm(dtype: str, eps: float, centred: bool, add: bool) -> LoopProgram:
    """y (rows, n); with ``add`` s = x + res (rows, n); mean and rstd (rows,)."""
    name = ("layer_norm" if centred else "rms_norm") + ("_add" if add else "")
    b, real = Builder(name), wide(dtype)
    count, n, x_row = b.size("rows"), b.size("n"), b.size("x_row")
    x, w = b.input("x", dtype), b.input("w", dtype)
    bias = b.input("b", dtype) if centred else None
    res = b.input("res", dtype) if add else None
    res_row = b.size("res_row") if add else None
    y = b.output("y", dtype)
    sums = b.output("s", dtype) if add else None
    means = b.output("mean", dtype) if centred else None
    rstds = b.output("rstd", dtype)
    i = b.axis(count)
    b.serial(n)

    def element(t: Expr) -> Expr:
        e = x[i * x_row + t].cast(real)
        return e if res is None else e + res[i * res_row + t].cast(real)

    mean: Any = 0.0
    if means is not None:
        with b.reduce("add", real) as r:
            r.take(element(r.step))
        mean = r.result / n.cast(real)
        means[i] = mean.cast(dtype)
    with b.reduce("add", real) as r:
        d = element(r.step) - mean if centred else element(r.step)
        r.take(d * d)
    rstd = 1.0 / (r.result / n.cast(real) + eps).sqrt()
    rstds[i] = rstd.cast(dtype)
    with b.map() as m:
        e = element(m.step)
        new = (e - mean if centred else e) * rstd * w[m.step].cast(real)
        if bias is not None:
            new = new + bias[m.step].cast(real)
        y[i * n + m.step] = new.cast(dtype)
        if sums is not None:
            sums[i * n + m.step] = e.cast(dtype)
    return b.build()


@lru_cache
def norm_backward(dtype: str, centred: bool, add: bool) -> LoopProgram:
    """dx (rows, n); ``add``: plus the sum's own cotangent dh."""
    name = ("layer_norm" if centred else "rms_norm") + ("_add" if add else "")
    b, real = Builder(name + "_backward"), wide(dtype)
    count, n = b.size("rows"), b.size("n")
    x_row, dy_row = b.size("x_row"), b.size("dy_row")
    x, w = b.input("x", dtype), b.input("w", dtype)
    means = b.input("mean", dtype) if centred else None
    rstds, dy = b.input("rstd", dtype), b.input("dy", dtype)
    dh = b.input("dh", dtype) if add else None
    dh_row = b.size("dh_row") if add else None
    dx = b.output("dx", dtype)
    i = b.axis(count)
    rstd = rstds[i].cast(real)
    mean = means[i].cast(real) if means is not None else None
    b.serial(n)

    def pair(t: Expr) -> tuple[Expr, Expr]:
        """The gradient of what is scaled by w, and what w scales."""
        e = x[i * x_row + t].cast(real)
        hat = (e if mean is None else e - mean) * rstd
        return dy[i * dy_row + t].cast(real) * w[t].cast(real), hat

    if centred:
        with b.reduce("add", real) as r:
            r.take(pair(r.step)[0])
        first = r.result / n.cast(real)
    with b.reduce("add", real) as r:
        g, hat = pair(r.step)
        r.take(g * hat)
    second = r.result / n.cast(real)
    with b.map() as m:
        g, hat = pair(m.step)
        inner = g - first if centred else g
        new = rstd * (inner - hat * second)
        if dh is not None:
            new = new + dh[i * dh_row + m.step].cast(real)
        dx[i * n + m.step] = new.cast(dtype)
    return b.build()


@lru_cache
def norm_weights(dtype: str, centred: bool) -> LoopProgram:
    """A part's gradients of w and, where ``centred``, of b: (parts, n) or (parts, 2 n)."""
    b = Builder("layer_norm_weights" if centred else "rms_norm_weights")
    real = wide(dtype)
    count, n = b.size("rows"), b.size("n")
    x_row, dy_row = b.size("x_row"), b.size("dy_row")
    split, each = b.size("parts"), b.size("each")
    x = b.input("x", dtype)
    means = b.input("mean", dtype) if centred else None
    rstds, dy = b.input("rstd", dtype), b.input("dy", dtype)
    out = b.output("out", real)
    part, j = b.axis(split), b.axis(n)
    b.serial(each)
    with b.scan([0, 0] if centred else [0], real) as s:
        i = part * each + s.step
        here = i < count
        e = x.load(i * x_row + j, here).cast(real)
        g = dy.load(i * dy_row + j, here).cast(real)
        if means is not None:
            e = e - means.load(i, here).cast(real)
        product = g * e * rstds.load(i, here).cast(real)
        if centred:
            s.next(s.states[0] + product, s.states[1] + g)
        else:
            s.next(s.state + product)
    for k, total in enumerate(s.results):
        out[(part * len(s.results) + k) * n + j] = total
    return b.build()


# ------------------------------------------------------------------------- adapters
def _forward(dev: Any, x: Any, w: Any, b: Any, res: Any, eps: float) -> list[Any]:
    """y, then s, mean and rstd, those that there are."""
    xs = rows(dev, x)
    count, n = xs.shape
    sizes = {"rows": count, "n": n, "x_row": xs.strides[0]}
    given = [xs, flat(dev, w)]
    made = [like(dev, x)]
    if b is not None:
        given.append(flat(dev, b))
    if res is not None:
        given.append(rows(dev, res))
        sizes["res_row"] = given[-1].strides[0]
        made.append(like(dev, x))
    for _ in range(2 if b is not None else 1):
        made.append(empty(dev, x.shape[:-1], x.dtype))
    program = norm(x.dtype.name, eps, b is not None, res is not None)
    launch(dev, program, (*given, *made), **sizes)
    return made


def _backward(
    dev: Any, x: Any, w: Any, mean: Any, rstd: Any, dy: Any, dh: Any = None
) -> tuple[Any, ...]:
    """dx, dw and, with a mean, db."""
    xs, gs, dtype = rows(dev, x), rows(dev, dy), x.dtype.name
    centred = mean is not None
    count, n = xs.shape
    sizes = {"rows": count, "n": n, "x_row": xs.strides[0], "dy_row": gs.strides[0]}
    kept = [flat(dev, r) for r in (mean, rstd) if r is not None]
    split, each = parts(count)
    sums = 2 if centred else 1
    part = empty(dev, (split, sums * n), wide(dtype))
    program = norm_weights(dtype, centred)
    launch(dev, program, (xs, *kept, gs, part), parts=split, each=each, **sizes)
    dx, more = like(dev, x), []
    if dh is not None:
        more.append(rows(dev, dh))
        sizes["dh_row"] = more[0].strides[0]
    program = norm_backward(dtype, centred, dh is not None)
    launch(dev, program, (xs, flat(dev, w), *kept, gs, *more, dx), **sizes)
    total = add_up(dev, part, dtype)
    return dx, *[total.slice((k * n,), (k * n + n,), (1,)) for k in range(sums)]


@serves(KERNELS, "rms_norm")
def _rms(dev: Any, x: Any, w: Any, eps: float) -> Any:
    return _forward(dev, x, w, None, None, eps)[0]


@serves(KERNELS, "rms_norm.fwd", "rms_norm_add.fwd")
def _rms_fwd(dev: Any, x: Any, w: Any, *res: Any, eps: float) -> Any:
    return tuple(_forward(dev, x, w, None, res[0] if res else None, eps))


@serves(KERNELS, "rms_norm_add")
def _rms_add(dev: Any, x: Any, w: Any, res: Any, eps: float) -> Any:
    return tuple(_forward(dev, x, w, None, res, eps)[:2])


@serves(KERNELS, "rms_norm.bwd")
def _rms_bwd(dev: Any, x: Any, w: Any, rstd: Any, dy: Any, eps: float) -> Any:
    return _backward(dev, x, w, None, rstd, dy)


@serves(KERNELS, "rms_norm_add.bwd")
def _rms_add_bwd(
    dev: Any, w: Any, y: Any, s: Any, rstd: Any, dy: Any, dh: Any, eps: float
) -> Any:
    dx, dw = _backward(dev, s, w, None, rstd, dy, dh)
    return dx, dw, dx


@serves(KERNELS, "layer_norm")
def _layer(dev: Any, x: Any, w: Any, b: Any, eps: float) -> Any:
    return _forward(dev, x, w, b, None, eps)[0]


@serves(KERNELS, "layer_norm.fwd", "layer_norm_add.fwd")
def _layer_fwd(dev: Any, x: Any, w: Any, b: Any, *res: Any, eps: float) -> Any:
    return tuple(_forward(dev, x, w, b, res[0] if res else None, eps))


@serves(KERNELS, "layer_norm_add")
def _layer_add(dev: Any, x: Any, w: Any, b: Any, res: Any, eps: float) -> Any:
    return tuple(_forward(dev, x, w, b, res, eps)[:2])


@serves(KERNELS, "layer_norm.bwd")
def _layer_bwd(
    dev: Any, x: Any, w: Any, b: Any, mean: Any, rstd: Any, dy: Any, eps: float
) -> Any:
    return _backward(dev, x, w, mean, rstd, dy)


@serves(KERNELS, "layer_norm_add.bwd")
def _layer_add_bwd(
    dev: Any, w: Any, y: Any, s: Any, mean: Any, rstd: Any, dy: Any, dh: Any, eps: float
) -> Any:
    dx, dw, db = _backward(dev, s, w, mean, rstd, dy, dh)
    return dx, dw, db, dx

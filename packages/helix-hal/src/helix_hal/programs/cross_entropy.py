"""Cross-entropy of a linear layer: logits of some rows at a time, one program for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from helix_core.loop import Builder, Expr, LoopProgram

from helix_hal.loop.buffer import Buffer
from helix_hal.programs._kernels import FLOATS, Kernel, serves, wide
from helix_hal.programs._run import call, empty, flat, launch
from helix_hal.programs.sums import sum_rows

KERNELS: list[Kernel] = []
_LOGITS = 1 << 23  # that exist at a time
_BY_COLUMN = (((1,), (1,)), ((), ()))  # a b^T


class Form(NamedTuple):
    """What a program is made for; ``grads``: None, or what scales them."""

    dtype: str
    label: str
    bias: bool
    ignore_index: int
    smoothing: float
    grads: str | None  # "one", "mean" or "rows"


@lru_cache
def cross_entropy(f: Form) -> LoopProgram:
    """loss and lse (rows,) of logits z (rows, v); z becomes its gradient."""
    b, real = Builder("cross_entropy"), wide(f.dtype)
    count, v = b.size("rows"), b.size("v")
    z = (b.inout if f.grads else b.input)("z", f.dtype)
    labels = b.input("labels", f.label)
    bias = b.input("bias", f.dtype) if f.bias else None
    scale = b.input("scale", f.dtype) if f.grads in ("mean", "rows") else None
    loss, lses = b.output("loss", f.dtype), b.output("lse", f.dtype)
    i = b.axis(count)
    label = labels[i]
    keep = ~label.eq(f.ignore_index)
    inside = (label >= 0) & (label < v.cast(f.label))
    place = inside.where(label, 0).cast("index")
    b.serial(v)

    def logit(j: Expr) -> Expr:
        e = z[i * v + j].cast(real)
        return e if bias is None else e + bias[j].cast(real)

    with b.reduce("max", real) as r:
        r.take(logit(r.step))
    top = r.result
    n = 3 if f.smoothing else 2

    def add(left: Any, right: Any) -> list[Expr]:
        return [x + y for x, y in zip(left, right, strict=True)]

    with b.reduce(add, [real] * n, [0.0] * n) as r:
        e = logit(r.step)
        hit = r.step.eq(place)
        r.take((e - top).exp(), hit.where(e, 0.0), *([e] if n == 3 else []))
    lse = top + r.results[0].log()
    new = (lse - r.results[1]) * (1.0 - f.smoothing)
    if n == 3:
        new = new + (lse - r.results[2] / v.cast(real)) * f.smoothing
    nan = b.const(float("nan"), real)
    loss[i] = keep.where(inside.where(new, nan), 0.0).cast(f.dtype)
    lses[i] = lse.cast(f.dtype)
    if f.grads is None:
        return b.build()
    factor: Any = 1.0
    if scale is not None:
        factor = scale[i if f.grads == "rows" else 0].cast(real)
    even = v.cast(real)
    with b.map() as m:
        p = (logit(m.step) - lse).exp()
        target = m.step.eq(place).where(b.const(1.0 - f.smoothing, real), 0.0)
        if f.smoothing:
            target = target + f.smoothing / even
        d = keep.where(inside.where(p - target, nan), 0.0)
        z[i * v + m.step] = (d * factor if scale is not None else d).cast(f.dtype)
    return b.build()


@lru_cache
def share(dtype: str, label: str, ignore_index: int) -> LoopProgram:
    """One over the number of labels that count."""
    b, real = Builder("label_share"), wide(dtype)
    one, count = b.size("one"), b.size("rows")
    labels, out = b.input("labels", label), b.output("out", dtype)
    i = b.axis(one)
    b.serial(count)
    with b.reduce("add", real) as r:
        r.take(labels[r.step].eq(ignore_index).where(b.const(0.0, real), 1.0))
    out[i] = (1.0 / r.result).cast(dtype)
    return b.build()


@lru_cache
def total(dtype: str, mean: bool) -> LoopProgram:
    """The sum of all rows' losses, times the share where ``mean``."""
    b, real = Builder("total_loss"), wide(dtype)
    one, count = b.size("one"), b.size("rows")
    loss = b.input("loss", dtype)
    part = b.input("share", dtype) if mean else None
    out = b.output("out", dtype)
    i = b.axis(one)
    b.serial(count)
    with b.reduce("add", real) as r:
        r.take(loss[r.step].cast(real))
    whole = r.result if part is None else r.result * part[0].cast(real)
    out[i] = whole.cast(dtype)
    return b.build()


# ------------------------------------------------------------------------- adapters
def _labelled(device: Any, x: Any, w: Any, *avals: Any, **attrs: Any) -> Any:
    """Floats of one dtype, and something to share out."""
    kinds = {a.dtype.name for a in (x, w, *avals) if a.dtype.inexact}
    if len(kinds) != 1 or not kinds <= set(FLOATS):
        return f"expected real floats of one dtype; got {', '.join(sorted(kinds))}"
    return None if 0 in x.shape or 0 in w.shape else True


def _parts(count: int, v: int) -> Iterator[tuple[int, int]]:
    """Rows whose logits exist together."""
    each = max(1, _LOGITS // v)
    pieces = -(-count // each)
    each = -(-count // pieces)
    for low in range(0, count, each):
        yield low, min(count, low + each)


class _Rows:
    """All rows in parts: losses, and where wanted the gradients of x, w and bias."""

    def __init__(
        self,
        dev: Any,
        x: Buffer,
        w: Buffer,
        labels: Buffer,
        bias: tuple[Buffer, ...],
        compute: str,
        form: Form,
        scale: Buffer | None,
    ) -> None:
        n, v = x.shape[0], w.shape[0]
        self.dev, self.x, self.w, self.compute = dev, x, w, compute
        self.loss, self.lse = (empty(dev, (n,), x.dtype) for _ in range(2))
        more = [flat(dev, t) for t in bias]
        dx, self.dw, self.db = [], None, None
        for low, high in _parts(n, v):

            def part(t: Buffer, low: int = low, high: int = high) -> Buffer:
                stop = (high, *t.shape[1:])
                return t.slice((low, *[0] * (t.ndim - 1)), stop, (1,) * t.ndim)

            xs = part(x)
            z = self._product(xs, w, _BY_COLUMN)
            scales = []
            if scale is not None:
                scales = [part(scale) if form.grads == "rows" else scale]
            buffers = [z, part(labels), *more, *scales, part(self.loss), part(self.lse)]
            launch(dev, cross_entropy(form), buffers, rows=high - low, v=v)
            if form.grads is not None:
                dx.append(self._product(z, w, (((1,), (0,)), ((), ()))))
                dw = self._product(z, xs, (((0,), (0,)), ((), ())))
                self.dw = self._plus(self.dw, dw)
                if bias:
                    self.db = self._plus(self.db, sum_rows(dev, z, x.dtype.name))
        self.dx = None
        if dx:
            self.dx = dx[0] if len(dx) == 1 else call(dev, "concat", *dx, axis=0)

    def _product(self, a: Buffer, b: Buffer, dims: Any) -> Buffer:
        out: Buffer = call(
            self.dev, "dot_general", a, b, dims=dims, compute=self.compute
        )
        return out

    def _plus(self, old: Buffer | None, new: Buffer) -> Buffer:
        return new if old is None else call(self.dev, "add", old, new)

    @property
    def grads(self) -> tuple[Any, ...]:
        return (self.dx, self.dw) if self.db is None else (self.dx, self.dw, self.db)


def _whole(
    dev: Any,
    x: Any,
    w: Any,
    labels: Any,
    bias: Any,
    want: bool,
    reduction: str,
    compute: str,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Buffer, _Rows]:
    dtype, mean, labels = x.dtype.name, reduction == "mean", flat(dev, labels)
    n, kind = x.shape[0], labels.dtype.name
    part = None
    if mean:
        part = empty(dev, (1,), x.dtype)
        program = share(dtype, kind, ignore_index)
        launch(dev, program, (labels, part), one=1, rows=n)
    scaled = "mean" if mean else "one"
    f = Form(dtype, kind, bool(bias), ignore_index, label_smoothing, None)
    f = f._replace(grads=scaled) if want else f
    r = _Rows(dev, x, w, labels, bias, compute, f, part if want else None)
    loss = empty(dev, (), x.dtype)
    given = (r.loss, part) if part is not None else (r.loss,)
    launch(dev, total(dtype, mean), (*given, loss), one=1, rows=n)
    return loss, r


@serves(KERNELS, "linear_cross_entropy", supports=_labelled)
def _lce(dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any) -> Any:
    return _whole(dev, x, w, labels, bias, False, **attrs)[0]


@serves(KERNELS, "linear_cross_entropy.fwd", supports=_labelled)
def _lce_fwd(dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any) -> Any:
    loss, r = _whole(dev, x, w, labels, bias, True, **attrs)
    return (loss, *r.grads)


def _by_row(
    dev: Any,
    x: Any,
    w: Any,
    labels: Any,
    bias: Any,
    ct: Any,
    compute: str,
    ignore_index: int,
    label_smoothing: float,
) -> _Rows:
    dtype, kind = x.dtype.name, labels.dtype.name
    f = Form(dtype, kind, bool(bias), ignore_index, label_smoothing, None)
    if ct is not None:
        f, ct = f._replace(grads="rows"), flat(dev, ct)
    return _Rows(dev, x, w, flat(dev, labels), bias, compute, f, ct)


@serves(KERNELS, "linear_cross_entropy_rows", supports=_labelled)
def _rows(dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any) -> Any:
    return _by_row(dev, x, w, labels, bias, None, **attrs).loss


@serves(KERNELS, "linear_cross_entropy_rows.fwd", supports=_labelled)
def _rows_fwd(dev: Any, x: Any, w: Any, labels: Any, *bias: Any, **attrs: Any) -> Any:
    r = _by_row(dev, x, w, labels, bias, None, **attrs)
    return r.loss, r.lse


@serves(KERNELS, "linear_cross_entropy_rows.bwd", supports=_labelled)
def _rows_bwd(dev: Any, x: Any, w: Any, labels: Any, *rest: Any, **attrs: Any) -> Any:
    *bias, _, ct = rest
    return _by_row(dev, x, w, labels, tuple(bias), ct, **attrs).grads

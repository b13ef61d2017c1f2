"""Every composite of core, forwards and backwards, whichever kernel serves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import helix_core as hx
import numpy as np
from helix_core import losses, optim
from helix_core._tree import flatten

from .._case import Section, each
from .._compare import of_largest
from .._values import array, category, f32, i32, rng, some

Build = Callable[[], tuple[Callable[..., Any], list[np.ndarray]]]
LAYERS: dict[str, Build] = {}
F32 = "float32"


def layer(name: str) -> Callable[[Build], Build]:
    """Declare what a case runs: a function of tensors, and its operands."""

    def keep(build: Build) -> Build:
        LAYERS[name] = build
        return build

    return keep


def _simple(name: str, fn: Callable[..., Any], *shapes: tuple[int, ...]) -> None:
    LAYERS[name] = lambda: (fn, [some(s, F32, 20 + i) for i, s in enumerate(shapes)])


for _name in (
    "relu leaky_relu elu selu gelu silu sigmoid softplus mish hard_tanh hard_sigmoid "
    "hard_swish log_sigmoid relu6"
).split():
    _simple(_name, getattr(hx, _name), (3, 37))
_simple("gelu_tanh", lambda x: hx.gelu(x, approximate="tanh"), (3, 37))
_simple("glu", hx.glu, (3, 8))
for _axis in (0, 1, -1):
    _simple(f"softmax_{_axis}", lambda x, a=_axis: hx.softmax(x, a), (3, 5, 33))
    _simple(f"log_softmax_{_axis}", lambda x, a=_axis: hx.log_softmax(x, a), (3, 5, 33))
_simple("softmax_of_one", hx.softmax, (4, 1))
_simple("softmax_wide", hx.softmax, (2, 1000))
_simple("layer_norm", hx.layer_norm, (2, 3, 40), (40,), (40,))
_simple("layer_norm_plain", hx.layer_norm, (5, 7))
_simple(
    "layer_norm_add",
    lambda x, w, b, r: hx.layer_norm(x, w, b, residual=r),
    *((4, 40), (40,), (40,), (4, 40)),
)
_simple("rms_norm", hx.rms_norm, (2, 3, 40), (40,))
_simple(
    "rms_norm_add",
    lambda x, w, r: hx.rms_norm(x, w, residual=r),
    (4, 40),
    (40,),
    (4, 40),
)
_simple(
    "group_norm", lambda x, w, b: hx.group_norm(x, 2, w, b), (2, 6, 5, 4), (6,), (6,)
)
_simple("instance_norm", hx.instance_norm, (2, 3, 9), (3,), (3,))
_simple("batch_norm", hx.batch_norm, (4, 3, 5, 2), (3,), (3,))
_simple(
    "batch_norm_relu_residual",
    lambda x, w, b, r: hx.batch_norm(x, w, b, activation="relu", residual=r),
    *((4, 3, 5, 2), (3,), (3,), (4, 3, 5, 2)),
)
_simple(
    "batch_norm_inference",
    lambda x, m, v, w, b: hx.batch_norm_inference(x, m, hx.square(v) + 0.5, w, b),
    *((4, 3, 5), (3,), (3,), (3,), (3,)),
)
_simple("linear", hx.linear, (5, 12), (9, 12))
_simple("linear_bias", hx.linear, (2, 5, 12), (9, 12), (9,))
for _act in ("relu", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh"):
    _simple(
        f"linear_{_act}",
        lambda x, w, b, r, a=_act: hx.linear(x, w, b, activation=a, residual=r),
        *((5, 12), (9, 12), (9,), (5, 9)),
    )
_simple("max_pool1d", lambda x: hx.max_pool1d(x, 3, 2, 1), (2, 3, 11))
_simple("max_pool2d", lambda x: hx.max_pool2d(x, 2), (2, 3, 8, 6))
_simple("max_pool2d_overlap", lambda x: hx.max_pool2d(x, 3, 2, 1), (1, 2, 9, 8))
_simple("avg_pool2d", lambda x: hx.avg_pool2d(x, 2), (2, 3, 8, 6))
_simple(
    "avg_pool2d_overlap",
    lambda x: hx.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    (1, 2, 9, 8),
)
_simple("avg_pool3d", lambda x: hx.avg_pool3d(x, 2), (1, 2, 4, 4, 4))
_simple(
    "adaptive_avg_pool2d", lambda x: hx.adaptive_avg_pool2d(x, (3, 2)), (1, 2, 7, 5)
)
_simple("adaptive_max_pool1d", lambda x: hx.adaptive_max_pool1d(x, 3), (1, 2, 8))
_simple("pixel_shuffle", lambda x: hx.pixel_shuffle(x, 2), (1, 8, 2, 3))
_simple(
    "interpolate", lambda x: hx.interpolate(x, (7, 5), mode="bilinear"), (1, 2, 4, 6)
)
_simple("long_conv", hx.long_conv, (2, 13, 3), (9, 3))
_simple(
    "long_conv_gated",
    lambda u, k, d, a, b: hx.long_conv(u, k, d, pre=a, post=b),
    *((2, 13, 3), (13, 3), (3,), (2, 13, 3), (2, 13, 3)),
)
_simple("causal_conv1d", hx.causal_conv1d, (2, 9, 5), (5, 4))
_simple(
    "causal_conv1d_silu",
    lambda x, w, b, s: hx.causal_conv1d(
        x, w, b, activation="silu", state=s, return_state=True
    ),
    *((2, 9, 5), (5, 4), (5,), (2, 3, 5)),
)
_simple("clip", lambda x: hx.clip(x, -0.5, 0.75), (4, 9))
_simple("logsumexp", lambda x: hx.logsumexp(x, 1), (4, 9))
_simple("mse", losses.mse, (4, 9), (4, 9))
_simple("huber", losses.huber, (4, 9), (4, 9))
_simple("var", lambda x: hx.var(x, 1), (4, 9))


def _attention(**options: Any) -> Build:
    kv, heads, t, s = options.pop("kv", 4), 4, options.pop("t", 9), options.pop("s", 9)
    bias, slopes = options.pop("bias", False), options.pop("slopes", False)

    def build() -> Any:
        xs = [some((2, t, heads, 8), F32, 30), some((2, s, kv, 8), F32, 31)]
        xs.append(some((2, s, kv, 8), F32, 32))
        names = ["bias"] * bias + ["slopes"] * slopes
        xs += [some((1, heads, t, s), F32, 33)] * bias
        xs += [np.abs(some((heads,), F32, 34))] * slopes

        def fn(q: Any, k: Any, v: Any, *rest: Any) -> Any:
            named = dict(zip(names, rest, strict=True))
            return hx.attention(q, k, v, **named, **options)

        return fn, xs

    return build


LAYERS["attention"] = _attention()
LAYERS["attention_causal"] = _attention(causal=True)
LAYERS["attention_causal_long"] = _attention(causal=True, t=70, s=70)
LAYERS["attention_grouped"] = _attention(causal=True, kv=2)
LAYERS["attention_window"] = _attention(causal=True, window=3)
LAYERS["attention_bias"] = _attention(bias=True)
LAYERS["attention_slopes"] = _attention(causal=True, slopes=True)
LAYERS["attention_cross"] = _attention(t=5, s=12)
LAYERS["attention_step"] = _attention(causal=True, t=1, s=12)


@layer("rotary")
def _rotary() -> Any:
    angle = np.arange(6)[:, None] * f32([1.0, 0.1, 0.01])
    tables = [np.cos(angle).astype(F32), np.sin(angle).astype(F32)]
    return hx.rotary, [some((2, 6, 3, 8), F32, 35), *tables]


@layer("rotary_interleaved")
def _rotary_interleaved() -> Any:
    fn, xs = _rotary()
    return (lambda x, c, s: fn(x, c, s, interleaved=True)), xs


@layer("embedding")
def _embedding() -> Any:
    ids = i32([[0, 3, 3], [6, 1, 3]])
    return hx.embedding, [ids, some((7, 5), F32, 36)]


def _labels(n: int, classes: int) -> np.ndarray:
    y = rng(37).integers(0, classes, n).astype(np.int32)
    y[1] = -100
    return y


@layer("cross_entropy")
def _cross_entropy() -> Any:
    def fn(z: Any, y: Any) -> Any:
        return losses.cross_entropy(z, y, label_smoothing=0.1)

    return fn, [some((6, 11), F32, 38), _labels(6, 11)]


def _linear_cross_entropy(**options: Any) -> Build:
    def build() -> Any:
        def fn(x: Any, w: Any, y: Any, b: Any) -> Any:
            return hx.linear_cross_entropy(x, w, y, b, **options)

        shapes = (6, 8), (11, 8)
        xs = [some(s, F32, 39 + i) for i, s in enumerate(shapes)]
        return fn, [*xs, _labels(6, 11), some((11,), F32, 41)]

    return build


LAYERS["linear_cross_entropy"] = _linear_cross_entropy()
LAYERS["linear_cross_entropy_smooth"] = _linear_cross_entropy(label_smoothing=0.1)
LAYERS["linear_cross_entropy_rows"] = _linear_cross_entropy(reduction="none")


@layer("bce_with_logits")
def _bce_with_logits() -> Any:
    y = some((4, 9), "bool", 42).astype(F32)
    return losses.bce_with_logits, [some((4, 9), F32, 43), y]


@layer("bce")
def _bce() -> Any:
    p = rng(44).uniform(0.05, 0.95, (4, 9)).astype(F32)
    return losses.bce, [p, some((4, 9), "bool", 45).astype(F32)]


def _selective_scan(*names: str, **options: Any) -> Build:
    def build() -> Any:
        b, t, d, n = 2, options.pop("t", 11), 4, 3
        shapes = {"D": (d,), "z": (b, t, d), "dt_bias": (d,), "h0": (b, d, n)}
        xs = [some((b, t, d), F32, 46), some((b, t, d), F32, 47)]
        xs += [-np.exp(some((d, n), F32, 48)), some((b, t, n), F32, 49)]
        xs += [some((b, t, n), F32, 50)]
        xs += [some(shapes[k], F32, 51 + i) for i, k in enumerate(names)]

        def fn(u: Any, dt: Any, a: Any, bb: Any, c: Any, *rest: Any) -> Any:
            named = dict(zip(names, rest, strict=True))
            return hx.selective_scan(u, dt, a, bb, c, **named, **options)

        return fn, xs

    return build


LAYERS["selective_scan"] = _selective_scan()
LAYERS["selective_scan_full"] = _selective_scan("D", "z", "dt_bias", return_state=True)
LAYERS["selective_scan_state"] = _selective_scan("h0", return_state=True)
LAYERS["selective_scan_long"] = _selective_scan("D", "z", "dt_bias", t=130)


@layer("dropout")
def _dropout() -> Any:
    def fn(x: Any) -> Any:
        return hx.dropout(x, 0.3, generator=hx.Generator(5))

    return fn, [some((7, 33), F32, 55)]


@layer("checkpoint")
def _checkpoint() -> Any:
    def fn(x: Any, w: Any) -> Any:
        return hx.checkpoint(lambda a: hx.tanh(hx.matmul(a, w)))(x)

    return fn, [some((3, 4), F32, 56), some((4, 5), F32, 57)]


# the range in which each elementary function is asked, float32
ELEMENTARY: dict[str, tuple[float, float]] = {
    "sinh": (-8, 8),
    "cosh": (-8, 8),
    "tan": (-1.4, 1.4),
    "asin": (-1, 1),
    "acos": (-1, 1),
    "atan": (-20, 20),
    "asinh": (-50, 50),
    "acosh": (1, 50),
    "atanh": (-0.95, 0.95),
    "log2": (0.01, 50),
    "log10": (0.01, 50),
    "exp2": (-9, 9),
}
_NARROW = (
    "softmax_-1 log_softmax_-1 layer_norm rms_norm gelu silu linear_bias linear_gelu "
    "attention_causal causal_conv1d_silu embedding linear_cross_entropy rotary "
    "selective_scan_full"
).split()
_TWICE = (
    "softmax_-1 log_softmax_-1 layer_norm rms_norm gelu silu linear_gelu "
    "attention_causal cross_entropy linear_cross_entropy selective_scan "
    "causal_conv1d_silu max_pool2d rotary long_conv batch_norm"
).split()


class Composites(Section):
    """Named functions: the backend's kernels, or core's bodies on its primitives."""

    @each(LAYERS)
    def forward(self, name: str) -> None:
        fn, xs = self._layer(name)
        self.target.same(name, fn, *xs, allowed=of_largest(2e-5))

    @each(LAYERS)
    def backward(self, name: str) -> None:
        fn, xs = self._layer(name)
        self.target.pullback(name, fn, *xs, allowed=of_largest(2e-5))

    def _layer(self, name: str) -> Any:
        """A simulator is asked for the short one."""
        return LAYERS[name.removesuffix("_long") if self.target.simulated else name]()

    @each([(n, d) for n in _NARROW for d in ("float16", "bfloat16")])
    def sixteen_bits(self, name: str, dtype: str) -> None:
        t = self.target
        t.need(dtype)
        fn, xs = LAYERS[name]()
        ys = [array(x, dtype) if x.dtype == np.float32 else x for x in xs]
        if name == "selective_scan_full":  # the decay rates stay wide
            ys[2] = xs[2]
            ys = [y.astype(np.float32) if i != 0 else y for i, y in enumerate(ys)]
        near = of_largest(2e-2)
        t.pullback(f"{name} of {dtype}", fn, *ys, allowed=near, backward=near)

    @each(_TWICE)
    def second_derivative(self, name: str) -> None:
        fn, xs = LAYERS[name]()
        at = next(i for i, x in enumerate(xs) if category(x.dtype.name) == "float")

        def slope(*ts: Any) -> Any:
            def total(x: Any) -> Any:
                outs, _ = flatten(fn(*ts[:at], x, *ts[at + 1 :]))
                return sum(hx.sum(hx.sin(o)) for o in outs)

            return hx.grad(total)(ts[at])

        near = of_largest(5e-4)
        self.target.pullback(
            f"slope of {name}", slope, *xs, allowed=near, backward=near
        )

    @each(ELEMENTARY)
    def elementary(self, name: str) -> None:
        low, high = ELEMENTARY[name]
        x = rng(58).uniform(low, high, 64).astype(F32)
        near = of_largest(2e-6)
        t, fn = self.target, getattr(hx, name)
        t.same(name, fn, x, allowed=near)
        inner = x[np.abs(x) < 0.9] if name in ("asin", "acos") else x
        t.pullback(name, fn, inner[inner != 1], allowed=near)
        edges = f32([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0])
        t.same(f"{name} at edges", fn, edges, allowed=near)

    @each(["copysign", "nextafter", "hypot", "signbit", "logaddexp"])
    def pairs(self, name: str) -> None:
        x = f32([0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan, 1e20, 3.0])
        a, b = np.repeat(x, len(x)), np.tile(x, len(x))
        near = of_largest(1e-6) if name in ("hypot", "logaddexp") else None
        fn = getattr(hx, name)
        if name == "signbit":
            self.target.same(name, fn, x[~np.isnan(x)])
        else:
            self.target.same(name, fn, a, b, allowed=near)

    @each(["SGD", "momentum", "Adam", "AdamW", "RMSprop"])
    def optimizer(self, name: str) -> None:
        """Three steps on two parameters."""

        def train(a: Any, b: Any, x: Any) -> Any:
            p, q = hx.Parameter(a), hx.Parameter(b)
            made = {
                "SGD": lambda: optim.SGD([p, q], lr=0.1),
                "momentum": lambda: optim.SGD([p, q], lr=0.1, momentum=0.9),
                "Adam": lambda: optim.Adam([p, q], lr=0.01),
                "AdamW": lambda: optim.AdamW([p, q], lr=0.01, weight_decay=0.1),
                "RMSprop": lambda: optim.RMSprop([p, q], lr=0.01),
            }
            build: Callable[[], Any] = made[name]
            opt = build()
            for _ in range(3):
                hx.mean(hx.square(hx.tanh(hx.matmul(x, p)) * q)).backward()
                opt.step()
            return p.value, q.value

        xs = [some((4, 3), F32, 59), some((3,), F32, 60), some((5, 4), F32, 61)]
        self.target.same(name, train, *xs, allowed=of_largest(2e-5))

    @each(["clip_grad_norm", "ema_update"])
    def between_steps(self, name: str) -> None:
        def run(a: Any, b: Any) -> Any:
            p, q = hx.Parameter(a), hx.Parameter(b)
            if name == "ema_update":
                cells = [hx.Cell(v.value * 0.5) for v in (p, q)]
                optim.ema_update(cells, [p, q], 0.9)
                return [c.value for c in cells]
            p.grad, q.grad = a * 3.0, b * 2.0
            norm = optim.clip_grad_norm([p, q], 1.0)
            return norm, p.grad, q.grad

        xs = some((4, 3), F32, 62), some((7,), F32, 63)
        self.target.same(name, run, *xs, allowed=of_largest(1e-5))

    @each(["softmax", "gelu", "attention"])
    def literals(self, name: str) -> None:
        t = self.target
        if name == "softmax":
            x = t.put(f32([[0.0, 0.0], [1000.0, -1000.0]]))
            t.values(name, hx.softmax(x), [[0.5, 0.5], [1.0, 0.0]], 1e-6)
        elif name == "gelu":
            x = t.put(f32([0.0, 1.0, -1.0]))
            t.values(name, hx.gelu(x), [0.0, 0.84134475, -0.15865525], 1e-6)
        else:  # equal scores mix evenly; the first row sees itself alone
            q = t.put(np.zeros((1, 2, 1, 1), F32))
            v = t.put(f32([[[[2.0]], [[4.0]]]]))
            y = hx.attention(q, q, v, causal=True)
            t.values(name, y, [[[[2.0]], [[3.0]]]], 1e-6)

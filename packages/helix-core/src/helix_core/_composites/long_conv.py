"""The convolution as long as the sequence of S4 and Hyena (arXiv:2302.10866)."""

from __future__ import annotations

from typing import Any

from .. import _fft as fft
from .. import _ops as ops
from .._composite import composite
from .._errors import DTypeError, ShapeError
from .._shape import _in
from .._tensor import Tensor

# inputs: u (b, t, c), k (taps, c) with taps <= t, then, where the attribute of the same
# name says so: d (c,), pre (b, t, c), post (b, t, c)

OPTIONAL = ("d", "pre", "post")


def _named(rest: tuple[Tensor, ...], flags: dict[str, bool]) -> dict[str, Any]:
    it = iter(rest)
    return {name: next(it) if flags[name] else None for name in OPTIONAL}


def _points(u: Tensor, k: Tensor) -> int:
    """A power of two that holds the whole convolution."""
    return max(2, 1 << (u.shape[1] + k.shape[0] - 2).bit_length())


def _spectra(u: Tensor, k: Tensor, o: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """The gated input, its transform and the filter's."""
    v = u if o["pre"] is None else u * o["pre"]
    n = _points(u, k)
    return v, fft.rfft(v, n, 1), fft.rfft(k, n, 0)


def _filtered(
    v: Tensor, by: Tensor, like: Tensor, d: Tensor | None, x: Tensor
) -> Tensor:
    """Back from a product of transforms, with d x."""
    n, t = 2 * (by.shape[1] - 1), like.shape[1]
    y = ops.cast(ops.narrow(fft.irfft(v * by, n, 1), 1, 0, t), like.dtype)
    return y if d is None else y + x * d


def _conv(u: Tensor, k: Tensor, *rest: Tensor, **flags: bool) -> Tensor:
    o = _named(rest, flags)
    v, vf, kf = _spectra(u, k, o)
    y = _filtered(vf, ops.expand_dims(kf, 0), u, o["d"], v)
    return y if o["post"] is None else y * o["post"]


def _bwd(
    inputs: Any, outputs: Any, residuals: Any, cts: Any, **flags: bool
) -> list[Any]:
    (u, k, *rest), ct = inputs, cts[0]
    o = _named(tuple(rest), flags)
    v, vf, kf = _spectra(u, k, o)
    kf = ops.expand_dims(kf, 0)
    dy = ct if o["post"] is None else ct * o["post"]
    yf = fft.rfft(dy, _points(u, k), 1)
    dv = _filtered(yf, ops.conj(kf), u, o["d"], dy)
    lags = fft.irfft(ops.sum(yf * ops.conj(vf), 0), _points(u, k), 0)
    dk = ops.cast(ops.narrow(lags, 0, 0, k.shape[0]), k.dtype)
    grads = [dv if o["pre"] is None else dv * o["pre"], dk]
    if o["d"] is not None:
        grads.append(ops.sum(dy * v, (0, 1)))
    if o["pre"] is not None:
        grads.append(dv * u)
    if o["post"] is not None:
        grads.append(ct * _filtered(vf, kf, u, o["d"], v))
    return grads


long_conv_c = composite(
    "long_conv",
    fwd=lambda *xs, **flags: (_conv(*xs, **flags),),
    bwd=_bwd,
    reads_outputs=False,
)(_conv)


def long_conv(
    u: Any, k: Any, d: Any = None, *, pre: Any = None, post: Any = None
) -> Tensor:
    """y_t = post_t (sum_{s <= t} k_s v_{t-s} + d v_t) with v = pre u, by channel.

    Parameters
    ----------
    u : Tensor (batch, time, channel)
    k : Tensor (taps, channel)
        The filter of each channel, first tap first; what is longer than ``u`` is not
        used.
    d : Tensor (channel,), optional
        Weight of what goes straight through.
    pre, post : Tensor (batch, time, channel), optional
        Gates of the input and of the output: neither product is held.

    Returns
    -------
    Tensor (batch, time, channel)

    Notes
    -----
    O(time log time) through transforms. Kernels hold the transforms of a few channels
    at a time, in both passes; the default body those of all, (batch, 2 time, channel).

    Examples
    --------
    >>> import helix_core as hx
    >>> u = hx.reshape(hx.tensor([1.0, 0.0, 2.0]), (1, 3, 1))
    >>> k = hx.reshape(hx.tensor([1.0, 10.0]), (2, 1))
    >>> hx.round(long_conv(u, k)[0, :, 0]).tolist()
    [1.0, 10.0, 2.0]
    """
    u, k = _in(u), _in(k)
    if u.ndim != 3 or k.ndim != 2 or u.shape[2] != k.shape[1] or not k.shape[0]:
        raise ShapeError(
            "[long_conv] expected u (batch, time, channel) and k (taps, channel), at "
            f"least one tap; got u.shape={u.shape}, k.shape={k.shape}. Hint: a filter "
            "of one tap for every channel is (1, channel)"
        )
    want = {"d": u.shape[2:], "pre": u.shape, "post": u.shape}
    given = {"d": d, "pre": pre, "post": post}
    rest = {name: _in(x) for name, x in given.items() if x is not None}
    for name, x in rest.items():
        if x.shape != want[name]:
            raise ShapeError(
                f"[long_conv] expected {name} of shape {want[name]}; got {x.shape}"
            )
    args = ops.lift(u, k, *rest.values())
    if args[0].dtype.category != "float":
        raise DTypeError(f"[long_conv] expected floats; got u {u.aval!r}, k {k.aval!r}")
    u, k, *others = args
    if 0 in u.shape:
        y = u * ops.sum(k, 0) if u.shape[1] else u
        for name, x in zip(rest, others, strict=True):
            y = y if name == "d" else y * x
        return y
    if k.shape[0] > u.shape[1]:
        k = ops.narrow(k, 0, 0, u.shape[1])
    return long_conv_c(u, k, *others, **{name: name in rest for name in OPTIONAL})

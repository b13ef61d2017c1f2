"""Products, and Fourier transforms."""

import helix_core as hx
import numpy as np


def _add_product(product):
    def run(x, a, b, beta=1, alpha=1):
        return beta * x + alpha * product(a, b)

    return run


def _batch_sum(a, b):
    return hx.sum(a @ b, axis=0)


def _kron(a, b):
    n = max(a.ndim, b.ndim)
    a = hx.reshape(a, (1,) * (n - a.ndim) + a.shape)
    b = hx.reshape(b, (1,) * (n - b.ndim) + b.shape)
    out = a[(slice(None), None) * n] * b[(None, slice(None)) * n]
    return hx.reshape(out, tuple(p * q for p, q in zip(a.shape, b.shape, strict=True)))


def _tensordot(a, b, dims=2):
    if isinstance(dims, int):
        return hx.tensordot(a, b, dims)
    for i, j in zip(*dims, strict=True):  # torch lets a size of 1 stand for any
        if a.shape[i] != b.shape[j]:
            a = hx.sum(a, axis=i, keepdims=True)
            b = hx.sum(b, axis=j, keepdims=True)
    return hx.tensordot(a, b, tuple(map(tuple, dims)))


def _einsum(xs, equation=None):
    return hx.einsum(equation, *xs)


def _inner(a, b):
    if not a.ndim or not b.ndim:
        return a * b
    return hx.tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


def _cdist(a, b, p=2.0, compute_mode=None):
    d = hx.abs(a[..., :, None, :] - b[..., None, :, :])
    return p_norm(d, p)


def p_norm(d, p, axis=-1):
    if p == 0:
        return hx.sum(hx.cast(d != 0, d.dtype), axis=axis)
    if p == float("inf"):
        return hx.max(d, axis=axis)
    if p == 1:
        return hx.sum(d, axis=axis)
    s = hx.sum(d**p, axis=axis)
    return hx.where(s > 0, hx.where(s > 0, s, 1.0) ** (1 / p), 0.0)


def _one(fn):
    def run(x, n=None, dim=-1, norm=None):
        return fn(x, n, axis=dim, norm=norm)

    return run


def _many(fn, usual=None):
    def run(x, s=None, dim=usual, norm=None):
        dim = None if dim is None else tuple(np.atleast_1d(dim).tolist())
        if s is not None:
            s = tuple(np.atleast_1d(s).tolist())
            dim = tuple(range(-len(s), 0)) if dim is None else dim
            s = tuple(x.shape[d] if n == -1 else n for n, d in zip(s, dim, strict=True))
        return fn(x, s, axes=dim, norm=norm)

    return run


def _shift(fn):
    return lambda x, dim=None: fn(x, dim)


MAP = {
    "matmul": hx.matmul,
    "__rmatmul__": lambda x, y: hx.matmul(y, x),
    "mm": hx.matmul,
    "bmm": hx.matmul,
    "mv": hx.matmul,
    "dot": hx.matmul,
    "vdot": hx.matmul,
    "inner": _inner,
    "outer": hx.outer,
    "kron": _kron,
    "tensordot": _tensordot,
    "einsum": _einsum,
    "addmm": _add_product(hx.matmul),
    "addmm/decomposed": _add_product(hx.matmul),
    "addmv": _add_product(hx.matmul),
    "addr": _add_product(hx.outer),
    "addbmm": _add_product(_batch_sum),
    "baddbmm": _add_product(hx.matmul),
    "cdist": _cdist,
    "trace": lambda x: hx.sum(hx.where(hx.eye(*x.shape, dtype=hx.bool_), x, 0.0)),
    "fft.fft": _one(hx.fft.fft),
    "fft.ifft": _one(hx.fft.ifft),
    "fft.rfft": _one(hx.fft.rfft),
    "fft.irfft": _one(hx.fft.irfft),
    "fft.fft2": _many(hx.fft.fft2, (-2, -1)),
    "fft.ifft2": _many(hx.fft.ifft2, (-2, -1)),
    "fft.rfft2": _many(hx.fft.rfft2, (-2, -1)),
    "fft.irfft2": _many(hx.fft.irfft2, (-2, -1)),
    "fft.fftn": _many(hx.fft.fftn),
    "fft.ifftn": _many(hx.fft.ifftn),
    "fft.rfftn": _many(hx.fft.rfftn),
    "fft.irfftn": _many(hx.fft.irfftn),
    "fft.fftshift": _shift(hx.fft.fftshift),
    "fft.ifftshift": _shift(hx.fft.ifftshift),
}

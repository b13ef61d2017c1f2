"""Gradients against central finite differences in float64 or complex128."""

import helix_core as hx
import numpy as np


def _outputs(y):
    """The differentiable outputs of a tensor or a tuple of tensors."""
    ys = y if isinstance(y, tuple) else (y,)
    return [np.asarray(t) for t in ys if t.dtype.inexact]


def _draw(rng, like):
    """Normal numbers of a shape and dtype; both parts where it is complex."""
    z = rng.normal(size=like.shape)
    if like.dtype.kind == "c":
        z = z + 1j * rng.normal(size=like.shape)
    return z.astype(like.dtype)


def check_grads(fn, *arrays, order=1, eps=1e-5, rtol=1e-6, atol=1e-7, seed=0):
    """Compare vjps up to ``order`` with finite differences along random directions.

    Parameters
    ----------
    fn : callable
        Of as many tensors as there are arrays; returns a tensor or a tuple of tensors.
        It is differentiable near the arrays.
    *arrays : np.ndarray
        float64 or complex128.
    order : int
        2 checks the gradient of the gradient too.

    Notes
    -----
    A pullback maps ct to g with Re sum(ct dy) = Re sum(g dx), without conjugation.
    """
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(a) for a in arrays]
    for a in arrays:
        assert a.dtype in (np.float64, np.complex128), a.dtype
    y, pull = hx.vjp(fn, *[hx.tensor(a) for a in arrays])
    ys = y if isinstance(y, tuple) else (y,)
    cts = [_draw(rng, np.asarray(t)) if t.dtype.inexact else None for t in ys]
    given = [None if c is None else hx.tensor(c) for c in cts]
    grads = pull(tuple(given) if isinstance(y, tuple) else given[0])
    grads = grads if isinstance(grads, tuple) else (grads,)
    for a, g in zip(arrays, grads, strict=True):
        assert g.shape == a.shape and g.dtype == a.dtype, (g.aval, a.shape, a.dtype)
    cts = [c for c in cts if c is not None]
    for _ in range(2):
        step = [_draw(rng, a) for a in arrays]
        plus, minus = (
            _outputs(
                fn(*[hx.tensor(a + s * d) for a, d in zip(arrays, step, strict=True)])
            )
            for s in (eps, -eps)
        )
        want = sum(
            np.sum(c * (p - m)).real / (2 * eps)
            for c, p, m in zip(cts, plus, minus, strict=True)
        )
        got = sum(
            np.sum(np.asarray(g) * d).real for g, d in zip(grads, step, strict=True)
        )
        scale = sum(
            np.sum(np.abs(np.asarray(g) * d)) for g, d in zip(grads, step, strict=True)
        )
        assert abs(got - want) <= rtol * scale + atol, (
            f"order {order} counted from the top: got {got!r}, differences say {want!r}"
        )
    if order > 1:

        def first(*xs):
            _, again = hx.vjp(fn, *xs)
            return again(tuple(given) if isinstance(y, tuple) else given[0])

        check_grads(
            first,
            *arrays,
            order=order - 1,
            eps=eps,
            rtol=10 * rtol,
            atol=10 * atol,
            seed=seed + 1,
        )

"""Optimizer updates: one pass over memory for all parameters together.

Each function takes lists of arrays, one entry a parameter, and runs a single launch
over blocks of all of them. Learning rate, weight decay and step count may differ by
parameter. The arrays of a call share one dtype, float32 or float64, and are
C-contiguous; shapes are free.

With ``inplace=True`` the parameters and the state are written where they are, which
moves 7 numbers an element for Adam; else the results are new arrays from the pool. Both
give the same bits: no fast-math flag is set, so every rounding is IEEE's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helix_hal.cpu.jit import Jitted, kernel
from helix_hal.cpu.kernels.tables import (
    BLOCK,
    Array,
    Arrays,
    array_at,
    fresh,
    launch_over,
)

__all__ = ["adam", "rmsprop", "sgd"]

Each = float | Sequence[float] | Array
_BOTH = (False, True)


def _adam(inplace: bool, decoupled: bool) -> Jitted:
    @kernel
    def run(lo, hi, owner, start, size, table, like, each, scalars):
        beta1, beta2, eps = scalars[0], scalars[1], scalars[2]
        rest1, rest2 = scalars[3], scalars[4]
        for block in range(lo, hi):
            k = owner[block]
            offset = (block - start[k]) * BLOCK
            n = min(BLOCK, size[k] - offset)
            shift = offset * like.itemsize
            p = array_at(table[0, k] + shift, n, like)
            g = array_at(table[1, k] + shift, n, like)
            m = array_at(table[2, k] + shift, n, like)
            v = array_at(table[3, k] + shift, n, like)
            p_out = p if inplace else array_at(table[4, k] + shift, n, like)
            m_out = m if inplace else array_at(table[5, k] + shift, n, like)
            v_out = v if inplace else array_at(table[6, k] + shift, n, like)
            rate = like.dtype.type(each[0, k])
            root = like.dtype.type(each[1, k])
            decay = like.dtype.type(each[2, k])
            for i in range(n):
                grad = g[i]
                value = p[i]
                if decoupled:
                    value *= decay
                else:
                    grad += decay * value
                mean = beta1 * m[i] + rest1 * grad
                square = beta2 * v[i] + rest2 * grad * grad
                m_out[i] = mean
                v_out[i] = square
                p_out[i] = value - rate * mean / (np.sqrt(square) * root + eps)

    return run


def _sgd(inplace: bool, momentum: bool, nesterov: bool) -> Jitted:
    out = 2 + momentum  # the first row of results

    @kernel
    def run(lo, hi, owner, start, size, table, like, each, scalars):
        mass = scalars[0]
        for block in range(lo, hi):
            k = owner[block]
            offset = (block - start[k]) * BLOCK
            n = min(BLOCK, size[k] - offset)
            shift = offset * like.itemsize
            p = array_at(table[0, k] + shift, n, like)
            g = array_at(table[1, k] + shift, n, like)
            p_out = p if inplace else array_at(table[out, k] + shift, n, like)
            rate = like.dtype.type(each[0, k])
            decay = like.dtype.type(each[1, k])
            keep = like.dtype.type(each[2, k])
            if momentum:
                u = array_at(table[2, k] + shift, n, like)
                u_out = u if inplace else array_at(table[out + 1, k] + shift, n, like)
                for i in range(n):
                    grad = g[i] + decay * p[i]
                    velocity = mass * u[i] + keep * grad
                    u_out[i] = velocity
                    if nesterov:
                        velocity = grad + mass * velocity
                    p_out[i] = p[i] - rate * velocity
            else:
                for i in range(n):
                    p_out[i] = p[i] - rate * (g[i] + decay * p[i])

    return run


def _rmsprop(inplace: bool, momentum: bool, centered: bool) -> Jitted:
    third = 3 + momentum  # the rows of means and, after them, of results
    out = third + centered

    @kernel
    def run(lo, hi, owner, start, size, table, like, each, scalars):
        alpha, rest, eps, mass = scalars[0], scalars[1], scalars[2], scalars[3]
        for block in range(lo, hi):
            k = owner[block]
            offset = (block - start[k]) * BLOCK
            n = min(BLOCK, size[k] - offset)
            shift = offset * like.itemsize
            p = array_at(table[0, k] + shift, n, like)
            g = array_at(table[1, k] + shift, n, like)
            v = array_at(table[2, k] + shift, n, like)
            u, m = v, v
            p_out, v_out, u_out, m_out = p, v, v, v
            if momentum:
                u = array_at(table[3, k] + shift, n, like)
                u_out = u
            if centered:
                m = array_at(table[third, k] + shift, n, like)
                m_out = m
            if not inplace:
                p_out = array_at(table[out, k] + shift, n, like)
                v_out = array_at(table[out + 1, k] + shift, n, like)
                if momentum:
                    u_out = array_at(table[out + 2, k] + shift, n, like)
                if centered:
                    m_out = array_at(table[out + third - 1, k] + shift, n, like)
            rate = like.dtype.type(each[0, k])
            decay = like.dtype.type(each[1, k])
            for i in range(n):
                grad = g[i] + decay * p[i]
                square = alpha * v[i] + rest * grad * grad
                v_out[i] = square
                if centered:
                    mean = m[i] + rest * (grad - m[i])
                    m_out[i] = mean
                    square -= mean * mean
                move = grad / (np.sqrt(square) + eps)
                if momentum:
                    move += mass * u[i]
                    u_out[i] = move
                p_out[i] = p[i] - rate * move

    return run


_ADAM = {(i, d): _adam(i, d) for i in _BOTH for d in _BOTH}
_SGD = {(i, m, n): _sgd(i, m, n) for i in _BOTH for m in _BOTH for n in _BOTH}
_RMSPROP = {(i, m, c): _rmsprop(i, m, c) for i in _BOTH for m in _BOTH for c in _BOTH}


def _update(
    run: Jitted,
    state: Sequence[Arrays],
    grads: Arrays,
    inplace: bool,
    each: Sequence[Each],
    scalars: Sequence[float],
) -> tuple[list[Array], ...]:
    """Launch `run` over every block of every parameter.

    `state` is the parameters and then what is kept beside them; the kernel's table has
    the rows parameters, gradients, other state and, out of place, all results.
    """
    params = state[0]
    if not params:
        return tuple([] for _ in state)
    new = tuple(list(arrays) if inplace else fresh(arrays) for arrays in state)
    rows = [params, grads, *state[1:], *(() if inplace else new)]
    numbers = np.empty((len(each), len(params)), np.float64)
    for row, value in zip(numbers, each, strict=True):
        row[:] = value
    launch_over(run, rows, numbers, np.array(scalars, params[0].dtype))
    return new


def adam(
    params: Arrays,
    grads: Arrays,
    means: Arrays,
    squares: Arrays,
    *,
    lr: Each,
    step: int | Array,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Each = 0.0,
    decoupled: bool = False,
    inplace: bool = False,
) -> tuple[list[Array], list[Array], list[Array]]:
    """Adam, and AdamW with ``decoupled=True``.

    ``m = b1 m + (1 - b1) g``, ``v = b2 v + (1 - b2) g^2``,
    ``p -= lr m / (1 - b1^step) / (sqrt(v / (1 - b2^step)) + eps)``. Weight decay
    adds ``weight_decay p`` to g, or decoupled first takes ``lr weight_decay p`` from p.

    Parameters
    ----------
    params, grads, means, squares : sequences of ndarray
        p, g, m and v of each parameter, of equal sizes.
    lr, weight_decay : float, or one a parameter
    step : int, or one a parameter
        Number of this step, from 1.
    betas, eps
        As in the formula.
    inplace : bool
        Write into `params`, `means` and `squares`.

    Returns
    -------
    params, means, squares : lists of ndarray

    References
    ----------
    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014.
    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017.
    """
    beta1, beta2 = betas
    t = np.asarray(step, np.float64)
    rate = np.asarray(lr) / (1.0 - beta1**t)
    root = 1.0 / np.sqrt(1.0 - beta2**t)
    decay = np.asarray(weight_decay)
    each = (rate, root, 1.0 - np.asarray(lr) * decay if decoupled else decay)
    scalars = (beta1, beta2, eps, 1.0 - beta1, 1.0 - beta2)
    state = (params, means, squares)
    new = _update(_ADAM[inplace, decoupled], state, grads, inplace, each, scalars)
    return new[0], new[1], new[2]


def sgd(
    params: Arrays,
    grads: Arrays,
    velocities: Arrays | None = None,
    *,
    lr: Each,
    step: int | Array = 2,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: Each = 0.0,
    inplace: bool = False,
) -> tuple[list[Array], list[Array] | None]:
    """Gradient descent, with momentum where `velocities` are given.

    ``u = momentum u + (1 - dampening) g`` (``u = g`` on the first step), then
    ``p -= lr u``, or with `nesterov` ``p -= lr (g + momentum u)``.

    Parameters
    ----------
    params, grads, velocities : sequences of ndarray
        Velocities of the first step are zeros.
    step : int, or one a parameter
        Number of this step, from 1: dampening begins with the second.
    lr, weight_decay, inplace
        As for `adam`.

    Returns
    -------
    params : list of ndarray
    velocities : list of ndarray, or None without momentum
    """
    keep = np.where(np.asarray(step) <= 1, 1.0, 1.0 - dampening)
    each = (lr, weight_decay, keep)
    moving = velocities is not None
    run = _SGD[inplace, moving, nesterov and moving]
    state = (params,) if velocities is None else (params, velocities)
    new = _update(run, state, grads, inplace, each, (momentum,))
    return new[0], new[1] if moving else None


def rmsprop(
    params: Arrays,
    grads: Arrays,
    squares: Arrays,
    velocities: Arrays | None = None,
    means: Arrays | None = None,
    *,
    lr: Each,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: Each = 0.0,
    inplace: bool = False,
) -> tuple[list[Array], ...]:
    """RMSprop: ``v = a v + (1 - a) g^2``, ``p -= lr g / (sqrt(v) + eps)``.

    Parameters
    ----------
    params, grads, squares : sequences of ndarray
        p, g and v of each parameter.
    velocities : sequence of ndarray, optional
        With them the move is ``u = momentum u + g / (sqrt(v) + eps)``.
    means : sequence of ndarray, optional
        Centered: with running means m of g, the root is that of ``v - m^2``.
    lr, weight_decay, inplace
        As for `adam`.

    Returns
    -------
    params, squares, then velocities and means where given : lists of ndarray

    References
    ----------
    Tieleman and Hinton, Coursera lecture 6.5, 2012. Graves, arXiv:1308.0850 (centered).
    """
    run = _RMSPROP[inplace, velocities is not None, means is not None]
    more = [arrays for arrays in (velocities, means) if arrays is not None]
    scalars = (alpha, 1.0 - alpha, eps, momentum)
    state = (params, squares, *more)
    return _update(run, state, grads, inplace, (lr, weight_decay), scalars)

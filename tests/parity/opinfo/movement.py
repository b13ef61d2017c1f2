"""Operators that move, join, cut and pick elements."""

import math

import helix_core as hx
import numpy as np


def _flat(args):
    return (
        tuple(args[0])
        if len(args) == 1 and isinstance(args[0], (tuple, list))
        else args
    )


def _index(i):
    return hx.cast(i, hx.int32)


def _expand(x, *shape):
    shape = _flat(shape)
    lead = len(shape) - x.ndim
    full = [x.shape[k - lead] if s == -1 else s for k, s in enumerate(shape)]
    return hx.broadcast_to(x, tuple(full))


def _diagonal(x, offset=0, dim1=0, dim2=1):
    x = hx.moveaxis(x, (dim1, dim2), (-2, -1))
    rows, cols = x.shape[-2:]
    n = max(0, min(rows + min(offset, 0), cols - max(offset, 0)))
    i = np.arange(n) + max(0, -offset)
    j = np.arange(n) + max(0, offset)
    return x[..., i, j]


def _diag(x, diagonal=0):
    return _diag_embed(x, diagonal) if x.ndim == 1 else _diagonal(x, diagonal)


def _diag_embed(x, offset=0, dim1=-2, dim2=-1):
    n = x.shape[-1] + abs(offset)
    i = np.arange(x.shape[-1])
    out = hx.zeros((*x.shape[:-1], n, n), dtype=x.dtype)
    out = out.at[..., i + max(0, -offset), i + max(0, offset)].set(x)
    return hx.moveaxis(out, (-2, -1), (dim1, dim2))


def _roll(x, shifts, dims=()):
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = (dims,) if isinstance(dims, int) else tuple(dims)
    if not dims:
        return hx.roll(x, sum(shifts))
    for s, d in zip(shifts, dims, strict=True):
        x = hx.roll(x, s, d) if x.ndim else x
    return x


def _rot90(x, k=1, dims=(0, 1)):
    a, b = dims
    for _ in range(k % 4):
        x = hx.flip(hx.swapaxes(x, a, b), a)
    return x


def _split(x, size, dim=0):
    if isinstance(size, (tuple, list)):
        return list(hx.split(x, list(size), dim))
    n = x.shape[dim]
    return list(hx.split(x, [min(size, n - k) for k in range(0, n, size)], dim))


def _chunk(x, chunks, dim=0):
    return _split(x, max(1, math.ceil(x.shape[dim] / chunks)), dim)


def _tensor_split(x, parts, dim=0):
    if isinstance(parts, hx.Tensor):
        parts = parts.tolist()
    if isinstance(parts, int):
        sizes = [len(a) for a in np.array_split(np.arange(x.shape[dim]), parts)]
        return _split(x, sizes, dim)
    return [
        x[(slice(None),) * (dim % x.ndim) + (slice(a, b),)]
        for a, b in zip([0, *parts], [*parts, None], strict=True)
    ]


def _unfold(x, dim, size, step):
    if x.ndim == 0:
        return hx.reshape(x, (1,))
    starts = range(0, x.shape[dim] - size + 1, step)
    rows = np.asarray([range(s, s + size) for s in starts]).reshape(-1, size)
    out = hx.take(x, hx.tensor(rows.astype("int32")), axis=dim)
    return hx.moveaxis(out, dim % x.ndim + 1, -1)


def _repeat(x, *reps):
    return hx.tile(x, _flat(reps))


def _tile(x, *reps):
    return hx.tile(x, _flat(reps))


def _repeat_interleave(x, repeats, dim=None, output_size=None):
    if isinstance(repeats, hx.Tensor):
        repeats = repeats.tolist()
    if isinstance(repeats, list):
        n = x.size if dim is None else x.shape[dim]
        counts = repeats if len(repeats) == n else repeats * n
        i = np.repeat(np.arange(n), counts)
        flat = hx.reshape(x, (-1,)) if dim is None else x
        return hx.take(flat, hx.tensor(i.astype("int32")), axis=dim or 0)
    return hx.repeat(x, repeats, axis=dim)


def _gather(x, dim, index):
    if x.ndim == 0:
        return x if index.ndim == 0 else hx.broadcast_to(x, index.shape)
    if index.ndim == 0:
        return hx.reshape(x, (-1,))[0]
    if index.size == 0:
        return hx.zeros(index.shape, dtype=x.dtype)
    cut = tuple(
        slice(None) if k == dim % x.ndim else slice(0, n)
        for k, n in enumerate(index.shape)
    )
    return hx.take_along_axis(x[cut], _index(index), axis=dim)


def _grid(x, dim, index):
    """The indices that scatter writes to."""
    places = [
        hx.reshape(hx.arange(n), (-1, *(1,) * (index.ndim - 1 - k)))
        for k, n in enumerate(index.shape)
    ]
    places[dim % index.ndim] = _index(index)
    return tuple(places)


def _scatter(how):
    def run(x, dim, index, src, reduce=None):
        kind = {None: how, "add": "add", "multiply": "multiply"}[reduce]
        if x.ndim == 0:
            x = hx.reshape(x, (1,))
            index = hx.reshape(index, (-1,))
            src = hx.reshape(src, (-1,)) if isinstance(src, hx.Tensor) else src
            return hx.reshape(run(x, 0, index, src, reduce), ())
        if index.ndim == 0:
            index = hx.reshape(index, (1,))
            src = (
                hx.reshape(src, (1,))
                if isinstance(src, hx.Tensor) and not src.ndim
                else src
            )
        if isinstance(src, hx.Tensor) and src.ndim:
            src = src[tuple(slice(0, n) for n in index.shape)]
        at = x.at[_grid(x, dim, index)]
        return getattr(at, kind)(src)

    return run


def _along(x, dim, index):
    return (slice(None),) * (dim % max(x.ndim, 1)) + (_index(index),)


def _index_add(x, dim, index, source, alpha=1):
    if x.ndim == 0:
        return hx.reshape(
            _index_add(
                hx.reshape(x, (1,)),
                0,
                hx.reshape(index, (-1,)),
                hx.reshape(source, (-1,)),
                alpha,
            ),
            (),
        )
    return x.at[_along(x, dim, index)].add(source * alpha)


def _index_copy(x, dim, index, source):
    if x.ndim == 0:
        return hx.reshape(
            _index_copy(
                hx.reshape(x, (1,)),
                0,
                hx.reshape(index, (-1,)),
                hx.reshape(source, (-1,)),
            ),
            (),
        )
    return x.at[_along(x, dim, index)].set(source)


def _index_fill(x, dim, index, value):
    if x.ndim == 0:
        return hx.reshape(
            _index_fill(hx.reshape(x, (1,)), 0, hx.reshape(index, (-1,)), value), ()
        )
    return x.at[_along(x, dim, index)].set(value)


def _index_select(x, dim, index):
    if x.ndim == 0:
        return x
    return hx.take(x, _index(index), axis=dim)


def _take_along(x, index, dim=None):
    if dim is None:
        return hx.reshape(x, (-1,))[_index(hx.reshape(index, (-1,)))]
    shape = np.broadcast_shapes(
        [1 if k == dim % x.ndim else n for k, n in enumerate(x.shape)], index.shape
    )
    own = [x.shape[k] if k == dim % x.ndim else n for k, n in enumerate(shape)]
    return hx.take_along_axis(
        hx.broadcast_to(x, tuple(own)), _index(hx.broadcast_to(index, shape)), axis=dim
    )


def _key(key):
    parts = key if isinstance(key, tuple) else (key,)

    def one(k):
        if isinstance(k, hx.Tensor) and k.dtype.category == "int":
            return _index(k)
        if isinstance(k, list):
            return np.asarray(k)
        return k

    return tuple(one(k) for k in parts)


def _index_put(x, indices, values, accumulate=False):
    at = x.at[_key(tuple(indices))]
    return at.add(values) if accumulate else at.set(values)


def _select_scatter(x, src, dim, index):
    return x.at[(slice(None),) * (dim % x.ndim) + (index,)].set(src)


def _slice_scatter(x, src, dim=0, start=None, end=None, step=1):
    return x.at[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)].set(src)


def _sorted(x, dim=-1, descending=False, stable=True):
    if x.ndim == 0:
        return x * 1, hx.zeros((), dtype=hx.int64)
    i = hx.argsort(x, axis=dim, descending=descending)
    return hx.take_along_axis(x, i, axis=dim), hx.cast(i, hx.int64)


def _topk(x, k, dim=-1, largest=True, sorted=True):
    if x.ndim == 0:
        return x * 1, hx.zeros((), dtype=hx.int64)
    values, i = hx.topk(x, k, axis=dim, largest=largest)
    return values, hx.cast(i, hx.int64)


def _pad(x, widths, value=0.0):
    pairs = [(0, 0)] * x.ndim
    for k in range(len(widths) // 2):
        pairs[x.ndim - 1 - k] = (widths[2 * k], widths[2 * k + 1])
    cut = tuple(
        slice(max(0, -a), n - max(0, -b))
        for n, (a, b) in zip(x.shape, pairs, strict=True)
    )
    return hx.pad(x[cut], [(max(a, 0), max(b, 0)) for a, b in pairs], value or 0.0)


def _atleast(n):
    def one(x):
        if n == 3 and x.ndim == 2:
            return x[..., None]
        if n == 3 and x.ndim == 1:
            return x[None, :, None]
        while x.ndim < n:
            x = x[None]
        return x

    return lambda *xs: (
        one(xs[0])
        if len(xs) == 1 and isinstance(xs[0], hx.Tensor)
        else [one(x) for x in (xs[0] if isinstance(xs[0], (list, tuple)) else xs)]
    )


def _flatten(x, start_dim=0, end_dim=-1):
    if x.ndim == 0:
        return hx.reshape(x, (1,))
    a, b = start_dim % x.ndim, end_dim % x.ndim
    n = math.prod(x.shape[a : b + 1])
    return hx.reshape(x, (*x.shape[:a], n, *x.shape[b + 1 :]))


def _unflatten(x, dim, sizes):
    d = dim % x.ndim
    known = -math.prod(sizes)
    sizes = [x.shape[d] // known if s == -1 else s for s in sizes]
    return hx.reshape(x, (*x.shape[:d], *sizes, *x.shape[d + 1 :]))


def _squeeze(x, dim=None):
    if dim is None:
        return hx.squeeze(x)
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    dims = tuple(d % max(x.ndim, 1) for d in dims)
    keep = tuple(d for d in dims if x.ndim and x.shape[d] == 1)
    return hx.squeeze(x, keep) if keep else x


def _stacked(axis, least):
    fit = _atleast(least)
    return lambda xs: hx.concat(
        [fit(x) for x in xs], min(axis, max(fit(xs[0]).ndim - 1, 0))
    )


def _narrow(x, dim, start, length):
    start = int(start.item()) if isinstance(start, hx.Tensor) else start
    start = start + x.shape[dim] if start < 0 else start
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, start + length),)]


MAP = {
    "reshape": lambda x, *s: hx.reshape(x, _flat(s)),
    "view": lambda x, *s: hx.reshape(x, _flat(s)),
    "view_copy": lambda x, *s: hx.reshape(x, _flat(s)),
    "reshape_as": lambda x, y: hx.reshape(x, y.shape),
    "view_as": lambda x, y: hx.reshape(x, y.shape),
    "ravel": lambda x: hx.reshape(x, (-1,)),
    "flatten": _flatten,
    "unflatten": _unflatten,
    "permute": lambda x, *a: hx.permute_dims(x, _flat(a)),
    "transpose": lambda x, a, b: hx.swapaxes(x, a, b) if x.ndim else x,
    "t": lambda x: x if x.ndim < 2 else hx.swapaxes(x, 0, 1),
    "mT": lambda x: hx.swapaxes(x, -1, -2),
    "movedim": lambda x, a, b: hx.moveaxis(x, a, b),
    "squeeze": _squeeze,
    "squeeze/multiple": _squeeze,
    "unsqueeze": lambda x, d: hx.expand_dims(x, d),
    "expand": _expand,
    "expand_as": lambda x, y: hx.broadcast_to(x, y.shape),
    "broadcast_to": lambda x, s: hx.broadcast_to(x, tuple(s)),
    "broadcast_tensors": lambda *xs: hx.broadcast_arrays(*xs),
    "repeat": _repeat,
    "tile": _tile,
    "repeat_interleave": _repeat_interleave,
    "flip": lambda x, dims: hx.flip(x, tuple(dims)) if len(dims) else x,
    "fliplr": lambda x: hx.flip(x, 1),
    "flipud": lambda x: hx.flip(x, 0),
    "roll": _roll,
    "rot90": _rot90,
    "cat": lambda xs, dim=0: hx.concat([x for x in xs if x.shape != (0,)] or xs, dim),
    "stack": lambda xs, dim=0: hx.stack(xs, dim),
    "hstack": _stacked(1, 1),
    "vstack": _stacked(0, 2),
    "dstack": _stacked(2, 3),
    "column_stack": lambda xs: hx.concat(
        [x if x.ndim > 1 else hx.reshape(x, (-1, 1)) for x in xs], 1
    ),
    "split": _split,
    "split/list_args": _split,
    "split_with_sizes": _split,
    "unsafe_split": _split,
    "chunk": _chunk,
    "unsafe_chunk": _chunk,
    "tensor_split": _tensor_split,
    "hsplit": lambda x, n: _tensor_split(x, n, 1 if x.ndim > 1 else 0),
    "vsplit": lambda x, n: _tensor_split(x, n, 0),
    "dsplit": lambda x, n: _tensor_split(x, n, 2),
    "unbind": lambda x, dim=0: [hx.take(x, i, axis=dim) for i in range(x.shape[dim])],
    "unfold": _unfold,
    "narrow": _narrow,
    "select": lambda x, dim, i: x[(slice(None),) * (dim % x.ndim) + (i,)],
    "slice": lambda x, dim=0, start=None, end=None, step=1: x[
        (slice(None),) * (dim % x.ndim) + (slice(start, end, step),)
    ],
    "select_scatter": _select_scatter,
    "slice_scatter": _slice_scatter,
    "diagonal": _diagonal,
    "linalg.diagonal": lambda x, offset=0, dim1=-2, dim2=-1: _diagonal(
        x, offset, dim1, dim2
    ),
    "diag": _diag,
    "diag_embed": _diag_embed,
    "tril": lambda x, diagonal=0: hx.tril(x, diagonal),
    "triu": lambda x, diagonal=0: hx.triu(x, diagonal),
    "atleast_1d": _atleast(1),
    "atleast_2d": _atleast(2),
    "atleast_3d": _atleast(3),
    "constant_pad_nd": _pad,
    "nn.functional.pad/constant": lambda x, pad, mode="constant", value=0.0: _pad(
        x, pad, value
    ),
    "__getitem__": lambda x, key: x[_key(key)],
    "index_put": _index_put,
    "gather": _gather,
    "take_along_dim": _take_along,
    "take": lambda x, i: hx.reshape(x, (-1,))[_index(i)],
    "index_select": _index_select,
    "index_add": _index_add,
    "index_copy": _index_copy,
    "index_fill": _index_fill,
    "scatter": _scatter("set"),
    "scatter_add": _scatter("add"),
    "sort": _sorted,
    "msort": lambda x: hx.sort(x, axis=0),
    "argsort": lambda x, dim=-1, descending=False, stable=True: _sorted(
        x, dim, descending
    )[1],
    "topk": _topk,
}

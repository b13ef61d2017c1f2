"""Reductions and cumulative operators."""

import helix_core as hx


def _axis(dim, x):
    """torch's ``dim``: empty means all, and a number has one axis."""
    if isinstance(dim, list):
        dim = tuple(dim)
    return None if dim == () or x.ndim == 0 else dim


def _reduction(fn):
    def run(x, dim=None, keepdim=False, dtype=None):
        x = x if dtype is None else hx.cast(x, dtype)
        return fn(x, axis=_axis(dim, x), keepdims=keepdim)

    return run


def _whole_or_along(fn, arg):
    """torch's max and min: a value, or values and indices."""

    def run(x, dim=None, keepdim=False):
        if dim is None:
            return fn(x)
        if x.ndim == 0:
            return x * 1, hx.zeros((), dtype=hx.int64)
        i = arg(x, axis=dim, keepdims=True)
        value = hx.take_along_axis(x, hx.cast(i, hx.int32), axis=dim)
        if not keepdim:
            value, i = hx.squeeze(value, dim), hx.squeeze(i, dim)
        return value, hx.cast(hx.reshape(i, value.shape), hx.int64)

    return run


def _spread(fn):
    def run(x, dim=None, unbiased=True, keepdim=False, correction=None):
        if isinstance(dim, bool):  # var(unbiased)
            dim, unbiased = None, dim
        amount = correction if correction is not None else int(unbiased)
        return fn(x, axis=_axis(dim, x), keepdims=keepdim, correction=amount)

    return run


def _with_mean(fn):
    def run(x, *args, **kwargs):
        spread = _spread(fn)(x, *args, **kwargs)
        dim = kwargs.get("dim", args[0] if args else None)
        if isinstance(dim, bool):
            dim = None
        mean = hx.mean(x, axis=_axis(dim, x), keepdims=kwargs.get("keepdim", False))
        return spread, mean

    return run


def _nansum(x, dim=None, keepdim=False, dtype=None):
    return _reduction(hx.sum)(hx.where(hx.isnan(x), 0.0, x), dim, keepdim, dtype)


def _nanmean(x, dim=None, keepdim=False, dtype=None):
    bad = hx.isnan(x)
    count = hx.sum(
        hx.cast(hx.logical_not(bad), x.dtype), axis=_axis(dim, x), keepdims=keepdim
    )
    return _nansum(x, dim, keepdim, dtype) / count


def _cumulative(fn):
    def run(x, dim, dtype=None):
        x = x if dtype is None else hx.cast(x, dtype)
        return fn(x, axis=dim) if x.ndim else x * 1

    return run


def _arg(fn):
    return lambda x, dim=None, keepdim=False: hx.cast(
        fn(x, axis=_axis(dim, x), keepdims=keepdim), hx.int64
    )


def _aminmax(x, dim=None, keepdim=False):
    where = {"axis": _axis(dim, x), "keepdims": keepdim}
    return hx.min(x, **where), hx.max(x, **where)


def _softmax(fn, sign=1):
    def run(x, dim=-1, dtype=None, **kw):
        x = x if dtype is None else hx.cast(x, dtype)
        return fn(x * sign, axis=dim) if x.ndim else x * 0 + float(fn is hx.softmax)

    return run


def _count(x, dim=None):
    return hx.cast(hx.sum(hx.cast(x != 0, hx.int32), axis=_axis(dim, x)), hx.int64)


MAP = {
    "sum": _reduction(hx.sum),
    "mean": _reduction(hx.mean),
    "prod": _reduction(hx.prod),
    "amax": _reduction(hx.max),
    "amin": _reduction(hx.min),
    "all": _reduction(hx.all),
    "any": _reduction(hx.any),
    "max/reduction_no_dim": _whole_or_along(hx.max, hx.argmax),
    "max/reduction_with_dim": _whole_or_along(hx.max, hx.argmax),
    "min/reduction_no_dim": _whole_or_along(hx.min, hx.argmin),
    "min/reduction_with_dim": _whole_or_along(hx.min, hx.argmin),
    "aminmax": _aminmax,
    "argmax": _arg(hx.argmax),
    "argmin": _arg(hx.argmin),
    "var": _spread(hx.var),
    "var/unbiased": _spread(hx.var),
    "std": _spread(hx.std),
    "std/unbiased": _spread(hx.std),
    "var_mean": _with_mean(hx.var),
    "var_mean/unbiased": _with_mean(hx.var),
    "std_mean": _with_mean(hx.std),
    "std_mean/unbiased": _with_mean(hx.std),
    "logsumexp": lambda x, dim, keepdim=False: hx.logsumexp(
        x, axis=_axis(dim, x), keepdims=keepdim
    ),
    "nansum": _nansum,
    "nanmean": _nanmean,
    "count_nonzero": _count,
    "cumsum": _cumulative(hx.cumsum),
    "cumprod": _cumulative(hx.cumprod),
    "logcumsumexp": _cumulative(hx.cumlogsumexp),
    "softmax": _softmax(hx.softmax),
    "softmax/with_dtype": _softmax(hx.softmax),
    "log_softmax": _softmax(hx.log_softmax),
    "log_softmax/with_dtype": _softmax(hx.log_softmax),
    "nn.functional.softmin": _softmax(hx.softmax, -1),
    "nn.functional.softmin/with_dtype": _softmax(hx.softmax, -1),
}

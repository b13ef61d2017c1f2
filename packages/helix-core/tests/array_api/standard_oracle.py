"""array-api-strict as the oracle: the same call there and here, results compared."""

import functools
import warnings
from pathlib import Path

import array_api_strict as strict
import numpy as np
from helix_core import array_api as xp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that the version is not its newest
    strict.set_array_api_strict_flags(api_version="2024.12")

BOOL = ("bool",)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGER = (*SIGNED, *UNSIGNED)
REAL_FLOAT = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
FLOAT = (*REAL_FLOAT, *COMPLEX)
REAL = (*INTEGER, *REAL_FLOAT)
NUMERIC = (*REAL, *COMPLEX)
ALL = (*BOOL, *NUMERIC)
# what the oracle's 64-bit defaults are here
NARROW = {
    "int64": "int32",
    "uint64": "uint32",
    "float64": "float32",
    "complex128": "complex64",
}


def function(lib, name):
    return functools.reduce(getattr, name.split("."), lib)


def to(lib, value):
    """NumPy arrays and dtypes, also in lists, tuples and dicts, as those of a library."""
    if isinstance(value, np.ndarray):
        return lib.asarray(value)
    if isinstance(value, np.dtype):
        return getattr(lib, value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(to(lib, v) for v in value)
    if isinstance(value, dict):
        return {k: to(lib, v) for k, v in value.items()}
    return value


def quietly(fn, *args, **kw):
    """NumPy's floating-point warnings are not what is tested."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fn(*args, **kw)


def dtypes_in(value):
    if isinstance(value, (np.ndarray, np.dtype)):
        return {getattr(value, "dtype", value).name}
    if isinstance(value, (list, tuple)):
        return set().union(*map(dtypes_in, value)) if value else set()
    if isinstance(value, dict):
        return dtypes_in(list(value.values()))
    return set()


def wide(name):
    """The 64-bit types that an operand of this dtype justifies in a result."""
    pair = {"float64", "complex128"}
    return pair if name in pair else {name}


def host(x):
    return x._array if hasattr(x, "_array") else np.asarray(x)


def same_dtype(got, want, given):
    """The oracle's dtype, or the 32-bit default where nothing of 64 bits was given.

    ``given`` is None where integers are positions or counts.
    """
    if given is None and want == "int64":
        return got in ("int32", "int64")
    if given is None:
        return got == want
    if want in NARROW and not any(want in wide(g) for g in given):
        return got == NARROW[want]
    return got == want


def compare(got, want, given=frozenset(), ulps=8, atol=0.0):
    """Structure, shape, dtype and values; raises AssertionError."""
    if isinstance(want, (list, tuple)):
        assert isinstance(got, (list, tuple)), type(got)
        assert getattr(got, "_fields", ()) == getattr(want, "_fields", ())
        assert len(got) == len(want), (len(got), len(want))
        for g, w in zip(got, want, strict=True):
            compare(g, w, given, ulps, atol)
        return
    if not hasattr(want, "_array"):
        assert got == want, (got, want)
        return
    g, w = host(got), host(want)
    assert g.shape == w.shape, f"shape {g.shape}, the oracle has {w.shape}"
    assert same_dtype(g.dtype.name, w.dtype.name, given), (
        f"dtype {g.dtype}, the oracle has {w.dtype} from {given}"
    )
    if g.dtype.kind not in "fc":
        np.testing.assert_array_equal(g, w)
        return
    tol = ulps * np.finfo(g.dtype).eps
    with np.errstate(all="ignore"):
        w = w.astype(g.dtype)
    parts = [(g, w)] if g.dtype.kind == "f" else [(g.real, w.real), (g.imag, w.imag)]
    scale = np.abs(w) if g.dtype.kind == "c" else None
    for a, b in parts:
        close_to(a, b, tol, atol, scale)


def close_to(a, b, tol, atol, scale):
    """Equal NaN and infinities, and near numbers. ``scale``: of complex results."""
    with np.errstate(all="ignore"):
        size = np.abs(b) if scale is None else np.where(np.isfinite(scale), scale, 0)
        tiny = np.finfo(a.dtype).smallest_normal
        near = np.abs(a - b) <= tol * size + atol + tiny
        ok = (a == b) | (np.isnan(a) & np.isnan(b)) | near
    assert ok.all(), f"{a[~ok][:3]}, the oracle has {b[~ok][:3]}"


def check(name, *args, ulps=8, atol=0.0, like=None, places=False, **kw):
    """Call a function here and there.

    ``like`` replaces the oracle's function; ``places``: the result holds positions.
    """
    given = None if places else dtypes_in([list(args), kw])
    ours = function(xp, name)(*to(xp, list(args)), **to(xp, kw))
    theirs = quietly(
        like or function(strict, name), *to(strict, list(args)), **to(strict, kw)
    )
    compare(ours, theirs, given, ulps, atol)
    return ours


GAPS = Path(__file__).with_name("gaps.txt")


def listed_gaps():
    """``{"function[case]": reason}`` from gaps.txt."""
    lines = GAPS.read_text(encoding="utf-8").splitlines()
    pairs = [ln.split(": ", 1) for ln in lines if ln and not ln.startswith("#")]
    return {key: reason for key, reason in pairs}

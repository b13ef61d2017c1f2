"""Values through a pipe: JSON and raw arrays, nothing that can run code.

A message is two sizes (32 and 64 bits), JSON, and the bytes of its arrays. What is read
is checked: a worker may have been taken over by the file that it read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from .. import errors, samples
from ..errors import DataError, WorkerDied

SIZES = struct.Struct("<IQ")
MOST_JSON = 64 << 20
_DEEP = 40
_ALIGN = 64
_SAMPLES = {
    c.__name__: c
    for c in vars(samples).values()
    if isinstance(c, type) and issubclass(c, samples.Sample)
}
_ERRORS = {
    c.__name__: c
    for c in vars(errors).values()
    if isinstance(c, type) and issubclass(c, DataError)
}


class Broken(Exception):
    """A message that is none."""


def pack(value: Any) -> list[Any]:
    """A message as buffers."""
    parts: list[Any] = []
    size = 0

    def add(raw: Any) -> int:
        nonlocal size
        at = size
        n = memoryview(raw).nbytes
        parts.append(raw)
        size += n
        if size % _ALIGN:
            gap = _ALIGN - size % _ALIGN
            parts.append(bytes(gap))
            size += gap
        return at

    text = json.dumps(_out(value, add)).encode()
    return [SIZES.pack(len(text), size) + text, *parts]


def _out(x: Any, add: Callable[[Any], int]) -> Any:
    if x is None or isinstance(x, (bool, int, float, str)):
        return x
    if isinstance(x, np.ndarray):
        if x.dtype.kind == "O":
            return {"o": [list(x.shape), [_out(v, add) for v in x.ravel().tolist()]]}
        flat = np.ascontiguousarray(x).reshape(-1)
        descr = np.lib.format.dtype_to_descr(x.dtype)
        n = flat.nbytes
        at = add(flat.view(np.uint8).data) if n else 0
        return {"a": [_listed(descr), list(x.shape), at, n]}
    if isinstance(x, (bytes, bytearray, memoryview)):
        n = memoryview(x).nbytes
        return {"b": [add(x) if n else 0, n]}
    if isinstance(x, np.generic):
        return _out(x.item(), add)
    if isinstance(x, dict):
        return {"d": [[str(k), _out(v, add)] for k, v in x.items()]}
    if isinstance(x, (list, tuple)):
        return {"l": [_out(v, add) for v in x]}
    if isinstance(x, samples.Sample) and type(x).__name__ in _SAMPLES:
        values = {f.name: _out(getattr(x, f.name), add) for f in fields(x)}
        return {"s": [type(x).__name__, values]}
    if isinstance(x, DataError):
        more = getattr(x, "extra", "") or getattr(x, "limit", "")
        return {"e": [type(x).__name__, str(x), more]}
    raise TypeError(f"expected a value that can be sent; got {type(x).__name__}")


def _listed(descr: Any) -> Any:
    return [list(map(_listed, d)) for d in descr] if isinstance(descr, list) else descr


def unpack(text: bytes, payload: Any) -> Any:
    """The value of a message; arrays share the payload's memory.

    Raises
    ------
    Broken
    """
    try:
        return _in(json.loads(text), memoryview(payload).cast("B"), 0)
    except Broken:
        raise
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as e:
        raise Broken(f"{type(e).__name__}: {e}") from e


def _in(x: Any, raw: memoryview, depth: int) -> Any:
    if depth > _DEEP:
        raise Broken("values in values, too deep")
    if not isinstance(x, dict):
        if isinstance(x, list):
            raise Broken("a bare list")
        return x
    ((kind, body),) = x.items()
    if kind == "a":
        return _array(body, raw)
    if kind == "b":
        at, n = body
        return bytes(_cut(raw, at, n))
    if kind == "o":
        shape, values = body
        out = np.empty(len(values), object)
        out[:] = [_in(v, raw, depth + 1) for v in values]
        return out.reshape(shape)
    if kind == "d":
        return {str(k): _in(v, raw, depth + 1) for k, v in body}
    if kind == "l":
        return [_in(v, raw, depth + 1) for v in body]
    if kind == "s":
        name, values = body
        return _SAMPLES[name](**{k: _in(v, raw, depth + 1) for k, v in values.items()})
    if kind == "e":
        name, message, more = body
        kinds: Any = _ERRORS[name]
        two = issubclass(kinds, (errors.MissingExtra, errors.LimitExceeded))
        return kinds(str(message), str(more)) if two else kinds(str(message))
    raise Broken(f"a value of kind {kind!r}")


def _cut(raw: memoryview, at: Any, n: Any) -> memoryview:
    if not (
        isinstance(at, int) and isinstance(n, int) and 0 <= at <= at + n <= len(raw)
    ):
        raise Broken(f"{n} bytes at {at} of {len(raw)}")
    return raw[at : at + n]


def _array(body: Any, raw: memoryview) -> Any:
    descr, shape, at, n = body
    if isinstance(descr, list):
        descr = [tuple(_again(d)) for d in descr]
    dtype = np.lib.format.descr_to_dtype(descr)
    if dtype.hasobject or not all(type(m) is int and m >= 0 for m in shape):
        raise Broken(f"an array of {dtype} {shape}")
    size = dtype.itemsize
    for m in shape:
        size *= m
    if size != n:
        raise Broken(f"an array of {dtype} {shape} in {n} bytes")
    part = _cut(raw, at, n)
    if n == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(part, np.uint8).view(dtype).reshape(shape)


def _again(d: list[Any]) -> list[Any]:
    """A field of a structured dtype: name, type and perhaps a shape."""
    name, kind, *shape = d
    if isinstance(name, list):
        name = tuple(name)
    if isinstance(kind, list):
        kind = [tuple(_again(k)) for k in kind]
    return [name, kind, *(tuple(s) for s in shape)]


def died(what: str, how: str) -> WorkerDied:
    """The error of a worker that ended."""
    return WorkerDied(
        f"[{what}] expected its decoder to come back; got: {how}. Hint: the file is "
        "damaged or hostile, or needs more than Limits(memory=...)"
    )

"""Named arrays in safetensors files: no code is ever loaded.

The format: eight bytes of header length, a JSON header ``name -> dtype, shape,
data_offsets``, then the data, in header order and without gaps
(https://github.com/huggingface/safetensors). Reading and writing it takes one copy of
the data; the header is checked before anything is allocated.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any, BinaryIO, TypeGuard

import ml_dtypes
import numpy as np

from ..platform import atomic_path
from ._json import FileError as FileError
from ._json import PathLike, unwritable

MAX_HEADER = 100_000_000  # bytes; the format's own limit
MAX_RANK = 32
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(bool),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
    "C64": np.dtype("<c8"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def save_tensors(
    path: PathLike,
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write arrays atomically.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Any shape and layout; bool, integers, floats, bfloat16, float8, complex64.
    metadata : dict of str to str, optional

    Raises
    ------
    FileError
        For dtypes that the format lacks (complex128), or when the disk is full; what was
        there stays.
    """
    header: dict[str, Any] = {}
    if metadata:
        for key, text in metadata.items():
            if not (isinstance(key, str) and isinstance(text, str)):
                raise FileError(
                    f"[save] expected metadata of str to str; got {key!r}: {text!r}. "
                    "Hint: json.dumps(value)"
                )
        header["__metadata__"] = dict(metadata)
    arrays = {name: _stored(name, a) for name, a in tensors.items()}
    # wide dtypes first, so that every array is aligned in the file
    order = sorted(arrays, key=lambda n: (-arrays[n].itemsize, n))
    end = 0
    for name in order:
        a = arrays[name]
        start, end = end, end + a.nbytes
        header[name] = {
            "dtype": _NAMES[a.dtype],
            "shape": list(a.shape),
            "data_offsets": [start, end],
        }
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    if len(head) > MAX_HEADER:
        raise FileError(
            f"[save] expected names of at most {MAX_HEADER} bytes; got {len(head)}"
        )
    try:
        with atomic_path(path) as temporary, open(temporary, "wb") as f:
            f.write(len(head).to_bytes(8, "little"))
            f.write(head)
            for name in order:
                f.write(_bytes_of(np.ascontiguousarray(arrays[name])))
    except OSError as e:
        raise unwritable("save", path, e) from e


def _stored(name: str, value: Any) -> np.ndarray:
    """The array in a dtype of the format, little-endian; no copy where it is."""
    if not isinstance(name, str) or name == "__metadata__":
        raise FileError(
            f"[save] expected a str as name, not '__metadata__'; got {name!r}"
        )
    a = np.asarray(value)
    if a.dtype in _NAMES:
        return a
    little = a.dtype.newbyteorder("<")
    if little in _NAMES:
        return a.astype(little)
    hint = ". Hint: save real and imaginary parts" if a.dtype.kind == "c" else ""
    raise FileError(
        "[save] expected bool, integers, floats up to 64 bits, bfloat16, float8 or "
        f"complex64; {name!r} is {a.dtype}{hint}"
    )


def _bytes_of(a: np.ndarray) -> memoryview:
    """A contiguous array's memory, also of dtypes that Python's buffers do not know."""
    return a.reshape(-1).view(np.uint8).data


def load_tensors(path: PathLike) -> dict[str, np.ndarray]:
    """Read all arrays of a file.

    Returns
    -------
    dict of str to ndarray
        Writable, and the caller's own.

    Raises
    ------
    FileError
        If it is missing, truncated, hostile, or not in the format.
    """
    try:
        with open(path, "rb") as f:
            header, start = _header(f, path)
            out = {}
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                a = np.empty(entry["shape"], DTYPES[entry["dtype"]])
                f.seek(start + entry["data_offsets"][0])
                if a.nbytes and f.readinto(_bytes_of(a)) != a.nbytes:
                    raise _unreadable(path, f"{name!r} ends before its last byte")
                out[name] = a
    except (OSError, MemoryError) as e:
        raise _unreadable(path, e) from e
    return out


def read_metadata(path: PathLike) -> dict[str, str]:
    """The text metadata of a file; reads its header only.

    Raises
    ------
    FileError
        As for ``load_tensors``.
    """
    try:
        with open(path, "rb") as f:
            header, _ = _header(f, path)
    except OSError as e:
        raise _unreadable(path, e) from e
    return dict(header.get("__metadata__", {}))


# --------------------------------------------------------------------------- the header
def _unreadable(path: PathLike, why: object) -> FileError:
    return FileError(
        f"[load] expected a safetensors file; got {os.fspath(path)!r}: {why}"
    )


def _header(f: BinaryIO, path: PathLike) -> tuple[dict[str, Any], int]:
    """The header, checked against the file's size, and where the data starts."""
    size = os.fstat(f.fileno()).st_size
    first = f.read(8)
    length = int.from_bytes(first, "little")
    if len(first) < 8 or length > min(size - 8, MAX_HEADER):
        raise _unreadable(
            path,
            f"the file has {size} bytes, its header would have {length}"
            if len(first) == 8
            else f"the file has {size} bytes",
        )
    try:
        header = json.loads(
            f.read(length).decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as e:
        raise _unreadable(path, f"its header is no JSON ({e})") from e
    if not isinstance(header, dict):
        raise _unreadable(path, "its header is no JSON object")
    start = 8 + length
    _check(header, size - start, path)
    return header, start


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"{key!r} stands in it twice")
        out[key] = value
    return out


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _check(header: dict[str, Any], size: int, path: PathLike) -> None:
    """Every entry is sane, and together they cover the data once."""
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            if not isinstance(entry, dict) or any(
                not isinstance(v, str) for v in entry.values()
            ):
                raise _unreadable(path, "its metadata is not text")
            continue
        if not isinstance(entry, dict):
            raise _unreadable(path, f"{name!r} is not described")
        shape, offsets = entry.get("shape"), entry.get("data_offsets")
        if not _naturals(shape, 0, MAX_RANK) or not _naturals(offsets, 2, 2):
            raise _unreadable(
                path, f"{name!r} has the shape {shape!r:.99}, offsets {offsets!r:.99}"
            )
        kind = entry.get("dtype")
        if not isinstance(kind, str) or kind not in DTYPES:
            raise _unreadable(
                path, f"{name!r} has the dtype {kind!r:.99}; known: {', '.join(DTYPES)}"
            )
        n = DTYPES[kind].itemsize * math.prod(shape)
        if n != offsets[1] - offsets[0]:
            raise _unreadable(
                path,
                f"{name!r} of shape {shape} and dtype {kind} needs {n} bytes; "
                f"its offsets are {offsets}",
            )
        spans.append((offsets[0], offsets[1], name))
    end = 0
    for begin, stop, name in sorted(spans):
        if begin != end:
            raise _unreadable(
                path, f"{name!r} starts at byte {begin} of the data, expected {end}"
            )
        end = stop
    if end != size:
        raise _unreadable(
            path, f"{size} bytes of data, the header describes {end} (truncated?)"
        )


def _naturals(value: Any, least: int, most: int) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and least <= len(value) <= most
        and all(type(v) is int and 0 <= v < 1 << 63 for v in value)
    )

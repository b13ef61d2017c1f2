"""Named arrays in safetensors files: no code is ever loaded.

The format's own library reads and writes (https://github.com/huggingface/safetensors).
Here are the limits that it lacks, errors that name the file, and whole files or none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from ..platform import atomic_path
from ._json import FileError as FileError
from ._json import PathLike, unwritable

MAX_HEADER = 100_000_000  # bytes; the format's own limit
MAX_RANK = 64  # NumPy's
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
_STORED = frozenset(DTYPES.values())
_FLOAT8 = {"F8_E4M3", "F8_E5M2"}


def save_tensors(
    path: PathLike,
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write arrays atomically.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Any shape and layout; bool, integers, floats, bfloat16, float8, complex64. Those
        that are not contiguous are copied first.
    metadata : dict of str to str, optional

    Raises
    ------
    FileError
        For dtypes that the format lacks (complex128), or when the disk is full; what was
        there stays.
    """
    from safetensors import SafetensorError, TensorSpec, serialize_file

    for key, text in (metadata or {}).items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise FileError(
                f"[save] expected metadata of str to str; got {key!r}: {text!r}. "
                "Hint: json.dumps(value)"
            )
    # a spec holds an address only: these stay alive until the file is written
    arrays = {name: _stored(name, a) for name, a in tensors.items()}
    specs = {
        name: TensorSpec(
            dtype=a.dtype.name,
            shape=a.shape,
            data_ptr=a.ctypes.data,
            data_len=a.nbytes,
        )
        for name, a in arrays.items()
    }
    try:
        with atomic_path(path) as temporary:
            mode = stat.S_IMODE(temporary.stat().st_mode)
            serialize_file(specs, temporary, dict(metadata) if metadata else None)
            temporary.chmod(mode)  # the library replaces it by a file of mode 0600
    except OSError as e:
        raise unwritable("save", path, e) from e
    except (SafetensorError, UnicodeError) as e:
        number = re.search(r"\(os error (\d+)\)", str(e))
        cause = OSError(int(number[1]), str(e)) if number else OSError(str(e))
        raise unwritable("save", path, cause) from e


def _stored(name: str, value: Any) -> np.ndarray:
    """The array contiguous, little-endian; no copy where it is."""
    if not isinstance(name, str) or name == "__metadata__":
        raise FileError(
            f"[save] expected a str as name, not '__metadata__'; got {name!r}"
        )
    a = np.asarray(value)
    little = a.dtype.newbyteorder("<")
    if little not in _STORED:
        hint = ". Hint: save real and imaginary parts" if a.dtype.kind == "c" else ""
        raise FileError(
            "[save] expected bool, integers, floats up to 64 bits, bfloat16, float8 or "
            f"complex64; {name!r} is {a.dtype}{hint}"
        )
    return np.asarray(a, little, order="C")


def load_tensors(path: PathLike) -> dict[str, np.ndarray]:
    """Read all arrays of a file.

    Takes one copy of the data; two for a moment where a float8 array is among them.

    Returns
    -------
    dict of str to ndarray
        Writable, and the caller's own; in the file's order.

    Raises
    ------
    FileError
        If it is missing, truncated, hostile, or not in the format.
    """
    from safetensors import deserialize

    with _opened(path) as f:
        names = f.offset_keys()
        kinds = {f.get_slice(name).get_dtype() for name in names}
        if kinds.isdisjoint(_FLOAT8):
            return {name: f.get_tensor(name) for name in names}
        # the library asks NumPy for float8, which has none: take the bytes
        data = Path(path).read_bytes()
        parts = dict(deserialize(data))  # type: ignore[no-untyped-call]
    out = {}
    for name in names:
        part = parts[name]
        out[name] = np.ndarray(part["shape"], DTYPES[part["dtype"]], part["data"])
    return out


def read_metadata(path: PathLike) -> dict[str, str]:
    """The text metadata of a file; reads its header only.

    Raises
    ------
    FileError
        As for ``load_tensors``.
    """
    with _opened(path) as f:
        return f.metadata() or {}


# ----------------------------------------------------------------------------- checks
@contextlib.contextmanager
def _opened(path: PathLike) -> Iterator[Any]:
    """The library's view of a file whose every array can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        _check_header(path)
        with safe_open(path, "numpy", backend="pread") as f:
            for name in f.offset_keys():
                part = f.get_slice(name)
                kind, rank = part.get_dtype(), len(part.get_shape())
                if kind not in DTYPES:
                    why = f"the dtype {kind!r}; known: {', '.join(DTYPES)}"
                    raise _unreadable(path, f"{name!r} has {why}")
                if rank > MAX_RANK:
                    why = f"{rank} dimensions; at most {MAX_RANK}"
                    raise _unreadable(path, f"{name!r} has {why}")
            yield f
    except (OSError, MemoryError, SafetensorError) as e:
        raise _unreadable(path, e) from e


def _check_header(path: PathLike) -> None:
    """The header fits the file and its limit, and names nothing twice."""
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        first = f.read(8)
        length = int.from_bytes(first, "little")
        if len(first) < 8 or length > min(size - 8, MAX_HEADER):
            claim = f", its header would have {length}" if len(first) == 8 else ""
            raise _unreadable(path, f"the file has {size} bytes{claim}")
        try:
            json.loads(f.read(length).decode("utf-8"), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as e:
            raise _unreadable(path, f"its header is no JSON ({e})") from e


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"{key!r} stands in it twice")
        out[key] = value
    return out


def _unreadable(path: PathLike, why: object) -> FileError:
    return FileError(
        f"[load] expected a safetensors file; got {os.fspath(path)!r}: {why}"
    )

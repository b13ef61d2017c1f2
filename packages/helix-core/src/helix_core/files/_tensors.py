"""Named arrays in safetensors files: no code is ever loaded."""

from __future__ import annotations

import os
from typing import Any

import ml_dtypes
import numpy as np

from ..platform import atomic_path
from ._json import FileError as FileError
from ._json import PathLike

# the format has no complex numbers; it names bfloat16 and float8, NumPy does not
_ODD = {
    np.dtype(ml_dtypes.bfloat16): ("bfloat16", np.uint16),
    np.dtype(ml_dtypes.float8_e4m3fn): ("float8_e4m3fn", np.uint8),
    np.dtype(ml_dtypes.float8_e5m2): ("float8_e5m2", np.uint8),
}
_NAMES = {
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
}


def save_tensors(
    path: PathLike,
    tensors: dict[str, np.ndarray],
    metadata: dict[str, str] | None = None,
) -> None:
    """Write arrays atomically.

    Parameters
    ----------
    tensors : dict of str to ndarray
        Any shape and layout; bool, integers, floats, bfloat16, float8.
    metadata : dict of str to str, optional

    Raises
    ------
    FileError
        For dtypes that the format lacks (complex), or when the disk is full; what was
        there stays.
    """
    from safetensors import SafetensorError, TensorSpec, serialize_file

    entries: dict[str, Any] = {}
    alive = []  # a TensorSpec holds an address only
    for name in sorted(tensors):
        a = np.asarray(tensors[name])
        kind = _ODD.get(a.dtype)
        if kind is None and a.dtype.kind not in "biuf":
            raise FileError(
                f"[save] expected bool, integer or float arrays; {name!r} is {a.dtype}. "
                "Hint: save real and imaginary parts"
            )
        dtype = kind[0] if kind else a.dtype.name
        flat = np.ascontiguousarray(a)
        if kind:
            flat = flat.view(kind[1])
        alive.append(flat)
        address, size = flat.ctypes.data, flat.nbytes
        entries[name] = TensorSpec(
            dtype=dtype, shape=list(a.shape), data_ptr=address, data_len=size
        )
    try:
        with atomic_path(path) as temporary:
            serialize_file(entries, os.fspath(temporary), metadata)
    except (OSError, SafetensorError) as e:
        raise FileError(f"[save] {os.fspath(path)!r} could not be written: {e}") from e


def load_tensors(path: PathLike) -> dict[str, np.ndarray]:
    """Read all arrays of a file.

    Raises
    ------
    FileError
        If it is missing, truncated, or not in the format.
    """
    from safetensors import SafetensorError, deserialize

    name = os.fspath(path)
    try:
        with open(path, "rb") as f:
            raw = f.read()
        found = deserialize(raw)
    except (OSError, SafetensorError, ValueError) as e:
        raise FileError(f"[load] {name!r} is no readable safetensors file: {e}") from e
    out = {}
    for key, entry in found:
        dtype = _dtype(entry["dtype"], name, key)
        out[key] = np.frombuffer(bytearray(entry["data"]), dtype).reshape(
            entry["shape"]
        )
    return out


def _dtype(text: str, file: str, key: str) -> np.dtype[Any]:
    if text in _NAMES:
        return np.dtype(_NAMES[text])
    kinds = {"F": "f", "I": "i", "U": "u"}
    if text == "BOOL":
        return np.dtype(bool)
    kind, bits = kinds.get(text[:1]), text[1:]
    if kind is None or not bits.isdigit():
        raise FileError(f"[load] {key!r} of {file!r} has the unknown dtype {text}")
    return np.dtype(f"{kind}{int(bits) // 8}")


def read_metadata(path: PathLike) -> dict[str, str]:
    """The text metadata of a file; reads its header only."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="numpy") as f:
            return dict(f.metadata() or {})
    except (OSError, SafetensorError) as e:
        raise FileError(
            f"[load] {os.fspath(path)!r} is no readable safetensors file: {e}"
        ) from e

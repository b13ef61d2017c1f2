"""NPY and NPZ: arrays, never pickles."""

from __future__ import annotations

import ast
import io
import zipfile
from typing import Any

import numpy as np

from ..errors import DataError, UnsupportedFormat
from ..limits import Meter
from ..samples import Array, Arrays
from ._bytes import Data, Reader, corrupt

_CHUNK = 1 << 20
_HEADER = 1 << 16


def _head(r: Reader) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    magic, major, minor = r.unpack("<6sBB")
    if magic != b"\x93NUMPY" or (major, minor) not in ((1, 0), (2, 0), (3, 0)):
        raise corrupt(r.what, "NUMPY version 1 to 3", (magic, major, minor))
    (size,) = r.unpack("<H" if major == 1 else "<I")
    if size > _HEADER:
        raise corrupt(r.what, f"a header of at most {_HEADER} bytes", size)
    text = bytes(r.take(size, "its header"))
    try:
        found = ast.literal_eval(text.decode("utf-8" if major == 3 else "latin-1"))
        order, shape = found["fortran_order"], found["shape"]
        dtype = np.lib.format.descr_to_dtype(found["descr"])
    except (ValueError, SyntaxError, TypeError, LookupError, RecursionError) as e:
        raise corrupt(r.what, "descr, fortran_order and shape", text[:80]) from e
    except MemoryError as e:  # what the parser says of deep nesting
        raise corrupt(r.what, "descr, fortran_order and shape", text[:80]) from e
    if dtype.hasobject:
        raise UnsupportedFormat(
            f"[{r.what}] expected numbers or text; got objects, which are pickles"
        )
    if not (
        isinstance(shape, tuple)
        and len(shape) <= 64
        and all(type(n) is int and n >= 0 for n in shape)
        and isinstance(order, bool)
    ):
        raise corrupt(r.what, "a shape of sizes from 0", text[:80])
    return dtype, order, shape


def _size(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    size = dtype.itemsize
    for n in shape:
        size *= n
    return size


def read_array(data: Data, meter: Meter) -> Array:
    """The array of one npy file.

    Raises
    ------
    Corrupt, LimitExceeded, UnsupportedFormat
    """
    r = Reader(data, meter.what)
    dtype, fortran, shape = _head(r)
    size = _size(dtype, shape)
    meter.charge(size)
    raw = r.take(size, "values")
    if size == 0:
        if max(shape, default=0) > np.iinfo(np.intp).max:
            raise corrupt(r.what, "sizes that fit", shape)
        return np.empty(shape, dtype)
    flat = np.frombuffer(raw, dtype).copy()
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def decode(data: Data, meter: Meter) -> Arrays:
    """Decode NPY: one array, by the name "array"."""
    return Arrays(format=meter.what, arrays={"array": read_array(data, meter)})


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Shape and dtype of an NPY file."""
    dtype, fortran, shape = _head(Reader(data, meter.what))
    return {"shape": list(shape), "dtype": dtype.str, "fortran_order": fortran}


def _members(data: Data, meter: Meter) -> tuple[zipfile.ZipFile, list[Any]]:
    """Entries that do not overlap, with sizes within the limits."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = archive.infolist()
    meter.check("entries", len(entries))
    end = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        if entry.header_offset < end:
            raise corrupt(meter.what, "entries that do not overlap", entry.filename)
        end = entry.header_offset + 30 + entry.compress_size
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsupportedFormat(
                f"[{meter.what}] expected entries stored or deflated; got method "
                f"{entry.compress_type}"
            )
    declared = sum(e.file_size for e in entries)
    meter.check("decoded_bytes", declared, "decoded bytes")
    return archive, entries


def _inflate(archive: zipfile.ZipFile, entry: Any, meter: Meter) -> bytes:
    """A member in chunks; its own size is not believed."""
    parts = []
    total = 0
    with archive.open(entry) as f:
        while part := f.read(_CHUNK):
            total += len(part)
            meter.check("decoded_bytes", meter.decoded + total, "decoded bytes")
            ratio = meter.limits.ratio
            if ratio is not None and total > 16 * _CHUNK:
                meter.check("ratio", total / max(1, entry.compress_size))
            meter.tick()
            parts.append(part)
    return b"".join(parts)


_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
)


def decode_npz(data: Data, meter: Meter) -> Arrays:
    """Decode NPZ: arrays by name; members that are not npy are refused."""
    import struct
    import zlib

    try:
        archive, entries = _members(data, meter)
        arrays = {}
        for entry in entries:
            if not entry.filename.endswith(".npy"):
                raise corrupt(meter.what, "members that end in .npy", entry.filename)
            raw = _inflate(archive, entry, meter)
            arrays[entry.filename[:-4]] = read_array(raw, meter)
    except DataError:
        raise
    except (*_ZIP_ERRORS, struct.error, zlib.error) as e:
        raise corrupt(meter.what, "a sound zip archive of npy files", e) from e
    return Arrays(format=meter.what, arrays=arrays)


def header_npz(data: Data, meter: Meter) -> dict[str, Any]:
    """Names and sizes in an NPZ file."""
    try:
        _, entries = _members(data, meter)
    except DataError:
        raise
    except (*_ZIP_ERRORS,) as e:
        raise corrupt(meter.what, "a sound zip archive of npy files", e) from e
    return {"members": {e.filename: e.file_size for e in entries}}

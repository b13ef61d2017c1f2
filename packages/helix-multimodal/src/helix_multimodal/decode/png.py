"""PNG and APNG: every colour type and depth, interlaced or not (ISO/IEC 15948)."""

from __future__ import annotations

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Corrupt
from ..limits import Meter
from ..samples import Array, Image
from ._bytes import Data, Reader, corrupt

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)  # first row, first column, row step, column step
_STEP = 1 << 20
_KEPT = (b"PLTE", b"tRNS", b"gAMA", b"pHYs", b"acTL", b"tEXt", b"eXIf")


class _Head(NamedTuple):
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def bits(self) -> int:
        """Of a pixel, as stored."""
        return self.depth * _SAMPLES[self.colour]


class _Frame(NamedTuple):
    """One image of an animation: its control chunk and its compressed parts."""

    control: tuple[int, ...] | None
    parts: list[memoryview]


def _head(r: Reader) -> _Head:
    if bytes(r.take(8, "a signature")) != b"\x89PNG\r\n\x1a\n":
        raise corrupt(r.what, "the signature of PNG", "other bytes")
    size, name = r.unpack(">I4s")
    if name != b"IHDR" or size != 13:
        raise corrupt(r.what, "a chunk IHDR of 13 bytes", (name, size))
    body = r.take(13, "IHDR")
    (crc,) = r.unpack(">I")
    if crc != zlib.crc32(body, zlib.crc32(name)):
        raise corrupt(r.what, "IHDR with its checksum", f"{crc:#010x}")
    width, height, depth, colour, method, filters, lace = struct.unpack(
        ">IIBBBBB", body
    )
    if depth not in _DEPTHS.get(colour, ()) or method or filters or lace > 1:
        got = f"depth {depth}, colour {colour}, methods {method}, {filters}, {lace}"
        raise corrupt(r.what, "a colour type and depth of the standard", got)
    return _Head(width, height, depth, colour, bool(lace))


def _chunks(
    r: Reader, meter: Meter
) -> tuple[dict[bytes, list[memoryview]], list[_Frame], bool]:
    """Chunks that matter, frames, and whether the first image is part of the animation."""
    kept: dict[bytes, list[memoryview]] = {}
    frames: list[_Frame] = []
    main: list[memoryview] = []
    control = None
    first = None
    while True:
        size, name = r.unpack(">I4s", "a chunk")
        body = r.take(size, f"chunk {name!r}")
        (crc,) = r.unpack(">I", "a checksum")
        if crc != zlib.crc32(body, zlib.crc32(name)):
            raise corrupt(r.what, f"chunk {name!r} with its checksum", f"{crc:#010x}")
        if name == b"IEND":
            break
        if name == b"IDAT":
            main.append(body)
            first = first or control
        elif name == b"fcTL":
            if size != 26:
                raise corrupt(r.what, "fcTL of 26 bytes", size)
            control = struct.unpack(">IIIIIHHBB", body)
            if main:
                frames.append(_Frame(control, []))
                meter.check("frames", len(frames))
        elif name == b"fdAT":
            if not frames or size < 4:
                raise corrupt(r.what, "fdAT after fcTL", size)
            frames[-1].parts.append(body[4:])
        elif name in _KEPT:
            if len(kept.setdefault(name, [])) < 64:
                kept[name].append(body)
        elif not name[0] & 0x20:
            raise corrupt(r.what, "critical chunks of the standard", name)
    if not main:
        raise corrupt(r.what, "a chunk IDAT", "none")
    return kept, [_Frame(first, main), *frames], first is not None


def _inflate(parts: list[memoryview], size: int, meter: Meter) -> bytes:
    """Exactly ``size`` bytes, or Corrupt; never more than that in memory."""
    stream = zlib.decompressobj()
    out: list[bytes] = []
    got = 0
    try:
        for part in parts:
            rest: Any = part
            while len(rest) and got < size and not stream.eof:
                piece = stream.decompress(rest, min(_STEP, size - got))
                rest = stream.unconsumed_tail
                got += len(piece)
                out.append(piece)
                meter.tick()
    except zlib.error as e:
        raise corrupt(meter.what, "sound compressed data", e) from e
    if got < size:
        raise corrupt(meter.what, f"{size:,} bytes of pixels", f"{got:,}")
    return out[0] if len(out) == 1 else b"".join(out)


def _unfilter(raw: NDArray[np.uint8], step: int, meter: Meter) -> NDArray[np.uint8]:
    """Undo the row filters of (row, 1 + bytes); ``step`` bytes make a pixel."""
    kinds, rows = raw[:, 0], raw[:, 1:]
    if kinds.max(initial=0) > 4:
        raise corrupt(meter.what, "filters 0 to 4", int(kinds.max()))
    if not kinds.any():
        return rows
    height, width = rows.shape
    out = np.zeros((height + 1, width), np.uint8)
    # runs of one kind; only Average and Paeth go row by row
    row = 0
    while row < height:
        kind = kinds[row]
        end = row + 1
        while end < height and kinds[end] == kind:
            end += 1
        if kind == 0:
            out[row + 1 : end + 1] = rows[row:end]
        elif kind == 1:
            pixels = rows[row:end].reshape(end - row, -1, step)
            np.cumsum(
                pixels,
                axis=1,
                dtype=np.uint8,
                out=out[row + 1 : end + 1].reshape(end - row, -1, step),
            )
        elif kind == 2:
            out[row + 1] = out[row]
            out[row + 1] += rows[row]
            for i in range(row + 1, end):
                np.add(out[i], rows[i], out=out[i + 1])
        else:
            _serial(out, rows, row, end, step, int(kind), meter)
        meter.tick()
        row = end
    return out[1:]


def _serial(
    out: NDArray[np.uint8],
    rows: NDArray[np.uint8],
    start: int,
    end: int,
    step: int,
    kind: int,
    meter: Meter,
) -> None:
    """Average and Paeth along anti-diagonals: pixels of one diagonal at once.

    Pixel ``x`` of row ``i`` needs those at ``x - 1`` of the row and ``x``, ``x - 1`` of
    the row above: on skewed rows the work of a diagonal is one NumPy operation.
    """
    n = end - start
    width = rows.shape[1] // step
    if n < 8:
        for i in range(start, end):
            _one_row(out[i], rows[i], out[i + 1], step, kind)
            meter.tick()
        return
    block = 256
    for first in range(start, end, block):
        last = min(end, first + block)
        m = last - first
        # skew[d, i] is pixel d - i of row i, each diagonal contiguous
        length = width + m - 1
        skew = np.zeros((length + 2, m + 1, step), np.int16)
        source = rows[first:last].reshape(m, width, step)
        above = out[first].reshape(width, step)
        skew[1 : width + 1, 0] = above
        given = np.zeros((length, m, step), np.int16)
        for i in range(m):
            given[i : i + width, i] = source[i]
        for d in range(length):
            lo, hi = max(0, d - width + 1), min(m, d + 1)
            # row i + 1 of skew holds row i, shifted by one more diagonal
            left = skew[d, lo + 1 : hi + 1] if d else skew[0, lo + 1 : hi + 1] * 0
            up = _up(skew, d, lo, hi)
            if kind == 3:
                guess = (left + up) >> 1
            else:
                corner = _corner(skew, d, lo, hi)
                guess = _paeth(left, up, corner)
            skew[d + 1, lo + 1 : hi + 1] = (given[d, lo:hi] + guess) & 255
        target = out[first + 1 : last + 1].reshape(m, width, step)
        for i in range(m):
            target[i] = skew[i + 1 : i + 1 + width, i + 1]
        meter.tick()


def _up(skew: NDArray[np.int16], d: int, lo: int, hi: int) -> NDArray[np.int16]:
    """Pixel x of the row above: of row i - 1 it lies on the diagonal before."""
    above = skew[d, lo:hi].copy()
    if lo == 0:  # the row above the block is not skewed further
        above[0] = skew[d + 1, 0]
    return above


def _corner(skew: NDArray[np.int16], d: int, lo: int, hi: int) -> NDArray[np.int16]:
    if d == 0:
        return np.zeros_like(skew[0, lo:hi])
    corner = skew[d - 1, lo:hi].copy()
    if lo == 0:
        corner[0] = skew[d, 0]
    return corner


def _paeth(
    a: NDArray[np.int16], b: NDArray[np.int16], c: NDArray[np.int16]
) -> NDArray[np.int16]:
    pa, pb = np.abs(b - c), np.abs(a - c)
    pc = np.abs(a + b - c - c)
    return np.where((pa <= pb) & (pa <= pc), a, np.where(pb <= pc, b, c))


def _one_row(above: Any, given: Any, out: Any, step: int, kind: int) -> None:
    up, row = above.tobytes(), bytearray(given.tobytes())
    for i in range(len(row)):
        a = row[i - step] if i >= step else 0
        b = up[i]
        if kind == 3:
            guess = (a + b) >> 1
        else:
            c = up[i - step] if i >= step else 0
            pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = a if pa <= pb and pa <= pc else b if pb <= pc else c
        row[i] = (row[i] + guess) & 255
    out[:] = np.frombuffer(row, np.uint8)


def _samples(raw: NDArray[np.uint8], width: int, head: _Head) -> Array:
    """Rows of bytes to (row, width, sample), unscaled."""
    n = _SAMPLES[head.colour]
    rows = raw.shape[0]
    if head.depth == 16:
        wide = np.ascontiguousarray(raw).view(">u2")
        return wide.reshape(rows, width, n).astype(np.uint16)
    if head.depth == 8:
        return raw.reshape(rows, width, n)
    if head.depth == 1:
        return np.unpackbits(raw, axis=1, count=width)[..., None]
    mask = (1 << head.depth) - 1
    shifts = np.arange(8 - head.depth, -1, -head.depth, dtype=np.uint8)
    spread = (raw[:, :, None] >> shifts) & np.uint8(mask)
    return spread.reshape(rows, -1)[:, :width, None]


def _passes(head: _Head, width: int, height: int) -> list[tuple[int, int, Any]]:
    """(width, height, where in the image) of each pass that has pixels."""
    if not head.interlaced:
        return [(width, height, np.s_[:, :])]
    out = []
    for y, x, dy, dx in _ADAM7:
        w, h = -(-(width - x) // dx), -(-(height - y) // dy)
        if w > 0 and h > 0:
            out.append((w, h, np.s_[y::dy, x::dx]))
    return out


def _raster(
    parts: list[memoryview], head: _Head, width: int, height: int, meter: Meter
) -> Array:
    """Stored samples of one image: (height, width, sample)."""
    passes = _passes(head, width, height)
    sizes = [h * (1 + (w * head.bits + 7) // 8) for w, h, _ in passes]
    raw = np.frombuffer(_inflate(parts, sum(sizes), meter), np.uint8)
    step = max(1, head.bits // 8)
    dtype = np.uint16 if head.depth == 16 else np.uint8
    whole: Array | None = None
    at = 0
    for (w, h, where), size in zip(passes, sizes, strict=True):
        rows = _unfilter(raw[at : at + size].reshape(h, -1), step, meter)
        at += size
        part = _samples(rows, w, head)
        if not head.interlaced:
            return part
        if whole is None:
            whole = np.zeros((height, width, _SAMPLES[head.colour]), dtype)
        whole[where] = part
    if whole is None:
        raise corrupt(meter.what, "a pass with pixels", "none")
    return whole


def _colours(raw: Array, head: _Head, kept: dict[bytes, Any], what: str) -> Array:
    """Stored samples to channels: palettes looked up, transparency as alpha."""
    alpha = bytes(kept[b"tRNS"][0]) if b"tRNS" in kept else None
    if head.colour == 3:
        plain = bytes(kept[b"PLTE"][0]) if b"PLTE" in kept else b""
        if not plain or len(plain) % 3 or len(plain) > 768:
            raise corrupt(what, "a palette of 1 to 256 colours", f"{len(plain)} bytes")
        table = np.zeros((256, 4 if alpha is not None else 3), np.uint8)
        table[: len(plain) // 3, :3] = np.frombuffer(plain, np.uint8).reshape(-1, 3)
        if alpha is not None:
            table[:, 3] = 255
            table[: min(256, len(alpha)), 3] = np.frombuffer(alpha[:256], np.uint8)
        return table[raw[..., 0]]
    top = 65535 if head.depth == 16 else 255
    scale = top // ((1 << head.depth) - 1)
    out = raw * raw.dtype.type(scale) if scale > 1 else np.ascontiguousarray(raw)
    if alpha is not None and head.colour in (0, 2):
        n = _SAMPLES[head.colour]
        if len(alpha) != 2 * n:
            raise corrupt(what, f"tRNS of {2 * n} bytes", len(alpha))
        key = np.frombuffer(alpha, ">u2") & ((1 << head.depth) - 1)
        solid = (raw != key.astype(raw.dtype)).any(-1)
        return np.concatenate(
            [out, solid[..., None].astype(out.dtype) * out.dtype.type(top)], axis=-1
        )
    return out if out.flags.writeable else out.copy()


def _channels(head: _Head, kept: dict[bytes, Any]) -> int:
    base = 3 if head.colour == 3 else _SAMPLES[head.colour]
    return base + (b"tRNS" in kept and head.colour in (0, 2, 3))


def decode(data: Data, meter: Meter, *, frames: bool = False) -> Image:
    """Decode PNG: gray, gray+alpha, RGB or RGBA; uint16 where it has 16 bits.

    Parameters
    ----------
    frames : bool
        All frames of an APNG too, composed as they are shown.
    """
    r = Reader(data, meter.what)
    head = _head(r)
    size = 2 if head.depth == 16 else 1
    meter.image(head.height, head.width, size * _SAMPLES[head.colour])
    kept, found, animated = _chunks(r, meter)
    n = _channels(head, kept)
    meter.charge(head.height * head.width * size * n)
    raw = _raster(found[0].parts, head, head.width, head.height, meter)
    pixels = _colours(raw, head, kept, meter.what)
    out = Image(format=meter.what, pixels=pixels, metadata=_metadata(head, kept))
    orientation = out.metadata.get("orientation", 1)
    if frames and b"acTL" in kept:
        shown = found if animated else found[1:]
        if shown:
            out.frames, out.durations = _animation(shown, raw, head, kept, n, meter)
    if orientation != 1:
        out.pixels = upright(out.pixels, orientation)
        if out.frames is not None:
            out.frames = np.stack([upright(f, orientation) for f in out.frames])
    return out


def _animation(
    shown: list[_Frame],
    first: Array,
    head: _Head,
    kept: dict[bytes, Any],
    n: int,
    meter: Meter,
) -> tuple[Array, Array]:
    dtype = np.uint16 if head.depth == 16 else np.uint8
    channels = n if n in (2, 4) else n + 1  # what is not covered is transparent
    size = head.height * head.width * channels * dtype().itemsize
    meter.charge(size * (len(shown) + 2))
    canvas = np.zeros((head.height, head.width, channels), dtype)
    out = np.empty((len(shown), *canvas.shape), dtype)
    seconds = np.zeros(len(shown))
    for i, frame in enumerate(shown):
        if frame.control is None:
            raise corrupt(meter.what, "a frame with its control chunk", "none")
        _, w, h, x, y, num, den, dispose, blend = frame.control
        if not (w and h and x + w <= head.width and y + h <= head.height):
            raise corrupt(meter.what, "frames within the image", (x, y, w, h))
        raw = _raster(frame.parts, head, w, h, meter)
        part = _colours(raw, head, kept, meter.what)
        if part.shape[-1] < channels:
            solid = np.full((h, w, 1), np.iinfo(dtype).max, dtype)
            part = np.concatenate([part, solid], axis=-1)
        where = np.s_[y : y + h, x : x + w]
        before = canvas[where].copy() if dispose == 2 else None
        canvas[where] = part if blend == 0 else _over(part, canvas[where])
        out[i] = canvas
        seconds[i] = num / (den or 100)
        if dispose == 1 or (dispose == 2 and i == 0):
            canvas[where] = 0
        elif before is not None:
            canvas[where] = before
        meter.tick()
    if channels != n and (out[..., -1] == np.iinfo(dtype).max).all():
        out = out[..., :n].copy()
    return out, seconds


def _over(new: Array, old: Array) -> Array:
    """Source over destination, alpha not premultiplied."""
    top = float(np.iinfo(new.dtype).max)
    a, b = new[..., -1:] / top, old[..., -1:] / top
    total = a + b * (1 - a)
    safe = np.where(total > 0, total, 1.0)
    colour = (new[..., :-1] * a + old[..., :-1] * b * (1 - a)) / safe
    both = np.concatenate([colour, total * top], axis=-1)
    return np.floor(both + 0.5).astype(new.dtype)


def upright(pixels: Array, orientation: int) -> Array:
    """Apply the orientation 1 to 8 of EXIF to (height, width, channel)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def orientation_of(exif: Data) -> int:
    """The orientation that EXIF bytes (a TIFF header and its first folder) tell; else 1."""
    try:
        r = Reader(exif, "exif")
        mark = bytes(r.take(2))
        order = {b"II": "<", b"MM": ">"}.get(mark)
        if order is None:
            return 1
        _, r.at = r.unpack(f"{order}HI")
        (count,) = r.unpack(f"{order}H")
        for _ in range(min(count, 256)):
            tag, kind, _, value, _ = r.unpack(f"{order}HHIHH")
            if tag == 0x112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except Corrupt:
        pass
    return 1


def _metadata(head: _Head, kept: dict[bytes, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {"bits": head.depth, "colour_type": head.colour}
    if b"eXIf" in kept:
        out["orientation"] = orientation_of(kept[b"eXIf"][0])
    texts = {}
    for chunk in kept.get(b"tEXt", ()):
        key, _, value = bytes(chunk[:8192]).partition(b"\0")
        texts[key.decode("latin-1")] = value.decode("latin-1")
    if texts:
        out["text"] = texts
    if b"gAMA" in kept and len(kept[b"gAMA"][0]) == 4:
        out["gamma"] = struct.unpack(">I", kept[b"gAMA"][0])[0] / 100000
    return out


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Size, depth and colour type of PNG."""
    h = _head(Reader(data, meter.what))
    return {
        "width": h.width,
        "height": h.height,
        "bits": h.depth,
        "colour_type": h.colour,
        "interlaced": h.interlaced,
    }

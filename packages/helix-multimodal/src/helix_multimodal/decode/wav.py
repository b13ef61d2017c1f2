"""WAV, RF64 and RIFX: integers of 8 to 32 bits, floats, A-law and mu-law."""

from __future__ import annotations

import struct
from typing import Any

from ..errors import UnsupportedFormat
from ..limits import Meter
from ..samples import Audio
from ._bytes import Data, Reader, corrupt
from ._pcm import frames_in, to_float

_TAGS = {1: "int", 3: "float", 6: "alaw", 7: "mulaw"}
_GUID_TAIL = bytes.fromhex("00001000800000aa00389b71")


def _parse(data: Data, what: str) -> tuple[dict[str, Any], memoryview]:
    """The fields of ``fmt`` and the bytes of ``data``; other chunks are passed over."""
    r = Reader(data, what)
    riff, _, wave = r.unpack("<4sI4s")
    if riff == b"riff":
        raise UnsupportedFormat(
            f"[{what}] expected RIFF, RIFX or RF64; got Wave64. "
            "Hint: pip install 'helix-multimodal[audio]'"
        )
    if riff not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or wave != b"WAVE":
        raise corrupt(what, "RIFF ... WAVE", (riff, wave))
    order = ">" if riff == b"RIFX" else "<"
    fmt: dict[str, Any] = {}
    long_size = None
    text: dict[str, str] = {}
    body: memoryview | None = None
    while r.left >= 8:
        name, size = r.unpack(f"{order}4sI")
        if name == b"ds64":
            chunk = Reader(r.take(size, "ds64"), what)
            _, long_size, _ = chunk.unpack("<QQQ", "ds64")
        elif name == b"fmt ":
            fmt = _format(r.take(size, "fmt"), order, what)
        elif name == b"data":
            if size == 0xFFFFFFFF and long_size is not None:
                size = long_size
            # a stream that was cut, or of unknown size, ends where the bytes end
            body = r.take(min(size, r.left))
        elif name == b"LIST":
            text.update(_info(r.take(min(size, r.left)), order, what))
        else:
            r.at += min(size, r.left)
        r.at += size & 1
    if not fmt:
        raise corrupt(what, "a chunk 'fmt '", "none")
    if body is None:
        raise corrupt(what, "a chunk 'data'", "none")
    fmt["text"] = text
    return fmt, body


def _format(chunk: memoryview, order: str, what: str) -> dict[str, Any]:
    r = Reader(chunk, what)
    tag, channels, rate, _, align, bits = r.unpack(f"{order}HHIIHH", "fmt")
    if tag == 0xFFFE:
        _, valid, _, guid = r.unpack(f"{order}HHI16s", "fmt of extensible")
        tag = struct.unpack(f"{order}H", guid[:2])[0]
        if guid[4:] != _GUID_TAIL or valid > bits:
            raise UnsupportedFormat(
                f"[{what}] expected a subformat of PCM, float, A-law or mu-law; got "
                f"{guid.hex()}"
            )
    kind = _TAGS.get(tag)
    if kind is None:
        raise UnsupportedFormat(
            f"[{what}] expected PCM, float, A-law or mu-law; got format tag {tag:#x}. "
            "Hint: the extra 'audio' or 'video' may decode it"
        )
    width = (bits + 7) // 8
    good = {"float": (4, 8), "alaw": (1,), "mulaw": (1,)}.get(kind, (1, 2, 3, 4))
    if width not in good:
        raise corrupt(what, f"samples of {good} bytes", f"{bits} bits")
    if channels and align != width * channels:
        raise corrupt(what, f"blocks of {width * channels} bytes", align)
    if kind == "int" and width == 1:
        kind = "unsigned"
    keys = ("kind", "width", "order", "channels", "rate", "bits")
    return dict(zip(keys, (kind, width, order, channels, rate, bits), strict=True))


def _info(chunk: memoryview, order: str, what: str) -> dict[str, str]:
    """Texts of LIST INFO: title, artist and the like, by their four letters."""
    r = Reader(chunk, what)
    out: dict[str, str] = {}
    if r.left < 4 or bytes(r.take(4)) != b"INFO":
        return out
    while r.left >= 8 and len(out) < 100:
        name, size = r.unpack(f"{order}4sI")
        raw = bytes(r.take(min(size, r.left))).split(b"\0")[0]
        out[name.decode("latin-1")] = raw[:4096].decode("utf-8", "replace")
        r.at += size & 1
    return out


def decode(data: Data, meter: Meter) -> Audio:
    """Decode WAV: (channel, time) float32.

    A data chunk that ends early gives the frames that are there.
    """
    fmt, body = _parse(data, meter.what)
    width, channels, rate = fmt["width"], fmt["channels"], fmt["rate"]
    count = frames_in(meter, len(body), width, channels, rate)
    samples = to_float(body, fmt["kind"], width, fmt["order"], channels, count)
    metadata = {"encoding": fmt["kind"], "bits": fmt["bits"], **_text(fmt)}
    return Audio(
        format=meter.what, samples=samples, sample_rate=rate, metadata=metadata
    )


def _text(fmt: dict[str, Any]) -> dict[str, Any]:
    return {"info": fmt["text"]} if fmt["text"] else {}


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Channels, rate and frames of WAV, without its samples."""
    fmt, body = _parse(data, meter.what)
    frames = len(body) // max(1, fmt["width"] * fmt["channels"])
    return {
        "channels": fmt["channels"],
        "sample_rate": fmt["rate"],
        "frames": frames,
        "seconds": frames / max(1, fmt["rate"]),
        "encoding": fmt["kind"],
        "bits": fmt["bits"],
    }

"""QOI, the "quite OK" image format (qoiformat.org, specification 1.0)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..limits import Meter
from ..samples import Image
from ._bytes import Data, Reader, corrupt


def _head(r: Reader) -> tuple[int, int, int, int]:
    magic, width, height, channels, space = r.unpack(">4sIIBB")
    if magic != b"qoif" or channels not in (3, 4) or space > 1:
        raise corrupt(r.what, "'qoif' and 3 or 4 channels", (magic, channels, space))
    return width, height, channels, space


def decode(data: Data, meter: Meter) -> Image:
    """Decode QOI: RGB or RGBA uint8."""
    r = Reader(data, meter.what)
    width, height, channels, space = _head(r)
    # a run, the densest code, holds 62 pixels in a byte
    if width * height > 62 * r.left:
        raise corrupt(r.what, f"{width * height:,} pixels", f"{r.left:,} bytes of them")
    meter.image(height, width, 4)
    out = np.empty((height * width, 4), np.uint8)
    _pixels(bytes(r.take(r.left)), out, meter)
    pixels = out.reshape(height, width, 4)
    if channels == 3:
        pixels = np.ascontiguousarray(pixels[..., :3])
    return Image(
        format=meter.what, pixels=pixels, metadata={"bits": 8, "linear": bool(space)}
    )


def _pixels(raw: bytes, out: Any, meter: Meter) -> None:
    """Codes to pixels, as uint32 words of four bytes."""
    total = len(out)
    words = memoryview(out).cast("B").cast("I")
    table = [0] * 64
    red = green = blue = 0
    alpha = 255
    word = int(np.array([0, 0, 0, 255], np.uint8).view(np.uint32)[0])
    little = np.little_endian
    at = done = 0
    end = len(raw)
    while done < total:
        if at >= end:
            raise corrupt(meter.what, f"{total:,} pixels", f"{done:,}")
        if not done & 0xFFFF:
            meter.tick()
        code = raw[at]
        at += 1
        if code >= 0xFE:
            size = 3 if code == 0xFE else 4
            if at + size > end:
                raise corrupt(meter.what, f"{total:,} pixels", f"{done:,}")
            red, green, blue = raw[at], raw[at + 1], raw[at + 2]
            if size == 4:
                alpha = raw[at + 3]
            at += size
        elif code >= 0xC0:
            run = min((code & 63) + 1, total - done)
            # the run's pixel also enters the table, as in the reference decoder
            table[(red * 3 + green * 5 + blue * 7 + alpha * 11) & 63] = word
            for i in range(done, done + run):
                words[i] = word
            done += run
            continue
        elif code >= 0x80:
            if at >= end:
                raise corrupt(meter.what, f"{total:,} pixels", f"{done:,}")
            second = raw[at]
            at += 1
            step = (code & 63) - 32
            red = (red + step - 8 + (second >> 4)) & 255
            green = (green + step) & 255
            blue = (blue + step - 8 + (second & 15)) & 255
        elif code >= 0x40:
            red = (red + ((code >> 4) & 3) - 2) & 255
            green = (green + ((code >> 2) & 3) - 2) & 255
            blue = (blue + (code & 3) - 2) & 255
        else:
            word = table[code]
            words[done] = word
            done += 1
            if little:
                red, green = word & 255, (word >> 8) & 255
                blue, alpha = (word >> 16) & 255, word >> 24
            else:
                red, green = word >> 24, (word >> 16) & 255
                blue, alpha = (word >> 8) & 255, word & 255
            continue
        if little:
            word = red | green << 8 | blue << 16 | alpha << 24
        else:
            word = red << 24 | green << 16 | blue << 8 | alpha
        table[(red * 3 + green * 5 + blue * 7 + alpha * 11) & 63] = word
        words[done] = word
        done += 1


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Size and channels of QOI."""
    width, height, channels, _ = _head(Reader(data, meter.what))
    return {"width": width, "height": height, "channels": channels}

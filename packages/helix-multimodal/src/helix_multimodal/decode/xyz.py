"""XYZ and PTS: rows of numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..limits import Meter
from ..samples import Array, Points
from ._ascii import Numbers
from ._bytes import Data, Reader, corrupt
from ._cloud import points

_COMMENT = re.compile(rb"(?:#|//)[^\n]*")
_MARKS = bytes.maketrans(b",;", b"  ")


def _body(data: Data, meter: Meter) -> tuple[bytes, int | None, int]:
    """The rows, the count before them if there is one, and the columns."""
    text = bytes(Reader(data, meter.what).data)
    meter.check("points", text.count(b"\n"))
    if b"#" in text or b"//" in text:
        text = _COMMENT.sub(b"", text)
    text = text.lstrip()
    if b"," in text or b";" in text:
        text = text.translate(_MARKS)
    first, _, rest = text.partition(b"\n")
    stated = None
    if first.strip().isdigit() and len(first) < 20:
        stated, text = int(first), rest.lstrip()
        first = text.partition(b"\n")[0]
    return text, stated, len(first.split())


def decode(data: Data, meter: Meter) -> Points:
    """Decode rows of x, y, z and what follows.

    Three more columns are colours where all are integers of 0 to 255, and normals
    otherwise; one is an intensity; four are an intensity and colours, as in PTS. Other
    numbers of columns go to ``fields``, by "column 3" and on.
    """
    text, stated, width = _body(data, meter)
    if not 3 <= width <= 4096:
        raise corrupt(meter.what, "rows from 3 numbers", width)
    table = Numbers(text, meter.what, meter).table(width)
    if stated is not None:
        if stated > len(table):
            raise corrupt(meter.what, f"{stated:,} points", f"{len(table):,}")
        table = table[:stated]
    columns = dict(zip("xyz", table.T[:3], strict=True))
    rest = table.T[3:]
    if len(rest) in (1, 4):
        columns["intensity"], rest = rest[0], rest[1:]
    if len(rest) >= 3 and _bytes(rest[:3]):
        columns |= zip(("red", "green", "blue"), rest[:3].astype(np.uint8), strict=True)
        rest = rest[3:]
    if len(rest) == 3:
        columns |= zip(("nx", "ny", "nz"), rest, strict=True)
    else:
        first = width - len(rest)
        columns |= {f"column {first + i}": c for i, c in enumerate(rest)}
    return points(columns, meter)


def _bytes(c: Array) -> bool:
    return bool(((c >= 0) & (c <= 255) & (c == np.floor(c))).all())


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Columns, and lines, of rows of numbers."""
    text, stated, width = _body(data, meter)
    rows = text.count(b"\n") + (not text.endswith(b"\n"))
    return {"points": rows if stated is None else stated, "columns": width}

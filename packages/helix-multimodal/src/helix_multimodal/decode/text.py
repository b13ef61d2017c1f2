"""Text and delimited tables."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np

from ..limits import Meter
from ..samples import Array, Table, Text
from ._bytes import Data, Reader, corrupt

_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CELL = 64  # bytes of a short str


def _text(data: Data, meter: Meter, encoding: str) -> tuple[str, str]:
    raw = bytes(Reader(data, meter.what).data)
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), "")
    encoding = marked or encoding or "utf-8"
    meter.charge(len(raw))
    try:
        return raw.decode(encoding), encoding
    except LookupError as e:
        raise ValueError(
            f"[{meter.what}] expected encoding to be one that Python has; got "
            f"{encoding!r}"
        ) from e
    except UnicodeError as e:
        raise corrupt(meter.what, f"text in {encoding}", e) from e


def decode(data: Data, meter: Meter, *, encoding: str = "") -> Text:
    """Decode text.

    Parameters
    ----------
    encoding : str
        A mark at the beginning decides before it; without both, UTF-8.

    Raises
    ------
    Corrupt
        Bytes that the encoding does not have.
    """
    text, encoding = _text(data, meter, encoding)
    return Text(format=meter.what, text=text, encoding=encoding)


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Bytes of a text."""
    return {"bytes": len(data)}


def decode_table(
    data: Data,
    meter: Meter,
    *,
    encoding: str = "",
    variant: str = "",
    names: bool | None = None,
) -> Table:
    """Decode CSV or TSV: numbers where a whole column is numbers, else text.

    Parameters
    ----------
    variant : {"", "semicolon", "bar"}
    names : bool, optional
        Whether the first row holds names; by default where none of it is a number.
    """
    text, _ = _text(data, meter, encoding)
    if "\0" in text:
        raise corrupt(meter.what, "text", "a zero byte")
    mark = {"semicolon": ";", "bar": "|"}.get(variant, ",")
    mark = "\t" if meter.what == "tsv" else mark
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark):
            if row:
                rows.append(row)
                meter.charge(_CELL * len(row))
    except csv.Error as e:
        raise corrupt(meter.what, "a sound table", e) from e
    meter.check("points", len(rows), "rows")
    width = len(rows[0]) if rows else 0
    for i, row in enumerate(rows):
        if len(row) != width:
            raise corrupt(meter.what, f"{width} fields in row {i + 1}", len(row))
    if names is None:
        names = bool(rows) and not any(_number(c) for c in rows[0])
    titles = rows.pop(0) if names and rows else [f"column {i}" for i in range(width)]
    columns: dict[str, Array] = {}
    for i, title in enumerate(titles):
        title = title.strip() or f"column {i}"
        while title in columns:
            title += "'"
        meter.charge(8 * len(rows))
        columns[title] = _column([row[i] for row in rows])
        meter.tick()
    return Table(format=meter.what, columns=columns)


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _column(cells: list[str]) -> Array:
    try:
        if not any("_" in c for c in cells):
            return np.array([int(c) for c in cells], np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        if any(c.strip() for c in cells) and not any("_" in c for c in cells):
            return np.array([float(c) if c.strip() else np.nan for c in cells])
    except ValueError:
        pass
    out = np.empty(len(cells), object)
    out[:] = cells
    return out


def header_table(data: Data, meter: Meter) -> dict[str, Any]:
    """Lines of a table."""
    raw = bytes(Reader(data, meter.what).data)
    return {"rows": raw.count(b"\n") + (not raw.endswith(b"\n")), "bytes": len(raw)}

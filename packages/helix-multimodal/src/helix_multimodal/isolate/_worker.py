"""What a worker process does: reads a job, decodes, sends the sample, and again."""

from __future__ import annotations

import os
import pkgutil
from typing import Any, BinaryIO

from helix_core import platform

from ..decode._guard import guarded
from ..errors import DataError, PluginFailed
from ..limits import Limits, Meter
from ._wire import SIZES, pack, unpack

GRACE = 5.0  # seconds of processor time beyond the wall clock's limit


def read_exactly(f: BinaryIO, n: int) -> bytearray | None:
    """``n`` bytes, or None at the end of the stream."""
    out = bytearray(n)
    view = memoryview(out)
    at = 0
    while at < n:
        got = f.readinto(view[at:])  # type: ignore[attr-defined]
        if not got:
            return None
        at += got
    return out


def write_all(f: BinaryIO, parts: list[Any]) -> None:
    """All buffers to an unbuffered stream."""
    for part in parts:
        view = memoryview(part).cast("B")
        while len(view):
            view = view[f.write(view) :]


def main() -> None:
    """Serve jobs of standard input until it ends."""
    # what libraries print must not get between messages
    given = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nothing, fd)
    os.close(nothing)
    platform.contain()
    write_all(answers, pack({"pid": os.getpid()}))
    while True:
        sizes = read_exactly(given, SIZES.size)
        if sizes is None:
            return
        n_text, n_data = SIZES.unpack(sizes)
        text = read_exactly(given, n_text)
        data = read_exactly(given, n_data)
        if text is None or data is None:
            return
        job = unpack(bytes(text), b"")
        answer = _answer(job, memoryview(data)[: job["size"]])
        platform.limit_growth(None)
        platform.limit_cpu(None)
        del data
        write_all(answers, answer)
        del answer


def _answer(job: dict[str, Any], data: memoryview) -> list[Any]:
    limits = Limits(**job["limits"])
    platform.limit_growth(limits.memory)
    if limits.wall is not None:
        platform.limit_cpu(limits.wall + GRACE)
    meter = Meter(limits, len(data), job["what"])
    ok = True
    value: Any
    try:
        function = pkgutil.resolve_name(job["function"])
        value = guarded(function, data, meter, job["options"], job["ours"])
    except DataError as e:
        ok, value = not hasattr(e, "limit") or e.limit != "memory", e
    except (Exception, SystemExit) as e:
        value = PluginFailed(
            f"[{meter.what}] expected a decoder that can be imported; got {e}"
        )
    try:
        return pack({"value": value, "fit": ok, "peak": platform.peak_rss()})
    except (TypeError, ValueError, MemoryError) as e:
        value = PluginFailed(f"[{meter.what}] expected a sample; got: {e}")
        return pack({"value": value, "fit": False, "peak": platform.peak_rss()})

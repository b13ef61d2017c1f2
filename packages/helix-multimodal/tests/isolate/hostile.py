"""Decoders that do what damaged libraries do."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time

import numpy as np
from helix_multimodal import Arrays, Bytes, Corrupt, LimitExceeded


def echo(data, meter):
    return Bytes(data=bytes(data))


def arrays(data, meter):
    record = np.zeros(2, [("a", "<f4"), ("b", "i1", (2,))])
    return Arrays(
        arrays={
            "f": np.arange(6.0).reshape(2, 3).T,
            "empty": np.empty((0, 3), np.int16),
            "scalar": np.array(3),
            "text": np.array(["a", "bc"]),
            "objects": np.array(["x", None], object),
            "record": record,
        },
        metadata={"n": np.int64(3), "nested": [1, {"a": (2.5, b"\0")}], "nan": np.nan},
    )


def crash(data, meter):
    ctypes.string_at(0)


def leave(data, meter):
    os._exit(3)


def hang(data, meter):
    time.sleep(60)


def spin(data, meter):
    while True:
        meter.tick()


def hungry(data, meter):
    return Bytes(data=bytes(len(np.ones(1 << 31, np.uint8))))


def print_much(data, meter):
    print("x" * 100_000, flush=True)
    os.write(1, b"noise")
    return Bytes(data=b"quiet")


def corrupt(data, meter):
    raise Corrupt("[hostile] expected peace; got war")


def limit(data, meter):
    raise LimitExceeded("[hostile] expected less", "points")


def lie(data, meter):
    """An answer that is not of the protocol."""
    for fd in range(3, 30):
        with contextlib.suppress(OSError):
            os.write(fd, b"\xff" * 64)
    sys.exit(0)


def write_file(data, meter):
    with open(bytes(data).decode(), "wb") as f:
        f.write(b"x" * 100)
    return Bytes(data=b"written")


def pid(data, meter):
    return Bytes(data=str(os.getpid()).encode())

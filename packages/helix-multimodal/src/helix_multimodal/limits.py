"""One choke point for sizes: every decoder asks its meter before it allocates."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import Any

from .errors import Corrupt, LimitExceeded, Timeout

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a sample may be. ``Limits(seconds=None)`` lifts one limit.

    Attributes
    ----------
    input_bytes : int
        Bytes of a file or stream.
    decoded_bytes : int
        Bytes of all arrays of a sample, by what the header says and as decoded.
    ratio : int
        Decoded bytes to a byte of compressed input, once 16 MiB are decoded.
    pixels : int
        Height times width of an image, or of a frame of an animation.
    frame_pixels : int
        The same of a frame of video.
    frames : int
        Pages or frames of an image, frames of a video.
    seconds : float
        Duration of audio or video.
    points : int
        Points, vertices or faces.
    entries : int
        Members of an archive.
    depth : int
        Archives in archives.
    wall : float
        Seconds that decoding may take.
    memory : int
        Bytes of address space of a worker process beyond its start.
    """

    input_bytes: int | None = 1024 * MIB
    decoded_bytes: int | None = 256 * MIB
    ratio: int | None = 1000
    pixels: int | None = 64 * 1000 * 1000
    frame_pixels: int | None = 8_300_000
    frames: int | None = 4096
    seconds: float | None = 600.0
    points: int | None = 50_000_000
    entries: int | None = 10_000
    depth: int | None = 1
    wall: float | None = 30.0
    memory: int | None = 2048 * MIB

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None and not (
                isinstance(value, (int, float)) and value >= 0
            ):
                raise ValueError(
                    f"[Limits] expected {f.name} to be a number from 0, or None; got "
                    f"{value!r}"
                )

    def but(self, **changes: Any) -> Limits:
        """The same limits with some changed."""
        return replace(self, **changes)


class Meter:
    """What one sample has used of its limits. Decoders call it before they allocate.

    Parameters
    ----------
    limits : Limits
    size : int
        Bytes of the input, for the ratio.
    what : str
        What is decoded, for messages: ``"png"``.
    """

    __slots__ = ("_end", "decoded", "limits", "size", "what")

    def __init__(self, limits: Limits, size: int = 0, what: str = "data") -> None:
        self.limits = limits
        self.size = size
        self.what = what
        self.decoded = 0
        self._end = None if limits.wall is None else time.monotonic() + limits.wall

    def check(self, limit: str, value: float, unit: str = "") -> None:
        """Compare a count with a limit by name.

        Raises
        ------
        LimitExceeded
        """
        most = getattr(self.limits, limit)
        if most is not None and value > most:
            unit = unit or limit.replace("_", " ")
            raise LimitExceeded(
                f"[{self.what}] expected at most {most:,} {unit}; got {value:,}. "
                f"Hint: Limits({limit}=...) or None",
                limit,
            )

    def charge(self, n_bytes: int) -> None:
        """Count bytes that are about to be allocated for the sample.

        Raises
        ------
        LimitExceeded, Timeout
        """
        total = self.decoded + n_bytes
        self.check("decoded_bytes", total, "decoded bytes")
        most = self.limits.ratio
        if most is not None and total > 16 * MIB and total > most * self.size > 0:
            raise LimitExceeded(
                f"[{self.what}] expected at most {most:,} decoded bytes to each of the "
                f"input's {self.size:,}; got {total:,}. Hint: Limits(ratio=...) or None",
                "ratio",
            )
        self.decoded = total
        self.tick()

    def image(
        self, height: int, width: int, bytes_per_pixel: int, frames: int = 1
    ) -> None:
        """Check an image's header and charge its pixels.

        Raises
        ------
        Corrupt, LimitExceeded, Timeout
        """
        if height <= 0 or width <= 0 or frames <= 0:
            raise Corrupt(
                f"[{self.what}] expected a size from 1 x 1; got {height} x {width}, "
                f"frames {frames}"
            )
        self.check("pixels", height * width)
        self.check("frames", frames)
        self.charge(height * width * bytes_per_pixel * frames)

    def tick(self) -> None:
        """Raise :class:`Timeout` if decoding has taken too long; cheap."""
        if self._end is not None and time.monotonic() > self._end:
            raise Timeout(
                f"[{self.what}] expected to decode within {self.limits.wall:g} s. "
                "Hint: Limits(wall=...) or None"
            )

"""What FFmpeg's decoders give, frame by frame, gathered into one video or sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..limits import Meter
from ..samples import Array, Audio
from ._bytes import corrupt


def seconds(frame: Any, after: float) -> float:
    """When a frame is shown: its time stamp, or ``after`` where it has none."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    if stamp is None or frame.time_base is None:
        return after
    return float(stamp * frame.time_base)


def upright(pixels: Array, matrix: bytes | None) -> Array:
    """Apply a display matrix (nine int32, 16.16) to (height, width, 3).

    The nearest of the eight turns and mirrors: x' = a x + c y, y' = b x + d y.
    """
    if matrix is None or len(matrix) < 36:
        return pixels
    a, b, _, c, d = (int(v) for v in np.frombuffer(matrix, np.int32, 5))
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels = pixels.transpose(1, 0, 2)
        a, d = c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


class Pictures:
    """The frames of a video that are wanted, as RGB.

    Parameters
    ----------
    meter : Meter
    zero : float
        The time stamp of second 0.
    gap : float
        Seconds from frame to frame where they have no time stamps.
    every, fps, start, stop, max_frames
        As of ``decode``.
    """

    def __init__(
        self,
        meter: Meter,
        zero: float,
        gap: float,
        every: int,
        fps: float | None,
        start: float | None,
        stop: float | None,
        max_frames: int | None,
    ) -> None:
        self.meter, self.zero, self.gap = meter, zero, gap
        self.every, self.fps = every, fps
        self.start, self.stop, self.max_frames = start, stop, max_frames
        self.frames: list[Array] = []
        self.times: list[float] = []
        self.seen = 0
        self.size: tuple[int, int] | None = None
        self.end: float | None = None  # when the first frame that is left out is shown
        self._first = 0.0
        self._last: float | None = None
        self._held: tuple[float, Any] | None = None
        self._step = 0
        self._in = 0

    @property
    def done(self) -> bool:
        """Whether no more frames are wanted."""
        return self.end is not None

    def push(self, frame: Any) -> None:
        """Take the next frame."""
        if self.done:
            return
        meter = self.meter
        meter.tick()
        meter.check("frame_pixels", frame.width * frame.height)
        time = self._time(frame)
        self.seen += 1
        if self.size is None:
            self.size = frame.height, frame.width
        if self.start is not None and time < self.start:
            return
        if self.stop is not None and time >= self.stop:
            self.end = self.stop
            return
        full = self.max_frames is not None and len(self.frames) >= self.max_frames
        if full:
            self.end = time
            return
        for at, chosen in self._wanted(time, frame):
            self._keep(at, chosen)

    def _time(self, frame: Any) -> float:
        after = self.zero if self._last is None else self._last + self.gap
        stamp = seconds(frame, after)
        if self._last is not None:
            stamp = max(stamp, self._last)
        self._last = stamp
        return stamp - self.zero

    def _wanted(self, time: float, frame: Any) -> Iterator[tuple[float, Any]]:
        if self.fps is None:
            if self._in % self.every == 0:
                yield time, frame
            self._in += 1
            return
        if self._held is None:
            self._first = time
        else:
            # the frame before is on screen at these
            while self._first + (self._step + 1e-6) / self.fps < time:
                self._step += 1
                yield self._held
        self._held = time, frame

    def finish(self) -> None:
        """Take what the last frame is on screen for."""
        if self.fps is None or self._held is None:
            return
        last, self._held = self._held, None
        while self._step <= (last[0] - self._first) * self.fps + 1e-6:
            self._step += 1
            self._keep(*last)

    def _keep(self, time: float, frame: Any) -> None:
        if self.max_frames is not None and len(self.frames) >= self.max_frames:
            return
        assert self.size is not None
        meter = self.meter
        height, width = self.size
        meter.check("frames", len(self.frames) + 1)
        meter.check("seconds", time - (self.start or 0.0))
        meter.charge(height * width * 3)
        if (frame.height, frame.width) != self.size:
            frame = frame.reformat(width=width, height=height, format="rgb24")
        pixels = frame.to_ndarray(format="rgb24")
        side = frame.side_data.get("DISPLAYMATRIX")
        turned = upright(pixels, None if side is None else bytes(side))
        if self.frames and turned.shape != self.frames[0].shape:
            raise corrupt(meter.what, "frames that are turned alike", turned.shape)
        self.frames.append(turned)
        self.times.append(time)

    def array(self) -> Array:
        """(frame, height, width, 3) uint8; the list of frames is emptied."""
        if not self.frames:
            return np.zeros((0, *(self.size or (0, 0)), 3), np.uint8)
        out = np.empty((len(self.frames), *self.frames[0].shape), np.uint8)
        for i, frame in enumerate(self.frames):
            out[i] = frame
            self.frames[i] = out[i]
        self.frames.clear()
        return out


class Sound:
    """The sound of a stream, as float32.

    Parameters
    ----------
    av : module
    meter : Meter
    zero : float
        The time stamp of second 0.
    start : float, optional
        Seconds; what ends before is left out.
    """

    def __init__(
        self, av: Any, meter: Meter, zero: float, start: float | None = None
    ) -> None:
        self.meter, self.zero, self.start = meter, zero, start
        self.blocks: list[Array] = []
        self.begin: float | None = None
        self.rate = 0
        self.channels = 0
        self.total = 0
        self._convert = av.AudioResampler(format="fltp")

    @property
    def end(self) -> float:
        """Seconds at which what there is ends."""
        return (self.begin or 0.0) + self.total / max(1, self.rate)

    def push(self, frame: Any) -> None:
        """Take the next frame."""
        if self.begin is None:
            begin = seconds(frame, self.zero) - self.zero
            length = frame.samples / max(1, frame.sample_rate)
            if self.start is not None and begin + length <= self.start:
                return
            self.begin = begin
            self.rate = int(frame.sample_rate)
            self.channels = len(frame.layout.channels)
            if not (1 <= self.channels <= 1024 and self.rate >= 1):
                got = self.channels, self.rate
                raise corrupt(self.meter.what, "channels and a sample rate", got)
        if frame.sample_rate != self.rate:
            rate = frame.sample_rate
            raise corrupt(self.meter.what, f"sound at {self.rate} Hz all along", rate)
        self.total += frame.samples
        self.meter.check("seconds", self.total / self.rate)
        self.meter.charge(frame.samples * self.channels * 4)
        self._take(self._convert.resample(frame))

    def _take(self, frames: list[Any]) -> None:
        for frame in frames:
            block = frame.to_ndarray()
            if block.shape[0] != self.channels:
                raise corrupt(
                    self.meter.what, f"{self.channels} channels all along", block.shape
                )
            self.blocks.append(block)

    def audio(self, start: float | None, stop: float | None) -> tuple[Audio, float]:
        """The sound within [start, stop) seconds, and when it begins."""
        samples = np.concatenate(self.blocks, axis=1)
        self.blocks.clear()
        begin = self.begin or 0.0
        first, last = 0, samples.shape[1]
        if start is not None:
            first = min(last, max(0, round((start - begin) * self.rate)))
        if stop is not None:
            last = max(first, min(last, round((stop - begin) * self.rate)))
        sound = Audio(
            format=self.meter.what,
            samples=np.ascontiguousarray(samples[:, first:last], np.float32),
            sample_rate=self.rate,
        )
        return sound, begin + first / self.rate

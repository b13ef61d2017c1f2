"""Video and the rarer kinds of sound through FFmpeg (PyAV), in a worker process.

Bytes only: no names, no protocols, no other format than the one that is asked for, no
subtitles and no attachments.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import Corrupt, MissingExtra, UnsupportedFormat
from ..limits import Meter
from ..samples import Audio, Video
from ._bytes import Data, corrupt
from ._streams import Pictures, Sound

# the demuxer of each format
_DEMUXERS = {
    **dict.fromkeys(("mp4", "mov", "3gp", "3g2", "mj2", "m4a"), "mov"),
    **dict.fromkeys(("mkv", "webm"), "matroska"),
    **dict.fromkeys(("wmv", "wma"), "asf"),
    **dict.fromkeys(("ogv", "ogg", "opus"), "ogg"),
    **dict.fromkeys(("rm", "realaudio"), "rm"),
    **{x: x for x in ("avi", "flv", "swf", "h264", "mxf", "ivf", "wtv", "bink", "nut")},
    **{x: x for x in ("aac", "ac3", "dts", "amr", "ape", "tta", "tak", "dsf", "caf")},
    **{x: x for x in ("wav", "aiff", "au", "flac", "mp3", "voc")},
    "mpeg-ps": "mpeg",
    "mpeg-ts": "mpegts",
    "mpeg-es": "mpegvideo",
    "y4m": "yuv4mpegpipe",
    "fli": "flic",
    "wavpack": "wv",
    "musepack": "mpc8",
    "dff": "iff",
    "8svx": "iff",
}
_ATTACHED = 0x400  # AV_DISPOSITION_ATTACHED_PIC: covers of music
_MISSING = ("DecoderNotFoundError", "DemuxerNotFoundError", "PatchWelcomeError")
_MOST_DAMAGE = 1000  # packets


@contextmanager
def _opened(data: Data, meter: Meter) -> Iterator[tuple[Any, Any]]:
    """PyAV and the open container; its errors become the closed set."""
    what = meter.what
    try:
        import av
    except ImportError as e:
        raise MissingExtra(
            f"[{what}] expected PyAV; got none installed. "
            "Hint: pip install 'helix-multimodal[video]'",
            "video",
        ) from e
    name = _DEMUXERS[what]
    if name == "mpc8" and bytes(memoryview(data)[:3]) == b"MP+":
        name = "mpc"  # stream version 7
    try:
        with av.open(
            io.BytesIO(memoryview(data)),
            "r",
            format=name,
            container_options={"format_whitelist": name},
            metadata_errors="replace",
        ) as container:
            yield av, container
    except av.error.FFmpegError as e:
        if isinstance(e, MemoryError):
            raise MemoryError(str(e)) from e
        if type(e).__name__ in _MISSING:
            raise UnsupportedFormat(
                f"[{what}] expected a codec that FFmpeg decodes here; got: {e}"
            ) from e
        raise Corrupt(
            f"[{what}] expected a sound file; got bytes of which FFmpeg says: {e.strerror}"
        ) from e


def _chosen(container: Any, meter: Meter) -> tuple[Any, Any]:
    """The first stream of pictures and of sound, each or None, made ready to decode."""
    limits, what = meter.limits, meter.what
    videos = [s for s in container.streams.video if not int(s.disposition) & _ATTACHED]
    video = videos[0] if videos else None
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    audio = sounds[0] if sounds else None
    if video is not None and video.codec_context is None:
        raise UnsupportedFormat(
            f"[{what}] expected video of a codec that FFmpeg decodes here; got another"
        )
    if video is None and audio is None:
        raise UnsupportedFormat(
            f"[{what}] expected a stream of pictures or sound; got neither of a codec "
            "that FFmpeg decodes here"
        )
    if video is not None:
        meter.check("frame_pixels", video.codec_context.width * _height(video))
        if limits.frame_pixels is not None:
            # sizes may change within a stream
            video.codec_context.options = {"max_pixels": str(int(limits.frame_pixels))}
    for stream in (video, audio):
        if stream is not None:
            stream.codec_context.thread_count = 1
            stream.codec_context.open(strict=False)
    return video, audio


def _height(video: Any) -> int:
    return int(video.codec_context.height)


def _zero(container: Any) -> float:
    """The time stamp of second 0: streams of broadcasts begin anywhere."""
    return max(0, container.start_time or 0) / 1e6


def _gap(video: Any) -> float:
    rate = video.average_rate or video.guessed_rate
    return float(1 / rate) if rate else 0.04


def _frames(av: Any, container: Any, streams: Any, meter: Meter) -> Iterator[Any]:
    """(stream, frame) of all packets; None for a packet that is damaged."""
    packets = container.demux(streams)
    damage = 0
    while True:
        meter.tick()
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.size == 0 and packet.pts is not None:
                continue  # Theora: the frame before goes on
            for frame in packet.decode():
                yield packet.stream, frame
            continue
        except av.error.FFmpegError as e:
            damage += 1
            if damage > _MOST_DAMAGE or isinstance(e, MemoryError):
                raise
        yield None, None


def decode(
    data: Data,
    meter: Meter,
    *,
    every: int = 1,
    fps: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    max_frames: int | None = None,
    audio: bool = True,
) -> Video | Audio:
    """Decode video: RGB frames, their times, and the first stream of sound.

    Parameters
    ----------
    every : int
        Keep one frame of so many.
    fps : float, optional
        Frames at a steady rate instead: those on screen then, by their time stamps, as
        ``at_fps`` of all frames.
    start, stop : float, optional
        Seconds; frames and sound before the one and from the other on are left out.
        What lies before is decoded all the same, within the limit ``wall``.
    max_frames : int, optional
        Stop after so many; sound ends with them.
    audio : bool
        The sound too.

    Returns
    -------
    Video
        Its metadata tell ``audio_start`` in seconds, ``codec``, and the number of
        ``damaged_packets`` that were passed over, if any. Audio where there are no
        pictures.

    Raises
    ------
    Corrupt, LimitExceeded, MissingExtra, Timeout, UnsupportedFormat
    """
    _options(every, fps, start, stop, max_frames)
    # a film of a still has any ratio; frames, seconds and bytes have their limits
    meter.size = 0
    with _opened(data, meter) as (av, container):
        video, sounding = _chosen(container, meter)
        zero = _zero(container)
        if video is None:
            return _sound(av, container, sounding, meter)
        plain = every == 1 and fps is None and start is None and max_frames is None
        if plain and stop is None:
            _told(container, video, meter)
        pictures = Pictures(
            meter, zero, _gap(video), every, fps, start, stop, max_frames
        )
        sound = (
            Sound(av, meter, zero, start) if sounding is not None and audio else None
        )
        streams = [video] if sound is None else [video, sounding]
        damaged = 0
        for stream, frame in _frames(av, container, streams, meter):
            if stream is None:
                damaged += 1
            elif stream.type == "video":
                pictures.push(frame)
            elif sound is not None and not (
                pictures.end is not None and sound.end >= pictures.end
            ):
                sound.push(frame)
            if pictures.end is not None and (
                sound is None or sound.end >= pictures.end
            ):
                break
        pictures.finish()
        codec = str(video.codec_context.name)
        metadata: dict[str, Any] = {"codec": codec, **_tags(container)}
    if not pictures.seen:
        raise corrupt(meter.what, "frames", f"none, {damaged} packets damaged")
    if damaged:
        metadata["damaged_packets"] = damaged
    beside = None
    if sound is not None and sound.total:
        beside, metadata["audio_start"] = sound.audio(start, pictures.end)
    times = np.asarray(pictures.times, np.float64)
    return Video(
        format=meter.what,
        frames=pictures.array(),
        times=times,
        audio=beside,
        metadata=metadata,
    )


def _options(every: Any, fps: Any, start: Any, stop: Any, max_frames: Any) -> None:
    number = (int, float)
    for name, value, fine in (
        ("every", every, isinstance(every, int) and every >= 1),
        ("fps", fps, fps is None or (isinstance(fps, number) and 0 < fps <= 1e6)),
        ("start", start, start is None or isinstance(start, number)),
        ("stop", stop, stop is None or isinstance(stop, number)),
        (
            "max_frames",
            max_frames,
            max_frames is None or (isinstance(max_frames, int) and max_frames >= 1),
        ),
        ("every to be 1 with fps, or it", every, every == 1 or fps is None),
    ):
        if not fine:  # a DataError: it comes back from the worker process
            raise UnsupportedFormat(
                f"[video] expected {name} to be a number in its range; got {value!r}"
            )


def _told(container: Any, video: Any, meter: Meter) -> None:
    """Compare what the header tells with the limits."""
    meter.check("frames", int(video.frames))
    pixels = video.codec_context.width * _height(video)
    meter.check("decoded_bytes", int(video.frames) * pixels * 3, "decoded bytes")
    if container.duration:
        meter.check("seconds", container.duration / 1e6)


def _sound(av: Any, container: Any, stream: Any, meter: Meter) -> Audio:
    if container.duration:
        meter.check("seconds", container.duration / 1e6)
    sound = Sound(av, meter, _zero(container))
    damaged = 0
    for which, frame in _frames(av, container, [stream], meter):
        if which is None:
            damaged += 1
        else:
            sound.push(frame)
    if not sound.total:
        raise corrupt(meter.what, "sound", f"none, {damaged} packets damaged")
    out, start = sound.audio(None, None)
    out.metadata = {"encoding": str(stream.codec_context.name), "audio_start": start}
    out.metadata |= _tags(container)
    if damaged:
        out.metadata["damaged_packets"] = damaged
    return out


def decode_audio(data: Data, meter: Meter) -> Audio:
    """Decode sound: (channel, time) float32; covers of music are left out.

    Raises
    ------
    Corrupt, LimitExceeded, MissingExtra, Timeout, UnsupportedFormat
    """
    with _opened(data, meter) as (av, container):
        _, stream = _chosen(container, meter)
        if stream is None:
            raise UnsupportedFormat(f"[{meter.what}] expected sound; got pictures only")
        return _sound(av, container, stream, meter)


def _tags(container: Any) -> dict[str, Any]:
    tags = {str(k)[:64]: str(v)[:4096] for k, v in container.metadata.items()}
    return {"info": dict(list(tags.items())[:64])} if tags else {}


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Size, rate and duration of the streams, as the container tells them."""
    with _opened(data, meter) as (_, container):
        video, audio = _chosen(container, meter)
        out: dict[str, Any] = {}
        duration = container.duration
        out["seconds"] = None if duration is None else duration / 1e6
        if video is not None:
            out["width"] = int(video.codec_context.width)
            out["height"] = _height(video)
            out["frames"] = int(video.frames) or None
            out["fps"] = 1 / _gap(video)
            out["codec"] = str(video.codec_context.name)
        if audio is not None:
            context = audio.codec_context
            out["sample_rate"] = int(context.sample_rate)
            out["channels"] = int(context.channels)
            out["encoding"] = str(context.name)
        return out

"""FLAC, Ogg, Opus, MP3, CAF and rarer codecs of WAV and AIFF through libsndfile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import Corrupt, MissingExtra, UnsupportedFormat
from ..limits import Meter
from ..samples import Audio
from ._bytes import Data, corrupt

_BLOCK = 1 << 16  # samples of all channels that are read at once
_UNKNOWN = 1 << 62  # frames of a stream that does not tell
# what libsndfile may find where a format is asked for, and what it begins with
_KINDS: dict[str, tuple[frozenset[str], tuple[bytes, ...]]] = {
    "flac": (frozenset({"FLAC"}), (b"fLaC", b"ID3")),
    "ogg": (frozenset({"OGG"}), (b"OggS",)),
    "opus": (frozenset({"OGG"}), (b"OggS",)),
    "mp3": (frozenset({"MP3"}), (b"",)),
    "caf": (frozenset({"CAF"}), (b"caff",)),
    "wav": (
        frozenset({"WAV", "WAVEX", "RF64", "W64"}),
        (b"RIFF", b"RIFX", b"RF64", b"riff"),
    ),
    "aiff": (frozenset({"AIFF"}), (b"FORM",)),
    "au": (frozenset({"AU"}), (b".snd", b"dns.")),
    "voc": (frozenset({"VOC"}), (b"Creative",)),
    "8svx": (frozenset({"SVX"}), (b"FORM",)),
}
_IN_OGG = (b"\x01vorbis", b"OpusHea", b"\x7fFLAC")  # of the first page
_UNSUPPORTED = 3  # SFE_UNSUPPORTED_ENCODING, sndfile.h


@contextmanager
def _opened(data: Data, meter: Meter) -> Iterator[Any]:
    """The file, open, of the format that is asked for; errors become the closed set."""
    what = meter.what
    try:
        import soundfile
    except (ImportError, OSError) as e:  # OSError: no libsndfile
        raise MissingExtra(
            f"[{what}] expected soundfile; got none installed. "
            "Hint: pip install 'helix-multimodal[audio]'",
            "audio",
        ) from e
    kinds, starts = _KINDS[what]
    view = memoryview(data)
    if not bytes(view[:8]).startswith(starts):
        raise corrupt(what, " or ".join(map(repr, starts)), bytes(view[:8]))
    if what == "ogg" and not bytes(view[28:35]).startswith(_IN_OGG):
        raise UnsupportedFormat(
            f"[{what}] expected Vorbis, Opus or FLAC; got {bytes(view[28:35])!r}. "
            "Hint: the extra 'video' decodes Speex"
        )
    # the own readers have found these sound, and their codec strange
    strange = what in ("wav", "aiff", "au")
    try:
        with soundfile.SoundFile(io.BytesIO(view)) as f:
            strange = False
            if f.format not in kinds:
                raise corrupt(what, " or ".join(sorted(kinds)), f.format)
            yield f
    except soundfile.LibsndfileError as e:
        if strange or e.code == _UNSUPPORTED:
            raise UnsupportedFormat(
                f"[{what}] expected a codec of libsndfile; got: {e.error_string} "
                "Hint: the extra 'video' may decode it"
            ) from e
        raise Corrupt(
            f"[{what}] expected sound; got bytes of which libsndfile says: "
            f"{e.error_string}"
        ) from e


def _checked(f: Any, meter: Meter) -> None:
    """Compare what the header tells with the limits."""
    if not 1 <= f.channels <= 1024:
        raise corrupt(meter.what, "1 to 1024 channels", f.channels)
    if not 1 <= f.samplerate <= 100_000_000:
        raise corrupt(meter.what, "a sample rate from 1 Hz", f.samplerate)
    if 0 < f.frames < _UNKNOWN:
        meter.check("seconds", f.frames / f.samplerate)
        meter.check("decoded_bytes", f.frames * f.channels * 4, "decoded bytes")


def decode(data: Data, meter: Meter) -> Audio:
    """Decode sound: (channel, time) float32.

    Frames are counted while they are decoded, whatever the header tells. A stream that
    was cut gives the frames that are there.

    Raises
    ------
    Corrupt, LimitExceeded, MissingExtra, Timeout, UnsupportedFormat
    """
    with _opened(data, meter) as f:
        _checked(f, meter)
        rate, channels = int(f.samplerate), int(f.channels)
        step = max(1, _BLOCK // channels)
        blocks: list[Any] = []
        total = 0
        while True:
            block = f.read(step, dtype="float32", always_2d=True)
            n = len(block)
            if n == 0:
                break
            total += n
            meter.check("seconds", total / rate)
            meter.charge(n * channels * 4)
            blocks.append(block)
        told = f.frames
        metadata = _metadata(f)
    if total == 0 and 0 < told < _UNKNOWN:
        raise corrupt(meter.what, f"{told:,} frames", "none")
    samples = np.empty((channels, total), np.float32)
    at = 0
    for i, block in enumerate(blocks):
        samples[:, at : at + len(block)] = block.T
        at += len(block)
        blocks[i] = None  # its memory goes as soon as it is copied
    return Audio(
        format=meter.what, samples=samples, sample_rate=rate, metadata=metadata
    )


def _metadata(f: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"encoding": str(f.subtype).lower()}
    text = {k: str(v)[:4096] for k, v in f.copy_metadata().items() if v}
    return out | ({"info": text} if text else {})


def header(data: Data, meter: Meter) -> dict[str, Any]:
    """Channels, rate and frames, as the header tells them; None where it does not."""
    with _opened(data, meter) as f:
        frames = int(f.frames) if 0 <= f.frames < _UNKNOWN else None
        return {
            "channels": int(f.channels),
            "sample_rate": int(f.samplerate),
            "frames": frames,
            "seconds": None if frames is None else frames / max(1, f.samplerate),
            **_metadata(f),
        }

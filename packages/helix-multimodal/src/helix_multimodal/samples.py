"""What decoders give: arrays with named axes, and what else the file said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Array = NDArray[Any]


@dataclass(slots=True, kw_only=True)
class Sample:
    """Base of decoded samples.

    Attributes
    ----------
    format : str
        As detected: ``"png"``.
    metadata : dict
        What the file said beyond its arrays. Values are str, numbers, bool, None, lists
        and dicts of these, or arrays.
    """

    modality: ClassVar[str] = ""
    format: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Text(Sample):
    """Text: ``text``, and the ``encoding`` that it was read with."""

    modality: ClassVar[str] = "text"
    text: str
    encoding: str = "utf-8"


@dataclass(slots=True, kw_only=True)
class Image(Sample):
    """An image.

    Attributes
    ----------
    pixels : (height, width, channel) array of uint8, uint16, float32 or bool
        channel is 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGBA, not premultiplied);
        upright: the file's orientation is applied.
    frames : (frame, height, width, channel) array or None
        All frames of an animation or pages of a file, where asked for and all of one
        size; ``pixels`` is the first.
    durations : (frame,) float64 array or None
        Seconds.
    """

    modality: ClassVar[str] = "image"
    pixels: Array
    frames: Array | None = None
    durations: Array | None = None


@dataclass(slots=True, kw_only=True)
class Audio(Sample):
    """Sound.

    Attributes
    ----------
    samples : (channel, time) float32 array
        Full scale is -1 to 1.
    sample_rate : int
        Hz.
    """

    modality: ClassVar[str] = "audio"
    samples: Array
    sample_rate: int


@dataclass(slots=True, kw_only=True)
class Video(Sample):
    """Moving images with their sound.

    Attributes
    ----------
    frames : (frame, height, width, 3) uint8 array
        RGB, upright.
    times : (frame,) float64 array
        Seconds at which each is shown.
    audio : Audio or None
        Starts at the same zero; ``metadata["audio_start"]`` says when it begins.
    """

    modality: ClassVar[str] = "video"
    frames: Array
    times: Array
    audio: Audio | None = None


@dataclass(slots=True, kw_only=True)
class Points(Sample):
    """A point cloud, or the vertices and faces of a mesh.

    Attributes
    ----------
    xyz : (point, 3) float64 array
    colors : (point, 3) or (point, 4) array of uint8 or uint16, or None
    normals : (point, 3) float32 array or None
    intensity : (point,) array or None
    labels : (point,) integer array or None
    faces : (face, 3) int64 array or None
        Indices of points; polygons are cut into fans.
    fields : dict of str to (point,) array
        What else each point has, by its name in the file.
    """

    modality: ClassVar[str] = "points"
    xyz: Array
    colors: Array | None = None
    normals: Array | None = None
    intensity: Array | None = None
    labels: Array | None = None
    faces: Array | None = None
    fields: dict[str, Array] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Table(Sample):
    """Columns of equal length: ``columns`` by name, numbers or text (object arrays)."""

    modality: ClassVar[str] = "table"
    columns: dict[str, Array]


@dataclass(slots=True, kw_only=True)
class Arrays(Sample):
    """Arrays by name: what an npy or npz file holds."""

    modality: ClassVar[str] = "arrays"
    arrays: dict[str, Array]


@dataclass(slots=True, kw_only=True)
class Archive(Sample):
    """Members of an archive, in order: ``(name, bytes)``."""

    modality: ClassVar[str] = "archive"
    members: list[tuple[str, bytes]]


@dataclass(slots=True, kw_only=True)
class Bytes(Sample):
    """Bytes that nothing recognises."""

    modality: ClassVar[str] = "bytes"
    data: bytes

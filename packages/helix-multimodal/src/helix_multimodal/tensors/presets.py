"""Image input of well-known models, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from helix_core import ShapeError
from numpy.typing import NDArray

from ..samples import Image, Video
from ._check import OptionError, at_least
from .image import Colour, convert, crop, normalise, shortest, to_uint8
from .resize import resize

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PATCH, MERGE, TEMPORAL = 14, 2, 2  # of Qwen2-VL


def _rgb(x: Any, alpha: str | Colour) -> NDArray[np.uint8]:
    if alpha == "keep":
        raise OptionError(
            "[preset] expected alpha 'drop' or a colour for three channels; got 'keep'"
        )
    return convert(to_uint8(x), "rgb", alpha)


def clip(
    sample: Image, *, size: int = 224, alpha: str | Colour = "drop"
) -> dict[str, NDArray[Any]]:
    """CLIP: the shorter edge to ``size`` (bicubic), the centre, OpenAI's mean and std.

    Returns
    -------
    dict
        ``pixel_values`` (3, size, size) float32: ``CLIPImageProcessor``'s bits.

    Notes
    -----
    Radford et al., "Learning Transferable Visual Models from Natural Language
    Supervision", 2021.
    """
    x = _rgb(sample.pixels, alpha)
    x = crop(resize(x, *shortest(x.shape[0], x.shape[1], size), "bicubic"), size, size)
    return {"pixel_values": normalise(x, CLIP_MEAN, CLIP_STD)}


def siglip(
    sample: Image, *, size: int = 224, alpha: str | Colour = "drop"
) -> dict[str, NDArray[Any]]:
    """SigLIP: squeezed into a square (bicubic), -1 to 1.

    Returns
    -------
    dict
        ``pixel_values`` (3, size, size) float32: ``SiglipImageProcessor``'s bits.

    Notes
    -----
    Zhai et al., "Sigmoid Loss for Language Image Pre-Training", 2023.
    """
    x = resize(_rgb(sample.pixels, alpha), size, size, "bicubic")
    return {"pixel_values": normalise(x, 0.5, 0.5)}


def imagenet(
    sample: Image,
    *,
    size: int = 224,
    resize_to: int = 256,
    alpha: str | Colour = "drop",
) -> dict[str, NDArray[Any]]:
    """Evaluation on ImageNet: shorter edge to 256 (bilinear), the centre 224 x 224.

    Returns
    -------
    dict
        ``pixel_values`` (3, size, size) float32, as torchvision's Resize, CenterCrop,
        ToTensor and Normalize make it.
    """
    x = _rgb(sample.pixels, alpha)
    x = resize(x, *shortest(x.shape[0], x.shape[1], resize_to), "bilinear")
    h, w = x.shape[:2]
    top, left = round((h - size) / 2.0), round((w - size) / 2.0)
    x = crop(x, size, size, top=top, left=left)
    return {"pixel_values": normalise(x, IMAGENET_MEAN, IMAGENET_STD, divide=True)}


def smart_resize(
    height: int,
    width: int,
    factor: int = PATCH * MERGE,
    min_pixels: int = 56 * 56,
    max_pixels: int = 28 * 28 * 1280,
) -> tuple[int, int]:
    """Qwen2-VL's size: near the image's own, multiples of ``factor``, pixels in bounds.

    Raises
    ------
    ShapeError
        One edge is more than 200 times the other.
    """
    op = "smart_resize"
    at_least(op, "height", height)
    at_least(op, "width", width)
    if max(height, width) / min(height, width) > 200:
        raise ShapeError(
            f"[{op}] expected edges within a factor of 200; got {height} x {width}"
        )
    h, w = round(height / factor) * factor, round(width / factor) * factor
    if h * w > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        h = max(factor, math.floor(height / beta / factor) * factor)
        w = max(factor, math.floor(width / beta / factor) * factor)
    elif h * w < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        h = math.ceil(height * beta / factor) * factor
        w = math.ceil(width * beta / factor) * factor
    return h, w


def patchify(
    frames: NDArray[Any],
    patch: int = PATCH,
    merge: int = MERGE,
    temporal: int = TEMPORAL,
) -> tuple[NDArray[Any], tuple[int, int, int]]:
    """Cut frames into patches in the order of Qwen2-VL: merge groups side by side.

    Parameters
    ----------
    frames : (frame, channel, height, width) array
        Edges are multiples of ``patch * merge``; the last frame is repeated until the
        number is a multiple of ``temporal``.

    Returns
    -------
    patches : (patch, channel * temporal * patch * patch) array
    grid : (int, int, int)
        Patches in time, height and width.
    """
    n, c, h, w = frames.shape
    if not n or h % (patch * merge) or w % (patch * merge):
        raise ShapeError(
            f"[patchify] expected frames with edges in multiples of {patch * merge}; got "
            f"frames.shape={frames.shape}"
        )
    short = -n % temporal
    if short:
        frames = np.concatenate([frames, np.repeat(frames[-1:], short, axis=0)])
    t, gh, gw = len(frames) // temporal, h // patch, w // patch
    x = frames.reshape(
        t, temporal, c, gh // merge, merge, patch, gw // merge, merge, patch
    )
    x = x.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return x.reshape(t * gh * gw, c * temporal * patch * patch), (t, gh, gw)


def unpatchify(
    patches: NDArray[Any],
    grid: Sequence[int],
    patch: int = PATCH,
    merge: int = MERGE,
    temporal: int = TEMPORAL,
) -> NDArray[Any]:
    """Frames from patches, the inverse of :func:`patchify`."""
    t, gh, gw = (int(v) for v in grid)
    x = patches.reshape(
        t, gh // merge, gw // merge, merge, merge, -1, temporal, patch, patch
    )
    x = x.transpose(0, 6, 5, 1, 3, 7, 2, 4, 8)
    return x.reshape(t * temporal, -1, gh * patch, gw * patch)


def qwen2vl(
    sample: Image | Video,
    *,
    min_pixels: int = 56 * 56,
    max_pixels: int = 28 * 28 * 1280,
    alpha: str | Colour = "drop",
) -> dict[str, NDArray[Any]]:
    """Qwen2-VL: at the image's own resolution, in patches of 14 x 14.

    Returns
    -------
    dict
        Of an image ``pixel_values`` (patch, 1176) float32 and ``image_grid_thw`` (1, 3)
        int64: ``Qwen2VLImageProcessor``'s bits. Of a video ``pixel_values_videos`` and
        ``video_grid_thw``, each frame resized like an image.

    Notes
    -----
    Wang et al., "Qwen2-VL", 2024.
    """
    moving = isinstance(sample, Video)
    stack = sample.frames if isinstance(sample, Video) else sample.pixels[None]
    out = []
    for x in stack:
        y = _rgb(x, alpha)
        h, w = y.shape[:2]
        h, w = smart_resize(h, w, min_pixels=min_pixels, max_pixels=max_pixels)
        out.append(normalise(resize(y, h, w, "bicubic"), CLIP_MEAN, CLIP_STD))
    if not out:
        raise ShapeError("[qwen2vl] expected a frame; got none")
    patches, grid = patchify(np.stack(out))
    a, b = (
        ("pixel_values_videos", "video_grid_thw")
        if moving
        else ("pixel_values", "image_grid_thw")
    )
    return {a: np.ascontiguousarray(patches), b: np.array([grid], np.int64)}

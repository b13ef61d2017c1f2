"""Faults of images and scenes."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from .._block import Sample
from ._fault import fault

Other = Mapping[str, Any]


def _differs(s: Sample, image: np.ndarray, share: float = 0.01) -> bool:
    """Put the image in; whether enough of it changed by more than an edge's blur."""
    gap = np.abs(image.astype(int) - s["image"]) > 100
    s["image"] = np.ascontiguousarray(image)
    return bool(gap.mean() > share)


@fault("image")
def a_wrong_label(s: Sample, other: Other, luck: Random, k: float) -> bool:
    if "label" not in s:
        return False
    s["label"] = s["label"] - 1 if s["label"] else 1
    return True


@fault("image")
def an_image_of_another(s: Sample, other: Other, luck: Random, k: float) -> bool:
    return _differs(s, other["image"].copy())


@fault("image")
def inverted(s: Sample, other: Other, luck: Random, k: float) -> bool:
    return _differs(s, 255 - s["image"])


@fault("image")
def moved(s: Sample, other: Other, luck: Random, k: float) -> bool:
    return _differs(s, np.roll(s["image"], luck.choice([-5, 5]), luck.randrange(2)))


@fault("image")
def blank(s: Sample, other: Other, luck: Random, k: float) -> bool:
    return _differs(s, np.full_like(s["image"], 0))


@fault("image")
def a_patch_over_it(s: Sample, other: Other, luck: Random, k: float) -> bool:
    image = s["image"].copy()
    side = len(image)
    y, x = (luck.randrange(side - side // 4) for _ in range(2))
    patch = image[y : y + side // 4, x : x + side // 4]
    patch[...] = 255 - patch
    return _differs(s, image)


@fault("image", "shapes", "scenes")
def channels_exchanged(s: Sample, other: Other, luck: Random, k: float) -> bool:
    return _differs(s, s["image"][..., [2, 0, 1]])


@fault("image", "shapes")
def a_wrong_factor(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.choice([at for at in range(7) if s["factors"][at] != other["factors"][at]]
                     or [0])  # fmt: skip
    s["factors"][at] = other["factors"][at]
    return True


@fault("image", "glyphs")
def strokes_moved(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["strokes"] += np.float32(3)
    return True


@fault("image", "scenes", graded=True)
def a_box_off(s: Sample, other: Other, luck: Random, k: float) -> bool:
    boxes = s["boxes"]
    side = s["image"].shape[0]
    at = luck.randrange(len(boxes)), luck.randrange(4)
    step = max(round(8 * k), 1)
    boxes[at] += step if boxes[at] + step <= side else -step
    return True


@fault("image", "scenes")
def a_wrong_class(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["classes"]))
    box = s["boxes"][at]
    s["classes"][at] = (s["classes"][at] + 1 + luck.randrange(7)) % 8
    # what is nearly hidden may be of any class
    return bool(s["visible"][at] > 0.6 and min(box[2:] - box[:2]) > 16)


@fault("image", "scenes")
def a_wrong_colour(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["colours"]))
    s["colours"][at] = (s["colours"][at] + 1 + luck.randrange(11)) % 12
    return bool(s["visible"][at] > 0.3)


@fault("image", "scenes")
def an_object_without_a_mask(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["boxes"]))
    s["mask"][s["mask"] == at + 1] = 0
    return True


@fault("image", "scenes")
def a_mask_where_nothing_is(s: Sample, other: Other, luck: Random, k: float) -> bool:
    free = np.argwhere(s["mask"] == 0)
    y, x = free[luck.randrange(len(free))]
    s["mask"][max(y - 8, 0) : y + 8, max(x - 8, 0) : x + 8] = 1
    return True


@fault("image", "scenes")
def objects_exchanged(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["boxes"] = s["boxes"][::-1].copy()
    return len(s["boxes"]) > 1


@fault("image", "scenes")
def an_object_forgotten(s: Sample, other: Other, luck: Random, k: float) -> bool:
    for name in ("boxes", "visible", "classes", "colours", "poses"):
        s[name] = s[name][:-1]
    return len(s["boxes"]) > 0


@fault("image", "scenes")
def visibility_off(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["visible"]))
    s["visible"][at] += np.float32(0.5 if s["visible"][at] < 0.5 else -0.49)
    return True


@fault("image", "scenes")
def a_pose_off(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["poses"]))
    s["poses"][at, luck.randrange(2)] += np.float32(8)
    return bool(s["visible"][at] > 0.3)

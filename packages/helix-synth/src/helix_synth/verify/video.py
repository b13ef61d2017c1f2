"""Verifiers of films: drawn again as polygons, moved again by steps, and read."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from . import _raster
from ._checks import Problems, Sample, Spec

_COLOURS = (
    "red orange yellow lime green mint cyan azure blue violet magenta rose".split()
)
_TAU = 2 * math.pi


def _hue(k: int, value: float, grey: float) -> np.ndarray:
    """Colour k of twelve around the wheel, by its distance from red, green and blue."""
    gaps = [min(abs(k - at), 12 - abs(k - at)) for at in (0, 4, 8)]
    return np.array([grey + (value - grey) * min(max(4 - g, 0) / 2, 1) for g in gaps])


def _film(
    spec: Spec, sample: Sample, objects: int, floats: tuple[str, ...], *pairs: str
) -> tuple[Problems, bool]:
    """Shapes and numbers of a film, and every frame against its objects."""
    side, frames = spec["side"], spec["frames"]
    p = Problems()
    good = p.names(
        sample, "video", "caption", "shapes", "colours", "ground", "path", "radii",
        "angles", *floats, *pairs,
    )  # fmt: skip
    good &= p.array(sample, "video", "uint8", (frames, side, side, 3))
    good &= p.unless(type(sample.get("caption")) is str, "caption: not a str")
    good &= p.array(sample, "shapes", "int32", (objects,), 0, 7)
    good &= p.array(sample, "colours", "int32", (objects,), 0, 11)
    good &= p.integer(sample, "ground", 0, 11)
    good &= p.array(sample, "path", "float32", (objects, frames, 2), 0, side)
    good &= p.array(sample, "radii", "float32", (objects, frames), 1, side)
    good &= p.array(sample, "angles", "float32", (objects, frames), -frames, frames)
    for name in floats:
        good &= p.number(sample, name, -1e4, 1e4)
    for name in pairs:
        good &= p.array(sample, name, "float64", (2,), -10, 10)
    if not good:
        return p, False
    for frame in range(frames):
        _drawn(p, sample, frame)
        if p:
            break
    return p, True


def _drawn(p: Problems, sample: Sample, frame: int) -> None:
    image = sample["video"][frame].astype(int)
    side = len(image)
    bare = np.ones((side, side), bool)
    for i in range(len(sample["shapes"])):
        name = _raster.NAMES[sample["shapes"][i]]
        x, y = sample["path"][i, frame].tolist()
        radius, turn = (
            float(sample["radii"][i, frame]),
            float(sample["angles"][i, frame]),
        )
        p.unless(
            min(x, y) > radius and max(x, y) < side - radius,
            f"frame {frame}: object {i} leaves it",
        )
        corners = _raster.placed(name, x, y, radius, turn)
        core, rim = _raster.core_and_rim(corners, side, side)
        fill = _hue(sample["colours"][i], 255, 30)
        p.unless(
            np.abs(image[core] - fill) <= 1, f"frame {frame}: object {i} is not there"
        )
        mass = np.abs(image - _hue(sample["ground"], 120, 70)).sum(2)
        if len(sample["shapes"]) == 1 and mass.sum():
            rows, columns = np.mgrid[:side, :side] + 0.5
            middle = complex(*(float((g * mass).sum() / mass.sum())
                               for g in (columns, rows)))  # fmt: skip
            away = middle - _centroid(corners)
            p.unless(abs(away) < 0.5, f"frame {frame}: {abs(away):.2f} pixels off")
        bare &= ~rim
    gap = np.abs(image[bare] - _hue(sample["ground"], 120, 70))
    p.unless(gap <= 1, f"frame {frame}: something on the ground")


def _centroid(corners: np.ndarray) -> complex:
    a, b = corners, np.roll(corners, -1)
    cross = a.real * b.imag - b.real * a.imag
    return complex(((a + b) * cross).sum() / (3 * cross.sum()))


def _moves(p: Problems, sample: Sample, want: np.ndarray, index: int = 0) -> None:
    """The path of an object, as complex numbers in sides, against another."""
    side = sample["video"].shape[1]
    path = sample["path"][index].astype(float) / side
    far = float(np.abs(path[:, 0] + 1j * path[:, 1] - want).max()) * side
    p.unless(far < 2e-3, f"path: {far:.2g} pixels from where the law puts it")


def _says(p: Problems, sample: Sample, phrase: str) -> list[str]:
    names = [
        f"{_COLOURS[c]} {_raster.NAMES[s]}"
        for c, s in zip(sample["colours"], sample["shapes"], strict=True)
    ]
    side = sample["video"].shape[1]
    smallest = sample["radii"].min() / side
    size = "small" if smallest < 0.125 else "large"
    want = f"a {size} {names[0]} {phrase}"
    if len(names) == 2:
        one, two = (f"an {n}" if n[0] in "aeiou" else f"a {n}" for n in names)
        want = f"{one} hits {two} from the {phrase}"
    p.unless(sample["caption"] == want, f"caption: expected {want!r}")
    return p


def _steady(p: Problems, sample: Sample) -> None:
    p.unless(sample["angles"] == 0, "angles: it turns")
    p.unless(np.ptp(sample["radii"], 1) == 0, "radii: they change")


def _start(sample: Sample) -> complex:
    x, y = sample["path"][0, 0].astype(float) / sample["video"].shape[1]
    return complex(x, y)


def sliding(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 1, (), "velocity")
    if not good:
        return p
    _steady(p, sample)
    v = complex(*sample["velocity"])
    _moves(p, sample, _start(sample) + v * np.arange(spec["frames"]))
    p.unless(v.real == 0 or v.imag == 0, "velocity: across")
    way = (
        ("right" if v.real > 0 else "left")
        if v.real
        else "down"
        if v.imag > 0
        else "up"
    )
    radius = float(sample["radii"][0, 0]) / spec["side"]
    room = 1 - 2 * (1.08 * radius + 2.0 / spec["side"])
    share = abs(v) * (spec["frames"] - 1) / room
    p.unless(0.29 < share < 0.46 or 0.79 < share < 0.96, "velocity: neither of the two")
    return _says(p, sample, f"moves {way} {'quickly' if share > 0.6 else 'slowly'}")


def spinning(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 1, ("speed",))
    if not good:
        return p
    w = sample["speed"]
    p.unless(0.039 < abs(w) < 0.091, f"speed: {w}")
    turned = sample["angles"][0] - w * np.arange(spec["frames"])
    p.unless(np.abs(turned) < 1e-4, "angles: not of its speed")
    _moves(p, sample, np.full(spec["frames"], _start(sample)))
    p.unless(np.ptp(sample["radii"]) == 0, "radii: they change")
    return _says(p, sample, f"spins {'clockwise' if w > 0 else 'counterclockwise'}")


def growing(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 1, ("factor",))
    if not good:
        return p
    r, f = sample["radii"][0].astype(float), sample["factor"]
    p.unless(1.59 < max(f, 1 / f if f else 0) < 2.21, f"factor: {f}")
    p.unless(abs(r[-1] / r[0] - f) < 1e-4, "radii: not of the factor")
    p.unless(np.abs(r[:-2] - 2 * r[1:-1] + r[2:]) < 1e-3, "radii: not evenly")
    _moves(p, sample, np.full(spec["frames"], _start(sample)))
    p.unless(sample["angles"] == 0, "angles: it turns")
    return _says(p, sample, "grows" if f > 1 else "shrinks")


def bouncing(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 1, (), "start", "velocity")
    if not good:
        return p
    _steady(p, sample)
    low = 1.08 * float(sample["radii"][0, 0]) / spec["side"] + 2.0 / spec["side"]
    at, v, want = sample["start"].copy(), sample["velocity"].copy(), []
    share = np.abs(v) * spec["frames"]
    p.unless((share >= 0.399) & (share <= 1.601), "velocity: out of its bounds")
    for _ in range(spec["frames"]):
        want.append(complex(*at))
        at = at + v
        for axis in range(2):  # back by what it went too far, as often as need be
            while not low <= at[axis] <= 1 - low:
                wall = low if at[axis] < low else 1 - low
                at[axis], v[axis] = 2 * wall - at[axis], -v[axis]
    _moves(p, sample, np.array(want))
    return _says(p, sample, "bounces off the walls")


def falling(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 1, ("height", "gravity", "floor"))
    if not good:
        return p
    _steady(p, sample)
    start, g, floor = _start(sample), sample["gravity"], sample["floor"]
    p.unless(abs(floor - sample["height"] - start.imag) < 1e-4, "height: not its own")
    low = 1.08 * float(sample["radii"][0, 0]) / spec["side"] + 2.0 / spec["side"]
    p.unless(abs(floor - 1 + low) < 1e-5, "floor: not below it")
    if not p.unless(g > 0 and sample["height"] > 0, "gravity: not positive"):
        return p
    want, top = [], 0.0  # when it was last at the top
    fall = math.sqrt(2 * sample["height"] / g)
    p.unless(0.34 < fall / spec["frames"] < 0.91, "gravity: out of its bounds")
    for t in range(spec["frames"]):
        while t - top > fall:
            top += 2 * fall
        want.append(complex(start.real, start.imag + g * (t - top) ** 2 / 2))
    _moves(p, sample, np.array(want))
    return _says(p, sample, "falls to the floor")


def thrown(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 1, ("gravity",), "velocity")
    if not good:
        return p
    _steady(p, sample)
    t, v, g = np.arange(spec["frames"]), complex(*sample["velocity"]), sample["gravity"]
    _moves(p, sample, _start(sample) + v * t + 0.5j * g * t * t)
    p.unless(v.imag < 0 < g, "velocity: not upwards")
    p.unless(abs(v.real) * (spec["frames"] - 1) > 0.3, "velocity: not sideways")
    lands = sample["path"][0, [0, -1], 1].tolist()
    p.unless(abs(lands[0] - lands[1]) < 2e-3, "path: it does not land")
    return _says(p, sample, f"is thrown to the {'right' if v.real > 0 else 'left'}")


def colliding(spec: Spec, sample: Sample) -> list[str]:
    p, good = _film(spec, sample, 2, ("speed", "moment"))
    if not good:
        return p
    _steady(p, sample)
    x = sample["path"][..., 0].astype(float) / spec["side"]
    p.unless(np.ptp(sample["path"][..., 1]) == 0, "path: not on one line")
    sign = 1 if x[0, 0] < x[1, 0] else -1
    speed, moment = sample["speed"], sample["moment"]
    p.unless(speed > 0 and 0 < moment < spec["frames"], "moment: outside of the film")
    t = np.arange(spec["frames"])
    first = x[0, 0] + sign * speed * np.clip(t, 0, moment)
    second = x[1, 0] + sign * speed * np.clip(t - moment, 0, None)
    height = 1j * float(sample["path"][0, 0, 1]) / spec["side"]
    _moves(p, sample, first + height)
    _moves(p, sample, second + height, 1)
    touch = (1.08 * sample["radii"][:, 0].astype(float).sum() + 4) / spec["side"]
    gap = abs(x[1, 0] - x[0, 0]) - speed * moment
    p.unless(abs(gap - touch) < 1e-4, "moment: they do not touch then")
    return _says(p, sample, "left" if sign > 0 else "right")


def _swing(
    spec: Spec,
    sample: Sample,
    names: tuple[str, ...],
    law: Callable[[np.ndarray], np.ndarray],
) -> Problems:
    p, good = _film(spec, sample, 1, names)
    if good and p.unless(sample["period"] > 1, "period: too short"):
        _steady(p, sample)
        _moves(p, sample, law(np.arange(spec["frames"])))
    return p


def pendulum(spec: Spec, sample: Sample) -> list[str]:
    def law(t: np.ndarray) -> np.ndarray:
        angle = _TAU * sample["amplitude"] * np.cos(_TAU * t / sample["period"])
        return np.asarray(0.5 + 1j * sample["length"] * np.exp(-1j * angle))

    p = _swing(spec, sample, ("length", "amplitude", "period"), law)
    if p:
        return p
    share = sample["period"] / spec["frames"]
    p = Problems()
    p.unless(0.49 < share < 0.71 or 1.19 < share < 1.41, "period: neither of the two")
    return _says(p, sample, f"swings {'quickly' if share < 1 else 'slowly'}")


def spring(spec: Spec, sample: Sample) -> list[str]:
    upright = "up and down" in str(sample.get("caption"))

    def law(t: np.ndarray) -> np.ndarray:
        z = np.exp((2j * math.pi / sample["period"] - sample["damping"]) * t).real
        return np.asarray(
            (0.5 + 0.5j) + (1j if upright else 1) * sample["amplitude"] * z
        )

    p = _swing(spec, sample, ("amplitude", "period", "damping"), law)
    if p:
        return p
    return _says(
        Problems(), sample, f"vibrates {'up and down' if upright else 'sideways'}"
    )


def orbiting(spec: Spec, sample: Sample) -> list[str]:
    sign = -1 if "counterclockwise" in str(sample.get("caption")) else 1

    def law(t: np.ndarray) -> np.ndarray:
        turn = sample["phase"] + sign * t / sample["period"]
        return np.asarray((0.5 + 0.5j) + sample["distance"] * np.exp(1j * _TAU * turn))

    p = _swing(spec, sample, ("distance", "period", "phase"), law)
    if p:
        return p
    way = "clockwise" if sign > 0 else "counterclockwise"
    return _says(Problems(), sample, f"circles {way}")

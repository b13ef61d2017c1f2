"""Verifiers of sounds: measured in their spectra, and decoded."""

from __future__ import annotations

import math

import numpy as np

from ._checks import Problems, Sample, Spec

_TAU = 2 * math.pi
_WEIGHTS = (
    {1: 0.8, 2: 0.15, 3: 0.05},
    {1: 0.35, 2: 0.25, 4: 0.25, 6: 0.15},
    {1: 0.6, 3: 0.25, 5: 0.15},
    {1: 0.2, 2: 0.25, 3: 0.2, 4: 0.15, 5: 0.1, 6: 0.1},
)
_STEPS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8))
_BELL = ((0.5, 0.15, 0.5), (1, 0.25, 1), (1.2, 0.2, 1.4), (1.5, 0.15, 1.7),
         (2, 0.15, 2), (2.5, 0.1, 2.6))  # fmt: skip
_KEYPAD = ("123A", "456B", "789C", "*0#D")
_MORSE = (
    "A.- B-... C-.-. D-.. E. F..-. G--. H.... I.. J.--- K-.- L.-.. M-- N-. O--- P.--. "
    "Q--.- R.-. S... T- U..- V...- W.-- X-..- Y-.-- Z--.."
)
_LETTERS = {code[1:]: code[0] for code in _MORSE.split()}


def _heard(
    spec: Spec, sample: Sample, floats: dict[str, tuple[float, float]], *more: str
) -> tuple[Problems, np.ndarray, np.ndarray]:
    """The sound and its times in seconds; empty if something is not as it should be."""
    p = Problems()
    n = int(spec["rate"] * spec["seconds"])
    good = p.names(sample, "audio", *floats, *more)
    good &= p.array(sample, "audio", "float32", (n,), -1, 1)
    for name, (low, high) in floats.items():
        good &= p.number(sample, name, low, high)
    x = sample["audio"].astype(float) if good else np.empty(0)
    return p, x, np.arange(n) / spec["rate"]


def _left(p: Problems, x: np.ndarray, model: np.ndarray, noise: float) -> list[str]:
    """What is left of a sound after its model is the noise, and nothing else."""
    rest, n = x - model, len(x)
    if noise == 0:
        far = float(np.abs(rest).max())
        p.unless(far < 2e-6, f"audio: {far:.2g} from what it should be")
        return p
    z, root = (rest - 0.0) / math.hypot(noise, 1e-8), math.sqrt(n)
    p.unless(abs(z.mean()) < 5.5 / root, "noise: not around 0")
    ratio = math.log(max(float((z * z).mean()), 1e-300))
    p.unless(abs(ratio) < 5.5 * math.sqrt(2 / n) + 1e-3, "noise: not as loud")
    p.unless(abs(float((z[1:] * z[:-1]).mean())) < 6.5 / root, "noise: not white")
    p.unless(np.abs(z) < 6.8, "noise: a crack")
    return p


def _peak(x: np.ndarray, rate: int) -> float:
    """Hertz of the largest partial: a parabola through a Hann window's spectrum."""
    y = np.log(np.abs(np.fft.rfft(x * np.hanning(len(x)))) + 1e-12)
    k = int(y[1:-1].argmax()) + 1
    a, b, c = y[k - 1], y[k], y[k + 1]
    shift = 0.0 if a == c else 0.5 * (a - c) / (a - 2 * b + c)
    return float((k + shift) * rate / len(x))


def tones(spec: Spec, sample: Sample) -> list[str]:
    top = 0.45 * spec["rate"]
    floats = {"frequency": (80.0, top), "amplitude": (0.2, 0.9), "phase": (0.0, 1.0)}
    p, x, t = _heard(spec, sample, floats)
    if not len(x):
        return p
    f = sample["frequency"]
    p.unless(abs(_peak(x, spec["rate"]) - f) < 0.15 / spec["seconds"], "frequency")
    turn = _TAU * (f * t + sample["phase"])
    return _left(p, x, sample["amplitude"] * np.sin(turn), spec["noise"])


def chirps(spec: Spec, sample: Sample) -> list[str]:
    top = 0.45 * spec["rate"]
    p, x, t = _heard(spec, sample, {"start": (80.0, top), "stop": (80.0, top)})
    if not len(x):
        return p
    a, b, whole = sample["start"], sample["stop"], spec["seconds"]
    return _left(
        p, x, 0.8 * np.sin(_TAU * t * (a + (b - a) * t / whole / 2)), spec["noise"]
    )


def fm(spec: Spec, sample: Sample) -> list[str]:
    floats = {"carrier": (100.0, 0.06 * spec["rate"]), "index": (0.5, 4.0)}
    p, x, t = _heard(spec, sample, floats, "ratio")
    if not p.integer(sample, "ratio", 1, 3) or not len(x):
        return p
    turn = _TAU * sample["carrier"] * t
    bent = turn + sample["index"] * np.sin(sample["ratio"] * turn)
    return _left(p, x, 0.8 * np.sin(bent), spec["noise"])


def notes(spec: Spec, sample: Sample) -> list[str]:
    p, x, t = _heard(spec, sample, {}, "pitch", "instrument", "onset", "duration")
    n, rate = len(t), spec["rate"]
    good = p.integer(sample, "pitch", 36, 84) and p.integer(sample, "instrument", 0, 3)
    good &= p.integer(sample, "onset", 0, n // 4)
    good &= p.integer(sample, "duration", n // 4, 3 * n // 4)
    if not len(x) or not good:
        return p
    f = 440 * 2 ** ((sample["pitch"] - 69) / 12)
    start, long = sample["onset"], sample["duration"]
    model = np.zeros(n)
    u = np.arange(n - start) / rate
    for k, weight in _WEIGHTS[sample["instrument"]].items():
        if 2 * k * f < rate:
            model[start:] += weight * np.sin(_TAU * k * f * u)
    end = np.clip((long / rate - u) / 0.05, 0, 1)
    model[start:] *= 0.85 * np.minimum(u / 0.01, 1) * end
    return _left(p, x, model, spec["noise"])


def chords(spec: Spec, sample: Sample) -> list[str]:
    p, x, t = _heard(spec, sample, {}, "root", "quality", "phases")
    good = p.integer(sample, "root", 48, 72) and p.integer(sample, "quality", 0, 3)
    good &= p.array(sample, "phases", "float64", (3,), 0, 1)
    if not len(x) or not good:
        return p
    model = np.zeros_like(x)
    for step, phase in zip(_STEPS[sample["quality"]], sample["phases"], strict=True):
        f = 440 * 2 ** ((sample["root"] + step - 69) / 12)
        model += 0.28 * np.sin(_TAU * (f * t + phase))
    return _left(p, x, model, spec["noise"])


def plucks(spec: Spec, sample: Sample) -> list[str]:
    floats = {"frequency": (60.0, 0.03 * spec["rate"]), "damping": (1.0, 6.0)}
    p, x, t = _heard(spec, sample, floats, "onset")
    if not p.integer(sample, "onset", 0, len(t) // 2) or not len(x):
        return p
    f, d, start = sample["frequency"], sample["damping"], sample["onset"]
    u, model = t[: len(t) - start], np.zeros(len(t))
    # the imaginary part of a geometric series' integral, term by term
    z = np.exp((1j * _TAU * f - d) * u)
    power = z.copy()
    for k in range(1, 9):
        model[start:] += 0.33 * power.imag / k
        power *= z
    return _left(p, x, model, spec["noise"])


def bells(spec: Spec, sample: Sample) -> list[str]:
    floats = {"frequency": (150.0, 0.15 * spec["rate"]), "damping": (0.5, 4.0)}
    p, x, t = _heard(spec, sample, floats, "onset")
    if not p.integer(sample, "onset", 0, len(t) // 2) or not len(x):
        return p
    f, d, start = sample["frequency"], sample["damping"], sample["onset"]
    u, model = t[: len(t) - start], np.zeros(len(t))
    for ratio, weight, fade in _BELL:
        model[start:] += (
            0.9 * weight * np.exp((1j * _TAU * ratio * f - fade * d) * u).imag
        )
    return _left(p, x, model, spec["noise"])


def clicks(spec: Spec, sample: Sample) -> list[str]:
    rate = spec["rate"]
    p, x, t = _heard(spec, sample, {}, "period", "onsets")
    good = p.integer(sample, "period", rate // 10, rate // 3 - 1)
    good &= p.array(sample, "onsets", "int32", (None,), 0, len(t) - 1)
    if not len(x) or not good:
        return p
    at, period = sample["onsets"].tolist(), sample["period"]
    if not p.unless(len(at) > 0 and at[0] < period, "onsets: the first is too late"):
        return p
    p.unless(at == list(range(at[0], len(x), period)), "onsets: not a metronome")
    long = rate // 100
    jumps: list[int] = []
    for start in np.flatnonzero(x > 0.7).tolist():
        if not jumps or start >= jumps[-1] + long:
            jumps.append(start)
    p.unless(jumps == at, f"audio: clicks at {jumps[:4]}, not at {at[:4]}")
    j = np.arange(long)
    one = 0.8 * np.cos(np.pi * j) * np.exp(-1000 * j / rate)
    model = np.zeros(len(x) + len(one))
    for start in at:
        model[start : start + len(one)] += one
    return _left(p, x, model[: len(x)], spec["noise"])


def dtmf(spec: Spec, sample: Sample) -> list[str]:
    rate = spec["rate"]
    p, x, _ = _heard(spec, sample, {}, "text")
    if not p.unless(type(sample.get("text")) is str, "text: not a str") or not len(x):
        return p
    on, step = int(0.08 * rate), int(0.12 * rate)
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    u, said, model = np.arange(on) / rate, "", np.zeros_like(x)
    for i in range(int(spec["seconds"] / 0.12)):
        part = x[i * step : i * step + on]
        loud = [[abs(np.exp(-1j * _TAU * f * u) @ part) for f in g]
                for g in (rows, columns)]  # fmt: skip
        r, c = (int(np.argmax(g)) for g in loud)
        said += _KEYPAD[r][c]
        model[i * step : i * step + on] = 0.4 * (
            np.sin(_TAU * rows[r] * u) + np.sin(_TAU * columns[c] * u)
        )
    p.unless(said == sample["text"], f"text: {said!r} is heard")
    return _left(p, x, model, spec["noise"])


def morse(spec: Spec, sample: Sample) -> list[str]:
    rate = spec["rate"]
    p, x, t = _heard(spec, sample, {"frequency": (400.0, 1000.0)}, "text")
    if not p.unless(type(sample.get("text")) is str, "text: not a str") or not len(x):
        return p
    unit = int(0.03 * rate)
    units = len(x) // unit
    loud = np.sqrt((x[: units * unit].reshape(units, unit) ** 2).mean(1)) > 0.2
    signs = "".join("=" if on else " " for on in loud).rstrip() + " "
    said, code = "", ""
    for mark in signs.replace("===", "-").replace("=", ".").split(" "):
        if mark:
            code += mark
        elif code:
            said, code = said + _LETTERS.get(code, "?"), ""
    p.unless(said == sample["text"], f"text: {said!r} is heard")
    tone = 0.7 * np.sin(_TAU * sample["frequency"] * t)
    gate = np.zeros_like(x)
    gate[: units * unit] = np.repeat(loud, unit)
    return _left(p, x, tone * gate, spec["noise"])

"""Faults of sequence tasks and of texts."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from .._block import Sample
from ._fault import fault

Other = Mapping[str, Any]
_NONE = -100


def _answers(s: Sample) -> np.ndarray:
    if "inputs" not in s:
        return np.empty(0, np.int64)
    return np.flatnonzero(s["targets"] != _NONE)


@fault("sequence")
def a_wrong_answer(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = _answers(s)
    if len(at):
        s["targets"][luck.choice(at.tolist())] += luck.choice([-1, 1])
    return bool(len(at))


@fault("sequence")
def an_answer_hidden(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = _answers(s)
    if len(at):
        s["targets"][luck.choice(at.tolist())] = _NONE
    return bool(len(at))


@fault("sequence")
def an_answer_where_none_is_asked(
    s: Sample, other: Other, luck: Random, k: float
) -> bool:
    if "inputs" not in s:
        return False
    at = np.flatnonzero(s["targets"] == _NONE)
    if len(at):
        s["targets"][luck.choice(at.tolist())] = luck.randrange(2)
    return bool(len(at))


@fault("sequence")
def answers_one_step_late(s: Sample, other: Other, luck: Random, k: float) -> bool:
    if "inputs" in s:
        s["targets"] = np.roll(s["targets"], 1)
    return "inputs" in s


@fault("sequence")
def answers_of_another_sample(s: Sample, other: Other, luck: Random, k: float) -> bool:
    if "inputs" in s:
        s["targets"] = other["targets"].copy()
    return "inputs" in s


@fault("sequence")
def a_token_beyond_the_vocabulary(
    s: Sample, other: Other, luck: Random, k: float
) -> bool:
    if "inputs" in s:
        s["inputs"][luck.randrange(len(s["inputs"]))] = 1 << 20
    return "inputs" in s


@fault("sequence")
def too_short(s: Sample, other: Other, luck: Random, k: float) -> bool:
    if "inputs" in s:
        s["inputs"], s["targets"] = s["inputs"][:-1], s["targets"][:-1]
    return "inputs" in s


@fault("sequence", "in_context_regression", graded=True)
def off_the_line(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["y"][luck.randrange(len(s["y"]))] += np.float32(3 * k)
    return True


@fault("text")
def cut_off(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["text"] = s["text"][: luck.randrange(len(s["text"]))]
    return s["text"] == "" or "~" not in s["text"]


@fault("text")
def a_strange_character(s: Sample, other: Other, luck: Random, k: float) -> bool:
    at = luck.randrange(len(s["text"]))
    s["text"] = f"{s['text'][:at]}\0{s['text'][at:]}"
    return True


@fault("text")
def a_wrong_value(s: Sample, other: Other, luck: Random, k: float) -> bool:
    name = next(name for name in s if name != "text")
    value = s[name]
    if name == "label":
        s[name] = 1 - value
    elif isinstance(value, int):
        s[name] = value + luck.choice([-1, 1])
    else:
        s[name] = other[name]
    return bool(s[name] != value)


@fault("text")
def twice_the_same(s: Sample, other: Other, luck: Random, k: float) -> bool:
    s["text"] += s["text"]
    return True

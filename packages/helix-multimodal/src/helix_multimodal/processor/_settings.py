"""Settings by modality: which preset makes the arrays, with which options."""

from __future__ import annotations

import difflib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from helix_core import plugins

from ..decode._registry import decoders

# presets by modality, the default first
PRESETS: dict[str, dict[str, str]] = {
    "image": {
        "none": "helix_multimodal.tensors.image:image_tensors",
        "clip": "helix_multimodal.tensors.presets:clip",
        "siglip": "helix_multimodal.tensors.presets:siglip",
        "imagenet": "helix_multimodal.tensors.presets:imagenet",
        "qwen2vl": "helix_multimodal.tensors.presets:qwen2vl",
    },
    "audio": {
        "speech": "helix_multimodal.processor._make:speech",
        "none": "helix_multimodal.tensors.audio:audio_tensors",
        "whisper": "helix_multimodal.tensors.audio:audio_tensors",
    },
    "video": {
        "none": "helix_multimodal.processor._make:video",
        "clip": "helix_multimodal.processor._make:video",
        "siglip": "helix_multimodal.processor._make:video",
        "imagenet": "helix_multimodal.processor._make:video",
        "qwen2vl": "helix_multimodal.processor._make:video",
    },
    "points": {"none": "helix_multimodal.tensors.points:points_tensors"},
    "text": {"none": "helix_multimodal.tensors.text:text_tensors"},
    "table": {"none": "helix_multimodal.processor._make:table"},
    "arrays": {"none": "helix_multimodal.processor._make:arrays"},
}
_FIXED: dict[tuple[str, str], dict[str, Any]] = {
    ("audio", "whisper"): {"features": "whisper"},
    ("points", "none"): {"scale": "sphere"},
}


@dataclass(frozen=True, slots=True)
class Setting:
    """How samples of one modality become arrays.

    Attributes
    ----------
    modality, preset : str
    function : callable
    options : dict
        Of the function.
    decode : dict
        Of decoders, where they take them.
    ours : bool
        Of this package.
    """

    modality: str
    preset: str
    function: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict)
    decode: dict[str, Any] = field(default_factory=dict)
    ours: bool = True


def setting(modality: str, given: str | Mapping[str, Any] | None) -> Setting:
    """Check what a user gave for a modality: a preset's name, or a dict of options.

    Raises
    ------
    TypeError
        An option that the preset does not take, by name.
    ValueError
        A preset that is not known.
    """
    presets = PRESETS[modality]
    if given is None or isinstance(given, str):
        given = {} if given is None else {"preset": given}
    if not isinstance(given, Mapping):
        raise TypeError(
            f"[process] expected {modality} to be a preset's name or a dict of options; "
            f"got {given!r}"
        )
    options = dict(given)
    preset = options.pop("preset", None) or next(iter(presets))
    decode = dict(options.pop("decode", None) or {})
    path = presets.get(preset)
    ours = path is not None
    function = pkgutil.resolve_name(path) if path else _foreign(modality, preset)
    fixed = _FIXED.get((modality, preset), {})
    frames: list[str] = []
    if modality == "video" and ours:
        fixed = {"preset": preset}
        frames = _options_of_frames(preset)
    _known(modality, preset, function, options, fixed, frames)
    _decodable(modality, decode)
    if modality == "image" and options.get("frames") == "all":
        decode.setdefault("frames", True)
    if modality == "video" and ours:
        fps = options.get("fps")
        if isinstance(fps, (int, float)) and fps > 0:
            decode.setdefault("fps", fps)  # frames that nobody wants are not kept
    return Setting(modality, preset, function, {**fixed, **options}, decode, ours)


def _foreign(modality: str, preset: Any) -> Callable[..., Any]:
    """A tensorizer of another package."""
    able = [
        r.name
        for r in plugins.records("tensorizers")
        if r.usable and r.spec.modality == modality
    ]
    if preset in able:
        return plugins.load("tensorizers", preset)
    names = [*PRESETS[modality], *able]
    raise ValueError(
        f"[process] expected preset of {modality} to be one of {', '.join(names)}; got "
        f"{preset!r}"
    )


def _known(
    modality: str,
    preset: str,
    function: Callable[..., Any],
    options: Mapping[str, Any],
    fixed: Mapping[str, Any],
    more: list[str],
) -> None:
    """Check names of options; ``more`` are those that ``**options`` stands for."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if not more and any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD] + more
    names = [n for n in names if n not in ("preset", "features") or n not in fixed]
    for key in options:
        if key not in names:
            raise _strange(f"{modality} preset {preset!r}", key, ["decode", *names])


def _decodable(modality: str, decode: Mapping[str, Any]) -> None:
    """Check names of options of decoders, where there are any."""
    if not decode:
        return
    formats = {
        f
        for r in plugins.records("decoders")
        if r.usable and r.spec.modality == modality
        for f in r.spec.formats
    }
    known = [d.options for f in sorted(formats) for d in decoders(f)]
    if None in known:
        return
    names = sorted({n for options in known for n in options or ()})
    for key in decode:
        if key not in names:
            raise _strange(f"{modality} decoders", key, names)


def _strange(what: str, key: Any, names: list[str]) -> TypeError:
    close = difflib.get_close_matches(str(key), names, 1)
    hint = f". Hint: did you mean {close[0]!r}?" if close else ""
    return TypeError(
        f"[process] expected options of {what} among {', '.join(names) or 'none'}; got "
        f"{key!r}{hint}"
    )


def _options_of_frames(preset: str) -> list[str]:
    function = pkgutil.resolve_name(PRESETS["image"][preset])
    names = list(inspect.signature(function).parameters)[1:]
    return [n for n in names if n != "frames"]

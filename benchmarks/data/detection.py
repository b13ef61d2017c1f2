"""Detection: M1 what is missed, M2 how long it takes, M3 polyglots.

M1 is measured on the three quarters of the frozen manifest that were held out while
rules were written (``tools.media_manifest``); where a suffix and libmagic differ, either
counts as right. Fetch the files first: ``python -m tools.media_manifest fetch``.
"""

from __future__ import annotations

import sysconfig
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np

from tools import media_manifest as manifest

from ..case import Case, Work
from . import polyglots

_HERE = "benchmarks.data.detection"
_SOLIDS = frozenset(
    "ply pcd xyz pts obj off stl las laz e57 glb gltf 3mf dae vtk vtk-xml".split()
)
_MEDIA = ("image", "audio", "video", "points")
# suffixes of text, code and documents
_OTHERS = frozenset(
    "py pyi pyx c h cc cpp hpp js ts mjs css html rst md txt json yml yaml toml cfg ini "
    "csv tsv xml ipynb sh bat tex pdf docx pptx xlsx odt rtf sql in cmake patch".split()
)

Says = Callable[[bytes], tuple[str, ...]]


@cache
def files() -> tuple[tuple[manifest.Entry, bytes], ...]:
    """The manifest's files."""
    return tuple(manifest.files())


def others() -> Iterator[tuple[str, bytes]]:
    """Text, code and documents: beside the manifest's files, and Python's library."""
    seen = set()
    for p in manifest.load()["packages"]:
        for name, data in manifest.members(manifest.cache() / p["file"]):
            kind = name.rpartition(".")[2].lower()
            if kind in _OTHERS and data not in seen:
                seen.add(data)
                yield f"{p['name']}: {name}", data
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*")):
        named = path.suffix[1:].lower() in _OTHERS and "site-packages" not in path.parts
        if named and path.is_file():
            data = path.read_bytes()
            if data not in seen:
                seen.add(data)
                yield f"python: {path.name}", data


# ----------------------------------------------------------------------------- who says
def _helix() -> Says:
    from helix_multimodal.detect import detect

    return lambda data: (detect(data).format,)


def _libmagic() -> Says:
    import magic

    ask = magic.Magic(mime=True)
    return lambda data: manifest.TYPES.get(ask.from_buffer(data), ())


def _puremagic() -> Says:
    import puremagic

    def say(data: bytes) -> tuple[str, ...]:
        try:
            suffix = puremagic.from_string(data)
        except (puremagic.PureError, ValueError):
            return ()
        return (manifest.SUFFIXES.get(suffix.lstrip(".").lower(), suffix),)

    return say


def _filetype() -> Says:
    import filetype

    def say(data: bytes) -> tuple[str, ...]:
        kind = filetype.guess(data)
        return () if kind is None else (manifest.SUFFIXES.get(kind.extension, ""),)

    return say


_WHO = {
    "helix": _helix,
    "libmagic": _libmagic,
    "puremagic": _puremagic,
    "filetype": _filetype,
}


# ------------------------------------------------------------------------- M1: what misses
def _missed(who: str, chosen: list[tuple[manifest.Entry, bytes]]) -> Work:
    says = _WHO[who]()

    def percent() -> float:
        wrong = sum(not set(says(data)) & set(e.labels) for e, data in chosen)
        return 100 * wrong / len(chosen)

    return Work(percent, sample=percent, note=lambda: f"of {len(chosen)} files")


def _held_out() -> list[tuple[manifest.Entry, bytes]]:
    return [(e, data) for e, data in files() if e.held_out]


def missed(variant: str) -> Work:
    """Percent of the held-out files."""
    return _missed("helix", _held_out())


def missed_by(variant: str) -> Work:
    """The same of a peer."""
    return _missed(variant, _held_out())


def missed_solids(variant: str) -> Work:
    """Percent of all point clouds and meshes of the manifest."""
    return _missed("helix", [x for x in files() if _SOLIDS & set(x[0].labels)])


def claims(variant: str) -> Work:
    """How many texts, programs and documents are said to be media."""
    from helix_multimodal.detect import detect

    given = list(others())

    def count() -> float:
        return float(sum(detect(data).modality in _MEDIA for _, data in given))

    return Work(count, sample=count, note=lambda: f"of {len(given)} files")


# --------------------------------------------------------------------------- M2: how long
def times(variant: str) -> Work:
    """Seconds a file, the best of three each: a percentile of them."""
    from helix_multimodal.detect import detect

    given = [data for _, data in files()]
    rank = {"median": 50.0, "99th percentile": 99.0}[variant]

    def sample() -> float:
        seconds = []
        for data in given:
            best = float("inf")
            for _ in range(3):
                start = time.perf_counter()
                detect(data)
                best = min(best, time.perf_counter() - start)
            seconds.append(best)
        return float(np.percentile(seconds, rank))

    return Work(sample, sample=sample)


def _each(who: str, every: int) -> Work:
    says = _WHO[who]()
    given = [data for _, data in files()][::every]

    def call() -> None:
        for data in given:
            says(data)

    def sample() -> float:
        start = time.perf_counter()
        call()
        return (time.perf_counter() - start) / len(given)

    return Work(call, sample=sample)


def every_file(variant: str) -> Work:
    """Seconds a file on average, over every eighth one."""
    return _each("helix", 8)


def every_file_by(variant: str) -> Work:
    """The same of a peer."""
    return _each(variant, 8)


def all_files(variant: str) -> Work:
    """Seconds a file on average, over all."""
    return _each("helix", 1)


# -------------------------------------------------------------------------- M3: polyglots
def unseen(variant: str) -> Work:
    """Percent of polyglots whose first format is wrong, or whose second is not listed."""
    from helix_multimodal.detect import detect

    given = list(polyglots.made())

    def percent() -> float:
        found = [(p, detect(p.data)) for p in given]
        if variant == "first":
            wrong = sum(d.format != p.first for p, d in found)
        else:
            wrong = sum(p.second not in {a.format for a in d.also} for p, d in found)
        return 100 * wrong / len(given)

    return Work(percent, sample=percent, note=lambda: f"of {len(given)} polyglots")


# -------------------------------------------------------------------------------- figures
def _absolute(
    name: str, variant: str, factory: str, target: float, aim: float, unit: str
) -> Case:
    return Case(
        name=name,
        variants=(variant,),
        ours=f"{_HERE}:{factory}",
        target=target,
        aim=aim,
        metric="time" if unit == "us" else "missed",
        unit=unit,
        scale=1e6 if unit == "us" else 1.0,
    )


def _beside(
    name: str, peer: str, needs: str, pair: tuple[str, str], target: float
) -> Case:
    ours, theirs = pair
    missed = ours == "missed"
    return Case(
        name=name,
        variants=(peer,),
        ours=f"{_HERE}:{ours}",
        reference=f"{_HERE}:{theirs}",
        peer_name=peer,
        needs=(needs,),
        target=target,
        aim=2 * target,
        metric="missed" if missed else "time",
        unit="%" if missed else "us a file",
        scale=1.0 if missed else 1e6,
    )


_MISSED = ("missed", "missed_by")
_TIMES = ("every_file", "every_file_by")
CASES = (
    _absolute("M1", "held-out files", "missed", 0.5, 0.1, "%"),
    _absolute("M1_solids", "points and meshes", "missed_solids", 0, 0, "%"),
    _absolute("M1_claims", "text, code, documents", "claims", 0, 0, "files"),
    _beside("M1_libmagic", "libmagic", "python-magic", _MISSED, 1),
    _beside("M1_puremagic", "puremagic", "puremagic", _MISSED, 1),
    _beside("M1_filetype", "filetype", "filetype", _MISSED, 1),
    _absolute("M2_median", "median", "times", 5, 3, "us"),
    _absolute("M2_p99", "99th percentile", "times", 50, 30, "us"),
    Case(
        name="M2_rate",
        variants=("one core, from memory",),
        ours=f"{_HERE}:all_files",
        target=200_000,
        aim=300_000,
        metric="throughput",
        unit="files/s",
        scale=1.0,
        better="higher",
    ),
    _beside("M2_libmagic", "libmagic", "python-magic", _TIMES, 100),
    _beside("M2_puremagic", "puremagic", "puremagic", _TIMES, 10),
    _beside("M2_filetype", "filetype", "filetype", _TIMES, 1),
    _absolute("M3_first", "first", "unseen", 0, 0, "%"),
    _absolute("M3_also", "also", "unseen", 5, 1, "%"),
)

"""Dispatch on the first byte, then on what stands at a few offsets."""

from __future__ import annotations

from collections.abc import Callable

from ..detection import EXACT, TWO_FIELDS, Detection
from . import checks, containers, frames, zips
from ._found import found
from .table import FORMATS

Rule = Callable[[bytes, bytes, int], Detection | None]

# bytes in front, and the check that looks further
CHECKS: tuple[tuple[bytes, Rule], ...] = (
    (b"\xff\xd8\xff", checks.jpeg),
    (b"BM", checks.bmp),
    (b"II", checks.tiff),
    (b"MM", checks.tiff),
    (b"\0\0\1\0", checks.ico),
    (b"\0\0\2\0", checks.ico),
    (b"icns", checks.icns),
    (b"P", checks.pnm),
    (b"qoif", checks.qoi),
    (b"\xff\x0a", checks.jxl),
    (b"\x0a", checks.pcx),
    (b"\x01\xda", checks.sgi),
    (b"\1\0\0\0", checks.emf),
    (b"\1\0", checks.wmf),
    (b"\2\0", checks.wmf),
    (b"RIFF", containers.riff),
    (b"RIFX", containers.riff),
    (b"RF64", containers.riff),
    (b"BW64", containers.riff),
    (b"riff", containers.wave64),
    (b"FORM", containers.form),
    (b"FRM8", containers.dff),
    (b".snd", checks.au),
    (b"dns.", checks.au),
    (b"wvpk", checks.wavpack),
    (b"MAC ", checks.ape),
    (b"MP+", checks.musepack),
    (b"OFR ", checks.optimfrog),
    (b"OggS", containers.ogg),
    (b"ID3", frames.id3),
    (b"\xff", frames.sync),
    (b"\x0b\x77", frames.ac3),
    (b"G", frames.transport_stream),
    (b"\0\0\1", frames.mpeg_start),
    (b"\0\0\0\1", frames.annex_b),
    (b"\x1a\x45\xdf\xa3", containers.ebml),
    (b"\x30\x26\xb2\x75", containers.asf),
    (b"FLV\1", checks.flv),
    (b"FWS", checks.swf),
    (b"CWS", checks.swf),
    (b"ZWS", checks.swf),
    (b"LASF", containers.las),
    (b"ply", checks.ply),
    (b"PLY", checks.ply),
    (b"# .PCD", checks.pcd),
    (b"VERSION", checks.pcd),
    (b"FIELDS", checks.pcd),
    (b"MM", checks.three_ds),
    (b"ORC", containers.orc),
    (b"\xff\xff\xff\xff", containers.arrow_stream),
    (b"PK\3\4", zips.local),
    (b"PK\5\6", zips.empty),
    (b"PK\7\x08", zips.spanned),
    (b"PK00PK\3\4", zips.local),
    (b"\x1f\x8b\x08", checks.gz),
    (b"\x1f\x9d", checks.compress),
    (b"BZh", checks.bz2),
    (b"\x5d\0\0", checks.lzma),
    (b"\x60\xea", checks.arj),
    (b"MZ", checks.pe),
    (b"\xca\xfe\xba\xbe", checks.cafebabe),
    (b"\x80", checks.pickle),
    (b"\x5c\x01\0\0", checks.nifti),
    (b"\0\0\x01\x5c", checks.nifti),
    (b"\x1c\x02\0\0", checks.nifti),
    *((bytes([0x50 + i]), checks.zstd_skippable) for i in range(16)),
)

# what stands elsewhere, after nothing in front has fitted
_AT_4: dict[bytes, Rule] = {
    b"ftyp": containers.iso_media,
    b"moov": containers.quicktime,
    b"mdat": containers.quicktime,
    b"wide": containers.quicktime,
    b"free": containers.quicktime,
    b"skip": containers.quicktime,
    b"pnot": containers.quicktime,
}
_MODULES = (b"M.K.", b"M!K!", b"FLT4", b"4CHN", b"6CHN", b"8CHN", b"CD81", b"OCTA")
_ELSEWHERE: tuple[tuple[int, bytes, str], ...] = (
    (257, b"ustar", "tar"),
    (128, b"DICM", "dicom"),
    (60, b"BOOKMOBI", "mobi"),
    (44, b"SCRM", "s3m"),
    (2048, b"PCD_IPI", "photocd"),
    (32769, b"CD001", "iso9660"),
    *((1080, m, "mod") for m in _MODULES),
)
# decisive on their own, so that they are asked before text is
_EARLY: tuple[Rule, ...] = (checks.stl_binary, checks.dicom)
_LATE: tuple[Rule, ...] = (
    frames.transport_stream,  # four bytes of time in front
    checks.fli,
    checks.lha,
    checks.pyc,
    checks.safetensors,
    checks.dicom_bare,
    checks.musepack_old,
    checks.tga,
)


def _table() -> tuple[tuple[tuple[bytes, Detection | Rule], ...], ...]:
    """For each first byte its rules, the longest signature first."""
    rows: list[list[tuple[bytes, Detection | Rule]]] = [[] for _ in range(256)]
    for f in FORMATS.values():
        for magic in f.magics:
            rule = f"signature of {f.name}"
            rows[magic[0]].append((magic, found(f.name, rule, 0, EXACT)))
    for magic, check in CHECKS:
        rows[magic[0]].append((magic, check))
    return tuple(tuple(sorted(r, key=lambda x: -len(x[0]))) for r in rows)


_FIRST = _table()


def in_front(head: bytes, tail: bytes, size: int) -> Detection | None:
    """The signatures at offset 0. ``head`` is not empty."""
    for magic, rule in _FIRST[head[0]]:
        if head.startswith(magic):
            if rule.__class__ is Detection:
                return rule
            hit = rule(head, tail, size)  # type: ignore[operator]
            if hit is not None:
                return hit
    at_4 = _AT_4.get(head[4:8])
    if at_4 is not None:
        hit = at_4(head, tail, size)
        if hit is not None:
            return hit
    for check in _EARLY:
        hit = check(head, tail, size)
        if hit is not None:
            return hit
    return None


def elsewhere(head: bytes, tail: bytes, size: int) -> Detection | None:
    """Signatures at other offsets, and formats that have none."""
    for at, magic, name in _ELSEWHERE:
        if head.startswith(magic, at):
            return found(name, f"signature of {name}", at, TWO_FIELDS)
    for rule in _LATE:
        hit = rule(head, tail, size)
        if hit is not None:
            return hit
    return None

"""Formats by their first bytes, each literal as its specification writes it."""

import struct
import zlib

import numpy as np
import pytest
from helix_multimodal.detect import FORMATS, detect

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0"


def riff(kind: bytes, rest: bytes = b"\0" * 32) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(rest)) + kind + rest


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def ogg(packet: bytes) -> bytes:
    return b"OggS\0\2" + b"\0" * 20 + b"\1" + bytes([len(packet)]) + packet + b"\0" * 40


def mp3_frames(n: int = 3) -> bytes:
    # MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes
    return (b"\xff\xfb\x90\x64" + b"\0" * 413) * n


def adts(n: int = 3, size: int = 100) -> bytes:
    head = bytes(
        [0xFF, 0xF1, 0x50, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 31]
    )
    return (head + b"\xfc" + b"\0" * (size - 7)) * n


CASES = {
    "png": PNG,
    "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1",
    "gif": b"GIF89a\1\0\1\0\0\0\0;",
    "bmp": b"BM" + struct.pack("<IHHII", 58, 0, 0, 54, 40) + b"\0" * 40,
    "tiff": b"II*\0\x08\0\0\0\0\0",
    "webp": riff(b"WEBP", b"VP8L" + b"\0" * 20),
    "pnm": b"P6\n# comment\n2 1 255\n" + bytes(6),
    "pfm": b"PF\n2 1\n-1.0\n" + bytes(24),
    "ico": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0"
    + struct.pack("<II", 40, 22)
    + bytes(40),
    "jpeg2000": b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ftyp", b"jp2 \0\0\0\0jp2 "),
    "avif": box(b"ftyp", b"mif1\0\0\0\0avifmif1"),
    "heif": box(b"ftyp", b"heic\0\0\0\0mif1heic"),
    "qoi": b"qoif\0\0\0\1\0\0\0\1\3\0\xff\0\0\0\0\0\0\0\1",
    "jxl": b"\0\0\0\x0cJXL \r\n\x87\n",
    "psd": b"8BPS\0\1\0\0\0\0\0\0\0\3",
    "xcf": b"gimp xcf file\0",
    "dds": b"DDS \x7c\0\0\0",
    "exr": b"\x76\x2f\x31\x01\2\0\0\0",
    "hdr": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n",
    "pcx": b"\x0a\5\1\x08\0\0\0\0\3\0\3\0" + bytes(116),
    "wav": riff(b"WAVE", b"fmt \x10\0\0\0\1\0\1\0"),
    "aiff": b"FORM\0\0\0\x2eAIFFCOMM",
    "au": b".snd\0\0\0\x18\0\0\0\0\0\0\0\3\0\0\x1f\x40\0\0\0\1",
    "flac": b"fLaC\0\0\0\x22",
    "ogg": ogg(b"\x01vorbis\0\0\0\0"),
    "opus": ogg(b"OpusHead\1\2"),
    "mp3": mp3_frames(),
    "aac": adts(),
    "m4a": box(b"ftyp", b"M4A \0\0\0\0M4A mp42"),
    "ac3": (b"\x0b\x77\0\0\0\x40" + bytes(122)) * 2,
    "wavpack": b"wvpk\x1a\0\0\0\x10\4\0\0",
    "midi": b"MThd\0\0\0\6\0\1\0\2\0\x60MTrk",
    "amr": b"#!AMR\n\x3c",
    "caf": b"caff\0\1\0\0desc",
    "mp4": box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41"),
    "mov": box(b"wide", b"") + struct.pack(">I", 0) + b"mdat" + bytes(9),
    "3gp": box(b"ftyp", b"3gp5\0\0\0\0"),
    "mkv": b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska",
    "webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm",
    "avi": riff(b"AVI "),
    "flv": b"FLV\1\5\0\0\0\x09\0\0\0\0",
    "wmv": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(16),
    "wma": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
    + bytes(20)
    + bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b"),
    "mpeg-ps": b"\0\0\1\xba\x44\0\4\0\4\1",
    "mpeg-es": b"\0\0\1\xb3\x16\0\xf0\x15",
    "mpeg-ts": (b"\x47\x40\0\x10" + bytes(184)) * 4,
    "ogv": ogg(b"\x80theora\3\2\1"),
    "rm": b".RMF\0\0\0\x12\0\0\0\0",
    "swf": b"CWS\x09\x10\x20\0\0\x78\x9c",
    "ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 1\n",
    "pcd": b"# .PCD v0.7\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\n"
    b"COUNT 1 1 1\nWIDTH 1\nHEIGHT 1\nPOINTS 1\nDATA ascii\n0 0 0\n",
    "xyz": b"0.0 1.25 2.5\n1.5 2.0 3.0\n2.5 -3.0 4.0\n",
    "pts": b"2\n0.1 0.2 0.3 -100 1 2 3\n1.1 1.2 1.3 20 4 5 6\n",
    "obj": b"# cube\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "off": b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n",
    "stl": b"a".ljust(80) + struct.pack("<I", 1) + bytes(50),
    "las": b"LASF" + bytes(100) + b"\3" + bytes(130),
    "laz": b"LASF" + bytes(100) + b"\x83" + bytes(130),
    "e57": b"ASTM-E57\1\0\0\0",
    "glb": b"glTF\2\0\0\0\x14\0\0\0",
    "gltf": b'{"asset": {"version": "2.0"}, "scenes": []}',
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>',
    "text": "Grüße aus Köln.\n".encode(),
    "csv": b"name,age\nAda,36\nAlan,41\n",
    "tsv": b"name\tage\nAda\t36\nAlan\t41\n",
    "json": b'{"a": [1, 2, {"b": null}]}\n',
    "jsonl": b'{"a": 1}\n{"a": 2}\n',
    "html": b"<!DOCTYPE html>\n<html><head></head></html>",
    "xml": b"<?xml version='1.0'?><note>x</note>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "npy": b"\x93NUMPY\1\0v\0{'descr': '<f4'}",
    "hdf5": b"\x89HDF\r\n\x1a\n\0",
    "parquet": b"PAR1\x15\4PAR1",
    "arrow": b"ARROW1\0\0\xff\xff\xff\xff",
    "safetensors": struct.pack("<Q", 2) + b"{}",
    "gz": b"\x1f\x8b\x08\0\0\0\0\0\0\3",
    "bz2": b"BZh91AY&SY\0\0",
    "xz": b"\xfd7zXZ\0\0\4",
    "zstd": b"\x28\xb5\x2f\xfd\4\0",
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "rar": b"Rar!\x1a\7\1\0",
    "tar": b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(247),
    "elf": b"\x7fELF\2\1\1\0",
    "pe": b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\0\x64\x86",
    "mach-o": b"\xcf\xfa\xed\xfe\x07\0\0\1",
    "java-class": b"\xca\xfe\xba\xbe\0\0\0\x34",
    "wasm": b"\0asm\1\0\0\0",
    "pickle": b"\x80\4\x95\x05\0\0\0\0\0\0\0]\x94K\1a.",
}


@pytest.mark.parametrize("name", CASES)
def test_the_format(name: str) -> None:
    got = detect(CASES[name])
    assert got.format == name
    assert got.modality == FORMATS[name].modality
    assert got.mime == FORMATS[name].mime
    assert got.evidence and 0 < got.confidence <= 1
    assert got.also == ()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", [bytearray, memoryview, "array", "strided"])
def test_any_buffer_gives_the_same(name: str, kind: object) -> None:
    data = CASES[name]
    if kind == "array":
        given: object = np.frombuffer(data, np.uint8)
    elif kind == "strided":
        given = np.repeat(np.frombuffer(data, np.uint8), 2)[::2]
    else:
        given = kind(data)  # type: ignore[operator]
    assert detect(given) == detect(data)


@pytest.mark.parametrize("name", CASES)
def test_a_truncated_file_never_raises(name: str) -> None:
    data = CASES[name]
    for n in range(len(data)):
        assert detect(data[:n]).format in FORMATS


def test_random_bytes_never_raise_and_are_no_media() -> None:
    bits = np.random.default_rng(0)
    media = 0
    for _ in range(3000):
        d = detect(bits.bytes(int(bits.integers(1, 2000))))
        media += d.modality in ("image", "audio", "video", "points")
    assert media <= 3  # signatures of two bytes


def test_forged_fields_never_raise() -> None:
    bits = np.random.default_rng(1)
    for data in CASES.values():
        for _ in range(60):
            forged = bytearray(data)
            for _ in range(int(bits.integers(1, 8))):
                forged[int(bits.integers(len(forged)))] = int(bits.integers(256))
            assert detect(bytes(forged)).format in FORMATS


@pytest.mark.parametrize("version", range(9))
def test_old_musepack_has_one_word_of_header(version: int) -> None:
    word = 1 | 27 << 6 | version << 11 | 1 << 21
    data = struct.pack("<II", word, 900) + bytes(range(1, 64))
    assert (detect(data).format == "musepack") == (4 <= version <= 6)
    forced = struct.pack("<II", word | 1 << 23, 900) + bytes(range(1, 64))
    assert detect(forced).format != "musepack"


def test_no_bytes_are_empty() -> None:
    assert detect(b"").format == "empty"
    assert detect(b"").modality == "bytes"


def test_bytes_that_nothing_fits() -> None:
    d = detect(zlib.crc32(b"x").to_bytes(4, "big") * 3 + b"\0\1\2\3")
    assert (d.modality, d.format) == ("bytes", "bytes")


@pytest.mark.parametrize(
    ("data", "variant"),
    [
        (b"II+\0\x08\0\0\0", "big-tiff"),
        (b"MM\0*\0\0\0\x08", "big"),
        (b"ply\r\nformat ascii 1.0\r\n", "ascii"),
        (b"solid a\n  facet normal 0 0 1\n", "ascii"),
        (b"RF64\xff\xff\xff\xffWAVEds64", "rf64"),
        (b"RIFX\0\0\0\4WAVEfmt ", "rifx"),
        (b"FORM\0\0\0\4AIFCFVER", "aifc"),
        (b"P5\n1 1\n255\n\0", "P5"),
    ],
)
def test_the_variant(data: bytes, variant: str) -> None:
    assert detect(data).variant == variant


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"BMP files begin with BM and a size.\n", "text"),
        (b"II. The second chapter\n", "text"),
        (b"MM means milli-metre\n", "text"),
        (b"GIF is an old format\n", "text"),
        (b"P1 is the first of seven.\n", "text"),
        (b"OFF we go into the wild blue yonder\n", "text"),
        (b"solid as a rock\n", "text"),
        (b"ply is a layer of wood\n", "text"),
        (b"v is a letter\nf is another\n", "text"),
        (b"all free software\n", "text"),
        (b"ID3 is a tree\n", "text"),
        (b"1 2 3\n4 5 6\n", "text"),
        (b"MZ is a mark\n", "text"),
        (b"RIFF of a guitar, AVI too\n", "text"),
        (b"PK\n", "text"),
        (b"{not json}\n", "text"),
        (b"<3 you\n", "text"),
        (b"5 < 6 and <b> is html\n", "text"),
    ],
)
def test_prose_that_begins_like_a_format(data: bytes, name: str) -> None:
    assert detect(data).format == name


@pytest.mark.parametrize(
    ("rows", "name"), [(100, "text"), (256, "text"), (1000, "xyz")]
)
def test_colours_are_no_points(rows: int, name: str) -> None:
    shares = np.random.default_rng(0).random((rows, 3))
    lines = [" ".join(f"{x:.6f}" for x in row) for row in shares]
    assert detect("\r\n".join([*lines, ""]).encode()).format == name
    outside = [" ".join(f"{x:.6f}" for x in row) for row in 3 * shares - 1]
    assert detect("\n".join([*outside, ""]).encode()).format == "xyz"


def test_tiles_are_no_gltf() -> None:
    asset = b'{"asset": {"version": "1.0"}'
    assert detect(asset + b', "scenes": []}').format == "gltf"
    assert detect(asset + b', "geometricError": 1.0, "root": {}}').format == "json"


RAW = bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("head", "name", "variant"),
    [
        (CASES["pcd"].replace(b"ascii\n0 0 0\n", b"binary\n"), "pcd", "binary"),
        (CASES["pcd"][12:].replace(b"ascii\n0 0 0\n", b"binary\n"), "pcd", "binary"),
        (
            b"# made by hand\n" + CASES["pcd"].replace(b"ascii", b"binary"),
            "pcd",
            "binary",
        ),
        (b"OFF BINARY\n", "off", ""),
        (
            b"ply\nformat binary_big_endian 1.0\nend_header\n",
            "ply",
            "binary_big_endian",
        ),
        (b"P6 300 300 255\n", "pnm", "P6"),
        (b'<?xml version="1.0"?>\n<VTKFile type="ImageData">\n_', "vtk-xml", ""),
        (b"# vtk DataFile Version 2.0\nx\nBINARY\n", "vtk", ""),
    ],
)
def test_a_text_header_before_bytes(head: bytes, name: str, variant: str) -> None:
    if name == "off":
        head += struct.pack(">3I", 1, 0, 0)
    d = detect(head + RAW)
    assert (d.format, d.variant) == (name, variant)

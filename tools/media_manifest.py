"""Public media files with known formats: fetched by name, checked by hash.

``python -m tools.media_manifest fetch`` downloads the source distributions that
``benchmarks/data/media_manifest.json`` names into a cache (``HELIX_TEST_DATA``).
``freeze`` wrote that file: the label of each is what its suffix says, beside what
libmagic says; where the two differ both are kept and the file counts as disputed.
Nothing of the files themselves is kept in the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

ROOT = Path(__file__).parents[1]
MANIFEST = ROOT / "benchmarks/data/media_manifest.json"

# suffixes of media, and the format that each promises
SUFFIXES = {
    **{s: s for s in "png gif bmp webp pfm tga ico cur icns avif qoi jxl psd".split()},
    **{s: s for s in "xcf dds exr svg pcx sgi wav flac ogg opus mp3 aac m4a".split()},
    **{s: s for s in "ac3 amr caf wma ape tta tak dsf dff mp4 mov mkv webm".split()},
    **{s: s for s in "avi flv wmv ogv 3gp 3g2 rm swf ply pcd xyz pts obj".split()},
    **{s: s for s in "off stl las laz e57 glb gltf 3mf dae vtk xpm".split()},
    **dict.fromkeys("jpg jpeg jpe".split(), "jpeg"),
    **dict.fromkeys("tif tiff".split(), "tiff"),
    **dict.fromkeys("pbm pgm ppm pnm".split(), "pnm"),
    **dict.fromkeys("jp2 j2k jpc jpx".split(), "jpeg2000"),
    **dict.fromkeys("heic heif heics hif".split(), "heif"),
    **dict.fromkeys("rgb rgba bw".split(), "sgi"),
    **dict.fromkeys("fit fits".split(), "fits"),
    **dict.fromkeys("aif aiff aifc".split(), "aiff"),
    **dict.fromkeys("au snd".split(), "au"),
    **dict.fromkeys("oga spx".split(), "ogg"),
    **dict.fromkeys("m4b".split(), "m4a"),
    **dict.fromkeys("m4v".split(), "mp4"),
    **dict.fromkeys("mid midi".split(), "midi"),
    **dict.fromkeys("mpg mpeg vob".split(), "mpeg-ps"),
    **dict.fromkeys("m2ts mts".split(), "mpeg-ts"),
    **dict.fromkeys("vtp vtu vti vtr vts".split(), "vtk-xml"),
    "hdr": "hdr",
    "ras": "sun",
    "dcm": "dicom",
    "wv": "wavpack",
    "mpc": "musepack",
    "ofr": "optimfrog",
}
# a suffix that means something else in one distribution
ELSE = {("pillow", "pcd"): "photocd", ("pydicom", "dcm"): "dicom"}

# what libmagic's media types stand for
TYPES: dict[str, tuple[str, ...]] = {
    "image/png": ("png",),
    "image/apng": ("png",),
    "image/jpeg": ("jpeg",),
    "image/gif": ("gif",),
    "image/bmp": ("bmp",),
    "image/x-ms-bmp": ("bmp",),
    "image/tiff": ("tiff",),
    "image/webp": ("webp",),
    "image/x-portable-bitmap": ("pnm",),
    "image/x-portable-greymap": ("pnm",),
    "image/x-portable-pixmap": ("pnm",),
    "image/x-tga": ("tga",),
    "image/vnd.microsoft.icon": ("ico",),
    "image/x-icon": ("ico",),
    "image/x-win-bitmap": ("cur",),
    "image/x-icns": ("icns",),
    "image/jp2": ("jpeg2000",),
    "image/jpx": ("jpeg2000",),
    "image/x-jp2-codestream": ("jpeg2000",),
    "image/avif": ("avif",),
    "image/heic": ("heif",),
    "image/heif": ("heif",),
    "image/heif-sequence": ("heif",),
    "image/heic-sequence": ("heif",),
    "image/x-qoi": ("qoi",),
    "image/jxl": ("jxl",),
    "image/vnd.adobe.photoshop": ("psd",),
    "image/x-xcf": ("xcf",),
    "image/x-exr": ("exr",),
    "image/svg+xml": ("svg",),
    "image/x-pcx": ("pcx",),
    "image/fits": ("fits",),
    "image/x-xpmi": ("xpm",),
    "application/dicom": ("dicom",),
    "audio/x-wav": ("wav",),
    "audio/x-aiff": ("aiff",),
    "audio/basic": ("au",),
    "audio/flac": ("flac",),
    "audio/ogg": ("ogg", "opus"),
    "application/ogg": ("ogg", "opus", "ogv"),
    "video/ogg": ("ogv",),
    "audio/mpeg": ("mp3",),
    "audio/x-hx-aac-adts": ("aac",),
    "audio/x-hx-aac-adif": ("aac",),
    "audio/x-m4a": ("m4a",),
    "audio/vnd.dolby.dd-raw": ("ac3",),
    "audio/midi": ("midi",),
    "audio/AMR": ("amr",),
    "audio/x-caf": ("caf",),
    "audio/x-ape": ("ape",),
    "audio/x-dff": ("dff",),
    "audio/x-dsf": ("dsf",),
    "audio/x-musepack": ("musepack",),
    "video/mp4": ("mp4", "m4a"),
    "video/x-m4v": ("mp4",),
    "video/quicktime": ("mov",),
    "video/3gpp": ("3gp", "3g2"),
    "video/3gpp2": ("3g2",),
    "video/x-matroska": ("mkv",),
    "video/webm": ("webm",),
    "video/x-msvideo": ("avi",),
    "video/x-flv": ("flv",),
    "video/x-ms-asf": ("wmv", "wma"),
    "video/mpeg": ("mpeg-ps", "mpeg-es"),
    "video/MP2T": ("mpeg-ts",),
    "application/vnd.rn-realmedia": ("rm",),
    "application/x-shockwave-flash": ("swf",),
    "application/x-vnd.adobe.flash.movie": ("swf",),
    "model/gltf-binary": ("glb",),
    "application/x-empty": ("empty",),
    "inode/x-empty": ("empty",),
    "application/zip": ("zip", "3mf"),
    "application/gzip": ("gz",),
    "text/html": ("html",),
}


class Entry(NamedTuple):
    """A file of the manifest."""

    package: str
    path: str
    sha256: str
    labels: tuple[str, ...]

    @property
    def disputed(self) -> bool:
        """Suffix and libmagic differ: either counts as right."""
        return len(self.labels) > 1

    @property
    def held_out(self) -> bool:
        """Three quarters, by hash: never looked at while rules were changed."""
        return self.sha256[0] not in "0123"


class Absent(Exception):
    """A distribution is not in the cache, or is not the one that was frozen."""


def cache() -> Path:
    """Where distributions lie: ``HELIX_TEST_DATA``, or the user's cache."""
    named = os.environ.get("HELIX_TEST_DATA")
    return Path(named or platformdirs.user_cache_dir("helix-tests")) / "packages"


def load() -> dict[str, Any]:
    """The manifest."""
    loaded: dict[str, Any] = json.loads(MANIFEST.read_text("utf-8"))
    return loaded


def entries() -> list[Entry]:
    """All files that the manifest names."""
    return [
        Entry(p["name"], path, digest, tuple(labels))
        for p in load()["packages"]
        for path, digest, *labels in p["files"]
    ]


def members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of the files in a source distribution or a wheel."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as z:
            for info in z.infolist():
                if not info.is_dir():
                    yield info.filename, z.read(info)
        return
    with tarfile.open(archive) as t:
        for member in t:
            f = t.extractfile(member) if member.isfile() else None
            if f is not None:
                yield member.name, f.read()


def files() -> Iterator[tuple[Entry, bytes]]:
    """Every file of the manifest with its bytes, each checked.

    Raises
    ------
    Absent
    """
    for p in load()["packages"]:
        archive = cache() / p["file"]
        if not archive.is_file() or _sha256(archive.read_bytes()) != p["sha256"]:
            raise Absent(
                f"expected {archive} with the hash of the manifest. "
                "Hint: python -m tools.media_manifest fetch"
            )
        wanted = {path: (digest, labels) for path, digest, *labels in p["files"]}
        for name, data in members(archive):
            if name in wanted:
                digest, labels = wanted.pop(name)
                if _sha256(data) != digest:
                    raise Absent(f"expected {name} as it was frozen")
                yield Entry(p["name"], name, digest, tuple(labels)), data
        if wanted:
            raise Absent(f"expected {sorted(wanted)[0]} in {archive}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch() -> None:
    """Download what is missing with pip, without installing anything."""
    cache().mkdir(parents=True, exist_ok=True)
    for p in load()["packages"]:
        archive = cache() / p["file"]
        if not archive.is_file():
            kind = "--only-binary" if archive.suffix == ".whl" else "--no-binary"
            command = ["download", "-q", "--no-deps", kind, ":all:", "-d", str(cache())]
            what = f"{p['name']}=={p['version']}"
            subprocess.run([sys.executable, "-m", "pip", *command, what], check=True)
        if _sha256(archive.read_bytes()) != p["sha256"]:
            raise Absent(f"expected {archive} with the hash of the manifest")
        print(archive.name)


def label(package: str, path: str, data: bytes, media_type: str) -> list[str]:
    """The labels of a file by its suffix and by libmagic's media type."""
    suffix = path.rpartition(".")[2].lower()
    named = ELSE.get((package, suffix), SUFFIXES[suffix])
    if not data:
        return ["empty"]
    seen = TYPES.get(media_type, ())
    return [named] if named in seen or not seen else [named, *seen]


def freeze(archives: list[Path]) -> dict[str, Any]:
    """A manifest of the media files in distributions; each content once."""
    import magic

    ask = magic.Magic(mime=True)
    seen: set[str] = set()
    packages = []
    for archive in archives:
        name, version = _name(archive)
        found = []
        for path, data in members(archive):
            digest = _sha256(data)
            if path.rpartition(".")[2].lower() not in SUFFIXES or digest in seen:
                continue
            seen.add(digest)
            found.append(
                [path, digest, *label(name, path, data, ask.from_buffer(data))]
            )
        if found:
            packages.append(
                {
                    "name": name,
                    "version": version,
                    "file": archive.name,
                    "sha256": _sha256(archive.read_bytes()),
                    "files": sorted(found),
                }
            )
    return {"libmagic": magic.version(), "packages": packages}


def _name(archive: Path) -> tuple[str, str]:
    stem = archive.name.removesuffix(".tar.gz").removesuffix(".zip")
    name, version = stem.split("-")[:2]
    return name.lower().replace("_", "-"), version


def dump(manifest: dict[str, Any]) -> str:
    """JSON with one file a line, so that a change shows."""
    out = io.StringIO()
    out.write(f'{{"libmagic": {manifest["libmagic"]},\n "packages": [')
    for i, p in enumerate(manifest["packages"]):
        head = {k: v for k, v in p.items() if k != "files"}
        out.write(("," if i else "") + "\n  " + json.dumps(head)[:-1] + ', "files": [')
        rows = ",\n   ".join(json.dumps(row) for row in p["files"])
        out.write(f"\n   {rows}]}}")
    out.write("\n]}\n")
    return out.getvalue()


def summary(manifest: dict[str, Any]) -> str:
    """How many files of each format."""
    rows = [labels for p in manifest["packages"] for _, _, *labels in p["files"]]
    counts = Counter(r[0] for r in rows)
    disputed = sum(len(r) > 1 for r in rows)
    each = ", ".join(f"{k} {n}" for k, n in counts.most_common())
    return f"{len(rows)} files, {disputed} disputed: {each}"


def main() -> None:
    """The command line."""
    p = argparse.ArgumentParser(prog="tools.media_manifest", description=__doc__)
    p.add_argument("what", choices=("fetch", "check", "freeze"))
    p.add_argument("archives", nargs="*", type=Path, help="of freeze")
    args = p.parse_args()
    if args.what == "fetch":
        fetch()
    elif args.what == "check":
        print(f"{sum(1 for _ in files())} files are as they were frozen")
    else:
        MANIFEST.write_text(dump(freeze(args.archives)), "utf-8")
    print(summary(load()))


if __name__ == "__main__":
    main()

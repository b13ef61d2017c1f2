"""The table of formats: name, modality, media type, and signatures at offset 0.

A format without a signature here is decided by a check: `signatures.CHECKS` says after
which bytes each one is asked.
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A row: what a name means. ``magics`` are whole signatures, each decisive."""

    name: str
    modality: str
    mime: str
    magics: tuple[bytes, ...]


def _row(name: str, modality: str, mime: str, *magics: bytes) -> Format:
    return Format(name, modality, mime, magics)


_IMAGES = (
    _row("png", "image", "image/png", b"\x89PNG\r\n\x1a\n"),
    _row("mng", "image", "video/x-mng", b"\x8aMNG\r\n\x1a\n"),
    _row("jng", "image", "image/x-jng", b"\x8bJNG\r\n\x1a\n"),
    _row("jpeg", "image", "image/jpeg"),
    _row("gif", "image", "image/gif", b"GIF87a", b"GIF89a"),
    _row("bmp", "image", "image/bmp"),
    _row("tiff", "image", "image/tiff"),
    _row("webp", "image", "image/webp"),
    _row("pnm", "image", "image/x-portable-anymap"),
    _row("pfm", "image", "image/x-portable-floatmap"),
    _row("tga", "image", "image/x-tga"),
    _row("ico", "image", "image/vnd.microsoft.icon"),
    _row("cur", "image", "image/x-win-bitmap"),
    _row("ani", "image", "application/x-navi-animation"),
    _row("icns", "image", "image/x-icns"),
    _row(
        "jpeg2000",
        "image",
        "image/jp2",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        b"\xff\x4f\xff\x51\0",
    ),
    _row("avif", "image", "image/avif"),
    _row("heif", "image", "image/heif"),
    _row("cr3", "image", "image/x-canon-cr3"),
    _row("qoi", "image", "image/qoi"),
    _row("jxl", "image", "image/jxl", b"\0\0\0\x0cJXL \r\n\x87\n"),
    _row("jxr", "image", "image/jxr"),
    _row("psd", "image", "image/vnd.adobe.photoshop", b"8BPS\0\1", b"8BPS\0\2"),
    _row("xcf", "image", "image/x-xcf", b"gimp xcf "),
    _row("dds", "image", "image/vnd-ms.dds", b"DDS \x7c\0\0\0"),
    _row("exr", "image", "image/x-exr", b"\x76\x2f\x31\x01"),
    _row("hdr", "image", "image/vnd.radiance", b"#?RADIANCE\n", b"#?RGBE\n"),
    _row("svg", "image", "image/svg+xml"),
    _row("pcx", "image", "image/vnd.zbrush.pcx"),
    _row("photocd", "image", "image/x-photo-cd"),
    _row("dcx", "image", "image/x-dcx", b"\xb1\x68\xde\x3a"),
    _row("sgi", "image", "image/x-sgi"),
    _row("sun", "image", "image/x-sun-raster", b"\x59\xa6\x6a\x95"),
    _row("fits", "image", "image/fits", b"SIMPLE  =                    T"),
    _row("dicom", "image", "application/dicom"),
    _row("nifti", "image", "application/x-nifti"),
    _row("nrrd", "image", "image/x-nrrd", b"NRRD0004\n", b"NRRD0005\n"),
    _row("xpm", "image", "image/x-xpixmap", b"/* XPM */"),
    _row("xbm", "image", "image/x-xbitmap"),
    _row("ilbm", "image", "image/x-ilbm"),
    _row("emf", "image", "image/emf"),
    _row("wmf", "image", "image/wmf", b"\xd7\xcd\xc6\x9a"),
    _row(
        "ktx",
        "image",
        "image/ktx",
        b"\xabKTX 11\xbb\r\n\x1a\n",
        b"\xabKTX 20\xbb\r\n\x1a\n",
    ),
    _row("farbfeld", "image", "image/x-farbfeld", b"farbfeld"),
    _row("blp", "image", "image/x-blp", b"BLP1\0\0\0", b"BLP2\1\0\0\0"),
    _row("msp", "image", "image/x-msp", b"DanM", b"LinS"),
    _row("flif", "image", "image/flif", b"FLIF"),
    _row("bpg", "image", "image/bpg", b"BPG\xfb"),
)

_AUDIO = (
    _row("wav", "audio", "audio/wav"),
    _row("aiff", "audio", "audio/aiff"),
    _row("au", "audio", "audio/basic"),
    _row("flac", "audio", "audio/flac", b"fLaC"),
    _row("ogg", "audio", "audio/ogg"),
    _row("opus", "audio", "audio/opus"),
    _row("mp3", "audio", "audio/mpeg"),
    _row("aac", "audio", "audio/aac", b"ADIF"),
    _row("m4a", "audio", "audio/mp4"),
    _row("ac3", "audio", "audio/ac3"),
    _row("dts", "audio", "audio/vnd.dts", b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80"),
    _row("wavpack", "audio", "audio/x-wavpack"),
    _row("midi", "audio", "audio/midi", b"MThd\0\0\0\x06"),
    _row("amr", "audio", "audio/amr", b"#!AMR\n", b"#!AMR-WB\n", b"#!AMR_MC"),
    _row("caf", "audio", "audio/x-caf", b"caff\0\1\0\0"),
    _row("wma", "audio", "audio/x-ms-wma"),
    _row("ape", "audio", "audio/x-ape"),
    _row("tta", "audio", "audio/x-tta", b"TTA1", b"TTA2"),
    _row("musepack", "audio", "audio/x-musepack", b"MPCK"),
    _row("tak", "audio", "audio/x-tak", b"tBaK"),
    _row("dsf", "audio", "audio/x-dsf", b"DSD \x1c\0\0\0\0\0\0\0"),
    _row("dff", "audio", "audio/x-dff"),
    _row("optimfrog", "audio", "audio/x-optimfrog"),
    _row("voc", "audio", "audio/x-voc", b"Creative Voice File\x1a"),
    _row("realaudio", "audio", "audio/x-realaudio", b".ra\xfd"),
    _row("8svx", "audio", "audio/x-8svx"),
    _row("xm", "audio", "audio/x-xm", b"Extended Module: "),
    _row("it", "audio", "audio/x-it", b"IMPM"),
    _row("s3m", "audio", "audio/x-s3m"),
    _row("mod", "audio", "audio/x-mod"),
    _row("soundfont", "audio", "audio/x-sfbk"),
)

_VIDEO = (
    _row("mp4", "video", "video/mp4"),
    _row("mov", "video", "video/quicktime"),
    _row("3gp", "video", "video/3gpp"),
    _row("3g2", "video", "video/3gpp2"),
    _row("mj2", "video", "video/mj2"),
    _row("mkv", "video", "video/x-matroska"),
    _row("webm", "video", "video/webm"),
    _row("avi", "video", "video/x-msvideo"),
    _row("flv", "video", "video/x-flv"),
    _row("wmv", "video", "video/x-ms-wmv"),
    _row("mpeg-ps", "video", "video/mpeg"),
    _row("mpeg-ts", "video", "video/mp2t"),
    _row("mpeg-es", "video", "video/mpeg"),
    _row("h264", "video", "video/h264"),
    _row("ogv", "video", "video/ogg"),
    _row("rm", "video", "application/vnd.rn-realmedia", b".RMF\0\0\0", b".RMP\0\0\0"),
    _row("swf", "video", "application/x-shockwave-flash"),
    _row(
        "mxf",
        "video",
        "application/mxf",
        b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",
    ),
    _row("ivf", "video", "video/x-ivf", b"DKIF\0\0"),
    _row("y4m", "video", "video/x-yuv4mpeg", b"YUV4MPEG2 "),
    _row("fli", "video", "video/x-flic"),
    _row(
        "wtv",
        "video",
        "video/x-wtv",
        b"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07",
    ),
    _row("bink", "video", "video/x-bink", b"BIKi", b"BIKb", b"BIKf", b"KB2g", b"KB2i"),
    _row("nut", "video", "video/x-nut", b"nut/multimedia container\0"),
)

_POINTS = (
    _row("ply", "points", "model/ply"),
    _row("pcd", "points", "model/x-pcd"),
    _row("xyz", "points", "model/x-xyz"),
    _row("pts", "points", "model/x-pts"),
    _row("obj", "points", "model/obj"),
    _row("off", "points", "model/x-off", b"OFF BINARY\n", b"COFF BINARY\n"),
    _row("stl", "points", "model/stl"),
    _row("las", "points", "application/vnd.las"),
    _row("laz", "points", "application/vnd.laszip"),
    _row("e57", "points", "model/e57", b"ASTM-E57"),
    _row("glb", "points", "model/gltf-binary", b"glTF\2\0\0\0", b"glTF\1\0\0\0"),
    _row("gltf", "points", "model/gltf+json"),
    _row("3mf", "points", "model/3mf"),
    _row("dae", "points", "model/vnd.collada+xml"),
    _row("x3d", "points", "model/x3d+xml"),
    _row("vrml", "points", "model/vrml", b"#VRML V1.0 ascii", b"#VRML V2.0 utf8"),
    _row("vtk", "points", "model/x-vtk", b"# vtk DataFile Version"),
    _row("vtk-xml", "points", "model/x-vtk+xml", b"<VTKFile "),
    _row("gmsh", "points", "model/x-gmsh", b"$MeshFormat"),
    _row("fbx", "points", "model/x-fbx", b"Kaydara FBX Binary  \0"),
    _row("usd", "points", "model/vnd.usd", b"PXR-USDC", b"#usda 1.0"),
    _row("usdz", "points", "model/vnd.usdz+zip"),
    _row("3ds", "points", "model/x-3ds"),
    _row("ctm", "points", "model/x-ctm", b"OCTM\5\0\0\0"),
    _row("draco", "points", "model/x-draco", b"DRACO\1\1", b"DRACO\2\1", b"DRACO\2\2"),
    _row(
        "blend",
        "points",
        "application/x-blender",
        b"BLENDER-v",
        b"BLENDER_v",
        b"BLENDER17",
    ),
)

_TABLES = (
    _row("csv", "table", "text/csv"),
    _row("tsv", "table", "text/tab-separated-values"),
    _row("parquet", "table", "application/vnd.apache.parquet", b"PAR1", b"PARE"),
    _row("arrow", "table", "application/vnd.apache.arrow.file", b"ARROW1\0\0"),
    _row("arrow-stream", "table", "application/vnd.apache.arrow.stream"),
    _row("feather", "table", "application/x-feather", b"FEA1"),
    _row("orc", "table", "application/x-orc"),
    _row("avro", "table", "application/x-avro", b"Obj\1"),
    _row("sqlite", "table", "application/vnd.sqlite3", b"SQLite format 3\0"),
    _row("npy", "arrays", "application/x-npy", b"\x93NUMPY"),
    _row("npz", "arrays", "application/x-npz"),
    _row("hdf5", "arrays", "application/x-hdf5", b"\x89HDF\r\n\x1a\n"),
    _row("netcdf", "arrays", "application/x-netcdf", b"CDF\1", b"CDF\2", b"CDF\5"),
    _row("mat", "arrays", "application/x-matlab-data", b"MATLAB 5.0 MAT-file"),
    _row("safetensors", "arrays", "application/x-safetensors"),
    _row("gguf", "arrays", "application/x-gguf", b"GGUF\2\0\0\0", b"GGUF\3\0\0\0"),
)

_ARCHIVES = (
    _row("zip", "archive", "application/zip"),
    _row("jar", "archive", "application/java-archive"),
    _row("apk", "archive", "application/vnd.android.package-archive"),
    _row("wheel", "archive", "application/x-wheel+zip"),
    _row("tar", "archive", "application/x-tar"),
    _row("gz", "archive", "application/gzip"),
    _row("bz2", "archive", "application/x-bzip2"),
    _row("xz", "archive", "application/x-xz", b"\xfd7zXZ\0"),
    _row("lzma", "archive", "application/x-lzma"),
    _row("zstd", "archive", "application/zstd", b"\x28\xb5\x2f\xfd"),
    _row("lz4", "archive", "application/x-lz4", b"\x04\x22\x4d\x18"),
    _row("lzip", "archive", "application/x-lzip", b"LZIP\1"),
    _row("compress", "archive", "application/x-compress"),
    _row("7z", "archive", "application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c"),
    _row("rar", "archive", "application/vnd.rar", b"Rar!\x1a\7\0", b"Rar!\x1a\7\1\0"),
    _row("cab", "archive", "application/vnd.ms-cab-compressed", b"MSCF\0\0\0\0"),
    _row("cpio", "archive", "application/x-cpio", b"070701", b"070702", b"070707"),
    _row("ar", "archive", "application/x-archive", b"!<arch>\n"),
    _row(
        "deb",
        "archive",
        "application/vnd.debian.binary-package",
        b"!<arch>\ndebian-binary",
    ),
    _row("rpm", "archive", "application/x-rpm", b"\xed\xab\xee\xdb"),
    _row("xar", "archive", "application/x-xar", b"xar!\0\x1c"),
    _row("iso9660", "archive", "application/x-iso9660-image"),
    _row("squashfs", "archive", "application/x-squashfs", b"hsqs", b"sqsh"),
    _row("lha", "archive", "application/x-lzh-compressed"),
    _row("arj", "archive", "application/x-arj"),
)

_DOCUMENTS = (
    _row("pdf", "document", "application/pdf", b"%PDF-"),
    _row("postscript", "document", "application/postscript", b"%!PS"),
    _row("eps", "document", "application/postscript", b"\xc5\xd0\xd3\xc6"),
    _row("rtf", "document", "application/rtf", b"{\\rtf1"),
    _row("html", "document", "text/html"),
    _row("xml", "document", "application/xml"),
    _row("json", "document", "application/json"),
    _row("jsonl", "document", "application/jsonl"),
    _row("ipynb", "document", "application/x-ipynb+json"),
    _row(
        "ole",
        "document",
        "application/x-ole-storage",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    ),
    _row("djvu", "document", "image/vnd.djvu", b"AT&TFORM"),
    _row("chm", "document", "application/vnd.ms-htmlhelp", b"ITSF\3\0\0\0"),
    _row("mobi", "document", "application/x-mobipocket-ebook"),
    _row("epub", "document", "application/epub+zip"),
    _row(
        "docx",
        "document",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    _row(
        "xlsx",
        "document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
    _row(
        "pptx",
        "document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    _row("odt", "document", "application/vnd.oasis.opendocument.text"),
    _row("ods", "document", "application/vnd.oasis.opendocument.spreadsheet"),
    _row("odp", "document", "application/vnd.oasis.opendocument.presentation"),
    _row("odf", "document", "application/vnd.oasis.opendocument"),
    _row("ttf", "document", "font/ttf", b"\0\1\0\0\0"),
    _row("otf", "document", "font/otf", b"OTTO\0"),
    _row("ttc", "document", "font/collection", b"ttcf\0"),
    _row("woff", "document", "font/woff", b"wOFF"),
    _row("woff2", "document", "font/woff2", b"wOF2"),
)

_PROGRAMS = (
    _row("elf", "program", "application/x-elf", b"\x7fELF"),
    _row("pe", "program", "application/vnd.microsoft.portable-executable"),
    _row("dos", "program", "application/x-dosexec"),
    _row(
        "mach-o",
        "program",
        "application/x-mach-binary",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
    ),
    _row("java-class", "program", "application/java-vm"),
    _row("wasm", "program", "application/wasm", b"\0asm\1\0\0\0", b"\0asm\x0d\0\1\0"),
    _row("dex", "program", "application/x-dex", b"dex\n03"),
    _row("pyc", "program", "application/x-python-bytecode"),
    _row("llvm", "program", "application/x-llvm-bitcode", b"BC\xc0\xde"),
    _row("lua", "program", "application/x-lua-bytecode", b"\x1bLua"),
    _row("pickle", "program", "application/x-pickle"),
    _row("pytorch", "program", "application/x-pytorch"),
)

_TEXT = (
    _row("text", "text", "text/plain"),
    _row("empty", "bytes", "application/x-empty"),
    _row("bytes", "bytes", "application/octet-stream"),
)

FORMATS: dict[str, Format] = {
    f.name: f
    for group in (
        _IMAGES,
        _AUDIO,
        _VIDEO,
        _POINTS,
        _TABLES,
        _ARCHIVES,
        _DOCUMENTS,
        _PROGRAMS,
        _TEXT,
    )
    for f in group
}

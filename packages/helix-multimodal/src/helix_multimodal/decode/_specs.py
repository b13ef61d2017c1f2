"""Records of this package's decoders: dotted paths, nothing imported."""

from __future__ import annotations

from helix_core.contracts import DecoderSpec


def _own(
    name: str, modality: str, formats: str = "", suffix: str = "", file: str = ""
) -> DecoderSpec:
    module = f"helix_multimodal.decode.{file or name}"
    return DecoderSpec(
        name=name,
        factory=f"{module}:decode{suffix}",
        header=f"{module}:header{suffix}",
        formats=tuple((formats or name).split()),
        modality=modality,
        priority=10,
    )


SPECS = [
    _own("png", "image"),
    _own("pnm", "image", "pnm pfm"),
    _own("farbfeld", "image", suffix="_farbfeld", file="pnm"),
    _own("qoi", "image"),
    _own("wav", "audio"),
    _own("aiff", "audio"),
    _own("au", "audio", suffix="_au", file="aiff"),
    _own("npy", "arrays"),
    _own("npz", "arrays", suffix="_npz", file="npy"),
    _own("ply", "points"),
    _own("pcd", "points"),
    _own("xyz", "points", "xyz pts"),
    _own("obj", "points", suffix="_obj", file="mesh"),
    _own("off", "points", suffix="_off", file="mesh"),
    _own("stl", "points", suffix="_stl", file="mesh"),
    _own("las", "points"),
    _own("e57", "points"),
    _own("csv", "table", "csv tsv", "_table", "text"),
    _own("text", "text", "text html xml json jsonl ipynb svg"),
    DecoderSpec(
        name="sndfile",
        factory="helix_multimodal.decode.sndfile:decode",
        header="helix_multimodal.decode.sndfile:header",
        formats=(
            "flac",
            "ogg",
            "opus",
            "mp3",
            "caf",
            "wav",
            "aiff",
            "au",
            "voc",
            "8svx",
        ),
        modality="audio",
        extra="audio",
    ),
    DecoderSpec(
        name="ffmpeg",
        factory="helix_multimodal.decode.ffmpeg:decode",
        header="helix_multimodal.decode.ffmpeg:header",
        formats=tuple(
            "mp4 mov 3gp 3g2 mj2 mkv webm avi flv wmv mpeg-ps mpeg-ts mpeg-es h264 ogv "
            "rm swf mxf ivf y4m fli wtv bink nut".split()
        ),
        modality="video",
        isolation="process",
        extra="video",
    ),
    DecoderSpec(
        name="ffmpeg-audio",
        factory="helix_multimodal.decode.ffmpeg:decode_audio",
        header="helix_multimodal.decode.ffmpeg:header",
        formats=tuple(
            "aac m4a ac3 dts wavpack amr wma ape tta musepack tak dsf dff realaudio "
            "flac ogg opus mp3 caf wav aiff au voc 8svx".split()
        ),
        modality="audio",
        isolation="process",
        extra="video",
        priority=-10,
    ),
    DecoderSpec(
        name="laz",
        factory="helix_multimodal.decode.laz:decode",
        header="helix_multimodal.decode.laz:header",
        formats=("laz",),
        modality="points",
        isolation="process",
        extra="pointcloud",
    ),
]

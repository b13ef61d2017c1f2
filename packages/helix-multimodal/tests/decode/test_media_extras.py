"""What is said where the library of an extra is not installed."""

from __future__ import annotations

import sys

import pytest
from helix_multimodal import MissingExtra, decode

# format, beginning, the library, the extra
CASES = [
    ("flac", b"fLaC" + bytes(60), "soundfile", "audio"),
    ("mp4", b"\0\0\0\x18ftypisom" + bytes(60), "av", "video"),
    ("aac", b"\xff\xf1" + bytes(60), "av", "video"),
    ("laz", b"LASF" + bytes(400), "lazrs", "pointcloud"),
]


@pytest.mark.parametrize(("name", "data", "library", "extra"), CASES)
def test_the_message_tells_what_to_install(monkeypatch, name, data, library, extra):
    for module in ("soundfile", "av", "lazrs"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"helix-multimodal\[{extra}\]") as e:
        decode(data, format=name, isolation="thread")
    assert e.value.extra == extra
    assert library in str(e.value).lower().replace("pyav", "av")

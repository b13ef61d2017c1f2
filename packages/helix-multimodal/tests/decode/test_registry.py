"""``decode`` and ``header``: formats pinned, limits kept, one set of errors."""

from __future__ import annotations

import numpy as np
import pytest
from helix_core import plugins
from helix_core.contracts import DecoderSpec
from helix_multimodal import (
    Bytes,
    Corrupt,
    LimitExceeded,
    Limits,
    PluginFailed,
    UnknownFormat,
    UnsupportedFormat,
    decode,
    detect,
    header,
)
from helix_multimodal.decode import refresh

PGM = b"P5 2 1 255 \x00\xff"


def test_decode_detects():
    got = decode(PGM)
    assert got.format == "pnm"
    assert got.pixels.tolist() == [[[0], [255]]]
    assert header(PGM) == {
        "format": "pnm",
        "modality": "image",
        "width": 2,
        "height": 1,
        "channels": 1,
        "maxval": 255,
    }


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, np.frombuffer])
def test_any_buffer(kind):
    data = np.frombuffer(PGM, np.uint8) if kind is np.frombuffer else kind(PGM)
    assert decode(data).pixels.shape == (1, 2, 1)


def test_the_format_is_pinned():
    with pytest.raises(Corrupt):
        decode(PGM, format="png")
    assert decode(PGM, detection=detect(PGM)).format == "pnm"


def test_arguments():
    with pytest.raises(TypeError, match="expected bytes"):
        decode("text")
    with pytest.raises(ValueError, match="did you mean 'png'"):
        decode(PGM, format="pngg")
    with pytest.raises(ValueError, match="isolation"):
        decode(PGM, isolation="prison")
    with pytest.raises(TypeError, match="frames"):
        decode(b"\x89PNG\r\n\x1a\n", format="png", framez=True)


def test_what_nothing_decodes():
    with pytest.raises(UnknownFormat):
        decode(b"")
    with pytest.raises(UnknownFormat):
        decode(b"\x00\x01\x02\xfe\xff" * 9)
    with pytest.raises(UnsupportedFormat, match="pdf"):
        decode(b"%PDF-1.7 ...")


def test_input_bytes():
    with pytest.raises(LimitExceeded) as e:
        decode(PGM, limits=Limits(input_bytes=3))
    assert e.value.limit == "input_bytes"


class Panic(BaseException):
    """What a panic of Rust looks like."""


def foreign(data, meter, *, how="good"):
    if how == "good":
        return Bytes(data=bytes(data))
    if how == "memory":
        raise MemoryError
    if how == "panic":
        raise Panic("at the disco")
    return how


@pytest.fixture
def plugin(request):
    path = f"{__name__}:foreign"
    spec = DecoderSpec(name="test-foreign", factory=path, formats=("pdf",))
    plugins.register(spec, "decoders")
    refresh()
    yield
    plugins.reset()
    refresh()


def test_a_decoder_of_another_package(plugin):
    assert decode(b"%PDF-1.7").data == b"%PDF-1.7"
    with pytest.raises(LimitExceeded) as e:
        decode(b"%PDF-1.7", how="memory")
    assert e.value.limit == "memory"
    with pytest.raises(PluginFailed, match="Panic: at the disco"):
        decode(b"%PDF-1.7", how="panic")
    with pytest.raises(PluginFailed, match="a int"):
        decode(b"%PDF-1.7", how=3)

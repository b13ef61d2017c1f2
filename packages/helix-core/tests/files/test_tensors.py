"""Tensor files: the format's own library is the oracle; hostile files are refused."""

from __future__ import annotations

import json
import stat
import struct

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from helix_core import files, platform
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

DTYPES = [
    ("BOOL", bool),
    ("U8", np.uint8),
    ("I8", np.int8),
    ("U16", np.uint16),
    ("I16", np.int16),
    ("U32", np.uint32),
    ("I32", np.int32),
    ("U64", np.uint64),
    ("I64", np.int64),
    ("F16", np.float16),
    ("F32", np.float32),
    ("F64", np.float64),
    ("BF16", ml_dtypes.bfloat16),
    ("F8_E4M3", ml_dtypes.float8_e4m3fn),
    ("F8_E5M2", ml_dtypes.float8_e5m2),
    ("C64", np.complex64),
]


def entry(dtype="F32", shape=(2,), at=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(at)}


def build(header, data=b"", length=None):
    """A file from its parts; ``length`` is what the first eight bytes claim."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    n = len(text) if length is None else length
    return struct.pack("<Q", n) + text + data


# ------------------------------------------------------------------------ round trips
@pytest.mark.parametrize("name, dtype", DTYPES, ids=[n for n, _ in DTYPES])
@pytest.mark.parametrize("shape", [(3, 4), (), (0,), (2, 0, 3)])
def test_every_dtype_and_shape_is_what_safetensors_reads(tmp_path, name, dtype, shape):
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    path = tmp_path / "x.safetensors"
    files.save_tensors(path, {"a": a})
    [(key, found)] = deserialize(path.read_bytes())
    assert (key, found["dtype"], tuple(found["shape"])) == ("a", name, shape)
    assert bytes(found["data"]) == a.tobytes()
    back = files.load_tensors(path)["a"]
    assert back.dtype == np.dtype(dtype) and back.shape == shape
    assert back.tobytes() == a.tobytes()


@pytest.mark.parametrize("name, dtype", DTYPES, ids=[n for n, _ in DTYPES])
def test_what_safetensors_writes_is_read(tmp_path, name, dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    path = tmp_path / "x.safetensors"
    path.write_bytes(save({"a": a, "b": a[0]}, metadata={"k": "v"}))
    found = files.load_tensors(path)
    assert sorted(found) == ["a", "b"]
    assert found["a"].dtype == a.dtype and found["a"].tobytes() == a.tobytes()
    assert found["b"].tobytes() == a[0].tobytes()
    assert files.read_metadata(path) == {"k": "v"}


@pytest.mark.parametrize("narrow", [np.int8, ml_dtypes.float8_e5m2])
def test_loaded_arrays_come_in_the_order_of_the_file(tmp_path, narrow):
    given = {
        "c": np.ones((2, 2), narrow),
        "a": np.full((), 2, narrow),
        "d": np.arange(3.0),
        "b": np.ones((0, 4), ml_dtypes.bfloat16),
    }
    files.save_tensors(tmp_path / "x", given)
    found = files.load_tensors(tmp_path / "x")
    assert list(found) == ["d", "b", "a", "c"]
    for name, a in found.items():
        assert (a.dtype, a.shape) == (given[name].dtype, given[name].shape)
        assert a.tobytes() == given[name].tobytes() and a.flags.writeable


def test_layouts_are_stored_by_value(tmp_path):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    given = {
        "transposed": base.T,
        "strided": base[::2, ::-3],
        "fortran": np.asfortranarray(base),
        "broadcast": np.broadcast_to(base[0], (3, 6)),
        "big endian": base.astype(">f4"),
        "big endian ints": np.arange(5, dtype=">i8"),
    }
    files.save_tensors(tmp_path / "x", given)
    found = files.load_tensors(tmp_path / "x")
    for name, a in given.items():
        np.testing.assert_array_equal(found[name], a)
        assert found[name].dtype.isnative and found[name].flags.c_contiguous


def test_loaded_arrays_are_writable_and_separate(tmp_path):
    files.save_tensors(tmp_path / "x", {"a": np.zeros(3), "b": np.zeros(3)})
    found = files.load_tensors(tmp_path / "x")
    found["a"][:] = 1
    assert found["b"].sum() == 0
    assert files.load_tensors(tmp_path / "x")["a"].sum() == 0


def test_arrays_are_aligned_in_the_file(tmp_path):
    arrays = {
        "c": np.ones(3, np.int8),
        "b": np.ones(1, np.float64),
        "a": np.ones(5, bool),
    }
    files.save_tensors(tmp_path / "x", arrays)
    raw = (tmp_path / "x").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert length % 8 == 0
    header = json.loads(raw[8 : 8 + length])
    assert header["b"]["data_offsets"] == [0, 8]


def test_special_values_keep_their_bits(tmp_path):
    a = np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324])
    files.save_tensors(tmp_path / "x", {"a": a})
    assert files.load_tensors(tmp_path / "x")["a"].tobytes() == a.tobytes()


def test_an_empty_dict_is_a_file(tmp_path):
    files.save_tensors(tmp_path / "x", {})
    assert files.load_tensors(tmp_path / "x") == {}
    assert deserialize((tmp_path / "x").read_bytes()) == []


def test_metadata_is_text(tmp_path):
    files.save_tensors(tmp_path / "x", {"a": np.zeros(1)}, {"note": "Grüße\n"})
    assert files.read_metadata(tmp_path / "x") == {"note": "Grüße\n"}


def test_a_module_comes_back(tmp_path):
    class Net(hx.Module):
        def __init__(self):
            self.w = hx.Parameter(hx.tensor([[1.0, 2.0]]))

    net = Net()
    arrays = {k: np.asarray(v) for k, v in net.state_dict().items()}
    files.save_tensors(tmp_path / "net.safetensors", arrays)
    other = Net()
    other.w.value = hx.zeros((1, 2))
    other.load_state_dict(files.load_tensors(tmp_path / "net.safetensors"))
    np.testing.assert_array_equal(np.asarray(other.w.value), [[1.0, 2.0]])


def test_memory_is_one_copy(tmp_path, python):
    code = """
import sys, numpy as np
from helix_core import files
from helix_core.platform import peak_rss as peak
a = {str(i): np.ones(1 << 20) for i in range(16)}          # 128 MiB
start = peak()
files.save_tensors(sys.argv[1], a)
saved = peak() - start
del a
files.load_tensors(sys.argv[1])
print(saved, peak() - start)
"""
    done = python(code, tmp_path / "x")
    assert done.returncode == 0, done.stderr
    saved, loaded = map(int, done.stdout.split())
    assert saved < 16 << 20 and loaded < 32 << 20


# ------------------------------------------------------------------------- what is refused
def test_unknown_dtypes_are_refused_and_nothing_is_written(tmp_path):
    for bad in (
        np.zeros(2, np.complex128),
        np.zeros(2, "datetime64[s]"),
        np.array(["a"]),
        np.array([None]),
        np.zeros(2, [("x", int)]),
    ):
        with pytest.raises(files.FileError, match=r"\[save\] expected .*'w'"):
            files.save_tensors(tmp_path / "x", {"ok": np.zeros(1), "w": bad})
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["__metadata__", 3])
def test_names_are_text(tmp_path, name):
    with pytest.raises(files.FileError, match=r"\[save\] expected a str as name"):
        files.save_tensors(tmp_path / "x", {name: np.zeros(1)})


@pytest.mark.parametrize("metadata", [{"a": float("nan")}, {"a": 1}, {1: "a"}])
def test_metadata_that_is_not_text_is_refused(tmp_path, metadata):
    with pytest.raises(files.FileError, match=r"metadata of str to str.*Hint"):
        files.save_tensors(tmp_path / "x", {}, metadata)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, metadata", [("\ud800", {}), ("a", {"k": "\ud800"})])
def test_text_that_is_no_unicode_is_refused(tmp_path, name, metadata):
    with pytest.raises(files.FileError, match=r"\[save\] expected .*surrogates"):
        files.save_tensors(tmp_path / "x", {name: np.zeros(1)}, metadata)
    assert list(tmp_path.iterdir()) == []


ZEROS = b"\0" * 16
HOSTILE = {
    "no bytes": b"",
    "five bytes": b"12345",
    "plain text": b"This is a letter, and no tensor file at all.\n",
    "header longer than the file": build({}, length=10**6),
    "header of 2**63 bytes": build({}, length=2**63),
    "header is no json": build(b"{]"),
    "header is a list": build(b"[]"),
    "header nests": build(b"[" * 100_000),
    "header is not utf-8": build(b'{"\xff": {}}'),
    "entry is a number": build({"a": 5}),
    "overlap": build({"a": entry(), "b": entry(at=(4, 12))}, ZEROS[:12]),
    "same bytes twice": build({"a": entry(), "b": entry()}, ZEROS[:8]),
    "gap": build({"a": entry(at=(4, 12))}, ZEROS[:12]),
    "out of range": build({"a": entry(shape=(4,), at=(0, 16))}, ZEROS[:8]),
    "far out of range": build({"a": entry(shape=(2**40,), at=(0, 2**42))}, ZEROS),
    "truncated data": build({"a": entry()}, ZEROS[:7]),
    "trailing data": build({"a": entry()}, ZEROS[:9]),
    "negative offset": build({"a": entry(at=(-8, 0))}, ZEROS[:8]),
    "offsets swapped": build({"a": entry(at=(8, 0))}, ZEROS[:8]),
    "three offsets": build({"a": entry(at=(0, 8, 8))}, ZEROS[:8]),
    "negative extent": build({"a": entry(shape=(-2,))}, ZEROS[:8]),
    "two negative extents": build({"a": entry(shape=(-2, -1))}, ZEROS[:8]),
    "extent is a float": build({"a": entry(shape=(2.0,))}, ZEROS[:8]),
    "extent is true": build({"a": entry(shape=(True, 2))}, ZEROS[:8]),
    "size overflows": build({"a": entry(shape=(2**62, 8), at=(0, 0))}),
    "extent of 5000 digits": build(
        b'{"a":{"dtype":"U8","shape":[1%s],"data_offsets":[0,0]}}' % (b"0" * 5000)
    ),
    "a million dimensions": build(
        {"a": entry(shape=[1] * 10**6, at=(0, 4))}, ZEROS[:4]
    ),
    "unknown dtype": build({"a": entry("F31")}, ZEROS[:8]),
    "dtype is a list": build({"a": entry(["F32"])}, ZEROS[:8]),
    "no dtype": build({"a": {"shape": [2], "data_offsets": [0, 8]}}, ZEROS[:8]),
    "wrong dtype": build({"a": entry("F64")}, ZEROS[:8]),
    "a name twice": build(
        b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), ZEROS[:8]
    ),
    "metadata is NaN": build(b'{"__metadata__":{"a":NaN}}'),
    "metadata is a number": build({"__metadata__": {"a": 1}}),
    "metadata is a list": build({"__metadata__": ["a"]}),
    "a metadata key twice": build(b'{"__metadata__":{"a":"1","a":"2"}}'),
    "metadata twice": build(b'{"__metadata__":{},"__metadata__":{}}'),
}
# refused here only: of two equal keys the last one wins there, so that two readers of
# one file may see different weights
LENIENT = {"a name twice", "a metadata key twice", "a million dimensions"}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused(tmp_path, what):
    raw = HOSTILE[what]
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw)
    if what in LENIENT:
        deserialize(raw)
    else:
        with pytest.raises(SafetensorError):
            deserialize(raw)
    message = r"\[load\] expected a safetensors file; got '.*x\.safetensors'"
    with pytest.raises(files.FileError, match=message):
        files.load_tensors(path)
    with pytest.raises(files.FileError, match=message):
        files.read_metadata(path)


def test_a_huge_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x"
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", 200_000_000))
        f.truncate(1 << 30)  # sparse
    before = platform.peak_rss()
    with pytest.raises(files.FileError, match="its header would have 200000000"):
        files.load_tensors(path)
    assert platform.peak_rss() - before < 50 << 20


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(
            files.FileError, match=r"\[load\] expected a safetensors file"
        ):
            files.load_tensors(path)
        with pytest.raises(files.FileError):
            files.read_metadata(path)


@pytest.mark.parametrize("kind", ["F4", "F8_E8M0"])
def test_dtypes_that_we_lack_are_named(tmp_path, kind):
    path = tmp_path / "x"
    path.write_bytes(
        build({"a": entry(kind, (16,) if kind == "F4" else (8,))}, ZEROS[:8])
    )
    deserialize(path.read_bytes())
    with pytest.raises(
        files.FileError, match=f"'a' has the dtype '{kind}'; known: BOOL"
    ):
        files.load_tensors(path)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_flipped_byte_is_an_error_or_the_same_arrays_as_there(tmp_path_factory, data):
    arrays = {"ab": np.arange(3, dtype=np.float32), "c": np.ones((2, 2), np.int16)}
    path = tmp_path_factory.mktemp("fuzz") / "x"
    files.save_tensors(path, arrays, {"k": "v"})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        found = files.load_tensors(path)
    except files.FileError:
        return
    there = {k: (v["shape"], bytes(v["data"])) for k, v in deserialize(bytes(raw))}
    assert {k: (list(v.shape), v.tobytes()) for k, v in found.items()} == there


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64))
def test_random_headers_never_do_anything_but_raise(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("fuzz") / "x"
    path.write_bytes(build(noise))
    try:
        found = files.load_tensors(path)
    except files.FileError:
        return
    assert found == {}


# ---------------------------------------------------------------------------- writing
def test_permissions_follow_the_umask(tmp_path):
    files.save_tensors(tmp_path / "x", {"a": np.zeros(1)})
    (tmp_path / "plain").touch()
    mode = stat.S_IMODE((tmp_path / "x").stat().st_mode)
    assert mode == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(
        files.FileError, match=r"\[save\] expected to write '.*none/x'; got.*Hint"
    ):
        files.save_tensors(tmp_path / "none" / "x", {"a": np.zeros(1)})

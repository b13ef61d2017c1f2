"""Files: only the ends are read, and what is no file says so."""

import os
from pathlib import Path

import pytest
from helix_multimodal import Unreadable
from helix_multimodal.detect import detect_file


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wrong.txt"
    path.write_bytes(b"fLaC\0\0\0\x22")
    assert detect_file(path).format == "flac"
    assert detect_file(str(path)).format == "flac"


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "nothing.png"
    path.touch()
    assert detect_file(path).format == "empty"


def test_a_terabyte_is_read_at_its_ends(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npy"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\1\0")
        try:
            f.truncate(1 << 40)
        except OSError:
            f.truncate(1 << 31)
    assert detect_file(path).format == "npy"


@pytest.mark.parametrize("what", ["missing", "a\0b", "x" * 5000])
def test_a_path_that_names_nothing(tmp_path: Path, what: str) -> None:
    with pytest.raises(Unreadable, match=r"^\[detect\] expected a file"):
        detect_file(str(tmp_path / what))


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="a directory"):
        detect_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable, match="a named pipe"):
        detect_file(tmp_path / "pipe")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
def test_a_device() -> None:
    with pytest.raises(Unreadable, match="a device"):
        detect_file("/dev/zero")


def test_a_loop_of_links(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    try:
        a.symlink_to(b)
        b.symlink_to(a)
    except OSError:
        pytest.skip("links are not allowed here")
    with pytest.raises(Unreadable):
        detect_file(a)

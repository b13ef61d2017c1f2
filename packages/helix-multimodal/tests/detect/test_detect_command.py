# ruff: noqa: RUF001 - Cyrillic
"""``helix detect``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from helix_multimodal.commands.detect import detect


def run(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(detect, [str(a) for a in args])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.dat").write_bytes(b"fLaC\0\0\0\x22" + bytes(40))
    (tmp_path / "b[bold].dat").write_bytes(b"GIF89a" + bytes(20) + b"<html><script>")
    (tmp_path / "c.png").write_bytes("Все люди рождаются свободными".encode("koi8-r"))
    return tmp_path


def test_a_table(folder: Path) -> None:
    files = sorted(folder.iterdir())
    head, *rows = run(*files).stdout.splitlines()
    names = ["file", "format", "modality", "sure", "evidence", "also"]
    assert head.split() == names
    assert [r.split()[1] for r in rows] == ["flac", "gif", "text"]
    assert "audio" in rows[0] and "signature of flac" in rows[0]
    assert rows[1].startswith(str(files[1])) and rows[1].endswith("html at 26")
    assert "(koi8-r)" in rows[2] and "weak" in rows[2]


def test_json(folder: Path) -> None:
    a, b = json.loads(run(folder / "a.dat", folder / "b[bold].dat", "--json").stdout)
    assert (a["format"], a["mime"], a["bytes"]) == ("flac", "audio/flac", 48)
    assert a["evidence"] == [{"offset": 0, "rule": "signature of flac"}]
    assert [x["format"] for x in b["also"]] == ["html"]


def test_all_candidates(folder: Path) -> None:
    found = json.loads(run(folder / "c.png", "--all", "--json").stdout)[0]
    ranked = [(c["format"], c["encoding"]) for c in found["candidates"]]
    assert ranked[0] == ("text", "koi8-r") and ranked[-1] == ("bytes", "")
    assert ("text", "cp1251") in ranked
    assert len(run(folder / "c.png", "--all").stdout.splitlines()) == 1 + len(ranked)


def test_what_cannot_be_read(folder: Path) -> None:
    result = run(folder / "missing", folder / "a.dat", folder, code=1)
    assert "flac" in result.stdout
    assert result.stderr.count("[detect] expected a file") == 2
    rows = json.loads(run(folder, "--json", code=1).stdout)
    assert "a directory" in rows[0]["error"]


def test_help_shows_examples() -> None:
    assert "helix detect photo.jpg" in run("--help").output
    assert "FILE" in run(code=2).output

"""JSON files are replaced whole; JSON lines are whole lines."""

from __future__ import annotations

import json
import math
import os

import pytest
from helix_core import files


def test_a_value_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, True, "ß"], "b": {}}
    files.write_json(tmp_path / "x", value)
    assert files.read_json(tmp_path / "x") == value
    assert json.loads((tmp_path / "x").read_text("utf-8")) == value


@pytest.mark.parametrize("bad", [math.nan, math.inf, {1, 2}, b"x", object()])
def test_what_json_lacks_is_refused_and_the_old_file_stays(tmp_path, bad):
    files.write_json(tmp_path / "x", 1)
    with pytest.raises(
        files.FileError, match=r"\[write\] expected plain.*x'; got.*Hint"
    ):
        files.write_json(tmp_path / "x", {"a": bad})
    assert files.read_json(tmp_path / "x") == 1
    assert os.listdir(tmp_path) == ["x"]


def test_a_circle_is_refused(tmp_path):
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(files.FileError, match=r"\[write\] expected plain"):
        files.write_json(tmp_path / "x", circle)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"{} x"], ids=repr
)
def test_what_is_no_json_is_named(tmp_path, raw):
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(
        files.FileError, match=r"\[read\] expected a JSON file; got '.*x'"
    ):
        files.read_json(tmp_path / "x")


def test_missing_and_too_large_files_are_named(tmp_path):
    with pytest.raises(files.FileError, match=r"\[read\] .*none"):
        files.read_json(tmp_path / "none")
    (tmp_path / "x").write_text("[" + "0," * 100 + "0]")
    with pytest.raises(files.FileError, match=r"at most 100 bytes; .* has 203"):
        files.read_json(tmp_path / "x", limit=100)


# ------------------------------------------------------------------------- JSON lines
def test_rows_come_back_in_order(tmp_path):
    path = tmp_path / "m.jsonl"
    rows = [{"step": i, "loss": i / 7} for i in range(5)]
    for row in rows:
        files.append_jsonl(path, row)
    assert list(files.read_jsonl(path)) == rows
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows


def test_nan_stays_nan(tmp_path):
    files.append_jsonl(tmp_path / "m", {"loss": math.nan})
    [row] = files.read_jsonl(tmp_path / "m")
    assert math.isnan(row["loss"])


def test_a_torn_last_line_is_left_out_and_overwritten(tmp_path):
    path = tmp_path / "m"
    files.append_jsonl(path, {"step": 1})
    with open(path, "ab") as f:
        f.write(b'{"step": 2, "lo')
    assert list(files.read_jsonl(path)) == [{"step": 1}]
    files.append_jsonl(path, {"step": 2})
    assert list(files.read_jsonl(path)) == [{"step": 1}, {"step": 2}]


def test_only_a_torn_line(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b'{"st')
    assert list(files.read_jsonl(path)) == []
    files.append_jsonl(path, 1)
    assert path.read_bytes() == b"1\n"


def test_a_damaged_line_is_an_error_with_its_number(tmp_path):
    (tmp_path / "m").write_bytes(b'{"step": 1}\n\0\0\0\n{"step": 3}\n')
    rows = files.read_jsonl(tmp_path / "m")
    assert next(rows) == {"step": 1}
    with pytest.raises(files.FileError, match=r"\[read\] expected JSON in line 2 of"):
        next(rows)


def test_reading_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(files.FileError, match=r"\[read\] .*none"):
        list(files.read_jsonl(tmp_path / "none"))


def test_truncation_keeps_chosen_whole_rows(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b'{"step": 1}\n{"step": 2}\n\0\0\n{"step": 3}\n{"step": 4}')
    assert files.truncate_jsonl(path, lambda r: r["step"] != 2) == 2
    assert path.read_bytes() == b'{"step": 1}\n{"step": 3}\n'
    assert files.truncate_jsonl(tmp_path / "none", lambda r: True) == 0


def test_a_row_that_is_no_json_is_refused(tmp_path):
    with pytest.raises(files.FileError, match=r"\[append\] expected plain values"):
        files.append_jsonl(tmp_path / "m", {"a": {1}})
    assert not (tmp_path / "m").exists()


def test_appending_to_a_folder_is_an_error(tmp_path):
    with pytest.raises(files.FileError, match=r"\[append\] expected to write '"):
        files.append_jsonl(tmp_path, 1)

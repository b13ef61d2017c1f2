import json
import sys

import numpy as np
import pytest
from helix_hammer import measures, report

ROWS = [{"step": k, "loss": 3.0 / k, "bytes_per_s": 100.0 * k} for k in range(1, 201)]
ROWS.insert(100, {"step": 100, "val_bits_per_byte": 2.5})


@pytest.fixture
def run(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    return tmp_path


def test_rows_and_rate(run):
    assert report.read_metrics(run) == ROWS
    assert report.median_rate(run) == 10_050.0
    assert report.median_rate(run / "nothing") == 0.0


def test_summary_is_all_on_the_same_bytes():
    data = np.frombuffer(b"abracadabra" * 30, np.uint8)
    s = report.summary(data, 1.25, {"step": 7})
    assert (
        s["validation_bytes"] == 330 and s["bits_per_byte"] == 1.25 and s["step"] == 7
    )
    assert s["compressors"] == measures.compressed_bits(data)
    assert s["order_2_entropy"] < s["order_1_entropy"] < 2.1
    json.dumps(s)


def test_table(capsys):
    data = np.frombuffer(b"abracadabra" * 30, np.uint8)
    values = report.summary(data, 1.25, {"step": 7, "bytes_per_s": 9876.5})
    report.table({**values, "peak_memory_bytes": 3 << 20}, "Run x")
    out = capsys.readouterr().out
    assert "this model, 7 steps" in out and "1.250" in out
    assert "on 330 bytes  trained at 9,876 bytes/s  peak memory 3 MiB" in out


def test_a_loss_curve(run):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    path = report.plot_loss(run)
    assert path == run / "loss.png"
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000
    assert {p.name for p in run.iterdir()} == {"metrics.jsonl", "loss.png"}


def test_no_loss_curve_without_matplotlib(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert report.plot_loss(run) is None


def test_no_loss_curve_without_rows(tmp_path):
    assert report.plot_loss(tmp_path) is None


def test_a_sample_is_text_whatever_the_bytes():
    class Model:
        def generate(self, prompt, count, **kw):
            assert prompt == [100, 101] and kw["seed"] == 3
            return [0xFF, 65, 0x1B, 10][:count]  # 0x1B would speak to the terminal

    assert report.sample_text(Model(), b"de", 4, 3) == "de\ufffdA\ufffd\n"
    assert report.sample_text(object(), b"de", 2, 3) is None

import io
import re

import pytest
from hammer_kit import make_trainer
from helix_hammer import progress
from helix_hammer.progress import BarProgress, PlainProgress, Progress, make_progress
from rich.console import Console

BITS = ("bits per byte", 2.0)


def row(step, loss=1.5, rate=12345.6):
    return {"step": step, "loss": loss, "lr": 0.1, "bytes_per_s": rate}


def test_plain_lines(capsys):
    p = PlainProgress(*BITS, every=0.0)
    with p:
        p.start(10, 20)
        p.step(row(11))
        p.note({"step": 11, "val_bits_per_byte": 2.34567}, best=True)
        p.step(row(20))
    err = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"step 11/20  bits per byte 3\.000  12,346 bytes/s  0:00:\d\d left", err[0]
    )
    assert err[1] == "step 11/20  validation bits per byte 2.346  (best)"
    assert err[2].startswith("step 20/20") and err[2].endswith("0:00:00 left")


def test_plain_lines_are_few(capsys):
    p = PlainProgress()
    p.start(0, 1000)
    for k in range(1, 1001):
        p.step(row(k))
    assert len(capsys.readouterr().err.splitlines()) == 2  # the first and the last


def test_the_time_left_is_measured_since_the_start(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    p = PlainProgress(every=0.0)
    p.start(500, 1000)
    now[0] += 36.0
    p.step(row(510))  # 3.6 s a step, 490 steps left
    assert "0:29:24 left" in capsys.readouterr().err


def test_the_shown_loss_is_an_average(capsys):
    p = PlainProgress(every=0.0)
    p.start(0, 2)
    p.step(row(1, loss=1.0))
    p.step(row(2, loss=3.0))
    assert "loss 2.010" in capsys.readouterr().err  # (0.98 * 1 + 3) / 1.98


def test_a_bar_shows_bits_rate_and_time_left():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    bar = BarProgress(*BITS, console=console)
    with bar:
        bar.start(10, 40)
        for k in range(11, 31):
            bar.step(row(k))
            bar.shown = 0.0
        bar.note({"step": 30, "val_bits_per_byte": 2.5})
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert "30/40" in shown and "bits per byte 3.000" in shown
    assert "12,346 bytes/s" in shown and re.search(r"\d:\d\d:\d\d left", shown)
    assert "step 30  validation bits per byte 2.5" in shown


def test_where_it_goes(monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    assert type(make_progress(True)) is PlainProgress
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert type(make_progress(True)) is BarProgress
    assert type(make_progress(False)) is Progress
    mine = Progress()
    assert make_progress(mine) is mine


def test_a_trainer_shows_every_step_to_its_progress():
    class Count(Progress):
        steps_seen, notes = 0, 0

        def step(self, row):
            self.steps_seen += 1

        def note(self, row, best=False):
            self.notes += 1

    p = Count()
    make_trainer(steps=5, eval_every=2, progress=p).fit()
    assert (p.steps_seen, p.notes, p.steps) == (5, 3, 5)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "0:00:00"), (61, "0:01:01"), (36000, "10:00:00")]
)
def test_clock(seconds, text):
    assert progress._clock(seconds) == text

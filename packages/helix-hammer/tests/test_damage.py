"""Damaged checkpoints, full disks, two processes: the last good state stays."""

import os
import shutil
import subprocess
import sys

import pytest
from hammer_kit import checkpoint, make_trainer, rows
from helix_core import files, platform
from helix_hammer import RunDir, RunError

KEPT = {"dropout": 0.3, "ema": 0.9, "eval_every": 2, "save_every": 2, "keep_last": 3}
FILES = ["model.safetensors", "optim.safetensors", "ema.safetensors", "state.json"]
FILES += ["MANIFEST.json"]


def fit(run_dir, steps, **more):
    t = make_trainer(steps=steps, run_dir=run_dir, **KEPT, **more)
    return t, t.fit()


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "delete":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncate":
        path.write_bytes(data[:-2])
    else:
        at = {"flip first": 0, "flip middle": len(data) // 2, "flip last": -1}[how]
        data[at] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "how", ["delete", "empty", "truncate", "flip first", "flip middle", "flip last"]
)
def test_a_damaged_file_means_the_checkpoint_before_and_a_warning(tmp_path, name, how):
    fit(tmp_path / "a", 6)
    fit(tmp_path / "b", 4)
    damage(tmp_path / "b" / "ckpt" / "step_00000004" / name, how)
    with pytest.warns(UserWarning, match=r"going back to step 2: .*step.*4"):
        fit(tmp_path / "b", 6)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert checkpoint(tmp_path / "a", 6) == checkpoint(tmp_path / "b", 6)


def test_a_missing_folder_means_the_checkpoint_before(tmp_path):
    fit(tmp_path, 4)
    (tmp_path / "ckpt" / "step_00000004").rename(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match=r"going back to step 2: .*step 4 is missing"):
        t, _ = fit(tmp_path, 4)
    assert t.run.store.steps() == [2, 4]


def test_a_damaged_pointer_does_not_matter(tmp_path):
    fit(tmp_path, 4)
    (tmp_path / "ckpt" / "LATEST").write_text("nonsense")
    _, result = fit(tmp_path, 4)
    assert result["step"] == 4


def test_damaged_checkpoints_do_not_push_good_ones_out(tmp_path):
    t, _ = fit(tmp_path, 8)
    assert t.run.store.steps() == [4, 6, 8]
    for step in (6, 8):
        damage(t.run.store.path(step) / "state.json", "truncate")
    with pytest.warns(UserWarning, match="going back to step 4"):
        again = make_trainer(steps=5, run_dir=tmp_path, **KEPT)
        again.fit()
    assert again.run.store.steps() == [4, 5]
    assert again.run.store.load().step == 5


def test_when_all_are_damaged_nothing_is_thrown_away(tmp_path):
    t, _ = fit(tmp_path, 6)
    for step in t.run.store.steps():
        damage(t.run.store.path(step) / "model.safetensors", "flip middle")
    before = rows(tmp_path)
    with pytest.raises(
        files.CheckpointError, match=r"expected a valid.*begin this run"
    ):
        fit(tmp_path, 6)
    assert rows(tmp_path) == before and t.run.store.steps() == [2, 4, 6]


def test_deleting_all_checkpoints_begins_again(tmp_path):
    fit(tmp_path / "a", 4)
    fit(tmp_path / "b", 4)
    shutil.rmtree(tmp_path / "b" / "ckpt")
    fit(tmp_path / "b", 4)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert checkpoint(tmp_path / "a", 4) == checkpoint(tmp_path / "b", 4)


@pytest.mark.parametrize(
    "tail", [b'{"step": 5, "lo', b"\xff\xfe\n", b"17\n", b'{"step": "x"}\n']
)
def test_torn_and_foreign_rows_are_dropped(tmp_path, tail):
    fit(tmp_path / "a", 6)
    fit(tmp_path / "b", 4)
    with open(tmp_path / "b" / "metrics.jsonl", "ab") as f:
        f.write(tail)
    fit(tmp_path / "b", 6)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


# ---------------------------------------------------------------------- full disks
def test_a_full_disk_at_a_checkpoint(tmp_path, monkeypatch):
    fit(tmp_path / "a", 6)
    fit(tmp_path / "b", 2)
    before = checkpoint(tmp_path / "b", 2)

    def full(fd):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(platform, "sync_file", full)
        with pytest.raises(files.FileError, match=r"metrics.jsonl.*No space left"):
            fit(tmp_path / "b", 6)
    assert checkpoint(tmp_path / "b", 2) == before
    assert RunDir(tmp_path / "b").store.steps() == [2]
    fit(tmp_path / "b", 6)
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert checkpoint(tmp_path / "a", 6) == checkpoint(tmp_path / "b", 6)


LIMITED = """
import sys
import warnings
sys.path.insert(0, sys.argv[1])
import resource
import helix_core as hx
from hammer_kit import make_trainer

warnings.simplefilter("ignore")
with hx.device("numpy"):
    t = make_trainer(int(sys.argv[3]), 64, run_dir=sys.argv[2], eval_every=2)
    if sys.argv[4] != "0":
        limit = int(sys.argv[4])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        t.fit()
    except hx.HelixError as e:
        print(e)
        sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("limit", [100, 500, 2000])
def test_files_that_may_grow_no_more(tmp_path, limit):
    """The system refuses to write: metrics or checkpoint fail, what was saved stays."""

    def run(steps, limit):
        here = os.path.dirname(__file__)
        return subprocess.run(
            [
                sys.executable,
                "-c",
                LIMITED,
                here,
                str(tmp_path),
                str(steps),
                str(limit),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert run(2, 0).returncode == 0
    before = checkpoint(tmp_path, 2)
    failed = run(6, limit)
    assert failed.returncode == 3, failed.stderr
    assert ("metrics.jsonl" if limit < 1000 else "[checkpoint]") in failed.stdout
    assert RunDir(tmp_path).store.steps() == [2]
    assert checkpoint(tmp_path, 2) == before
    assert not list((tmp_path / "ckpt").glob(".tmp-*"))
    assert run(6, 0).returncode == 0
    make_trainer(6, 64, run_dir=tmp_path / "straight", eval_every=2).fit()
    assert rows(tmp_path) == rows(tmp_path / "straight")


# -------------------------------------------------------------------- two processes
HOLD = """
import sys, time
from helix_hammer import RunDir
with RunDir(sys.argv[1]).lock():
    print("locked", flush=True)
    time.sleep(60)
"""


def test_two_processes_on_one_run(tmp_path):
    fit(tmp_path, 2)
    before = rows(tmp_path)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "locked\n"
        with pytest.raises(platform.LockedError, match=f"process {other.pid} .* using"):
            fit(tmp_path, 4)
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    assert rows(tmp_path) == before
    fit(tmp_path, 4)  # the lock died with its process


def test_a_lock_is_held_once_by_one_object(tmp_path):
    run = RunDir(tmp_path / "deep" / "run")
    with run.lock(), run.lock():
        pass
    with run.lock(), pytest.raises(platform.LockedError), RunDir(run.path).lock():
        pass


def test_a_file_in_the_place_of_a_run(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunError, match=r"folder that can be written; got .*run"):
        fit(tmp_path / "run", 1)


def test_an_exception_in_a_callback_ends_the_run_and_keeps_the_checkpoint(tmp_path):
    class Breaks:
        def on_step(self, trainer, row):
            if row["step"] == 5:
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fit(tmp_path, 8, callbacks=[Breaks()])
    assert RunDir(tmp_path).store.steps() == [2, 4]
    fit(tmp_path, 8)

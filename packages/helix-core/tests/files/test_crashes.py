"""Kills and full disks: the last good state stays, and the next write works."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from helix_core import files, platform

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="this system does not fork"
)

# every call that changes the disk is counted; the n-th one is not made: the process dies
KILLED_AT_EACH_CALL = """
import json, os, shutil, sys, numpy as np
from helix_core import files
root = sys.argv[1]
os.fsync = lambda fd: None        # counted, not made: a kill loses no page

def content(step):
    return {"model": {"w": np.full(4, step, np.float32)}, "state": {"step": step}}

def dying(n, job):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    left = [n]
    def counted(fn):
        def call(*a, **k):
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)
            return fn(*a, **k)
        return call
    for name in ("replace", "mkdir", "fsync", "open", "unlink", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))
    job()
    os._exit(0)

out = []
for again in (2, 1):              # a new step; the same step once more
    n = 0
    while True:
        n += 1
        folder = os.path.join(root, f"{again}-{n}")
        store = files.CheckpointStore(folder, keep_last=1, keep_best=0)
        store.save(1, content(1))
        job = lambda: files.CheckpointStore(folder, keep_last=1, keep_best=0).save(
            again, {**content(again), "second": [True]})
        died = dying(n, job)
        found = files.CheckpointStore(folder).load()
        whole = found.arrays["model"]["w"].tolist() == [found.step] * 4
        files.CheckpointStore(folder, keep_last=1).save(3, content(3))
        clean = sorted(os.listdir(folder)) == ["LATEST", "step_00000003"]
        out.append([again, n, died, found.step, "second" in found.meta, whole, clean])
        if not died:
            break
print(json.dumps(out))
"""


@needs_fork
def test_a_kill_at_any_call_leaves_a_whole_checkpoint(tmp_path, python):
    done = python(KILLED_AT_EACH_CALL, tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    for again in (2, 1):
        mine = [r for r in rows if r[0] == again]
        assert len(mine) > 15 and not mine[-1][2]  # it was killed often, then finished
        second = [r[4] for r in mine]
        assert second == sorted(second)  # once committed, it stays so
        assert not second[0] and second[-1]
        assert all(r[3] == (again if r[4] else 1) for r in mine)
    assert all(whole and clean for *_, whole, clean in rows)


ATOMIC = """
import os, sys
from helix_core import files
os.replace = lambda *a: os._exit(9)
files.write_text(sys.argv[1], "new")
"""


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path, python):
    path = tmp_path / "x"
    path.write_text("old")
    assert python(ATOMIC, path).returncode == 9
    assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    platform.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["x"]


def test_leftovers_are_only_our_own(tmp_path):
    for name in (".x.tmp", "x.tmp", ".profile", "tmp"):
        (tmp_path / name).touch()
    platform.remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".profile", "tmp", "x.tmp"]


def test_an_exception_in_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(KeyError), platform.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x"]


# --------------------------------------------------------------------- a full disk
def _content(step, floats=4):
    return {"model": {"w": np.full(floats, step, np.float32)}, "state": {"step": step}}


def test_no_space_at_any_sync_leaves_the_last_one(tmp_path, monkeypatch):
    store = files.CheckpointStore(tmp_path)
    store.save(1, _content(1))
    failures = 0
    for n in range(1, 20):
        left = [n]

        def full(fd, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(platform, "sync_file", full)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                store.save(2, _content(2))
        except files.CheckpointError as e:
            failures += 1
            assert "save step 2" in str(e) and "No space left" in str(e)
            assert "untouched" in str(e)
            assert sorted(os.listdir(tmp_path)) == ["LATEST", "step_00000001"]
            assert store.load().step == 1
        except UserWarning as e:  # committed; only the pointer is old
            assert "step 2 is saved" in str(e) and "LATEST" in str(e)
            assert store.load().step == 2
            break
    assert failures == 3  # model, state, manifest


FULL = """
import json, os, sys, numpy as np
from helix_core import files
root = sys.argv[1]
def content(step, floats):
    return {"model": {"w": np.full(floats, step, np.float32)}, "state": {"step": step}}
store = files.CheckpointStore(os.path.join(root, "ckpt"))
store.save(1, content(1, 4))
log = os.path.join(root, "log.jsonl")
files.append_jsonl(log, {"step": 1})
PREPARE
out = []
for attempt in (
    lambda: store.save(2, content(2, 100_000)),
    lambda: files.save_tensors(os.path.join(root, "big"), {"w": np.zeros(100_000)}),
    lambda: files.append_jsonl(log, {"text": "x" * 400_000}),
    lambda: files.write_json(os.path.join(root, "ckpt", "LATEST"), "x" * 400_000),
):
    try:
        attempt()
    except files.FileError as e:
        out.append(str(e))
left = sorted(os.listdir(root)), sorted(os.listdir(os.path.join(root, "ckpt")))
print(json.dumps([out, store.load().step, list(files.read_jsonl(log)), left]))
"""


def _check_full(done, why):
    assert done.returncode == 0, done.stderr
    errors, step, rows, left = json.loads(done.stdout)
    assert len(errors) == 4 and all(why in e for e in errors)
    assert errors[0].startswith("[checkpoint] expected to save step 2")
    assert errors[1].startswith("[save]") and "Hint" in errors[1]
    assert errors[2].startswith("[append]")
    assert step == 1 and rows == [{"step": 1}]
    assert left == [["ckpt", "log.jsonl"], ["LATEST", "step_00000001"]]


@needs_fork
def test_a_file_size_limit_leaves_the_last_state(tmp_path, python):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))"
    _check_full(python(FULL.replace("PREPARE", limit), tmp_path), "File too large")


def test_a_really_full_disk_leaves_the_last_state(tmp_path, python):
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a small file system")
    try:
        _check_full(python(FULL.replace("PREPARE", ""), tmp_path), "No space left")
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_an_append_to_a_full_device_is_an_error():
    with pytest.raises(
        files.FileError,
        match=r"\[append\] expected to write '/dev/full'; got:.*No space",
    ):
        files.append_jsonl("/dev/full", {"a": 1})


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "ckpt").write_text("a file where the folder should be")
    with pytest.raises(files.CheckpointError, match="expected to save step 1 in"):
        files.CheckpointStore(tmp_path / "ckpt").save(1, _content(1))
    assert (tmp_path / "ckpt").read_text().startswith("a file")


# --------------------------------------------------------------------------- locks
HOLD = """
import sys, time
from helix_core.platform import process_lock
with process_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_second_process_is_told_who_holds_the_lock(tmp_path, holder):
    message = (
        rf"\[lock\] expected '{tmp_path}' to be free; process {holder.pid} on .*Hint"
    )
    with (
        pytest.raises(platform.LockedError, match=message),
        platform.process_lock(tmp_path / "lock"),
    ):
        raise AssertionError("never here")


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert str(holder.pid) in (tmp_path / "lock").read_text()
    with platform.process_lock(tmp_path / "lock"):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    with platform.process_lock(tmp_path / "lock"):
        pass  # and it is free again


def test_a_lock_is_not_shared_within_a_process(tmp_path):
    with platform.process_lock(tmp_path / "lock"):
        with (
            pytest.raises(platform.LockedError, match=f"process {os.getpid()} "),
            platform.process_lock(tmp_path / "lock"),
        ):
            raise AssertionError("never here")
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b'{"pid": 1}'])
def test_a_lock_file_of_nonsense_is_no_lock(tmp_path, text):
    (tmp_path / "lock").write_bytes(text)
    with platform.process_lock(tmp_path / "lock"):
        pass


def test_a_lock_in_a_missing_folder_is_an_error(tmp_path):
    with (
        pytest.raises(
            platform.LockedError, match=r"\[lock\] expected a folder that can"
        ),
        platform.process_lock(tmp_path / "none" / "lock"),
    ):
        raise AssertionError("never here")


@needs_fork
def test_a_file_system_without_locks_is_used_with_a_warning(tmp_path, monkeypatch):
    import fcntl

    def none(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with (
        pytest.warns(UserWarning, match=r"\[lock\] .* has no file locks"),
        platform.process_lock(tmp_path / "lock"),
    ):
        assert "pid" in (tmp_path / "lock").read_text()

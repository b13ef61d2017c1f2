"""The disk cache of compiled kernels."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helix_hal import cache
from helix_hal.cpu.jit import kernel

# Counts compilations with numba's own events, not with our counters.
PROGRAM = """
import numpy as np
from numba.core import event
from helix_hal.cpu import cache
from helix_hal.cpu.jit import device_function, kernel

class Count(event.Listener):
    compiled = 0
    def on_start(self, ev):
        Count.compiled += 1
    def on_end(self, ev):
        pass

event.register("numba:compile", Count())

@device_function
def helper(x):
    return 2 * x

@kernel
def double(lo, hi, x, scratch):
    tmp = np.empty(hi - lo, x.dtype)
    for i in range(lo, hi):
        tmp[i - lo] = helper(x[i])
    for i in range(lo, hi):
        x[i] = tmp[i - lo]

x = np.arange(4.0)
double(0, 4, x, None)
double(0, 4, x, None)
assert x.tolist() == [0.0, 4.0, 8.0, 12.0], x
print(Count.compiled, cache.stats.hits, cache.stats.misses, cache.stats.rejected)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HELIX_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("HELIX_CACHE", raising=False)
    return tmp_path / "kernels"


@pytest.fixture(scope="session")
def one_entry(tmp_path_factory):
    """A cache that one run of the program has filled."""
    root = tmp_path_factory.mktemp("cache")
    assert _run(HELIX_CACHE_DIR=str(root), HELIX_CACHE="1")[1:] == [0, 1, 0]
    return root / "kernels"


@pytest.fixture
def filled(folder, one_entry):
    shutil.copytree(one_entry, folder)
    return folder


def _start(**environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", PROGRAM],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _result(process: subprocess.Popen) -> list[int]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [int(word) for word in out.split()]


def _run(**environment: str) -> list[int]:
    return _result(_start(**environment))


def _entry(folder: Path) -> Path:
    (entry,) = folder.glob("*.hxk")
    return entry


def test_the_first_process_compiles_and_the_second_nothing(folder):
    compiled, hits, misses, _ = _run()
    assert compiled > 0 and (hits, misses) == (0, 1)
    assert _run() == [0, 1, 0, 0]


@pytest.mark.parametrize("where", [0, 20, -1], ids=["magic", "hash", "payload"])
def test_a_damaged_entry_is_compiled_again_and_replaced(filled, where):
    entry = _entry(filled)
    data = bytearray(entry.read_bytes())
    data[where] ^= 0xFF
    entry.write_bytes(bytes(data))
    compiled, hits, misses, rejected = _run()
    assert compiled > 0 and (hits, misses, rejected) == (0, 1, 1)
    assert _run() == [0, 1, 0, 0]


def test_a_truncated_entry_is_compiled_again(filled):
    entry = _entry(filled)
    entry.write_bytes(entry.read_bytes()[:100])
    assert _run()[1:] == [0, 1, 1]


def test_an_entry_under_another_name_is_foreign(filled):
    own = _entry(filled)

    @kernel
    def run(lo, hi, x):
        x[0] = 1.0

    run(0, 1, np.zeros(1))
    (stranger,) = set(filled.glob("*.hxk")) - {own}
    shutil.copy(stranger, own)
    assert _run()[1:] == [0, 1, 1]


def test_a_valid_hash_over_a_payload_that_is_no_kernel_is_compiled_again(filled):
    entry = _entry(filled)
    payload = b"not a pickle"
    entry.write_bytes(cache._MAGIC + cache._digest(entry, payload) + payload)
    assert _run()[1:] == [0, 1, 1]


def test_switched_off_it_writes_nothing(folder):
    compiled, hits, misses, _ = _run(HELIX_CACHE="0")
    assert compiled > 0 and (hits, misses) == (0, 0)
    assert not folder.exists()


OURS = """
import helix_core as hx
import numpy as np
from numba.core import event
from helix_hal.cpu import cache

class Count(event.Listener):
    compiled = 0
    def on_start(self, ev):
        Count.compiled += 1
    def on_end(self, ev):
        pass

event.register("numba:compile", Count())

def draw(*shape):
    a = np.random.default_rng(sum(shape)).standard_normal(shape).astype("f4")
    return hx.tensor(a, device="cpu")

def block(x, w, b, taps, dt, A, B, C):
    x = hx.rms_norm(x, w) + hx.layer_norm(x, w, b)
    x = hx.causal_conv1d(x, taps, b, "silu")
    x = hx.selective_scan(x, dt, -hx.exp(A), B, C, w, x, b)
    return hx.softmax(hx.silu(x))

xs = [draw(2, 70, 40), draw(40), draw(40), draw(40, 4), draw(2, 70, 40)]
xs += [draw(40, 8), draw(2, 70, 8), draw(2, 70, 8)]
y, pull = hx.vjp(block, *xs)
pull(y)
print(Count.compiled, cache.stats.hits, cache.stats.misses, cache.stats.rejected)
"""


def test_a_second_process_compiles_none_of_our_kernels(folder):
    def run():
        command = [sys.executable, "-c", OURS]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [int(word) for word in done.stdout.split()]

    compiled, hits, misses, _ = run()
    assert compiled > 0 and hits == 0 and misses >= 10
    assert run() == [0, misses, 0, 0]


def test_processes_that_start_together_agree(folder):
    for process in [_start() for _ in range(3)]:
        _result(process)
    assert _run() == [0, 1, 0, 0]
    assert not list(folder.glob("*.tmp"))


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
def test_the_folder_and_its_entries_are_private(filled):
    assert stat.S_IMODE(filled.stat().st_mode) == 0o700
    assert stat.S_IMODE(_entry(filled).stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX matter")
def test_a_folder_open_to_others_is_closed_and_its_old_entries_are_not_run(filled):
    filled.chmod(0o777)
    compiled, hits, misses, _ = _run()
    assert compiled > 0 and (hits, misses) == (0, 1)
    assert stat.S_IMODE(filled.stat().st_mode) == 0o700


def test_an_unusable_folder_warns_once_and_the_kernel_still_runs(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("HELIX_CACHE_DIR", str(blocker))

    @kernel
    def run(lo, hi, x):
        x[0] += 1

    with pytest.warns(RuntimeWarning, match=r"\[kernel cache\] .*HELIX_CACHE_DIR"):
        run(0, 1, x := np.zeros(1))
    run(0, 1, np.zeros(1, np.float32))
    assert x[0] == 1


def _fake(folder: Path, name: str, size: int, age: float) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(bytes(size))
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


def test_the_least_recently_used_entries_go_first(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT_BYTES", 250)
    old = _fake(folder, "a.hxk", 100, age=300)
    new = _fake(folder, "b.hxk", 100, age=100)
    middle = _fake(folder, "c.hxk", 100, age=200)
    cache._evict(folder)
    assert [p.exists() for p in (old, middle, new)] == [False, True, True]


def test_temporary_files_of_a_killed_process_go_after_an_hour(folder):
    dead = _fake(folder, "x.tmp", 10, age=7200)
    alive = _fake(folder, "y.tmp", 10, age=10)
    cache._evict(folder)
    assert (dead.exists(), alive.exists()) == (False, True)


def test_loading_marks_an_entry_as_used(filled):
    entry = _entry(filled)
    os.utime(entry, (1.0, 1.0))
    _run()
    assert entry.stat().st_mtime > 1.0


def test_clear_deletes_every_entry(filled):
    assert cache.clear() == 1
    assert list(filled.iterdir()) == []

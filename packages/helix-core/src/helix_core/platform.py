"""Differences between operating systems. Nothing else in the project names them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import HelixError

WINDOWS = sys.platform == "win32"


class LockedError(HelixError, RuntimeError):
    """Another process holds the lock."""


def cpu_count() -> int:
    """CPUs that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def load_average() -> float:
    """Processes that wanted to run in the last minute; 0 where it cannot be told."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def cpu_name() -> str:
    """What the processor calls itself, or its architecture."""
    import platform

    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def user_id() -> int | None:
    """The numeric user who owns what this process writes; None where there is none."""
    return os.getuid() if hasattr(os, "getuid") else None


def total_memory() -> int:
    """Bytes of physical memory; 0 where it cannot be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def peak_rss() -> int:
    """Most memory this process ever had resident, in bytes; 0 where unknown."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_disk(path: str | os.PathLike[str]) -> int:
    """Bytes that can still be written where ``path`` is."""
    return shutil.disk_usage(path).free


def cache_dir(*parts: str) -> Path:
    """The user's cache directory for this project, private, made if it is missing.

    ``HELIX_CACHE_DIR`` chooses another.
    """
    base = os.environ.get("HELIX_CACHE_DIR")
    if base is None:
        from platformdirs import user_cache_dir

        base = user_cache_dir("helixml", appauthor=False)
    path = Path(base).joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


# ------------------------------------------------------------------- durable files
def sync_file(fd: int) -> None:
    """Push a file's data to the disk."""
    os.fsync(fd)


def sync_dir(path: str | os.PathLike[str]) -> None:
    """Make a rename in this directory durable, where the system can."""
    if WINDOWS:
        return
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(fd)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside ``path``, which takes its name when the block succeeds.

    If the block or the rename fails, ``path`` is as it was and the temporary is gone.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with open(temporary, "rb+") as f:
            sync_file(f.fileno())
        os.replace(temporary, target)
        sync_dir(target.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove temporaries of ``atomic_path`` that killed processes left in a folder.

    For the holder of the folder's lock: a live writer's temporary looks the same.
    """
    for path in Path(folder).glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


# ------------------------------------------------------------------------- locking
@contextlib.contextmanager
def process_lock(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a lock file; the system frees it when the process ends, however it ends.

    The file stays behind and means nothing: the lock is the system's. Forked children
    hold it together with their parent. A file system without locks is used unlocked,
    with a warning.

    Raises
    ------
    LockedError
        Naming the process that holds it, or saying why the file cannot be opened.
    """
    path = Path(path)
    try:
        f = open(path, "a+b", buffering=0)  # noqa: SIM115
    except OSError as e:
        raise LockedError(
            f"[lock] expected a folder that can be written to; got {str(path.parent)!r}: "
            f"{e}"
        ) from e
    with f:
        try:
            free = _try_lock(f)
        except OSError as e:
            free = True
            warnings.warn(
                f"[lock] {str(path.parent)!r} has no file locks ({e}): take care that "
                "no other process uses it",
                stacklevel=3,
            )
        if not free:
            raise LockedError(
                f"[lock] expected {str(path.parent)!r} to be free; {_holder(f)} is using "
                "it. Hint: wait, or stop that process"
            )
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
            f.truncate(0)
            f.write(
                json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode()
            )
        yield


def _holder(f: Any) -> str:
    f.seek(0)
    try:
        who = json.loads(f.read())
        return f"process {who['pid']} on {who['host']}"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"


def _try_lock(f: Any) -> bool:
    """False where somebody else has it; OSError where the system has no locks."""
    try:
        import fcntl
    except ImportError:
        import msvcrt

        try:  # a byte far behind the text, which others may still read
            f.seek(1 << 20)
            msvcrt.locking(f.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(f.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


# ------------------------------------------------------------------------- signals
class Stop:
    """``received``: the name of the first stop signal, or None."""

    received: str | None = None


@contextlib.contextmanager
def stop_signals() -> Iterator[Stop]:
    """Catch SIGTERM and SIGINT as a flag; a second one acts as it always did.

    In another thread than the main one nothing is caught.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old: dict[int, Any] = {}

    def handler(number: int, frame: Any) -> None:
        stop.received = signal.Signals(number).name
        for n, h in old.items():
            signal.signal(n, h)

    for number in (signal.SIGTERM, signal.SIGINT):
        old[number] = signal.signal(number, handler)
    try:
        yield stop
    finally:
        for n, h in old.items():
            signal.signal(n, h)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a subprocess ended: ``how`` is in words, empty where the exit code is 0."""

    how: str
    stdout: str
    stderr: str


def run_bounded(
    command: Sequence[str], timeout: float, env: Mapping[str, str] | None = None
) -> Finished:
    """Run a command for at most ``timeout`` seconds; then it and its children die.

    Output goes through files, so that a child's child which keeps a pipe open cannot
    hold us.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=None if env is None else dict(env),
            start_new_session=not WINDOWS,
        )
        try:
            code = child.wait(timeout)
            how = "" if code == 0 else ending(code)
        except subprocess.TimeoutExpired:
            how = f"no answer in {timeout:g} s"
        finally:
            if child.poll() is None:
                _kill_group(child)
                child.wait()
        texts = []
        for f in (out, err):
            f.seek(0)
            texts.append(f.read(1 << 24).decode("utf-8", "replace"))
    return Finished(how, *texts)


def ending(code: int) -> str:
    """How a process ended, in words, by its exit code."""
    if WINDOWS and code & 0xC0000000 == 0xC0000000:
        return f"the process died of {code & 0xFFFFFFFF:#x}"
    if code >= 0:
        return f"the process ended with exit code {code}"
    try:
        return f"the process died of {signal.Signals(-code).name}"
    except ValueError:
        return f"the process died of signal {-code}"


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    if WINDOWS:
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def on_fork_child(fn: Any) -> None:
    """Call ``fn()`` in every forked child, where processes fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=fn)


# ----------------------------------------------------- limits of a process on itself
def contain(files: int = 64) -> None:
    """Give up what reading foreign bytes does not need.

    No core dumps, no writing to files, ``files`` open ones, no new privileges. Does
    what the system has; on Windows nothing.
    """
    try:
        import resource
    except ImportError:
        return
    wanted = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": files}
    for name, most in wanted.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (most, most))
    if sys.platform == "linux":
        import ctypes

        no_new_privileges = 38  # linux/prctl.h
        ctypes.CDLL(None).prctl(no_new_privileges, 1, 0, 0, 0)


def limit_growth(n_bytes: int | None) -> None:
    """Let this process's address space grow by so much from now; None lifts it.

    Beyond it allocations fail. Nothing on systems that cannot tell or limit it.
    """
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as f:
            now = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError):
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = hard if n_bytes is None else now + n_bytes
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def limit_cpu(seconds: float | None) -> None:
    """End this process when it computes for longer from now; None lifts it.

    Nothing where the system has no such limit.
    """
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    used = resource.getrusage(resource.RUSAGE_SELF)
    now = used.ru_utime + used.ru_stime
    soft = hard if seconds is None else int(now + seconds) + 1
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))

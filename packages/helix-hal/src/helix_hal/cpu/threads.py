"""How many threads the CPU backend, NumPy's BLAS and scipy's FFT may use."""

from __future__ import annotations

import os
from functools import lru_cache

from helix_core.platform import cpu_count

__all__ = ["available_cpus", "get_num_threads", "set_num_threads"]

_QUOTA_FILE = "/sys/fs/cgroup/cpu.max"  # absent off Linux
_num_threads: int | None = None


@lru_cache(maxsize=1)
def available_cpus() -> int:
    """CPUs that this process may use: its affinity mask and its container's quota."""
    count = cpu_count()
    return max(1, min(count, _container_quota() or count))


def _container_quota() -> int | None:
    """Whole CPUs granted by the control group, rounded up; None without a limit."""
    try:
        with open(_QUOTA_FILE, encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else -(-int(quota) // int(period))


def get_num_threads() -> int:
    """Threads that one kernel launch uses; FFT calls pass it as ``workers``.

    The default is `HELIX_NUM_THREADS`, else every available CPU.
    """
    if _num_threads is None:
        text = os.environ.get("HELIX_NUM_THREADS", "")
        _set(_parse(text) if text else available_cpus())
    assert _num_threads is not None
    return _num_threads


def set_num_threads(n: int) -> None:
    """Bound our pool, NumPy's BLAS and the FFT workers together.

    Parameters
    ----------
    n : int
        At least 1. More than the available CPUs is allowed and rarely useful.

    Raises
    ------
    ValueError
        If `n` is not a positive integer.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(
            f"[set_num_threads] expected an integer of at least 1; got n={n!r}. "
            f"Hint: this process may use {available_cpus()} CPUs."
        )
    _set(n)


def _set(n: int) -> None:
    global _num_threads
    if n != (_num_threads or cpu_count()):  # libraries know masks, not quotas
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits=n, user_api="blas")
    _num_threads = n


def _parse(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"[set_num_threads] expected HELIX_NUM_THREADS to be a whole number of at "
            f"least 1; got {text!r}. Hint: unset it to use every available CPU."
        )
    return int(text)

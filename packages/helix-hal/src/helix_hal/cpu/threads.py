"""How many threads the CPU backend, NumPy's BLAS and scipy's FFT may use."""

from __future__ import annotations

import os
from functools import lru_cache

__all__ = ["available_cpus", "get_num_threads", "set_num_threads"]

_num_threads: int | None = None


@lru_cache(maxsize=1)
def available_cpus() -> int:
    """CPUs that this process may run on: affinity mask and container quota."""
    if hasattr(os, "process_cpu_count"):
        count = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min(count, _container_quota() or count))


def _container_quota() -> int | None:
    """Whole CPUs granted by the control group, rounded up; None without a limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else -(-int(quota) // int(period))


def get_num_threads() -> int:
    """Threads that one kernel launch uses.

    The default is `HELIX_NUM_THREADS`, else every available CPU.
    """
    global _num_threads
    if _num_threads is None:
        text = os.environ.get("HELIX_NUM_THREADS", "")
        if text:
            set_num_threads(_parse(text))
        else:
            _num_threads = available_cpus()
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
    global _num_threads
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(
            f"[set_num_threads] expected an integer of at least 1; got n={n!r}. "
            f"Hint: this process may use {available_cpus()} CPUs."
        )
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=n, user_api="blas")
    _num_threads = n


def _parse(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"[set_num_threads] expected HELIX_NUM_THREADS to be an integer; "
            f"got {text!r}. Hint: unset it to use every available CPU."
        ) from None

"""How many threads the CPU backend, NumPy's BLAS and scipy's FFT may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any

from helix_core.platform import cpu_count

__all__ = ["available_cpus", "blas_libraries", "get_num_threads", "set_num_threads"]

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
        for set_to, _ in blas_libraries():
            set_to(n)
    _num_threads = n


@lru_cache(maxsize=1)
def blas_libraries() -> list[tuple[Callable[[int], Any], Callable[[], Any]]]:
    """How to set and ask the threads of each BLAS that NumPy has loaded.

    threadpoolctl finds them. OpenBLAS is asked itself, because threadpoolctl lets only
    the first thread that sets its number set it ever again.
    """
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [
        _openblas(lib.dynlib) or (lib.set_num_threads, lib.get_num_threads)
        for lib in found
    ]


def _openblas(library: Any) -> tuple[Callable[[int], Any], Callable[[], Any]] | None:
    """Its functions, whose names depend on who built it; None for another BLAS."""
    for prefix, suffix in product(("", "scipy_"), ("", "64_", "_64")):
        names = (
            f"{prefix}openblas_{verb}_num_threads{suffix}" for verb in ("set", "get")
        )
        set_to, get = (getattr(library, name, None) for name in names)
        if set_to is not None and get is not None:
            return set_to, get
    return None


def _parse(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"[set_num_threads] expected HELIX_NUM_THREADS to be a whole number of at "
            f"least 1; got {text!r}. Hint: unset it to use every available CPU."
        )
    return int(text)

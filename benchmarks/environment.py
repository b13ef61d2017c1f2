"""The environment of the timed processes, and what machine they ran on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from tempfile import TemporaryDirectory
from typing import Any

from .case import Work

THREADS = 2
FRESH = (
    "HELIX_BENCH_FRESH"  # set: long pieces run, instead of reading their last record
)
MISTUNING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # would choose NumPy's kernels
DISTRIBUTIONS = (
    *("helix-core", "helix-hal", "helix-layers", "helix-hammer"),
    *("numpy", "scipy", "numba", "llvmlite", "torch", "jax", "jaxlib"),
    *("transformers", "mambapy", "tinygrad", "pyopencl"),
)
FLAGS = ("sse4_2", "avx", "fma", "avx2", "avx512", "avx_vnni", "amx", "neon", "asimd")


@contextmanager
def timed(environ: MutableMapping[str, str]) -> Iterator[list[str]]:
    """Equal threads for all libraries, and no mistuned BLAS.

    Parameters
    ----------
    environ : mapping
        Changed until the end of the block; processes started in it inherit it.

    Yields
    ------
    list of str
        ``NAME=value`` of what was removed.
    """
    before = dict(environ)
    removed = [f"{k}={environ.pop(k)}" for k in MISTUNING if k in environ]
    n = str(THREADS)
    settings = {
        "OMP_NUM_THREADS": n,
        "MKL_NUM_THREADS": n,
        "OPENBLAS_NUM_THREADS": n,
        "NPROC": n,  # XLA's CPU client
        "PJRT_NPROC": n,
        "POCL_MAX_PTHREAD_COUNT": n,
        "HELIX_NUM_THREADS": n,
        "JAX_PLATFORMS": "cpu",
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environ.update(settings)
    try:
        yield removed
    finally:
        _restore(environ, before)


@contextmanager
def fresh_cache(environ: MutableMapping[str, str]) -> Iterator[None]:
    """No kernel is compiled yet for the processes started in the block."""
    before = dict(environ)
    with TemporaryDirectory(prefix="helix-bench-") as folder:
        environ["HELIX_CACHE_DIR"] = folder
        try:
            yield
        finally:
            _restore(environ, before)


def _restore(environ: MutableMapping[str, str], before: dict[str, str]) -> None:
    for k in set(environ) - set(before):
        del environ[k]
    environ.update(before)


def machine(variant: str = "") -> Work:
    """A factory: the work is `describe`, in the environment of the timed processes."""
    return Work(describe)


def describe() -> dict[str, Any]:
    """Hardware, versions, threads and the kernels that NumPy's BLAS chose."""
    import psutil

    model, flags = _cpu()
    return {
        "cpu": model,
        "flags": flags,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "os": platform.platform(),
        "python": platform.python_version(),
        "versions": {d: v for d in DISTRIBUTIONS if (v := _version(d)) is not None},
        "blas": _blas(),
        "threads": THREADS,
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def same_machine(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether rows measured on both may stand in one file."""
    keys = ("cpu", "flags", "cores", "python", "blas", "threads")
    return all(a.get(k) == b.get(k) for k in keys)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> tuple[str, list[str]]:
    """The processor's name and its vector extensions."""
    model, flags = platform.processor() or platform.machine(), ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    model = value.strip()
                elif key.strip() in ("flags", "Features"):
                    flags = value
    except OSError:
        pass
    return model, sorted({x for x in flags.split() if x.startswith(FLAGS)})


def _blas() -> list[str]:
    """``library version kernel threads`` of each BLAS that NumPy loads."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    return [
        f"{p['internal_api']} {p['version']} {p.get('architecture', '?')} "
        f"{p['num_threads']} threads"
        for p in threadpool_info()
        if p["user_api"] == "blas"
    ]


def _commit() -> str | None:
    try:
        out = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return out.stdout.strip()

"""numba's compiled kernels in the disk cache of `helix_hal.cache`.

One entry is a kernel for one set of argument types, versions and CPU.
"""

from __future__ import annotations

import pickle
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helix_hal import cache
from helix_hal.cache import CacheStats, cache_dir, clear, stats

if TYPE_CHECKING:
    from helix_hal.cpu.jit import Jitted

__all__ = ["CacheStats", "attach", "cache_dir", "clear", "stats"]


def attach(dispatcher: Any, source: Jitted) -> None:
    """Make `dispatcher` load its overloads from disk and save them there."""
    folder = cache.folder()
    if folder is not None:
        dispatcher._cache = _KernelCache(source, folder)


class _KernelCache:
    """What numba's dispatcher asks of ``dispatcher._cache``, for one kernel."""

    def __init__(self, source: Jitted, folder: Path) -> None:
        self.source = source
        self.folder = folder

    @property
    def cache_path(self) -> str:
        return str(self.folder)

    def enable(self) -> None: ...

    def disable(self) -> None: ...

    def flush(self) -> None:
        """Nothing to do: an entry that no longer fits has another name."""

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled overload, or None when it has to be compiled."""
        from numba.core.compiler import CompileResult
        from numba.core.runtime.nrt import rtsys

        # Loaded code needs numba's runtime symbols only; target_context.refresh(),
        # which numba calls here, imports its whole library: 0.4 s.
        rtsys.initialize(target_context)
        path = self._path(signature, target_context)
        payload = cache.read(path)
        if payload is not None:
            try:
                parts = pickle.loads(payload)
                result = CompileResult._rebuild(target_context, *parts)
            except Exception:
                stats.rejected += 1
            else:
                stats.hits += 1
                return result
        stats.misses += 1
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Write an overload; a folder that cannot be written warns once."""
        from numba.core.serialize import dumps

        if result.lifted or result.library.has_dynamic_globals:
            return
        path = self._path(signature, result.target_context)
        cache.save(path, dumps(result._reduce()))

    def _path(self, signature: Any, target_context: Any) -> Path:
        target = target_context.codegen().magic_tuple()
        key = (self.source.fingerprint, repr(signature), target, _environment())
        return cache.entry(self.folder, key)


@lru_cache(maxsize=1)
def _environment() -> tuple[str, ...]:
    """Versions and compiler switches that change the code numba makes."""
    import llvmlite
    import numba
    import numpy
    from numba.core import config

    from helix_hal._version import __version__

    switches = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUG")
    return (
        __version__,
        numba.__version__,
        llvmlite.__version__,
        numpy.__version__,
        sys.version,
        *(f"{name}={getattr(config, name, None)}" for name in switches),
    )

"""Whether the ``cuda`` backend can work here; imports nothing of it."""

from __future__ import annotations

import os
from importlib.util import find_spec

_SIMULATOR = "NUMBA_ENABLE_CUDASIM=1 simulates one, slowly, to check semantics"


def probe() -> bool | str:
    """True, or what is missing and how to get it."""
    if find_spec("numba_cuda") is None:
        return "numba-cuda is not installed. Hint: pip install 'helix-hal[cuda]'"
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return True
    from numba import cuda

    try:
        found = cuda.is_available() and len(cuda.gpus) > 0
    except Exception as e:  # a driver that is there and broken
        return f"the NVIDIA driver does not work: {type(e).__name__}: {e}"
    return (
        found or f"no NVIDIA driver, or no GPU. Hint: install the driver; {_SIMULATOR}"
    )

"""Whether the backend can work here, told without importing torch."""

from __future__ import annotations

from importlib.util import find_spec


def probe() -> bool | str:
    """True, or what is missing and how to get it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:  # a folder of this name is no torch
        return "torch not installed. Hint: pip install 'helix-hal[torch]'"
    return True

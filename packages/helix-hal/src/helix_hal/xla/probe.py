"""Whether the backend can work here, told without importing JAX."""

from __future__ import annotations

from importlib.util import find_spec


def probe() -> bool | str:
    """True, or what is missing and how to get it."""
    missing = [name for name in ("jax", "jaxlib") if find_spec(name) is None]
    if missing:
        return (
            f"{' and '.join(missing)} not installed. Hint: pip install 'helix-hal[xla]'"
        )
    return True

"""What environment variables say about plugins."""

from __future__ import annotations

import os
import sys


def normal(name: str) -> str:
    """A distribution's name, as names are compared."""
    return name.strip().lower().replace("_", "-").replace(".", "-")


def listed(variable: str) -> list[str] | None:
    """The names that a variable holds; None where it is not set."""
    value = os.environ.get(variable)
    if value is None:
        return None
    return [normal(v) for v in value.split(",") if v.strip()]


def strict() -> bool:
    """``HELIX_PLUGIN_STRICT=1``: what would be a warning raises."""
    return os.environ.get("HELIX_PLUGIN_STRICT", "") not in ("", "0")


def say(text: str) -> None:
    """``HELIX_TRACE=plugins`` prints what is loaded, and when."""
    if "plugins" in (listed("HELIX_TRACE") or ()):
        print(f"[plugins] {text}", file=sys.stderr, flush=True)


def switched_off(distribution: str, entry: str) -> str | None:
    """Why the environment leaves an entry point out; None where it does not.

    ``HELIX_DISABLE_PLUGINS`` names distributions, entry points, or
    ``distribution:entry``. ``HELIX_PLUGINS`` names in the same way what is allowed beside
    helix-core's own; empty allows none.
    """
    dist = normal(distribution)
    mine = {dist, normal(entry), f"{dist}:{normal(entry)}"}
    if mine & set(listed("HELIX_DISABLE_PLUGINS") or ()):
        return "HELIX_DISABLE_PLUGINS names it"
    only = listed("HELIX_PLUGINS")
    if only is not None and dist != "helix-core" and not mine & set(only):
        return "HELIX_PLUGINS does not name it"
    return None

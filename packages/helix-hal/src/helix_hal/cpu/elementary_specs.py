"""The elementary functions run NumPy's on the CPU too."""

from __future__ import annotations

from helix_core.reference import elementary

from helix_hal.cpu.specs import SPECS

SPECS += elementary.specs("cpu")

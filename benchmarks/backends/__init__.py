"""The figures of backends: each file declares its cases."""

from __future__ import annotations

from . import xla_gpt

CASES = (*xla_gpt.CASES,)

"""Kernels: composites as torch computes them. Importing this fills ``SPECS``."""

from __future__ import annotations

from . import attention, conv, elementwise, linear, norm, optim, scan  # noqa: F401
from .specs import SPECS as SPECS

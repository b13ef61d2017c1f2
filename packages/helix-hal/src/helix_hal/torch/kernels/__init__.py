"""Kernels: composites as torch computes them."""

from __future__ import annotations

from helix_core.contracts import KernelSpec

SPECS: list[KernelSpec] = []

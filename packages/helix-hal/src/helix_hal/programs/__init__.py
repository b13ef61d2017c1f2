"""Composites written once as loop programs, for every kernel backend.

A family of composites is one file: functions that build its programs, and adapters from
a composite's flat arguments to launches. Programs are made for dtypes and attributes
alone; shapes and strides are sizes, so that a new shape compiles nothing.
"""

from __future__ import annotations

from importlib import import_module

from helix_core.contracts import KernelSpec

FAMILIES = (
    "softmax",
    "norms",
    "causal_conv1d",
    "selective_scan",
    "cross_entropy",
    "attention",
    "rotary",
    "dropout",
)


def specs(backend: str, priority: int = 50) -> list[KernelSpec]:
    """The kernels of a kernel backend: ``op``, ``op.fwd`` and ``op.bwd`` of each family.

    Parameters
    ----------
    backend : str
        Its name, or a device kind.
    priority : int
        Below that of what a backend writes by hand.
    """
    found = []
    for family in FAMILIES:
        for kernel in import_module(f"{__name__}.{family}").KERNELS:
            found.append(
                KernelSpec(
                    kernel.op,
                    backend,
                    kernel.forward,
                    supports=kernel.supports,
                    priority=priority,
                )
            )
    return found

"""The spine's training step on ``opencl:0``, beside the same step on ``cpu``."""

from __future__ import annotations

from typing import Any

from ..case import Arrays, Case, Work
from ..spine import mamba_train

CASES = (
    Case(
        name="opencl_mamba",
        variants=("4 layers, d=256, 4 x 512 bytes, float32",),
        ours="benchmarks.backends.opencl_mamba:ours",
        reference="benchmarks.backends.opencl_mamba:peer",
        peer_name="our CPU backend",
        needs=("pyopencl",),
        target=0.3,
        aim=0.6,
        minutes=1.0,
    ),
)


def ours(variant: str) -> Work:
    """Eager code; nothing in it speaks of the device."""
    import helix_core as hx

    device = "opencl:0"
    with hx.device(device):
        work = mamba_train.ours(variant)

    def call() -> Any:
        with hx.device(device):
            return work.call()

    def arrays(loss: Any) -> Arrays:
        with hx.device(device):
            return work.arrays(loss)

    return Work(call, arrays)


def peer(variant: str) -> Work:
    return mamba_train.ours(variant)

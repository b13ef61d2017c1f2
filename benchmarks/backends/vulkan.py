"""A training step of a GPT on ``vulkan:0``, beside the same model in tinygrad.

Both run on Vulkan's first adapter, which without a GPU is Mesa's software driver
(llvmpipe); tinygrad reaches it through Dawn, which its WebGPU device loads from the package
dawn-python.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from ..case import Case, Work
from . import opencl_gpt, torch_gpt
from .xla_gpt import GPT

CASES = (
    Case(
        name="vulkan_gpt",
        variants=(GPT,),
        ours="benchmarks.backends.vulkan:ours",
        reference="benchmarks.backends.vulkan:peer",
        peer_name="tinygrad's WEBGPU device, the step in a TinyJit",
        needs=("tinygrad", "wgpu", "dawn-python"),
        target=1.0,
        aim=3.0,
        minutes=3.0,
    ),
)


def ours(variant: str) -> Work:
    """`hx.compile` of loss, backward and AdamW on ``vulkan:0``."""
    return torch_gpt.ours(variant, "vulkan:0")


def peer(variant: str) -> Work:
    """``backward`` and ``nn.optim.AdamW`` on Dawn's first adapter, jitted as one."""
    os.environ.setdefault("WEBGPU_PATH", str(_library()))
    return opencl_gpt.peer(variant, "WEBGPU")


def _library() -> Path:
    """Dawn, where dawn-python puts it."""
    spec = find_spec("pydawn")
    assert spec is not None and spec.origin is not None
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    names = {
        "win32": "libwebgpu_dawn.dll",
        "darwin": f"libwebgpu_dawn_{machine.replace('aarch64', 'arm64')}.dylib",
    }
    name = names.get(sys.platform, f"libwebgpu_dawn_{machine}.so")
    return Path(spec.origin).parent / "lib" / name

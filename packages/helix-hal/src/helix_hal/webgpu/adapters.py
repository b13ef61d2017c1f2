"""Which adapters wgpu finds, and what each is called."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

_GET = "pip install 'helix-hal[webgpu]'"
_DRIVER = (
    "a GPU's driver brings Vulkan (Linux, Windows), Metal (macOS) or D3D12 (Windows); "
    "without a GPU, Mesa's software driver does: Debian's mesa-vulkan-drivers"
)
KINDS = {"Vulkan": "vulkan", "Metal": "metal", "D3D12": "dx12"}
_ORDER = ("DiscreteGPU", "IntegratedGPU", "CPU")


class Found(NamedTuple):
    """Adapters by kind of device, the fastest first, and those left out with reasons."""

    adapters: list[tuple[str, Any]]
    left_out: list[str]


def probe() -> bool | str:
    """True, or what is missing and how to get it."""
    if find_spec("wgpu") is None:
        return f"wgpu is not installed. Hint: {_GET}"
    try:
        found = find()
    except Exception as e:  # a driver may fail in any way
        return f"wgpu cannot be used: {type(e).__name__}: {e}. Hint: {_GET}"
    if found.adapters:
        return True
    why = "; ".join(found.left_out) or "wgpu found no adapter"
    return f"{why}. Hint: {_DRIVER}"


@lru_cache(maxsize=1)
def find() -> Found:
    """Every adapter that Vulkan, Metal or D3D12 gives."""
    import wgpu

    adapters, left_out = [], []
    for a in wgpu.gpu.enumerate_adapters_sync():
        info = a.info
        kind = KINDS.get(str(info["backend_type"]))
        if kind is None:
            left_out.append(
                f"{info['device']}: {info['backend_type']} lacks 64-bit integers and "
                "is served by no kind of device"
            )
            continue
        adapters.append((kind, a))
    adapters.sort(key=_rank)
    return Found(adapters, left_out)


def _rank(entry: tuple[str, Any]) -> int:
    kind = str(entry[1].info["adapter_type"])
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)

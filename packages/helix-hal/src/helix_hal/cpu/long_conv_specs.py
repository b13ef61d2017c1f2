"""Kernels of long convolutions."""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.specs import serves, single

_OPTIONAL = ("d", "pre", "post")


def _named(rest: Any, flags: dict[str, bool]) -> dict[str, Any]:
    it = iter(rest)
    return {name: next(it) if flags[name] else None for name in _OPTIONAL}


@serves("long_conv", single)
@serves("long_conv.fwd", single)
def _long_conv(dev: Any, u: Any, k: Any, *rest: Any, **flags: bool) -> Any:
    from helix_hal.cpu.kernels.long_conv import long_conv_forward

    return long_conv_forward(u, k, **_named(rest, flags))


@serves("long_conv.bwd", single)
def _long_conv_bwd(dev: Any, u: Any, k: Any, *rest: Any, **flags: bool) -> Any:
    from helix_hal.cpu.kernels.long_conv import long_conv_backward

    *given, dy = rest
    g = long_conv_backward(u, k, **_named(given, flags), dy=dy)
    return tuple([g[name] for name in ("u", "k", *_OPTIONAL) if name in g])

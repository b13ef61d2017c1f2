"""Activations, softmax and elementary functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from .specs import Tensor, serves

aten = torch.ops.aten
_FAR = 80.0  # from here on softplus is the identity, in every dtype


# --------------------------------------------------------------------------- activations
def _sigmoid_back(x: Tensor, dy: Tensor) -> Tensor:
    return aten.sigmoid_backward(dy, torch.sigmoid(x))


_SMOOTH: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "sigmoid": (torch.sigmoid, _sigmoid_back),
    "silu": (functional.silu, lambda x, dy: aten.silu_backward(dy, x)),
    "softplus": (
        lambda x: functional.softplus(x, 1.0, _FAR),
        lambda x, dy: dy * torch.sigmoid(x),
    ),
    "gelu": (functional.gelu, lambda x, dy: aten.gelu_backward(dy, x)),
    "gelu_tanh": (
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda x, dy: aten.gelu_backward(dy, x, approximate="tanh"),
    ),
}


def _plain(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda dev, *xs: f(*xs)


for _name, (_forward, _backward) in _SMOOTH.items():
    serves(_name, f"{_name}.fwd")(_plain(_forward))
    serves(f"{_name}.bwd")(_plain(_backward))


# ------------------------------------------------------------------------------- softmax
serves("softmax", "softmax.fwd")(lambda dev, x: torch.softmax(x, -1))
serves("log_softmax", "log_softmax.fwd")(lambda dev, x: torch.log_softmax(x, -1))
serves("softmax.bwd")(
    lambda dev, y, dy: aten._softmax_backward_data(dy, y, -1, y.dtype)
)
serves("log_softmax.bwd")(
    lambda dev, y, dy: aten._log_softmax_backward_data(dy, y, -1, y.dtype)
)


# ---------------------------------------------------------------------------- elementary
def _all(device: Any, *avals: Any) -> Any:
    """Complex numbers too, empty tensors too; float8 has no functions in torch."""
    kinds = {a.dtype for a in avals}
    fits = len(kinds) == 1 and all(d.inexact and d.itemsize > 1 for d in kinds)
    return True if fits else None


def _real(device: Any, *avals: Any) -> Any:
    ok = _all(device, *avals)
    return None if avals[0].dtype.category != "float" else ok


for _name in ("sinh", "cosh", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh"):
    serves(_name, f"{_name}.fwd", supports=_all, widen=True)(
        _plain(getattr(torch, _name))
    )
for _name in ("log2", "log10"):
    serves(_name, f"{_name}.fwd", supports=_all)(_plain(getattr(torch, _name)))
serves("hypot", "hypot.fwd", supports=_real, widen=True)(_plain(torch.hypot))
serves("copysign", "copysign.fwd", supports=_real)(_plain(torch.copysign))


def _wide(device: Any, *avals: Any) -> Any:
    """Neighbours are those in the operands' own dtype."""
    return None if avals[0].dtype.itemsize < 4 else _real(device, *avals)


serves("nextafter", "nextafter.fwd", supports=_wide)(_plain(torch.nextafter))

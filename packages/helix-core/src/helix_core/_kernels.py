"""Which kernel serves a composite on a device, and why: ``hx.which``."""

from __future__ import annotations

import warnings
from typing import Any

_WARNED: set[tuple[str, str]] = set()


class Choice:
    """``kernel``: the KernelSpec or ``"default"``; ``why``: the reason in words."""

    __slots__ = ("forward", "kernel", "why")

    def __init__(self, kernel: Any, why: str, forward: Any = None) -> None:
        self.kernel = kernel
        self.why = why
        self.forward = forward

    def __repr__(self) -> str:
        name = self.kernel if self.kernel == "default" else self.kernel.op
        return f"Choice({name!r}, why={self.why!r})"


def resolve_dotted(value: Any) -> Any:
    """The object behind ``"pkg.mod:name"``; anything else as it is."""
    if not isinstance(value, str):
        return value
    from importlib import import_module

    module, _, name = value.partition(":")
    obj = import_module(module)
    for part in name.split("."):
        obj = getattr(obj, part)
    return obj


def choose(
    name: str, dev: Any, avals: tuple[Any, ...], attrs: dict[str, Any]
) -> Choice:
    """The kernel for this call, memoised on the device."""
    specs = dev.kernels.get(name)
    if specs is None:
        return _NONE
    key = (name, avals, *attrs.items())
    hit = dev.choices.get(key)
    if hit is None:
        hit = _select(name, dev, specs, avals, attrs)
        if len(dev.choices) > 20_000:
            dev.choices.clear()
        dev.choices[key] = hit
    return hit


_NONE = Choice("default", "no kernel is registered for this device")


def _select(
    name: str, dev: Any, specs: Any, avals: Any, attrs: Any, warn: bool = True
) -> Choice:
    refusals = []
    for spec in specs:
        ok: Any = True
        try:
            if spec.supports is not None:
                ok = resolve_dotted(spec.supports)(dev, *avals, **attrs)
            if ok is True:
                why = f"kernel of {spec.backend!r} with priority {spec.priority}"
                return Choice(spec, why, resolve_dotted(spec.forward))
        except ImportError as e:  # of a plugin: the others and the default body work
            ok = f"{spec.forward!r} is broken: {e}"
        if ok is not None:
            refusals.append(str(ok))
    why = "; ".join(refusals) or "the default body is the better choice here"
    if refusals and warn and (name, dev.name) not in _WARNED:
        _WARNED.add((name, dev.name))
        warnings.warn(
            f"[{name}] a kernel for {dev.name!r} exists but refused "
            f"{', '.join(map(repr, avals))}: {why}. The default body runs instead and "
            "may be slower; this is said once",
            stacklevel=5,
        )
    return Choice("default", why)


def which(op: Any, device: Any, *avals: Any, **attrs: Any) -> Choice:
    """Which kernel would run this composite, and why.

    Parameters
    ----------
    op : str or Composite
        ``"softmax"``, ``"softmax.fwd"``, ``"softmax.bwd"``, ...
    device : Device or str
    *avals : Aval or Tensor
    **attrs
        The attributes of the call.

    Returns
    -------
    Choice
        With ``kernel`` (a KernelSpec or ``"default"``) and ``why``.
    """
    from ._device import Device

    dev = Device(device) if isinstance(device, str) else device
    seen = tuple([getattr(a, "aval", a) for a in avals])
    name = getattr(op, "name", op)
    specs = dev.kernels.get(name)
    return _NONE if specs is None else _select(name, dev, specs, seen, attrs, False)

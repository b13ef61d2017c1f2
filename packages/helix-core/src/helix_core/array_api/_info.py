"""``__array_namespace_info__``: what this library offers, as data."""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .._device import Device, default_device
from .._dtypes import DType
from ._dtypes import isdtype

_STANDARD = (
    dt.bool_,
    *(dt.int8, dt.int16, dt.int32, dt.int64),
    *(dt.uint8, dt.uint16, dt.uint32, dt.uint64),
    *(dt.float32, dt.float64, dt.complex64, dt.complex128),
)


class NamespaceInfo:
    """Capabilities, devices and dtypes of ``helix_core.array_api``."""

    def capabilities(self) -> dict[str, Any]:
        """Outside traces everything works, also where shapes depend on values."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": 64,
        }

    def default_device(self) -> Device:
        """The device of new tensors; ``with hx.device(...)`` changes it."""
        return default_device()

    def default_dtypes(self, *, device: Device | None = None) -> dict[str, DType]:
        """The dtypes of Python numbers and of indices."""
        return {
            "real floating": dt.float32,
            "complex floating": dt.complex64,
            "integral": dt.int32,
            "indexing": dt.int32,
        }

    def dtypes(
        self,
        *,
        device: Device | None = None,
        kind: str | tuple[str, ...] | None = None,
    ) -> dict[str, DType]:
        """The standard's dtypes by name, of these kinds (see `isdtype`) or all."""
        return {d.name: d for d in _STANDARD if kind is None or isdtype(d, kind)}

    def devices(self) -> list[Device]:
        """Every device of every backend that works on this machine."""
        from .. import plugins

        found = [Device("cpu"), Device("numpy"), default_device()]
        for record in plugins.records("backends"):
            if not record.usable or record.name in ("cpu", "numpy"):
                continue
            try:
                backend = plugins.load("backends", record.name)()
                listed = backend.devices()
            except Exception:  # a broken plugin offers none; `helix doctor` says why
                continue
            for info in listed:
                kinds = (info.kind,) if info.kind else record.spec.kinds
                found += [Device(f"{k}:{info.index}") for k in kinds if k != "cpu"]
        return list(dict.fromkeys(found))


def __array_namespace_info__() -> NamespaceInfo:
    """The inspection interface of the standard."""
    return NamespaceInfo()

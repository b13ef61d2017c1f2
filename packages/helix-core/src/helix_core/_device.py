"""``Device``: a value that names where tensors live; its backend is found at first use."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ._errors import DeviceError, DTypeError, HelixError, UnsupportedOp
from ._state import STATE, scope

_LOCK = threading.RLock()
_REGISTERED: list[Any] = []  # kernels added in this process
_NAME = re.compile(r"([a-z][a-z0-9_]*)(?::([a-z0-9_]+))?\Z")
_PLAIN = ("numpy", "cpu")  # kinds with one device, named without an index


class Device:
    """A device by name: ``"cpu"``, ``"numpy"``, ``"opencl:0"``, ``"torch:mps"``, ...

    Equal names give the same object. ``"auto"`` is the device that `auto` finds for a
    training step of a small model.

    Attributes
    ----------
    name, kind : str
    index : str
        What follows the colon; ``"0"`` where nothing does.
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_info",
        "_kernels",
        "_profile",
        "choices",
        "index",
        "kind",
        "name",
        "plans",
        "table",
    )
    _known: dict[str, Device] = {}
    name: str
    kind: str
    index: str
    _backend: Any
    _info: Any
    _kernels: dict[str, list[Any]] | None
    _profile: Any
    choices: dict[Any, Any]  # (op, avals, attributes) -> which kernel
    plans: dict[Any, Any]  # Graph -> plan
    table: dict[str, Callable[..., Any]]  # primitive -> lowering

    def __new__(cls, spec: str | Device = "cpu") -> Device:
        if isinstance(spec, Device):
            return spec
        if spec == "auto":
            return cls.auto()
        known = cls._known.get(spec)
        if known is not None:
            return known
        match = _NAME.match(spec) if isinstance(spec, str) else None
        if match is None:
            raise DeviceError(
                f"[device] expected a name such as 'cpu' or 'opencl:0'; got {spec!r}"
            )
        kind, index = match[1], match[2] or "0"
        name = kind if kind in _PLAIN else f"{kind}:{index}"
        if kind in _PLAIN and index != "0":
            raise DeviceError(f"[device] expected {kind!r} without index; got {spec!r}")
        with _LOCK:
            dev = cls._known.get(name)
            if dev is None:
                dev = object.__new__(cls)
                dev.name, dev.kind, dev.index = name, kind, index
                dev._backend = dev._kernels = dev._info = dev._profile = None
                dev.choices = {}
                dev.plans = {}
                dev.table = _Lowerings(dev)
                cls._known[name] = dev
            cls._known[spec] = dev
        return dev

    @classmethod
    def cpu(cls) -> Device:
        return cls("cpu")

    @classmethod
    def cuda(cls, index: int = 0) -> Device:
        return cls(f"cuda:{index}")

    @staticmethod
    def auto(graph: Any = None, *, explain: bool = False, **work: Any) -> Any:
        """The device of this machine that does some work soonest.

        Parameters
        ----------
        graph : Graph, optional
            The work; else ``flops=``, ``bytes=`` and more, see `helix_core.explain_auto`.
        explain : bool
            Return the table of all devices, with its ``device``, instead.

        Returns
        -------
        Device, or AutoTable with ``explain``

        >>> Device.auto(flops=1e3, bytes=1e3).kind in ("cpu", "numpy")
        True
        """
        from ._auto import explain_auto

        found = explain_auto(graph, **work)
        return found if explain else found.device

    def __repr__(self) -> str:
        return f"Device({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.name,)

    @property
    def backend(self) -> Any:
        """The backend object that serves this device; loads its plugin at first use.

        Raises
        ------
        DeviceError
            If no usable backend offers this kind; the message says what is missing.
        """
        if self._backend is None:
            with _LOCK:
                if self._backend is None:
                    self._backend = _load_backend(self)
        return self._backend

    @property
    def kernels(self) -> dict[str, list[Any]]:
        """Kernels for this device by op, best first."""
        if self._kernels is None:
            with _LOCK:
                if self._kernels is None:
                    self._kernels = _load_kernels(self)
        return self._kernels

    @property
    def info(self) -> Any:
        """What its backend says of it: a ``DeviceInfo``.

        Raises
        ------
        DeviceError
            If the backend has no device of this name.
        """
        if self._info is None:
            own = [d for d in self.backend.devices() if d.kind in ("", self.kind)]
            found = [d for d in own if str(d.index) == self.index]
            if not found:
                there = ", ".join(f"{self.kind}:{d.index}" for d in own) or "none"
                raise DeviceError(
                    f"[device] expected a device that is there ({there}); got "
                    f"{self.name!r}. Hint: `helix devices` lists what this machine has"
                )
            self._info = found[0]
        return self._info

    @property
    def profile(self) -> Any:
        """What it was measured to do: a ``DeviceProfile``.

        Measured at the first use, in well under a second; later read from the cache.
        """
        if self._profile is None:
            own = getattr(self.backend, "profile", None)
            if own is None:
                from ._profile import profile  # a backend without one

                own = profile
            self._profile = own(self)
        return self._profile

    def forget(self) -> None:
        """Resolve backend, kernels and plans again at the next use."""
        with _LOCK:
            self._backend = self._kernels = self._info = self._profile = None
            self.choices.clear()
            self.plans.clear()
            self.table.clear()

    def synchronize(self) -> None:
        """Wait until everything queued on this device is done."""
        self.backend.synchronize(self)


class _Lowerings(dict[str, Callable[..., Any]]):
    """Lowerings of one device, filled as they are asked for; decomposes what is missing."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device

    def __missing__(self, name: str) -> Callable[..., Any]:
        backend = self.device.backend
        table: Mapping[str, Callable[..., Any]] = backend.lowerings
        fn = table.get(name)
        if fn is None:
            fn = _decomposed(name, self.device)
        self[name] = fn
        return fn


def _decomposed(name: str, device: Device) -> Callable[..., Any]:
    from ._primitive import PRIMITIVES
    from ._tensor import Tensor

    prim = PRIMITIVES[name]
    decompose = prim.decompose
    if decompose is None:
        raise UnsupportedOp(
            f"[{name}] expected a backend with a lowering for it; got {device.name!r}, "
            f"which has none, and {name} does not decompose. "
            "Hint: with hx.fallback('cpu'): ..., or move the tensors with x.to('cpu')"
        )

    def lowering(dev: Device, *bufs: Any, out: Any = None, **attrs: Any) -> Any:
        with scope(active=0, device=dev):
            args = [Tensor(b, dev.backend.aval(b), dev) for b in bufs]
            res = decompose(*args, **attrs)
        return tuple([r.buffer for r in res]) if prim.multi else res.buffer

    return lowering


def _load_backend(device: Device) -> Any:
    """The best backend that works; one that does not is said, with what serves instead."""
    from . import plugins

    errors: dict[tuple[str, ...], str] = {}
    for record in plugins.providers(device.kind):
        try:
            backend = plugins.load("backends", record.name)()
        except plugins.PluginUnavailable:  # its record says why from now on
            errors[record.key] = ""
        except HelixError as e:
            errors[record.key] = f"{record.name!r} of {record.origin}, which says: {e}"
        except (Exception, SystemExit) as e:
            why = f"{type(e).__name__}: {e}"
            errors[record.key] = (
                f"{record.name!r} of {record.origin}, which fails: {why}"
            )
        else:
            if errors:
                lost, _ = _unusable(device, errors)
                plugins.fell_back(
                    f"[device] {device.name!r} is served by the backend {record.name!r}, "
                    f"because: {lost}"
                )
            return backend
    lost, hints = _unusable(device, errors)
    found = plugins.records("backends")
    kinds = sorted({k for r in found if r.usable for k in getattr(r.spec, "kinds", ())})
    offered = f"kinds that are offered: {', '.join(kinds) or 'none'}"
    raise DeviceError(
        f"[device] expected a usable backend for {device.name!r}; "
        f"{f'got {lost}' if lost else 'no installed backend offers it'} ({offered}). "
        f"Hint: {''.join(f'{h}; ' for h in hints)}`helix devices` lists what this "
        "machine has"
    )


def _unusable(
    device: Device, errors: Mapping[tuple[str, ...], str]
) -> tuple[str, list[str]]:
    """Each backend that could offer a device but does not work, and the ways out."""
    from . import plugins

    said, hints = [], []
    for r in plugins.records("backends"):
        if r.usable and errors.get(r.key):
            said.append(errors[r.key])
        elif not r.usable and (r.spec is None or device.kind in r.spec.kinds):
            reason, _, hint = r.reason.partition(" Hint: ")
            name = repr(r.name or r.entry)
            said.append(
                f"{name} of {r.origin}, which is {r.state}: {reason.rstrip('.')}"
            )
            hints += [h.rstrip(".") for h in (hint, r.hint) if h]
    return "; ".join(said), list(dict.fromkeys(hints))


def _load_kernels(device: Device) -> dict[str, list[Any]]:
    from . import plugins

    backend = device.backend
    names = {backend.name, device.kind}
    specs = list(backend.kernels)
    specs += _REGISTERED
    for record in plugins.records("kernels"):
        spec = record.spec
        if spec is not None and record.usable:
            specs.append(spec)
    table: dict[str, list[Any]] = {}
    for spec in specs:
        if spec.backend in names:
            table.setdefault(spec.op, []).append(spec)
    for found in table.values():
        found.sort(key=lambda s: -s.priority)
    return table


def register_kernel(spec: Any) -> None:
    """Add a KernelSpec to the devices of this process; plugins use ``helix.kernels``."""
    with _LOCK:
        _REGISTERED.append(spec)
        for dev in set(Device._known.values()):
            dev._kernels = None
            dev.choices.clear()
            dev.plans.clear()


def need_dtype(device: Device, dtype: Any, op: str) -> None:
    """Raise where a device lacks a dtype; backends call this, and narrow nothing.

    Parameters
    ----------
    device : Device
    dtype : DType or str
    op : str
        What errors begin with: the op, or ``"tensor"`` for a transfer.

    Raises
    ------
    DTypeError
        Names the device, its dtypes, and the nearest one that it has.
    """
    have = device.info.dtypes
    name = getattr(dtype, "name", dtype)
    if not have or name in have:
        return
    near = next((d for d in _NEAREST.get(name, ()) if d in have), None)
    way = f"x.astype({near!r}), or " if near else ""
    raise DTypeError(
        f"[{op}] expected a dtype that {device.name!r} has ({', '.join(have)}); got "
        f"{name}. Hint: {way}x.to('cpu')"
    )


_NEAREST = {
    "float64": ("float32",),
    "float16": ("float32",),
    "bfloat16": ("float32",),
    "float8_e4m3fn": ("float16", "float32"),
    "float8_e5m2": ("float16", "float32"),
    "complex128": ("complex64",),
    "int64": ("int32",),
    "int16": ("int32",),
    "int8": ("int32",),
    "uint64": ("uint32",),
    "uint16": ("uint32", "int32"),
    "uint8": ("uint32", "int32"),
    "bool": ("int32",),
}


def default_device() -> Device:
    """The device that new tensors go to: ``"cpu"`` unless ``hx.device(...)`` says else."""
    return STATE.get().device or Device("cpu")


def device(spec: str | Device) -> scope:
    """``with hx.device("numpy"): ...`` sets the default device of this thread."""
    return scope(device=Device(spec))

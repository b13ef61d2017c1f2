"""What hookimpls return: frozen records with the heavy thing behind a dotted path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

# the contract of each kind: same major, and a plugin's minor at most ours
CONTRACTS: dict[str, tuple[int, int]] = dict.fromkeys(
    "backends kernels layers models optimizers schedules losses gradients callbacks "
    "loggers engines detectors decoders tensorizers generators verifiers sinks stores "
    "studies commands".split(),
    (1, 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Base of records.

    Attributes
    ----------
    name : str
        Public name within its kind.
    factory : str
        ``"pkg.mod:object"``, imported when somebody asks for it.
    contract : (int, int)
        The contract version of its kind that it was written for.
    priority : int
        The higher is preferred where several serve.
    summary : str
        One line for lists.
    """

    name: str
    factory: str = ""
    contract: tuple[int, int] = (1, 0)
    priority: int = 0
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSpec(Spec):
    """A backend: ``factory()`` gives an object as in ``Backend``.

    Attributes
    ----------
    kinds : tuple of str
        Device kinds it serves: ``("cpu",)``, ``("vulkan", "metal")``.
    probe : str or None
        ``"pkg.mod:fn"``; ``fn()`` is True, or the reason why it cannot work here.
    """

    kinds: tuple[str, ...] = ()
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class KernelSpec:
    """A kernel for ``op`` ("softmax", "softmax.fwd", "softmax.bwd") on a backend.

    Attributes
    ----------
    op, backend : str
        The op; the backend's name or a device kind.
    forward : callable or str
        ``forward(device, *buffers, **attrs) -> buffers``, or its dotted path.
    supports : callable, str or None
        ``supports(device, *avals, **attrs)`` is True, or the reason in words, which is
        shown once as a warning; None where the default body is the better choice.
    priority : int
    contract : (int, int)
    """

    op: str
    backend: str
    forward: Callable[..., Any] | str
    supports: Callable[..., Any] | str | None = None
    priority: int = 0
    contract: tuple[int, int] = (1, 0)
    summary: str = ""

    @property
    def name(self) -> str:
        return f"{self.op}@{self.backend}"

    @property
    def factory(self) -> str:
        return self.forward if isinstance(self.forward, str) else ""


class LayerSpec(Spec):
    """A layer class: ``factory(...)``."""

    __slots__ = ()


class ModelSpec(Spec):
    """A model: ``factory(config: dict) -> Module``."""

    __slots__ = ()


class OptimizerSpec(Spec):
    """An optimizer class."""

    __slots__ = ()


class ScheduleSpec(Spec):
    """A schedule: ``factory(...) -> callable(step) -> factor``."""

    __slots__ = ()


class LossSpec(Spec):
    """A loss function."""

    __slots__ = ()


class CallbackSpec(Spec):
    """A training callback: ``factory() -> Callback``."""

    __slots__ = ()


class LoggerSpec(Spec):
    """A metrics logger: ``factory(run_dir) -> callable(row)``."""

    __slots__ = ()


class DetectorSpec(Spec):
    """A detector of formats: ``factory(head, tail, size) -> iterable of Detection``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSpec(Spec):
    """A decoder: ``factory(data, meter, **options)`` gives a decoded sample.

    Attributes
    ----------
    formats : tuple of str
        Names of formats, as detection gives them.
    modality : str
        "text", "image", "audio", "video", "points", "table" or "bytes".
    isolation : str
        "thread", or "process" where a damaged file may end the process.
    extra : str
        The extra of its distribution that brings what it needs; empty for none.
    header : str or None
        ``"pkg.mod:fn"``; ``fn(data, meter)`` gives sizes as a dict without decoding.
    """

    formats: tuple[str, ...] = ()
    modality: str = "bytes"
    isolation: str = "thread"
    extra: str = ""
    header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorizerSpec(Spec):
    """A way from a decoded sample to arrays: ``factory(sample, **options)``.

    Attributes
    ----------
    modality : str
        What it takes. The name is what users ask for, such as "clip" or "whisper".
    """

    modality: str = "bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorSpec(Spec):
    """A generator of samples: a subclass of ``helix_synth.Generator``.

    Attributes
    ----------
    modality : str
        "sequence", "image", "graph", "time_series", "text", "audio", "video",
        "points" or "table".
    """

    modality: str = "sequence"


class VerifierSpec(Spec):
    """A verifier of the generator of its name: ``factory(spec, sample)`` gives problems."""

    __slots__ = ()


class SinkSpec(Spec):
    """Where samples go: a subclass of ``helix_synth.Sink``."""

    __slots__ = ()


class StudySpec(Spec):
    """A study for ``helix study NAME``: ``factory()`` gives a ``helix_hammer.Study``."""

    __slots__ = ()


class CommandSpec(Spec):
    """A subcommand of ``helix``: ``factory`` names a click command."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """One device of a backend, as data.

    Attributes
    ----------
    index, name, driver : str
        ``index`` is what follows the colon in ``"opencl:0"``.
    kind : str
        Its device kind, where the backend serves several and this device is only one of
        them ("vulkan" or "metal"); empty where it is all of them.
    memory : int
        Bytes; 0 where unknown.
    dtypes, scalar_ops : tuple of str
    limits : dict
        Backend limits by name, such as ``max_workgroup``.
    """

    index: str
    name: str
    driver: str = ""
    kind: str = ""
    memory: int = 0
    dtypes: tuple[str, ...] = ()
    scalar_ops: tuple[str, ...] = ()
    limits: dict[str, int] = field(default_factory=dict)
    unified_memory: bool = False
    sub_buffers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProfile:
    """What a device was measured to do; one cost model for choice and scheduling.

    Attributes
    ----------
    flops : dict of str to float
        FLOP/s of matrix products by dtype.
    bandwidth : float
        Bytes/s of device memory.
    launch : float
        Seconds to start a kernel.
    link_latency, link_bandwidth : float
        Seconds, and bytes/s, to and from the host.
    rates : dict of str to float
        Work per second by kind of op, in the units of ``Graph.cost()``: "elementwise",
        "transcendental", "reduce", "scan", "sort", "fft", "conv", "index", "copy",
        "random". A kind that is missing runs at the rate of products. "matrix" and
        "loop": small products in a batch, and iterations of a compiled loop, that it
        begins each second.
    start, replay : float
        Seconds to start a compiled graph, and each op in it; below 0: ``launch``.
    fusion : float
        How many times less memory elementwise ops of a compiled graph move.
    curves : dict of str to tuple of (float, float)
        Seconds beyond the launch by size, smallest first, where a rate alone tells too
        little: "memory" by bytes (caches, arrays too small to fill the device),
        "contract" by FLOPs of a float32 product. Missing ones follow from the rates.
    """

    flops: dict[str, float]
    bandwidth: float
    launch: float
    link_latency: float = 0.0
    link_bandwidth: float = float("inf")
    rates: dict[str, float] = field(default_factory=dict)
    start: float = -1.0
    replay: float = -1.0
    fusion: float = 1.0
    curves: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)


SPECS: dict[str, type] = {
    "backends": BackendSpec,
    "kernels": KernelSpec,
    "layers": LayerSpec,
    "models": ModelSpec,
    "optimizers": OptimizerSpec,
    "schedules": ScheduleSpec,
    "losses": LossSpec,
    "callbacks": CallbackSpec,
    "loggers": LoggerSpec,
    "detectors": DetectorSpec,
    "decoders": DecoderSpec,
    "tensorizers": TensorizerSpec,
    "generators": GeneratorSpec,
    "verifiers": VerifierSpec,
    "sinks": SinkSpec,
    "studies": StudySpec,
    "commands": CommandSpec,
}

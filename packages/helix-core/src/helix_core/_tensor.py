"""``Tensor``: an immutable value on a device. Its methods are attached by ``_methods``.

A Tensor is a buffer of its backend, an aval, a device and, where a gradient or a trace
wants it, the node that made it. A tensor inside a trace has no buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._aval import Aval
    from ._device import Device
    from ._signatures import Signatures
else:
    Signatures = object


class Tensor(Signatures):
    """An n-dimensional array on a device. Create with ``hx.tensor``, ``hx.zeros``, ...

    Attributes
    ----------
    aval : Aval
        Shape, dtype and weakness.
    device : Device
    """

    __slots__ = ("__weakref__", "aval", "buffer", "device", "index", "node")
    __array_priority__ = 1000
    aval: Aval
    buffer: Any
    device: Device
    index: int
    node: Any

    def __init__(
        self, buffer: Any, aval: Any, device: Any, node: Any = None, index: int = 0
    ) -> None:
        self.buffer = buffer
        self.aval = aval
        self.device = device
        self.node = node
        self.index = index

    if TYPE_CHECKING:  # attached by `_methods`

        @staticmethod
        def zeros(shape: Any, dtype: Any = ..., device: Any = None) -> Tensor: ...
        @staticmethod
        def ones(shape: Any, dtype: Any = ..., device: Any = None) -> Tensor: ...
        @staticmethod
        def full(
            shape: Any, value: Any, dtype: Any = None, device: Any = None
        ) -> Tensor: ...
        @staticmethod
        def arange(
            start: Any,
            stop: Any = None,
            step: Any = 1,
            dtype: Any = None,
            device: Any = None,
        ) -> Tensor: ...
        @staticmethod
        def eye(
            n: int, m: int | None = None, dtype: Any = None, device: Any = None
        ) -> Tensor: ...
        @staticmethod
        def random_uniform(
            shape: Any, low: Any = 0.0, high: Any = 1.0, **options: Any
        ) -> Tensor: ...
        @staticmethod
        def random_normal(
            shape: Any, mean: Any = 0.0, std: Any = 1.0, **options: Any
        ) -> Tensor: ...

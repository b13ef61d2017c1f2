"""``Cell``: the only mutable thing. A slot that holds an immutable Tensor, or None.

Parameters, gradients, optimizer state, norm statistics and the random state are cells.
Inside a trace, reads and writes go to the trace, so that they become inputs and outputs
of its graph, and an exception leaves nothing half-written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._errors import ShapeError, TraceError
from ._state import STATE
from ._tape import Mark
from ._tensor import Tensor

if TYPE_CHECKING:
    from ._signatures import Signatures
else:

    class Signatures:
        __slots__ = ()


class Cell:
    """A mutable slot.

    Parameters
    ----------
    value : Tensor or None
    name : str
        For messages and printed graphs.
    """

    __slots__ = ("__weakref__", "_value", "name")
    _value: Any  # a Tensor, or None: the value where no trace is active

    def __init__(self, value: Tensor | None = None, name: str = "") -> None:
        self.name = name
        self._value = None if value is None else self._own(_concrete(value))

    @property
    def value(self) -> Any:
        trace = STATE.get().trace
        return self._value if trace is None else trace.read(self)

    @value.setter
    def value(self, t: Any) -> None:
        t = t.value if isinstance(t, Cell) else t
        trace = STATE.get().trace
        if trace is not None:
            trace.writes[self] = t
        else:
            self._value = None if t is None else self._own(_concrete(t))

    def _own(self, t: Tensor) -> Tensor:
        return t

    def update(self, fn: Callable[[Any], Any]) -> None:
        """Replace the value by ``fn(value)``, over its memory where nobody can tell.

        In ``cell.value = cell.value.at[i].set(v)`` the old value is still there when the
        new one is made. Here the function is traced first, so that a large value that
        nothing else holds, no gradient and no variable, is overwritten.

        >>> import helix_core as hx
        >>> log = Cell(hx.zeros((3,)))
        >>> log.update(lambda x: x.at[1].set(5.0))
        >>> log.value.tolist()
        [0.0, 5.0, 0.0]
        """
        from ._traced import overwrite

        if not overwrite(self, fn):
            self.value = fn(self.value)

    def __repr__(self) -> str:
        name = f"{self.name}: " if self.name else ""
        value = "None" if self._value is None else repr(self._value.aval)
        return f"{type(self).__name__}({name}{value})"


def _concrete(t: Any) -> Tensor:
    if not isinstance(t, Tensor):
        raise TypeError(f"[cell] expected a Tensor or None; got {type(t).__name__}")
    if t.buffer is None:
        raise TraceError(
            "[cell] expected a tensor with a value; a traced tensor may not be stored "
            "outside its trace"
        )
    return t


class Parameter(Cell, Signatures):
    """A tensor that is learned. Works wherever a Tensor does.

    Parameters
    ----------
    value : Tensor or array
        Copied to the default device if it is not a Tensor.
    name : str
    trainable : bool
        False freezes it: no gradient is recorded.
    decay : bool
        Whether weight decay applies: False for norms, biases, ``A_log``, ``D``.

    Attributes
    ----------
    grad : Tensor or None
        Written by ``backward()``; of the parameter's shape and dtype.
    """

    __slots__ = ("_grad", "decay", "trainable")
    __array_priority__ = 1000

    def __init__(
        self,
        value: Any,
        name: str = "",
        trainable: bool = True,
        decay: bool = True,
    ) -> None:
        if isinstance(value, Cell):
            value = value.value
        if not isinstance(value, Tensor):
            from ._create import tensor

            value = tensor(value)
        self.trainable = trainable
        self.decay = decay
        super().__init__(value, name)
        self._grad = Cell(None, f"{name}.grad")

    if TYPE_CHECKING:  # never None, unlike in other cells

        @property
        def value(self) -> Tensor: ...
        @value.setter
        def value(self, t: Any) -> None: ...

    def _own(self, t: Tensor) -> Tensor:
        if not self.trainable or not t.aval.dtype.inexact:
            return Tensor(t.buffer, t.aval, t.device)
        leaf = Mark(None, (), {}, (t.aval,), 1, t.device, None, self)
        return Tensor(t.buffer, t.aval, t.device, leaf)

    def freeze(self, frozen: bool = True) -> None:
        """Stop (or start again) recording gradients; one that was recorded is dropped."""
        self.trainable = not frozen
        self._grad.value = None
        self.value = self.value

    @property
    def grad(self) -> Tensor | None:
        return self._grad.value

    @grad.setter
    def grad(self, t: Any) -> None:
        if isinstance(t, Tensor) and t.aval.shape != self.aval.shape:
            raise ShapeError(
                f"[grad] expected shape {self.aval.shape}; got {t.aval!r} for the "
                f"parameter {self.name!r}"
            )
        self._grad.value = t

    @property
    def aval(self) -> Any:
        return self._value.aval

    @property
    def device(self) -> Any:
        return self._value.device

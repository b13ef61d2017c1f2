"""``Module``: a class with parameters. Plain attributes, no registration, no magic.

Parameters, cells and modules are found by walking the attributes in the order in which
they were set, through lists, tuples and dicts. A name is the path: ``layers.0.weight``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ._cell import Cell, Parameter
from ._dtypes import DType, as_dtype
from ._errors import DTypeError, HelixError
from ._tensor import Tensor


class StateDictError(HelixError, KeyError):
    """Names or shapes of a state dict do not fit the module."""

    def __str__(self) -> str:
        return str(self.args[0])


class Module:
    """Base of layers and models: set attributes in ``__init__``, write ``forward``.

    Examples
    --------
    >>> import helix_core as hx
    >>> class Scale(hx.Module):
    ...     def __init__(self, n):
    ...         self.weight = hx.Parameter(hx.ones((n,)))
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> [name for name, _ in Scale(3).named_parameters()]
    ['weight']
    """

    training: bool = True

    def forward(self, *args: Any, **kw: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kw: Any) -> Any:
        return self.forward(*args, **kw)

    # -------------------------------------------------------------------- walking
    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (named by the prefix) and every module below, once each."""
        seen: set[int] = set()
        for name, x in _walk(self, prefix, seen):
            if isinstance(x, Module):
                yield name, x

    def modules(self) -> Iterator[Module]:
        """This module and every module below, once each."""
        return (m for _, m in self.named_modules())

    def named_cells(self) -> Iterator[tuple[str, Cell]]:
        """Every parameter and other cell with its path; shared ones under each name."""
        for name, x in _walk(self, "", set(), repeat_cells=True):
            if isinstance(x, Cell):
                yield name, x

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its path; a shared one once, under its first name."""
        seen: set[int] = set()
        for name, c in self.named_cells():
            if isinstance(c, Parameter) and id(c) not in seen:
                seen.add(id(c))
                yield name, c

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter once."""
        return (p for _, p in self.named_parameters())

    # ---------------------------------------------------------------------- state
    def state_dict(self) -> dict[str, Tensor]:
        """Values of all parameters and cells by path; shared ones once."""
        values = {n: c.value for n, c in self._first_names().items()}
        return {n: t.detach() for n, t in values.items() if t is not None}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Set parameters and cells by path; nothing is set if anything does not fit.

        Parameters
        ----------
        state : mapping of str to Tensor or array
            Values are cast to the dtype, and moved to the device, of what they replace.
            A shared cell may have any of its names.
        strict : bool
            Names must match exactly.

        Raises
        ------
        StateDictError
            Naming what is missing, unexpected, or of another shape.
        """
        from ._create import tensor

        cells = dict(self.named_cells())
        filled = {id(cells[n]) for n in state if n in cells}
        missing = [
            n
            for n, c in self._first_names().items()
            if c.value is not None and id(c) not in filled
        ]
        extra = [n for n in state if n not in cells]
        wrong = []
        new: dict[Cell, Tensor] = {}
        for name, value in state.items():
            cell = cells.get(name)
            if cell is None:
                continue
            t, old = tensor(value), cell.value
            if old is not None:
                lossy = t.dtype.category == "complex" != old.dtype.category
                if t.shape != old.shape or lossy:
                    wrong.append(f"{name}: expected {old.aval!r}, got {t.aval!r}")
                    continue
                t = tensor(t, dtype=old.dtype, device=old.device)
            new[cell] = t.detach()
        problems = [f"wrong shape or dtype: {'; '.join(wrong)}"] if wrong else []
        if strict and missing:
            problems.append(f"missing: {', '.join(missing)}")
        if strict and extra:
            problems.append(f"unexpected: {', '.join(extra)}")
        if problems:
            raise StateDictError(
                f"[load_state_dict] expected the names and shapes of "
                f"{type(self).__name__}; got {' | '.join(problems)}"
            )
        for cell, t in new.items():
            cell.value = t

    def _first_names(self) -> dict[str, Cell]:
        """Each cell once, under its first name."""
        out: dict[str, Cell] = {}
        seen: set[int] = set()
        for name, c in self.named_cells():
            if id(c) not in seen:
                seen.add(id(c))
                if name in out:
                    raise StateDictError(
                        f"[module] expected one cell of the name {name!r}; got two. "
                        "Hint: a key of a dict may not contain a dot"
                    )
                out[name] = c
        return out

    # ----------------------------------------------------------------------- modes
    def train(self, mode: bool = True) -> Self:
        """Switch every module below to training (or evaluation) behaviour."""
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: no dropout, fixed statistics."""
        return self.train(False)

    def freeze(self, frozen: bool = True) -> Self:
        """Stop (or start again) learning every parameter below."""
        for p in self.parameters():
            p.freeze(frozen)
        return self

    def to(self, target: Any) -> Self:
        """Move every cell to a device, or cast the floating ones to a dtype; in place.

        Gradients go along. If one cannot be moved, none is. Optimizers keep state of
        their own: make them afterwards.

        Parameters
        ----------
        target : Device, DType, or the name of either
        """
        target = _as_target(target)
        cells = list(self._first_names().values())
        cells += [p._grad for p in self.parameters()]
        new = []
        for c in cells:
            t = c.value
            if t is not None and (t.dtype.inexact or not isinstance(target, DType)):
                new.append((c, t.detach().to(target)))
        for c, t in new:
            c.value = t
        return self

    def __repr__(self) -> str:
        shown = [(k, _show(v)) for k, v in vars(self).items()]
        lines = [f"{k}={v}," for k, v in shown if v is not None]
        return f"{type(self).__name__}{_block('(', lines, ')')}"


def _as_target(target: Any) -> Any:
    """A dtype where the argument means one, else what names a device."""
    if isinstance(target, (str, type, np.dtype)):
        try:
            return as_dtype(target)
        except DTypeError:
            return target
    return target


def _show(v: Any) -> str | None:
    """How a part of a module prints; None where it holds no cells."""
    if isinstance(v, Module):
        return repr(v)
    if isinstance(v, Cell):
        return "None" if v.value is None else repr(v.value.aval)
    if isinstance(v, dict):
        items = [(k, _show(x)) for k, x in v.items()]
        lines = [f"{k!r}: {x}," for k, x in items if x is not None]
        return _block("{", lines, "}") if lines else None
    if isinstance(v, (list, tuple)):
        parts = [x for x in map(_show, v) if x is not None]
        if len(parts) > 1 and len(set(parts)) == 1:
            return f"[{len(parts)} x {parts[0]}]"
        return _block("[", [f"{x}," for x in parts], "]") if parts else None
    return None


def _block(start: str, lines: Iterable[str], end: str) -> str:
    inner = "".join("\n" + line for line in lines).replace("\n", "\n  ")
    return f"{start}{inner}\n{end}" if inner else start + end


def _walk(
    x: Any,
    name: str,
    seen: set[int],
    repeat_cells: bool = False,
    above: tuple[int, ...] = (),
) -> Iterator[tuple[str, Any]]:
    """Depth first. ``above`` stops what contains itself."""
    if id(x) in above:
        return
    if isinstance(x, Cell):
        if repeat_cells or id(x) not in seen:
            seen.add(id(x))
            yield name, x
        return
    if isinstance(x, Module):
        if id(x) in seen and not repeat_cells:
            return
        seen.add(id(x))
        yield name, x
        items: Any = list(vars(x).items())
    elif isinstance(x, dict):
        items = list(x.items())
    elif isinstance(x, (list, tuple)):
        items = enumerate(x)
    else:
        return
    for k, v in items:
        path = f"{name}.{k}" if name else str(k)
        yield from _walk(v, path, seen, repeat_cells, (*above, id(x)))


def save(source: Module | Mapping[str, Any], path: Any, **metadata: str) -> None:
    """Write a module's state, or tensors by name, to a safetensors file, atomically.

    Parameters
    ----------
    source : Module, or mapping of str to Tensor or array
    path : path
    **metadata : str
        Kept in the file's header; ``hx.files.read_metadata(path)`` reads it.

    Raises
    ------
    FileError
        If it cannot be written; what was there stays.
    """
    from .files import save_tensors

    state = source.state_dict() if isinstance(source, Module) else source
    arrays = {k: np.asarray(v) for k, v in state.items()}
    save_tensors(path, arrays, metadata or None)


def load(path: Any, device: Any = None) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file: ``module.load_state_dict(hx.load(path))``.

    Raises
    ------
    FileError
        If it is missing, truncated, or not in the format.

    Examples
    --------
    >>> import tempfile, helix_core as hx
    >>> path = tempfile.mkdtemp() + "/weights.safetensors"
    >>> hx.save({"w": hx.tensor([1.0, 2.0])}, path)
    >>> hx.load(path)["w"].tolist()
    [1.0, 2.0]
    """
    from ._create import tensor
    from .files import load_tensors

    return {k: tensor(a, device=device) for k, a in load_tensors(path).items()}

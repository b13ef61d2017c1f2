"""``Module``: a class with parameters. Plain attributes, no registration, no magic.

Parameters, cells and modules are found by walking the attributes in the order in which
they were set, through lists, tuples and dicts. A name is the path: ``layers.0.weight``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from ._cell import Cell, Parameter
from ._errors import HelixError
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
        out: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, c in self.named_cells():
            if id(c) not in seen and c.value is not None:
                seen.add(id(c))
                out[name] = c.value.detach()
        return out

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Set parameters and cells by path; nothing is set if anything does not fit.

        Parameters
        ----------
        state : mapping of str to Tensor or array
            Values are cast to the dtype, and moved to the device, of what they replace.
        strict : bool
            Names must match exactly.

        Raises
        ------
        StateDictError
            Naming what is missing, unexpected, or of another shape.
        """
        from ._create import tensor

        cells = dict(self.named_cells())
        first: dict[int, str] = {}
        for name, c in cells.items():
            first.setdefault(id(c), name)
        filled = {id(cells[n]) for n in state if n in cells}
        missing = [
            n
            for n, c in cells.items()
            if first[id(c)] == n and c.value is not None and id(c) not in filled
        ]
        extra = [n for n in state if n not in cells]
        wrong = []
        new: dict[Cell, Tensor] = {}
        for name, value in state.items():
            cell = cells.get(name)
            if cell is None:
                continue
            t = tensor(value)
            old = cell.value
            if old is not None:
                if t.shape != old.shape:
                    wrong.append(f"{name}: expected {old.shape}, got {t.shape}")
                    continue
                t = tensor(t, dtype=old.dtype, device=old.device)
            new[cell] = t.detach()
        problems = [f"wrong shape: {'; '.join(wrong)}"] if wrong else []
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

    # ----------------------------------------------------------------------- modes
    def train(self, mode: bool = True) -> Self:
        """Switch every module below to training (or evaluation) behaviour."""
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: no dropout, fixed statistics."""
        return self.train(False)

    def to(self, target: Any) -> Self:
        """Move every cell to a device, or cast the floating ones to a dtype; in place."""
        from ._dtypes import DType

        for _, c in self.named_cells():
            t = c.value
            if t is None or (isinstance(target, DType) and not t.dtype.inexact):
                continue
            c.value = t.detach().to(target)
        return self

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}("]
        for k, v in vars(self).items():
            if isinstance(v, Module):
                text = repr(v).replace("\n", "\n  ")
            elif isinstance(v, Cell):
                text = "None" if v.value is None else repr(v.value.aval)
            elif isinstance(v, (list, tuple)) and v and isinstance(v[0], Module):
                text = f"[{len(v)} x {type(v[0]).__name__}]"
            else:
                continue
            lines.append(f"  {k}={text},")
        return "\n".join([*lines, ")"]) if len(lines) > 1 else lines[0] + ")"


def _walk(
    x: Any,
    name: str,
    seen: set[int],
    repeat_cells: bool = False,
    above: tuple[int, ...] = (),
) -> Iterator[tuple[str, Any]]:
    """Depth first. ``above`` stops a module that contains itself."""
    if isinstance(x, Cell):
        if repeat_cells or id(x) not in seen:
            seen.add(id(x))
            yield name, x
        return
    if isinstance(x, Module):
        if id(x) in above or (id(x) in seen and not repeat_cells):
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

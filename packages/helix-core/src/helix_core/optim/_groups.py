"""Parameter groups: which weights decay, and how fast each learns."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._cell import Parameter
from .._errors import HelixError


class Group(NamedTuple):
    """Parameters with settings of their own.

    ``weight_decay`` None is the optimizer's; ``lr_scale`` multiplies its learning rate.
    """

    params: list[Parameter]
    weight_decay: float | None = None
    lr_scale: float = 1.0


def groups(module: Any, weight_decay: float) -> list[Group]:
    """Two groups: parameters that decay, and those marked ``decay=False`` (norms,
    biases, ``A_log``, ``D``).

    Examples
    --------
    >>> import helix_core as hx
    >>> class Affine(hx.Module):
    ...     def __init__(self):
    ...         self.weight = hx.Parameter(hx.ones((2, 2)))
    ...         self.bias = hx.Parameter(hx.zeros((2,)), decay=False)
    >>> [(len(g.params), g.weight_decay) for g in groups(Affine(), 0.1)]
    [(1, 0.1), (1, 0.0)]
    """
    params = list(module.parameters())
    return [
        Group([p for p in params if p.decay], weight_decay),
        Group([p for p in params if not p.decay], 0.0),
    ]


def as_groups(params: Any) -> list[Group]:
    """Groups of trainable parameters from whatever an optimizer accepts."""
    if isinstance(params, (Group, Parameter)):
        params = [params]
    elif hasattr(params, "parameters"):
        params = params.parameters()
    out: list[Group] = []
    loose: list[Parameter] = []
    for x in params:
        if isinstance(x, Parameter):
            loose.append(x)
            continue
        if not isinstance(x, Group) or not all(
            isinstance(p, Parameter) for p in x.params
        ):
            raise HelixError(
                "[optimizer] expected a Module, Parameters or Groups of Parameters; got "
                f"{type(x).__name__}"
            )
        out.append(x)
    if loose:
        out.append(Group(loose))
    return [g._replace(params=[p for p in g.params if p.trainable]) for g in out]

"""Mixed precision: ``hx.precision``.

A public product reads the precision in force when it is called and passes it on as an
attribute, which its gradient uses too, wherever that is computed.
"""

from __future__ import annotations

from typing import Any

from ._errors import DTypeError
from ._state import STATE, scope

COMPUTE = ("float32", "bfloat16")


def precision(compute: Any) -> scope:
    """``with hx.precision("bfloat16"): ...``: what products of float32 compute in.

    With "bfloat16" products round their float32 operands to bfloat16 and accumulate in
    float32; what they return, and every other op, stays float32. So do gradients: the
    backward pass of a product uses the precision of its forward pass, also where it
    runs outside the ``with``. Other dtypes are not touched.

    Parameters
    ----------
    compute : {"float32", "bfloat16"} or DType

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.tensor([[1.001]])
    >>> with precision("bfloat16"):
    ...     y = x @ x
    >>> y.item(), y.dtype
    (1.0, float32)
    """
    return scope(compute=checked("precision", getattr(compute, "name", compute)))


def get_precision() -> str:
    """What products of float32 compute in here: "float32" or "bfloat16".

    For wrappers of composites of one's own: read it when called, and pass it on as an
    attribute.

    Examples
    --------
    >>> with precision("bfloat16"):
    ...     get_precision()
    'bfloat16'
    """
    return STATE.get().compute


def checked(op: str, compute: Any) -> str:
    """``compute``, or the precision in force where it is None."""
    if compute is None:
        return STATE.get().compute
    if compute not in COMPUTE:
        raise DTypeError(
            f"[{op}] expected compute='float32' or 'bfloat16'; got {compute!r}"
        )
    return str(compute)

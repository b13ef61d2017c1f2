"""Dropout whose mask is computed again in the backward pass, from the random key."""

from __future__ import annotations

from typing import Any

from .. import _dtypes as dt
from .. import _ops as ops
from .._composite import composite
from .._errors import HelixError
from .._primitive import bind
from .._primitives.random import random_bits_p
from .._shape import _in
from .._tensor import Tensor


def _dropout(x: Tensor, key: Tensor, p: float) -> Tensor:
    """Element i survives if its random word is at least p 2^32."""
    bits = bind(random_bits_p, key, shape=x.shape, bits=32)
    limit = ops.full((), min(int(p * 2**32), 2**32 - 1), dt.uint32, x.device)
    keep = ops.le(limit, bits)
    return ops.where(keep, x * (1.0 / (1.0 - p)), 0.0)


def _bwd(inputs: Any, outputs: Any, residuals: Any, cts: Any, p: float) -> Any:
    return dropout_c(cts[0], inputs[0], p=p), None


dropout_c = composite(
    "dropout",
    fwd=lambda x, key, p: (_dropout(x, key, p),),
    bwd=_bwd,
    reads_inputs=(1,),
    reads_outputs=False,
)(_dropout)


def dropout(x: Any, p: float, training: bool = True, generator: Any = None) -> Tensor:
    """Zero each element with probability ``p``, and scale the rest by 1 / (1 - p).

    Parameters
    ----------
    p : float in [0, 1]
    training : bool
        False returns ``x``.
    generator : Generator, optional
        Default the process-wide one.
    """
    if not 0.0 <= p <= 1.0:
        raise HelixError(f"[dropout] expected p in [0, 1]; got {p}")
    x = _in(x)
    if not training or p == 0.0:
        return x
    if p == 1.0:
        return ops.zeros_like(x)
    from .._random import default_generator

    key = (generator or default_generator()).next_key(x.device)
    return dropout_c(x, key, p=float(p))

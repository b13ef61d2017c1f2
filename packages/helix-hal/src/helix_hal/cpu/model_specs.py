"""Kernels for composites that other packages declare; served by their names."""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.specs import c, serves, single

_FEW = 16  # sequences from which BLAS reads the weights better than we do


def _few(device: Any, ids: Any, *avals: Any, **attrs: Any) -> Any:
    ok = single(device, *avals)
    if ok is True and ids.shape[0] > _FEW:
        return f"expected at most {_FEW} sequences; got {ids.shape[0]}"
    return ok


@serves("mamba_lm_step", _few)
def _mamba_lm_step(
    dev: Any, ids: Any, conv: Any, ssm: Any, *w: Any, **attrs: Any
) -> Any:
    from helix_hal.cpu.kernels.mamba_step import mamba_lm_step

    return mamba_lm_step(c(ids), conv, ssm, *w, **attrs)


def _some_last(device: Any, *avals: Any, **attrs: Any) -> Any:
    """Float32, and something to attend to; all keys may still be among the last."""
    q, _, _, *rest = avals
    return single(device, q, *rest)


@serves("attention_step", _some_last)
def _attention_step(
    dev: Any,
    q: Any,
    k: Any,
    v: Any,
    last_k: Any,
    last_v: Any,
    *slopes: Any,
    compute: str,
) -> Any:
    from helix_hal.cpu.kernels.attention_step import attention_step

    by = slopes[0] if slopes else None
    return attention_step(q, k, v, last_k, last_v, by, compute == "bfloat16")

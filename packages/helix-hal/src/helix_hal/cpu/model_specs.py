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

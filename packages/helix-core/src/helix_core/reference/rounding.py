"""What ``compute="bfloat16"`` does to an operand."""

from __future__ import annotations

import numpy as np


def rounded(x: np.ndarray, compute: str) -> np.ndarray:
    """float32 as bfloat16 holds it, where ``compute`` says so; else the array itself."""
    if compute != "bfloat16" or x.dtype != np.float32:
        return x
    import ml_dtypes

    return x.astype(ml_dtypes.bfloat16).astype(np.float32)

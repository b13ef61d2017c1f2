"""The figures of backends: each file declares its cases."""

from __future__ import annotations

from . import torch_gpt, xla_gpt

CASES = (*torch_gpt.CASES, *xla_gpt.CASES)

"""The figures of backends: each file declares its cases."""

from __future__ import annotations

from . import (
    choice,
    conformance,
    cpu_programs,
    opencl_gpt,
    opencl_kernels,
    opencl_mamba,
    sample_backend_lines,
    torch_gpt,
    vulkan,
    xla_gpt,
)

CASES = (
    *torch_gpt.CASES,
    *xla_gpt.CASES,
    *opencl_kernels.CASES,
    *opencl_gpt.CASES,
    *opencl_mamba.CASES,
    *vulkan.CASES,
    *sample_backend_lines.CASES,
    *conformance.CASES,
    *cpu_programs.CASES,
    *choice.CASES,
)

"""What the hot kernels become: vector multiply-adds, and no call to an exponential."""

import platform
import re

import numpy as np
import pytest
from helix_hal.cpu.kernels import causal_conv1d, selective_scan

MACHINE = platform.machine().lower()
FLAT = np.zeros(64, np.float32)
SIZE = np.zeros(8, np.int64)


def _features() -> str:
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_features().flatten()


def _needs() -> str:
    """Why this processor cannot be asked; empty if it can."""
    if MACHINE in ("x86_64", "amd64"):
        features = _features().split(",")
        if "+avx2" not in features or "+fma" not in features:
            return "this x86 processor has no AVX2 with FMA"
        return ""
    if MACHINE in ("arm64", "aarch64"):
        return ""
    return f"no vector instructions are known to this test for {MACHINE!r}"


pytestmark = pytest.mark.skipif(bool(_needs()), reason=_needs() or "can be asked")

if MACHINE in ("arm64", "aarch64"):
    FMA = re.compile(r"\bfml[as][.\s].*\.4s|\bfml[as]\.4s")
else:
    FMA = re.compile(r"\bvfn?m(?:add|sub)\d+ps\b.*%[yz]mm")
EXPONENTIAL = re.compile(r"\b(?:exp2?f?|powf?)\b")  # a name to call

KERNELS = {
    "scan forward": (selective_scan._forward(4, True, True), 12),
    "scan backward": (selective_scan._backward(4, True, True), 20),
    "convolution forward": (causal_conv1d._forward(4, True), 5),
    "convolution backward": (causal_conv1d._backward(4, True), 9),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_vector_code_with_an_exponential_of_their_own(name):
    run, arrays = KERNELS[name]
    text = run.assembly(0, 1, SIZE, *[FLAT] * arrays)
    assert len(FMA.findall(text)) >= 10
    assert not EXPONENTIAL.findall(text)


def test_the_checks_see_a_scalar_exponential():
    import math

    from helix_hal.cpu.jit import kernel

    @kernel
    def scalar(lo, hi, x):
        for i in range(lo, hi):
            x[i] = math.exp(x[i])

    text = scalar.assembly(0, 1, FLAT)
    assert EXPONENTIAL.findall(text)
    assert not FMA.findall(text)

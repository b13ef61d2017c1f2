"""Lazily compiled kernels and what identifies their code."""

import subprocess
import sys

import numpy as np
import pytest
from helix_hal.cpu.jit import Jitted, device_function, intrinsic, kernel

STEP = 3.0


@device_function
def add_step(x):
    return x + STEP


@kernel
def shift(lo, hi, x, y):
    for i in range(lo, hi):
        y[i] = add_step(x[i])


@intrinsic
def bits_of(typingctx, value):
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(32))

    return types.int32(types.float32), codegen


@kernel
def store_bits(lo, hi, x, y):
    for i in range(lo, hi):
        y[i] = bits_of(x[i])


def test_a_kernel_runs_its_range_only():
    x, y = np.arange(5.0), np.zeros(5)
    shift(1, 3, x, y)
    assert y.tolist() == [0.0, 4.0, 5.0, 0.0, 0.0]


def test_an_intrinsic_reads_the_bits_of_a_float():
    x = np.array([1.0, -2.0, 0.5], np.float32)
    y = np.zeros(3, np.int32)
    store_bits(0, 3, x, y)
    assert y.tolist() == x.view(np.int32).tolist()


def test_a_closure_gives_two_kernels_of_their_own():
    def scaled_by(factor):
        @kernel
        def run(lo, hi, x):
            for i in range(lo, hi):
                x[i] *= factor

        return run

    double, triple = scaled_by(2.0), scaled_by(3.0)
    x = np.ones(2)
    double(0, 2, x)
    triple(0, 1, x)
    assert x.tolist() == [6.0, 2.0]
    assert double.fingerprint != triple.fingerprint


def test_division_by_zero_is_infinite_as_in_numpy():
    @kernel
    def invert(lo, hi, x):
        for i in range(lo, hi):
            x[i] = 1.0 / x[i]

    x = np.array([0.0, -0.0])
    invert(0, 2, x)
    assert x.tolist() == [np.inf, -np.inf]


def _define(body: str, step: float = 3.0, options: str = "") -> Jitted:
    source = (
        "from helix_hal.cpu.jit import kernel, device_function\n"
        f"STEP = {step}\n"
        "@device_function\n"
        f"def helper(x):\n    return {body}\n"
        f"@kernel{options}\n"
        "def run(lo, hi, x):\n"
        "    for i in range(lo, hi):\n"
        "        x[i] = helper(x[i])\n"
    )
    scope: dict = {"__name__": "defined"}
    exec(compile(source, "<kernel>", "exec"), scope)
    return scope["run"]


def test_the_fingerprint_ignores_where_the_code_stands():
    assert _define("x + STEP").fingerprint == _define("x + STEP").fingerprint


@pytest.mark.parametrize(
    "other",
    [
        _define("x - STEP"),
        _define("x + STEP", step=4.0),
        _define("x + STEP", options="(fastmath=True)"),
    ],
    ids=["helper's code", "helper's constant", "options"],
)
def test_the_fingerprint_follows_what_changes_the_machine_code(other):
    assert other.fingerprint != _define("x + STEP").fingerprint


def test_flag_sets_in_any_order_are_one_fingerprint():
    a = _define("x", options="(fastmath={'nsz', 'contract', 'arcp'})")
    b = _define("x", options="(fastmath={'arcp', 'nsz', 'contract'})")
    assert a.fingerprint == b.fingerprint


def test_a_global_that_cannot_be_hashed_is_refused_with_a_hint():
    table = {"a": 1}

    @kernel
    def run(lo, hi, x):
        x[0] = table["a"]

    with pytest.raises(TypeError, match=r"\[kernel\] expected .*table=dict.*Hint"):
        _ = run.fingerprint


def test_assembly_shows_the_code_for_the_arguments():
    text = shift.assembly(0, 1, np.zeros(1), np.zeros(1))
    assert "shift" in text


def test_importing_kernels_imports_no_numba():
    code = (
        "import sys\n"
        "import helix_hal.cpu.kernels.softmax, helix_hal.cpu.kernels.adam\n"
        "import helix_hal.cpu.launch, helix_hal.cpu.pool\n"
        "bad = {'numba', 'llvmlite', 'scipy', 'psutil'} & set(sys.modules)\n"
        "sys.exit(repr(bad) if bad else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

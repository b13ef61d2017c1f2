"""Loop programs as C99, compiled by the machine's compiler, against the interpreter."""

import ctypes
import shutil
import subprocess
from math import prod

import pytest
import render_programs
from helix_core.loop import SCALAR_OPS, LoopError
from helix_hal.loop.c import PREAMBLE, CRenderer
from helix_hal.loop.device import Features
from helix_hal.loop.legal import legal

CHUNK = 3
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
NUMBERS = ("bool", "int32", "int64", "uint32", "uint64", "float32", "float64", "index")
FEATURES = Features(
    dtypes=frozenset(NUMBERS),
    arithmetic=frozenset(NUMBERS),
    scalar_ops=frozenset(SCALAR_OPS),
)
CASES = [name for name in render_programs.CASES if name != "groups"]


@pytest.mark.skipif(COMPILER is None, reason="C99: no C compiler on the PATH")
@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
def test_it_does_what_the_program_means(tmp_path, wide):
    """All programs in one library: compilers start slowly."""
    sources, runs = [], []
    for k, name in enumerate(CASES):
        program, memory, sizes = render_programs.CASES[name]()
        made = CRenderer(legal(program, FEATURES), wide=wide)
        symbol = f"{made.symbol}_{k}"
        sources.append(made.source().replace(f"void {made.symbol}(", f"void {symbol}("))
        runs.append((symbol, (program, memory, sizes)))
    (tmp_path / "k.c").write_text(PREAMBLE + "\n".join(sources))
    library = tmp_path / "k.so"
    flags = ["-O1", "-std=c99", "-shared", "-fPIC", "-ffp-contract=off", "-w"]
    command = [COMPILER, *flags, "-o", library, tmp_path / "k.c", "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    loaded = ctypes.CDLL(str(library))
    for symbol, case in runs:
        kernel = getattr(loaded, symbol)

        def run(program, memories, sizes, kernel=kernel):
            given = dict(zip(program.sizes, sizes, strict=True))
            *rows, last = [given[g] for g in program.grid]
            tiles = prod(rows) * -(-last // CHUNK)
            numbers = [0, tiles, CHUNK]
            ends = [0] * len(memories) + list(sizes)
            kernel(
                *[ctypes.c_int64(n) for n in numbers],
                *[ctypes.c_void_p(m.ctypes.data) for m in memories],
                *[ctypes.c_int64(n) for n in ends],
            )

        render_programs.compare(case, run)


def test_sums_over_groups_are_refused():
    program, _, _ = render_programs.CASES["groups"]()
    with pytest.raises(LoopError, match="without groups, for C"):
        CRenderer(legal(program, FEATURES)).source()

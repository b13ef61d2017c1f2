"""Loop programs on the CPU: rendered, compiled by numba, against the interpreter."""

from pathlib import Path

import numpy as np
import pytest
import render_programs
from helix_core.loop import LoopError
from helix_hal.cpu.loops import FEATURES, run
from helix_hal.loop.legal import legal
from helix_hal.loop.numba_source import CpuRenderer

GOLDEN = Path(__file__).parent / "golden"
CPU = [name for name in render_programs.CASES if name != "groups"]


@pytest.mark.parametrize("name", CPU)
def test_it_does_what_the_program_means(name):
    render_programs.compare(render_programs.CASES[name](), run)


def test_sums_over_groups_are_refused():
    program, memory, sizes = render_programs.CASES["groups"]()
    with pytest.raises(LoopError, match="no sum_group on the CPU"):
        run(program, list(memory.values()), list(sizes.values()))


def test_views_begin_where_their_offset_says():
    program, memory, _ = render_programs.padded(4)
    x = np.arange(20, dtype=np.float32)
    run(program, [x, memory["y"]], [3, 4, 4, 0], [5, 0])
    assert memory["y"].tolist() == x[5:17].tolist()


@pytest.mark.parametrize(
    "name", ["softmax of short rows", "lanes", "blocks", "bfloat16"]
)
def test_the_source_is_the_one_on_record(name):
    program, _, _ = render_programs.CASES[name]()
    source = CpuRenderer(legal(program, FEATURES)).source()
    path = GOLDEN / f"cpu_{name.replace(' ', '_')}.py.txt"
    assert source == path.read_text()

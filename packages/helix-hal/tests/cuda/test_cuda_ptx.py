"""Programs compile to PTX without a GPU, where the toolchain is installed."""

import os

import pytest
import render_programs

pytest.importorskip("numba_cuda", reason="backend cuda: pip install numba-cuda[cu13]")
pytestmark = pytest.mark.skipif(
    os.environ.get("NUMBA_ENABLE_CUDASIM") == "1",
    reason="backend cuda: the simulator compiles nothing",
)


@pytest.mark.parametrize("name", render_programs.CASES)
def test_it_compiles(name):
    from helix_hal.cuda.device import ptx

    program, _, _ = render_programs.CASES[name]()
    assert ".entry" in ptx(program, (8, 0))


@pytest.mark.parametrize("name", ["softmax of long rows", "argmax"])
def test_a_block_shares_a_reduction(name):
    from helix_hal.cuda.device import ptx

    program, _, _ = render_programs.CASES[name]()
    text = ptx(program, (7, 5), mode="group")
    assert "bar.sync" in text and ".shared" in text

"""Loop programs under numba's CUDA simulator, against the interpreter."""

import numpy as np
import pytest
import render_programs

pytestmark = pytest.mark.simulated


@pytest.fixture(scope="module")
def device():
    pytest.importorskip("numba.cuda", reason="backend cuda: pip install numba-cuda")
    from helix_hal.cuda.device import CudaDevice

    return CudaDevice(0)


@pytest.mark.parametrize("name", render_programs.CASES)
def test_it_does_what_the_program_means(device, name):
    def run(program, memories, sizes):
        there = [device.allocate(max(m.nbytes, 1)) for m in memories]
        for memory, array in zip(there, memories, strict=True):
            device.write(memory, array)
        device.compile(program, False)(there, [0] * len(there), sizes)
        for memory, array in zip(there, memories, strict=True):
            device.read(memory, 0, array)
            device.free(memory)

    render_programs.compare(render_programs.CASES[name](), run)


def test_every_half_is_converted_exactly(device):
    from helix_hal.cuda.scalars import functions

    known = functions(True)
    bits = np.arange(65536, dtype=np.uint16)
    want = bits.view(np.float16).astype(np.float32)
    with np.errstate(all="ignore"):
        got = np.array([known["from_half"](b) for b in bits], np.float32)
        back = np.array([known["to_half"](x) for x in want[:64512:7]], np.uint16)
    np.testing.assert_array_equal(got, want)
    finite = bits[:64512:7]
    keep = ~np.isnan(want[:64512:7])
    np.testing.assert_array_equal(back[keep], finite[keep])


def test_no_room_is_an_error_that_names_size_and_device(device):
    import helix_core as hx

    with pytest.raises(hx.OutOfMemory, match=r"8589934592 bytes on 'cuda:0'"):
        device.allocate(1 << 33)
    device.free(device.allocate(64))

"""Programs written once, and what each language makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import helix_core as hx
import pytest
from helix_core.loop import SCALAR_OPS
from helix_hal.cpu.loops import FEATURES
from helix_hal.cuda.renderer import CudaRenderer
from helix_hal.loop.device import Features
from helix_hal.loop.legal import legal
from helix_hal.loop.lower import reduce, scan
from helix_hal.loop.lower.body import single
from helix_hal.loop.numba_source import CpuRenderer
from helix_hal.loop.render import cooperative
from helix_hal.opencl.renderer import OpenClRenderer
from helix_hal.programs import causal_conv1d, cross_entropy, norms, selective_scan
from helix_hal.programs.rotary import rotary
from helix_hal.programs.softmax import softmax
from helix_hal.webgpu.renderer import WgslRenderer

GOLDEN = Path(__file__).parent / "golden" / "sources"
NUMBERS = frozenset({"bool", "int32", "uint32", "float32"})
GPU = Features(
    dtypes=NUMBERS,
    arithmetic=NUMBERS | {"index"},
    scalar_ops=frozenset(SCALAR_OPS),
    group=64,
)
ROUGH = frozenset("exp log sin cos tanh erf pow mulhi".split())  # in WGSL
WEBGPU = replace(GPU, scalar_ops=GPU.scalar_ops - ROUGH)
F32 = hx.as_dtype("float32")


def argmax():
    """Over the last axis of two."""
    body = single("copy", (F32,), F32)
    int32 = hx.as_dtype("int32")
    form = reduce.Form(body, "argmax", 1, 1, (("s", "1"),), "c", "", int32)
    return reduce.program(form)


PROGRAMS = {
    "softmax": lambda: softmax("float32", False),
    "layer_norm": lambda: norms.norm("float32", 1e-5, True, False),
    "layer_norm_backward": lambda: norms.norm_backward("float32", True, False),
    "argmax": argmax,
    "cross_entropy": lambda: cross_entropy.cross_entropy(
        cross_entropy.Form("float32", "int32", False, -100, 0.0, "mean")
    ),
    "causal_conv1d": lambda: causal_conv1d.conv("float32", 4, True, False, True),
    "linear_scan": lambda: scan._linear_program(F32, False),
    "linear_scan_reversed": lambda: scan._linear_program(F32, True),
    "rotary": lambda: rotary("float32", False, False),
    "selective_scan": lambda: selective_scan.scan(
        selective_scan.Form(
            "float32",
            4,
            softplus=True,
            D=True,
            z=True,
            dt_bias=False,
            h0=False,
            lanes=1,
            even=True,
        )
    ),
}


def cpu(program):
    return CpuRenderer(legal(program, FEATURES)).source()


def cuda(program):
    mode = "group" if cooperative(program) else "point"
    return CudaRenderer(legal(program, GPU), mode=mode, local=64).source()


def opencl(program):
    form = "group" if cooperative(program) else "items"
    return OpenClRenderer(legal(program, GPU), form, 64).source()


def wgsl(program):
    form = "group" if cooperative(program) else "flat"
    return WgslRenderer(legal(program, WEBGPU), form, 64).source()


LANGUAGES = {"cpu.txt": cpu, "cuda.txt": cuda, "cl": opencl, "wgsl": wgsl}


@pytest.mark.parametrize("suffix", LANGUAGES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_source_is_the_one_on_record(name, suffix):
    """Remove the file, run, and read what is written where there is none."""
    source = LANGUAGES[suffix](PROGRAMS[name]())
    path = GOLDEN / f"{name}.{suffix}"
    if not path.exists():
        path.write_text(source)
        pytest.fail(f"{path.name} was not there: read it, and run again")
    assert source == path.read_text()

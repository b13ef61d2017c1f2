"""Loop programs in WGSL, in every form, against the interpreter."""

from pathlib import Path

import numpy as np
import pytest
import render_programs
from helix_hal.loop.legal import legal
from helix_hal.loop.render import cooperative
from helix_hal.webgpu.launch import ProgramLaunch, group_sizes
from helix_hal.webgpu.renderer import WgslRenderer

GOLDEN = Path(__file__).parent / "golden"
CASES = [c for c in render_programs.CASES if "float64" not in c]
FORMS = {
    "flat": CASES,
    "rows": [c for c in CASES if c not in ("groups", "no points")],
    "group": ["softmax of short rows", "softmax of long rows", "argmax"],
}


def runner(device, launch, offsets=None):
    def run(program, memories, sizes):
        there = [device.allocate(max(m.nbytes, 1)) for m in memories]
        for memory, array in zip(there, memories, strict=True):
            if array.size:
                device.write(memory, array)
        launch(program)(there, offsets or [0] * len(there), sizes)
        for memory, array in zip(there, memories, strict=True):
            if array.size:
                device.read(memory, 0, array)
            device.free(memory)

    return run


@pytest.mark.parametrize("name", CASES)
def test_it_does_what_the_program_means(device, name):
    run = runner(device, lambda p: device.compile(p, False))
    render_programs.compare(render_programs.CASES[name](), run)


@pytest.mark.parametrize(
    "form, name", [(f, c) for f, names in FORMS.items() for c in names]
)
def test_every_form_does(device, form, name):
    program, _, sizes = case = render_programs.CASES[name]()
    assert form != "group" or cooperative(program)

    def launch(p):
        made = ProgramLaunch(device, p, False)
        local = p.group if p.group > 1 else 64
        kernel = made.form(form, local)
        extents = [sizes[g] for g in p.grid]
        rows = int(np.prod(extents[:-1]))
        groups = group_sizes(3 + rows * extents[-1], 4)  # folded, and more than needed
        if form == "rows":
            groups = (-(-extents[-1] // local), *group_sizes(rows, 2)[:2])

        def run(memories, offsets, values):
            kernel.run(tuple(memories), (*offsets, *values, 0), groups)

        return run

    if all(sizes[g] for g in program.grid):
        render_programs.compare(case, runner(device, launch))


def test_views_begin_where_their_offset_says(device):
    program, memory, _ = render_programs.padded(4)
    x = np.arange(20, dtype=np.float32)
    run = runner(device, lambda p: device.compile(p, False), [5, 0])
    run(program, [x, memory["y"]], [3, 4, 4, 0])
    assert memory["y"].tolist() == x[5:17].tolist()


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float32"])
def test_additions_to_one_place_are_all_counted(device, dtype):
    from helix_core.loop import Builder

    assert dtype in device.features.atomic_add
    b = Builder("count")
    n, x, y = b.size("n"), b.input("x", dtype), b.inout("y", dtype)
    i = b.axis(n)
    y.add(i % 3, x[i])
    memories = [np.ones(9000, dtype), np.full(3, 2, dtype)]
    runner(device, lambda p: device.compile(p, False))(b.build(), memories, [9000])
    assert memories[1].tolist() == [3002] * 3


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "uint16"])
def test_small_elements_lie_beside_their_neighbours(device, dtype):
    """Every second one is written; the others stay, in the same words."""
    from helix_core.loop import Builder

    b = Builder("halves")
    n, x, y = b.size("n"), b.input("x", dtype), b.inout("y", dtype)
    i = b.axis(n)
    y[i * 2 + 1] = x[i]
    rng = np.random.default_rng(1)
    x, y = (rng.integers(-128, 128, n).astype(dtype) for n in (501, 1003))
    want = y.copy()
    want[1:-1:2] = x
    runner(device, lambda p: device.compile(p, False))(b.build(), [x, y], [501])
    np.testing.assert_array_equal(y, want)


def test_every_half_and_every_bfloat16_is_converted_exactly(device):
    import ml_dtypes
    from helix_core.loop import Builder

    bits = np.arange(65536, dtype=np.uint16)
    rng = np.random.default_rng(0)
    wide = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    for name, kind in (("float16", np.float16), ("bfloat16", ml_dtypes.bfloat16)):
        for source, target, x in (
            (name, "float32", bits.view(kind)),
            ("float32", name, wide),
        ):
            b = Builder("convert")
            n, a, y = b.size("n"), b.input("x", source), b.output("y", target)
            i = b.axis(n)
            y[i] = a[i].cast(target)
            with np.errstate(all="ignore"):
                want = x.astype(np.float32 if target == "float32" else kind)
            got = np.empty_like(want)
            run = runner(device, lambda p: device.compile(p, False))
            run(b.build(), [x, got], [x.size])
            with np.errstate(invalid="ignore"):  # NaN that signal
                pair = got.astype(np.float64), want.astype(np.float64)
            np.testing.assert_array_equal(*pair)


def test_constants_that_overflow_are_no_errors_of_the_compiler(device):
    from helix_core.loop import Builder

    b = Builder("constants")
    n, y, z = b.size("n"), b.output("y", "float32"), b.output("z", "int32")
    i = b.axis(n)
    y[i] = b.const(3e38, "float32") * b.const(10, "float32")
    z[i] = (b.const(1, "int32") << 31) + b.const(-(2**31), "int32")
    memories = [np.zeros(2, np.float32), np.ones(2, np.int32)]
    runner(device, lambda p: device.compile(p, False))(b.build(), memories, [2])
    assert memories[0].tolist() == [np.inf] * 2 and memories[1].tolist() == [0, 0]


@pytest.mark.parametrize(
    "groups", [1, 3, 65535, 65536, 200_000, 65535 * 3, 65535**2 + 1]
)
def test_many_groups_are_folded(groups):
    x, y, z = group_sizes(groups, 65535)
    assert x * y * z >= groups and max(x, y, z) <= 65535
    assert (x * y * z) - groups < 65535 * (1 if groups <= 65535**2 else 65535)


def test_more_groups_than_one_axis_takes_all_run(device):
    program, _, _ = render_programs.padded(1)
    rows = 65535 * 64 + 5
    x, y = np.arange(rows, dtype=np.float32), np.zeros(rows, np.float32)
    kernel = ProgramLaunch(device, program, False).form("flat", 64)
    there = tuple([device.allocate(a.nbytes) for a in (x, y)])
    device.write(there[0], x)
    groups = group_sizes(-(-rows // 64), device.max_groups)
    assert groups[1] > 1
    kernel.run(there, (0, 0, rows, 1, 1, 0, 0), groups)
    device.read(there[1], 0, y)
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize(
    "name, form",
    [
        ("softmax of short rows", "flat"),
        ("softmax of short rows", "group"),
        ("lanes", "flat"),
        ("blocks", "rows"),
        ("groups", "flat"),
        ("bfloat16", "flat"),
    ],
)
def test_the_source_is_the_one_on_record(device, name, form):
    program, _, _ = render_programs.CASES[name]()
    source = WgslRenderer(legal(program, device.features), form, 64).source()
    path = GOLDEN / f"{form}_{name.replace(' ', '_')}.wgsl"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        pytest.fail(f"{path.name} was not there: read it, and run again")
    assert source == path.read_text()

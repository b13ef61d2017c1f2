"""Loop programs in OpenCL C, in every form, against the interpreter."""

from pathlib import Path

import numpy as np
import pytest
import render_programs
from helix_hal.loop.legal import legal
from helix_hal.loop.render import cooperative
from helix_hal.opencl.launch import ProgramLaunch
from helix_hal.opencl.renderer import OpenClRenderer

GOLDEN = Path(__file__).parent / "golden"
SHARED = ["softmax of short rows", "softmax of long rows", "argmax"]


class AsOnGpu:
    """The device, taken for a GPU."""

    on_cpu = False

    def __init__(self, device):
        self._device = device

    def __getattr__(self, name):
        return getattr(self._device, name)


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


@pytest.mark.parametrize("wide", [False, True], ids=["int32", "int64"])
@pytest.mark.parametrize("name", render_programs.CASES)
def test_it_does_what_the_program_means(device, name, wide):
    run = runner(device, lambda p: device.compile(p, wide))
    render_programs.compare(render_programs.CASES[name](), run)


@pytest.mark.parametrize("name", render_programs.CASES)
def test_so_do_the_kernels_for_gpus(device, name):
    gpu = AsOnGpu(device)
    render_programs.compare(
        render_programs.CASES[name](),
        runner(device, lambda p: ProgramLaunch(gpu, p, False)),
    )


@pytest.mark.parametrize("name", SHARED)
def test_groups_share_the_steps_of_a_point(device, name):
    program, _, sizes = case = render_programs.CASES[name]()
    assert cooperative(program)

    def launch(p):
        made = ProgramLaunch(AsOnGpu(device), p, False)
        form = made.form("group", 64)
        points = sizes[p.grid[0]]

        def run(memories, offsets, values):
            form.run(memories, (*offsets, *values), points)

        return run

    render_programs.compare(case, runner(device, launch))


def test_views_begin_where_their_offset_says(device):
    program, memory, _ = render_programs.padded(4)
    x = np.arange(20, dtype=np.float32)
    run = runner(device, lambda p: device.compile(p, False), [5, 0])
    run(program, [x, memory["y"]], [3, 4, 4, 0])
    assert memory["y"].tolist() == x[5:17].tolist()


def test_additions_to_one_place_are_all_counted(device):
    from helix_core.loop import Builder

    for dtype in sorted(device.features.atomic_add):
        b = Builder("count")
        n, x, y = b.size("n"), b.input("x", dtype), b.inout("y", dtype)
        i = b.axis(n)
        y.add(i % 3, x[i])
        memories = [np.ones(9000, dtype), np.full(3, 2, dtype)]
        for launch in (
            lambda p: device.compile(p, False),
            lambda p: ProgramLaunch(AsOnGpu(device), p, False),
        ):
            runner(device, launch)(b.build(), memories, [9000])
        assert memories[1].tolist() == [6002] * 3


def overtaken(lanes):
    """A product of a state, added up after the state has got its new value."""
    from helix_core.loop import Builder

    b = Builder("overtaken")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(b.size("rows"))
    n = b.size("n")
    b.serial(n)
    lane = b.lane(lanes)
    with b.scan([1.0], "float32", width=lanes) as s:
        one = x[i * n + s.step]
        product = s.state * (lane.cast("float32") + 2.0)
        new = s.state * 0.5 + one
        s.next(new)
        y[i * n + s.step] = (product + new).sum_lanes() - one * one
    rng = np.random.default_rng(0)
    memory = {
        "x": rng.standard_normal(35).astype(np.float32),
        "y": np.zeros(35, np.float32),
    }
    return b.build(), memory, {"rows": 5, "n": 7}


@pytest.mark.parametrize("lanes", [4, 16])
def test_sums_of_products_read_what_the_product_read(device, lanes):
    run = runner(device, lambda p: device.compile(p, False))
    render_programs.compare(overtaken(lanes), run)
    program = legal(overtaken(lanes)[0], device.features)
    assert "fma(" in OpenClRenderer(program, "tiles").source()


def test_vectors_are_as_wide_as_a_loop_allows(device):
    program = legal(overtaken(4)[0], device.features)
    narrow = OpenClRenderer(program, "tiles", vector=16).source()
    assert "vectorize_width" not in narrow and "vectorize(" in narrow
    program = legal(overtaken(32)[0], device.features)
    assert "vectorize_width(16)" in OpenClRenderer(program, "tiles", vector=16).source()
    assert "vectorize" not in OpenClRenderer(program, "items", vector=16).source()


def test_kernels_take_the_vectors_of_the_device(device, monkeypatch):
    monkeypatch.setattr(device, "vector", 4)
    program, memories, sizes = overtaken(32)
    launch = device.compile(program, False)
    render_programs.compare(
        (program, memories, sizes), runner(device, lambda p: launch)
    )
    sources = [form.source for form in launch.forms.values()]
    assert any("vectorize_width(4)" in s for s in sources) == device.on_cpu


def test_programs_of_primitives_round_as_these_do(device):
    from helix_core.loop import Builder

    b = Builder("map_mul_add")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(b.size("n"))
    y[i] = x[i] * x[i] - 1.0
    program = b.build()
    for fma in (False, True):
        assert "fma(" not in OpenClRenderer(program, "tiles", fma=fma).source()
    a, got = np.full(64, 1 + 2.0**-12, np.float32), np.empty(64, np.float32)
    runner(device, lambda p: device.compile(p, False))(program, [a, got], [64])
    assert np.array_equal(got, a * a - 1)


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


@pytest.mark.parametrize(
    "name, form",
    [
        ("softmax of short rows", "tiles"),
        ("softmax of short rows", "group"),
        ("lanes", "tiles"),
        ("blocks", "items"),
        ("groups", "items"),
    ],
)
def test_the_source_is_the_one_on_record(device, name, form):
    program, _, _ = render_programs.CASES[name]()
    source = OpenClRenderer(legal(program, device.features), form, 64).source()
    path = GOLDEN / f"{form}_{name.replace(' ', '_')}.cl"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        pytest.fail(f"{path.name} was not there: read it, and run again")
    assert source == path.read_text()

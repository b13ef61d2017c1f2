"""Tuned matrix products beside NumPy: every tile, odd shapes, strides, dtypes."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import CompileError
from helix_core._dtypes import as_dtype
from helix_hal import cache
from helix_hal.loop.buffer import Buffer, c_strides
from helix_hal.opencl import gemm as module
from helix_hal.opencl.gemm import Gemm
from helix_hal.opencl.gemm_source import Kind, Tile

SHAPES = [(1, 40, 40, 40), (1, 97, 33, 65), (3, 65, 130, 50), (1, 4, 300, 9)]


@pytest.fixture(scope="module")
def engine(dev):
    return dev.backend.engine(dev)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module", params=[False, True], ids=["panels", "local"])
def gemm(request, engine):
    return Gemm(engine.device, local=request.param)


def arrays(rng, batch, m, k, n, dtype="float32"):
    a, b = rng.standard_normal((batch, m, k)), rng.standard_normal((batch, k, n))
    return a.astype(dtype), b.astype(dtype)


def empty(engine, *shape, dtype="float32"):
    return engine.empty(shape, as_dtype(dtype))


def exact(a, b):
    return a.astype(np.float64) @ b.astype(np.float64)


def close(got, a, b, eps):
    """Within what k roundings of the sum of magnitudes allow."""
    bound = eps * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + 1e-30)
    return bool((np.abs(got.astype(np.float64) - exact(a, b)) <= 4 * bound).all())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_tile_gives_numpys_product(gemm, engine, rng, shape):
    batch, m, _, n = shape
    a, b = arrays(rng, *shape)
    x, y = engine.from_host(a), engine.from_host(b)
    for tile in gemm.candidates("float"):
        out = empty(engine, batch, m, n)
        gemm.run(engine, Kind("float32", "float32"), tile, x, y, out)
        assert close(engine.to_host(out), a, b, 2.0**-23), tile


def test_all_tiles_of_both_forms_give_the_same_bits(engine, rng):
    a, b = arrays(rng, 2, 50, 70, 61)
    x, y = engine.from_host(a), engine.from_host(b)
    found = []
    for local in (False, True):
        gemm = Gemm(engine.device, local=local)
        for tile in gemm.candidates("float"):
            out = empty(engine, 2, 50, 61)
            gemm.run(engine, Kind("float32", "float32"), tile, x, y, out)
            found.append(engine.to_host(out))
    assert all(np.array_equal(found[0], f) for f in found[1:])


@pytest.mark.parametrize("left", ["plain", "turned", "flipped", "every other"])
@pytest.mark.parametrize("right", ["plain", "turned", "one for all"])
def test_operands_in_any_strides(gemm, engine, rng, left, right):
    a, b = arrays(rng, 2, 37, 45, 52)
    x, y = engine.from_host(a), engine.from_host(b)
    if left == "turned":
        turned = engine.from_host(np.ascontiguousarray(a.transpose(2, 0, 1)))
        x = turned.permute((1, 2, 0))
    elif left == "flipped":
        x = engine.from_host(np.ascontiguousarray(a[:, :, ::-1])).flip((2,))
    elif left == "every other":
        x = engine.from_host(np.repeat(a, 2, axis=1))
        x = x.slice((0, 0, 0), x.shape, (1, 2, 1))
    if right == "turned":
        y = engine.from_host(np.ascontiguousarray(b.transpose(0, 2, 1)))
        y = y.permute((0, 2, 1))
    elif right == "one for all":
        b = b[:1]
        y = engine.from_host(b[0]).broadcast((2, 45, 52))
    out = empty(engine, 2, 37, 52)
    assert gemm(engine, x, y, out, "float32")
    assert close(engine.to_host(out), a, b, 2.0**-23)


@pytest.mark.parametrize("form", ["float64", "float16", "bfloat16", "rounded"])
def test_other_numbers(gemm, engine, rng, form):
    dtype, compute = (form, "float32") if form != "rounded" else ("float32", "bfloat16")
    if dtype not in engine.features.dtypes:
        with pytest.raises(hx.DTypeError, match=dtype):
            empty(engine, 1, dtype=dtype)
        return
    of = as_dtype(dtype).dtype
    a, b = arrays(rng, 1, 61, 70, 83, of)
    x, y, out = engine.from_host(a), engine.from_host(b), empty(engine, 1, 61, 83)
    out = empty(engine, 1, 61, 83, dtype=dtype)
    assert gemm(engine, x, y, out, compute)
    got = engine.to_host(out)
    assert got.dtype == of
    if compute == "bfloat16":
        short = as_dtype("bfloat16").dtype
        a, b = (v.astype(short).astype(np.float32) for v in (a, b))
    # sums are of float32 at least, rounded once at the end
    ends = {"float16": 2.0**-11, "bfloat16": 2.0**-8}.get(dtype, 0.0)
    eps = 2.0**-52 if dtype == "float64" else 2.0**-23
    want = exact(a, b)
    rounding = ends * np.abs(want)
    bound = 4 * eps * (np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64)))
    assert (np.abs(got.astype(np.float64) - want) <= bound + rounding).all()


def test_infinity_and_nan_stay_in_their_row(gemm, engine, rng):
    a, b = arrays(rng, 1, 40, 40, 40)
    a[0, 3, 5], a[0, 7, 7] = np.inf, np.nan
    out = empty(engine, 1, 40, 40)
    assert gemm(engine, engine.from_host(a), engine.from_host(b), out, "float32")
    got = engine.to_host(out)
    with np.errstate(invalid="ignore"):
        want = a @ b
    assert np.array_equal(np.isfinite(got), np.isfinite(want))
    assert np.isnan(got[0, 7]).all()


def test_what_a_plain_program_does_as_well_is_declined(gemm, engine):
    x = empty(engine, 1, 8, 8)
    assert not gemm(engine, x, x, empty(engine, 1, 8, 8), "float32")
    thin, row = empty(engine, 1, 1, 4096), empty(engine, 1, 4096, 64)
    assert not gemm(engine, thin, row, empty(engine, 1, 1, 64), "float32")
    whole = empty(engine, 1, 64, 64, dtype="int32")
    assert not gemm(engine, whole, whole, whole, "float32")


@pytest.mark.parametrize(
    ("m", "k", "n"), [(0, 3, 4), (3, 0, 4), (1, 1, 1), (5, 4000, 3), (300, 1, 300)]
)
def test_products_at_the_edge(dev, rng, m, k, n):
    a, b = arrays(rng, 1, m, k, n)
    got = (hx.tensor(a[0], device=dev) @ hx.tensor(b[0], device=dev)).numpy()
    assert got.shape == (m, n)
    assert np.allclose(got, exact(a[0], b[0]), atol=1e-6 * max(k, 1))


def test_products_of_tensors_and_their_gradients(dev, rng):
    a, b = arrays(rng, 4, 33, 48, 40)
    x, y = (hx.tensor(v, device=dev) for v in (a, b[0]))
    got, pull = hx.vjp(hx.matmul, x, y)
    dx, dy = (g.numpy() for g in pull(hx.ones((4, 33, 40), device=dev)))
    assert close(got.numpy(), a, b[:1], 2.0**-23)
    ones = np.ones((4, 33, 40))
    assert close(dx, ones, b[:1].transpose(0, 2, 1), 2.0**-23)
    assert close(dy, a.reshape(-1, 48).T, ones.reshape(-1, 40), 2.0**-23)


# -------------------------------------------------------------------------- measurement
@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HELIX_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("HELIX_CACHE", "1")


KIND = Kind("float32", "float32")


def test_tiles_are_measured_once_and_kept(engine, folder, monkeypatch):
    monkeypatch.setattr(module, "_TRIAL", 64)
    first = Gemm(engine.device)
    assert first.tile(engine, KIND, 64, 64) in first.candidates("float")
    assert set(first.speeds["float"]) == set(first.candidates("float"))
    monkeypatch.setattr(Gemm, "_measured", None)  # not asked again
    second = Gemm(engine.device)
    second.tile(engine, KIND, 64, 64)
    assert second.speeds == first.speeds


def test_the_fastest_tile_is_taken_and_what_sticks_out_counts(engine, folder):
    gemm = Gemm(engine.device, local=False)
    wide, narrow = Tile(8, 48, 16), Tile(24, 16, 16)
    gemm.speeds["float"] = {wide: 1.0, narrow: 1.5}
    assert gemm.tile(engine, KIND, 480, 480) == wide
    assert gemm.tile(engine, KIND, 480, 16) == narrow
    gemm.speeds["float"] = {wide: 1.0, narrow: 4.0}
    assert gemm.tile(engine, KIND, 480, 16) == wide


@pytest.mark.parametrize(
    "kept", [b"not json", b"[1, 2]", b'{"a": 1}', b"[[[3, 7, 5], 1.0]]", b"[]"]
)
def test_speeds_of_what_is_no_candidate_are_measured_again(
    engine, folder, monkeypatch, kept
):
    gemm = Gemm(engine.device)
    cache.save(gemm._path("float"), kept)
    best = gemm.candidates("float")[1]
    monkeypatch.setattr(gemm, "_measured", lambda *given: {best: 1.0})
    assert gemm.tile(engine, KIND, 64, 64) == best


def test_a_tile_that_does_not_compile_is_not_chosen(engine, monkeypatch):
    monkeypatch.setenv("HELIX_CACHE", "0")
    monkeypatch.setattr(module, "_TRIAL", 64)
    gemm = Gemm(engine.device)
    first, second = gemm.candidates("float")[:2]
    monkeypatch.setattr(gemm, "candidates", lambda real: [first, second])
    made = gemm.made

    def refusing(kind, tile):
        if tile == first:
            raise CompileError("[panels] too many registers")
        return made(kind, tile)

    monkeypatch.setattr(gemm, "made", refusing)
    assert gemm.tile(engine, KIND, 64, 64) == second


def test_sums_go_on_where_steps_are_cut(engine, rng, monkeypatch):
    """Blocks of k change no bits, in whole tiles and at the edges."""
    gemm = Gemm(engine.device, local=False)
    a, b = arrays(rng, 2, 50, 150, 70)
    x, y = engine.from_host(a), engine.from_host(b)
    turned = engine.from_host(np.ascontiguousarray(a.transpose(0, 2, 1)))
    found = []
    for deep in (150, 64):
        monkeypatch.setattr(module, "_DEEP", deep)
        for left in (x, turned.permute((0, 2, 1))):
            for tile in gemm.candidates("float")[:3]:
                out = empty(engine, 2, 50, 70)
                gemm.run(engine, KIND, tile, left, y, out)
                found.append(engine.to_host(out))
    assert close(found[0], a, b, 2.0**-23)
    assert all(np.array_equal(found[0], f) for f in found[1:])


def test_buffers_with_offsets(gemm, engine, rng):
    whole = rng.standard_normal((3, 50, 50)).astype(np.float32)
    x = engine.from_host(whole)
    a, b = (x.slice((i, 1, 2), (i + 1, 45, 46), (1, 1, 1)) for i in (1, 2))
    block = engine.empty((4, 44, 44), as_dtype("float32")).memory
    out = Buffer(block, 44 * 44, (1, 44, 44), c_strides((1, 44, 44)), a.dtype)
    assert gemm(engine, a, b, out, "float32")
    parts = [whole[i : i + 1, 1:45, 2:46] for i in (1, 2)]
    assert close(engine.to_host(out), *parts, 2.0**-23)

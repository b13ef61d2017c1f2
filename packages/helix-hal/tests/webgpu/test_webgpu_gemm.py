"""Matrix products in WGSL, in every tile and layout, against NumPy."""

import helix_core as hx
import ml_dtypes
import numpy as np
import pytest
from helix_hal.webgpu import gemm as module
from helix_hal.webgpu.gemm import TILES, Gemm

DENSE, TURNED, CUT = "dense", "turned", "cut"


def laid(engine, x, how):
    """A buffer with these values: in C order, transposed, or cut out of a larger one."""
    if how == TURNED:
        return engine.from_host(np.ascontiguousarray(x.swapaxes(1, 2))).permute(
            (0, 2, 1)
        )
    if how == DENSE:
        return engine.from_host(x)
    wide = np.full((x.shape[0], x.shape[1] + 1, x.shape[2] + 3), np.nan, np.float32)
    wide[:, 1:, 3:] = x
    big = engine.from_host(wide)
    return big.view(x.shape, big.strides, big.offset + wide.shape[2] + 3)


@pytest.mark.parametrize("tile", TILES, ids=lambda t: "x".join(map(str, t)))
@pytest.mark.parametrize("a, b", [(DENSE, TURNED), (TURNED, DENSE), (CUT, CUT)])
@pytest.mark.parametrize("m, n, k", [(33, 45, 27), (36, 68, 20)])
def test_products_are_numpys(dev, device, tile, a, b, m, n, k):
    engine = dev.backend.engine(dev)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, m, k)).astype(np.float32)
    y = rng.standard_normal((2, k, n)).astype(np.float32)
    out = engine.from_host(np.full((2, m, n), np.nan, np.float32))
    Gemm(device).run(tile, laid(engine, x, a), laid(engine, y, b), out)
    want = x.astype(np.float64) @ y
    np.testing.assert_allclose(engine.to_host(out), want, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_operands_are_rounded_to_bfloat16_where_asked(dev, device, shared):
    engine = dev.backend.engine(dev)
    rng = np.random.default_rng(1)
    x, y = (rng.standard_normal((1, 64, 64)).astype(np.float32) for _ in range(2))
    near = [v.astype(ml_dtypes.bfloat16).astype(np.float64) for v in (x, y)]
    out = engine.from_host(np.zeros_like(x))
    tile = next(t for t in TILES if t.shared == shared)
    Gemm(device).run(tile, engine.from_host(x), engine.from_host(y), out, "bfloat16")
    np.testing.assert_allclose(engine.to_host(out), near[0] @ near[1], atol=2e-5)


def test_large_products_go_there_and_small_ones_do_not(dev, device, monkeypatch):
    seen = []
    run = Gemm.run
    monkeypatch.setattr(
        Gemm, "run", lambda self, t, *xs: (seen.append(t), run(self, t, *xs))
    )
    x = hx.ones((64, 64), device=dev)
    assert (x @ x).numpy().tolist() == [[64.0] * 64] * 64
    assert seen
    seen.clear()
    small = hx.ones((8, 8), device=dev)
    assert (small @ small).numpy().tolist() == [[8.0] * 8] * 8
    assert not seen


def test_the_fastest_tile_is_chosen_and_remembered(dev, device, monkeypatch, tmp_path):
    monkeypatch.setattr(module.cache, "cache_dir", lambda: tmp_path)
    tmp_path.chmod(0o700)
    engine = dev.backend.engine(dev)
    best = TILES[2]
    monkeypatch.setattr(Gemm, "_seconds", lambda self, t, xs: 1.0 + (t != best))
    assert Gemm(device).tile(engine) == best
    monkeypatch.setattr(Gemm, "_measured", lambda self, engine: pytest.fail("again"))
    assert Gemm(device).tile(engine) == best

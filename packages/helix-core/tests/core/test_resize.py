"""Resampling, borders, and channels traded for space, against NumPy."""

import helix_core as hx
import numpy as np
import pytest
from gradcheck import check_grads

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 5, 4))


@pytest.mark.parametrize("m", [1, 3, 5, 9, 16])
@pytest.mark.parametrize("align", [False, True])
def test_linear_resampling_is_interpolation_between_centres(m, align):
    x = RNG.normal(size=(1, 1, 5))
    if align:
        at = np.linspace(0, 4, m) if m > 1 else np.zeros(1)
    else:
        at = (np.arange(m) + 0.5) * 5 / m - 0.5
    want = np.interp(at, np.arange(5), x[0, 0])
    got = hx.interpolate(hx.tensor(x), m, mode="linear", align_corners=align)
    np.testing.assert_allclose(np.asarray(got)[0, 0], want, rtol=1e-12)


def test_nearest_by_whole_factors_repeats():
    want = X.repeat(2, 2).repeat(3, 3)
    for mode in ("nearest", "nearest-exact"):
        got = hx.interpolate(hx.tensor(X), scale_factor=(2, 3), mode=mode)
        np.testing.assert_array_equal(np.asarray(got), want)


def test_cubic_resampling_keeps_lines_away_from_the_edges():
    x = np.arange(8.0) * np.ones((1, 1, 8, 8))
    y = np.asarray(hx.interpolate(hx.tensor(x), (8, 16), mode="bicubic"))[0, 0]
    # Keys' kernel with a=-0.75 has weights that sum to one, not a line's slope
    np.testing.assert_allclose(y[:, 4:12] + y[:, 4:12][:, ::-1], 7.0, rtol=1e-12)
    one = hx.interpolate(hx.ones((1, 1, 3, 3)), (7, 5), mode="bicubic")
    np.testing.assert_allclose(np.asarray(one), 1.0, rtol=1e-6)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_gradients(mode):
    check_grads(lambda x: hx.interpolate(x, (7, 3), mode=mode) ** 2, X, order=2)


@pytest.mark.parametrize(
    "mode, numpys",
    [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")],
)
def test_borders_are_numpys(mode, numpys):
    widths = [(0, 0), (0, 0), (2, 4), (3, 1)]
    want = np.pad(X, widths, mode=numpys)
    got = hx.pad(hx.tensor(X), widths, mode=mode)
    np.testing.assert_array_equal(np.asarray(got), want)
    check_grads(lambda x: hx.pad(x, widths, mode=mode) ** 2, X)


def test_channels_become_space_and_space_channels():
    x = np.arange(16.0).reshape(1, 4, 2, 2)
    y = hx.pixel_shuffle(hx.tensor(x), 2)
    assert np.asarray(y)[0, 0].tolist() == [
        [0, 4, 1, 5],
        [8, 12, 9, 13],
        [2, 6, 3, 7],
        [10, 14, 11, 15],
    ]
    np.testing.assert_array_equal(np.asarray(hx.pixel_unshuffle(y, 2)), x)


@pytest.mark.parametrize(
    "fn, words",
    [
        (lambda x: hx.interpolate(x), "either size or scale_factor"),
        (lambda x: hx.interpolate(x, 2, 2.0), "either size or scale_factor"),
        (lambda x: hx.interpolate(x, 2, mode="linear"), "a mode of .* that fits"),
        (lambda x: hx.interpolate(x, 2, mode="area"), "a mode of .* that fits"),
        (lambda x: hx.interpolate(x, (1, 2, 3)), "2 values, one per axis"),
        (lambda x: hx.interpolate(x, 0), "at least 1 element"),
        (lambda x: hx.interpolate(x, scale_factor=0.1), "at least 1 element"),
        (lambda x: hx.interpolate(x[:, :, :0], 2), "sizes of at least 1"),
        (lambda x: hx.pixel_shuffle(x, 2), r"channel \* 2\^2"),
        (lambda x: hx.pixel_unshuffle(x, 3), "that 3 divides"),
        (lambda x: hx.pad(x, [(0, 0)] * 3 + [(4, 0)], mode="reflect"), "at most 3"),
        (lambda x: hx.pad(x, [(0, 0)] * 3 + [(0, 5)], mode="circular"), "at most 4"),
        (
            lambda x: hx.pad(x, [(0, 0)] * 3 + [(-6, 0)], mode="replicate"),
            "cut at most",
        ),
        (lambda x: hx.pad(x, [(1, 1)], mode="reflect"), "4 pairs of widths"),
        (lambda x: hx.pad(x, 1, mode="mirror"), "mode of constant"),
    ],
)
def test_wrong_arguments(fn, words):
    with pytest.raises(hx.ShapeError, match=words):
        fn(hx.tensor(X))

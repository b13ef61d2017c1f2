"""NaN and infinity are values: NumPy's warnings about them never reach the user."""

import threading
import warnings

import helix_core as hx
import numpy as np
import pytest
from primitive_cases import CASES

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45], np.float32)
FLOAT = [pytest.param(c, id=str(c)) for c in CASES if "float" in c.examples]


def special(case):
    """The example arrays, filled with special values."""
    return [np.resize(SPECIAL, np.shape(a)) for a in case.examples["float"]]


@pytest.mark.parametrize("case", FLOAT)
def test_no_primitive_warns(case):
    ts = list(map(hx.tensor, special(case)))
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        case.call(*ts)
        hx.trace(lambda *a: case.call(*a))(*ts)


def test_overflow_in_narrow_sums_products_and_casts():
    big = hx.full((4,), 6e4, "float16")
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        assert big.sum().item() == np.inf
        assert (big @ big).item() == np.inf
        assert big.astype("float32").astype("float16").sum().item() == np.inf
        assert hx.tensor([1e300], "float64").astype("float32").item() == np.inf
        hx.tensor([np.nan, 1e30]).astype("int32")
        assert np.isnan((hx.full((2, 2), np.inf) @ hx.zeros((2, 2))).numpy()).all()


def test_what_the_caller_set_for_numpy_stays():
    hx.tensor(1.0) / hx.tensor(0.0)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.float64(1.0) / np.float64(0.0)
    with np.errstate(divide="raise"):
        assert (hx.tensor(1.0) / hx.tensor(0.0)).item() == np.inf
        with pytest.raises(FloatingPointError):
            np.float64(1.0) / np.float64(0.0)


def test_many_threads_at_once():
    """NumPy works without the lock on arrays of this size: the threads overlap."""
    x = hx.zeros((200_000,))
    found = []

    def work(device):
        with hx.device(device):
            for _ in range(30):
                y = (x / x) + (x - np.inf)
        found.append(bool(hx.isnan(y).all()))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=work, args=(x.device,)) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert found == [True] * 4

"""Row gather and its gradient beside NumPy's indexing and np.add.at."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.kernels.embedding import embedding_backward, embedding_forward


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("features", [1, 3, 64, 130])
def test_forward_is_indexing(features, dtype):
    table = np.random.default_rng(0).standard_normal((11, features)).astype(dtype)
    ids = np.random.default_rng(1).integers(0, 11, (4, 9))
    np.testing.assert_array_equal(embedding_forward(table, ids), table[ids])


def test_an_id_out_of_range_reads_the_nearest_row():
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    out = embedding_forward(table, np.array([-5, 1, 7]))
    assert out.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("features", [1, 63, 64, 65, 200])
def test_backward_is_add_at_to_the_bit(features, dtype):
    rng = np.random.default_rng(features)
    ids = rng.integers(0, 7, (5, 40))
    dy = rng.standard_normal((5, 40, features)).astype(dtype)
    expected = np.zeros((9, features), dtype)
    np.add.at(expected, ids, dy)
    got = embedding_backward(ids, dy, 9)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


def test_the_gradient_of_an_id_out_of_range_is_dropped():
    got = embedding_backward(np.array([-1, 1, 3]), np.ones((3, 2), np.float32), 3)
    assert got.tolist() == [[0, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize("ids", [np.array([2, 0], t) for t in ("i4", "i8", "u1")])
def test_integer_types(ids):
    table = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert embedding_forward(table, ids).tolist() == [[4, 5], [0, 1]]
    assert embedding_backward(ids, table[:2].copy(), 3).tolist() == [
        [2, 3],
        [0, 0],
        [0, 1],
    ]


def test_no_ids():
    table = np.ones((3, 2), np.float32)
    ids = np.empty((0, 4), np.int64)
    assert embedding_forward(table, ids).shape == (0, 4, 2)
    dy = np.empty((0, 4, 2), np.float32)
    assert not embedding_backward(ids, dy, 3).any()


def test_the_thread_count_changes_no_bit(monkeypatch):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, 3000)
    dy = rng.standard_normal((3000, 333), dtype=np.float32)
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_num_threads", n)
        results.append(embedding_backward(ids, dy, 50).tobytes())
    assert results[0] == results[1] == results[2]

"""Philox words beside Random123's known answers, and dropout."""

import numpy as np
import pytest
from helix_hal.cpu import threads
from helix_hal.cpu.jit import kernel
from helix_hal.cpu.kernels import dropout as rng
from helix_hal.cpu.kernels.dropout import philox

KEY = np.array([0x12345678, 0x9ABCDEF0], np.uint32)
STREAM = np.array([3, 1 << 31], np.uint32)


@kernel
def one_block(lo, hi, low, high, key, stream, out):
    block = np.uint64(low) | (np.uint64(high) << np.uint64(32))
    words = philox(block, key[0], key[1], stream[0], stream[1])
    for i in range(4):
        out[i] = words[i]


# Random123-1.14.0, tests/kat_vectors, philox4x32 10: counter, key, result.
KNOWN = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def _words(text):
    return np.array([int(word, 16) for word in text.split()], np.uint32)


@pytest.mark.parametrize("counter,key,expected", KNOWN)
def test_known_answers(counter, key, expected):
    c, out = _words(counter), np.zeros(4, np.uint32)
    one_block(0, 1, c[0], c[1], _words(key), c[2:].copy(), out)
    assert out.tolist() == _words(expected).tolist()


def _reference(n, key=KEY, stream=STREAM):
    """The first `n` words in plain Python integers."""
    words = []
    for block in range(-(-n // 4)):
        c = [block & 0xFFFFFFFF, block >> 32, int(stream[0]), int(stream[1])]
        k = [int(key[0]), int(key[1])]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [
                (q >> 32) ^ c[1] ^ k[0],
                q & 0xFFFFFFFF,
                (p >> 32) ^ c[3] ^ k[1],
                p & 0xFFFFFFFF,
            ]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        words += c
    return np.array(words[:n], np.uint32)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5, 4095, 4096, 4097, 9001])
def test_words_at_every_length(n):
    got = rng.random_bits((n,), KEY, STREAM)
    np.testing.assert_array_equal(got, _reference(n))


@pytest.mark.parametrize("n", [1, 2, 3, 2048, 2049])
def test_64_bit_elements_are_pairs_of_words_low_first(n):
    low, high = _reference(2 * n).reshape(n, 2).astype(np.uint64).T
    got = rng.random_bits((n,), KEY, STREAM, bits=64)
    np.testing.assert_array_equal(got, low | high << np.uint64(32))


def test_a_shape_is_only_a_view_of_the_sequence():
    flat = rng.random_bits((30,), KEY, STREAM)
    shaped = rng.random_bits((2, 3, 5), KEY, STREAM)
    np.testing.assert_array_equal(shaped, flat.reshape(2, 3, 5))


def test_key_and_stream_both_matter():
    base = rng.random_bits((64,), KEY, STREAM)
    for change in (np.uint32([1, 0]), np.uint32([0, 1])):
        assert (rng.random_bits((64,), KEY ^ change, STREAM) != base).mean() > 0.9
        assert (rng.random_bits((64,), KEY, STREAM ^ change) != base).mean() > 0.9


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.3, 0.999999])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_keeps_where_the_word_is_large_enough(p, dtype):
    x = np.arange(1, 10_001, dtype=dtype).reshape(100, 100)
    keep = rng.random_bits(x.shape, KEY, STREAM) >= int(p * 2**32)
    expected = np.where(keep, x * dtype(1 / (1 - p)), 0)
    np.testing.assert_array_equal(rng.dropout(x, p, KEY, STREAM), expected)


def test_dropout_is_its_own_gradient():
    x, dy = np.ones(5000), np.full(5000, 2.0)
    y, dx = rng.dropout(x, 0.25, KEY, STREAM), rng.dropout(dy, 0.25, KEY, STREAM)
    np.testing.assert_array_equal(dx, y * dy)


def test_dropout_passes_nan_on_where_it_keeps():
    x = np.full(1000, np.nan, np.float32)
    y = rng.dropout(x, 0.5, KEY, STREAM)
    keep = rng.random_bits(x.shape, KEY, STREAM) >= 2**31
    assert (np.isnan(y) == keep).all()


def test_the_thread_count_changes_no_bit(monkeypatch):
    results = []
    for n in (1, 2, 5):
        monkeypatch.setattr(threads, "_num_threads", n)
        y = rng.dropout(np.ones(100_003), 0.5, KEY, STREAM)
        results.append(y.tobytes() + rng.random_bits((50_001,), KEY, STREAM).tobytes())
    assert results[0] == results[1] == results[2]

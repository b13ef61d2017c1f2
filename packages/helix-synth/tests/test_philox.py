"""Bits: Random123's known answers, and what may not change the bits of a row."""

import numpy as np
import pytest
from helix_synth._philox import Philox

# Random123 1.14, tests/kat_vectors: philox4x32 10, counter, key, output
KNOWN = [
    ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def words(text):
    return [int(w, 16) for w in text.split()]


@pytest.mark.parametrize("counter, key, output", KNOWN)
def test_known_answers(counter, key, output):
    (c0, c1, c2, c3), (k0, k1) = words(counter), words(key)
    philox = Philox(k0 | k1 << 32)
    stream, block = np.array([c2 | c3 << 32], np.uint64), c0 | c1 << 32
    assert philox.words(stream, block, 1)[0].tolist() == words(output)
    at = np.array([block], np.uint64)
    assert philox.scattered(stream, at)[0].tolist() == words(output)


def test_words_do_not_depend_on_how_many_are_asked_for_at_once():
    philox = Philox(0x0123456789ABCDEF)
    streams = np.array([5, 0, 2**64 - 1, 10**12], np.uint64)
    whole = philox.words(streams, 3, 9000)  # more than a piece
    assert whole.shape == (4, 36000)
    alone = philox.words(streams[2:3], 3, 9000)
    np.testing.assert_array_equal(whole[2], alone[0])
    np.testing.assert_array_equal(whole[:, 400:480], philox.words(streams, 103, 20))
    blocks = np.array([3, 8191, 9002, 100], np.uint64)
    got = philox.scattered(streams, blocks)
    for r, b in enumerate(blocks.tolist()):
        np.testing.assert_array_equal(got[r], whole[r, 4 * (b - 3) : 4 * (b - 2)])


def test_many_rows_and_none():
    philox = Philox(7)
    streams = np.arange(20_000, dtype=np.uint64)
    many = philox.words(streams, 0, 1)
    np.testing.assert_array_equal(
        many[12_345], philox.words(streams[12_345:12_346], 0, 1)[0]
    )
    assert philox.words(streams[:0], 0, 5).shape == (0, 20)
    assert philox.words(streams[:3], 0, 0).shape == (3, 0)
    assert philox.scattered(streams[:0], streams[:0]).shape == (0, 4)

"""Random numbers: known answers, conversions, generators, statistics."""

import math
import threading
from statistics import NormalDist

import helix_core as hx
import numpy as np
import pytest
from helix_core._primitives.random import _decompose, random_bits_p
from helix_core._random import _advance

# Random123's kat_vectors, philox4x32 10: counter, key, result
KNOWN = [
    (
        (0, 0, 0, 0),
        (0, 0),
        (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    ),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]

FROZEN_BITS = [2632642643, 2012563771, 314527917, 1463989207]
FROZEN_INTEGERS = [4, 1, 4, -1, -4, -3, 0, -1]
FROZEN_PERMUTATION = [5, 7, 4, 0, 3, 1, 2, 6]
FROZEN_BERNOULLI = [True, False, False, False, False, True, False, True]
FROZEN_NORMAL = [1.00992012, -0.699466467, 1.4286356, 0.908429861]
FROZEN_EXPONENTIAL = [0.658693612, 0.526026666, 0.655831993, 2.05949211]


def block(counter, key):
    """Philox4x32-10 on Python integers, as in the paper."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        p, q = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = q >> 32 ^ b ^ k, q % 2**32, p >> 32 ^ d ^ m, p % 2**32
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return [a, b, c, d]


def bits(key, shape, width=32):
    key = hx.tensor(np.array(key, np.uint32))
    return hx.bind(random_bits_p, key, shape=shape, bits=width)


def same(got, want):
    np.testing.assert_array_equal(np.asarray(got), np.asarray(want))


@pytest.mark.parametrize("counter, key, result", KNOWN)
def test_blocks_are_random123s(counter, key, result):
    from helix_core.reference.random import philox

    first = counter[0] | counter[1] << 32
    assert philox(first, 1, (*key, *counter[2:])).tolist() == [list(result)]
    assert block(counter, key) == list(result)


def test_the_first_block_of_this_device_is_random123s():
    (_, _, result), *_ = KNOWN  # counter and key zero: seed 0, stream 0, block 0
    assert bits((0, 0, 0, 0), (4,)).tolist() == list(result)
    assert bits((0, 0, 0, 0), (5000,))[:4].tolist() == list(result)


def test_words_are_the_blocks_in_order():
    key = (1, 2, 3, 4)
    words = np.asarray(bits(key, (12,)))
    want = [w for b in range(3) for w in block((b, 0, 3, 4), (1, 2))]
    assert words.tolist() == want
    wide = np.asarray(bits(key, (6,), 64))
    same(
        wide,
        words[0::2].astype(np.uint64) | words[1::2].astype(np.uint64) << np.uint64(32),
    )
    same(bits(key, (3, 3)), words[:9].reshape(3, 3))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (9,), (4097,), (3, 0)])
@pytest.mark.parametrize("width", [32, 64])
def test_decomposition_gives_the_same_bits(shape, width):
    key = (0xA4093822, 0x299F31D0, 0xFFFFFFFF, 0x80000001)
    t = hx.tensor(np.array(key, np.uint32))
    same(_decompose(t, shape, width), bits(key, shape, width))


def test_the_first_element_does_not_depend_on_the_size():
    a, b = bits((1, 0, 0, 0), (5,)), bits((1, 0, 0, 0), (100_000,))
    same(a, b[:5])


def test_uniform_is_the_leading_bits():
    w = np.asarray(bits((7, 0, 0, 0), (100,)))
    w64 = np.asarray(bits((7, 0, 0, 0), (100,), 64))
    new = lambda: hx.Generator(7)
    same(
        hx.random_uniform((100,), generator=new()),
        ((w >> 8) * 2.0**-24).astype(np.float32),
    )
    got = hx.random_uniform((100,), dtype="float64", generator=new())
    same(got, (w64 >> np.uint64(11)) * 2.0**-53)
    half = hx.random_uniform((100,), dtype="float16", generator=new())
    same(half, ((w >> 21) * 2.0**-11).astype(np.float16))
    brain = hx.random_uniform((100,), dtype="bfloat16", generator=new())
    same(brain.astype("float32"), ((w >> 24) * 2.0**-8).astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_stays_below_one(dtype):
    u = hx.random_uniform((20_000,), dtype=dtype, generator=hx.Generator(1))
    assert u.dtype == dtype and u.min().item() >= 0 and u.max().item() < 1


def test_uniform_between_bounds_and_tensors():
    g = hx.Generator(3)
    u = hx.random_uniform((1000,), -2.0, 3.0, generator=g)
    assert -2 <= u.min().item() < -1.9 and 2.9 < u.max().item() <= 3
    low = hx.tensor([[0.0], [10.0]])
    v = hx.random_uniform((2, 500), low, low + 1.0, generator=g)
    assert v[0].max().item() <= 1 and v[1].min().item() >= 10
    with pytest.raises(hx.ShapeError, match="broadcast"):
        hx.random_uniform((3,), hx.zeros((2, 3)), 1.0)


def test_frozen_values():
    """These never change: saved runs resume with them."""
    g = hx.Generator(42)
    assert np.asarray(hx.random_bits((4,), generator=g)).tolist() == FROZEN_BITS
    assert hx.random_integers((8,), -5, 5, generator=g).tolist() == FROZEN_INTEGERS
    assert hx.random_permutation(8, generator=g).tolist() == FROZEN_PERMUTATION
    assert hx.random_bernoulli((8,), 0.3, generator=g).tolist() == FROZEN_BERNOULLI
    z = hx.random_normal((4,), generator=g)
    np.testing.assert_array_almost_equal_nulp(
        np.asarray(z), np.array(FROZEN_NORMAL, np.float32), 4
    )
    e = hx.random_exponential((4,), generator=g)
    np.testing.assert_array_almost_equal_nulp(
        np.asarray(e), np.array(FROZEN_EXPONENTIAL, np.float32), 4
    )
    assert g.state_dict() == {"seed": 42, "stream": 6}


@pytest.mark.parametrize("dtype, ulp", [("float32", 4), ("float64", 8)])
def test_normal_is_the_inverse_of_the_distribution(dtype, ulp):
    """The oracle: the standard library's inverse normal distribution function."""
    n = 3000
    z = np.asarray(hx.random_normal((n,), dtype=dtype, generator=hx.Generator(5)))
    if dtype == "float32":
        w = np.asarray(bits((5, 0, 0, 0), (n,))).astype(np.uint64)
        sign, m, digits = (
            w >> np.uint64(31),
            (w >> np.uint64(8)) & np.uint64(2**23 - 1),
            24,
        )
    else:
        w = np.asarray(bits((5, 0, 0, 0), (n,), 64))
        sign, m, digits = (
            w >> np.uint64(63),
            (w >> np.uint64(11)) & np.uint64(2**52 - 1),
            53,
        )
    p = (m.astype(np.float64) + 0.5) * 2.0**-digits
    want = np.array([-NormalDist().inv_cdf(v) for v in p])
    want = np.where(sign == 1, -want, want).astype(dtype)
    np.testing.assert_array_almost_equal_nulp(z, want, ulp)


@pytest.mark.parametrize("dtype, width", [("float32", 32), ("float64", 64)])
def test_exponential_is_within_4_ulp_of_the_logarithm(dtype, width):
    n, digits = 20_000, {32: 24, 64: 53}[width]
    e = hx.random_exponential((n,), dtype=dtype, generator=hx.Generator(6))
    w = np.asarray(bits((6, 0, 0, 0), (n,), width))
    u = (w >> w.dtype.type(width - digits)).astype(np.float64) * 2.0**-digits
    want = np.array([-math.log1p(-v) for v in u]).astype(dtype)
    np.testing.assert_array_almost_equal_nulp(np.asarray(e), want, 4)


def test_normal_reaches_the_far_tail():
    """The smallest probability in double precision."""
    from helix_core import _random

    p = 2.0**-54
    r = np.sqrt(-np.log(p))
    got = _random._ratio(hx.tensor(r - 5.0, "float64"), *_random._FAR).item()
    assert abs(got + NormalDist().inv_cdf(p)) < 1e-12


def test_statistics():
    n = 200_000
    g = hx.Generator(11)
    u = np.asarray(hx.random_uniform((n,), generator=g))
    z = np.asarray(hx.random_normal((n,), generator=g))
    e = np.asarray(hx.random_exponential((n,), 2.0, generator=g))
    six = 6 / np.sqrt(n)  # six standard errors
    assert abs(u.mean() - 0.5) < six * 0.29 and abs(u.var() - 1 / 12) < six * 0.08
    assert abs(z.mean()) < six and abs(z.var() - 1) < six * 1.5
    assert abs((z**3).mean()) < six * 4 and abs((z**4).mean() - 3) < six * 10
    assert abs(e.mean() - 2) < six * 2 and abs(e.var() - 4) < six * 12
    counts = np.histogram(u, 100, (0, 1))[0]
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 180  # chi-square, 99 degrees
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < six
    below = np.sort(z)  # Kolmogorov-Smirnov
    cdf = np.array([NormalDist().cdf(v) for v in below[::100]])
    assert np.abs(cdf - np.arange(0, n, 100) / n).max() < 2.2 / np.sqrt(n)


@pytest.mark.parametrize(
    "low, high, dtype",
    [
        (0, 10, "int32"),
        (-128, 128, "int8"),
        (-(2**63), 2**63, "int64"),
        (0, 2**64, "uint64"),
        (2**63, 2**63 + 3, "uint64"),
        (-3, -2, "int16"),
    ],
)
def test_integers_are_words_modulo_the_range(low, high, dtype):
    got = hx.random_integers((50,), low, high, dtype, generator=hx.Generator(9))
    words = np.asarray(bits((9, 0, 0, 0), (50,), 64)).tolist()
    assert got.tolist() == [low + w % (high - low) for w in words]
    assert got.dtype == dtype


def test_bernoulli():
    g = hx.Generator(2)
    assert not hx.random_bernoulli((1000,), 0.0, generator=g).any().item()
    assert hx.random_bernoulli((1000,), 1.0, generator=g).all().item()
    p = hx.tensor([[0.1], [0.9]])
    rate = np.asarray(hx.random_bernoulli((2, 20_000), p, generator=g)).mean(1)
    assert abs(rate[0] - 0.1) < 0.015 and abs(rate[1] - 0.9) < 0.015


def test_permutation_is_the_order_of_the_words():
    words = np.asarray(bits((4, 0, 0, 0), (1000,), 64))
    p = hx.random_permutation(1000, generator=hx.Generator(4))
    assert p.tolist() == np.argsort(words, kind="stable").tolist()
    x = hx.tensor(np.arange(12).reshape(3, 4))
    y = hx.random_permutation(x, axis=1, generator=hx.Generator(4))
    order = hx.random_permutation(4, generator=hx.Generator(4))
    same(y, np.asarray(x)[:, np.asarray(order)])
    assert hx.random_permutation(0).shape == (0,)


def test_each_draw_takes_the_next_stream():
    g = hx.Generator(1)
    a, b = hx.random_uniform((3,), generator=g), hx.random_uniform((3,), generator=g)
    assert a.tolist() != b.tolist()
    same(b, hx.random_uniform((3,), generator=hx.Generator(1, stream=1)))


def test_state_resumes_exactly():
    g = hx.Generator(2**64 - 1, 2**32 - 1)
    hx.random_bits((1,), generator=g)
    saved = g.state_dict()
    assert saved == {"seed": 2**64 - 1, "stream": 2**32}
    a = hx.random_normal((5,), generator=g)
    h = hx.Generator()
    h.load_state_dict(saved)
    same(hx.random_normal((5,), generator=h), a)


@pytest.mark.parametrize("stream", [0, 2**32 - 1, 2**64 - 1])
def test_both_ways_to_advance_carry(stream):
    g = hx.Generator(6, stream)
    by_ops = _advance(g.state.value).tolist()
    g.next_key()
    assert g.state.value.tolist() == by_ops
    assert g.state_dict() == {"seed": 6, "stream": (stream + 1) % 2**64}


def test_seed_restarts_the_default_generator():
    hx.seed(123)
    a = hx.random_uniform((3,))
    hx.seed(123)
    same(hx.random_uniform((3,)), a)
    same(hx.random_uniform((3,), generator=hx.Generator(123)), a)


def test_a_traced_step_draws_fresh_numbers_and_continues_the_stream():
    g = hx.Generator(8)
    step = hx.trace(lambda: hx.random_uniform((4,), generator=g))
    traced = [step().tolist() for _ in range(3)]
    h = hx.Generator(8)
    assert traced == [hx.random_uniform((4,), generator=h).tolist() for _ in range(3)]
    assert g.state_dict() == {"seed": 8, "stream": 3}


def test_a_generator_made_inside_a_trace_is_not_a_constant(monkeypatch):
    from helix_core import _random

    monkeypatch.setattr(_random, "_DEFAULT", [])
    step = hx.trace(lambda: hx.random_uniform((3,)))
    traced = [step().tolist() for _ in range(2)]
    g = hx.Generator(0)
    assert traced == [hx.random_uniform((3,), generator=g).tolist() for _ in range(2)]


def test_a_checkpoint_draws_the_same_numbers_again():
    g = hx.Generator(3)
    block = hx.checkpoint(lambda x: x * hx.random_uniform((4,), generator=g))
    got = hx.grad(lambda x: block(x).sum())(hx.ones((4,)))
    same(got, hx.random_uniform((4,), generator=hx.Generator(3)))
    assert g.state_dict()["stream"] == 1


def test_an_error_in_a_trace_leaves_the_state():
    g = hx.Generator(8)

    def step():
        hx.random_uniform((4,), generator=g)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        hx.trace(step)()
    assert g.state_dict()["stream"] == 0


def test_threads_get_streams_of_their_own():
    g = hx.Generator(5)
    found = []

    def draw():
        for _ in range(25):
            found.append(tuple(hx.random_bits((2,), generator=g).tolist()))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(found)) == 100 and g.state_dict()["stream"] == 100


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: hx.seed(-1), ValueError, r"0 <= seed < 2\*\*64"),
        (lambda: hx.Generator(2**64), ValueError, r"0 <= seed < 2\*\*64"),
        (
            lambda: hx.Generator(0).load_state_dict({"seed": 1}),
            ValueError,
            "int stream",
        ),
        (
            lambda: hx.random_uniform((2,), dtype="int32"),
            hx.DTypeError,
            "expected float16",
        ),
        (lambda: hx.random_integers((1,), 3, 3), ValueError, "expected low < high"),
        (lambda: hx.random_integers((1,), 0, 300, "int8"), ValueError, "inside int8"),
        (lambda: hx.random_bernoulli((1,), 1.5), ValueError, "0 <= p <= 1"),
        (lambda: hx.random_bits((1,), 16), hx.DTypeError, "bits=32 or 64"),
        (lambda: hx.random_normal((-1,)), hx.ShapeError, "sizes >= 0"),
    ],
)
def test_wrong_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()

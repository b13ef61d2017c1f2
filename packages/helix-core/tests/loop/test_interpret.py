"""What loop programs mean, against NumPy."""

import loop_programs as programs
import numpy as np
import pytest
from helix_core.loop import SCALAR_OPS, Builder, LoopError, interpret

rng = np.random.default_rng(0)


def test_softmax_is_one_program():
    x = rng.standard_normal((4, 7)).astype(np.float32)
    y = np.zeros(28, np.float32)
    interpret(programs.softmax(), {"x": x.ravel(), "y": y}, {"rows": 4, "n": 7})
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(
        y.reshape(4, 7), e / e.sum(1, keepdims=True), rtol=1e-6, atol=0
    )


def test_argmax_takes_the_first_of_equals():
    x = np.array([[1, 3, 3, 2], [5, 5, 5, 5], [0, -1, 2, 2]], np.float32)
    y = np.zeros(3, np.int32)
    interpret(programs.argmax(), {"x": x.ravel(), "y": y}, {"rows": 3, "n": 4})
    assert y.tolist() == np.argmax(x, 1).tolist()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_of_three_lanes(reverse):
    a, x = rng.standard_normal((2, 2, 5, 3)).astype(np.float32)
    h = rng.standard_normal((2, 3)).astype(np.float32)
    y, last = np.zeros(10, np.float32), np.zeros(6, np.float32)
    memory = {"a": a.ravel(), "x": x.ravel(), "h0": h.ravel(), "y": y, "last": last}
    interpret(programs.recurrence(reverse), memory, {"rows": 2, "n": 5})
    want = np.zeros((2, 5))
    for t in range(4, -1, -1) if reverse else range(5):
        h = a[:, t] * h + x[:, t]
        want[:, t] = h.sum(-1)
    np.testing.assert_allclose(y.reshape(2, 5), want, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(last.reshape(2, 3), h, rtol=1e-6)


def test_no_steps_leave_the_initial_state():
    h0, last = np.arange(6, dtype=np.float32), np.zeros(6, np.float32)
    none = np.zeros(0, np.float32)
    memory = {"a": none, "x": none, "h0": h0, "y": none.copy(), "last": last}
    interpret(programs.recurrence(), memory, {"rows": 2, "n": 0})
    assert last.tolist() == h0.tolist()


def test_blocks_recompute_from_their_start_and_states_go_on():
    x = rng.standard_normal((2, 7, 6)).astype(np.float32)
    y, part = np.zeros(84, np.float32), np.zeros(56, np.float32)
    sizes = {"rows": 6, "n": 7, "parts": 2, "outer": 2}
    interpret(programs.blocked(), {"x": x.ravel(), "y": y, "part": part}, sizes)
    weight = np.array([1.0, 2.0])
    g, want = np.zeros((2, 6, 2)), np.zeros((2, 7, 6, 2))
    for k, steps in ((2, [6]), (1, [3, 4, 5]), (0, [0, 1, 2])):
        h, kept = np.full((2, 6, 2), k + 0.5), {}
        for t in steps:
            h = kept[t] = 0.5 * h + x[:, t, :, None] * weight
        for t in reversed(steps):
            g = want[:, t] = 0.25 * g + kept[t]
    np.testing.assert_allclose(y.reshape(2, 7, 6), want.sum(-1), rtol=1e-5, atol=1e-5)
    groups = np.stack([want[:, :, :4].sum(2), want[:, :, 4:].sum(2)], 2)
    np.testing.assert_allclose(part.reshape(2, 7, 2, 2), groups, rtol=1e-5, atol=1e-5)


def test_a_gated_load_reads_nothing_outside():
    y = np.zeros(8, np.int32)
    x = np.arange(4, dtype=np.int32)
    interpret(programs.padded(), {"x": x, "y": y}, {"n": 4, "m": 8, "by": 3})
    assert y.tolist() == [-1, -1, -1, 0, 1, 2, 3, -1]


def test_add_counts_every_point():
    x = np.array([0, 2, 2, 9, -1, 2], np.int32)
    y = np.zeros(3, np.float32)
    interpret(programs.histogram(), {"x": x, "y": y}, {"n": 6, "bins": 3})
    assert y.tolist() == [1.0, 0.0, 3.0]


def test_offsets_move_the_first_element():
    memory = {"x": np.arange(9, dtype=np.int32), "y": np.zeros(4, np.int32)}
    sizes = {"n": 4, "m": 4, "by": 0}
    interpret(programs.padded(), memory, sizes, {"x": 5})
    assert memory["y"].tolist() == [5, 6, 7, 8]


def test_an_index_outside_is_an_error_and_nothing_is_read():
    memory = {"x": np.zeros(3, np.int32), "y": np.zeros(4, np.int32)}
    with pytest.raises(LoopError, match="indices of x below 3; got 0 to 3"):
        interpret(programs.padded(), memory, {"n": 4, "m": 4, "by": 0})


def test_another_dtype_is_an_error():
    memory = {"x": np.zeros(4, np.int64), "y": np.zeros(4, np.int32)}
    with pytest.raises(LoopError, match="expected x: int32"):
        interpret(programs.padded(), memory, {"n": 4, "m": 4, "by": 0})


def _scalar(op: str, dtype: str, *args: np.ndarray) -> np.ndarray:
    b = Builder(op)
    n = b.size("n")
    refs = [b.input(f"x{k}", a.dtype.name) for k, a in enumerate(args)]
    y = b.output("y", dtype)
    i = b.axis(n)
    y[i] = b.value(op, dtype, tuple([r[i] for r in refs]))
    out = np.zeros(args[0].size, dtype)
    memory = {f"x{k}": a for k, a in enumerate(args)} | {"y": out}
    interpret(b.build(), memory, {"n": args[0].size})
    return out


def test_scalar_ops_that_differ_between_languages():
    f = np.array([1.5, np.nan, -np.inf, -0.5], np.float32)
    g = np.array([np.nan, 1.0, 3.0, 0.5], np.float32)
    np.testing.assert_array_equal(_scalar("max", "float32", f, g), np.maximum(f, g))
    np.testing.assert_array_equal(
        _scalar("round", "float32", np.array([0.5, 1.5, 2.5, -0.5], np.float32)),
        [0, 2, 2, 0],
    )
    i = np.array([7, -7, 7, -7], np.int32)
    j = np.array([2, 2, -2, -2], np.int32)
    assert _scalar("div", "int32", i, j).tolist() == [3, -3, -3, 3]
    assert _scalar("rem", "int32", i, j).tolist() == [1, -1, 1, -1]
    u = np.array([0xFFFFFFFF, 0xD2511F53], np.uint32)
    high = [(int(a) * int(a)) >> 32 for a in u]
    assert _scalar("mulhi", "uint32", u, u).tolist() == high
    bits = _scalar("bitcast", "int32", np.array([1.0, -2.0], np.float32))
    assert bits.tolist() == [0x3F800000, -0x40000000]
    assert _scalar("cast", "int32", np.array([2.9, -2.9], np.float32)).tolist() == [
        2,
        -2,
    ]
    assert _scalar("cast", "int8", np.array([300, -129], np.int32)).tolist() == [
        44,
        127,
    ]


def test_the_vocabulary_stays_small():
    assert len(SCALAR_OPS) == 30

"""Programs, inputs and sizes for the tests of renderers; `interpret` is the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from helix_core.loop import Builder, LoopProgram, interpret

Case = tuple[LoopProgram, dict[str, np.ndarray], dict[str, int]]


def softmax(rows: int, n: int) -> Case:
    b = Builder("softmax")
    r_, n_ = b.size("rows"), b.size("n")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(r_)
    b.serial(n_)
    with b.reduce("max", "float32") as r:
        r.take(x[i * n_ + r.step])
    top = r.result
    with b.reduce("add", "float32") as r:
        r.take((x[i * n_ + r.step] - top).exp())
    with b.map() as m:
        y[i * n_ + m.step] = (x[i * n_ + m.step] - top).exp() / r.result
    rng = np.random.default_rng(0)
    memory = {
        "x": rng.standard_normal(rows * n).astype(np.float32),
        "y": np.zeros(rows * n, np.float32),
    }
    return b.build(), memory, {"rows": rows, "n": n}


def argmax(rows: int, n: int) -> Case:
    """Two states that are combined together; names that are Python keywords."""
    b = Builder("argmax")
    r_, n_ = b.size("in"), b.size("for")
    x, y = b.input("def", "float32"), b.output("lambda", "int32")
    i = b.axis(r_)
    b.serial(n_)

    def better(left: Any, right: Any) -> Any:
        (a, i), (c, j) = left, right
        wins = (a > c) | (a.eq(c) & (i < j))
        return wins.where(a, c), wins.where(i, j)

    init = [float("-inf"), 2**31 - 1]
    with b.reduce(better, ["float32", "index"], init) as r:
        r.take(x[i * n_ + r.step], r.step)
    y[i] = r.results[1].cast("int32")
    rng = np.random.default_rng(1)
    memory = {
        "def": rng.integers(0, 5, rows * n).astype(np.float32),
        "lambda": np.zeros(rows, np.int32),
    }
    return b.build(), memory, {"in": rows, "for": n}


def lanes(rows: int, n: int) -> Case:
    b = Builder("lanes")
    r_, n_ = b.size("rows"), b.size("n")
    a, x, y = b.input("a", "float32"), b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(r_)
    b.serial(n_)
    lane = b.lane(4)
    decay = a[i * 4 + lane]
    with b.scan([0.0], "float32", width=4, reverse=True) as s:
        h = (decay * x[s.step * r_ + i]).tanh() + s.state * 0.5
        s.next(h)
        y[s.step * r_ + i] = (h * decay).sum_lanes() + x[s.step * r_ + i]
    rng = np.random.default_rng(2)
    memory = {
        "a": rng.standard_normal(rows * 4).astype(np.float32),
        "x": rng.standard_normal(rows * n).astype(np.float32),
        "y": np.zeros(rows * n, np.float32),
    }
    return b.build(), memory, {"rows": rows, "n": n}


def crossed(rows: int, n: int) -> Case:
    """Fibonacci numbers: each state becomes what the other was."""
    b = Builder("crossed")
    r_, n_ = b.size("rows"), b.size("n")
    y = b.output("y", "uint32")
    i = b.axis(r_)
    b.serial(n_)
    with b.scan([0, 1], "uint32") as s:
        x, z = s.states
        y[i * n_ + s.step] = x
        s.next(z, x + z)
    memory = {"y": np.zeros(rows * n, np.uint32)}
    return b.build(), memory, {"rows": rows, "n": n}


def integers(n: int) -> Case:
    """Wrapping, shifting and truncating in several widths."""
    b = Builder("integers")
    n_ = b.size("n")
    x, k = b.input("x", "int32"), b.input("k", "int8")
    y, z, w = b.output("y", "int32"), b.output("z", "int8"), b.output("w", "uint32")
    i = b.axis(n_)
    v, c = x[i], k[i]
    y[i] = (v * 1664525 + 1013904223) // 7 + v % 5 - (v >> 3)
    z[i] = c * 3 + c.max(2)
    u = v.cast("uint32")
    w[i] = u.mulhi(0xD2511F53) ^ (u << 7) ^ ~u
    rng = np.random.default_rng(3)
    memory = {
        "x": rng.integers(-(2**31), 2**31, n).astype(np.int32),
        "k": rng.integers(-128, 128, n).astype(np.int8),
        "y": np.zeros(n, np.int32),
        "z": np.zeros(n, np.int8),
        "w": np.zeros(n, np.uint32),
    }
    return b.build(), memory, {"n": n}


def functions(n: int, dtype: str = "float32") -> Case:
    b = Builder("functions")
    n_ = b.size("n")
    x, y = b.input("x", dtype), b.output("y", dtype)
    i = b.axis(n_)
    v = x[i]
    terms = [v.exp(), v.abs().log(), v.abs().sqrt(), v.sin(), v.cos(), v.tanh()]
    terms += [v.erf(), v.floor(), v.round(), v.abs().pow(1.5), v.max(0.25), v.min(0.5)]
    for k, term in enumerate(terms):
        y[i * len(terms) + k] = term
    rng = np.random.default_rng(4)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 0.5, 1.5, -2.5, 80.0, -100.0]
    data = np.concatenate([special, rng.standard_normal(n - len(special)) * 4])
    memory = {"x": data.astype(dtype), "y": np.zeros(n * len(terms), dtype)}
    return b.build(), memory, {"n": n}


def small_floats(n: int, dtype: str) -> Case:
    """Arithmetic in float32, rounded each time; conversions of every kind of number."""
    import ml_dtypes

    kind = np.float16 if dtype == "float16" else ml_dtypes.bfloat16
    b = Builder("small")
    n_ = b.size("n")
    x, y, z = b.input("x", dtype), b.output("y", dtype), b.output("z", "float32")
    i = b.axis(n_)
    v = x[i]
    y[i] = v * v + 0.5
    z[i] = v.cast("float32") * 3.0
    rng = np.random.default_rng(5)
    special = [0.0, -0.0, np.inf, -np.inf, 1e-6, 6e-8, 65504.0, 3e-5]
    data = np.concatenate([special, rng.standard_normal(n - len(special))])
    memory = {
        "x": data.astype(np.float32).astype(kind),
        "y": np.zeros(n, kind),
        "z": np.zeros(n, np.float32),
    }
    return b.build(), memory, {"n": n}


def padded(m: int) -> Case:
    b = Builder("padded")
    rows, n, m_, by = b.size("rows"), b.size("n"), b.size("m"), b.size("by")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i, j = b.axis(rows), b.axis(m_)
    at = j - by
    y[i * m_ + j] = x.load(i * n + at, (at >= 0) & (at < n), -1.0)
    memory = {"x": np.arange(12, dtype=np.float32), "y": np.zeros(3 * m, np.float32)}
    return b.build(), memory, {"rows": 3, "n": 4, "m": m, "by": 2}


def blocked(rows: int, n: int, group: int) -> Case:
    """States, scratch, blocks; and sums over groups where ``group`` is above 1."""
    b = Builder("blocked")
    outer, r_, n_, parts = b.size("o"), b.size("rows"), b.size("n"), b.size("parts")
    x, y, part = b.input("x", "float32"), b.output("y", "float32"), None
    if group > 1:
        part = b.output("part", "float32")
        b.groups(group)
    i, j = b.axis(outer), b.axis(r_)
    b.serial(n_, block=3, reverse=True)
    kept = b.scratch("kept", "float32", 2)
    lane = b.lane(2)
    init = [lambda: b.block_index().cast("float32") + 0.5]
    with b.scan(init, "float32", width=2, restart=True) as s:
        more = x[(i * n_ + s.step) * r_ + j] * (lane.cast("float32") + 1.0)
        h = s.state * 0.5 + more
        b.put(kept, h)
        s.next(h)
    with b.scan([0.0], "float32", width=2, reverse=True) as s:
        g = s.state * 0.25 + b.get(kept)
        s.next(g)
        y[(i * n_ + s.step) * r_ + j] = g.sum_lanes()
        if part is not None:
            at = ((i * n_ + s.step) * parts + j // group) * 2 + lane
            part.store(at, g.sum_group(), gate=(j % group).eq(0))
    count = -(-rows // group)
    rng = np.random.default_rng(6)
    memory = {
        "x": rng.standard_normal(2 * n * rows).astype(np.float32),
        "y": np.zeros(2 * n * rows, np.float32),
    }
    if group > 1:
        memory["part"] = np.zeros(2 * n * count * 2, np.float32)
    return b.build(), memory, {"o": 2, "rows": rows, "n": n, "parts": count}


CASES: dict[str, Callable[[], Case]] = {
    "softmax of short rows": lambda: softmax(5, 7),
    "softmax of long rows": lambda: softmax(3, 150),
    "argmax": lambda: argmax(6, 90),
    "lanes": lambda: lanes(5, 6),
    "crossed states": lambda: crossed(2, 9),
    "integers": lambda: integers(33),
    "functions": lambda: functions(40),
    "functions of float64": lambda: functions(40, "float64"),
    "float16": lambda: small_floats(40, "float16"),
    "bfloat16": lambda: small_floats(40, "bfloat16"),
    "padded": lambda: padded(9),
    "blocks": lambda: blocked(5, 7, 1),
    "groups": lambda: blocked(6, 4, 4),
    "no steps": lambda: softmax(3, 0),
    "no points": lambda: softmax(0, 3),
}


def compare(case: Case, run: Callable[..., None]) -> None:
    """``run(program, memories, sizes)`` writes what `interpret` writes."""
    program, memory, sizes = case
    want = {k: v.copy() for k, v in memory.items()}
    interpret(program, want, sizes)
    run(
        program,
        [memory[a.name] for a in program.args],
        [sizes[s] for s in program.sizes],
    )
    for a in program.args:
        got, expected = memory[a.name], want[a.name]
        if a.dtype.startswith(("int", "uint")):
            np.testing.assert_array_equal(got, expected, err_msg=a.name)
            continue
        wide = np.float64
        rtol = {"float64": 1e-13, "float32": 2e-6}.get(a.dtype, 0)
        np.testing.assert_allclose(
            got.astype(wide), expected.astype(wide), rtol=rtol, atol=1e-6 if rtol else 0
        )

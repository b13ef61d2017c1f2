"""Small programs that the tests of loop programs share."""

from __future__ import annotations

from helix_core.loop import Builder, LoopProgram


def softmax() -> LoopProgram:
    b = Builder("softmax")
    rows, n = b.size("rows"), b.size("n")
    x, y = b.input("x", "float32"), b.output("y", "float32")
    i = b.axis(rows)
    b.serial(n)
    with b.reduce("max", "float32") as r:
        r.take(x[i * n + r.step])
    top = r.result
    with b.reduce("add", "float32") as r:
        r.take((x[i * n + r.step] - top).exp())
    with b.map() as m:
        y[i * n + m.step] = (x[i * n + m.step] - top).exp() / r.result
    return b.build()


def argmax() -> LoopProgram:
    """The first place of the largest number."""
    b = Builder("argmax")
    rows, n = b.size("rows"), b.size("n")
    x, y = b.input("x", "float32"), b.output("y", "int32")
    i = b.axis(rows)
    b.serial(n)

    def better(left, right):
        (a, i), (c, j) = left, right
        wins = (a > c) | (a.eq(c) & (i < j))
        return wins.where(a, c), wins.where(i, j)

    with b.reduce(better, ["float32", "index"], [float("-inf"), 2**31 - 1]) as r:
        r.take(x[i * n + r.step], r.step)
    y[i] = r.results[1].cast("int32")
    return b.build()


def recurrence(reverse: bool = False) -> LoopProgram:
    """h_t = a_t h_{t-1} + b_t from h0, along the rows of (n, width 3)."""
    b = Builder("recurrence")
    rows, n = b.size("rows"), b.size("n")
    a, x, h0 = (b.input(name, "float32") for name in ("a", "x", "h0"))
    y, last = b.output("y", "float32"), b.output("last", "float32")
    i = b.axis(rows)
    b.serial(n)
    lane = b.lane(3)
    with b.scan([h0[i * 3 + lane]], "float32", width=3, reverse=reverse) as s:
        at = (i * n + s.step) * 3 + lane
        h = a[at] * s.state + x[at]
        s.next(h)
        y[i * n + s.step] = h.sum_lanes()
    last[i * 3 + lane] = s.result
    return b.build()


def blocked() -> LoopProgram:
    """In each block forward from its number, then backward through what that left."""
    b = Builder("blocked")
    rows, n, parts = b.size("rows"), b.size("n"), b.size("parts")
    x = b.input("x", "float32")
    y, part = b.output("y", "float32"), b.output("part", "float32")
    outer, j = b.axis(b.size("outer")), b.axis(rows)
    b.serial(n, block=3, reverse=True)
    b.groups(4)
    kept = b.scratch("kept", "float32", 2)
    lane = b.lane(2)
    weight = lane.cast("float32") + 1.0
    init = [lambda: b.block_index().cast("float32") + 0.5]
    with b.scan(init, "float32", width=2, restart=True) as s:
        h = s.state * 0.5 + x[(outer * n + s.step) * rows + j] * weight
        b.put(kept, h)
        s.next(h)
    with b.scan([0.0], "float32", width=2, reverse=True) as s:
        g = s.state * 0.25 + b.get(kept)
        s.next(g)
        y[(outer * n + s.step) * rows + j] = g.sum_lanes()
        at = ((outer * n + s.step) * parts + j // 4) * 2 + lane
        part.store(at, g.sum_group(), gate=(j % 4).eq(0))
    return b.build()


def padded() -> LoopProgram:
    """x moved by ``by``, and -1 where nothing was."""
    b = Builder("padded")
    n, m, by = b.size("n"), b.size("m"), b.size("by")
    x, y = b.input("x", "int32"), b.output("y", "int32")
    i = b.axis(m)
    at = i - by
    y[i] = x.load(at, (at >= 0) & (at < n), -1)
    return b.build()


def histogram() -> LoopProgram:
    b = Builder("histogram")
    n, bins = b.size("n"), b.size("bins")
    x, y = b.input("x", "int32"), b.inout("y", "float32")
    i = b.axis(n)
    k = x[i]
    y.add(k, b.const(1.0, "float32"), gate=(k >= 0) & (k.cast("index") < bins))
    return b.build()

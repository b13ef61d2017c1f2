"""What the three programs of attention share: their form, memory, masks and scores.

A point is a query (a key, in the pass that gives the gradients of keys and values). On
GPUs its features are lanes; on CPUs a point is sixteen of them, which are lanes, with
the features written out one by one.
"""

from __future__ import annotations

from typing import NamedTuple

from helix_core.loop import Builder, Expr, Ref

from helix_hal.loop.lower.scalars import rounded_bfloat16
from helix_hal.programs._kernels import wide
from helix_hal.programs._many import Many, Values, dot, listed

LANES = 16  # queries or keys of a point on CPUs
INF = float("inf")
_AXES = {"q": "bth", "k": "bth", "v": "bth", "y": "bth", "dy": "bth", "bias": "bhts"}


class Form(NamedTuple):
    """What a program is made for.

    ``rows``: queries or keys of a point; ``grouped``: several query heads share a key
    head; ``half``: products of numbers rounded to bfloat16.
    """

    dtype: str
    d: int
    dv: int
    scale: float
    causal: bool
    window: bool
    bias: bool
    slopes: bool
    lengths: bool
    grouped: bool
    half: bool
    rows: int


class Scores:
    """Arguments and one score of a program.

    Rows stand at positions ``offset + row`` of keys, which begin at position 0 of what
    the program is given: at ``first`` of the whole. No query stands before ``near``.
    """

    def __init__(self, b: Builder, f: Form, names: tuple[str, ...]) -> None:
        self.b, self.f, self.real = b, f, wide(f.dtype)
        self.batch, self.heads, self.tiles = (
            b.size(k) for k in ("batch", "heads", "tiles")
        )
        self.tq, self.tk = b.size("tq"), b.size("tk")
        self.offset, self.repeats = b.size("offset"), b.size("repeats")
        names = (*names, *[k for k in ("bias", "slopes", "lengths") if getattr(f, k)])
        self.args: dict[str, Ref] = {}
        for k in names:
            self.args[k] = b.input(k, "int32" if k == "lengths" else f.dtype)
        self.strides = {
            k: [b.size(f"{k}_{axis}") for axis in _AXES[k]] for k in names if k in _AXES
        }

    def axes(self, heads: Expr, count: Expr) -> None:
        """The grid; ``count``: rows of which a point has some."""
        b, n = self.b, self.f.rows
        self.i, self.head, tile = b.axis(self.batch), b.axis(heads), b.axis(self.tiles)
        row = tile if n == 1 else tile * n + b.lane(n)
        self.inside = None if n == 1 else row < count
        self.row = row if n == 1 else row.min(count - 1)

    def group(self, head: Expr) -> Expr:
        """The key head of a query head."""
        return head // self.repeats if self.f.grouped else head

    # ------------------------------------------------------------------------- memory
    def features(self, n: int, f: object) -> Values:
        """``f`` of the number of each of n features."""
        assert callable(f)
        if self.f.rows == 1:
            return f(self.b.lane(n))
        return Many([f(self.b.const(j, "index")) for j in range(n)])

    def values(self, found: list[Expr]) -> Values:
        """The opposite of `listed`."""
        return found[0] if self.f.rows == 1 else Many(found)

    def near(self, x: Values) -> Values:
        """As operands of products are rounded."""
        if not self.f.half:
            return x
        if isinstance(x, Many):
            return Many([rounded_bfloat16(e) for e in x])
        return rounded_bfloat16(x)

    def vector(
        self, name: str, row: Expr, head: Expr, gate: Expr | None = None
    ) -> Values:
        """The features of a row."""
        x, (sb, st, sh) = self.args[name], self.strides[name]
        at = self.i * sb + row * st + head * sh
        n = self.f.d if name in ("q", "k") else self.f.dv

        def one(j: Expr) -> Expr:
            e = x[at + j] if gate is None else x.load(at + j, gate)
            return e.cast(self.real)

        return self.features(n, one)

    def write(self, out: Ref, row: Expr, head: Expr, heads: Expr, x: Values) -> None:
        """A row of (batch, rows, heads, features), which has strides of its own."""
        name = out.arg.name
        sb, st = self.b.size(f"{name}_b"), self.b.size(f"{name}_t")
        n = self.f.dv if name in ("y", "dv") else self.f.d
        at = self.i * sb + row * st + head * n
        places = listed(self.features(n, lambda j: at + j))
        for place, value in zip(places, listed(x), strict=True):
            out.store(place, value.cast(self.f.dtype), self.inside)

    def stat(self, row: Expr, head: Expr) -> Expr:
        """Where a number of each query is: (batch, heads, whole time of queries)."""
        sb, sh = self.b.size("stat_b"), self.b.size("stat_h")
        return self.i * sb + head * sh + row

    # ------------------------------------------------------------------------- scores
    def used(self, key: Expr) -> Expr | None:
        """Whether some query sees a key: others are not even read."""
        gate: Expr | None = None
        if self.f.window:
            gate = self.b.size("near") - key < self.b.size("window")
        if self.f.lengths:
            gate = _both(gate, self._there(key))
        return gate

    def _there(self, key: Expr) -> Expr:
        length = self.args["lengths"][self.i].cast("index")
        return key + self.b.size("first") < length

    def seen(self, row: Expr, key: Expr) -> Expr | None:
        """Whether a query sees a key; None where all do."""
        back, gate = self.offset + row - key, None
        if self.f.causal:
            gate = ~(back < 0)
        if self.f.window:
            window = self.b.size("window")
            far = back < window
            gate = _both(gate, far if self.f.causal else far & (0 - window < back))
        if self.f.lengths:
            gate = _both(gate, self._there(key))
        return gate

    def distance(self, row: Expr, key: Expr) -> Expr:
        back = self.offset + row - key
        return back.max(0 - back).cast(self.real)

    def score(
        self, q: Values, k: Values, row: Expr, key: Expr, head: Expr, seen: Expr | None
    ) -> Expr:
        """With everything that is added to it; -inf where hidden."""
        z = dot(q, k) * self.f.scale
        if self.f.bias:
            sb, sh, st, ss = self.strides["bias"]
            at = self.i * sb + head * sh + row * st + key * ss
            z = z + self.args["bias"][at].cast(self.real)
        if self.f.slopes:
            slope = self.args["slopes"][head].cast(self.real)
            z = z - slope * self.distance(row, key)
        return z if seen is None else seen.where(z, -INF)


def _both(a: Expr | None, b: Expr) -> Expr:
    return b if a is None else a & b

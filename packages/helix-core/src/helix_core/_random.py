"""Random numbers: a function of (seed, stream, element), the same on every device.

Each draw takes the next stream of its generator. The generator's state is a cell, so a
traced step draws fresh numbers each time it runs, and a saved state resumes exactly.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from . import _dtypes as dt
from . import _ops as ops
from ._cell import Cell
from ._composite import composite
from ._create import _device, _shape, as_tensor
from ._dtypes import as_dtype
from ._errors import DTypeError, ShapeError
from ._primitive import bind
from ._primitives._rules import normal_axes
from ._primitives.index import gather_p
from ._primitives.random import random_bits_p
from ._primitives.sort import sort_p
from ._shape import copy_to, narrow, pad_p
from ._state import STATE
from ._tensor import Tensor


class Generator:
    """A source of random numbers with a seed and a position.

    Parameters
    ----------
    seed : int
        0 <= seed < 2^64. Different seeds are independent.
    stream : int
        0 <= stream < 2^64: the number of draws already taken.

    Attributes
    ----------
    state : Cell
        uint32[4]: seed low, seed high, stream low, stream high. It lives on the device
        that drew last.

    Notes
    -----
    Threads may share a generator: each draw gets a stream of its own, in the order in
    which they come.

    Examples
    --------
    >>> import helix_core as hx
    >>> g = hx.Generator(7)
    >>> a = hx.random_uniform((2,), generator=g)
    >>> g.load_state_dict({"seed": 7, "stream": 0})
    >>> bool((hx.random_uniform((2,), generator=g) == a).all())
    True
    """

    def __init__(self, seed: int = 0, stream: int = 0) -> None:
        self._lock = threading.Lock()
        # a value from the start: a generator may be made inside a trace
        self.state = Cell(_words({"seed": seed, "stream": stream}), "random_state")

    def __repr__(self) -> str:
        if STATE.get().trace is not None:
            return "Generator(traced)"
        d = self.state_dict()
        return f"Generator(seed={d['seed']}, stream={d['stream']})"

    def state_dict(self) -> dict[str, int]:
        """``{"seed": int, "stream": int}``: all there is to save."""
        a, b, c, d = self.state.value.tolist()
        return {"seed": a | b << 32, "stream": c | d << 32}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a saved state, exactly.

        Raises
        ------
        ValueError
            If seed or stream is missing or not in [0, 2^64).
        """
        key = _words(state)
        with self._lock:
            self.state.value = key

    def next_key(self, device: Any = None) -> Tensor:
        """The key of the next draw, uint32[4] on the device; advances the generator."""
        dev = _device(device)
        with self._lock:
            key = copy_to(self.state.value, dev)
            if STATE.get().trace is None and type(key.buffer) is np.ndarray:
                a, b, low, high = key.buffer.tolist()
                n = (low | high << 32) + 1
                words = np.array(
                    [a, b, n & 0xFFFFFFFF, n >> 32 & 0xFFFFFFFF], np.uint32
                )
                self.state.value = Tensor(words, key.aval, dev)
            else:
                self.state.value = _advance(key)
        return key


def _words(state: dict[str, int]) -> Tensor:
    """Seed and stream as a key."""
    words = []
    for name in ("seed", "stream"):
        n = state.get(name)
        if not isinstance(n, (int, np.integer)) or not 0 <= n < 2**64:
            raise ValueError(
                f"[generator] expected an int {name} with 0 <= {name} < 2**64; "
                f"got {n!r}"
            )
        words += [int(n) & 0xFFFFFFFF, int(n) >> 32]
    return as_tensor(np.array(words, np.uint32))


def _advance(key: Tensor) -> Tensor:
    """The stream number plus one, with carry."""
    zero = ops.zeros((), dt.uint32, key.device)
    one = ops.ones((1,), dt.uint32, key.device)
    y = ops.add_p(key, pad_p(one, zero, ((2, 1, 0),)))
    carry = ops.cast(ops.eq(narrow(y, 0, 2, 3), 0), dt.uint32)
    out: Tensor = ops.add_p(y, pad_p(carry, zero, ((3, 0, 0),)))
    return out


_LOCK = threading.Lock()
_DEFAULT: list[Generator] = []


def default_generator() -> Generator:
    """The generator of this process that draws without ``generator=`` use; seed 0."""
    with _LOCK:
        if not _DEFAULT:
            _DEFAULT.append(Generator(0))
        return _DEFAULT[0]


def seed(n: int) -> None:
    """Start the default generator again from a seed, 0 <= n < 2^64."""
    default_generator().load_state_dict({"seed": n, "stream": 0})


def _key(generator: Generator | None, device: Any) -> Tensor:
    return (generator or default_generator()).next_key(device)


def _float(name: str, dtype: Any) -> dt.DType:
    d = as_dtype(dtype)
    if d not in (dt.float16, dt.bfloat16, dt.float32, dt.float64):
        raise DTypeError(
            f"[{name}] expected float16, bfloat16, float32 or float64; got {d}"
        )
    return d


def _bits(key: Tensor, shape: tuple[int, ...], bits: int = 32) -> Tensor:
    return bind(random_bits_p, key, shape=shape, bits=bits)


def random_bits(
    shape: Any, bits: int = 32, device: Any = None, generator: Generator | None = None
) -> Tensor:
    """Uniform random words: uint32, or uint64 with ``bits=64``."""
    return _bits(_key(generator, device), _shape(shape), bits)


# how many leading bits of a word make a number that the dtype holds exactly
_DIGITS = {dt.bfloat16: 8, dt.float16: 11, dt.float32: 24, dt.float64: 53}


def _unit(key: Tensor, shape: tuple[int, ...], dtype: dt.DType) -> Tensor:
    """Multiples of 2^-digits in [0, 1)."""
    bits, digits = (64 if dtype is dt.float64 else 32), _DIGITS[dtype]
    whole = ops.right_shift(_bits(key, shape, bits), bits - digits)
    u: Tensor = ops.mul(ops.cast(whole, dtype), 2.0**-digits)
    return u


def random_uniform(
    shape: Any,
    low: Any = 0.0,
    high: Any = 1.0,
    dtype: Any = dt.float32,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in [low, high): low + (high - low) u.

    Parameters
    ----------
    shape : tuple of int
    low, high : float or Tensor
        Tensors broadcast to the shape.
    dtype : float16, bfloat16, float32 or float64
    device : optional
    generator : Generator, optional

    Notes
    -----
    u is a multiple of 2^-24 for float32 (2^-53 float64, 2^-11 float16, 2^-8 bfloat16),
    the same on every device. Rounding of the sum may give ``high`` itself.
    """
    d = _float("random_uniform", dtype)
    u = _unit(_key(generator, device), _shape(shape), d)
    if type(low) is float and low == 0.0:
        return u if type(high) is float and high == 1.0 else _fit(ops.mul(u, high), u)
    width = ops.subtract(high, low) if _is_tensor(low, high) else high - low
    return _fit(ops.add(ops.mul(u, width), low), u)


def _is_tensor(*xs: Any) -> bool:
    return any(isinstance(x, (Tensor, Cell, np.ndarray)) for x in xs)


def _fit(y: Tensor, like: Tensor) -> Tensor:
    if y.shape != like.shape:
        raise ShapeError(
            f"[random] expected parameters that broadcast to {like.shape}; got a "
            f"result of shape {y.shape}"
        )
    return ops.cast(y, like.dtype)


# Wichura, "Algorithm AS 241: the percentage points of the normal distribution", 1988.
# Numerators, then denominators, highest power first. All coefficients are positive: the
# sums do not cancel, and devices that round differently stay within an ulp or two.
_AS241 = {
    dt.float32: (
        (59.109374720, 159.29113202, 50.434271938, 3.3871327179),
        (67.187563600, 78.757757664, 17.895169469, 1.0),
        (0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777),
        (0.12021132975, 0.73700164250, 1.0),
    ),
    dt.float64: (
        (
            *(2509.0809287301226727, 33430.575583588128105, 67265.770927008700853),
            *(45921.953931549871457, 13731.693765509461125, 1971.5909503065514427),
            *(133.14166789178437745, 3.387132872796366608),
        ),
        (
            *(5226.495278852545925, 28729.085735721942674, 39307.89580009271061),
            *(21213.794301586595867, 5394.1960214247511077, 687.1870074920579083),
            *(42.313330701600911252, 1.0),
        ),
        (
            *(7.7454501427834140764e-4, 0.0227238449892691845833),
            *(0.24178072517745061177, 1.27045825245236838258, 3.64784832476320460504),
            *(5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
        ),
        (
            *(1.05075007164441684324e-9, 5.475938084995344946e-4),
            *(0.0151986665636164571966, 0.14810397642748007459),
            *(0.68976733498510000455, 1.6763848301838038494),
            *(2.05319162663775882187, 1.0),
        ),
    ),
}
_FAR = (
    (
        *(2.01033439929228813265e-7, 2.71155556874348757815e-5),
        *(0.0012426609473880784386, 0.026532189526576123093),
        *(0.29656057182850489123, 1.7848265399172913358),
        *(5.4637849111641143699, 6.6579046435011037772),
    ),
    (
        *(2.04426310338993978564e-15, 1.4215117583164458887e-7),
        *(1.8463183175100546818e-5, 7.868691311456132591e-4),
        *(0.0148753612908506148525, 0.13692988092273580531),
        *(0.59983220655588793769, 1.0),
    ),
)


def _ratio(r: Tensor, top: Any, bottom: Any) -> Tensor:
    def horner(c: Any) -> Any:
        y: Any = ops.full_like(r, c[0])
        for k in c[1:]:
            y = ops.add(ops.mul(y, r), k)
        return y

    out: Tensor = ops.div_p(horner(top), horner(bottom))
    return out


@composite("random_normal")
def _normal(key: Tensor, *, shape: Any, dtype: Any) -> Tensor:
    """Standard normal numbers by the inverse of the distribution function.

    One bit is the sign; the rest are an odd multiple p of a power of two in (0, 1/2),
    the probability of the tail beyond the number. p and 1/2 - p are exact.
    """
    wide = dt.float64 if dtype is dt.float64 else dt.float32
    bits, digits = (64, 52) if wide is dt.float64 else (32, 23)
    word = _bits(key, shape, bits)
    m = ops.bitwise_and(ops.right_shift(word, bits - 1 - digits), 2**digits - 1)
    p = ops.mul(ops.add(ops.cast(m, wide), 0.5), 2.0 ** -(digits + 1))
    q = ops.sub(0.5, p)
    a, b, c, d = _AS241[wide]
    near = ops.mul(q, _ratio(ops.sub(0.180625, ops.mul(q, q)), a, b))
    r = ops.sqrt(ops.neg_p(ops.log(p)))
    tail = _ratio(ops.sub(r, 1.6), c, d)
    if wide is dt.float64:  # 24 bits never reach this far
        tail = ops.where(ops.gt(r, 5.0), _ratio(ops.sub(r, 5.0), *_FAR), tail)
    z = ops.where(ops.le(q, 0.425), near, tail)
    negative = ops.eq(ops.right_shift(word, bits - 1), 1)
    return ops.cast(ops.where(negative, ops.neg_p(z), z), dtype)


def random_normal(
    shape: Any,
    mean: Any = 0.0,
    std: Any = 1.0,
    dtype: Any = dt.float32,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Normal: mean + std z; equal between devices within 4 ulp of z.

    Parameters
    ----------
    shape : tuple of int
    mean, std : float or Tensor
        Tensors broadcast to the shape.
    dtype : float16, bfloat16, float32 or float64
    device : optional
    generator : Generator, optional

    Notes
    -----
    float32 numbers are made from 24 random bits: abs(z) < 5.5. float64 ones from 53:
    abs(z) < 8.3. Source: Wichura, algorithm AS 241, 1988.
    """
    d = _float("random_normal", dtype)
    z: Tensor = _normal(_key(generator, device), shape=_shape(shape), dtype=d)
    y = z if type(std) is float and std == 1.0 else ops.mul(z, std)
    y = y if type(mean) is float and mean == 0.0 else ops.add(y, mean)
    return y if y is z else _fit(y, z)


def random_exponential(
    shape: Any,
    scale: Any = 1.0,
    dtype: Any = dt.float32,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Exponential with this mean: -scale log(1 - u); within 4 ulp between devices."""
    d = _float("random_exponential", dtype)
    wide = dt.float64 if d is dt.float64 else dt.float32
    u = _unit(_key(generator, device), _shape(shape), wide)
    y = ops.cast(ops.sub(0.0, ops.log(ops.sub(1.0, u))), d)  # 1 - u is exact, above 0
    return y if type(scale) is float and scale == 1.0 else _fit(ops.mul(y, scale), y)


def random_integers(
    shape: Any,
    low: int,
    high: int,
    dtype: Any = dt.int32,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Integers in [low, high): low + w mod (high - low) of a 64-bit word w.

    The smaller values are more likely by at most (high - low) / 2^64.

    Raises
    ------
    ValueError
        If the range is empty, or not inside the dtype.
    """
    d = as_dtype(dtype)
    if d.category not in ("int", "uint"):
        raise DTypeError(f"[random_integers] expected an integer dtype; got {d}")
    low, high = int(low), int(high)
    info = np.iinfo(d.dtype)
    if not info.min <= low < high <= int(info.max) + 1:
        raise ValueError(
            f"[random_integers] expected low < high inside {d}; got {low} and {high}"
        )
    word = _bits(_key(generator, device), _shape(shape), 64)
    if high - low < 2**64:
        word = ops.mod(word, ops.full((), high - low, dt.uint64, word.device))
    # two's complement: the sum wraps to the right value also where low is negative
    word = ops.add(word, ops.full((), low % 2**64, dt.uint64, word.device))
    return ops.cast(ops.bitcast(word, dt.int64) if d.category == "int" else word, d)


def random_bernoulli(
    shape: Any,
    p: Any = 0.5,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """True with probability p, to within 2^-24; a tensor p broadcasts to the shape."""
    u = _unit(_key(generator, device), _shape(shape), dt.float32)
    if not _is_tensor(p):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"[random_bernoulli] expected 0 <= p <= 1; got {p}")
        p = float(p)
    hit: Tensor = ops.lt(u, ops.cast(p, dt.float32) if _is_tensor(p) else p)
    if hit.shape != u.shape:
        raise ShapeError(
            f"[random_bernoulli] expected p that broadcasts to {u.shape}; got a result "
            f"of shape {hit.shape}"
        )
    return hit


def random_permutation(
    x: Any,
    axis: int = 0,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """0 .. n-1 in random order (int32) for an int; for a tensor, its rows shuffled.

    A stable sort of one 64-bit word per element.
    """
    if isinstance(x, (int, np.integer)):
        if x < 0:
            raise ShapeError(f"[random_permutation] expected n >= 0; got {x}")
        return _shuffled(int(x), _key(generator, device))
    x = as_tensor(ops.operand(x))
    axis = normal_axes("random_permutation", (axis,), x.ndim)[0]
    order = _shuffled(x.shape[axis], _key(generator, x.device))
    return bind(gather_p, x, order, axis=axis)


def _shuffled(n: int, key: Tensor) -> Tensor:
    words = _bits(key, (n,), 64)
    place = ops.arange(n, dtype=dt.int32 if n < 2**31 else dt.int64, device=key.device)
    out = bind(sort_p, words, place, axis=0, num_keys=1, descending=False, stable=True)
    return out[1]

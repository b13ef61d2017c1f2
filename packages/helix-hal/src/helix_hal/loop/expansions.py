"""Scalar ops that a language lacks, or has only roughly, out of those that all have.

Each function takes values of a `Builder` and returns one. They use comparisons, integer
and bit operations, casts and the four basic operations of floats (``tanh`` and ``erf``
``exp`` too, ``sin`` and ``cos`` ``mulhi``), so what a driver thinks of fused or
reordered arithmetic costs an ulp and no more. All of float32;
``exp``, ``log``, ``tanh``, ``erf``, ``abs``, ``floor`` and ``round`` of float64 too
(they then need int64).

Special values are those of C99 and NumPy: infinities, NaN, signed zeros, overflow.
Subnormal results come out where the device has them.

Polynomials are near-minimax (weighted least squares, reweighted) for the forms that the
docstrings state; the errors stated are the largest seen, in units of the last place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log, nan, pi
from typing import Any

from helix_core.loop import Expr, LoopError

_LN2 = log(2)


@dataclass(frozen=True)
class _Format:
    """Bits of a float format, and what its polynomials are."""

    signed: str
    mantissa: int
    bias: int
    root_half: int  # the bits of sqrt(1/2)
    ln2: tuple[float, float]  # the first has few enough bits for exact products
    exp_range: tuple[float, float]  # beyond: 0 and infinity
    exp: tuple[float, ...]
    log: tuple[float, ...]
    tanh: tuple[float, ...]
    tanh_one: float  # from here on it is 1
    erf: tuple[float, ...]
    sign: int


_FORMATS = {
    "float32": _Format(
        signed="int32",
        mantissa=23,
        bias=127,
        root_half=0x3F3504F3,
        ln2=(0.693359375, _LN2 - 0.693359375),
        exp_range=(-104.0, 89.0),
        exp=(0.5, 0.1666652, 0.041666195, 0.008368839, 0.0013951202),
        log=(0.6666666, 0.40000334, 0.285374, 0.2358044),
        tanh=(
            *(-0.3333333, 0.1333321, -0.0539472, 0.021702932, -0.008182586),
            0.002147462,
        ),
        tanh_one=9.02,
        erf=(
            *(0.12837917, -0.37612626, 0.112836, -0.026854439, 0.005189523),
            *(-0.0008020733, 7.888762e-05),
        ),
        sign=-(2**31),
    ),
    "float64": _Format(
        signed="int64",
        mantissa=52,
        bias=1023,
        root_half=0x3FE6A09E667F3BCD,
        ln2=(0.6931471805592082, 7.371002565167799e-13),
        exp_range=(-746.0, 710.0),
        exp=(
            *(0.5, 0.16666666666666685, 0.04166666666666673, 0.008333333333316746),
            *(0.0013888888888858582, 0.0001984126989703872, 2.4801587373416763e-05),
            *(2.7557234260217084e-06, 2.755723365806611e-07, 2.5112230522392983e-08),
            2.0926847512672338e-09,
        ),
        log=(
            *(0.6666666666666666, 0.4000000000000624, 0.28571428569087676),
            *(0.2222222264652894, 0.18181775686763874, 0.1538708983337661),
            *(0.13250138901698597, 0.13251140565161076),
        ),
        tanh=(
            *(-0.3333333333333333, 0.13333333333333164, -0.053968253968132665),
            *(0.021869488531780706, -0.008863235436701937, 0.003592126757826364),
            *(-0.001455822498403057, 0.0005899502925550552, -0.0002387746010527467),
            *(9.576008302895702e-05, -3.663935158651565e-05, 1.1806940214429984e-05),
            -2.276648558623996e-06,
        ),
        tanh_one=19.1,
        erf=(
            *(0.1283791670955126, -0.3761263890318375, 0.11283791670954885),
            *(-0.02686617064507784, 0.0052239776248280915, -0.0008548326981406771),
            *(0.00012055331132296201, -1.4925595756886935e-05, 1.6461008240773284e-06),
            *(-1.6350393792227056e-07, 1.4660312891667109e-08),
            *(-1.1374896422004742e-09, 5.960587992507018e-11),
        ),
        sign=-(2**63),
    ),
}

# log(erfc(a)) for 1 <= a <= 4, weighted by erfc(a)
_LOG_ERFC = (
    *(0.00018795962, -1.129578, -0.6332206, -0.108417794, 0.025207775),
    *(-0.0042043887, 0.00044130292, -2.1684167e-05),
)
# erfc(a) exp(a^2) in t = 1 / (1 + a / 2), for 1/2 <= a <= 6
_ERFC = (
    *(-2.0332730454005424e-06, 0.2821500470232733, 0.28140829814717),
    *(0.2519681877826763, 0.15075046053340502, 0.1714896070758329),
    *(-0.20956710467425882, 0.23684128957867143, -0.16896372092370507),
    *(-0.5149901072408635, 1.3310238244555475, -1.4057924838789275),
    *(0.8191131753779572, -0.26170910048336593, 0.03627988404721732),
)
_SIN = (-0.16666667, 0.008333329, -0.0001983934, 2.718357e-06)
_COS = (0.041666646, -0.0013887376, 2.4439298e-05)
_EXP2 = (0.6931472, 0.2402265, 0.05550327, 0.0096180355, 0.0013400433, 0.00015467365)
_ATANH = (0.3333333, 0.20000167, 0.142687, 0.1179022)
# the binary digits of 2 / pi, 32 a word, behind 32 zeros
_TWO_OVER_PI = (
    *(0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041),
    0xFE5163AB,
)


def _format(op: str, x: Expr, only: str | None = None) -> _Format:
    wanted = [only] if only else list(_FORMATS)
    if x.dtype not in wanted:
        raise LoopError(f"[{op}] expected {' or '.join(wanted)}; got {x.dtype}")
    return _FORMATS[x.dtype]


def _poly(x: Expr, coefficients: tuple[float, ...]) -> Expr:
    """Horner's scheme, lowest power first."""
    total = x._coerce(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def _bits(x: Expr) -> Expr:
    return x.bitcast(_FORMATS[x.dtype].signed)


def _magnitude(x: Expr) -> Expr:
    return (_bits(x) & ~_FORMATS[x.dtype].sign).bitcast(x.dtype)


def _with_sign(a: Expr, x: Expr) -> Expr:
    """The magnitude of ``a`` with the sign of ``x``, zeros too."""
    f = _FORMATS[x.dtype]
    return ((_bits(a) & ~f.sign) | (_bits(x) & f.sign)).bitcast(x.dtype)


def _nearest(x: Expr) -> Expr:
    """The nearest integer of a float well inside the integers, halves outwards."""
    return (x + (x < 0).where(x._coerce(-0.5), 0.5)).cast(_FORMATS[x.dtype].signed)


def _power_of_two(n: Expr, like: Expr) -> Expr:
    f = _FORMATS[like.dtype]
    return ((n + f.bias) << f.mantissa).bitcast(like.dtype)


def _scaled(x: Expr, n: Expr) -> Expr:
    """x 2^n, in two steps, so that the steps do not overflow."""
    half = n >> 1
    return x * _power_of_two(half, x) * _power_of_two(n - half, x)


def exp(x: Expr) -> Expr:
    """exp(x) = 2^n (1 + r + r^2 P(r)), |r| <= ln(2) / 2; 1 ulp."""
    f = _format("exp", x)
    low, high = f.exp_range
    c = (x < low).where(low, x)
    c = (c > high).where(high, c)
    n = _nearest(c * (1 / _LN2))
    k = n.cast(x.dtype)
    r = (c - k * f.ln2[0]) - k * f.ln2[1]
    return _scaled((r * r * _poly(r, f.exp) + r) + 1, n)


def _split(x: Expr) -> tuple[Expr, Expr]:
    """x = m 2^e with sqrt(1/2) <= m < sqrt(2), of x > 0: (m, e)."""
    f = _FORMATS[x.dtype]
    tiny = x < 2.0 ** (1 - f.bias)
    y = tiny.where(x * 2.0 ** (f.mantissa + 1), x)
    e = (_bits(y) - f.root_half) >> f.mantissa
    m = (_bits(y) - (e << f.mantissa)).bitcast(x.dtype)
    return m, e - tiny.where(e._coerce(f.mantissa + 1), 0)


def log_(x: Expr) -> Expr:
    """log(m 2^e) = e ln(2) + f - s (f - R), f = m - 1, s = f / (2 + f); 1 ulp.

    R = s^2 P(s^2), so that log((1 + s) / (1 - s)) = 2 s + s R.
    """
    form = _format("log", x)
    m, e = _split(x)
    f, k = m - 1, e.cast(x.dtype)
    s = f / (f + 2)
    z = s * s
    tail = s * (f - z * _poly(z, form.log)) - k * form.ln2[1]
    edge = x.eq(0).where(-inf, (x < 0).where(nan, x))
    return ((x > 0) & (x < inf)).where(k * form.ln2[0] + (f - tail), edge)


def tanh(x: Expr) -> Expr:
    """x + x^3 P(x^2) up to 5/8; then 1 - 2 / (exp(2 x) + 1); 2 ulp."""
    f = _format("tanh", x)
    a = _magnitude(x)
    z = a * a
    near = a * z * _poly(z, f.tanh) + a
    c = (a > f.tanh_one).where(f.tanh_one, a)
    e = (c + c).exp()
    far = 1 - 2 / (e + 1)
    return _with_sign((a < 0.625).where(near, far), x)


def erf(x: Expr) -> Expr:
    """x + x P(x^2) up to 1; then 1 - erfc(x), by exp and a polynomial; 2 ulp."""
    f = _format("erf", x)
    a = _magnitude(x)
    near = a * _poly(a * a, f.erf) + a
    top = 4.0 if x.dtype == "float32" else 6.0
    c = (a > top).where(top, a)
    if x.dtype == "float32":
        far = 1 - _poly(c, _LOG_ERFC).exp()
    else:
        t = 1 / (c * 0.5 + 1)
        far = 1 - (c * c * -1.0).exp() * _poly(t, _ERFC)
    return _with_sign((a < 1).where(near, far), x)


def sin(x: Expr) -> Expr:
    """sin(x) for every finite x, 3 ulp; reduced as by Payne and Hanek (1983)."""
    _format("sin", x, "float32")
    r, q = _quadrant(x)
    out = _bits(_by_quadrant(r, q)) ^ (_bits(x) & -(2**31))
    return _finite(out.bitcast(x.dtype), x)


def cos(x: Expr) -> Expr:
    """cos(x) for every finite x, 3 ulp; as `sin`."""
    _format("cos", x, "float32")
    r, q = _quadrant(x)
    return _finite(_by_quadrant(r, q + 1), x)


def _finite(y: Expr, x: Expr) -> Expr:
    return (_magnitude(x) < inf).where(y, nan)


def _by_quadrant(r: Expr, q: Expr) -> Expr:
    """sin(r + q pi / 2), |r| <= pi / 4."""
    z = r * r
    s = r * z * _poly(z, _SIN) + r
    c = z * z * _poly(z, _COS) + (1 - z * 0.5)
    turned = (q & 1).eq(1).where(c, s)
    return (_bits(turned) ^ ((q & 2) << 30)).bitcast(r.dtype)


def _quadrant(x: Expr) -> tuple[Expr, Expr]:
    """|x| = r + q pi / 2, q modulo 4.

    |x| is an integer m times 2^(e - 23). Of m times the digits of 2 / pi only 96 bits
    matter: those from weight 2 down. Digits of higher weight give whole turns.
    """
    a = _magnitude(x)
    bits = _bits(a).bitcast("uint32")
    m = (bits & 0x7FFFFF) | 0x800000
    e = bits >> 23
    start = (e < 120).where(0, e - 120)  # of the window, in the digits
    word, shift = start >> 5, start & 31

    def digits(i: int) -> Expr:
        found = bits._coerce(_TWO_OVER_PI[i])
        for k in range(1, 5):
            if i + k < len(_TWO_OVER_PI):
                found = word.eq(k).where(_TWO_OVER_PI[i + k], found)
        return found

    d = [digits(i) for i in range(4)]
    w = [(d[i] << shift) | ((d[i + 1] >> 1) >> (31 - shift)) for i in range(3)]
    low = m.mulhi(w[2])
    p1 = m * w[1] + low
    p0 = m * w[0] + m.mulhi(w[1]) + (p1 < low).cast("uint32")
    turn = ((p0 << 2) | (p1 >> 30)).bitcast("int32")  # of a quadrant, as a fraction
    rest = (p1 << 2).cast(x.dtype) * 2.0**-64
    r = (turn.cast(x.dtype) * 2.0**-32 + rest) * (pi / 2)
    q = (p0 >> 30).bitcast("int32") + (turn < 0).cast("int32")
    small = a < pi / 4
    return small.where(a, r), small.where(0, q)


def pow_(x: Expr, y: Expr) -> Expr:
    """x^y = 2^(y log2 |x|) with log2 in two floats; 3 ulp. Edges as in C99."""
    _format("pow", x, "float32")
    a = _magnitude(x)
    high, low = _log2(a)
    rough = y * high
    y1 = _short(y)
    over, under = rough > 160, rough < -160
    edge = over | under | ~(_magnitude(rough) <= 160)
    w1 = y1 * high
    w0 = y1 * low + (y - y1) * (high + low)
    n = _nearest(edge.where(0.0, w1 + w0))
    r = (w1 - n.cast(x.dtype)) + w0
    size = _scaled(r * _poly(r, _EXP2) + 1, n)
    size = over.where(inf, under.where(0.0, edge.where(rough, size)))

    ay = _magnitude(y)
    whole = ay < 2.0**24
    i = whole.where(y, 0.0).cast("int32")
    integer = i.cast(x.dtype).eq(whole.where(y, 0.0))
    odd = whole & integer & (i & 1).eq(1)
    negative = _bits(x) < 0
    out = (negative & odd).where(size * -1.0, size)
    broken = (x < 0) & (x > -inf) & ~integer
    out = broken.where(nan, out)
    out = (a.eq(1) & ay.eq(inf)).where(1.0, out)
    return (x.eq(1) | y.eq(0)).where(1.0, out)


def _short(x: Expr) -> Expr:
    """The upper 12 bits of a float32: products of two are exact."""
    return (_bits(x) & -(2**12)).bitcast(x.dtype)


def _log2(a: Expr) -> tuple[Expr, Expr]:
    """log2(a) of a >= 0 as a short float and a rest, 2^-31 together.

    log2(m) = 2 / ln(2) atanh(s), s = (m - 1) / (m + 1), s in two parts too.
    """
    m, e = _split(a)
    f, d = m - 1, m + 1
    s = f / d
    s1, d1 = _short(s), _short(d)
    d0 = m - (d1 - 1)
    s0 = ((f - s1 * d1) - s1 * d0) / d
    z = s * s
    t0 = s0 + s * z * _poly(z, _ATANH)
    t1 = _short(s1 + t0)
    t0 = (s1 - t1) + t0
    scale = 2 / _LN2
    c1 = 2.884765625  # 12 bits of the scale
    k = e.cast(a.dtype)
    main, rest = t1 * c1, t0 * scale + t1 * (scale - c1)
    high = _short(k + main)
    low = ((k - high) + main) + rest
    edge = a.eq(0).where(-inf, a)
    fine = (a > 0) & (a < inf)
    return fine.where(high, edge), fine.where(low, 0.0)


def abs_(x: Expr) -> Expr:
    if x.dtype in _FORMATS:
        return _magnitude(x)
    return (x < 0).where(0 - x, x)


def floor(x: Expr) -> Expr:
    f = _format("floor", x)
    whole = _magnitude(x) < 2.0**f.mantissa
    n = whole.where(x, 0.0).cast(f.signed).cast(x.dtype)
    down = (x < n).where(n - 1, n)
    return whole.where(_with_sign(down, x), x)


def round_(x: Expr) -> Expr:
    """Half to even."""
    f = _format("round", x)
    a = _magnitude(x)
    whole = a < 2.0**f.mantissa
    i = whole.where(a, 0.0).cast(f.signed)
    rest = a - i.cast(x.dtype)
    up = (rest > 0.5) | (rest.eq(0.5) & (i & 1).eq(1))
    near = (i + up.cast(f.signed)).cast(x.dtype)
    return whole.where(_with_sign(near, x), x)


def mulhi(x: Expr, y: Expr) -> Expr:
    """The upper half of a product of uint32, by halves of 16 bits."""
    if x.dtype != "uint32":
        raise LoopError(f"[mulhi] expected uint32; got {x.dtype}")
    x1, x0, y1, y0 = x >> 16, x & 0xFFFF, y >> 16, y & 0xFFFF
    middle = x1 * y0 + ((x0 * y0) >> 16)
    other = x0 * y1 + (middle & 0xFFFF)
    return x1 * y1 + (middle >> 16) + (other >> 16)


EXPANSIONS: dict[str, Callable[..., Any]] = {
    "exp": exp,
    "log": log_,
    "sin": sin,
    "cos": cos,
    "tanh": tanh,
    "erf": erf,
    "pow": pow_,
    "abs": abs_,
    "floor": floor,
    "round": round_,
    "mulhi": mulhi,
}
"""Op to function of its operands."""

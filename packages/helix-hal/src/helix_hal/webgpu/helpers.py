"""WGSL functions that renderered programs call; only those that are used are written.

WGSL lets a compiler assume that there are neither infinities nor NaN, so tests for them
look at bits.
"""

from __future__ import annotations

import re

_SOURCES = {
    "is_nan": """
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
""",
    "kept": """
fn kept(x: f32) -> f32 { return bitcast<f32>(bitcast<i32>(x) ^ ZERO); }
""",
    "from_bits": """
fn from_bits(b: u32) -> f32 { return bitcast<f32>(b); }
""",
    "least": """
fn least(a: f32, b: f32) -> f32 {
  return select(select(select(b, a, a < b), b, is_nan(b)), a, is_nan(a));
}
""",
    "greatest": """
fn greatest(a: f32, b: f32) -> f32 {
  return select(select(select(b, a, a > b), b, is_nan(b)), a, is_nan(a));
}
""",
    "hidden_i32": """
fn hidden_i32(x: i32) -> i32 { return x; }
""",
    "hidden_u32": """
fn hidden_u32(x: u32) -> u32 { return x; }
""",
    "from_half": """
fn from_half(h: u32) -> f32 {
  let sign = (h & 0x8000u) << 16u;
  let e = (h >> 10u) & 31u;
  let m = h & 1023u;
  let tiny = bitcast<u32>(f32(m) * 0x1p-24f);
  let wide = select(((e + 112u) << 23u) | (m << 13u), 0x7f800000u | (m << 13u), e == 31u);
  return bitcast<f32>(sign | select(wide, tiny, e == 0u));
}
""",
    "to_half": """
fn to_half(x: f32) -> u32 {
  let b = bitcast<u32>(x);
  let sign = (b >> 16u) & 0x8000u;
  let a = b & 0x7fffffffu;
  let near = bitcast<u32>(bitcast<f32>(a) + 0.5f) - 0x3f000000u;
  let usual = (a - 0x38000000u + 0xfffu + ((a >> 13u) & 1u)) >> 13u;
  var h = select(near, usual, a >= 0x38800000u);
  h = select(h, 0x7c00u, a >= 0x477ff000u);
  return sign | select(h, 0x7e00u, a > 0x7f800000u);
}
""",
    "from_brain": """
fn from_brain(h: u32) -> f32 { return bitcast<f32>(h << 16u); }
""",
    "to_brain": """
fn to_brain(x: f32) -> u32 {
  let b = bitcast<u32>(x);
  let rounded = (b + 0x7fffu + ((b >> 16u) & 1u)) >> 16u;
  return select(rounded, (b >> 16u) | 0x40u, (b & 0x7fffffffu) > 0x7f800000u);
}
""",
}
_NEEDS = {"least": ("is_nan",), "greatest": ("is_nan",)}


def helpers(body: str, zero: str) -> str:
    """The functions that a kernel's text calls.

    ``zero`` is an integer of which compilers do not know that it is 0: what has met it
    is not reordered with other sums.
    """
    wanted = {name for name in _SOURCES if re.search(rf"\b{name}\(", body)}
    for name in list(wanted):
        wanted.update(_NEEDS.get(name, ()))
    text = "".join([t.lstrip("\n") for n, t in _SOURCES.items() if n in wanted])
    return text.replace("ZERO", zero)


def small_load(name: str, word: str, bits: int, signed: bool) -> str:
    """A function ``load_NAME`` of one element out of a 32-bit word."""
    per, mask = 32 // bits, (1 << bits) - 1
    at, shift = f"u32(k) / {per}u", f"(u32(k) % {per}u) * {bits}u"
    read = f"atomicLoad(&{name}[{at}])" if word == "atomic<u32>" else f"{name}[{at}]"
    if signed:
        up = f"({32 - bits}u - {shift})"
        return (
            f"fn load_{name}(k: i32) -> i32 "
            f"{{ return bitcast<i32>({read} << {up}) >> {32 - bits}u; }}\n"
        )
    return (
        f"fn load_{name}(k: i32) -> u32 "
        f"{{ return ({read} >> ({shift})) & 0x{mask:x}u; }}\n"
    )


def small_store(name: str, bits: int) -> str:
    """A function ``store_NAME``: neighbours in the word may be written meanwhile."""
    per, mask = 32 // bits, (1 << bits) - 1
    return (
        f"fn store_{name}(k: i32, x: u32) {{\n"
        f"  let at = u32(k) / {per}u;\n"
        f"  let shift = (u32(k) % {per}u) * {bits}u;\n"
        f"  atomicAnd(&{name}[at], ~(0x{mask:x}u << shift));\n"
        f"  atomicOr(&{name}[at], (x & 0x{mask:x}u) << shift);\n"
        "}\n"
    )


def float_add(name: str) -> str:
    """A function ``add_NAME`` that adds a float32 with compare and exchange."""
    return (
        f"fn add_{name}(k: i32, x: f32) {{\n"
        f"  var was = atomicLoad(&{name}[u32(k)]);\n"
        "  loop {\n"
        "    let sum = bitcast<u32>(bitcast<f32>(was) + x);\n"
        f"    let now = atomicCompareExchangeWeak(&{name}[u32(k)], was, sum);\n"
        "    if (now.exchanged) { break; }\n"
        "    was = now.old_value;\n"
        "  }\n"
        "}\n"
    )

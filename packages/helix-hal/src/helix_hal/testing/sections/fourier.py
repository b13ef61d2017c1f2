"""fft: four kinds, any size, any axes."""

from __future__ import annotations

import helix_core as hx

from .._case import Section, case, each
from .._compare import of_largest
from .._values import LAYOUTS, f32, some

_KINDS = ("fft", "ifft", "rfft", "irfft")
_NEAR = of_largest(1e-5)


class Fourier(Section):
    """A capability of devices with complex numbers."""

    @each([(k, n) for k in _KINDS for n in (1, 2, 3, 8, 15, 64, 67, 100, 256)])
    def sizes(self, kind: str, n: int) -> None:
        t = self.target
        t.need("complex64")
        n = min(n, t.size(n, 9))
        x = some((2, n), "float32" if kind == "rfft" else "complex64", 1)
        if kind == "irfft":
            x = x[:, : n // 2 + 1]
        t.op("fft", x, kind=kind, axes=(1,), sizes=(n,), allowed=_NEAR, zeros=False)

    @each(_KINDS)
    def double(self, kind: str) -> None:
        t = self.target
        t.need("complex128", "float64")
        x = some((3, 20), "float64" if kind == "rfft" else "complex128", 2)
        x = x[:, :11] if kind == "irfft" else x
        t.op("fft", x, kind=kind, axes=(1,), sizes=(20,), allowed=_NEAR, zeros=False)

    @each([(0,), (1,), (0, 2), (2, 1), (0, 1, 2)])
    def axes(self, *axes: int) -> None:
        t = self.target
        t.need("complex64")
        x = some((4, 5, 6), "complex64", 3)
        for kind in ("fft", "ifft"):
            sizes = tuple(x.shape[a] for a in axes)
            t.op(
                "fft", x, kind=kind, axes=axes, sizes=sizes, allowed=_NEAR, zeros=False
            )

    @each(LAYOUTS)
    def layouts(self, layout: str) -> None:
        t = self.target
        t.need("complex64")
        base, view = LAYOUTS[layout]
        t.same(
            "rfft",
            lambda a: hx.fft.rfft(view(a)),
            some(base, "float32", 4),
            allowed=_NEAR,
        )

    @each(["rfft", "fft", "irfft"])
    def backward(self, kind: str) -> None:
        t = self.target
        t.need("complex64")
        x = some((2, 10), "float32" if kind == "rfft" else "complex64", 5)
        if kind == "irfft":  # a real signal has real ends
            t.pullback(kind, lambda a: hx.fft.irfft(hx.fft.rfft(hx.real(a))), x)
        else:
            t.pullback(kind, getattr(hx.fft, kind), x)

    @case
    def literals(self) -> None:
        t = self.target
        t.need("complex64")
        x = t.put(f32([1, 2, 3, 4]))
        t.values("rfft", hx.fft.rfft(x), [10, -2 + 2j, -2], 1e-5)
        t.values("irfft", hx.fft.irfft(hx.fft.rfft(x)), [1, 2, 3, 4], 1e-5)

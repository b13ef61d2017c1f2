"""Random numbers: the same bits on every device."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np

from .._case import Section, case, each
from .._compare import info, wide
from .._values import some, u32

# (seed, stream) -> the first block: Philox4x32-10 of the counter (0, 0, stream) under
# the key (seed). The first is Random123's kat_vectors, the others were computed from
# the paper's definition.
KNOWN: dict[tuple[int, int], tuple[int, ...]] = {
    (0, 0): (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
    (42, 1): (0x02933769, 0x2051E913, 0x3B68B038, 0xB62C409C),
    (0x299F31D0A4093822, 0x0370734413198A2E): (
        *(0xB60A410E, 0x61BD7780, 0xA53F3958, 0x3D51EB3F),
    ),
    (2**64 - 1, 2**64 - 1): (0x3D3BE307, 0x716983D6, 0x70094BED, 0x36C3CF91),
}


def _four_ulp(want: np.ndarray, *xs: np.ndarray) -> Any:
    return 4 * float(info(want.dtype).eps) * np.abs(wide(want))


class Random(Section):
    """Never declined: a model trains from the same numbers wherever it runs."""

    @each(KNOWN)
    def known_answers(self, seed: int, stream: int) -> None:
        t = self.target
        got = hx.random_bits(
            (4,), device=t.device, generator=hx.Generator(seed, stream)
        )
        t.values("random_bits", got, u32(KNOWN[seed, stream]))

    @each([(b, n) for b in (32, 64) for n in (0, 1, 3, 4, 5, 257, 20_000)])
    def bits(self, bits: int, n: int) -> None:
        t = self.target
        if bits == 64:
            t.need("uint64")
        n = min(n, t.size(n, 70))
        for key in ([0, 0, 0, 0], [2**32 - 1, 7, 2**32 - 1, 2**32 - 1]):
            t.op("random_bits", u32(key), shape=(n,), bits=bits)

    @each([(), (3, 5), (2, 0, 3), (1, 7)])
    def shapes(self, *shape: int) -> None:
        self.target.op("random_bits", u32([1, 2, 3, 4]), shape=shape, bits=32)

    @each(["float32", "float64", "float16", "bfloat16"])
    def uniform(self, dtype: str) -> None:
        self.target.need(dtype)
        if dtype == "float64":
            self.target.need("uint64")
        self._same(
            "uniform", lambda g: hx.random_uniform((501,), dtype=dtype, generator=g)
        )

    @case
    def uniform_between(self) -> None:
        self._same(
            "uniform",
            lambda g: hx.random_uniform((9, 7), -2.0, 3.0, generator=g),
            _four_ulp,
        )

    @each(["float32", "float64"])
    def normal(self, dtype: str) -> None:
        self.target.need(dtype)
        if dtype == "float64":
            self.target.need("uint64")
        n = self.target.size(20_001, 70)
        self._same(
            "normal",
            lambda g: hx.random_normal((n,), dtype=dtype, generator=g),
            _four_ulp,
        )

    @case
    def exponential(self) -> None:
        self._same(
            "exponential",
            lambda g: hx.random_exponential((501,), generator=g),
            _four_ulp,
        )

    @each([("int32", -5, 17), ("int32", -(2**31), 2**31), ("uint8", 0, 256)])
    def integers(self, dtype: str, low: int, high: int) -> None:
        self.target.need(dtype)
        self._same(
            "integers",
            lambda g: hx.random_integers((501,), low, high, dtype, generator=g),
        )

    @each(["0.0", "0.3", "1.0"])
    def bernoulli(self, p: str) -> None:
        self._same(
            "bernoulli", lambda g: hx.random_bernoulli((501,), float(p), generator=g)
        )

    @each([0, 1, 2, 100, 1000])
    def permutation(self, n: int) -> None:
        n = min(n, self.target.size(n, 20))
        self._same("permutation", lambda g: hx.random_permutation(n, generator=g))

    @case
    def shuffled_rows(self) -> None:
        x = some((13, 3), "float32", 1)

        def shuffle(a: hx.Tensor) -> hx.Tensor:
            return hx.random_permutation(a, generator=hx.Generator(3))

        self.target.same("permutation of rows", shuffle, x)

    @case
    def draws_go_on(self) -> None:
        """Each draw has a stream of its own, also past 2^32 draws."""
        self._same(
            "three draws",
            lambda g: [hx.random_bits((5,), generator=g) for _ in range(3)],
        )
        t = self.target
        g = hx.Generator(9, 2**32 - 1)
        hx.random_bits((1,), device=t.device, generator=g)
        if g.state_dict() != {"seed": 9, "stream": 2**32}:
            raise AssertionError(f"stream: expected {2**32}; got {g.state_dict()}")

    def _same(self, what: str, draw: Any, allowed: Any = None) -> None:
        self.target.same(what, lambda: draw(hx.Generator(7, 11)), allowed=allowed)

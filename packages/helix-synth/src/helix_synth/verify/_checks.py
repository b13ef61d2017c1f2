"""What verifiers share: the shape of a sample. Nothing of a generator is used here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Spec = Mapping[str, Any]
Sample = Mapping[str, Any]


class Problems(list[str]):
    """What is wrong with a sample, in words."""

    def unless(self, fine: object, text: str) -> bool:
        """Note the text unless all is fine; returns whether it is."""
        good = fine if type(fine) is bool else bool(np.asarray(fine).all())
        if not good:
            self.append(text)
        return good

    def array(
        self,
        sample: Sample,
        name: str,
        dtype: str,
        shape: tuple[int | None, ...],
        low: float | None = None,
        high: float | None = None,
    ) -> bool:
        """An array of this dtype and shape (None: any), finite and in [low, high]."""
        a = sample.get(name)
        if not isinstance(a, np.ndarray):
            self.append(f"{name}: expected an array; got {type(a).__name__}")
            return False
        if a.dtype != np.dtype(dtype):
            self.append(f"{name}: expected {dtype}; got {a.dtype}")
            return False
        if a.ndim != len(shape) or any(
            w is not None and w != g for w, g in zip(shape, a.shape, strict=True)
        ):
            self.append(f"{name}: expected shape {shape}; got {a.shape}")
            return False
        if a.size == 0:
            return True
        if a.dtype.kind == "f" and not np.isfinite(a).all():
            self.append(f"{name}: not finite")
            return False
        if low is not None and a.min() < low:
            self.append(f"{name}: {a.min()} is below {low}")
            return False
        if high is not None and a.max() > high:
            self.append(f"{name}: {a.max()} is above {high}")
            return False
        return True

    def integer(self, sample: Sample, name: str, low: int, high: int) -> bool:
        """A plain integer in [low, high]."""
        v = sample.get(name)
        if type(v) is not int or not low <= v <= high:
            self.append(f"{name}: expected an integer in [{low}, {high}]; got {v!r}")
            return False
        return True

    def number(self, sample: Sample, name: str, low: float, high: float) -> bool:
        """A plain float in [low, high]."""
        v = sample.get(name)
        if type(v) is not float or not low <= v <= high:
            self.append(f"{name}: expected a float in [{low}, {high}]; got {v!r}")
            return False
        return True

    def names(self, sample: Sample, *names: str) -> bool:
        """Exactly these fields."""
        return self.unless(
            set(sample) == set(names),
            f"expected fields {', '.join(sorted(names))}; got {', '.join(sorted(sample))}",
        )

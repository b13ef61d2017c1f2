"""Learning rate schedules: functions from the step (0 first) to a factor.

Multiply the base learning rate by ``schedule(step)``. All but ``ReduceOnPlateau`` are
pure, so a resumed run needs nothing but its step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ._errors import HelixError

Schedule = Callable[[int], float]


class ScheduleError(HelixError, ValueError):
    """A schedule's numbers do not fit."""


def _need(ok: bool, what: str, got: object) -> None:
    if not ok:
        raise ScheduleError(f"[schedule] expected {what}; got {got}")


def constant(factor: float = 1.0) -> Schedule:
    """Always the same."""
    return lambda step: factor


def linear_warmup(steps: int, start: float = 0.0) -> Schedule:
    """From ``start`` to 1 over ``steps`` steps, then 1.

    Step ``i`` has ``start + (1 - start) i / steps``, as torch's LinearLR.
    """
    _need(steps >= 0, "steps >= 0", steps)
    _need(start >= 0, "start >= 0", start)
    return lambda step: (
        1.0 if step >= steps else start + (1.0 - start) * step / max(1, steps)
    )


def cosine(steps: int, warmup: int = 0, floor: float = 0.0) -> Schedule:
    """Half a cosine from 1 to ``floor`` (arXiv:1608.03983), after a linear warm-up.

    The warm-up of n steps begins at 1 / n, so that no step is wasted.
    """
    _need(0 <= warmup <= steps, "0 <= warmup <= steps", (warmup, steps))
    _need(floor >= 0, "floor >= 0", floor)

    def at(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * done))

    return at


def wsd(steps: int, warmup: int, decay: int, floor: float = 0.0) -> Schedule:
    """Warm-up, stable, decay (arXiv:2404.06395): linear up, 1, linear down to ``floor``."""
    _need(warmup >= 0 and decay >= 0, "warmup, decay >= 0", (warmup, decay))
    _need(warmup + decay <= steps, "warmup + decay <= steps", (warmup, decay, steps))
    _need(floor >= 0, "floor >= 0", floor)

    def at(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        left = steps - step
        if left >= decay:
            return 1.0
        return floor + (1.0 - floor) * max(0, left) / max(1, decay)

    return at


def step_decay(every: int, gamma: float = 0.1) -> Schedule:
    """``gamma`` to the number of whole periods, as torch's StepLR."""
    _need(every >= 1, "every >= 1", every)
    _need(gamma >= 0, "gamma >= 0", gamma)
    return lambda step: gamma ** (step // every)


def exponential(gamma: float) -> Schedule:
    """``gamma`` to the step, as torch's ExponentialLR."""
    _need(gamma >= 0, "gamma >= 0", gamma)
    return lambda step: gamma**step


def one_cycle(
    steps: int,
    peak_at: float = 0.3,
    start_div: float = 25.0,
    final_div: float = 1e4,
) -> Schedule:
    """Up by a cosine to 1 and down again (arXiv:1708.07120), as torch's OneCycleLR.

    From 1 / start_div to 1 at ``peak_at`` of the steps, then to
    1 / (start_div final_div).
    """
    _need(steps >= 2, "steps >= 2", steps)
    _need(0 <= peak_at <= 1, "peak_at in [0, 1]", peak_at)
    _need(start_div > 0 and final_div > 0, "divisors > 0", (start_div, final_div))
    up = peak_at * steps - 1
    low, last = 1.0 / start_div, 1.0 / (start_div * final_div)

    def between(a: float, b: float, done: float) -> float:
        return b + (a - b) / 2.0 * (1.0 + math.cos(math.pi * done))

    def at(step: int) -> float:
        step = min(step, steps - 1)
        if step < up:
            return between(low, 1.0, step / up)
        return between(1.0, last, (step - up) / (steps - 1 - up or 1.0))

    return at


def join(parts: Sequence[Schedule], at: Sequence[int]) -> Schedule:
    """Schedules one after the other; part k + 1 begins, at its step 0, at ``at[k]``."""
    _need(len(parts) == len(at) + 1, "one more part than boundaries", (parts, at))
    _need(list(at) == sorted(at), "ascending boundaries", at)

    def run(step: int) -> float:
        k = sum(step >= b for b in at)
        return parts[k](step - (at[k - 1] if k else 0))

    return run


class ReduceOnPlateau:
    """Multiply by ``factor`` when a metric has stopped improving, as torch's.

    Call ``observe(metric)`` after each evaluation; the schedule itself ignores the step.

    Parameters
    ----------
    factor : float in (0, 1)
    patience : int
        Evaluations without improvement that are allowed. A NaN is none.
    threshold : float
        An improvement is larger than this share of the best value.
    cooldown : int
        Evaluations to wait after a reduction.
    floor : float
        Smallest factor.
    mode : {"min", "max"}

    Examples
    --------
    >>> schedule = ReduceOnPlateau(factor=0.5, patience=1)
    >>> [schedule.observe(metric) for metric in (1.0, 1.0, 1.0, 0.5)]
    [1.0, 1.0, 0.5, 0.5]
    """

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        floor: float = 0.0,
        mode: str = "min",
    ) -> None:
        _need(0 < factor < 1, "0 < factor < 1", factor)
        _need(mode in ("min", "max"), "mode 'min' or 'max'", mode)
        _need(
            patience >= 0 and cooldown >= 0,
            "patience, cooldown >= 0",
            (patience, cooldown),
        )
        _need(0 <= floor <= 1, "floor in [0, 1]", floor)
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.floor, self.mode = cooldown, floor, mode
        self.value = 1.0
        self.best: float | None = None
        self.bad = 0
        self.waiting = 0

    def __call__(self, step: int) -> float:
        return self.value

    def observe(self, metric: float) -> float:
        """Take one evaluation into account; returns the new factor."""
        if self._better(metric):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.waiting > 0:
            self.waiting -= 1
            self.bad = 0
        if self.bad > self.patience:
            self.value = max(self.value * self.factor, self.floor)
            self.waiting, self.bad = self.cooldown, 0
        return self.value

    def _better(self, metric: float) -> bool:
        if self.mode == "min":
            best = math.inf if self.best is None else self.best
            return metric < best * (1.0 - self.threshold)
        best = -math.inf if self.best is None else self.best
        return metric > best * (1.0 + self.threshold)

    def state_dict(self) -> dict[str, Any]:
        """Plain values: what a resumed run needs."""
        return {k: getattr(self, k) for k in _PLATEAU}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state over; nothing changes if something is missing."""
        missing = [k for k in _PLATEAU if k not in state]
        _need(not missing, f"a state of {', '.join(_PLATEAU)}", sorted(state))
        for k in _PLATEAU:
            setattr(self, k, state[k])


_PLATEAU = ("value", "best", "bad", "waiting")

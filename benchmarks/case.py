"""What a suite declares: cases, and the work that each side does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

Arrays = Mapping[str, np.ndarray]


def no_arrays(result: Any) -> Arrays:
    """For work whose result is the measurement itself."""
    return {}


class Work(NamedTuple):
    """One side of a case, made by its factory in a process of its own.

    Attributes
    ----------
    call : callable
        The unit that is timed (or whose memory is measured). Whatever it needs was
        prepared by the factory.
    arrays : callable
        From what the first ``call`` returned to the named arrays that both sides must
        agree on: outputs and gradients. Not timed.
    sample : callable, optional
        Measures itself and returns seconds; for figures that are a difference.
    note : callable, optional
        A line for the log, asked for after the last round.
    """

    call: Callable[[], Any]
    arrays: Callable[[Any], Arrays] = no_arrays
    sample: Callable[[], float] | None = None
    note: Callable[[], str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A figure with its target.

    Attributes
    ----------
    name : str
    variants : tuple of str
        One row each; a factory gets the variant and returns `Work`.
    ours, reference : str
        Factories as ``"module:function"``. The reference gives the right values and,
        where there is a ``peer_name``, is measured too.
    peer_name : str, optional
        None makes the figure an absolute one.
    needs : tuple of str
        Distributions of the reference.
    target, aim : float
        Of the ratio; of the value itself where there is no peer.
    kind : {"time", "memory"}
        Memory is the peak above that of the process before ``call``, in new processes.
    unit, scale, better : str, float, str
        ``value = scale * seconds``, or ``scale / seconds`` where higher is better;
        ``scale * bytes`` for memory.
    tolerance : float
        Of the largest reference value, array by array.
    minutes : float
        About how long the case takes on two cores.
    """

    name: str
    variants: tuple[str, ...]
    ours: str
    reference: str | None = None
    peer_name: str | None = None
    needs: tuple[str, ...] = ()
    target: float
    aim: float
    kind: Literal["time", "memory"] = "time"
    metric: str = "time"
    unit: str = "ms"
    scale: float = 1e3
    better: Literal["lower", "higher"] = "lower"
    tolerance: float = 1e-4
    minutes: float = 0.5

    def value(self, measured: float) -> float:
        """A figure in the case's unit, of seconds or bytes."""
        if self.better == "higher":
            return self.scale / measured
        return self.scale * measured

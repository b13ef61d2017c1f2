"""Plans: a graph as one XLA program, compiled once for each set of donated inputs."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import jax
from helix_core._graph import Graph
from helix_core._interpreter import plan_for as interpreted
from helix_core.plugins._environment import listed
from jax.errors import JaxRuntimeError
from jax.sharding import SingleDeviceSharding

from .session import errors, find, translated, wide
from .translate import HOST, HostErrors, function_of, stays


class Plan:
    """A graph, ready to run: ``plan(*buffers) -> buffers``, inputs before captures.

    ``plan(*buffers, donate=(0, 3))`` gives up these buffers: JAX writes results into
    their memory, and they hold nothing afterwards.

    Attributes
    ----------
    graph : Graph
    device : Device
    """

    __slots__ = ("_host", "_lock", "_runs", "device", "graph")

    def __init__(self, graph: Graph, device: Any) -> None:
        self.graph = graph
        self.device = device
        self._host = HostErrors()
        self._lock = Lock()
        self._runs: dict[tuple[int, ...], Callable[..., Any]] = {}

    def __call__(self, *buffers: Any, donate: Sequence[int] = ()) -> tuple[Any, ...]:
        key = tuple(donate)
        run = self._runs.get(key) or self._compiled(key)
        try:
            out: tuple[Any, ...] = run(*buffers)
        except JaxRuntimeError as e:
            raise translated(e, "plan", self.device.name) from e
        if self._host.calls:  # errors of linear algebra come now, as in eager code
            jax.block_until_ready(out)
            if self._host.raised:
                error = self._host.raised[0]
                self._host.raised.clear()
                raise error
        return out

    def reuses(self, positions: Sequence[int]) -> tuple[int, ...]:
        """Those of the inputs whose memory would hold an output if they were donated."""
        g = self.graph
        heads = (*g.inputs, *g.captures)
        free = [g.avals[v] for v in g.outputs if v not in heads]
        used = []
        for i in positions:
            aval = g.avals[heads[i]]
            same = [a for a in free if a.shape == aval.shape and a.dtype is aval.dtype]
            if same and aval.size and heads[i] not in g.outputs:
                free.remove(same[0])
                used.append(i)
        return tuple(used)

    def text(self) -> str:
        """The program as XLA gets it, in StableHLO."""
        with wide(True):
            return str(self._lowered(()).as_text())

    def _lowered(self, donate: tuple[int, ...]) -> Any:
        g, where = self.graph, find(self.device)
        place = SingleDeviceSharding(where)
        args = [
            jax.ShapeDtypeStruct(a.shape, a.dtype.dtype, sharding=place)
            for a in (g.avals[v] for v in (*g.inputs, *g.captures))
        ]
        run = jax.jit(
            function_of(g, self.device),
            donate_argnums=donate,
            keep_unused=True,
            out_shardings=place,
        )
        token = HOST.set(self._host)
        try:
            return run.lower(*args)
        finally:
            HOST.reset(token)

    def _compiled(self, donate: tuple[int, ...]) -> Callable[..., Any]:
        with self._lock, wide(True), warnings.catch_warnings():
            if donate in self._runs:
                return self._runs[donate]
            # a donated input that fits no output is no mistake here
            warnings.filterwarnings("ignore", "Some donated buffers were not usable")
            start = time.perf_counter()
            lowered = self._lowered(donate)
            traced = time.perf_counter()
            name = self.device.name
            with errors("compile", name, lambda: str(lowered.as_text())):
                run: Callable[..., Any] = lowered.compile()
            if "kernels" in (listed("HELIX_TRACE") or ()):
                print(
                    f"xla: {len(self.graph)} equations for {name}: traced in "
                    f"{traced - start:.2f} s, compiled in "
                    f"{time.perf_counter() - traced:.2f} s",
                    file=sys.stderr,
                )
            self._runs[donate] = run
        return run


def plan_for(graph: Graph, device: Any) -> Any:
    """The plan of this graph, memoised on the device.

    A graph that moves tensors to other devices is no one program: it is interpreted.
    """
    key = ("xla", graph)
    plan = device.plans.get(key)
    if plan is None:
        if len(device.plans) > 1024:
            device.plans.clear()
        make = Plan if stays(graph, device) else interpreted
        plan = device.plans[key] = make(graph, device)
    return plan

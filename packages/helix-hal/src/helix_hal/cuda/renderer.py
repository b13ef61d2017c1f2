"""Loop programs as Python source for numba's CUDA target."""

from __future__ import annotations

from typing import Any

from helix_core.loop import LoopProgram

from helix_hal.loop.numba_source import TYPES, PythonRenderer

ROWS = 32768  # blocks along y; more go along z (the hardware's limit is 65,535)


class CudaRenderer(PythonRenderer):
    """``k(*memories, *offsets, *sizes)``: one thread, or one block, runs one point.

    Point mode: blocks of ``local`` threads along the last grid axis, the other axes
    along y and z. Group mode: one block a point.
    """

    def __init__(self, program: LoopProgram, **how: Any) -> None:
        super().__init__(program, **how)
        self.top = 0

    def open_kernel(self) -> None:
        p = self.p
        self.line(f"def {p.name}({', '.join(self.parameters())}):")
        self.depth += 1
        for name, dtype, n in self.shared:
            # one a line: two on one line are one array in the simulator
            self.line(f"{name} = cuda.shared.array({n}, {TYPES[dtype]})")
        self.top = len(self.lines)
        self.line("lid = I64(cuda.threadIdx.x)")
        last = len(p.grid) - 1
        if self.mode == "group":
            self.line("point = I64(cuda.blockIdx.x)")
            self.line(f"a{last} = point % {p.grid[last]}")
            self.line(f"row = point // {p.grid[last]}")
        else:
            self.line(f"a{last} = I64(cuda.blockIdx.x) * {self.local} + lid")
            self.line(f"row = I64(cuda.blockIdx.z) * {ROWS} + I64(cuda.blockIdx.y)")
        for k in reversed(range(last)):
            if k == 0:
                self.line("a0 = row")
            else:
                self.line(f"a{k} = row % {p.grid[k]}")
                self.line(f"row = row // {p.grid[k]}")
        if self.mode == "point":
            self._guard(last)

    def _guard(self, last: int) -> None:
        size = self.p.grid
        inside = [f"a{last} < {size[last]}"]
        if last > 0:
            inside.append(f"a0 < {size[0]}")
        test = " and ".join(inside)
        if self.p.group == 1:
            self.open_if(test)
            return
        self.line(f"active = {test}")
        for k in {0, last}:
            self.line(f"a{k} = min(a{k}, {size[k]} - 1)")

    def close_kernel(self) -> None:
        if self.mode == "point" and self.p.group == 1:
            self.close()
        self.depth -= 1

    def array(self, name: str, dtype: str, n: int) -> None:
        made = f"{self.tab}{name} = cuda.local.array({n}, {TYPES[dtype]})"
        if made not in self.lines:
            self.lines.insert(self.top, made)
            self.starts = [i + 1 for i in self.starts]

    def store(self, name: str, index: str, value: str, mode: str) -> None:
        if mode == "set":
            super().store(name, index, value, mode)
        else:
            self.line(f"cuda.atomic.add({name}, {name}off + {index}, {value})")

    def place(self, name: str, index: str) -> str:
        return f"{name}[{name}off + {index}]"

    def barrier(self) -> None:
        self.line("cuda.syncthreads()")

"""A loop program on a WebGPU device: its forms, compiled when first needed."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import wgpu
from helix_core import DeviceError
from helix_core.loop import LoopProgram

from helix_hal.loop.legal import legal
from helix_hal.loop.render import cooperative
from helix_hal.webgpu.renderer import WgslRenderer

if TYPE_CHECKING:
    from helix_hal.webgpu.device import Memory, WebGpuDevice

_SHARE = 64  # steps from which a group shares a point, where points are few
_POINTS = 1 << 16
_FLAT, _LONG = 256, 64  # items of a group for points without and with stages
_SIZES = 4096
_GROUPS = 8192


class Layout:
    """Bind groups for kernels with so many buffers and so many numbers."""

    def __init__(self, device: WebGpuDevice, buffers: int, words: int) -> None:
        self.device, self.nbytes = device, 16 * words
        number = {
            "type": wgpu.BufferBindingType.uniform,
            "has_dynamic_offset": True,
            "min_binding_size": self.nbytes,
        }
        memory = {"type": wgpu.BufferBindingType.storage}
        entries = [number] + [memory] * buffers
        self.bindings = device.gpu.create_bind_group_layout(
            entries=[
                {"binding": k, "visibility": wgpu.ShaderStage.COMPUTE, "buffer": e}
                for k, e in enumerate(entries)
            ]
        )
        self.pipeline = device.gpu.create_pipeline_layout(
            bind_group_layouts=[self.bindings]
        )
        self.groups: dict[tuple[Memory, ...], Any] = {}

    def group(self, memories: tuple[Memory, ...]) -> Any:
        """A bind group of these memories, whole."""
        numbers = {"buffer": self.device.numbers, "offset": 0, "size": self.nbytes}
        entries = [{"binding": 0, "resource": numbers}]
        for k, m in enumerate(memories):
            whole = {"buffer": m.buffer, "offset": 0, "size": m.nbytes}
            entries.append({"binding": k + 1, "resource": whole})
        if len(self.groups) >= _GROUPS:
            self.groups.clear()
        made = self.device.gpu.create_bind_group(layout=self.bindings, entries=entries)
        self.groups[memories] = made
        for m in set(memories):
            m.uses.append((self.groups, memories))
        return made


class Kernel:
    """A compiled module; ``run`` puts a launch into the device's open pass.

    Parameters
    ----------
    source : str
        WGSL with an entry point ``main``; binding 0 holds ``numbers`` 32-bit integers
        as ``vec4<i32>``, then come ``buffers`` read-write storage buffers.
    """

    def __init__(
        self, device: WebGpuDevice, source: str, name: str, buffers: int, numbers: int
    ) -> None:
        self.device, self.name = device, name
        self.layout = device.layout(buffers, -(-numbers // 4))
        self.pipeline = device.pipeline(source, self.layout, name)
        self.pack_into = struct.Struct(f"={numbers}i").pack_into
        step = device.align
        self.step = -(-self.layout.nbytes // step) * step

    def run(
        self,
        memories: tuple[Memory, ...],
        numbers: Sequence[int],
        groups: tuple[int, int, int],
    ) -> None:
        device = self.device
        with device.lock:
            try:
                at = device.at
                if at + self.step > len(device.ring):
                    device.flush()
                    at = 0
                self.pack_into(device.ring, at, *numbers)
                device.at = at + self.step
                bound = self.layout.groups.get(memories) or self.layout.group(memories)
                encoder = device.open_pass or device.begin()
                if device.current is not self:
                    encoder.set_pipeline(self.pipeline)
                    device.current = self
                encoder.set_bind_group(0, bound, (at,))
                encoder.dispatch_workgroups(*groups)
                for m in memories:
                    m.epoch = device.epoch
                device.count += 1
                if device.full:
                    device.flush()
            except wgpu.GPUError as e:
                raise device.lost(self.name, e) from e


class Shape(NamedTuple):
    """How a program is started for one set of sizes."""

    kernel: Kernel
    groups: tuple[int, int, int]


class ProgramLaunch:
    """``launch(memories, offsets, sizes)`` of one program."""

    def __init__(self, device: WebGpuDevice, program: LoopProgram, wide: bool) -> None:
        if wide:
            raise DeviceError(
                f"[{program.name}] expected fewer than 2**31 elements and points on "
                f"{device.name!r}, which counts in 32 bits. Hint: smaller batches, or "
                "x.to('cpu')"
            )
        if len(program.args) > device.max_arguments:
            raise DeviceError(
                f"[{program.name}] expected at most {device.max_arguments} arrays in a "
                f"kernel on {device.name!r}; got {len(program.args)}"
            )
        self.device = device
        self.program = legal(program, device.features)
        self.shares = cooperative(self.program)
        self.forms: dict[tuple[str, int], Kernel] = {}
        self.shapes: dict[tuple[int, ...], Shape | None] = {}

    def __call__(
        self, memories: Sequence[Any], offsets: Sequence[int], sizes: Sequence[int]
    ) -> None:
        sizes = tuple(sizes)
        try:
            shape = self.shapes[sizes]
        except KeyError:
            if len(self.shapes) > _SIZES:
                self.shapes.clear()
            shape = self.shapes[sizes] = self._shape(sizes)
        if shape is not None:
            shape.kernel.run(tuple(memories), (*offsets, *sizes, 0), shape.groups)

    def _shape(self, sizes: tuple[int, ...]) -> Shape | None:
        p, most = self.program, self.device.max_groups
        given = dict(zip(p.sizes, sizes, strict=True))
        extents = [given[g] for g in p.grid]
        points, rows = prod(extents), prod(extents[:-1])
        if not points:
            return None
        steps = max(given[p.serial], 1) if p.serial is not None else 1
        if p.group > 1:
            groups = rows * -(-extents[-1] // p.group)
            return Shape(self.form("flat", p.group), group_sizes(groups, most))
        if self.shares and steps >= _SHARE and points <= max(_POINTS, steps):
            local = self.device.features.group
            return Shape(self.form("group", local), group_sizes(points, most))
        local = min(
            _LONG if p.stages else _FLAT, self.device.info.limits["max_workgroup"]
        )
        across = -(-extents[-1] // local)
        if (
            len(extents) > 1
            and extents[-1] * 4 >= local * across * 3
            and across <= most
        ):
            y, z, _ = group_sizes(rows, most)
            return Shape(self.form("rows", local), (across, y, z))
        return Shape(self.form("flat", local), group_sizes(-(-points // local), most))

    def form(self, form: str, local: int) -> Kernel:
        """The kernel of a form: see `WgslRenderer`."""
        made = self.forms.get((form, local))
        if made is None:
            renderer = WgslRenderer(self.program, form, local)
            made = Kernel(
                self.device,
                renderer.source(),
                self.program.name,
                len(self.program.args),
                renderer.numbers,
            )
            made = self.forms.setdefault((form, local), made)
        return made


def group_sizes(groups: int, most: int) -> tuple[int, int, int]:
    """So many work groups along x, y and z: at least as many as asked for."""
    x = min(groups, most)
    y = -(-groups // x)
    z = -(-y // most)
    return x, min(y, most), z

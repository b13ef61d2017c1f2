"""What OpenCL drivers there are on this machine, and which of their devices work."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

from helix_hal import cache

_GET = "pip install 'helix-hal[opencl]'"
_DRIVER = (
    "a GPU's driver brings OpenCL; for the CPU there is PoCL: Debian's "
    f"pocl-opencl-icd, or {_GET}"
)
_TRIAL = "__kernel void trial(__global int *x) { x[get_global_id(0)] = 1; }"
OPTIONS = "-w -cl-std=CL1.2"


class Found(NamedTuple):
    """Devices whose compiler works, and those left out, with the reason."""

    devices: list[Any]
    left_out: list[str]


def probe() -> bool | str:
    """True, or what is missing and how to get it."""
    if find_spec("pyopencl") is None:
        return f"pyopencl is not installed. Hint: {_GET}"
    try:
        found = find()
    except Exception as e:  # a driver may fail in any way
        return f"pyopencl cannot be used: {type(e).__name__}: {e}. Hint: {_GET}"
    if found.devices:
        return True
    why = "; ".join(found.left_out) or "no driver (ICD) with a device was found"
    return f"{why}. Hint: {_DRIVER}"


@lru_cache(maxsize=1)
def find() -> Found:
    """Every device of every platform, GPUs first; each compiled for once."""
    import pyopencl as cl

    try:
        platforms = cl.get_platforms()
    except cl.Error:  # the loader says so where there is no ICD
        return Found([], [])
    devices, left_out = [], []
    for p in platforms:
        try:
            own = p.get_devices()
        except cl.Error:
            continue
        for d in own:
            why = _broken(d)
            if why is None:
                devices.append(d)
            else:
                left_out.append(f"{d.name.strip()} of {p.version.strip()}: {why}")
    devices.sort(key=lambda d: bool(d.type & cl.device_type.CPU))
    return Found(devices, left_out)


def _broken(device: Any) -> str | None:
    """Why programs cannot run on a device; None where they can."""
    import pyopencl as cl

    try:
        if not (device.available and device.compiler_available):
            return "its driver has no compiler"
        build(cl.Context([device]), device, _TRIAL).store()
    except Exception as e:  # a driver may fail in any way
        lines = [line for line in str(e).splitlines() if "error:" in line]
        return f"its compiler fails ({(lines or [type(e).__name__])[0].strip()})"
    return None


def identity(device: Any) -> tuple[str, ...]:
    """What changes the machine code that a driver makes."""
    p = device.platform
    parts = (p.name, p.version, device.name, device.version, device.driver_version)
    return tuple([x.strip() for x in parts])


def build(context: Any, device: Any, source: str, options: str = OPTIONS) -> Program:
    """A program, from the cache's binary or from source.

    Raises
    ------
    pyopencl.Error
        With the compiler's log.
    """
    import pyopencl as cl

    folder = cache.folder()
    path = None
    if folder is not None:
        key = ("opencl", *identity(device), options, source)
        path = cache.entry(folder, key)
        binary = cache.read(path)
        if binary is not None:
            try:
                made = cl.Program(context, [device], [binary])
                made.build(options, cache_dir=False)
            except Exception:  # a driver that was changed may refuse its own code
                cache.stats.rejected += 1
            else:
                cache.stats.hits += 1
                return Program(made, None)
    made = cl.Program(context, source)
    made.build(options, cache_dir=False)
    cache.stats.misses += 1
    return Program(made, path)


class Program:
    """A built program that is stored when its kernels have run once.

    Drivers such as PoCL finish compiling at the first launch, and their binary holds
    all of it only then.
    """

    def __init__(self, program: Any, path: Any) -> None:
        self.program, self.path = program, path

    def store(self) -> None:
        """Keep the binary; a driver without binaries is compiled for in every process."""
        import pyopencl as cl

        path, self.path = self.path, None
        if path is None:
            return
        try:
            (binary,) = self.program.get_info(cl.program_info.BINARIES)
        except cl.Error:
            return
        if binary:
            cache.save(path, binary)

"""Kernels without wgpu's own checks of every index and loop, which we have proved.

wgpu-native can leave those checks out; its Python package has no public call for that,
so this goes by its ``cffi`` handles, and by the public call where they have changed.
"""

from __future__ import annotations

from typing import Any


def shader_module(device: Any, code: str, label: str) -> Any:
    """A shader module of WGSL.

    Raises
    ------
    wgpu.GPUError
        With the compiler's log.
    """
    try:
        from wgpu.backends.wgpu_native import _api as api

        create = api.libf.wgpuDeviceCreateShaderModuleTrusted
        source = api.new_struct_p(
            "WGPUShaderSourceWGSL *", code=api.to_c_string_view(code)
        )
        source[0].chain.next = api.ffi.NULL
        source[0].chain.sType = api.lib.WGPUSType_ShaderSourceWGSL
        description = api.new_struct_p(
            "WGPUShaderModuleDescriptor *",
            nextInChain=api.ffi.cast("WGPUChainedStruct *", source),
            label=api.to_c_string_view(label),
        )
        wrap = api.GPUShaderModule
    except (ImportError, AttributeError):
        return device.create_shader_module(code=code, label=label)
    handle = create(device._internal, description, 0)
    return wrap(label, handle, device)

"""The ``webgpu`` backend: devices ``vulkan:0``, ``metal:0``, ``dx12:0`` through wgpu."""

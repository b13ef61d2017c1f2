"""The light module behind ``helix.backends`` of this package."""

from helix_core.contracts import BackendSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_backends() -> list[BackendSpec]:
    return [
        BackendSpec(
            name="cpu",
            factory="helix_hal.cpu.backend:CpuBackend",
            kinds=("cpu",),
            contract=(1, 0),
            priority=100,
            summary="numba kernels on every core, BLAS through NumPy, FFT through scipy.",
        ),
        BackendSpec(
            name="opencl",
            factory="helix_hal.opencl.backend:OpenClBackend",
            kinds=("opencl",),
            contract=(1, 0),
            probe="helix_hal.opencl.drivers:probe",
            summary="Kernels in OpenCL C for GPUs and CPUs of any vendor.",
        ),
        BackendSpec(
            name="cuda",
            factory="helix_hal.cuda.backend:CudaBackend",
            kinds=("cuda",),
            contract=(1, 0),
            probe="helix_hal.cuda.probe:probe",
            summary="NVIDIA GPUs: loop programs compiled by numba-cuda.",
        ),
        BackendSpec(
            name="torch",
            factory="helix_hal.torch.backend:TorchBackend",
            kinds=("torch",),
            contract=(1, 0),
            probe="helix_hal.torch.probe:probe",
            summary="PyTorch on the CPU and on GPUs: torch:cpu, torch:cuda, torch:mps.",
        ),
        BackendSpec(
            name="webgpu",
            factory="helix_hal.webgpu.backend:WebGpuBackend",
            kinds=("webgpu", "vulkan", "metal", "dx12"),
            contract=(1, 0),
            probe="helix_hal.webgpu.adapters:probe",
            summary="Kernels in WGSL for GPUs by Vulkan, Metal or D3D12, through wgpu.",
        ),
        BackendSpec(
            name="xla",
            factory="helix_hal.xla.backend:XlaBackend",
            kinds=("xla", "tpu"),
            contract=(1, 0),
            probe="helix_hal.xla.probe:probe",
            summary="JAX: eager ops jitted, whole graphs as one XLA program.",
        ),
    ]

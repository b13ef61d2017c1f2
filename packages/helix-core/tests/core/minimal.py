"""A backend with the required primitives alone: everything else must decompose."""

import helix_core as hx
from helix_core._device import _Lowerings
from helix_core.reference.backend import NumpyBackend

# complex numbers are a capability: a backend that has the dtypes has these
NO_DECOMPOSITION = {"complex", "real", "imag"}


class Minimal:
    """The NumPy backend, less everything that is not required."""

    name = "minimal"
    kernels = ()

    def __init__(self):
        self.inner = NumpyBackend()
        self.lowerings = {
            k: v
            for k, v in self.inner.lowerings.items()
            if hx.PRIMITIVES[k].required or k in NO_DECOMPOSITION
        }

    def __getattr__(self, name):
        return getattr(self.inner, name)


def MINIMAL():
    dev = hx.Device("minimal:0")
    if dev._backend is None:
        dev._backend, dev._kernels = Minimal(), {}
        dev.table = _Lowerings(dev)
    return dev

"""The light module behind ``helix.backends`` of this package."""

from helix_core.contracts import BackendSpec
from helix_core.plugins import hookimpl


@hookimpl
def helix_backends() -> list[BackendSpec]:
    return [
        BackendSpec(
            name="numpy",
            factory="helix_core.reference.backend:NumpyBackend",
            kinds=("numpy", "cpu"),
            contract=(1, 0),
            priority=0,
            summary="Every op as NumPy calls; always there; defines the semantics.",
        )
    ]

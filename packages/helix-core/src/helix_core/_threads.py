"""How many threads the host's backends may use."""

from __future__ import annotations

from ._device import Device


def set_num_threads(n: int) -> None:
    """Bound kernels, BLAS and FFT of the ``cpu`` device together.

    Results do not depend on the number. Without helix-hal there is nothing to bound but
    NumPy's BLAS, which this says in a warning.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    ValueError
        If ``n`` is no whole number above 0.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(
            f"[set_num_threads] expected an integer of at least 1; got n={n!r}"
        )
    Device("cpu").backend.set_num_threads(n)

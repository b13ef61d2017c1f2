"""Every primitive, declared once. Importing this package fills ``PRIMITIVES``."""

from . import (  # noqa: F401
    contract,
    control,
    conv,
    create,
    cumulative,
    elementwise,
    fft,
    index,
    linalg,
    linalg_spectral,
    movement,
    random,
    reduce,
    scan,
    sort,
    window,
)

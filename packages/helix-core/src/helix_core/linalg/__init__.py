"""``hx.linalg``: linear algebra with gradients, in float32, float64 and their complex.

Names and meanings of the Python array API standard 2024.12 where it has them, else of
``torch.linalg``. A matrix is the last two axes of a tensor; the axes before are batches.
The work is LAPACK's, on the host: on ``"numpy"`` and ``"cpu"`` the results are NumPy's.
Gradients are written in primitives: they differentiate again, and inside `trace` and
`compile` they are part of the graph.

A complex gradient is JAX's (d loss / d re - i d loss / d im), torch's conjugated.
Where an input counts as Hermitian (`cholesky`, `eigh`, `eigvalsh`), one triangle is
read, and the gradient is the Hermitian one, as in JAX.
"""

# isort: skip_file
from .._errors import LinAlgError as LinAlgError
from .._contract import matmul as matmul, tensordot as tensordot
from .._arrange import matrix_transpose as matrix_transpose, vecdot as vecdot
from ._diagonal import last_diagonal as diagonal, last_trace as trace  # noqa: F401
from ._factors import (
    EigenResult as EigenResult,
    LUResult as LUResult,
    QRResult as QRResult,
    SVDResult as SVDResult,
    cholesky as cholesky,
    eig as eig,
    eigh as eigh,
    eigvals as eigvals,
    eigvalsh as eigvalsh,
    lu as lu,
    lu_factor as lu_factor,
    qr as qr,
    svd as svd,
    svdvals as svdvals,
)
from ._norms import (
    cond as cond,
    matrix_norm as matrix_norm,
    matrix_rank as matrix_rank,
    norm as norm,
    vector_norm as vector_norm,
)
from ._products import (
    cross as cross,
    householder_product as householder_product,
    kron as kron,
    matrix_exp as matrix_exp,
    matrix_power as matrix_power,
    multi_dot as multi_dot,
    outer as outer,
)
from ._solve import (
    LstsqResult as LstsqResult,
    SlogdetResult as SlogdetResult,
    cholesky_solve as cholesky_solve,
    det as det,
    inv as inv,
    lstsq as lstsq,
    lu_solve as lu_solve,
    pinv as pinv,
    slogdet as slogdet,
    solve as solve,
    tensorinv as tensorinv,
    tensorsolve as tensorsolve,
    triangular_solve as triangular_solve,
)

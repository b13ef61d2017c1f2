"""Loop programs: kernels without a language, which kernel backends render.

A `LoopProgram` is a parallel grid, at most one serial axis, and ordered stages over that
axis: ``map``, ``reduce``, ``scan``. Softmax, a layer norm, a cross-entropy or a
selective scan is one program each. `Builder` makes programs, `check` proves their form,
`check_bounds` that no index leaves its memory, and `interpret` defines what they mean.

Loads and stores take any integer expression as index, so they may be affine, gathered,
with div and mod, and gated. Vocabulary: the 30 kinds of scalar op in `SCALAR_OPS`.
"""

from ._bounds import check_bounds as check_bounds
from ._build import Builder as Builder
from ._check import check as check
from ._expr import Expr as Expr
from ._expr import Ref as Ref
from ._interpret import interpret as interpret
from ._program import INDEX as INDEX
from ._program import SCALAR_OPS as SCALAR_OPS
from ._program import STRUCTURE as STRUCTURE
from ._program import Argument as Argument
from ._program import LoopError as LoopError
from ._program import LoopProgram as LoopProgram
from ._program import Scratch as Scratch
from ._program import Stage as Stage
from ._program import State as State
from ._program import Value as Value

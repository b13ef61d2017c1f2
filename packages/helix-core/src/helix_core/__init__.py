"""HelixML's core: tensors, autograd, tracing, modules, optimizers, plugins.

``import helix_core as hx``. Nothing heavy is imported: plugins are found at first use.
"""

# isort: skip_file
from typing import TYPE_CHECKING as _TYPE_CHECKING, Any as _Any

from ._version import __version__ as __version__
from . import _ops as _ops
from . import _primitives as _primitives
from ._aval import Aval as Aval
from ._arrange import (
    count_nonzero as count_nonzero,
    diff as diff,
    isin as isin,
    matrix_transpose as matrix_transpose,
    meshgrid as meshgrid,
    unstack as unstack,
    vecdot as vecdot,
)
from ._auto import explain_auto as explain_auto
from ._cell import Cell as Cell, Parameter as Parameter
from ._composite import Composite as Composite, composite as composite
from ._contract import (
    dot_general as dot_general,
    einsum as einsum,
    matmul as matmul,
    outer as outer,
    tensordot as tensordot,
)
from ._control import cond as cond, scan as scan, while_loop as while_loop
from ._conv import (
    conv as conv,
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
    reduce_window as reduce_window,
)
from ._create import (
    arange as arange,
    as_tensor as as_tensor,
    eye as eye,
    full as full,
    full_like as full_like,
    linspace as linspace,
    ones as ones,
    ones_like as ones_like,
    tensor as tensor,
    zeros as zeros,
    zeros_like as zeros_like,
)
from ._device import (
    Device as Device,
    default_device as default_device,
    device as device,
    register_kernel as register_kernel,
)
from ._dlpack import from_dlpack as from_dlpack
from ._dtypes import (
    DType as DType,
    as_dtype as as_dtype,
    bfloat16 as bfloat16,
    bool_ as bool_,
    complex64 as complex64,
    complex128 as complex128,
    float8_e4m3fn as float8_e4m3fn,
    float8_e5m2 as float8_e5m2,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    result_type as result_type,
    uint8 as uint8,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
)
from ._elementary import (
    acos as acos,
    acosh as acosh,
    asin as asin,
    asinh as asinh,
    atan as atan,
    atanh as atanh,
    copysign as copysign,
    cosh as cosh,
    exp2 as exp2,
    hypot as hypot,
    log2 as log2,
    log10 as log10,
    nextafter as nextafter,
    positive as positive,
    signbit as signbit,
    sinh as sinh,
    tan as tan,
)
from ._errors import (
    CompileError as CompileError,
    DeviceError as DeviceError,
    DTypeError as DTypeError,
    GradError as GradError,
    HelixError as HelixError,
    LinAlgError as LinAlgError,
    OutOfMemory as OutOfMemory,
    ShapeError as ShapeError,
    TraceError as TraceError,
    UnsupportedOp as UnsupportedOp,
)
from ._fallback import Move as Move, Moved as Moved, fallback as fallback
from ._grad import (
    checkpoint as checkpoint,
    grad as grad,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
from ._graph import Equation as Equation, Graph as Graph
from ._indexing import take as take, take_along_axis as take_along_axis
from ._kernels import which as which
from ._module import (
    Module as Module,
    StateDictError as StateDictError,
    load as load,
    save as save,
)
from ._ops import (
    abs as abs,
    add as add,
    atan2 as atan2,
    bitcast as bitcast,
    bitwise_and as bitwise_and,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_xor as bitwise_xor,
    cast as cast,
    ceil as ceil,
    clip as clip,
    complex_ as complex_,
    conj as conj,
    cos as cos,
    divide as divide,
    eq as equal,
    erf as erf,
    exp as exp,
    expm1 as expm1,
    floor as floor,
    floor_divide as floor_divide,
    ge as greater_equal,
    gt as greater,
    imag as imag,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    le as less_equal,
    left_shift as left_shift,
    log as log,
    log1p as log1p,
    logaddexp as logaddexp,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    lt as less,
    maximum as maximum,
    minimum as minimum,
    mod as mod,
    multiply as multiply,
    ne as not_equal,
    negative as negative,
    power as power,
    real as real,
    reciprocal as reciprocal,
    right_shift as right_shift,
    round as round,
    rsqrt as rsqrt,
    sign as sign,
    sin as sin,
    sqrt as sqrt,
    square as square,
    subtract as subtract,
    tanh as tanh,
    trunc as trunc,
    where as where,
)
from ._pad import pad as pad
from ._precision import get_precision as get_precision
from ._precision import precision as precision
from ._primitive import PRIMITIVES as PRIMITIVES, Primitive as Primitive, bind as bind
from ._random import (
    Generator as Generator,
    default_generator as default_generator,
    random_bernoulli as random_bernoulli,
    random_bits as random_bits,
    random_exponential as random_exponential,
    random_integers as random_integers,
    random_normal as random_normal,
    random_permutation as random_permutation,
    random_uniform as random_uniform,
    seed as seed,
)
from ._reduce import (
    all as all,
    any as any,
    argmax as argmax,
    argmin as argmin,
    cumlogsumexp as cumlogsumexp,
    cummax as cummax,
    cummin as cummin,
    cumprod as cumprod,
    cumsum as cumsum,
    linear_scan as linear_scan,
    logsumexp as logsumexp,
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    std as std,
    sum as sum,
    var as var,
)
from ._sets import (
    nonzero as nonzero,
    unique_all as unique_all,
    unique_counts as unique_counts,
    unique_inverse as unique_inverse,
    unique_values as unique_values,
)
from ._shape import (
    barrier as barrier,
    broadcast_arrays as broadcast_arrays,
    broadcast_to as broadcast_to,
    concat as concat,
    detach as detach,
    expand_dims as expand_dims,
    flip as flip,
    moveaxis as moveaxis,
    one_hot as one_hot,
    permute_dims as permute_dims,
    repeat as repeat,
    reshape as reshape,
    roll as roll,
    split as split,
    squeeze as squeeze,
    stack as stack,
    swapaxes as swapaxes,
    tile as tile,
    transpose as transpose,
    tril as tril,
    triu as triu,
)
from ._sort import (
    argsort as argsort,
    searchsorted as searchsorted,
    sort as sort,
    topk as topk,
)
from ._state import no_grad as no_grad
from ._tape import backward as backward
from ._tensor import Tensor as Tensor
from ._threads import set_num_threads as set_num_threads
from ._traced import compile as compile, trace as trace
from ._tree import flatten as tree_flatten, tree_map as tree_map
from ._tree import unflatten as tree_unflatten
from . import _fft as fft
from . import linalg as linalg
from .linalg._diagonal import (
    diag as diag,
    diagonal as diagonal,
)
from ._composites import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    adaptive_avg_pool2d as adaptive_avg_pool2d,
    adaptive_avg_pool3d as adaptive_avg_pool3d,
    adaptive_max_pool1d as adaptive_max_pool1d,
    adaptive_max_pool2d as adaptive_max_pool2d,
    adaptive_max_pool3d as adaptive_max_pool3d,
    attention as attention,
    avg_pool1d as avg_pool1d,
    avg_pool2d as avg_pool2d,
    avg_pool3d as avg_pool3d,
    batch_norm as batch_norm,
    batch_norm_inference as batch_norm_inference,
    causal_conv1d as causal_conv1d,
    dropout as dropout,
    embedding as embedding,
    group_norm as group_norm,
    instance_norm as instance_norm,
    interpolate as interpolate,
    layer_norm as layer_norm,
    linear as linear,
    linear_cross_entropy as linear_cross_entropy,
    log_softmax as log_softmax,
    long_conv as long_conv,
    max_pool1d as max_pool1d,
    max_pool2d as max_pool2d,
    max_pool3d as max_pool3d,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
    rms_norm as rms_norm,
    rotary as rotary,
    selective_scan as selective_scan,
    softmax as softmax,
)
from .activations import (
    elu as elu,
    gelu as gelu,
    glu as glu,
    hard_sigmoid as hard_sigmoid,
    hard_swish as hard_swish,
    hard_tanh as hard_tanh,
    leaky_relu as leaky_relu,
    log_sigmoid as log_sigmoid,
    mish as mish,
    relu as relu,
    relu6 as relu6,
    selu as selu,
    sigmoid as sigmoid,
    silu as silu,
    softplus as softplus,
)
from . import activations as activations, losses as losses, schedules as schedules
from . import init as init, optim as optim
from ._methods import attach as _attach

_attach()

if _TYPE_CHECKING:
    from . import array_api as array_api
    from . import contracts as contracts, files as files, plugins as plugins

# imported at first use: together they cost more than all of the above
_LAZY = ("array_api", "contracts", "files", "plugins")


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        from importlib import import_module

        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})

"""Every float32 CPU sample that torch generates for an operator, on ours.

Values first, then the gradients of every tensor that torch differentiates, under the
same cotangents (of complex tensors ours are, as JAX's, the conjugates of torch's). A
sample that fails or raises counts as failed; ``exclusions.txt`` names the few that are
left out, each with its reason.
"""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import helix_core as hx
import numpy as np
import torch

RTOL, ATOL = 1e-4, 1e-5  # the latter of the largest reference value, 1 at least
EXCLUSIONS = Path(__file__).with_name("exclusions.txt")


class Outcome(NamedTuple):
    """How the samples of an operator went."""

    passed: int
    failed: list[str]
    excluded: list[str]


class Exclusion(NamedTuple):
    """Samples of an operator that are left out: the operator, a pattern of their
    description, and why."""

    op: str
    pattern: str
    reason: str


@cache
def exclusions() -> tuple[Exclusion, ...]:
    """The lines ``op | pattern | reason`` of the file."""
    found = []
    for line in EXCLUSIONS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            op, pattern, reason = (part.strip() for part in line.split(" | ", 2))
            found.append(Exclusion(op, pattern, reason))
    return tuple(found)


@cache
def database() -> dict[str, Any]:
    """torch's operators by ``name`` or ``name/variant``."""
    from torch.testing._internal.common_methods_invocations import op_db

    return {
        op.name + (f"/{op.variant_test_name}" if op.variant_test_name else ""): op
        for op in op_db
    }


def samples(op: Any) -> Iterator[Any]:
    """torch's own samples, the same at every run."""
    torch.manual_seed(0)
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield from op.sample_inputs(
            "cpu", torch.float32, requires_grad=op.supports_autograd
        )


def describe(sample: Any) -> str:
    """A sample in one line: shapes of tensors, values of everything else."""

    def show(v: Any) -> str:
        if isinstance(v, torch.Tensor):
            kind = str(v.dtype).removeprefix("torch.")
            return f"{kind}{list(v.shape)}".replace(" ", "")
        if isinstance(v, (list, tuple)):
            return "(" + ", ".join(map(show, v)) + ")"
        return repr(v)

    parts = [show(sample.input), *map(show, sample.args)]
    parts += [f"{k}={show(v)}" for k, v in sample.kwargs.items()]
    return ", ".join(parts)


# ------------------------------------------------------------------------ conversion
def ours(value: Any) -> Any:
    """Tensors, dtypes and what holds them, as ours."""
    if isinstance(value, torch.Tensor):
        dense = value.detach().resolve_conj().resolve_neg()
        return hx.tensor(dense.numpy().copy())
    if isinstance(value, torch.dtype):
        return hx.as_dtype(str(value).removeprefix("torch."))
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        return type(value)([ours(v) for v in value])
    return value


def leaves(value: Any) -> list[Any]:
    """Tensors of either side, in order."""
    if isinstance(value, (torch.Tensor, hx.Tensor)):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in leaves(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in leaves(v)]
    return []


def swapped(value: Any, new: Iterator[Any]) -> Any:
    """The same structure with the next of ``new`` for each of our tensors."""
    if isinstance(value, hx.Tensor):
        return next(new)
    if isinstance(value, (list, tuple)):
        return type(value)([swapped(v, new) for v in value])
    if isinstance(value, dict):
        return {k: swapped(v, new) for k, v in value.items()}
    return value


def array(t: Any) -> np.ndarray:
    """Either side's numbers."""
    if isinstance(t, torch.Tensor):
        return t.detach().numpy(force=True)
    if isinstance(t, (list, tuple)):
        return np.asarray([array(v) for v in t])
    return np.asarray(t)


# -------------------------------------------------------------------------- checking
def differ(got: Any, want: Any, what: str, loose: float = 1.0) -> str | None:
    """What is wrong with an array, or None."""
    a, b = array(got), array(want)
    if a.shape != b.shape:
        return f"{what} has shape {a.shape}; torch's {b.shape}"
    if a.dtype.kind != b.dtype.kind and {a.dtype.kind, b.dtype.kind} != {"i", "u"}:
        return f"{what} is {a.dtype}; torch's {b.dtype}"
    if b.dtype.kind in "biu":
        return None if np.array_equal(a, b) else f"{what} is {a}; torch's {b}"
    finite = np.abs(b[np.isfinite(b)])
    largest = max(1.0, float(finite.max(initial=0.0)))
    rtol, atol = RTOL * loose, ATOL * loose * largest
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        return None
    off = np.abs(a.astype(complex) - b)
    return f"{what} is off by {np.nanmax(off):.3g} of {largest:.3g}"


def widened(value: Any) -> Any:
    """float32 tensors as float64 ones, with the same wish for gradients."""
    if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
        return value.detach().double().requires_grad_(value.requires_grad)
    if isinstance(value, (list, tuple)):
        return type(value)([widened(v) for v in value])
    return value


def check(
    fn: Callable[..., Any],
    op: Any,
    sample: Any,
    loose: float = 1.0,
    wide: bool = False,
    most: int | None = None,
    process: Callable[..., Any] | None = None,
) -> str | None:
    """What is wrong with ours on one sample, or None."""
    given = (sample.input, sample.args, sample.kwargs)
    if wide:
        kwargs = {k: widened(v) for k, v in sample.kwargs.items()}
        given = (widened(sample.input), widened(sample.args), kwargs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = op(given[0], *given[1], **given[2])
        want = (process or sample.output_process_fn_grad)(want)
    mine = (
        ours(sample.input),
        ours(sample.args),
        {k: ours(v) for k, v in sample.kwargs.items()},
    )
    theirs = leaves(given)
    inputs = leaves(mine)
    wanted = [i for i, t in enumerate(theirs) if t.requires_grad]

    def call(*xs: Any) -> Any:
        now = list(inputs)
        for i, x in zip(wanted, xs, strict=True):
            now[i] = x
        x, args, kwargs = swapped(mine, iter(now))
        out = fn(x, *args, **kwargs)
        return out if isinstance(out, hx.Tensor) else tuple(leaves(out))

    outs = (leaves(want) or [torch.as_tensor(want)])[:most]
    if not wanted:
        got = call()
        found = [got] if not isinstance(got, tuple) else list(got)
        return _all(found, outs, "value", loose)
    got, pull = hx.vjp(call, *[inputs[i] for i in wanted])
    found = [got] if not isinstance(got, tuple) else list(got)
    wrong = _all(found, outs, "value", loose)
    if wrong:
        return wrong
    live = [i for i, t in enumerate(outs) if t.requires_grad]
    if not live:
        return None
    rng = np.random.default_rng(0)
    cts = [
        torch.from_numpy(_noise(rng, tuple(outs[i].shape), outs[i].dtype)) for i in live
    ]
    grads = torch.autograd.grad(
        [outs[i] for i in live],
        [theirs[i] for i in wanted],
        cts,
        allow_unused=True,
    )
    full: list[Any] = []
    for i, t in enumerate(found):
        ct = cts[live.index(i)].numpy() if i in live else np.zeros(t.shape)
        full.append(hx.tensor(ct.conj().astype(np.asarray(t).dtype)))
    back = pull(full[0] if not isinstance(got, tuple) else tuple(full))
    back = back if isinstance(back, (tuple, list)) else (back,)
    for i, (g, w) in enumerate(zip(back, grads, strict=True)):
        if w is None:
            w = torch.zeros(tuple(g.shape), dtype=theirs[wanted[i]].dtype)
        wrong = differ(array(g).conj(), w, f"gradient {i}", loose)
        if wrong:
            return wrong
    return None


def _all(got: list[Any], want: list[Any], what: str, loose: float) -> str | None:
    if len(got) != len(want):
        return f"{len(got)} outputs; torch has {len(want)}"
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        wrong = differ(a, b, f"{what} {i}", loose)
        if wrong:
            return wrong
    return None


def _noise(rng: Any, shape: tuple[int, ...], dtype: torch.dtype) -> np.ndarray:
    real = rng.standard_normal(shape)
    if dtype.is_complex:
        return np.asarray(real + 1j * rng.standard_normal(shape), np.complex64)
    return np.asarray(real, np.float32)


def run(
    name: str,
    fn: Callable[..., Any],
    loose: float = 1.0,
    wide: bool = False,
    most: int | None = None,
    process: Callable[..., Any] | None = None,
) -> Outcome:
    """All samples of an operator.

    ``loose`` widens the tolerances; with ``wide`` torch computes in float64, for
    operators whose own float32 is too coarse to judge ours; ``most`` outputs are
    compared, where ours has fewer. ``process`` makes torch's outputs unique instead of
    what its own tests do.
    """
    op = database()[name]
    passed, failed, left = 0, [], []
    for sample in samples(op):
        text = describe(sample)
        if any(e.op == name and fits(text, e.pattern) for e in exclusions()):
            left.append(text)
            continue
        try:
            wrong = check(fn, op, sample, loose, wide, most, process)
        except Exception as e:
            first = str(e).splitlines()[0] if str(e) else ""
            wrong = f"{type(e).__name__}: {first}"
        if wrong is None:
            passed += 1
        else:
            failed.append(f"{text}: {wrong}")
    return Outcome(passed, failed, left)


def fits(text: str, pattern: str) -> bool:
    """Whether a sample's description fits ``*`` patterns (brackets are plain)."""
    return fnmatch.fnmatchcase(text, re.sub(r"\[", "[[]", pattern))

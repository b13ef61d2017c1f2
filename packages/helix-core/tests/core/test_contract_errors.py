"""One form of message: ``[op] expected ...; got ... Hint: ...``."""

import ast
import re
from pathlib import Path

import helix_core as hx
import numpy as np
import pytest

SOURCE = Path(hx.__file__).parent
FORM = re.compile(
    r"^\[[\w.{}]+\] .*(expected|not|must|may|unknown|twice|lost|read)", re.S
)
OURS = {n for n in vars(hx) if n.endswith("Error") or n == "UnsupportedOp"}


def text(node):
    """The text of a string expression; what is formatted in, as {}."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            v.value if isinstance(v, ast.Constant) else "{}" for v in node.values
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (text(node.left) or "") + (text(node.right) or "")
    return None


def raised(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = getattr(node.exc.func, "id", "")
            if name in OURS and node.exc.args:
                yield f"{path.name}:{node.lineno}", text(node.exc.args[0])


ENGINE = [
    *SOURCE.glob("_*.py"),
    *SOURCE.glob("_primitives/*.py"),
    *SOURCE.glob("_composites/*.py"),
    *SOURCE.glob("reference/*.py"),
]


def test_every_error_of_the_engine_starts_with_the_op_and_what_it_expected():
    found = [f for path in ENGINE for f in raised(path)]
    assert len(found) > 100
    assert [f for f in found if f[1] is not None and not FORM.match(f[1])] == []


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: hx.ones((2, 3)) @ hx.ones((4, 5)),
            hx.ShapeError,
            r"\[matmul\] expected equal sizes on axes .*; got float32\[2,3\], "
            r"float32\[4,5\]",
        ),
        (
            lambda: hx.ones((2, 3)) + hx.ones((2, 4)),
            hx.ShapeError,
            r"\[add\] expected shapes that broadcast; got float32\[2,3\], "
            r"float32\[2,4\]\. Hint: sizes match",
        ),
        (
            lambda: hx.tensor([1.0]) & hx.tensor([2.0]),
            hx.DTypeError,
            r"\[and\] expected bool or int or uint; got float32\[1\], float32\[1\]",
        ),
        (
            lambda: hx.tensor("text"),
            hx.DTypeError,
            r"\[tensor\] expected numbers; got dtype <U4 from str",
        ),
        (
            lambda: hx.tensor([[1.0], [2.0, 3.0]]),
            hx.DTypeError,
            r"\[tensor\] expected numbers in a regular nesting; got list",
        ),
        (
            lambda: hx.ones((2,), "float33"),
            hx.DTypeError,
            r"\[dtype\] expected one of bool, .*; got 'float33'",
        ),
        (
            lambda: hx.ones((2, -1)),
            hx.ShapeError,
            r"\[create\] expected sizes >= 0; got shape=\(2, -1\)",
        ),
        (
            lambda: hx.ones((2, 3)).sum(2),
            hx.ShapeError,
            r"\[reduce_sum\] expected an axis of a tensor with 2 dimensions; got 2",
        ),
        (
            lambda: hx.ones((3,)).item(),
            hx.ShapeError,
            r"\[item\] expected one element; got float32\[3\]",
        ),
        (
            lambda: bool(hx.ones((3,))),
            hx.ShapeError,
            r"\[bool\] expected one element; .*Hint: x.any\(\) or x.all\(\)",
        ),
        (
            lambda: [0, 1, 2][hx.tensor(1.0)],
            hx.DTypeError,
            r"\[index\] expected an integer tensor; got float32\[\]",
        ),
        (
            lambda: hx.tensor([1], dtype="int8") + 1000,
            hx.DTypeError,
            r"\[promote\] expected an integer that fits int8; got 1000",
        ),
        (
            lambda: hx.ones((3,))[3],
            IndexError,
            r"\[index\] expected an index in \[-3, 3\) for axis 0; got 3",
        ),
        (
            lambda: hx.grad(lambda x: x)(hx.ones((2,))),
            hx.GradError,
            r"\[grad\] expected a loss of shape \(\); got float32\[2\]",
        ),
        (
            lambda: hx.grad(lambda x: x.sum())(hx.ones((2,), "int32")),
            hx.GradError,
            r"\[grad\] expected float or complex tensors to differentiate; got int32",
        ),
        (
            lambda: hx.Cell(np.ones(2)),
            TypeError,
            r"\[cell\] expected a Tensor or None; got ndarray",
        ),
        (
            lambda: hx.Cell(None, "bias") + hx.ones((2,)),
            TypeError,
            r"unsupported operand|\[operand\] expected a value; the cell 'bias' is empty",
        ),
    ],
)
def test_messages(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_error_classes_are_also_pythons():
    assert issubclass(hx.ShapeError, ValueError) and issubclass(
        hx.DTypeError, TypeError
    )
    assert issubclass(hx.UnsupportedOp, NotImplementedError)
    for name in OURS:
        assert issubclass(getattr(hx, name), Exception)
        assert name == "HelixError" or issubclass(getattr(hx, name), hx.HelixError)


def test_an_op_without_lowering_and_decomposition_names_op_and_device(device):
    p = hx.Primitive("nowhere", "ELEMENTWISE", lambda a: (a,))
    hx.PRIMITIVES["nowhere"] = p
    try:
        with pytest.raises(
            hx.UnsupportedOp,
            match=rf"\[nowhere\] expected a backend .*got '{device.name}'.*Hint",
        ):
            hx.bind(p, hx.ones((2,)))
    finally:
        del hx.PRIMITIVES["nowhere"]

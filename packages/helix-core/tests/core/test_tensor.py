"""The face of Tensor and Parameter: methods, conversions, exports."""

import ast
from importlib.resources import files

import helix_core as hx
import numpy as np
import pytest
from helix_core import _methods


def test_type_checkers_see_the_methods_that_are_attached():
    source = files("helix_core").joinpath("_signatures.pyi").read_text("utf-8")
    (cls,) = [n for n in ast.parse(source).body if isinstance(n, ast.ClassDef)]
    seen = {n.name for n in cls.body if isinstance(n, ast.FunctionDef)}
    attached = {*_methods.METHODS, *_methods.PROPERTIES, "__hash__"}
    assert seen == attached


@pytest.mark.parametrize("make", [lambda a: a, hx.Parameter])
def test_every_method_works_on_tensors_and_parameters(make):
    x = make(hx.tensor([[4.0, 9.0]]))
    assert x.shape == (1, 2) and x.ndim == 2 and x.size == 2 and x.nbytes == 8
    assert x.sqrt().tolist() == [[2.0, 3.0]] and (-x).tolist() == [[-4.0, -9.0]]
    assert (x.T @ x).shape == (2, 2) and x.mT.shape == (2, 1)
    assert len(x) == 1 and [r.tolist() for r in x] == [[4.0, 9.0]]
    assert x.at[0, 0].set(1.0).tolist() == [[1.0, 9.0]]
    assert float(x[0, 0]) == 4.0 and int(x[0, 1]) == 9 and complex(x[0, 0]) == 4 + 0j
    assert x.to("float64").dtype is hx.float64 is x.to(hx.float64).dtype
    assert x.to(x.device.name).device is x.device


@pytest.mark.parametrize("make", [lambda a: a, hx.Parameter])
def test_reflected_operators(make):
    x = make(hx.tensor([2.0, 4.0]))
    assert (1.0 - x).tolist() == [-1.0, -3.0]
    assert (8 / x).tolist() == [4.0, 2.0]
    assert (9 // x).tolist() == [4.0, 2.0]
    assert (9 % x).tolist() == [1.0, 1.0]
    assert (2**x).tolist() == [4.0, 16.0]
    assert (1 < x).tolist() == [True, True] and (2 >= x).tolist() == [True, False]
    n = hx.tensor([1, 2])
    assert (6 & n).tolist() == [0, 2] and (4 | n).tolist() == [5, 6]
    assert (3 ^ n).tolist() == [2, 1] and (1 << n).tolist() == [2, 4]
    assert (8 >> n).tolist() == [4, 2]
    assert (np.ones(2, np.float32) - hx.tensor([1.0, 3.0])).tolist() == [0.0, -2.0]

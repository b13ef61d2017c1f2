"""einops' own test-suite, on our tensors; and what it does not look at."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import einops
import helix_core as hx
import helix_core.einops
import numpy as np
import pytest
import torch

# skipped there: layers of other frameworks, their compilers, and symbolic shapes
NOT_OURS = {
    "test_examples.test_pytorch_yolo_fragment",
    "test_layers.test_flax_layers",
    "test_layers.test_keras_layer",
    "test_layers.test_torch_layer",
    "test_layers.test_torch_layers_scripting",
    "test_ops.test_torch_compile_with_dynamic_shape",
    "test_other.test_einops_threading",  # reproduces a race of torch and NumPy
    "test_other.test_parse_shape_symbolic[NOTSET]",
    "test_other.test_parse_shape_symbolic_ellipsis[NOTSET]",
    "test_other.test_torch_compile_for_functions",
    "test_other.test_torch_compile_for_layers",
}


def test_its_own_tests_pass(tmp_path):
    report = tmp_path / "report.xml"
    here = str(Path(__file__).parent)
    pytest_args = ["-p", "einops_plugin", "--pyargs", "einops.tests", "-q"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *pytest_args),
            *("-p", "no:cacheprovider", f"--junitxml={report}"),
        ],
        env={
            **os.environ,
            "EINOPS_TEST_BACKENDS": "helix_core",
            "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    cases = ET.parse(report).getroot().iter("testcase")
    skipped, ran = set(), 0
    for case in cases:
        name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
        if case.find("skipped") is None:
            ran += 1
        else:
            skipped.add(name)
    assert skipped == NOT_OURS and ran >= 55


@pytest.mark.parametrize(
    ("fn", "args"),
    [
        (einops.rearrange, ("a b c -> c (b a)",)),
        (einops.reduce, ("a (b two) c -> a c", "mean")),
        (einops.reduce, ("a b c -> a c", "max")),
        (einops.reduce, ("a b c -> b", "prod")),
    ],
)
def test_gradients_are_those_of_torch(fn, args):
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    sizes = {"two": 2} if "two" in args[0] else {}
    t = torch.tensor(x, requires_grad=True)
    want = fn(t, *args, **sizes)
    (want**2).sum().backward()
    got, pull = hx.vjp(lambda a: fn(a, *args, **sizes), hx.tensor(x))
    np.testing.assert_allclose(got.numpy(), want.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(pull(2.0 * got).numpy(), t.grad.numpy(), rtol=1e-10)


def test_it_works_inside_a_trace_and_on_parameters():
    p = hx.Parameter(hx.ones((2, 3)))
    traced = hx.trace(lambda x: einops.rearrange(x * p, "a b -> b a"))
    assert traced(hx.ones((2, 3))).shape == (3, 2)
    assert einops.repeat(p, "a b -> a b c", c=2).shape == (2, 3, 2)

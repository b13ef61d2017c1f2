"""Names and signatures: those of array-api-strict, which follow the standard's stubs."""

import inspect

import pytest
from helix_core import array_api as xp
from standard_oracle import function, strict

LATER = {"isin", "broadcast_shapes"}  # of 2025.12
OWN = {
    "get_array_api_strict_flags",
    "set_array_api_strict_flags",
    "reset_array_api_strict_flags",
}


def names():
    for prefix, module in (
        ("", strict),
        ("fft.", strict.fft),
        ("linalg.", strict.linalg),
    ):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) and name not in OWN | LATER:
                yield prefix + name


def kinds(fn):
    """Per parameter: name unless positional-only, kind, default."""
    out = []
    for p in inspect.signature(fn).parameters.values():
        default = p.default
        if type(default).__name__ == "Undef":
            default = None
        hidden = p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)
        out.append((None if hidden else p.name, p.kind.name, default))
    return out


@pytest.mark.parametrize("name", list(names()))
def test_signature(name):
    ours, theirs = kinds(function(xp, name)), kinds(function(strict, name))
    assert ours == theirs


@pytest.mark.parametrize("name", list(names()))
def test_every_function_is_documented(name):
    assert inspect.getdoc(function(xp, name))


def test_constants_and_dtypes():
    for name in ("e", "inf", "nan", "pi"):
        assert type(getattr(xp, name)) is float
        assert getattr(xp, name) == getattr(strict, name) or name == "nan"
    assert xp.newaxis is None
    dtypes = (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 "
        "complex64 complex128"
    ).split()
    for name in dtypes:
        assert repr(getattr(xp, name)) == name
    found = [getattr(xp, n) for n in dtypes]
    for a in found:
        assert [a == b for b in found].count(True) == 1 and hash(a) == hash(a)
    assert xp.__array_api_version__ == "2024.12"


def methods():
    for name, value in vars(strict._array_object.Array).items():
        if name.startswith("__i") and name not in (
            "__index__",
            "__int__",
            "__invert__",
        ):
            continue  # in-place: Python binds the result of the plain operator
        if name in ("__init__", "__new__", "__iter__", "__buffer__", "__hash__"):
            continue
        private = name.startswith("_") and not name.startswith("__")
        if inspect.isfunction(value) and not private:
            yield name


@pytest.mark.parametrize("name", list(methods()))
def test_every_method_of_the_array_object_is_there(name):
    assert callable(getattr(xp.asarray([1.0]), name))


@pytest.mark.parametrize(
    "name", ["__array_namespace__", "__dlpack__", "to_device", "__dlpack_device__"]
)
def test_method_signatures(name):
    ours = kinds(getattr(type(xp.asarray(1.0)), name))[1:]
    theirs = kinds(getattr(strict._array_object.Array, name))[1:]
    assert {k[::2] for k in ours if k[0]} >= {k[::2] for k in theirs if k[0]}


def test_properties_of_the_array_object():
    x = xp.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert (x.shape, x.ndim, x.size, x.dtype) == ((2, 3), 2, 6, xp.float32)
    assert x.T.tolist() == x.mT.tolist() == [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert x.device == xp.__array_namespace_info__().default_device()

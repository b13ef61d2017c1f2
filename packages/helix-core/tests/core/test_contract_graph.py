"""``Graph``: printed, hashed, written and read; and the plans made of it."""

import copy
import json
import pickle
import subprocess
import sys

import helix_core as hx
import numpy as np
import pytest
from helix_core import Graph
from primitive_cases import CASES

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]], np.float32)


def loss(x):
    h = hx.checkpoint(lambda h: hx.softmax(h * 2.0))(x)
    c, ys = hx.scan(lambda c, r: (c + r, c * r), h[0], h)
    return (c * ys).sum() + hx.cond(x.sum() > 0, hx.exp, hx.sin, x).sum()


def example():
    return hx.trace(hx.value_and_grad(loss)).graph(hx.tensor(X))


def test_a_graph_prints_as_typed_single_assignments():
    c = hx.tensor([1.0, 2.0, 3.0])
    g = hx.trace(lambda x: (x * 2.0 + c).sum(1)).graph(hx.tensor(X))
    assert str(g).splitlines() == [
        "graph(%0:float32[2,3]; %3:float32[3]) {",
        "  %1:float32*[] = full(dtype=float32, shape=(), value=2.0, weak=True)",
        "  %2:float32[2,3] = mul(%0, %1)",
        "  %4:float32[2,3] = add(%2, %3)",
        "  %5:float32[2] = reduce_sum(%4, axes=(1,))",
        "  return %5",
        "}",
    ]
    assert repr(g) == "Graph(1 inputs, 4 equations)"


def test_each_variable_is_assigned_once_and_before_it_is_read():
    g = example()
    known = {*g.inputs, *g.captures}
    for e in g.equations:
        assert set(e.inputs) <= known and not known & set(e.outputs)
        known |= set(e.outputs)
    assert set(g.outputs) <= known == set(range(len(g.avals)))


def test_equal_programs_are_equal_and_hash_alike():
    a, b = example(), example()
    assert a is not b and a == b and hash(a) == hash(b) and len({a, b}) == 1
    other = hx.trace(lambda x: loss(x * 2.0)).graph(hx.tensor(X))
    assert a != other and a.digest() != other.digest() == other.digest()


def test_a_graph_is_written_and_read_as_json():
    g = example()
    text = g.to_json()
    back = Graph.from_json(text)
    assert back == g and hash(back) == hash(g) and back.to_json() == text
    assert json.loads(text)["format"] == 1
    ran = back.replay(hx.tensor(X)), g.replay(hx.tensor(X))
    for a, b in zip(*ran, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("case", [pytest.param(c, id=str(c)) for c in CASES])
def test_graphs_of_every_primitive_are_written_and_read(case):
    xs = [hx.tensor(np.asarray(a)) for a in next(iter(case.examples.values()))]
    g = hx.trace(lambda *a: case.call(*a)).graph(*xs)
    assert Graph.from_json(g.to_json()) == g == pickle.loads(pickle.dumps(g))
    assert copy.deepcopy(g) == g


def test_values_that_json_has_no_word_for_survive():
    f = lambda x: hx.maximum(x, -np.inf) * (1 + 2j) + hx.full((2,), np.nan) * -0.0
    g = hx.trace(f).graph(hx.ones((2,)))
    back = Graph.from_json(g.to_json())
    values = [e.attrs.get("value") for e in back.equations]
    assert -np.inf in values and (1 + 2j) in values
    assert str(back) == str(g) and "-0.0" in str(back) and "nan" in str(back)


def test_the_text_is_the_same_in_every_process():
    code = """
import helix_core as hx
g = hx.trace(hx.grad(lambda x: hx.softmax(x).sum())).graph(hx.ones((2, 3)))
print(g.digest())
"""
    run = lambda: (
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, timeout=60
        ).stdout
    )
    assert run() == run()


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda d: d.update(format=2), "format 1; got 2"),
        (lambda d: d.pop("avals"), "JSON of a graph; got KeyError"),
        (lambda d: d["equations"][0].update(op="nonsense"), "declared operations"),
        (lambda d: d["outputs"].append(99), "variables below"),
        (lambda d: d["avals"][0].__setitem__(1, "float7"), "float7"),
        (
            lambda d: d["equations"][0]["attrs"].update(a={"set": []}),
            "kind of attribute",
        ),
    ],
)
def test_a_text_that_is_no_graph_is_refused(change, words):
    data = json.loads(hx.trace(lambda x: x + 1.0).graph(hx.tensor(X)).to_json())
    change(data)
    with pytest.raises(hx.HelixError, match=words):
        Graph.from_json(json.dumps(data))
    with pytest.raises(hx.HelixError, match="JSON of a graph"):
        Graph.from_json("[")


def test_an_attribute_without_a_text_is_named():
    op = hx.Composite("odd", lambda x, how: x)
    g = hx.trace(lambda x: op(x, how=frozenset({1}))).graph(hx.tensor(X))
    with pytest.raises(hx.HelixError, match=r"got how=frozenset\(\{1\}\) of odd"):
        g.to_json()


# ------------------------------------------------------------------------------ plans
def plan_of(f, *xs):
    dev = xs[0].device
    return dev.backend.compile(hx.trace(f).graph(*xs), dev)


AT = np.arange(2, dtype=np.int32)


def test_a_plan_changes_no_input_and_may_be_called_again():
    x, y = hx.tensor(X), hx.tensor(X)
    plan = plan_of(lambda x, y: (x * y + x) * 2.0, x, y)
    one, two = plan(x.buffer, y.buffer), plan(x.buffer, y.buffer)
    np.testing.assert_array_equal(one[0], (X * X + X) * 2)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(x.numpy(), X)


def test_a_plan_drops_what_nothing_reads_any_more():
    x = hx.tensor(X)
    source = plan_of(lambda x: hx.exp(hx.exp(hx.exp(x))), x).source
    assert source.count("del ") == 3  # the input's name, then both intermediates


def test_a_plan_writes_over_donated_inputs():
    a, b = X.copy(), X.copy()
    plan = plan_of(lambda x, y: (x * 2.0 + y, y - 1.0), hx.tensor(X), hx.tensor(X))
    out = plan(a, b, donate=(0, 1))
    np.testing.assert_array_equal(out[0], X * 2 + X)
    np.testing.assert_array_equal(out[1], X - 1)
    assert out[0] is a and out[1] is b
    assert plan.reuses((0, 1)) == (0, 1) and plan.reuses((1,)) == (1,)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, at: (x + 1.0, x * 2.0, x),  # an output is the input itself
        lambda x, at: (x.T, x + 1.0),  # a view of it is an output
        lambda x, at: (
            hx.exp(x) * x.reshape(-1)[0] + x.reshape(6)[5]
        ),  # views in between
        lambda x, at: x[:, ::-1] + x,
        lambda x, at: hx.broadcast_to(x[0], (2, 3)) - x,
        lambda x, at: (x.astype("float64") + 1.0, x.sum(0)),
        lambda x, at: x.at[at].set(x[1]) + x,
        lambda x, at: x.reshape(6).at[at].set(7.0),
        lambda x, at: (x.reshape(3, 2) * 2.0, x.reshape(6)),
        lambda x, at: hx.maximum(x, x * x) - x.T.reshape(2, 3),
        lambda x, at: hx.scan(lambda c, r: (c + r, c), x[0], x)[1] + x,
        lambda x, at: hx.softmax(x) + x,
    ],
)
def test_donation_never_changes_a_value(f):
    plan = plan_of(f, hx.tensor(X), hx.tensor(AT))
    want = [np.array(v) for v in plan(X.copy(), AT)]
    got = plan(X.copy(), AT, donate=(0,))
    for w, g in zip(want, got, strict=True):
        np.testing.assert_array_equal(np.asarray(g), w)

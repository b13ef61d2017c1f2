"""Modules and parameters: names, state, modes, moving, files."""

import helix_core as hx
import numpy as np
import pytest


class Linear(hx.Module):
    def __init__(self, i, o):
        self.weight = hx.Parameter(hx.ones((o, i)))
        self.bias = hx.Parameter(hx.zeros((o,)), decay=False)

    def forward(self, x):
        return x @ self.weight.T + self.bias


class Net(hx.Module):
    """Lists, dicts and tuples, a tied weight, a cell that is no parameter, an empty one."""

    def __init__(self):
        self.layers = [Linear(2, 2), Linear(2, 2)]
        self.heads = {"a": Linear(2, 3), "rest": (hx.Parameter(hx.ones(2)), "text")}
        self.tied = self.layers[0].weight
        self.mean = hx.Cell(hx.zeros((2,)))
        self.count = hx.Cell(hx.tensor(0))
        self.later = hx.Cell(None)
        self.size = 2

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.heads["a"](x @ self.tied)


NAMES = [
    *("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"),
    *("heads.a.weight", "heads.a.bias", "heads.rest.0"),
]


def _values(net):
    return {k: v.numpy().copy() for k, v in net.state_dict().items()}


def _same(a, b):
    assert a.keys() == b.keys()
    for k in a:
        np.testing.assert_array_equal(a[k], b[k])


def test_names_are_paths_in_order():
    assert [n for n, _ in Net().named_parameters()] == NAMES
    assert list(Net().state_dict()) == [*NAMES, "mean", "count"]
    found = [n for n, _ in Net().named_modules()]
    assert found == ["", "layers.0", "layers.1", "heads.a"]
    assert [n for n, _ in Net().named_modules("net")][1] == "net.layers.0"


def test_a_tied_weight_is_one_parameter_with_one_gradient():
    net = Net()
    assert sum(p is net.tied for p in net.parameters()) == 1
    x = hx.tensor([[1.0, 2.0]])
    net(x).sum().backward()

    def loss(w):  # the same function, the tied weight given twice
        y = (x @ w.T) @ net.layers[1].weight.T
        return (y @ w @ net.heads["a"].weight.T).sum()

    want = hx.grad(loss)(net.tied.value.detach())
    np.testing.assert_allclose(net.tied.grad.numpy(), want.numpy())


def test_a_tied_weight_moves_once_in_a_step():
    net = Net()
    for p in net.parameters():
        p.grad = hx.ones_like(p.value)
    hx.optim.SGD(net, lr=0.25).step()
    assert net.tied.numpy().tolist() == [[0.75] * 2] * 2
    assert net.tied is net.layers[0].weight


def test_state_moves_between_modules():
    a, b = Net(), Net()
    for i, p in enumerate(a.parameters()):
        p.value = hx.full_like(p.value, i + 1.0)
    a.count.value = hx.tensor(7)
    b.load_state_dict(a.state_dict())
    _same(_values(a), _values(b))
    assert b.tied is b.layers[0].weight and b.count.value.dtype == "int32"


def test_loaded_values_take_dtype_and_device_of_what_they_replace():
    net = Linear(2, 2).to("numpy")
    net.load_state_dict({"weight": np.ones((2, 2)), "bias": hx.zeros(2, "float16")})
    assert net.weight.value.dtype == "float32" and net.bias.value.dtype == "float32"
    assert net.weight.device is hx.Device("numpy")


def test_a_loaded_state_and_its_source_do_not_share_changes():
    a, b = Linear(2, 2), Linear(2, 2)
    b.load_state_dict(a.state_dict())
    for p in b.parameters():
        p.grad = hx.ones_like(p.value)
    hx.optim.SGD(b, lr=1.0).step()
    assert a.weight.numpy().tolist() == [[1.0, 1.0]] * 2
    array = np.zeros((2, 2), np.float32)
    a.load_state_dict({"weight": array}, strict=False)
    array += 5
    assert not a.weight.numpy().any()


BAD = {
    "missing": (lambda s: s.pop("heads.a.bias"), "missing: heads.a.bias"),
    "unexpected": (lambda s: s.update(extra=hx.ones(1)), "unexpected: extra"),
    "shape": (
        lambda s: s.update({"mean": hx.ones((3,))}),
        r"mean: expected float32\[2\], got float32\[3\]",
    ),
    "complex": (
        lambda s: s.update({"mean": hx.ones((2,), "complex64")}),
        r"mean: expected float32\[2\], got complex64\[2\]",
    ),
    "renamed": (
        lambda s: s.update(centre=s.pop("mean")),
        r"missing: mean \| unexpected: centre",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_state_that_does_not_fit_changes_nothing(case):
    change, message = BAD[case]
    net, other = Net(), Net()
    state = {k: hx.full_like(v, 9) for k, v in other.state_dict().items()}
    change(state)
    before = _values(net)
    with pytest.raises(hx.StateDictError, match=message):
        net.load_state_dict(state)
    _same(_values(net), before)


def test_values_that_are_no_numbers_change_nothing():
    net = Linear(1, 1)
    with pytest.raises(hx.DTypeError):
        net.load_state_dict({"weight": hx.full((1, 1), 9.0), "bias": ["text"]})
    assert net.weight.item() == 1.0


def test_loading_without_strict_takes_what_fits():
    net = Linear(1, 1)
    net.load_state_dict({"bias": hx.full((1,), 3.0), "other": hx.ones(5)}, strict=False)
    assert (net.weight.item(), net.bias.item()) == (1.0, 3.0)
    with pytest.raises(hx.StateDictError, match="wrong shape"):
        net.load_state_dict({"bias": hx.ones((2,))}, strict=False)


def test_a_shared_cell_loads_under_any_of_its_names():
    net = Net()
    state = net.state_dict()
    state["tied"] = hx.full((2, 2), 4.0)
    del state["layers.0.weight"]
    net.load_state_dict(state)
    assert net.layers[0].weight.numpy().tolist() == [[4.0] * 2] * 2


def test_an_empty_cell_is_filled_when_the_state_has_it():
    net = Net()
    net.load_state_dict({**net.state_dict(), "later": hx.ones((3,))})
    assert net.later.value.tolist() == [1.0] * 3
    assert "later" in net.state_dict()


def test_two_cells_of_one_name_are_an_error():
    net = hx.Module()
    net.a = {"b.c": hx.Cell(hx.ones(1)), "b": {"c": hx.Cell(hx.zeros(1))}}
    with pytest.raises(hx.StateDictError, match=r"one cell of the name 'a\.b\.c'"):
        net.state_dict()


def test_what_contains_itself_is_walked_once():
    net = Linear(1, 1)
    net.me = net
    net.some = [1]
    net.some.append(net.some)
    assert [n for n, _ in net.named_parameters()] == ["weight", "bias"]


# ------------------------------------------------------------------------- modes
def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training and net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_frozen_parameters_record_no_gradient():
    net = Net()
    net.layers[0].bias.freeze()
    loss = net(hx.tensor([[1.0, 2.0]])).sum()
    loss.backward()
    assert net.layers[0].bias.grad is None and net.layers[1].bias.grad is not None
    assert len(hx.optim.SGD(net).parameters) == len(NAMES) - 1
    net.layers[0].bias.freeze(False)
    net(hx.tensor([[1.0, 2.0]])).sum().backward()
    assert net.layers[0].bias.grad is not None


def test_freezing_a_module_freezes_all_and_forgets_gradients():
    net = Net()
    net(hx.tensor([[1.0, 2.0]])).sum().backward()
    assert net.freeze() is net
    assert all(p.grad is None and not p.trainable for p in net.parameters())
    assert not net(hx.tensor([[1.0, 2.0]])).requires_grad
    net.freeze(False)
    assert net(hx.tensor([[1.0, 2.0]])).requires_grad


def test_a_frozen_parameter_still_loads_and_moves():
    net = Linear(1, 1).freeze()
    net.load_state_dict({"weight": hx.full((1, 1), 2.0), "bias": hx.ones(1)})
    assert net.to("float64").weight.item() == 2.0
    assert not net.weight.value.requires_grad


# ------------------------------------------------------------------------ moving
@pytest.mark.parametrize("target", [hx.float64, "float64", np.float64])
def test_to_a_dtype_casts_what_floats(target):
    net = Net()
    net(hx.tensor([[1.0, 2.0]])).sum().backward()
    assert net.to(target) is net
    assert net.tied.value.dtype == net.mean.value.dtype == "float64"
    assert net.tied.grad.dtype == "float64"
    assert net.count.value.dtype == "int32"
    assert net.tied is net.layers[0].weight and net.tied.value.requires_grad


@pytest.mark.parametrize("target", ["numpy", hx.Device("numpy")])
def test_to_a_device_moves_everything(target):
    net = Net()
    net(hx.tensor([[1.0, 2.0]])).sum().backward()
    net.to(target)
    where = {c.value.device for _, c in net.named_cells() if c.value is not None}
    assert where == {hx.Device("numpy")}
    assert net.tied.grad.device is hx.Device("numpy")


def test_to_a_device_that_is_not_there_changes_nothing():
    net = Net()
    with pytest.raises(hx.DeviceError):
        net.to("nowhere")
    assert net.tied.device is hx.Device("cpu")


# ---------------------------------------------------------------------- printing
def test_repr_shows_the_tree():
    assert (
        repr(Net())
        == """Net(
  layers=[2 x Linear(
    weight=float32[2,2],
    bias=float32[2],
  )],
  heads={
    'a': Linear(
      weight=float32[3,2],
      bias=float32[3],
    ),
    'rest': [
      float32[2],
    ],
  },
  tied=float32[2,2],
  mean=float32[2],
  count=int32[],
  later=None,
)"""
    )
    assert repr(hx.Module()) == "Module()"


# ------------------------------------------------------------------------- files
def test_a_saved_module_loads_again(tmp_path):
    a, b = Net(), Net()
    for i, p in enumerate(a.parameters()):
        p.value = hx.full_like(p.value, i + 0.5)
    path = tmp_path / "net.safetensors"
    hx.save(a, path, made_by="test")
    assert hx.files.read_metadata(path) == {"made_by": "test"}
    b.load_state_dict(hx.load(path))
    _same(_values(a), _values(b))
    assert hx.load(path, device="numpy")["mean"].device is hx.Device("numpy")


def test_tensors_and_arrays_are_saved_by_name(tmp_path):
    path = tmp_path / "some.safetensors"
    hx.save({"a": hx.ones((2,), "bfloat16"), "b": np.arange(3)}, path)
    found = hx.load(path)
    assert found["a"].dtype == "bfloat16" and found["b"].tolist() == [0, 1, 2]


def test_a_damaged_file_is_refused_and_changes_nothing(tmp_path):
    net = Net()
    path = tmp_path / "net.safetensors"
    hx.save(net, path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(hx.HelixError, match="safetensors"):
        net.load_state_dict(hx.load(path))
    with pytest.raises(hx.HelixError):
        hx.load(tmp_path / "missing")


# --------------------------------------------------------------------- parameters
def test_a_parameter_stands_where_a_tensor_does():
    p = hx.Parameter([1.0, 2.0])
    assert (p * 2.0 + p).tolist() == [3.0, 6.0]
    assert (p.shape, p.dtype, len(p)) == ((2,), "float32", 2)
    assert np.asarray(p).tolist() == [1.0, 2.0]


def test_a_gradient_has_the_shape_of_its_parameter():
    p = hx.Parameter(hx.ones((2, 3)))
    with pytest.raises(hx.ShapeError, match=r"\[grad\] expected shape \(2, 3\); got"):
        p.grad = hx.ones((3,))
    with pytest.raises(TypeError):
        p.grad = np.ones((2, 3))
    assert p.grad is None


def test_a_parameter_copies_arrays_and_its_assignments_start_new_graphs():
    a = np.ones(2, np.float32)
    p = hx.Parameter(a)
    a += 1
    assert p.tolist() == [1.0, 1.0]
    p.value = p.value * 3.0
    (p * 1.0).sum().backward()
    assert p.grad.tolist() == [1.0, 1.0]

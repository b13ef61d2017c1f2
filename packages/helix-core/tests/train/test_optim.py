"""Optimizers: state, groups, tracing, and what they refuse."""

import json

import helix_core as hx
import numpy as np
import pytest
from helix_core import optim

DEVICES = ["numpy", "cpu"]
# where helix-hal is installed: its kernels say that they leave narrow dtypes alone
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*a kernel for 'cpu' exists:UserWarning"
)
MAKERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.2),
    "adam": lambda ps: optim.Adam(ps, lr=0.1, weight_decay=0.1),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.1, weight_decay=0.1),
    "rmsprop": lambda ps: optim.RMSprop(ps, lr=0.1),
    "rmsprop_all": lambda ps: optim.RMSprop(ps, lr=0.1, momentum=0.9, centered=True),
}


def _params(dtype=np.float32):
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (4,), ()]
    return [hx.Parameter(hx.tensor(rng.normal(size=s).astype(dtype))) for s in shapes]


def _loss(ps, x):
    w, b, s = ps
    return hx.square((x @ w + b) * s - 1.0).mean()


def _x(i):
    return hx.tensor(np.random.default_rng(i).normal(size=(5, 3)).astype(np.float32))


def _values(ps):
    return [p.numpy().copy() for p in ps]


def _equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


# ------------------------------------------------------------------------- tracing
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MAKERS)
def test_a_traced_step_gives_the_values_of_an_eager_one(name, device):
    """Backward, clip, update and average are one graph; the rate changes between."""
    with hx.device(device):

        def build():
            ps = _params()
            opt = MAKERS[name](ps)
            averages = [hx.Cell(p.value.detach()) for p in ps]

            def step(x):
                loss = _loss(ps, x)
                loss.backward()
                norm = optim.clip_grad_norm(ps, 0.5)
                opt.step()
                optim.ema_update(averages, ps, 0.9)
                return loss, norm

            return ps, opt, averages, step

        ps, opt, averages, eager = build()
        qs, opu, others, step = build()
        traced = hx.trace(step)
        for i in range(6):
            opt.lr = opu.lr = 0.1 / (i + 1)
            a, b = eager(_x(i)), traced(_x(i))
            assert [t.item() for t in a] == [t.item() for t in b]
        _equal(_values(ps), _values(qs))
        _equal([c.value.numpy() for c in averages], [c.value.numpy() for c in others])
        assert opt.steps == opu.steps == 6
        assert all(p.grad is None for p in qs)
        assert len(traced.entries) == 1


def test_a_rate_may_be_computed_inside_a_trace():
    ps = _params()
    opt = optim.SGD(ps, lr=1.0)

    @hx.trace
    def step(x, factor):
        _loss(ps, x).backward()
        opt.lr = factor * 0.5
        opt.step()

    before = _values(ps)
    step(_x(0), hx.tensor(0.0))
    _equal(_values(ps), before)
    assert opt.lr == 0.0
    step(_x(0), hx.tensor(1.0))
    assert opt.lr == 0.5 and not np.array_equal(ps[0].numpy(), before[0])


def test_an_error_inside_a_traced_step_changes_nothing():
    ps = _params()
    opt = optim.AdamW(ps)
    before = _values(ps)

    def bad(x):
        _loss(ps, x).backward()
        opt.step()
        raise KeyError("boom")

    with pytest.raises(KeyError):
        hx.trace(bad)(_x(0))
    _equal(_values(ps), before)
    assert opt.steps == 0 and ps[0].grad is None


# --------------------------------------------------------------------------- state
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_state_continues_to_the_bit(name, device):
    with hx.device(device):
        ps = _params()
        opt = MAKERS[name](ps)
        for i in range(3):
            _loss(ps, _x(i)).backward()
            opt.step()
        opt.lr = 0.05
        arrays, meta = opt.state_dict()
        saved = {k: np.array(v) for k, v in arrays.items()}
        meta = json.loads(json.dumps(meta, allow_nan=False))
        qs = [hx.Parameter(hx.tensor(v)) for v in _values(ps)]
        opu = MAKERS[name](qs)
        opu.load_state_dict((saved, meta))
        assert (opu.lr, opu.steps) == (0.05, 3)
        for i in range(3, 6):
            for some, o in ((ps, opt), (qs, opu)):
                _loss(some, _x(i)).backward()
                o.step()
        _equal(_values(ps), _values(qs))


def test_a_saved_state_is_not_changed_by_later_steps():
    ps = _params()
    opt = optim.Adam(ps)
    _loss(ps, _x(0)).backward()
    opt.step()
    arrays, _ = opt.state_dict()
    before = {k: v.numpy().copy() for k, v in arrays.items()}
    for i in range(2):
        _loss(ps, _x(i)).backward()
        opt.step()
    for k, v in arrays.items():
        np.testing.assert_array_equal(v.numpy(), before[k])


def _state(**change):
    opt = optim.Adam(_params())
    arrays, meta = opt.state_dict()
    arrays, meta = dict(arrays), dict(meta)
    for k, v in change.items():
        where = meta if k in meta else arrays
        key = k.replace("_at_", ".")
        if v is None:
            del where[key]
        else:
            where[key] = v
    return arrays, meta


@pytest.mark.parametrize(
    "change,message",
    [
        ({"name": "SGD"}, "expected the state of Adam; got that of SGD"),
        ({"lr": None}, "expected a learning rate; got lr=None"),
        ({"lr": float("nan")}, "expected a learning rate"),
        ({"mean_at_1": None}, r"expected mean.1 of shape \(4,\); got nothing"),
        ({"mean_at_1": hx.ones((5,))}, r"expected mean.1 of shape \(4,\); got \(5,\)"),
        ({"steps": None}, r"expected steps of shape \(3,\); got nothing"),
        ({"mean_at_3": hx.ones(())}, "of 3 parameters; got also mean.3"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    opt = optim.Adam(_params(), lr=0.5)
    for i in range(2):
        _loss(opt.parameters, _x(i)).backward()
        opt.step()
    before = {k: v.numpy().copy() for k, v in opt.state_dict()[0].items()}
    with pytest.raises(optim.OptimizerError, match=message):
        opt.load_state_dict(_state(**change))
    after = opt.state_dict()[0]
    assert all(np.array_equal(after[k].numpy(), v) for k, v in before.items())
    assert (opt.lr, opt.steps) == (0.5, 2)


# ------------------------------------------------------------------- the pure pair
@pytest.mark.parametrize("name", MAKERS)
def test_update_is_pure_and_equals_step(name):
    ps = _params()
    opt = MAKERS[name](ps)
    params = [p.value for p in ps]
    state = opt.init(params)
    state["lr"] = hx.tensor(0.1, dtype=state["lr"].dtype)
    grad = hx.grad(lambda ts, x: _loss(ts, x))
    start = _values(ps)
    for i in range(3):
        grads = grad(params, _x(i))
        params, state = opt.update(grads, state, params)
    _equal(_values(ps), start)
    assert opt.steps == 0 and state["steps"].tolist() == [3, 3, 3]
    for i in range(3):
        for p, g in zip(ps, grad([p.value for p in ps], _x(i)), strict=True):
            p.grad = g
        opt.step()
    _equal(_values(ps), [t.numpy() for t in params])


def test_a_gradient_of_none_leaves_parameter_state_and_count_alone():
    ps = _params()
    opt = optim.Adam(ps, lr=0.1, weight_decay=0.5)
    before = _values(ps)
    ps[0].grad = hx.ones_like(ps[0].value)
    opt.step()
    after = _values(ps)
    assert not np.array_equal(after[0], before[0])
    _equal(after[1:], before[1:])
    arrays, _ = opt.state_dict()
    assert arrays["steps"].tolist() == [1, 0, 0]
    assert not arrays["mean.1"].numpy().any()


def test_a_step_without_gradients_does_nothing():
    opt = optim.Adam(_params())
    opt.step()
    assert opt.steps == 0


def test_parameters_of_several_dtypes():
    """Narrow ones keep float32 state, and round once."""
    ps = [hx.Parameter(hx.ones((2,), d)) for d in ("float64", "float32", "bfloat16")]
    opt = optim.SGD(ps, lr=0.125, momentum=0.5)
    for _ in range(2):
        for p in ps:
            p.grad = hx.ones_like(p.value)
        opt.step()
    assert [p.tolist() for p in ps] == [[0.6875, 0.6875]] * 3
    assert [p.value.dtype.name for p in ps] == ["float64", "float32", "bfloat16"]
    kinds = [opt.state_dict()[0][f"velocity.{i}"].dtype.name for i in range(3)]
    assert kinds == ["float64", "float32", "float32"]


def test_half_precision_state_does_not_lose_small_squares():
    p = hx.Parameter(hx.ones((1,), "float16"))
    opt = optim.Adam([p], lr=0.5)
    p.grad = hx.full((1,), 1e-4, "float16")  # its square underflows in float16
    opt.step()
    assert p.item() == 0.5


def test_devices_without_float64_correct_biases_in_float32(monkeypatch):
    """1 - 0.999^t keeps its digits: the published equation in float64 beside it."""
    monkeypatch.setattr(optim._base, "scalar_dtype", lambda device: "float32")
    p = hx.Parameter(hx.tensor([1.0], device="numpy"))
    opt = optim.Adam([p], lr=1.0)
    q, m, v = 1.0, 0.0, 0.0
    for t in range(1, 21):
        g = float(np.float32(np.sin(t)))
        p.grad = hx.tensor([g], device="numpy")
        opt.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        q -= m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        assert p.item() == pytest.approx(q, abs=3e-6)
    assert opt._lr.value.dtype == "float32"


class Sign(optim.Optimizer):
    """Not a fused rule: plain Python over everything at once."""

    slots = ("last",)

    def update(self, grads, state, params):
        new = [
            p if g is None else p - state["lr"] * hx.sign(g)
            for p, g in zip(params, grads, strict=True)
        ]
        last = [
            o if g is None else g for g, o in zip(grads, state["last"], strict=True)
        ]
        return new, {**state, "last": last, "steps": state["steps"] + 1}


def test_an_optimizer_that_overrides_update():
    ps = _params(np.float64)
    before = _values(ps)
    opt = Sign(ps, lr=0.5)
    ps[1].grad = hx.full((4,), -3.0, "float64")
    opt.step()
    np.testing.assert_array_equal(ps[1].numpy(), before[1] + 0.5)
    np.testing.assert_array_equal(ps[0].numpy(), before[0])
    assert opt.state_dict()[0]["last.1"].tolist() == [-3.0] * 4
    assert opt.steps == 1


# -------------------------------------------------------------------------- groups
class Net(hx.Module):
    def __init__(self):
        self.weight = hx.Parameter(hx.ones((2, 2)))
        self.bias = hx.Parameter(hx.ones((2,)), decay=False)
        self.frozen = hx.Parameter(hx.ones((2,)), trainable=False)


def test_groups_spare_what_is_marked():
    net = Net()
    opt = optim.SGD(optim.groups(net, 0.5), lr=1.0)
    for p in opt.parameters:
        p.grad = hx.zeros_like(p.value)
    opt.step()
    assert net.weight.numpy().tolist() == [[0.5, 0.5]] * 2
    assert net.bias.tolist() == [1.0, 1.0]
    assert all(p is not net.frozen for p in opt.parameters)


def test_what_an_optimizer_accepts():
    net = Net()
    whole = [net.weight, net.bias]
    for params in (
        net,
        whole,
        iter(whole),
        (p for p in net.parameters()),
        optim.Group(whole),
        [optim.Group([net.weight], 0.1), net.bias],
    ):
        found = optim.SGD(params).parameters
        assert [id(p) for p in found] == [id(p) for p in whole]
    assert optim.SGD(net.weight).parameters[0] is net.weight


P = hx.Parameter(hx.ones((2,)))
BAD = {
    "nothing": lambda: optim.SGD([]),
    "only frozen": lambda: optim.SGD([hx.Parameter(hx.ones(2), trainable=False)]),
    "twice": lambda: optim.SGD([P, P]),
    "twice in groups": lambda: optim.SGD([optim.Group([P]), optim.Group([P])]),
    "tensors": lambda: optim.SGD([hx.ones((2,))]),
    "a list in a list": lambda: optim.SGD([[P]]),
    "named": lambda: optim.SGD(Net().named_parameters()),
    "a group of tensors": lambda: optim.SGD([optim.Group([hx.ones((2,))])]),
    "lr": lambda: optim.SGD([P], lr=-1.0),
    "nan lr": lambda: optim.SGD([P], lr=float("nan")),
    "decay": lambda: optim.SGD([P], weight_decay=-1.0),
    "group decay": lambda: optim.SGD([optim.Group([P], -1.0)]),
    "group scale": lambda: optim.SGD([optim.Group([P], None, -1.0)]),
    "momentum": lambda: optim.SGD([P], momentum=-0.5),
    "nesterov": lambda: optim.SGD([P], nesterov=True),
    "nesterov damped": lambda: optim.SGD([P], 0.1, 0.9, 0.5, nesterov=True),
    "beta": lambda: optim.Adam([P], betas=(0.9, 1.0)),
    "eps": lambda: optim.AdamW([P], eps=-1e-8),
    "alpha": lambda: optim.RMSprop([P], alpha=1.0),
    "complex": lambda: optim.SGD([hx.Parameter(hx.ones((2,), "complex64"))]),
    "max_norm": lambda: optim.clip_grad_norm([P], 0.0),
    "limit": lambda: optim.clip_grad_value([P], -1.0),
    "averages": lambda: optim.ema_update([], [P], 0.9),
    "average shape": lambda: optim.ema_update([hx.Cell(hx.ones(3))], [P], 0.9),
    "ema decay": lambda: optim.ema_update([hx.Cell(hx.ones(2))], [P], 1.5),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_named(case):
    with pytest.raises(hx.HelixError, match=r"^\[[a-z_]+\] expected"):
        BAD[case]()


def test_a_bad_rate_is_refused_and_the_old_one_stays():
    opt = optim.SGD([P], lr=0.5)
    for bad in (-1.0, float("nan"), hx.ones((2,))):
        with pytest.raises(optim.OptimizerError, match="expected lr"):
            opt.lr = bad
    assert opt.lr == 0.5


def test_clipping_without_gradients_returns_zero():
    assert optim.clip_grad_norm(_params(), 1.0).item() == 0.0


def test_an_average_keeps_its_dtype_and_takes_a_tensor_as_decay():
    p = hx.Parameter(hx.full((2,), 1.0, "bfloat16"))
    average = hx.Cell(hx.zeros((2,)))
    optim.ema_update([average], [p], hx.tensor(0.75))
    assert average.value.dtype == "float32" and average.value.tolist() == [0.25] * 2


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_accumulate_between_steps(device):
    with hx.device(device):
        p = hx.Parameter(hx.tensor([1.0]))
        opt = optim.SGD([p], lr=0.5)
        (p * 1.0).sum().backward()
        (p * 2.0).sum().backward()
        opt.step()
        assert p.tolist() == [-0.5]
        (p * 1.0).sum().backward()
        opt.zero_grad()
        opt.step()
        assert p.tolist() == [-0.5]

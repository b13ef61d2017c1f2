"""LSTM and GRU against torch's: values, states and every gradient."""

import io

import helix_core as hx
import numpy as np
import pytest
import torch
from helix_layers import GRU, LSTM, GRUCell, LSTMCell, LSTMState
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

PAIRS = {"lstm": (LSTM, torch.nn.LSTM), "gru": (GRU, torch.nn.GRU)}
DEVICES = ["numpy", "cpu"]
TOLERANCE = 1e-4  # of the largest reference value; float32

CASES = {  # sizes: batch, time, input, hidden; settings; lengths
    "plain": ((3, 7, 5, 6), {}, None),
    "one step": ((3, 1, 5, 6), {}, None),
    "one sequence": ((1, 9, 4, 32), {}, None),
    "whole tiles": ((16, 5, 32, 64), {}, None),
    "many sequences": ((37, 4, 33, 17), {}, None),
    "several chunks": ((2, 40, 3, 8), {}, None),
    "without bias": ((3, 7, 5, 6), {"bias": False}, None),
    "three layers": ((3, 7, 5, 6), {"num_layers": 3}, None),
    "both directions": ((3, 7, 5, 6), {"bidirectional": True}, None),
    "all": ((5, 9, 5, 6), {"num_layers": 2, "bidirectional": True}, [3, 9, 1, 5, 9]),
    "lengths": ((5, 9, 5, 6), {}, [2, 8, 8, 1, 4]),
    "one unit": ((2, 3, 1, 1), {}, None),
    "projected": ((3, 7, 5, 6), {"proj_size": 4}, None),
    "all projected": (
        (5, 9, 5, 6),
        {"num_layers": 2, "bidirectional": True, "proj_size": 2, "bias": False},
        [3, 9, 1, 5, 9],
    ),
}
BOTH = [("lstm", case) for case in CASES]
BOTH += [("gru", case) for case in CASES if "projected" not in case]


def ours_of(kind, theirs, device):
    weights = {n: p.detach().numpy() for n, p in theirs.named_parameters()}
    return PAIRS[kind][0].from_torch(weights, device=device)


def draw(kind, case, seed=0):
    """torch's layer, and arrays: input, initial state, and their cotangents."""
    (batch, time, size, hidden), settings, lengths = CASES[case]
    torch.manual_seed(seed)
    theirs = PAIRS[kind][1](size, hidden, batch_first=True, **settings)
    ends = settings.get("num_layers", 1) * (1 + settings.get("bidirectional", False))
    rng = np.random.default_rng(seed)
    parts = 2 if kind == "lstm" else 1

    def normal(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    x = normal(batch, time, size)
    out = settings.get("proj_size", hidden)
    state = [normal(ends, batch, n) for n in (out, hidden)[:parts]]
    wide = out * (1 + settings.get("bidirectional", False))
    cts = [normal(batch, time, wide), *[normal(*s.shape) for s in state]]
    return theirs, x, state, cts, lengths


def run_torch(theirs, x, state, cts, lengths):
    """Outputs, and gradients of x, of the state, and of the weights."""
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, *state)]
    given = tuple(leaves[1:]) if len(state) == 2 else leaves[1]
    rows = leaves[0]
    if lengths is not None:
        rows = pack_padded_sequence(
            rows, torch.tensor(lengths), batch_first=True, enforce_sorted=False
        )
    y, last = theirs(rows, given)
    if lengths is not None:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    outs = [y, *(last if len(state) == 2 else [last])]
    sum((o * torch.tensor(c)).sum() for o, c in zip(outs, cts, strict=True)).backward()
    named = {n: p.grad.numpy() for n, p in theirs.named_parameters()}
    return [o.detach().numpy() for o in outs], [t.grad.numpy() for t in leaves], named


def run_ours(layer, x, state, cts, lengths, device):
    leaves = [hx.Parameter(hx.tensor(a, device=device)) for a in (x, *state)]
    y, last = layer(leaves[0].value, [p.value for p in leaves[1:]], lengths)
    outs = [y, *last]
    loss = sum(
        (o * hx.tensor(c, device=device)).sum() for o, c in zip(outs, cts, strict=True)
    )
    loss.backward()
    named = {n: p.grad.numpy() for n, p in layer.named_parameters()}
    return [o.numpy() for o in outs], [p.grad.numpy() for p in leaves], named


def close(got, want, tolerance=TOLERANCE):
    assert got.shape == want.shape and got.dtype == want.dtype
    assert np.abs(got - want).max() <= tolerance * np.abs(want).max()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("kind", "case"), BOTH)
def test_values_states_and_gradients(kind, case, device):
    theirs, *arrays = draw(kind, case)
    want_outs, want_leaves, want_named = run_torch(theirs, *arrays)
    layer = ours_of(kind, theirs, device)
    outs, leaves, named = run_ours(layer, *arrays, device)
    for got, want in zip(outs + leaves, want_outs + want_leaves, strict=True):
        close(got, want)
    assert list(named) == list(want_named)
    for name, want in want_named.items():
        close(named[name], want)


@pytest.mark.parametrize("kind", PAIRS)
def test_float64(kind):
    theirs, x, state, cts, lengths = draw(kind, "all")
    theirs = theirs.double()
    x, state, cts = (
        x.astype(float),
        [a.astype(float) for a in state],
        [a.astype(float) for a in cts],
    )
    want_outs, want_leaves, want_named = run_torch(theirs, x, state, cts, lengths)
    weights = {n: p.detach().numpy() for n, p in theirs.named_parameters()}
    layer = PAIRS[kind][0].from_torch(weights, device="numpy", dtype="float64")
    outs, leaves, named = run_ours(layer, x, state, cts, lengths, "numpy")
    for got, want in zip(outs + leaves, want_outs + want_leaves, strict=True):
        close(got, want, 1e-12)
    for name, want in want_named.items():
        close(named[name], want, 1e-12)


@pytest.mark.parametrize("kind", PAIRS)
def test_torch_reads_what_is_saved(kind):
    ours = PAIRS[kind][0](5, 6, num_layers=2, bidirectional=True)
    theirs = PAIRS[kind][1](5, 6, num_layers=2, bidirectional=True, batch_first=True)
    file = io.BytesIO()
    torch.save({n: torch.tensor(a) for n, a in ours.to_torch().items()}, file)
    file.seek(0)
    theirs.load_state_dict(torch.load(file))
    x = np.random.default_rng(0).standard_normal((3, 7, 5)).astype(np.float32)
    with torch.no_grad():
        want, _ = theirs(torch.tensor(x))
    close(ours(hx.tensor(x))[0].numpy(), want.numpy())


@pytest.mark.parametrize(
    ("kind", "case"),
    [("lstm", "three layers"), ("gru", "three layers"), ("lstm", "projected")],
)
def test_steps_give_what_torch_gives_for_the_whole(kind, case):
    theirs, x, state, _, _ = draw(kind, case)
    layer = ours_of(kind, theirs, "cpu")
    given = [torch.tensor(a) for a in state]
    with torch.no_grad():
        want, last = theirs(
            torch.tensor(x), tuple(given) if len(given) == 2 else given[0]
        )
    now, ys = [hx.tensor(a) for a in state], []
    for t in range(x.shape[1]):
        y, now = layer.step(hx.tensor(x[:, t]), now)
        ys.append(y.numpy())
    close(np.stack(ys, 1), want.numpy())
    for got, end in zip(now, last if len(given) == 2 else [last], strict=True):
        close(got.numpy(), end.numpy())


@pytest.mark.parametrize("bias", [True, False])
def test_lstm_cell(bias):
    torch.manual_seed(0)
    theirs, ours = torch.nn.LSTMCell(5, 6, bias=bias), LSTMCell(5, 6, bias=bias)
    ours.load_state_dict({n: p.detach().numpy() for n, p in theirs.named_parameters()})
    x, h, c = (torch.randn(3, n, requires_grad=True) for n in (5, 6, 6))
    want = theirs(x, (h, c))
    leaves = [hx.Parameter(hx.tensor(t.detach().numpy())) for t in (x, h, c)]
    got = ours(leaves[0].value, LSTMState(leaves[1].value, leaves[2].value))
    (want[0] + 2 * want[1]).sum().backward()
    (got.h + 2 * got.c).sum().backward()
    close(got.h.numpy(), want[0].detach().numpy())
    close(got.c.numpy(), want[1].detach().numpy())
    for p, t in zip(leaves, (x, h, c), strict=True):
        close(p.grad.numpy(), t.grad.numpy())
    for name, p in ours.named_parameters():
        close(p.grad.numpy(), getattr(theirs, name).grad.numpy())


@pytest.mark.parametrize("bias", [True, False])
def test_gru_cell(bias):
    torch.manual_seed(0)
    theirs, ours = torch.nn.GRUCell(5, 6, bias=bias), GRUCell(5, 6, bias=bias)
    ours.load_state_dict({n: p.detach().numpy() for n, p in theirs.named_parameters()})
    x, h = (torch.randn(3, n, requires_grad=True) for n in (5, 6))
    leaves = [hx.Parameter(hx.tensor(t.detach().numpy())) for t in (x, h)]
    want, got = theirs(x, h), ours(leaves[0].value, leaves[1].value)
    want.sum().backward()
    got.h.sum().backward()
    close(got.h.numpy(), want.detach().numpy())
    for p, t in zip(leaves, (x, h), strict=True):
        close(p.grad.numpy(), t.grad.numpy())
    for name, p in ours.named_parameters():
        close(p.grad.numpy(), getattr(theirs, name).grad.numpy())


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", PAIRS)
def test_second_derivatives(kind, device):
    """Of a function of the first gradient, which torch differentiates step by step."""
    theirs, x, state, _, _ = draw(kind, "plain")
    t = torch.tensor(x, requires_grad=True)
    given = [torch.tensor(a) for a in state]
    y, _ = theirs(t, tuple(given) if len(given) == 2 else given[0])
    (dx,) = torch.autograd.grad((y**2).sum(), t, create_graph=True)
    (want,) = torch.autograd.grad((dx**2).sum(), t)
    layer = ours_of(kind, theirs, device)
    start = [hx.tensor(a, device=device) for a in state]

    def loss(z):
        return (layer(z, start)[0] ** 2).sum()

    second = hx.grad(lambda z: (hx.grad(loss)(z) ** 2).sum())
    close(second(hx.tensor(x, device=device)).numpy(), want.numpy())

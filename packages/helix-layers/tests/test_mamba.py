import helix_core as hx
import numpy as np
import pytest
from helix_layers import LayerError, MambaBlock, MambaConfig, MambaLM, MambaMixer

RNG = np.random.default_rng(0)
SMALL = {"vocab_size": 17, "d_model": 12, "n_layers": 2, "d_state": 4}


def tokens(batch, time, vocab=17):
    return RNG.integers(0, vocab, (batch, time)).astype(np.int32)


def model(**changes):
    return MambaLM(MambaConfig(**{**SMALL, **changes}), generator=hx.Generator(0))


def lively(m):
    """Weights that make every part matter."""
    g = np.random.default_rng(5)
    for p in m.parameters():
        p.value = p.value + hx.tensor(0.2 * g.normal(size=p.aval.shape), p.aval.dtype)
    return m


def recurrence(mixer, x):
    """The block's equations, a step at a time, in float64 (arXiv:2312.00752, 3)."""
    w = {k: np.asarray(v.numpy(), np.float64) for k, v in mixer.named_parameters()}
    d, r, n = mixer.d_inner, mixer.dt_rank, mixer.d_state
    k = mixer.d_conv

    def silu(v):
        return v / (1 + np.exp(-v))

    out = np.zeros_like(x, dtype=np.float64)
    for b in range(x.shape[0]):
        window, h = np.zeros((k, d)), np.zeros((d, n))
        for t in range(x.shape[1]):
            xz = w["in_proj.weight"] @ x[b, t]
            window = np.vstack([window[1:], xz[None, :d]])
            u = silu((window * w["conv_weight"].T).sum(0) + w["conv_bias"])
            dbc = w["x_proj.weight"] @ u
            dt = np.log1p(np.exp(w["dt_proj.weight"] @ dbc[:r] + w["dt_proj.bias"]))
            a = np.exp(dt[:, None] * -np.exp(w["A_log"]))
            h = a * h + (dt * u)[:, None] * dbc[None, r : r + n]
            y = (h @ dbc[r + n :] + w["D"] * u) * silu(xz[d:])
            out[b, t] = w["out_proj.weight"] @ y
    return out


def test_the_mixer_computes_the_paper_s_recurrence():
    mixer = lively(MambaMixer(12, d_state=4, generator=hx.Generator(1)))
    x = RNG.normal(size=(2, 70, 12)).astype(np.float32)
    want = recurrence(mixer, x)
    got = mixer(hx.tensor(x)).numpy()
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max()


def test_a_block_adds_its_mixer_to_its_input():
    block = MambaBlock(8, d_state=4)
    x = hx.tensor(RNG.normal(size=(1, 5, 8)).astype(np.float32))
    want = x + block.mixer(block.norm(x))
    np.testing.assert_allclose(block(x).numpy(), want.numpy(), rtol=1e-6)


def test_a_sequence_may_be_cut_anywhere_when_the_state_is_passed_on():
    block = lively(MambaBlock(8, d_state=4))
    x = hx.tensor(RNG.normal(size=(2, 23, 8)).astype(np.float32))
    whole, end = block(x, return_state=True)
    for cut in (1, 2, 3, 11, 22):
        a, state = block(x[:, :cut], return_state=True)
        b, last = block(x[:, cut:], state, return_state=True)
        got = np.concatenate([a.numpy(), b.numpy()], 1)
        np.testing.assert_allclose(got, whole.numpy(), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(last.ssm.numpy(), end.ssm.numpy(), atol=1e-5)
        np.testing.assert_allclose(last.conv.numpy(), end.conv.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_embeddings": False, "bias": True},
        {"conv_bias": False, "d_conv": 2},
        {"expand": 3, "dt_rank": 5},
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_prefill_then_steps_equal_the_full_forward(changes, batch):
    m = lively(model(**changes))
    ids = tokens(batch, 21)
    want = m(hx.tensor(ids)).numpy()
    logits, state = m.prefill(hx.tensor(ids[:, :9]))
    np.testing.assert_allclose(logits.numpy(), want[:, 8], rtol=1e-4, atol=1e-4)
    sizes = [t.shape for t in state]
    for t in range(9, 21):
        logits, state = m.step(hx.tensor(ids[:, t]), state)
        np.testing.assert_allclose(logits.numpy(), want[:, t], rtol=1e-4, atol=1e-4)
        assert [t.shape for t in state] == sizes


def test_steps_from_nothing_equal_the_full_forward():
    m = lively(model())
    ids = tokens(2, 6)
    want = m(hx.tensor(ids)).numpy()
    state = m.initial_state(2)
    for t in range(6):
        logits, state = m.step(hx.tensor(ids[:, t]), state)
        np.testing.assert_allclose(logits.numpy(), want[:, t], rtol=1e-4, atol=1e-4)


def test_a_step_leaves_the_old_state_as_it_was():
    m = model()
    _, state = m.prefill(hx.tensor(tokens(1, 5)))
    before = [t.numpy().copy() for t in state]
    first, _ = m.step(hx.tensor([3]), state)
    again, _ = m.step(hx.tensor([3]), state)
    assert first.numpy().tolist() == again.numpy().tolist()
    for t, b in zip(state, before, strict=True):
        assert t.numpy().tolist() == b.tolist()


def test_a_step_sees_new_weights():
    m = model()
    _, state = m.prefill(hx.tensor(tokens(1, 5)))
    before, _ = m.step(hx.tensor([3]), state)
    w = m.layers[0].mixer.in_proj.weight
    w.value = w.value * 2.0
    after, _ = m.step(hx.tensor([3]), state)
    m2 = model()
    m2.load_state_dict(m.state_dict())
    fresh, _ = m2.step(hx.tensor([3]), state)
    assert before.numpy().tolist() != after.numpy().tolist()
    np.testing.assert_allclose(after.numpy(), fresh.numpy(), rtol=1e-6)


def test_the_loss_is_the_mean_cross_entropy_of_the_logits():
    m = lively(model())
    ids = tokens(2, 8)
    x, y = ids[:, :-1], ids[:, 1:].copy()
    y[0, 2] = -100
    z = m(hx.tensor(x)).numpy().astype(np.float64)
    logp = z - np.log(np.exp(z).sum(-1, keepdims=True))
    picked = np.take_along_axis(logp, np.maximum(y, 0)[..., None], -1)[..., 0]
    want = -picked[y >= 0].mean()
    assert abs(m.loss(hx.tensor(x), hx.tensor(y)).item() - want) < 1e-5


def test_the_future_does_not_reach_the_past():
    m = lively(model())
    a = tokens(1, 12)
    b = a.copy()
    b[0, 7:] = (b[0, 7:] + 1) % 17
    x, y = m(hx.tensor(a)).numpy(), m(hx.tensor(b)).numpy()
    np.testing.assert_allclose(x[0, :7], y[0, :7], atol=1e-6)
    assert np.abs(x[0, 7:] - y[0, 7:]).min(-1).max() > 0


def test_fresh_weights_follow_the_reference():
    m = MambaLM(MambaConfig(d_model=64, n_layers=3), generator=hx.Generator(0))
    x = m.layers[1].mixer
    np.testing.assert_allclose(
        x.A_log.numpy(), np.log(np.tile(np.arange(1.0, 17.0), (128, 1))), rtol=1e-6
    )
    assert (x.D.numpy() == 1).all()
    dt = np.log1p(np.exp(x.dt_proj.bias.numpy()))
    assert 9e-4 < dt.min() < 3e-3 and 3e-2 < dt.max() < 0.11
    assert np.abs(x.dt_proj.weight.numpy()).max() <= 0.5  # rank 4
    assert np.abs(x.out_proj.weight.numpy()).max() <= 128**-0.5 / 3**0.5
    assert abs(m.embedding.weight.numpy().std() - 0.02) < 1e-3


def test_what_decays():
    m = model(bias=True)
    spared = {n.rsplit(".", 1)[-1] for n, p in m.named_parameters() if not p.decay}
    assert spared == {"weight", "bias", "conv_bias", "A_log", "D"}
    heavy = [n for n, p in m.named_parameters() if p.decay]
    assert not any("norm" in n or n.endswith(("bias", "A_log", "D")) for n in heavy)


def test_a_tied_head_is_one_parameter():
    tied, untied = model(), model(tie_embeddings=False)
    assert len(list(untied.parameters())) == len(list(tied.parameters())) + 1
    assert "head" not in tied.state_dict() and "head" in untied.state_dict()


@pytest.mark.parametrize(
    "call, error, word",
    [
        (lambda: MambaConfig.from_dict({"d_modell": 3}), LayerError, "d_modell"),
        (lambda: model(d_model=0), LayerError, "d_model"),
        (lambda: model(n_layers=0), LayerError, "n_layers"),
        (lambda: model(dt_min=0.2), LayerError, "step sizes"),
        (lambda: model()(hx.zeros((3,), dtype=hx.int32)), hx.ShapeError, "batch, time"),
        (lambda: model()(hx.zeros((1, 3))), hx.DTypeError, "integer"),
        (lambda: MambaBlock(8)(hx.ones((2, 8))), hx.ShapeError, "batch, time, 8"),
        (
            lambda: MambaBlock(8)(
                hx.ones((2, 1, 8)), MambaBlock(8, d_state=4).initial_state(2)
            ),
            LayerError,
            r"expected a MambaState .* another model or batch",
        ),
        (lambda: MambaBlock(8)(hx.ones((2, 1, 8)), ()), LayerError, "got tuple"),
    ],
)
def test_bad_input(call, error, word):
    with pytest.raises(error, match=word):
        call()

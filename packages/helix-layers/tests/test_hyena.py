"""Hyena beside its definition, term by term in float64; streams, infill, files."""

import helix_core as hx
import numpy as np
import pytest
from helix_core import files
from helix_layers import (
    HyenaBlock,
    HyenaConfig,
    HyenaFilter,
    HyenaLM,
    HyenaMixer,
    LayerError,
    from_infill,
    infill_pair,
    to_infill,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def arrays(module):
    return {n: p.numpy().astype("f8") for n, p in module.named_parameters()}


def filters(p, length, l_max, d, order, emb, shift, layout):
    """(order - 1, length, d) from the equations of the paper and its two codes."""
    step = np.arange(length)
    t, w = step / (l_max - 1), 2 * np.pi * step / l_max
    f = np.linspace(1e-4, (emb - 1) // 2 - 1, (emb - 1) // 2)
    phase = np.exp(-1j * f * w[:, None])
    h = np.concatenate([t[:, None], phase.real, phase.imag], 1)
    i = 0
    while f"layers.{i}.bias" in p:
        h = h @ p[f"layers.{i}.weight"].T + p[f"layers.{i}.bias"]
        h, i = np.sin(p["freq"] * h), i + 1
    h = h @ p[f"layers.{i}.weight"].T
    deltas = np.linspace(np.log(0.01) / 1.5, np.log(0.01) / 0.3, d * (order - 1))
    h = h * (np.exp(-t[:, None] * np.abs(deltas)) + shift)
    if layout == "od":
        return h.reshape(length, order - 1, d).swapaxes(0, 1)
    return h.reshape(length, d, order - 1).transpose(2, 0, 1)


def operator(m, x, emb=3, shift=0.0, layout="od"):
    p, order, d = arrays(m), m.order, m.d_model
    x = x.astype("f8")
    n = x.shape[1]
    u = x @ p["in_proj.weight"].T + p["in_proj.bias"]
    c = np.zeros_like(u) + p["conv_bias"]
    k = p["conv_weight"].shape[1]
    for t in range(n):
        for j in range(k):
            if t - j >= 0:
                c[:, t] += p["conv_weight"][:, k - 1 - j] * u[:, t - j]
    *gates, v = np.split(c, order + 1, -1)
    own = {n[7:]: a for n, a in p.items() if n.startswith("filter.")}
    h = filters(own, n, m.l_max, d, order, emb, shift, layout)
    bias = own["bias"]
    bias = bias.reshape(order - 1, d) if layout == "od" else bias.reshape(d, -1).T
    for o, gate in enumerate(gates[:0:-1]):
        v = v * gate
        y = v * bias[o]
        for t in range(n):
            for s in range(t + 1):
                y[:, t] += h[o][s] * v[:, t - s]
        v = y
    return (v * gates[0]) @ p["out_proj.weight"].T + p["out_proj.bias"]


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("length", [1, 2, 17, 40])
@pytest.mark.parametrize(
    ("order", "layout", "shift", "emb"),
    [(2, "od", 0.0, 3), (2, "vo", 0.05, 5), (3, "od", 0.05, 5), (3, "vo", 0.0, 3)],
)
def test_the_operator_is_its_definition(order, layout, shift, emb, length, device):
    m = HyenaMixer(
        *(6, 40, order),
        **{"emb_dim": emb, "shift": shift, "layout": layout, "filter_width": 8},
        **{"device": device, "generator": hx.Generator(0), "freq": 3.0},
    )
    x = draw(2, length, 6)
    want = operator(m, x, emb, shift, layout)
    got = m(hx.tensor(x, device=device)).numpy()
    assert got.dtype == np.float32
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


def test_positions_are_normalised_by_the_longest_sequence():
    """The filter of a short sequence is the beginning of that of a long one."""
    f = HyenaFilter(4, 50, 3, generator=hx.Generator(0))
    for short, long in zip(f(7), f(50), strict=True):
        assert short.shape == (7, 4) and long.shape == (50, 4)
        np.testing.assert_allclose(short.numpy(), long.numpy()[:7], atol=1e-6)


@pytest.mark.parametrize("order", [2, 3])
def test_pieces_and_steps_equal_one_sequence(order):
    m = HyenaMixer(5, 64, order, chunk=4, freq=5.0, generator=hx.Generator(1))
    x = hx.tensor(draw(2, 23, 5))
    whole = m(x).numpy()
    state, outs = None, []
    for start, stop in ((0, 3), (3, 4), (4, 15), (15, 23)):
        y, state = m(x[:, start:stop], state, True)
        outs.append(y.numpy())
    np.testing.assert_allclose(np.concatenate(outs, 1), whole, rtol=1e-4, atol=1e-6)
    mixed = m(x[:, :9], return_state=True)[1]
    empty = m.initial_state(2)
    for first, state in ((0, empty), (9, mixed)):
        for t in range(first, 23):
            y, state = m.step(x[:, t], state)
            np.testing.assert_allclose(y.numpy(), whole[:, t], rtol=1e-4, atol=1e-6)


def test_steps_see_new_weights():
    m = HyenaMixer(4, 16, generator=hx.Generator(0))
    x = hx.tensor(draw(1, 3, 4))
    for _ in range(2):
        state = m.initial_state(1)
        for t in range(3):
            y, state = m.step(x[:, t], state)
        np.testing.assert_allclose(y.numpy(), m(x).numpy()[:, 2], rtol=1e-4, atol=1e-6)
        w = m.filter.layers[-1].weight
        w.value = w.value * 5.0


def test_a_stream_ends_where_filters_end():
    m = HyenaMixer(4, 5, chunk=2, generator=hx.Generator(0))
    x = hx.tensor(draw(1, 5, 4))
    whole, state = m(x).numpy(), m.initial_state(1)
    for t in range(5):
        y, state = m.step(x[:, t], state)
        np.testing.assert_allclose(y.numpy(), whole[:, t], rtol=1e-4, atol=1e-6)
    with pytest.raises(LayerError, match="at most l_max=5 places; got 6"):
        m.step(x[:, 0], state)
    with pytest.raises(LayerError, match="at most l_max=5 places; got 7"):
        m(hx.zeros((1, 7, 4)))
    state = m(x[:, :3], return_state=True)[1]
    assert m(x[:, 3:], state).shape == (1, 2, 4)
    with pytest.raises(LayerError, match="got 6"):
        m(x[:, :3], state)


def test_no_output_depends_on_a_later_input():
    m = HyenaMixer(4, 16, 3, generator=hx.Generator(0))
    _, pull = hx.vjp(m, hx.tensor(draw(1, 12, 4)))
    for t in (0, 5, 11):
        ct = np.zeros((1, 12, 4), "f4")
        ct[0, t] = 1
        g = pull(hx.tensor(ct))
        g = np.asarray(g[0] if isinstance(g, tuple) else g)
        assert np.abs(g[0, t]).max() > 1e-4
        assert np.abs(g[0, t + 1 :]).max(initial=0) <= 1e-7


def test_every_parameter_but_the_window_gets_a_gradient():
    block = HyenaBlock(8, 32, generator=hx.Generator(0), learned_positions=True)
    hx.mean(hx.square(block(hx.tensor(draw(2, 9, 8))))).backward()
    for name, p in block.named_parameters():
        if name.endswith("deltas"):
            assert p.grad is None
        else:
            assert np.abs(p.grad.numpy()).max() > 0, name


def test_a_block_without_the_wide_part():
    x = hx.tensor(draw(2, 5, 8))
    block = HyenaBlock(8, 32, 0, generator=hx.Generator(0))
    want = x + block.mixer(block.norm(x))
    np.testing.assert_allclose(block(x).numpy(), want.numpy(), atol=1e-6)
    y, _ = block.step(x[:, 0], block.initial_state(2))
    np.testing.assert_allclose(y.numpy(), want.numpy()[:, 0], rtol=1e-4, atol=1e-6)


def test_nothing_in_nothing_out():
    m = HyenaMixer(4, 8)
    y, state = m(hx.zeros((2, 0, 4)), return_state=True)
    assert y.shape == (2, 0, 4) and state.history.shape == (1, 2, 0, 4)
    assert m(hx.zeros((2, 0, 4)), state, True)[1] is state
    assert m(hx.zeros((0, 3, 4))).shape == (0, 3, 4)


def test_bad_settings_and_input():
    for settings, message in [
        ({"order": 1}, "order of at least 2; got 1"),
        ({"emb_dim": 4}, "odd emb_dim of at least 3"),
        ({"layout": "ov"}, "layout of od, vo"),
        ({"l_max": 0}, "l_max to be an int >= 1"),
        ({"d_conv": 0}, "d_conv to be an int >= 1"),
        ({"inner_layers": -1}, "inner layers >= 0"),
        ({"dropout": 2.0}, "dropout in"),
    ]:
        with pytest.raises(LayerError, match=message):
            HyenaMixer(4, **settings)
    m = HyenaMixer(4, 8)
    with pytest.raises(hx.ShapeError, match=r"expected x \(batch, time, 4\)"):
        m(hx.zeros((2, 3, 5)))
    with pytest.raises(LayerError, match="belongs to another model or batch"):
        m.step(hx.zeros((2, 4)), m.initial_state(3))
    with pytest.raises(LayerError, match="belongs to another model or batch"):
        m(hx.zeros((2, 3, 4)), HyenaMixer(4, 8, 3).initial_state(2))


# --------------------------------------------------------------------------- models
def small(**settings):
    c = {"vocab_size": 12, "d_model": 16, "l_max": 40, "filter_width": 8, **settings}
    return HyenaLM(HyenaConfig(**c), generator=hx.Generator(0))


def test_a_model_streams_what_it_reads_at_once():
    model = small(n_layers=3)
    ids = np.random.default_rng(0).integers(0, 12, (2, 20))
    whole = model(hx.tensor(ids)).numpy()
    _, state = model.prefill(hx.tensor(ids[:, :8]))
    for t in range(8, 20):
        logits, state = model.step(hx.tensor(ids[:, t]), state)
        np.testing.assert_allclose(logits.numpy(), whole[:, t], rtol=1e-3, atol=1e-5)
    assert len(model.generate([1, 2], 30, seed=0)) == 30


def test_moving_a_span_loses_nothing():
    marks = (20, 21, 22)
    ids = list(range(7))
    for start in range(8):
        for stop in range(start, 8):
            moved = to_infill(ids, start, stop, marks)
            assert len(moved) == 10 and moved.dtype == np.int32
            back, a, b = from_infill(moved, marks)
            assert (back.tolist(), a, b) == (ids, start, stop)
            x, y = infill_pair(ids, start, stop, marks)
            np.testing.assert_array_equal(np.append(x, y[-1]), moved)
            np.testing.assert_array_equal(x[1:], y[:-1])
            x, y = infill_pair(ids, start, stop, marks, only_span=True)
            assert y[y >= 0].tolist() == ids[start:stop]


def test_bad_infill_says_so():
    with pytest.raises(LayerError, match="0 <= start <= stop <= 3; got 2, 1"):
        to_infill([1, 2, 3], 2, 1, (7, 8, 9))
    with pytest.raises(LayerError, match="without the sentinel ids"):
        to_infill([1, 7, 3], 0, 1, (7, 8, 9))
    with pytest.raises(LayerError, match="three different sentinel ids"):
        to_infill([1, 2, 3], 0, 1, (7, 7, 9))
    with pytest.raises(LayerError, match="once each"):
        from_infill([7, 1, 9, 2, 8], (7, 8, 9))
    with pytest.raises(LayerError, match="once each"):
        from_infill([], (7, 8, 9))
    with pytest.raises(LayerError, match="a model with infill_ids"):
        small().infill([1], [2], 3)
    with pytest.raises(LayerError, match=r"sentinel ids in \[0, 12\)"):
        small(infill_ids=(10, 11, 12))
    model = small(infill_ids=[9, 10, 11])
    with pytest.raises(LayerError, match="suffix without the sentinel"):
        model.infill([1], [11], 3)
    with pytest.raises(LayerError, match=r"ids in \[0, 12\); got 1 to 12"):
        model.infill([1], [12], 3)
    with pytest.raises(LayerError, match="length >= 0"):
        model.infill([1], [2], -1)
    assert model.infill([1], [2], 0) == []
    assert set(model.infill([], [], 30, temperature=5.0)) <= set(range(9))


def test_a_trained_model_fills_in_what_both_sides_say():
    """Spans repeat the id before them, then the id after them: chance is 1/8."""
    marks = (8, 9, 10)
    model = small(vocab_size=11, infill_ids=marks, d_model=32, l_max=16)
    rng = np.random.default_rng(0)

    def example():
        a, b = rng.integers(0, 8, 2)
        return [a, a, a, b, b, b]

    opt = hx.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(120):
        pairs = [infill_pair(example(), 2, 4, marks, only_span=True) for _ in range(16)]
        x, y = (hx.tensor(np.stack(part)) for part in zip(*pairs, strict=True))
        model.loss(x, y).backward()
        opt.step()
    hits = 0
    for _ in range(20):
        ids = example()
        hits += model.infill(ids[:2], ids[4:], 2, temperature=0.0) == ids[2:4]
    assert hits >= 16  # chance: one in 64


# ---------------------------------------------------------------------------- files
def test_files_come_back(tmp_path):
    for settings in ({}, {"learned_positions": True}, {"tie_embeddings": False}):
        model = small(**settings)
        if model.layers[0].mixer.filter.z is not None:
            z = model.layers[1].mixer.filter.z
            z.value = z.value + 0.01
        model.save_transformers(tmp_path)
        again = HyenaLM.from_transformers(tmp_path)
        ids = hx.tensor(np.arange(12)[None])
        np.testing.assert_array_equal(again(ids).numpy(), model(ids).numpy())
        assert again.config.learned_positions == model.config.learned_positions


def test_a_damaged_folder_lists_everything(tmp_path):
    small().save_transformers(tmp_path)
    stored = dict(files.load_tensors(tmp_path / "model.safetensors"))
    start = "hyena.backbone.layers.0."
    del stored[f"{start}norm1.weight"]
    stored["extra"] = np.zeros(1, np.float32)
    stored[f"{start}mlp.fc1.bias"] = np.zeros(3, np.float32)
    files.save_tensors(tmp_path / "model.safetensors", stored)
    with pytest.raises(hx.StateDictError) as e:
        HyenaLM.from_transformers(tmp_path)
    for part in (f"missing: {start}norm1.weight", "unexpected: extra", "fc1.bias (3,)"):
        assert part in str(e.value)


def test_files_that_we_do_not_compute_are_refused(tmp_path):
    with pytest.raises(files.FileError, match=r"folder with config\.json"):
        HyenaLM.from_transformers(tmp_path / "none")
    small().save_transformers(tmp_path)
    config = files.read_json(tmp_path / "config.json")
    for field, value in {
        "model_type": "mamba",
        "hyena_order": 3,
        "use_bias": False,
    }.items():
        files.write_json(tmp_path / "config.json", {**config, field: value})
        with pytest.raises(files.FileError, match=field):
            HyenaLM.from_transformers(tmp_path)
    with pytest.raises(files.FileError, match="expected order 2"):
        small(order=3).save_transformers(tmp_path)
    files.write_json(tmp_path / "config.json", config)
    stored = dict(files.load_tensors(tmp_path / "model.safetensors"))
    name = "hyena.backbone.layers.0.mixer.filter_fn.implicit_filter.1.freq"
    stored[name.replace(".1.freq", ".3.freq")] = stored[name]
    files.save_tensors(tmp_path / "model.safetensors", stored)
    HyenaLM.from_transformers(tmp_path)
    stored[name.replace(".1.freq", ".5.freq")] = stored[name] + 1
    files.save_tensors(tmp_path / "model.safetensors", stored)
    with pytest.raises(files.FileError, match="share one frequency"):
        HyenaLM.from_transformers(tmp_path)

"""Composites against torch's own functions: values and first gradients, both devices."""

import helix_core as hx
import numpy as np
import pytest
import torch
import torch.nn.functional as F

RNG = np.random.default_rng(1)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def conv(x, w, b=None, state=None, silu=False):
    """(batch, time, channel), padded on the left with the state or zeros."""
    k = w.shape[1]
    x = x.transpose(1, 2)
    before = (
        torch.zeros(*x.shape[:2], k - 1) if state is None else state.transpose(1, 2)
    )
    y = F.conv1d(torch.cat([before, x], 2), w[:, None], b, groups=w.shape[0])
    return (F.silu(y) if silu else y).transpose(1, 2)


LABELS = RNG.integers(0, 30, size=(40,))
LABELS[::7] = -100
IDS = RNG.integers(0, 11, size=(4, 6))
LCE = {"ignore_index": -100}


def logits(x, w, b):
    return x @ w.T + b


CASES = {
    "softmax": (
        lambda x: hx.softmax(x, 1),
        lambda x: torch.softmax(x, 1),
        (draw(3, 50, 4) * 5,),
    ),
    "log_softmax": (
        hx.log_softmax,
        lambda x: torch.log_softmax(x, -1),
        (draw(70, 33) * 5,),
    ),
    "rms_norm": (
        hx.rms_norm,
        lambda x, w: F.rms_norm(x, w.shape, w, 1e-5),
        (draw(2, 30, 48), draw(48)),
    ),
    "layer_norm": (
        hx.layer_norm,
        lambda x, w, b: F.layer_norm(x, w.shape, w, b, 1e-5),
        (draw(2, 30, 48), draw(48), draw(48)),
    ),
    "layer_norm plain": (
        hx.layer_norm,
        lambda x: F.layer_norm(x, x.shape[-1:]),
        (draw(5, 7),),
    ),
    "embedding": (
        lambda w: hx.embedding(hx.tensor(IDS), w),
        lambda w: F.embedding(torch.tensor(IDS), w),
        (draw(11, 8),),
    ),
    "linear_cross_entropy": (
        lambda x, w, b: hx.linear_cross_entropy(x, w, LABELS, b, **LCE),
        lambda x, w, b: F.cross_entropy(logits(x, w, b), torch.tensor(LABELS), **LCE),
        (draw(40, 16), draw(30, 16), draw(30)),
    ),
    "linear_cross_entropy smoothed sum": (
        lambda x, w, b: hx.linear_cross_entropy(
            x, w, LABELS, b, label_smoothing=0.1, reduction="sum", **LCE
        ),
        lambda x, w, b: F.cross_entropy(
            logits(x, w, b),
            torch.tensor(LABELS),
            label_smoothing=0.1,
            reduction="sum",
            **LCE,
        ),
        (draw(40, 16), draw(30, 16), draw(30)),
    ),
    "linear_cross_entropy rows": (
        lambda x, w, b: hx.linear_cross_entropy(x, w, LABELS, b, reduction="none"),
        lambda x, w, b: F.cross_entropy(
            logits(x, w, b), torch.tensor(LABELS), reduction="none"
        ),
        (draw(40, 16), draw(30, 16), draw(30)),
    ),
    "causal_conv1d": (
        hx.causal_conv1d,
        conv,
        (draw(2, 37, 20), draw(20, 4), draw(20)),
    ),
    "causal_conv1d silu state": (
        lambda x, w, b, s: hx.causal_conv1d(x, w, b, "silu", s),
        lambda x, w, b, s: conv(x, w, b, s, True),
        (draw(2, 37, 20), draw(20, 4), draw(20), draw(2, 3, 20)),
    ),
    "conv": (
        lambda x, w: hx.conv(x, w, 2, ((1, 1), (0, 0)), rhs_dilation=(1, 2)),
        lambda x, w: F.conv2d(x, w, stride=2, padding=(1, 0), dilation=(1, 2)),
        (draw(2, 3, 8, 9), draw(4, 3, 3, 2)),
    ),
    "topk": (lambda x: hx.topk(x, 3)[0], lambda x: torch.topk(x, 3)[0], (draw(5, 9),)),
    "cumlogsumexp": (
        lambda x: hx.cumlogsumexp(x, 1),
        lambda x: torch.logcumsumexp(x, 1),
        (draw(3, 20),),
    ),
    "var": (
        lambda x: hx.var(x, 1, correction=1),
        lambda x: torch.var(x, 1),
        (draw(3, 20),),
    ),
}


@pytest.mark.parametrize("device", ["numpy", "cpu"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name, device):
    ours, theirs, arrays = CASES[name]
    leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
    want = theirs(*leaves)
    ct = draw(*want.shape)
    want.backward(torch.tensor(ct))
    with hx.device(device):
        y, pull = hx.vjp(ours, *map(hx.tensor, arrays))
        grads = pull(hx.tensor(ct))
        traced = hx.trace(ours)(*map(hx.tensor, arrays))
    grads = grads if isinstance(grads, tuple) else (grads,)
    pairs = [(y, want), (traced, want)]
    pairs += [(g, t.grad) for g, t in zip(grads, leaves, strict=True)]
    for got, ref in pairs:
        ref = ref.detach().numpy()
        assert got.shape == ref.shape and got.dtype is hx.float32
        atol = 1e-5 * max(1e-30, float(np.abs(ref).max()))
        np.testing.assert_allclose(got.numpy(), ref, atol=atol)


@pytest.mark.parametrize("device", ["numpy", "cpu"])
def test_the_whole_of_a_dropout_mask_is_used_backward(device):
    with hx.device(device):
        x = hx.ones((64, 65))
        y, pull = hx.vjp(lambda x: hx.dropout(x, 0.3, generator=hx.Generator(2)), x)
        np.testing.assert_array_equal(pull(x).numpy(), y.numpy())
        kept = (y.numpy() != 0).mean()
    assert abs(kept - 0.7) < 0.03
    np.testing.assert_allclose(np.unique(y.numpy()), [0, 1 / 0.7], rtol=1e-6)

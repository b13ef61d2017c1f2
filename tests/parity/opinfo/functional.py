"""torch.nn.functional: activations, losses, norms, attention, embeddings."""

import math

import helix_core as hx

from .contractions import p_norm


def _plain(fn):
    return lambda x, inplace=False: fn(x)


def _reduced(x, reduction):
    return {"mean": hx.mean, "sum": hx.sum, "none": lambda t: t}[reduction](x)


def _labels(t):
    return hx.cast(t, hx.int32) if t.dtype.category in ("int", "uint") else t


def _cross_entropy(x, target, **kw):
    return hx.losses.cross_entropy(x, _labels(target), **kw)


def _nll(x, target, weight=None, ignore_index=-100, reduction="mean", **kw):
    axis = 0 if x.ndim == 1 else 1
    target = _labels(target)
    counts = target != ignore_index
    safe = hx.where(counts, target, 0)
    picked = hx.take_along_axis(x, hx.expand_dims(safe, axis), axis=axis)
    w = hx.cast(counts, x.dtype)
    if weight is not None:
        w = w * weight[safe]
    loss = -hx.squeeze(picked, axis) * w
    if reduction == "mean":
        return hx.sum(loss) / hx.sum(w)
    return _reduced(loss, reduction)


def _layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    n = len(shape)
    flat = hx.reshape(x, (*x.shape[: x.ndim - n], math.prod(shape)))
    flatten = lambda w: None if w is None else hx.reshape(w, (-1,))
    y = hx.layer_norm(flat, flatten(weight), flatten(bias), eps)
    return hx.reshape(y, x.shape)


def _rms_norm(x, shape, weight=None, eps=None):
    n = len(shape)
    flat = hx.reshape(x, (*x.shape[: x.ndim - n], math.prod(shape)))
    w = hx.ones(flat.shape[-1:]) if weight is None else hx.reshape(weight, (-1,))
    y = hx.rms_norm(flat, w, 1.1920928955078125e-07 if eps is None else eps)
    return hx.reshape(y, x.shape)


def _attention(
    q,
    k,
    v,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    lead = max((t.shape[:-3] for t in (q, k, v)), key=len)
    flat = [hx.broadcast_to(t, (*lead, *t.shape[-3:])) for t in (q, k, v)]
    flat = [hx.reshape(t, (-1, *t.shape[-3:])) for t in flat]
    q, k, v = (hx.swapaxes(t, 1, 2) for t in flat)
    bias = attn_mask
    if attn_mask is not None and attn_mask.dtype is hx.bool_:
        bias = hx.where(attn_mask, 0.0, -hx.full((), float("inf")))
    if is_causal and q.shape[1] != k.shape[1]:  # torch aligns both at the start
        i, j = hx.arange(q.shape[1])[:, None], hx.arange(k.shape[1])
        bias = hx.where(j <= i, 0.0, -float("inf"))
        is_causal = False
    y = hx.swapaxes(
        hx.attention(q, k, v, causal=is_causal, scale=scale, bias=bias), 1, 2
    )
    return hx.reshape(y, (*lead, *y.shape[1:]))


def _embedding(weight, ids, padding_idx=None, max_norm=None, norm_type=2.0, **kw):
    if padding_idx is not None:
        row = hx.arange(weight.shape[0])[:, None] == padding_idx % weight.shape[0]
        weight = hx.where(row, hx.detach(weight), weight)
    return hx.embedding(hx.cast(ids, hx.int32), weight)


def _normalize(x, p=2.0, dim=1, eps=1e-12):
    if not x.ndim:
        return hx.reshape(_normalize(hx.reshape(x, (1,)), p, 0, eps), ())
    return x / hx.maximum(hx.expand_dims(p_norm(hx.abs(x), p, dim), dim), eps)


def _cosine(a, b, dim=1, eps=1e-8):
    if not a.ndim:
        return _cosine(hx.reshape(a, (1,)), hx.reshape(b, (1,)), 0, eps)

    def norm(t):
        return hx.sqrt(hx.maximum(hx.sum(t * t, axis=dim), eps * eps))

    a, b = hx.broadcast_arrays(a, b)
    return hx.sum(a * b, axis=dim) / (norm(a) * norm(b))


def _prelu(x, weight):
    if weight.ndim and weight.size > 1 and x.ndim > 1:
        weight = hx.reshape(weight, (-1, *(1,) * (x.ndim - 2)))
    elif weight.size == 1:
        weight = hx.reshape(weight, ())
    return hx.where(x > 0, x, x * weight)


def _dropout(x, p=0.5, training=True, inplace=False):
    return hx.dropout(x, p, training=False)


def _poisson(x, target, log_input=True, full=False, eps=1e-8, reduction="mean", **kw):
    loss = hx.exp(x) - target * x if log_input else x - target * hx.log(x + eps)
    if full:
        big = target > 1
        t = hx.where(big, target, 2.0)
        stirling = t * hx.log(t) - t + 0.5 * hx.log(2 * 3.141592653589793 * t)
        loss = loss + hx.where(big, stirling, 0.0)
    return _reduced(loss, reduction)


def _margin_ranking(a, b, target, margin=0.0, reduction="mean"):
    return _reduced(hx.maximum(-target * (a - b) + margin, 0.0), reduction)


def _hinge_embedding(x, target, margin=1.0, reduction="mean", **kw):
    loss = hx.where(target != -1, x, 0.0)
    loss = loss + hx.where(target != 1, hx.maximum(margin - x, 0.0), 0.0)
    return _reduced(loss, reduction)


def _soft_margin(x, target, reduction="mean", **kw):
    return _reduced(hx.log1p(hx.exp(-target * x)), reduction)


def _loss(fn, *names):
    def run(x, target, reduction="mean", **kw):
        given = {k: kw[k] for k in names if k in kw}
        x, target = hx.broadcast_arrays(x, target)
        return fn(x, target, reduction=reduction, **given)

    return run


def _softshrink(x, lambd=0.5):
    return hx.where(hx.abs(x) > lambd, x - hx.sign(x) * lambd, 0.0 * x)


MAP = {
    "nn.functional.relu": _plain(hx.relu),
    "nn.functional.relu6": _plain(hx.relu6),
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01, **kw: hx.leaky_relu(
        x, negative_slope
    ),
    "nn.functional.elu": lambda x, alpha=1.0, **kw: hx.elu(x, alpha),
    "nn.functional.celu": lambda x, alpha=1.0, **kw: hx.where(
        x > 0, x, alpha * hx.expm1(hx.minimum(x, 0.0) / alpha)
    ),
    "nn.functional.selu": _plain(hx.selu),
    "nn.functional.silu": _plain(hx.silu),
    "nn.functional.mish": _plain(hx.mish),
    "nn.functional.gelu": lambda x, approximate="none": hx.gelu(x, approximate),
    "nn.functional.glu": lambda x, dim=-1: hx.glu(x, dim),
    "nn.functional.hardswish": _plain(hx.hard_swish),
    "nn.functional.hardsigmoid": _plain(hx.hard_sigmoid),
    "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0, **kw: hx.clip(
        x, min_val, max_val
    ),
    "nn.functional.logsigmoid": hx.log_sigmoid,
    "nn.functional.softplus": lambda x, beta=1.0, threshold=20.0: hx.softplus(
        x, beta, threshold
    ),
    "nn.functional.softsign": lambda x: x / (1 + hx.abs(x)),
    "nn.functional.tanhshrink": lambda x: x - hx.tanh(x),
    "nn.functional.softshrink": _softshrink,
    "nn.functional.hardshrink": lambda x, lambd=0.5: hx.where(
        hx.abs(x) > lambd, x, 0.0 * x
    ),
    "nn.functional.threshold": lambda x, threshold, value, **kw: hx.where(
        x > threshold, x, value
    ),
    "nn.functional.prelu": _prelu,
    "nn.functional.linear": lambda x, w, b=None: hx.linear(x, w, b),
    "nn.functional.embedding": _embedding,
    "nn.functional.layer_norm": _layer_norm,
    "nn.functional.rms_norm": _rms_norm,
    "nn.functional.normalize": _normalize,
    "nn.functional.cosine_similarity": _cosine,
    "nn.functional.scaled_dot_product_attention": _attention,
    "nn.functional.cross_entropy": _cross_entropy,
    "nn.functional.nll_loss": _nll,
    "nn.functional.mse_loss": _loss(hx.losses.mse),
    "nn.functional.l1_loss": _loss(hx.losses.l1),
    "nn.functional.smooth_l1_loss": _loss(hx.losses.smooth_l1, "beta"),
    "nn.functional.huber_loss": _loss(hx.losses.huber, "delta"),
    "nn.functional.kl_div": _loss(hx.losses.kl_div, "log_target"),
    "nn.functional.binary_cross_entropy": _loss(hx.losses.bce, "weight"),
    "nn.functional.binary_cross_entropy_with_logits": _loss(
        hx.losses.bce_with_logits, "weight", "pos_weight"
    ),
    "nn.functional.poisson_nll_loss": _poisson,
    "nn.functional.margin_ranking_loss": _margin_ranking,
    "nn.functional.hinge_embedding_loss": _hinge_embedding,
    "nn.functional.soft_margin_loss": _soft_margin,
}

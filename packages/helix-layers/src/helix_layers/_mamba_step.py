"""One step of a whole Mamba language model as one composite.

Kernels serve it by the name ``mamba_lm_step``. Its inputs, in order: ids (batch,), the
two states of `LMState`, the embedding table, the final norm, the output projection
(absent where tied), and for each layer: norm, in_proj [bias], conv_weight [bias],
x_proj, dt_proj, its bias, A_log, D, out_proj [bias].
"""

from __future__ import annotations

from typing import Any

import helix_core as hx

from ._linear import linear


def weights(model: Any) -> tuple[Any, ...]:
    """The weights as the composite takes them."""
    out = [model.embedding.weight, model.norm.weight]
    if not model.config.tie_embeddings:
        out.append(model.head)
    for layer in model.layers:
        m = layer.mixer
        out += [layer.norm.weight, m.in_proj.weight, m.in_proj.bias]
        out += [m.conv_weight, m.conv_bias, m.x_proj.weight]
        out += [m.dt_proj.weight, m.dt_proj.bias, m.A_log, m.D]
        out += [m.out_proj.weight, m.out_proj.bias]
    return tuple([p for p in out if p is not None])


def mamba_lm_step(model: Any, ids: hx.Tensor, state: Any) -> tuple[Any, Any]:
    """Logits (batch, vocab_size) and the next state."""
    c = model.config
    logits, conv, ssm = _step(
        ids,
        *state,
        *weights(model),
        n_layers=c.n_layers,
        eps=c.norm_eps,
        tied=c.tie_embeddings,
        bias=c.bias,
        conv_bias=c.conv_bias,
    )
    return logits, type(state)(conv, ssm)


@hx.composite("mamba_lm_step")
def _step(
    ids: hx.Tensor,
    conv: hx.Tensor,
    ssm: hx.Tensor,
    *flat: hx.Tensor,
    n_layers: int,
    eps: float,
    tied: bool,
    bias: bool,
    conv_bias: bool,
) -> tuple[hx.Tensor, hx.Tensor, hx.Tensor]:
    it = iter(flat)
    table, norm_f = next(it), next(it)
    head = table if tied else next(it)
    x = hx.embedding(ids, table)
    convs, ssms = [], []
    for i in range(n_layers):
        norm, in_w = next(it), next(it)
        in_b = next(it) if bias else None
        conv_w = next(it)
        conv_b = next(it) if conv_bias else None
        x_w, dt_w, dt_b, a_log, skip = (next(it) for _ in range(5))
        out_w = next(it)
        out_b = next(it) if bias else None
        d, r, n = conv_w.shape[0], dt_w.shape[1], a_log.shape[1]
        h = linear(hx.rms_norm(x, norm, eps), in_w, in_b)
        z = h[:, d:]
        window = hx.concat([conv[i], h[:, None, :d]], 1)  # (batch, d_conv, d_inner)
        convs.append(window[:, 1:])
        u = hx.sum(window * hx.swapaxes(conv_w, 0, 1), 1)
        u = hx.silu(u if conv_b is None else u + conv_b)
        dbc = linear(u, x_w)
        dt = hx.softplus(linear(dbc[:, :r], dt_w, dt_b))
        b, c = dbc[:, r : r + n], dbc[:, r + n :]
        rates = -hx.exp(hx.swapaxes(a_log, 0, 1))  # (d_state, d_inner)
        decay = hx.exp(dt[:, None, :] * rates)
        s = decay * ssm[i] + (dt * u)[:, None, :] * b[:, :, None]
        ssms.append(s)
        y = (hx.sum(s * c[:, :, None], 1) + u * skip) * hx.silu(z)
        x = x + linear(y, out_w, out_b)
    logits = linear(hx.rms_norm(x, norm_f, eps), head)
    return logits, hx.stack(convs), hx.stack(ssms)

"""Kernels of attention and rotary embedding, served by the composites' names."""

from __future__ import annotations

from typing import Any

from helix_hal.cpu.specs import serves, single


def _call(rest: tuple[Any, ...], attrs: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """What the optional operands and attributes say, and the operands after them."""
    from helix_hal.cpu.kernels.attention_blocks import Call

    it = iter(rest)
    said: dict[str, Any] = {k: attrs[k] for k in ("causal", "window", "scale")}
    for name in ("bias", "slopes", "lengths"):
        said[name] = next(it) if attrs[name] else None
    said["half"] = attrs["compute"] == "bfloat16"
    return Call(**said), tuple(it)


@serves("attention.fwd", single)
def _attention_fwd(dev: Any, q: Any, k: Any, v: Any, *rest: Any, **attrs: Any) -> Any:
    from helix_hal.cpu.kernels.attention import attention_forward

    return attention_forward(q, k, v, _call(rest, attrs)[0])


@serves("attention", single)
def _attention(dev: Any, q: Any, k: Any, v: Any, *rest: Any, **attrs: Any) -> Any:
    from helix_hal.cpu.kernels.attention_decode import MOST, attention_decode

    if q.shape[1] * (q.shape[2] // k.shape[2]) <= MOST:
        # in float32 whatever `compute` says: the cache is read once, rounded or not
        return attention_decode(q, k, v, _call(rest, attrs)[0])[0]
    return _attention_fwd(dev, q, k, v, *rest, **attrs)[0]


@serves("attention.bwd", single)
def _attention_bwd(dev: Any, q: Any, k: Any, v: Any, *rest: Any, **attrs: Any) -> Any:
    from helix_hal.cpu.kernels.attention_backward import attention_backward

    call, (y, lse, dy) = _call(rest, attrs)
    grads = attention_backward(q, k, v, y, lse, dy, call)
    return tuple([g for g in grads if g is not None])


@serves("rotary")
@serves("rotary.fwd")
def _rotary(dev: Any, x: Any, cos: Any, sin: Any, interleaved: bool) -> Any:
    from helix_hal.cpu.kernels.rotary import rotary

    return rotary(x, cos, sin, interleaved=interleaved, back=False)


@serves("rotary.bwd")
def _rotary_bwd(
    dev: Any, cos: Any, sin: Any, y: Any, dy: Any, interleaved: bool
) -> Any:
    from helix_hal.cpu.kernels.rotary import rotary_backward

    return rotary_backward(cos, sin, y, dy, interleaved=interleaved)

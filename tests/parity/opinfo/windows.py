"""torch.nn.functional over images: convolution, pooling, norms, resampling, padding."""

import helix_core as hx


def _batched(fn, n):
    """torch lets the batch axis be absent."""

    def run(x, *args, **kwargs):
        if x.ndim == n + 1:
            return fn(x[None], *args, **kwargs)[0]
        return fn(x, *args, **kwargs)

    return run


def _max_pool(fn):
    def run(
        x,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    ):
        return fn(x, kernel_size, stride, padding, dilation, ceil_mode)

    return run


def _one(sizes):
    """torch lets one size stand for all."""
    several = isinstance(sizes, (tuple, list))
    return sizes[0] if several and len(sizes) == 1 else sizes


def _avg_pool(fn):
    def run(
        x,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        more = {} if divisor_override is None else {"divisor": divisor_override}
        stride, padding = _one(stride) or None, _one(padding)
        return fn(x, kernel_size, stride, padding, ceil_mode, count_include_pad, **more)

    return run


def _adaptive(fn, n):
    def run(x, output_size, return_indices=False):
        sizes = output_size if isinstance(output_size, tuple) else (output_size,) * n
        own = x.shape[-n:]
        return fn(
            x, tuple(o if s is None else s for s, o in zip(sizes, own, strict=True))
        )

    return run


def _batch_norm(
    x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    if training:
        return hx.batch_norm(x, weight, bias, eps)[0]
    shape = (-1, *(1,) * (x.ndim - 2))
    y = (x - hx.reshape(mean, shape)) * hx.rsqrt(hx.reshape(var, shape) + eps)
    y = y if weight is None else y * hx.reshape(weight, shape)
    return y if bias is None else y + hx.reshape(bias, shape)


def _instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None,
    use_input_stats=True, momentum=0.1, eps=1e-5,
):  # fmt: skip
    return hx.instance_norm(x, weight, bias, eps)


def _interpolate(
    x,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
):
    if recompute_scale_factor or mode == "area":
        n = x.ndim - 2
        size = [size] * n if isinstance(size, int) else size
        factors = (
            [scale_factor] * n if isinstance(scale_factor, float) else scale_factor
        )
        if size is None:
            size = [int(s * f) for s, f in zip(x.shape[2:], factors, strict=True)]
        scale_factor = None
    if mode == "area":
        return getattr(hx, f"adaptive_avg_pool{x.ndim - 2}d")(x, tuple(size))
    return hx.interpolate(
        x, size, scale_factor, mode=mode, align_corners=bool(align_corners)
    )


def _pad(mode):
    def run(x, pad, mode=mode, value=None):
        pairs = [(0, 0)] * x.ndim
        for k in range(len(pad) // 2):
            pairs[x.ndim - 1 - k] = (pad[2 * k], pad[2 * k + 1])
        return hx.pad(x, pairs, mode=mode)

    return run


MAP = {
    **{
        f"nn.functional.conv{n}d": _batched(getattr(hx, f"conv{n}d"), n)
        for n in (1, 2, 3)
    },
    **{
        f"nn.functional.conv_transpose{n}d": _batched(
            getattr(hx, f"conv_transpose{n}d"), n
        )
        for n in (1, 2, 3)
    },
    **{
        f"nn.functional.max_pool{n}d": _batched(
            _max_pool(getattr(hx, f"max_pool{n}d")), n
        )
        for n in (1, 2, 3)
    },
    **{
        f"nn.functional.avg_pool{n}d": _batched(
            _avg_pool(getattr(hx, f"avg_pool{n}d")), n
        )
        for n in (1, 2, 3)
    },
    **{
        f"nn.functional.adaptive_avg_pool{n}d": _batched(
            _adaptive(getattr(hx, f"adaptive_avg_pool{n}d"), n), n
        )
        for n in (1, 2, 3)
    },
    **{
        f"nn.functional.adaptive_max_pool{n}d": _batched(
            _adaptive(getattr(hx, f"adaptive_max_pool{n}d"), n), n
        )
        for n in (1, 2, 3)
    },
    "nn.functional.pad/replicate_negative": _pad("replicate"),
    "nn.functional.batch_norm": _batch_norm,
    "nn.functional.group_norm": lambda x, groups, weight=None, bias=None, eps=1e-5: (
        hx.group_norm(x, groups, weight, bias, eps)
    ),
    "nn.functional.instance_norm": _instance_norm,
    "nn.functional.pixel_shuffle": lambda x, upscale_factor: hx.pixel_shuffle(
        x, upscale_factor
    ),
    "nn.functional.pixel_unshuffle": lambda x, downscale_factor: hx.pixel_unshuffle(
        x, downscale_factor
    ),
    **{
        f"nn.functional.interpolate/{mode}": _interpolate
        for mode in "nearest nearest-exact linear bilinear trilinear bicubic area".split()
    },
    **{
        f"nn.functional.pad/{mode}": _pad(mode)
        for mode in ("reflect", "replicate", "circular")
    },
}

"""A warp that has a gradient."""

from __future__ import annotations

from typing import Any

import helix_core as hx
import numpy as np

_FAR = 1e30  # a cost that no finite one reaches, and whose sums stay finite


def _costs(x: hx.Tensor, y: hx.Tensor) -> hx.Tensor:
    """Squared distances (batch, n, m)."""
    d = hx.expand_dims(x, 2) - hx.expand_dims(y, 1)
    return hx.sum(d * d, -1)


def _skewed(costs: hx.Tensor) -> hx.Tensor:
    """(n + m - 1, batch, n): row k holds the anti-diagonal ``i + j = k``."""
    batch, n, m = costs.shape
    i = np.arange(n)
    j = np.arange(n + m - 1)[:, None] - i
    inside = (j >= 0) & (j < m)
    flat = np.where(inside, i * m + j, 0).reshape(-1)
    device = costs.device
    picked = hx.take(hx.reshape(costs, batch, n * m), hx.tensor(flat, device=device), 1)
    picked = hx.reshape(picked, batch, n + m - 1, n)
    picked = hx.where(hx.tensor(inside, device=device), picked, _FAR)
    return hx.moveaxis(picked, 1, 0)


def _before(r: hx.Tensor) -> hx.Tensor:
    return hx.pad(r, ((0, 0), (1, 0)), value=_FAR)[:, :-1]


def _soft_min(a: hx.Tensor, b: hx.Tensor, c: hx.Tensor, gamma: float) -> hx.Tensor:
    low = hx.minimum(hx.minimum(a, b), c)
    total = hx.exp((low - a) / gamma) + hx.exp((low - b) / gamma)
    total = total + hx.exp((low - c) / gamma)
    out: hx.Tensor = low - gamma * hx.log(total)
    return out


def _checked(name: str, x: Any, y: Any, gamma: float) -> tuple[hx.Tensor, hx.Tensor]:
    x, y = (a if isinstance(a, hx.Tensor) else hx.tensor(a) for a in (x, y))
    fits = x.ndim == y.ndim and x.ndim in (2, 3) and x.shape[-1] == y.shape[-1]
    if not fits or x.shape[:-2] != y.shape[:-2] or 0 in (*x.shape, *y.shape):
        raise hx.ShapeError(
            f"[{name}] expected x (batch, n, feature) and y (batch, m, feature), or both "
            f"without batch, none empty; got {x.shape} and {y.shape}"
        )
    if not gamma > 0:
        raise hx.HelixError(f"[{name}] expected gamma above 0; got {gamma!r}")
    return x, y


def soft_dtw(x: Any, y: Any, gamma: float = 1.0) -> hx.Tensor:
    """Soft minimum, over all warps, of the sum of squared distances along the warp.

    Parameters
    ----------
    x : Tensor (batch, n, feature), or (n, feature)
    y : Tensor (batch, m, feature), or (m, feature)
    gamma : float above 0
        Warmth: towards 0 it becomes the exact warp's cost.

    Returns
    -------
    Tensor (batch,), or () without a batch
        May be negative, and is not least where x = y: for a loss take
        `soft_dtw_divergence`.

    Notes
    -----
    Cuturi and Blondel (2017), arXiv:1703.01541. Time n + m steps of a compiled loop,
    memory O(batch (n + m) n).

    Examples
    --------
    >>> import helix_core as hx
    >>> round(soft_dtw(hx.tensor([[0.0], [1.0]]), hx.tensor([[0.0], [1.0]])).item(), 4)
    -0.5514
    """
    x, y = _checked("soft_dtw", x, y, gamma)
    single = x.ndim == 2
    if single:
        x, y = hx.expand_dims(x, 0), hx.expand_dims(y, 0)
    rows = _skewed(_costs(x, y))
    first = rows[0]
    far = hx.full_like(first, _FAR)

    def step(carry: Any, d: hx.Tensor) -> Any:
        one, two = carry  # the anti-diagonals before
        r = d + _soft_min(one, _before(one), _before(two), gamma)
        return (hx.minimum(r, _FAR), one), None

    (last, _), _ = hx.scan(step, (first, far), rows[1:])
    out: hx.Tensor = last[:, -1]
    return out[0] if single else out


def soft_dtw_divergence(x: Any, y: Any, gamma: float = 1.0) -> hx.Tensor:
    """``s(x, y) - (s(x, x) + s(y, y)) / 2`` of `soft_dtw`: 0 at x = y, else above.

    Parameters and result as of `soft_dtw`.

    Notes
    -----
    Blondel, Mensch and Vert (2021), arXiv:2010.08354.

    Examples
    --------
    >>> import helix_core as hx
    >>> x = hx.tensor([[0.0], [1.0]])
    >>> soft_dtw_divergence(x, x).item()
    0.0
    """
    x, y = _checked("soft_dtw_divergence", x, y, gamma)
    own = soft_dtw(x, x, gamma) + soft_dtw(y, y, gamma)
    return soft_dtw(x, y, gamma) - own * 0.5

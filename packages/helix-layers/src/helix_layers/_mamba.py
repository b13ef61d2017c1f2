"""The Mamba block: selective state spaces (Gu and Dao, arXiv:2312.00752)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import helix_core as hx

from ._block import Block
from ._check import LayerError, own_state, positive, sequence
from ._linear import Linear, linear
from ._normalisation import RMSNorm


class MambaState(NamedTuple):
    """What a Mamba block remembers: the same size after any number of steps.

    Attributes
    ----------
    conv : Tensor (batch, d_conv - 1, d_inner)
        The last inputs of the convolution.
    ssm : Tensor (batch, d_inner, d_state)
    """

    conv: hx.Tensor
    ssm: hx.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizes:
    """How the step sizes are drawn at first: log-uniform in [low, high]."""

    low: float = 1e-3
    high: float = 1e-1
    floor: float = 1e-4
    scale: float = 1.0


class MambaMixer(hx.Module):
    """Projection, short convolution, selective scan, gate, projection.

    Parameters
    ----------
    d_model : int
    d_state : int
        States of each channel.
    d_conv : int
        Length of the causal convolution.
    expand : int
        ``d_inner = expand * d_model``.
    dt_rank : int, optional
        Rank of the step size projection; ``ceil(d_model / 16)`` by default.
    bias, conv_bias : bool
        Of the two large projections, and of the convolution.
    steps : StepSizes
    depth : int
        Blocks in the model: ``out_proj`` is drawn smaller by the root of it.

    Attributes
    ----------
    in_proj : Linear, rows [x; z]
    conv_weight : Parameter (d_inner, d_conv)
    x_proj : Linear, rows [dt; B; C]
    dt_proj : Linear (d_inner, dt_rank)
        Its bias is added inside the scan, before the softplus.
    A_log : Parameter (d_inner, d_state)
    D : Parameter (d_inner,)
    out_proj : Linear
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | None = None,
        bias: bool = False,
        conv_bias: bool = True,
        steps: StepSizes | None = None,
        depth: int = 1,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        self.d_model = positive("Mamba", "d_model", d_model)
        self.d_state = positive("Mamba", "d_state", d_state)
        self.d_conv = positive("Mamba", "d_conv", d_conv)
        self.d_inner = positive("Mamba", "expand", expand) * d_model
        rank = math.ceil(d_model / 16) if dt_rank is None else dt_rank
        self.dt_rank = positive("Mamba", "dt_rank", rank)
        steps = steps or StepSizes()
        if not 0.0 < steps.low <= steps.high:
            raise LayerError(
                f"[Mamba] expected 0 < low <= high step sizes; got {steps.low}, "
                f"{steps.high}"
            )
        where = {"device": device, "dtype": dtype, "generator": generator}
        d, n = self.d_inner, self.d_state
        self.in_proj = Linear(d_model, 2 * d, bias, **where)
        bound = 1.0 / math.sqrt(d_conv)
        w = hx.init.uniform((d, d_conv), -bound, bound, **where)
        self.conv_weight = hx.Parameter(w, "conv_weight")
        self.conv_bias: hx.Parameter | None = None
        dtype = dtype or hx.float32
        if conv_bias:
            b = hx.zeros((d,), dtype=dtype, device=device)
            self.conv_bias = hx.Parameter(b, "conv_bias", decay=False)
        self.x_proj = Linear(d, self.dt_rank + 2 * n, False, **where)
        self.dt_proj = Linear(self.dt_rank, d, True, **where)
        self._draw_steps(steps, where)
        rates = hx.log(hx.arange(1, n + 1, dtype=dtype, device=device))
        self.A_log = hx.Parameter(hx.broadcast_to(rates, (d, n)), "A_log", decay=False)
        ones = hx.ones((d,), dtype=dtype, device=device)
        self.D = hx.Parameter(ones, "D", decay=False)
        self.out_proj = Linear(d, d_model, bias, **where)
        self.out_proj.weight.value = self.out_proj.weight.value / math.sqrt(depth)

    def _draw_steps(self, steps: StepSizes, where: dict[str, Any]) -> None:
        bound = self.dt_rank**-0.5 * steps.scale
        shape = (self.d_inner, self.dt_rank)
        self.dt_proj.weight.value = hx.init.uniform(shape, -bound, bound, **where)
        low, high = math.log(steps.low), math.log(steps.high)
        dt = hx.exp(hx.init.uniform((self.d_inner,), low, high, **where))
        dt = hx.maximum(dt, steps.floor)
        assert self.dt_proj.bias is not None
        # the softplus of the bias is dt
        self.dt_proj.bias.value = dt + hx.log(-hx.expm1(-dt))

    def forward(
        self, x: Any, state: MambaState | None = None, return_state: bool = False
    ) -> Any:
        """(batch, time, d_model) to the same.

        Parameters
        ----------
        state : MambaState, optional
            What came before; nothing by default.
        return_state : bool
            Also return the state after the last step.
        """
        sequence("Mamba", x, self.d_model)
        own_state("Mamba", MambaState, state, self._shapes(x.shape[0]))
        d, r, n = self.d_inner, self.dt_rank, self.d_state
        w, bias = self.in_proj.weight.value, self.in_proj.bias
        # two products, so that both halves are contiguous
        u = linear(x, w[:d], None if bias is None else bias.value[:d])
        z = linear(x, w[d:], None if bias is None else bias.value[d:])
        u, conv = hx.causal_conv1d(
            u,
            self.conv_weight,
            self.conv_bias,
            activation="silu",
            state=None if state is None else state.conv,
            return_state=True,
        )
        dbc = self.x_proj(u)
        dt = linear(dbc[..., :r], self.dt_proj.weight)
        y, ssm = hx.selective_scan(
            u,
            dt,
            -hx.exp(self.A_log.value),
            dbc[..., r : r + n],
            dbc[..., r + n :],
            self.D,
            z,
            self.dt_proj.bias,
            None if state is None else state.ssm,
            return_state=True,
        )
        out = self.out_proj(y)
        return (out, MambaState(conv, ssm)) if return_state else out

    def initial_state(self, batch: int) -> MambaState:
        """The state before the first step: zeros."""
        where = {"dtype": self.D.aval.dtype, "device": self.D.device}
        return MambaState(*[hx.zeros(shape, **where) for shape in self._shapes(batch)])

    def _shapes(self, batch: int) -> list[tuple[int, ...]]:
        """Of the parts of a state."""
        conv = (batch, self.d_conv - 1, self.d_inner)
        return [conv, (batch, self.d_inner, self.d_state)]


class MambaBlock(Block):
    """A residual Mamba layer: ``x + mixer(norm(x))``.

    Parameters
    ----------
    d_model : int
    norm_eps : float
    depth : int
        Blocks in the model; see `MambaMixer`.
    **settings
        Of `MambaMixer`.

    Examples
    --------
    >>> import helix_core as hx
    >>> block = MambaBlock(32)
    >>> y, state = block(hx.ones((1, 5, 32)), return_state=True)
    >>> y.shape, state.ssm.shape
    ((1, 5, 32), (1, 64, 16))
    """

    def __init__(
        self, d_model: int, norm_eps: float = 1e-5, depth: int = 1, **settings: Any
    ) -> None:
        where = {k: settings[k] for k in ("device", "dtype") if k in settings}
        super().__init__(
            RMSNorm(d_model, norm_eps, **where),
            MambaMixer(d_model, depth=depth, **settings),
        )

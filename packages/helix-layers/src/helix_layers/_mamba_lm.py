"""A language model of Mamba blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import helix_core as hx

from ._check import positive, token_ids
from ._config import Config
from ._embedding import Embedding
from ._lm import LanguageModel
from ._mamba import MambaBlock, MambaState, StepSizes
from ._mamba_step import mamba_lm_step
from ._normalisation import RMSNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class MambaConfig(Config):
    """Sizes of a `MambaLM`; see `MambaMixer` for those of a block.

    Attributes
    ----------
    vocab_size, d_model, n_layers : int
    tie_embeddings : bool
        The output projection is the embedding table.
    embedding_std : float
    """

    vocab_size: int = 256
    d_model: int = 128
    n_layers: int = 4
    d_state: int = 16
    d_conv: int = 4
    expand: int = 2
    dt_rank: int | None = None
    bias: bool = False
    conv_bias: bool = True
    norm_eps: float = 1e-5
    tie_embeddings: bool = True
    embedding_std: float = 0.02
    dt_min: float = 1e-3
    dt_max: float = 1e-1
    dt_floor: float = 1e-4
    dt_scale: float = 1.0


class LMState(NamedTuple):
    """The states of all layers, one above the other, channels last.

    Attributes
    ----------
    conv : Tensor (layer, batch, d_conv - 1, d_inner)
    ssm : Tensor (layer, batch, d_state, d_inner)
    """

    conv: hx.Tensor
    ssm: hx.Tensor

    @classmethod
    def of(cls, states: list[MambaState]) -> LMState:
        """The states of the layers, in order."""
        conv, ssm = zip(*states, strict=True)
        return cls(hx.stack(conv), hx.swapaxes(hx.stack(ssm), 2, 3))

    def layer(self, i: int) -> MambaState:
        """The state of layer i."""
        return MambaState(self.conv[i], hx.swapaxes(self.ssm[i], 1, 2))


class MambaLM(LanguageModel):
    """Embedding, Mamba blocks, norm, output projection.

    Parameters
    ----------
    config : MambaConfig
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Examples
    --------
    >>> import helix_core as hx
    >>> model = MambaLM(MambaConfig(d_model=32, n_layers=2))
    >>> model(hx.zeros((1, 7), dtype=hx.int32)).shape
    (1, 7, 256)
    >>> len(model.generate(b"def ", 8, seed=0))
    8
    """

    def __init__(
        self,
        config: MambaConfig,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config
        positive("MambaLM", "n_layers", c.n_layers)
        where = {"device": device, "dtype": dtype}
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.embedding_std, generator=generator, **where
        )
        self.layers = [
            MambaBlock(
                c.d_model,
                c.norm_eps,
                d_state=c.d_state,
                d_conv=c.d_conv,
                expand=c.expand,
                dt_rank=c.dt_rank,
                bias=c.bias,
                conv_bias=c.conv_bias,
                steps=StepSizes(
                    low=c.dt_min, high=c.dt_max, floor=c.dt_floor, scale=c.dt_scale
                ),
                depth=c.n_layers,
                generator=generator,
                **where,
            )
            for _ in range(c.n_layers)
        ]
        self.norm = RMSNorm(c.d_model, c.norm_eps, **where)
        self.head = self.make_head(c.embedding_std, generator=generator, **where)

    # ---------------------------------------------------------------------- streaming
    def join(self, states: list[MambaState]) -> LMState:
        return LMState.of(states)

    def parts(self, state: LMState) -> list[MambaState]:
        return [state.layer(i) for i in range(state.conv.shape[0])]

    def step(self, ids: Any, state: LMState) -> tuple[Any, LMState]:
        """Read one more id of each sequence: one fused call, of constant cost.

        Parameters
        ----------
        ids : Tensor (batch,) of int
        state : LMState

        Returns
        -------
        Tensor (batch, vocab_size), LMState
        """
        ids = hx.as_tensor(ids)
        token_ids("MambaLM.step", ids, 1, "batch")
        return mamba_lm_step(self, ids, state)

    # --------------------------------------------------------------------------- files
    @classmethod
    def from_transformers(cls, folder: str | Path, *, device: Any = None) -> MambaLM:
        """Read a folder that transformers' ``MambaForCausalLM`` saved."""
        from ._mamba_files import load

        return load(folder, device)

    def save_transformers(self, folder: str | Path) -> None:
        """Write a folder that transformers' ``MambaForCausalLM`` reads."""
        from ._mamba_files import save

        save(self, folder)


def build(config: dict[str, Any]) -> MambaLM:
    """The factory behind the name ``mamba_lm``."""
    return MambaLM(MambaConfig.from_dict(config))

"""A language model of Mamba blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import helix_core as hx

from ._check import LayerError, positive, token_ids
from ._embedding import Embedding
from ._linear import linear
from ._mamba import MambaBlock, MambaState, StepSizes
from ._mamba_step import mamba_lm_step
from ._normalisation import RMSNorm
from ._sampling import Sampler, generate


@dataclass(frozen=True, slots=True, kw_only=True)
class MambaConfig:
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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MambaConfig:
        """A configuration from plain values, such as JSON.

        Raises
        ------
        LayerError
            For a name that is none of the fields.
        """
        known = [f.name for f in fields(cls)]
        unknown = [k for k in values if k not in known]
        if unknown:
            raise LayerError(
                f"[MambaLM] expected settings of {', '.join(known)}; got "
                f"{', '.join(unknown)}"
            )
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


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


class MambaLM(hx.Module):
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
        self.head = self.embedding.weight
        if not c.tie_embeddings:
            shape = (c.vocab_size, c.d_model)
            w = hx.init.normal(
                shape, 0.0, c.embedding_std, generator=generator, **where
            )
            self.head = hx.Parameter(w, "head")

    # ------------------------------------------------------------------ whole sequences
    def hidden(
        self, ids: Any, state: LMState | None = None, return_state: bool = False
    ) -> Any:
        """Features before the output projection, (batch, time, d_model)."""
        ids = hx.as_tensor(ids)
        token_ids("MambaLM", ids, 2, "batch, time")
        x, residual = self.embedding(ids), None
        states: list[MambaState] = []
        for i, layer in enumerate(self.layers):
            old = None if state is None else state.layer(i)
            x, residual = layer.branch(x, residual, old, return_state)
            if return_state:
                x, new = x
                states.append(new)
        h, _ = self.norm(x, residual)
        if not return_state:
            return h
        return h, LMState.of(states)

    def forward(self, ids: Any) -> hx.Tensor:
        """Logits of what follows each place.

        Parameters
        ----------
        ids : Tensor (batch, time) of int

        Returns
        -------
        Tensor (batch, time, vocab_size)
        """
        return linear(self.hidden(ids), self.head)

    def loss(self, ids: Any, labels: Any) -> hx.Tensor:
        """Mean cross-entropy [nats] of the labels, without holding all logits.

        Parameters
        ----------
        ids, labels : Tensor (batch, time) of int
            ``labels[:, t]`` is what follows ``ids[:, t]``; -100 does not count.
        """
        h = self.hidden(ids)
        rows = hx.reshape(h, (-1, self.config.d_model))
        labels = hx.reshape(hx.as_tensor(labels), (-1,))
        return hx.linear_cross_entropy(rows, self.head, labels)

    # ---------------------------------------------------------------------- streaming
    def initial_state(self, batch: int = 1) -> LMState:
        """The state before the first byte."""
        return LMState.of([x.mixer.initial_state(batch) for x in self.layers])

    def prefill(self, ids: Any, state: LMState | None = None) -> tuple[Any, LMState]:
        """Read a sequence at once.

        Parameters
        ----------
        ids : Tensor (batch, time) of int, time >= 1
        state : LMState, optional
            Of what came before.

        Returns
        -------
        Tensor (batch, vocab_size), LMState
            Logits of what follows, and the state to go on from.
        """
        h, state = self.hidden(ids, state, return_state=True)
        if h.shape[1] == 0:
            raise LayerError("[MambaLM.prefill] expected at least one id; got none")
        return linear(h[:, -1], self.head), state

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

    def stream(
        self,
        prompt: Sequence[int],
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Iterator[int]:
        """Ids that follow a prompt, endlessly; see `generate`."""
        return generate(self, prompt, Sampler(temperature, top_k, top_p, seed))

    def generate(
        self,
        prompt: Sequence[int],
        count: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        stop: int | None = None,
    ) -> list[int]:
        """Continue a prompt.

        Parameters
        ----------
        prompt : sequence of int, or bytes
            At least one id.
        count : int
            Ids to make.
        temperature : float
            0 takes the most probable id each time.
        top_k : int, optional
            Only the k most probable ids.
        top_p : float, optional
            Only the most probable ids that hold this share together (arXiv:1904.09751).
        seed : int
            The same seed gives the same ids.
        stop : int, optional
            End after this id.
        """
        out: list[int] = []
        for i in self.stream(prompt, temperature, top_k, top_p, seed):
            if len(out) >= count:
                break
            out.append(i)
            if i == stop:
                break
        return out

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

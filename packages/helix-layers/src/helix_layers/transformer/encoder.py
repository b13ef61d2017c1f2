"""Bidirectional encoders, as BERT: features of places, and of whole sentences."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helix_core as hx

from .._check import LayerError, positive, token_ids
from .._config import Config
from .._dropout import Dropout
from .._embedding import Embedding
from .._normalisation import LayerNorm
from .attention import AttentionMixer
from .block import PostNormBlock
from .mlp import MLP, dropped, projection
from .positions import LearnedPositions

POOLINGS = ("mean", "cls", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig(Config):
    """Sizes of an `Encoder`; the defaults are those of BERT base.

    Attributes
    ----------
    vocab_size, d_model, n_layers, n_heads, d_ff : int
    mlp : str
        The activation of `MLP`.
    max_positions : int
    n_types : int
        Kinds of tokens: the first sentence, and the second.
    norm_eps : float
    pooler : bool
        Whether there is a layer for `Encoder.pooled`.
    dropout : float
        Of embeddings and of what each layer adds. Attention weights are not dropped.
    std : float
        Deviation of the normal that draws weights; biases are zeros.
    """

    vocab_size: int = 30522
    d_model: int = 768
    n_layers: int = 12
    n_heads: int = 12
    d_ff: int = 3072
    mlp: str = "gelu"
    max_positions: int = 512
    n_types: int = 2
    norm_eps: float = 1e-12
    pooler: bool = True
    dropout: float = 0.1
    std: float = 0.02


class EncoderBlock(hx.Module):
    """Attention in both directions, then a feed-forward layer; norms come after.

    Parameters
    ----------
    config : EncoderConfig
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    attention, mlp : PostNormBlock
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c, at = config, {"device": device, "dtype": dtype}
        where = {**at, "generator": generator}
        shared = {"dropout": c.dropout, "std": c.std, **where}
        self.attention = PostNormBlock(
            LayerNorm(c.d_model, c.norm_eps, **at),
            AttentionMixer(
                c.d_model,
                c.n_heads,
                causal=False,
                bias=True,
                out_bias=True,
                rotary=False,
                **shared,
            ),
        )
        self.mlp = PostNormBlock(
            LayerNorm(c.d_model, c.norm_eps, **at),
            MLP(c.d_model, c.d_ff, c.mlp, **shared),
        )

    def forward(self, x: Any, lengths: Any = None) -> Any:
        """(batch, time, d_model) to the same; places from ``lengths`` on are not seen."""
        return self.mlp(self.attention(x, lengths=lengths))


class Encoder(hx.Module):
    """A bidirectional encoder (Devlin et al., arXiv:1810.04805).

    Parameters
    ----------
    config : EncoderConfig
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    embedding, types : Embedding
    positions : LearnedPositions
    norm : LayerNorm
        Of the sum of the three.
    layers : list of EncoderBlock
    pooler : Linear or None

    Examples
    --------
    >>> import helix_core as hx
    >>> sizes = {"vocab_size": 50, "d_model": 16, "n_layers": 2, "n_heads": 2, "d_ff": 32}
    >>> model = Encoder(EncoderConfig(**sizes)).eval()
    >>> ids = hx.tensor([[4, 8, 1], [7, 0, 0]])
    >>> model(ids).shape
    (2, 3, 16)
    >>> model.sentences(ids, lengths=hx.tensor([3, 1])).shape
    (2, 16)
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config
        positive("Encoder", "n_layers", c.n_layers)
        at = {"device": device, "dtype": dtype}
        where = {**at, "generator": generator}
        self.embedding = Embedding(c.vocab_size, c.d_model, c.std, **where)
        self.types = Embedding(c.n_types, c.d_model, c.std, **where)
        self.positions = LearnedPositions(c.max_positions, c.d_model, c.std, **where)
        self.norm = LayerNorm(c.d_model, c.norm_eps, **at)
        self.dropout = Dropout(c.dropout, generator=generator)
        self.layers = [EncoderBlock(c, **where) for _ in range(c.n_layers)]
        self.pooler = (
            projection(c.d_model, c.d_model, True, c.std, where) if c.pooler else None
        )

    def forward(self, ids: Any, lengths: Any = None, types: Any = None) -> Any:
        """Features of every place, (batch, time, d_model).

        Parameters
        ----------
        ids : Tensor (batch, time) of int
        lengths : Tensor (batch,) of int, optional
            Places at or after it are padding, and are not seen.
        types : Tensor (batch, time) of int, optional
            The kind of each token; 0 by default.
        """
        ids = hx.as_tensor(ids)
        token_ids("Encoder", ids, 2, "batch, time")
        if types is None:
            kinds: Any = self.types.weight.value[0]
        else:
            types = hx.as_tensor(types)
            token_ids("Encoder", types, 2, "batch, time")
            if types.shape != ids.shape:
                raise hx.ShapeError(
                    f"[Encoder] expected types of the shape of ids={tuple(ids.shape)}; "
                    f"got {tuple(types.shape)}"
                )
            kinds = self.types(types)
        x = self.norm(self.positions(self.embedding(ids) + kinds))
        x = dropped(self.dropout, x)
        for layer in self.layers:
            x = layer(x, lengths)
        return x

    def pooled(self, h: Any) -> hx.Tensor:
        """BERT's summary of features: ``tanh`` of a projection of the first place.

        Parameters
        ----------
        h : Tensor (batch, time, d_model), time >= 1
        """
        if self.pooler is None or h.shape[1] == 0:
            raise LayerError(
                "[Encoder.pooled] expected a model with a pooler, and at least one "
                f"place; got pooler={self.config.pooler}, h.shape={tuple(h.shape)}"
            )
        return hx.linear(
            h[:, 0], self.pooler.weight, self.pooler.bias, activation="tanh"
        )

    def sentences(
        self,
        ids: Any,
        lengths: Any = None,
        types: Any = None,
        *,
        pooling: str = "mean",
        normalise: bool = True,
    ) -> hx.Tensor:
        """One vector for each sequence, as sentence-transformers' (arXiv:1908.10084).

        Parameters
        ----------
        ids, lengths, types
            As for the call.
        pooling : {"mean", "cls", "max"}
            Of the features of all places before ``lengths``, or the first place alone.
        normalise : bool
            Give every vector length 1: products are cosines.

        Returns
        -------
        Tensor (batch, d_model)
            The mean of no place is zero.
        """
        if pooling not in POOLINGS:
            raise LayerError(
                f"[Encoder.sentences] expected pooling of {', '.join(POOLINGS)}; got "
                f"{pooling!r}"
            )
        h = self(ids, lengths, types)
        t = h.shape[1]
        if t == 0 and pooling != "mean":
            raise LayerError(
                f"[Encoder.sentences] expected at least one place for pooling "
                f"{pooling!r}; got ids (batch, 0)"
            )
        y: hx.Tensor = h[:, 0] if pooling == "cls" else _pool(h, lengths, pooling)
        if not normalise:
            return y
        unit: hx.Tensor = y * hx.rsqrt(hx.maximum(hx.sum(y * y, -1, True), 1e-24))
        return unit

    # --------------------------------------------------------------------------- files
    @classmethod
    def from_transformers(cls, folder: str | Path, *, device: Any = None) -> Encoder:
        """Read a folder that transformers' ``BertModel`` saved (BERT, MiniLM).

        Raises
        ------
        FileError
            Naming the field of ``config.json`` that asks for what is not computed here.
        StateDictError
            Naming all weights that are missing, unexpected, or of another shape.

        Notes
        -----
        Dropout of attention weights is not computed: ``attention_probs_dropout_prob``
        counts as zero.
        """
        from .files_bert import load

        return load(folder, device)

    def save_transformers(self, folder: str | Path) -> None:
        """Write a folder that transformers' ``BertModel`` reads."""
        from .files_bert import save

        save(self, folder)


def _pool(h: Any, lengths: Any, pooling: str) -> Any:
    t = h.shape[1]
    if lengths is None:
        return hx.sum(h, 1) / max(t, 1) if pooling == "mean" else hx.max(h, 1)
    lengths = hx.reshape(hx.as_tensor(lengths), (-1, 1, 1))
    places = hx.reshape(hx.arange(t, device=h.device), (1, t, 1))
    live = places < lengths
    if pooling == "max":
        return hx.max(hx.where(live, h, float("-inf")), 1)
    counted = hx.maximum(hx.minimum(lengths, t), 1)[:, 0]
    return hx.sum(hx.where(live, h, 0.0), 1) / hx.cast(counted, h.dtype)


def build(config: dict[str, Any]) -> Encoder:
    """The factory behind the name ``encoder``."""
    return Encoder(EncoderConfig.from_dict(config))

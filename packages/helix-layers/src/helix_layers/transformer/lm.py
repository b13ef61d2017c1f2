"""A language model of Transformer blocks: like GPT-2, Llama, or between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from .._check import LayerError, positive
from .._config import Config
from .._dropout import Dropout
from .._embedding import Embedding
from .._lm import LanguageModel
from .attention import KVState, heads
from .block import TransformerBlock, make_norm
from .mlp import dropped, width
from .positions import KINDS, LearnedPositions, Rotary, Sinusoids, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig(Config):
    """Sizes and kinds of a `TransformerLM`.

    Attributes
    ----------
    vocab_size, d_model, n_layers : int
    n_heads, n_kv_heads, d_head, window
        Of `AttentionMixer`.
    d_ff : int or None
    mlp : str
        The activation of `MLP`.
    norm : {"rms_norm", "layer_norm"}
    norm_eps : float
    positions : {"rotary", "learned", "sinusoidal", "alibi", "none"}
    max_positions : int
        Rows of learned positions; the length that rotary scalings stretch.
    rope_theta, rope_dim, rope_scaling, rope_interleaved
        Of `Rotary`; ``rope_dim`` features of each head turn, all by default.
    bias : bool
        Of all projections, but where one of the next says otherwise.
    qkv_bias, out_bias, mlp_bias : bool or None
    qk_norm : bool
        RMS norms of every query and key.
    parallel : bool
        Attention and MLP side by side (GPT-NeoX).
    tie_embeddings : bool
        The output projection is the embedding table.
    dropout : float
        Of embeddings and of what each layer adds.
    std : float
        Deviation of the normal that draws weights (GPT-2: 0.02; projections back into
        the residual smaller by the root of twice the layers; biases zero).
    """

    vocab_size: int = 256
    d_model: int = 128
    n_layers: int = 4
    n_heads: int = 4
    n_kv_heads: int | None = None
    d_head: int | None = None
    d_ff: int | None = None
    mlp: str = "swiglu"
    norm: str = "rms_norm"
    norm_eps: float = 1e-5
    positions: str = "rotary"
    max_positions: int = 1024
    window: int | None = None
    rope_theta: float = 10_000.0
    rope_dim: int | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_interleaved: bool = False
    bias: bool = False
    qkv_bias: bool | None = None
    out_bias: bool | None = None
    mlp_bias: bool | None = None
    qk_norm: bool = False
    parallel: bool = False
    tie_embeddings: bool = True
    dropout: float = 0.0
    std: float = 0.02


class TransformerLM(LanguageModel):
    """Embedding, Transformer blocks, norm, output projection.

    Parameters
    ----------
    config : TransformerConfig
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    positions : LearnedPositions, Sinusoids or None
        What is added to the embeddings.

    Notes
    -----
    The state is a tuple with a `KVState` for each layer.

    Examples
    --------
    >>> import helix_core as hx
    >>> model = TransformerLM(TransformerConfig(d_model=32, n_layers=2))
    >>> model(hx.zeros((1, 7), dtype=hx.int32)).shape
    (1, 7, 256)
    >>> len(model.generate(b"def ", 8, seed=0))
    8
    """

    def __init__(
        self,
        config: TransformerConfig,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config
        positive("TransformerLM", "n_layers", c.n_layers)
        if c.positions not in KINDS:
            raise LayerError(
                f"[TransformerLM] expected positions of {', '.join(KINDS)}; got "
                f"{c.positions!r}"
            )
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.embedding = Embedding(c.vocab_size, c.d_model, c.std, **where)
        self.positions: Any = None
        if c.positions == "learned":
            self.positions = LearnedPositions(
                c.max_positions, c.d_model, c.std, **where
            )
        elif c.positions == "sinusoidal":
            self.positions = Sinusoids(c.d_model)
        self.dropout = Dropout(c.dropout, generator=generator)
        attention, mlp = _settings(c)
        self.layers = [
            TransformerBlock(
                c.d_model,
                c.norm,
                c.norm_eps,
                c.parallel,
                c.n_layers,
                attention,
                mlp,
                **where,
            )
            for _ in range(c.n_layers)
        ]
        self.norm = make_norm(c.norm, c.d_model, c.norm_eps, where)
        self.head = self.make_head(c.std, **where)

    def embed(self, ids: Any, state: Any) -> Any:
        x = self.embedding(ids)
        if self.positions is not None:
            x = self.positions(x, 0 if state is None else self._start(state))
        return dropped(self.dropout, x)

    def _start(self, state: Any) -> int:
        first = state[0] if isinstance(state, tuple) and state else None
        if not isinstance(first, KVState):
            raise LayerError(
                "[TransformerLM] expected a state of initial_state, prefill or step; got "
                f"a {type(state).__name__}. Hint: it belongs to another model"
            )
        return int(first.position.item())

    # --------------------------------------------------------------------------- files
    @classmethod
    def from_transformers(
        cls, folder: str | Path, *, device: Any = None
    ) -> TransformerLM:
        """Read a folder that transformers saved.

        GPT-2, GPT-NeoX (Pythia), Llama, Mistral, Qwen2 or Qwen3.

        Raises
        ------
        FileError
            Naming the field of ``config.json`` that asks for what is not computed here.
        StateDictError
            Naming all weights that are missing, unexpected, or of another shape.

        Notes
        -----
        Dropout of attention weights is not computed: ``attn_pdrop`` and
        ``attention_dropout`` count as zero.
        """
        from .files import load

        return load(folder, device)

    def save_transformers(self, folder: str | Path) -> None:
        """Write a folder that transformers reads, as one of `from_transformers`.

        Raises
        ------
        FileError
            Where the configuration is none of these.
        """
        from .files import save

        save(self, folder)


def resolved(c: TransformerConfig) -> TransformerConfig:
    """The same with every default written out, and what is not read as by default."""
    _, g, d = heads("TransformerLM", c.d_model, c.n_heads, c.n_kv_heads, c.d_head)
    biases = [c.bias if b is None else b for b in (c.qkv_bias, c.out_bias, c.mlp_bias)]
    plain = TransformerConfig()
    turned, scaling = c.positions == "rotary", checked(c.rope_scaling)
    return replace(
        c,
        n_kv_heads=g,
        d_head=d,
        d_ff=width(c.d_model, c.d_ff, c.mlp),
        rope_theta=c.rope_theta if turned else plain.rope_theta,
        rope_dim=d if c.rope_dim is None or not turned else c.rope_dim,
        rope_scaling=scaling if turned else None,
        rope_interleaved=turned and c.rope_interleaved,
        bias=False,
        qkv_bias=biases[0],
        out_bias=biases[1],
        mlp_bias=biases[2],
    )


def _settings(c: TransformerConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of every block's attention and MLP; rotary tables are shared by all blocks."""
    c = resolved(c)
    rotary: Any = False
    if c.positions == "rotary":
        rotary = Rotary(
            cast(int, c.rope_dim),
            c.rope_theta,
            c.rope_scaling,
            c.max_positions,
            c.rope_interleaved,
        )
    attention = {
        "n_heads": c.n_heads,
        "n_kv_heads": c.n_kv_heads,
        "d_head": c.d_head,
        "window": c.window,
        "bias": c.qkv_bias,
        "out_bias": c.out_bias,
        "qk_norm": c.qk_norm,
        "rotary": rotary,
        "alibi": c.positions == "alibi",
        "dropout": c.dropout,
        "std": c.std,
    }
    mlp = {
        "d_ff": c.d_ff,
        "activation": c.mlp,
        "bias": c.mlp_bias,
        "dropout": c.dropout,
        "std": c.std,
    }
    return attention, mlp


def build(config: dict[str, Any]) -> TransformerLM:
    """The factory behind the name ``transformer_lm``."""
    return TransformerLM(TransformerConfig.from_dict(config))

"""A language model of Hyena blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helix_core as hx
import numpy as np

from .._check import LayerError, positive
from .._config import Config
from .._embedding import Embedding
from .._linear import Linear
from .._lm import LanguageModel
from .._normalisation import LayerNorm
from .._sampling import Sampler
from ._block import HyenaBlock
from ._infill import free_of, sentinels


@dataclass(frozen=True, slots=True, kw_only=True)
class HyenaConfig(Config):
    """Sizes of a `HyenaLM`; see `HyenaMixer` and `HyenaFilter` for those of a block.

    The defaults of the filter are HyenaDNA's.

    Attributes
    ----------
    vocab_size, d_model, n_layers : int
    l_max : int
        Longest sequence.
    d_inner : int, optional
        4 d_model by default.
    tie_embeddings : bool
        The output projection is the embedding table.
    init_std : float
        Of embeddings and of the weights of all linear layers; those that end a residual
        branch are smaller by sqrt(2 n_layers).
    infill_ids : three ints, optional
        Sentinels in front of prefix, suffix and span; see `to_infill`.
    """

    vocab_size: int = 256
    d_model: int = 128
    n_layers: int = 2
    l_max: int = 1024
    d_inner: int | None = None
    order: int = 2
    d_conv: int = 3
    filter_width: int = 64
    emb_dim: int = 5
    inner_layers: int = 2
    freq: float = 10.0
    shift: float = 0.05
    layout: str = "od"
    learned_positions: bool = False
    dropout: float = 0.0
    norm_eps: float = 1e-5
    tie_embeddings: bool = True
    init_std: float = 0.02
    infill_ids: tuple[int, int, int] | None = None


class HyenaLM(LanguageModel):
    """Embedding, Hyena blocks, norm, output projection.

    Parameters
    ----------
    config : HyenaConfig
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Examples
    --------
    >>> import helix_core as hx
    >>> model = HyenaLM(HyenaConfig(d_model=32, l_max=64))
    >>> model(hx.zeros((1, 7), dtype=hx.int32)).shape
    (1, 7, 256)
    """

    def __init__(
        self,
        config: HyenaConfig,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        c = self.config = config
        positive("HyenaLM", "n_layers", c.n_layers)
        if c.infill_ids is not None:
            sentinels("HyenaLM", c.infill_ids, c.vocab_size)
        where = {"device": device, "dtype": dtype}
        self.embedding = Embedding(
            c.vocab_size, c.d_model, c.init_std, generator=generator, **where
        )
        self.layers = [
            HyenaBlock(
                *(c.d_model, c.l_max, c.d_inner, c.norm_eps),
                order=c.order,
                d_conv=c.d_conv,
                filter_width=c.filter_width,
                emb_dim=c.emb_dim,
                inner_layers=c.inner_layers,
                freq=c.freq,
                shift=c.shift,
                layout=c.layout,
                learned_positions=c.learned_positions,
                dropout=c.dropout,
                generator=generator,
                **where,
            )
            for _ in range(c.n_layers)
        ]
        for layer in self.layers:
            self._draw(layer, {**where, "generator": generator})
        self.norm = LayerNorm(c.d_model, c.norm_eps, **where)
        self.head = self.make_head(c.init_std, generator=generator, **where)

    def _draw(self, layer: HyenaBlock, where: dict[str, Any]) -> None:
        ends = (layer.mixer.out_proj, layer.fc2)
        for m in layer.modules():
            if isinstance(m, Linear):
                std = self.config.init_std
                if any(m is end for end in ends):
                    std /= math.sqrt(2 * self.config.n_layers)
                m.weight.value = hx.init.normal(m.weight.shape, 0.0, std, **where)
                if m.bias is not None:
                    m.bias.value = hx.zeros_like(m.bias.value)

    # -------------------------------------------------------------------------- infill
    def infill(
        self,
        prefix: Sequence[int],
        suffix: Sequence[int],
        length: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> list[int]:
        """Ids between a prefix and a suffix.

        Parameters
        ----------
        prefix, suffix : sequence of int, or bytes
            Either may be empty.
        length : int
            Ids to make; never a sentinel.
        temperature, top_k, top_p, seed
            See `generate`.

        Raises
        ------
        LayerError
            If the model has no ``infill_ids``, or all is longer than ``l_max``.

        Notes
        -----
        The model must have been trained on `infill_pair`: then it has learned to write
        behind the third sentinel what belongs between.
        """
        size = self.config.vocab_size
        marks = sentinels("HyenaLM.infill", self.config.infill_ids, size)
        before = free_of("HyenaLM.infill", "a prefix", prefix, marks)
        after = free_of("HyenaLM.infill", "a suffix", suffix, marks)
        both = np.concatenate([before, after])
        if both.size and not 0 <= both.min() <= both.max() < size:
            raise LayerError(
                f"[HyenaLM.infill] expected ids in [0, {size}); got {both.min()} to "
                f"{both.max()}"
            )
        if length < 0:
            raise LayerError(f"[HyenaLM.infill] expected length >= 0; got {length}")
        p, s, m = ([i] for i in marks)
        ids = np.concatenate([p, before, s, after, m]).astype(np.int32)
        sampler = Sampler(temperature, top_k, top_p, seed)
        device, out = self.norm.weight.device, []
        with hx.no_grad():
            logits, state = self.prefill(hx.tensor(ids[None], device=device))
            for i in range(length):
                row = np.array(logits, np.float64)[0]
                row[marks] = row.min() - 1e4
                out.append(sampler(row))
                if i + 1 < length:
                    last = hx.tensor(np.array(out[-1:], np.int32), device=device)
                    logits, state = self.step(last, state)
        return out

    # --------------------------------------------------------------------------- files
    @classmethod
    def from_transformers(cls, folder: str | Path, *, device: Any = None) -> HyenaLM:
        """Read a folder in the layout of the ``hyenadna-...-hf`` checkpoints."""
        from ._files import load

        return load(folder, device)

    def save_transformers(self, folder: str | Path) -> None:
        """Write a folder in the layout of the ``hyenadna-...-hf`` checkpoints."""
        from ._files import save

        save(self, folder)


def build(config: dict[str, Any]) -> HyenaLM:
    """The factory behind the name ``hyena_lm``."""
    return HyenaLM(HyenaConfig.from_dict(config))

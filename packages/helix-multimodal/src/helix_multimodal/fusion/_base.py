"""What every fusion has: projections of its modalities, checks, dropping of modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import helix_core as hx
from helix_layers import Linear

from ._attention import Part, any_of, mean_of


class Fused(NamedTuple):
    """What a fusion gives.

    Attributes
    ----------
    tokens : Tensor (batch, length, d_model)
    mask : Tensor (batch, length) of bool
    pooled : Tensor (batch, d_model)
    """

    tokens: hx.Tensor
    mask: hx.Tensor
    pooled: hx.Tensor


class Fusion(hx.Module):
    """Base of fusions.

    The order of the parts does not matter, nor do tokens behind a mask; any modality may
    be missing, from the list or row by row, as long as each sample has one.

    Parameters
    ----------
    modalities : dict of str to int
        Features of each modality's tokens. Tokens bring their own positions.
    d_model : int
    modality_dropout : float in [0, 1)
        In training, how often a sample goes without each of its modalities; one that
        would lose all keeps them all.
    device, dtype, generator
        Where the weights live, their dtype (float32), and what draws them.

    Attributes
    ----------
    inputs : dict of str to Linear
    kinds : Parameter (modality, d_model)
        Added to every token, in the sorted order of names.
    """

    def __init__(
        self,
        modalities: Mapping[str, int],
        d_model: int,
        modality_dropout: float = 0.0,
        *,
        device: Any = None,
        dtype: Any = None,
        generator: Any = None,
    ) -> None:
        name = type(self).__name__
        if not modalities or any(
            isinstance(n, bool) or not isinstance(n, int) or n < 1
            for n in modalities.values()
        ):
            raise hx.HelixError(
                f"[{name}] expected modalities as names with a number of features each; "
                f"got {dict(modalities)!r}"
            )
        if not 0.0 <= modality_dropout < 1.0:
            raise hx.HelixError(
                f"[{name}] expected modality_dropout in [0, 1); got {modality_dropout}"
            )
        self.d_model = d_model
        self.modality_dropout = modality_dropout
        self.names = tuple(sorted(modalities))
        where = {"device": device, "dtype": dtype, "generator": generator}
        self.where = where
        self.inputs = {n: Linear(modalities[n], d_model, **where) for n in self.names}
        kinds = hx.init.normal((len(self.names), d_model), 0.0, 0.02, **where)
        self.kinds = hx.Parameter(kinds, "kinds")

    def forward(self, parts: Sequence[Part]) -> Fused:
        """Fuse parts, each a `Part` or ``(modality, tokens, mask)``."""
        names, xs, masks = self._read(parts)
        masks = self._drop(masks)
        xs = [
            self.inputs[n](x) + self.kinds[self.names.index(n)]
            for n, x in zip(names, xs, strict=True)
        ]
        return self.fuse(names, xs, masks)

    def fuse(
        self, names: list[str], xs: list[hx.Tensor], masks: list[hx.Tensor]
    ) -> Fused:
        """What a fusion defines: of tokens (batch, length, d_model) by modality."""
        raise NotImplementedError

    def _read(
        self, parts: Sequence[Part]
    ) -> tuple[list[str], list[hx.Tensor], list[hx.Tensor]]:
        name = type(self).__name__
        found = {}
        batch = None
        for given in parts:
            p = given if isinstance(given, Part) else Part(*given)
            if p.modality not in self.names or p.modality in found:
                raise hx.HelixError(
                    f"[{name}] expected each of {', '.join(self.names)} at most once; "
                    f"got {p.modality!r}"
                )
            x = p.tokens
            want = self.inputs[p.modality].weight.shape[1]
            if x.ndim != 3 or x.shape[2] != want or batch not in (None, x.shape[0]):
                size = "batch" if batch is None else batch
                raise hx.ShapeError(
                    f"[{name}] expected tokens ({size}, length, {want}) of "
                    f"{p.modality!r}; got {x.shape}"
                )
            batch = x.shape[0]
            mask = p.mask
            if mask is None:
                mask = hx.ones(x.shape[:2], dtype="bool", device=x.device)
            if mask.shape != x.shape[:2] or mask.dtype.name != "bool":
                raise hx.ShapeError(
                    f"[{name}] expected a mask bool{x.shape[:2]} of {p.modality!r}; got "
                    f"{mask.aval!r}"
                )
            found[p.modality] = (x, mask)
        if not found:
            raise hx.HelixError(f"[{name}] expected at least one part; got none")
        names = sorted(found)
        return names, [found[n][0] for n in names], [found[n][1] for n in names]

    def _drop(self, masks: list[hx.Tensor]) -> list[hx.Tensor]:
        if not (self.training and self.modality_dropout and len(masks) > 1):
            return masks
        shape = (masks[0].shape[0], len(masks))
        keep = hx.random_bernoulli(
            shape, 1.0 - self.modality_dropout, device=masks[0].device
        )
        there = hx.stack([any_of(m) for m in masks], 1)
        left = hx.any(hx.logical_and(there, keep), 1)
        keep = hx.logical_or(keep, hx.logical_not(hx.expand_dims(left, 1)))
        return [hx.logical_and(m, keep[:, i : i + 1]) for i, m in enumerate(masks)]


def pooled(x: hx.Tensor, mask: hx.Tensor) -> Fused:
    """Tokens with the mean over those that are there."""
    return Fused(x, mask, mean_of(x, mask))

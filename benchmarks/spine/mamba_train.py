"""A training step: forward, backward, AdamW. The loss and every gradient must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..case import Arrays, Work
from ..sides import helix, pytorch
from . import mamba_model as mm


# --------------------------------------------------------------------------------- ours
def ours(variant: str, precision: str = "float32") -> Work:
    """``precision`` is that of products; see `hx.precision`."""
    hx = helix()
    step, model = _our_step(hx, mm.helix_model(), precision)
    start = {k: np.asarray(v) for k, v in model.state_dict().items()}

    def arrays(loss: Any) -> Arrays:
        """The gradients at the weights that the first step started from."""
        model.load_state_dict(start)
        _our_loss(hx, model, precision)().backward()
        named = dict(model.named_parameters())
        found = {
            k: np.asarray(named[mm.helix_name(k)].grad).reshape(w.shape)
            for k, w in mm.weights().items()
        }
        for p in named.values():
            p.grad = None
        return {"loss": np.asarray(loss), **found}

    return Work(step, arrays)


def _our_loss(hx: Any, model: Any, precision: str) -> Callable[[], Any]:
    x, y = (hx.tensor(a.astype(np.int32)) for a in mm.batch())

    def loss() -> Any:
        with hx.precision(precision):
            return model.loss(x, y)

    return loss


def _our_step(
    hx: Any, model: Any, precision: str = "float32"
) -> tuple[Callable[[], float], Any]:
    """What the trainer does in a step."""
    opt = hx.optim.AdamW(model.parameters(), lr=mm.LR, weight_decay=mm.DECAY)
    loss_of = _our_loss(hx, model, precision)
    model.train()

    def step() -> float:
        loss = loss_of()
        loss.backward()
        value: float = loss.item()
        opt.step()  # clears the gradients
        return value

    return step, model


# -------------------------------------------------------------------------------- peers
def peer(variant: str) -> Work:
    """mambapy."""
    pytorch()
    model = mm.mambapy_model()
    return torch_work(model, model, mm.mambapy_name)


def transformers_peer(variant: str) -> Work:
    """transformers' eager path."""
    pytorch()
    model = mm.transformers_model()
    return torch_work(model, lambda x: model(x, use_cache=False).logits, lambda k: k)


def torch_work(model: Any, logits: Any, rename: Callable[[str], str]) -> Work:
    step = _torch_step(model, logits)

    def arrays(loss: Any) -> Arrays:
        named = dict(model.named_parameters())
        # the step leaves the gradients where it found them
        grads = {k: named[rename(k)].grad.numpy() for k in mm.weights()}
        return {"loss": np.asarray(loss), **grads}

    return Work(step, arrays)


def _torch_step(model: Any, logits: Any) -> Callable[[], float]:
    torch = pytorch()
    F = torch.nn.functional
    x, y = map(torch.tensor, mm.batch())
    opt = torch.optim.AdamW(
        model.parameters(), lr=mm.LR, weight_decay=mm.DECAY, fused=True
    )
    model.train()

    def step() -> float:
        opt.zero_grad()
        out = logits(x)
        loss = F.cross_entropy(out.reshape(-1, out.shape[-1]), y.reshape(-1))
        loss.backward()
        opt.step()
        return float(loss.item())

    return step


# ------------------------------------------------------------------------------- memory
STEPS = 2  # the second one has the optimizer's state beside it


def ours_from_nothing(variant: str) -> Work:
    """The call makes the model and the optimizer, then trains."""
    hx = helix()
    import helix_layers  # noqa: F401  (imports are not the model's memory)
    import numba  # noqa: F401

    mm.batch()

    def call() -> list[float]:
        step, _ = _our_step(hx, mm.helix_model())
        return [step() for _ in range(STEPS)]

    return Work(call, lambda losses: {"losses": np.asarray(losses)})


def peer_from_nothing(variant: str) -> Work:
    pytorch()
    import mambapy.mamba  # noqa: F401

    mm.batch()

    def call() -> list[float]:
        model = mm.mambapy_model()
        step = _torch_step(model, model)
        return [step() for _ in range(STEPS)]

    return Work(call, lambda losses: {"losses": np.asarray(losses)})

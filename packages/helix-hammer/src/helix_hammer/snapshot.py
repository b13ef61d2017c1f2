"""What a checkpoint holds of a trainer: everything that its next step depends on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import helix_core as hx
import numpy as np

from .rundir import RunError, from_json, to_json

if TYPE_CHECKING:
    from .trainer import Trainer

Arrays = dict[str, dict[str, np.ndarray]]


class TrainingError(hx.HelixError, RuntimeError):
    """Training cannot go on; the last good checkpoint is in place."""


def finite(trainer: Trainer, what: str, value: float) -> float:
    """The value, or an error that says what is kept."""
    if math.isfinite(value):
        return value
    kept = trainer.run.store.steps() if trainer.run is not None else []
    where = f"the checkpoint of step {max(kept)}" if kept else "no checkpoint yet"
    raise TrainingError(
        f"[train] expected a finite {what}; got {value} after {trainer.global_step} "
        f"steps. Kept: {where}. Hint: a lower learning rate, a longer warm-up, or clip=1.0"
    )


def capture(trainer: Trainer) -> tuple[Arrays, dict[str, Any]]:
    """Arrays by file, and plain values.

    Raises
    ------
    TrainingError
        If a weight is not finite: such a state is never saved.
    """
    moments, meta = trainer.optimizer.state_dict()
    groups = {"model": trainer.model.state_dict(), "optim": moments}
    if trainer.ema is not None:
        groups["ema"] = trainer.ema.state_dict()
    arrays = {
        group: {k: np.asarray(v) for k, v in tensors.items()}
        for group, tensors in groups.items()
    }
    for name, a in arrays["model"].items():
        if a.dtype.kind not in "biu" and not np.isfinite(a).all():
            raise TrainingError(
                f"[save] expected finite weights; got NaN or infinity in {name} after "
                f"step {trainer.global_step}. Earlier checkpoints are untouched. Hint: a "
                "lower learning rate, or clip=1.0"
            )
    state = {
        "step": trainer.global_step,
        "optimizer": meta,
        "random": hx.default_generator().state_dict(),
        "best": trainer.best,
        "stopped": trainer.stopped,
        "last": trainer.last,
        "config": trainer.config,
        "stateful": {k: x.state_dict() for k, x in _stateful(trainer)},
    }
    return arrays, state


def restore(trainer: Trainer, arrays: Arrays, state: dict[str, Any]) -> None:
    """Put a trainer where `capture` found it.

    Raises
    ------
    RunError
        If its configuration is another one.
    """
    _same_config(trainer.config, state["config"])
    trainer.model.load_state_dict(arrays["model"])
    trainer.optimizer.load_state_dict((arrays["optim"], state["optimizer"]))
    if trainer.ema is not None:
        trainer.ema.load_state_dict(arrays.get("ema", {}))
    hx.default_generator().load_state_dict(state["random"])
    for k, x in _stateful(trainer):
        if k in state["stateful"]:
            x.load_state_dict(state["stateful"][k])
    trainer.global_step, trainer.best = int(state["step"]), state["best"]
    trainer.stopped, trainer.last = state["stopped"], state["last"]


def _same_config(new: dict[str, Any] | None, old: dict[str, Any] | None) -> None:
    new = from_json(to_json(new or {}))
    changed = [
        f"{k} was {v!r} and is {new[k]!r}"
        for k, v in (old or {}).items()
        if k in new and new[k] != v
    ]
    if changed:
        raise RunError(
            "[resume] expected the configuration that the run began with; "
            f"{'; '.join(changed)}. Hint: change it back, or start another run"
        )


def _stateful(trainer: Trainer) -> list[tuple[str, Any]]:
    """What else has a state: the schedule, and callbacks by class and place."""
    named = [("schedule", trainer.schedule)]
    for c in trainer.callbacks:
        name = type(c).__name__
        same = sum(k.startswith(f"{name}.") for k, _ in named)
        named.append((f"{name}.{same}", c))
    return [(k, x) for k, x in named if hasattr(x, "state_dict")]

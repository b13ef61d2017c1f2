"""The configuration of a run: validated where it enters, stored beside the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from helix_core import HelixError, files
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError


class ConfigError(HelixError, ValueError):
    """A configuration cannot be used."""


class Named(BaseModel):
    """A plugin by its name, and its own configuration."""

    model_config = ConfigDict(extra="forbid")
    name: str
    config: dict[str, Any] = Field(default_factory=dict)


class TrainConfig(BaseModel):
    """Everything that decides what a run computes.

    ``minutes`` become ``steps`` once; 0 for ``eval_every`` and ``save_every`` leaves the
    choice to the run, which stores it.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    model: Named = Named(name="mamba_lm")
    data: str | None = None
    data_sha256: str | None = None
    device: str = "cpu"
    seed: int = Field(0, ge=0, lt=2**63)
    minutes: float | None = Field(5.0, gt=0)
    steps: PositiveInt | None = None
    batch: PositiveInt = 8
    length: PositiveInt = 256
    accumulate: PositiveInt = 1
    lr: float = Field(4e-3, gt=0)
    optimizer: Named = Named(name="adamw")
    schedule: Named = Named(name="cosine")
    warmup: int = Field(50, ge=0)
    min_lr: float = Field(0.05, ge=0, le=1)
    weight_decay: float = Field(0.1, ge=0)
    beta2: float = Field(0.95, gt=0, lt=1)
    clip: float | None = Field(1.0, gt=0)
    clip_value: float | None = Field(None, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"
    ema: float | None = Field(None, gt=0, lt=1)
    eval_every: int = Field(0, ge=0)
    eval_bytes: PositiveInt = 65_536
    save_every: int = Field(0, ge=0)
    keep_last: PositiveInt = 2
    keep_best: int = Field(1, ge=0)
    patience: int | None = Field(None, gt=0)
    callbacks: list[str] = Field(default_factory=list)
    loggers: list[str] = Field(default_factory=list)

    @property
    def planned(self) -> bool:
        """Whether nothing is left to choose."""
        return bool(self.steps and self.eval_every and self.save_every)


def check(values: Any) -> TrainConfig:
    """A configuration from plain values; one clear error for all that is wrong."""
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as e:
        problems = "; ".join(
            f"{'.'.join(map(str, p['loc']))}: {p['msg']}, got {p['input']!r}"
            for p in e.errors()
        )
        raise ConfigError(
            f"[config] expected a valid configuration; {problems}"
        ) from None


def write(run: Path, config: TrainConfig) -> None:
    """Store it, whole or not at all."""
    files.write_json(run / "config.json", config.model_dump())


def read(run: Path) -> TrainConfig:
    """The configuration of a run directory.

    Raises
    ------
    ConfigError
        If there is none, or it is damaged.
    """
    path = run / "config.json"
    if not path.is_file():
        raise ConfigError(
            f"[run] expected a run directory with config.json; got {str(run)!r}. "
            "Hint: `helix train --name NAME` makes one"
        )
    try:
        values = files.read_json(path)
    except files.FileError as e:
        raise ConfigError(
            f"[run] {str(path)!r} is damaged: {e}. Hint: each checkpoint holds a copy, "
            "in state.json"
        ) from e
    return check(values)

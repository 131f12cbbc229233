"""Training state on disk, written so that a stop at any moment leaves a whole file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_training_state(path: Path, model, optimizer, extra: Any, step: int, seconds: float) -> None:
    """Write weights, optimizer, the tensors of `extra`, the step and the seconds spent so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v for k, v in vars(extra).items() if torch.is_tensor(v) or isinstance(v, dict)} if extra else {}
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "extra": tensors, "step": step,
             "seconds": seconds}
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_training_state(path: Path, model, optimizer, extra: Any) -> tuple[int, float]:
    """Restore what `save_training_state` wrote, if it is there; returns the step and the seconds spent so far."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True, map_location=next(model.parameters()).device)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    for name, value in state["extra"].items():
        setattr(extra, name, value)
    return state["step"], state["seconds"]

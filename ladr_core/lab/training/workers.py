"""Processes that share each training step: one per core, as threads wait for each other on a busy machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn


@dataclass(frozen=True)
class Workers:
    """This process's place among the workers."""

    rank: int = 0
    count: int = 1

    def average_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its mean over the workers."""
        if self.count > 1:
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            flat = torch.cat([g.flatten() for g in gradients])
            dist.all_reduce(flat)
            flat /= self.count
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
                gradient.copy_(part.view_as(gradient))

    def agree(self, value: float) -> float:
        """The first worker's value, so that all stop and change their learning rate together."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(shared, 0)
        return shared.item()


def run_workers(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call work(workers, *arguments) in `count` processes of one thread each, or here if count is 1."""
    if count == 1:
        work(Workers(), *arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        meeting_point = Path(folder, "meeting_point").as_uri()
        torch.multiprocessing.spawn(_run_worker, (count, meeting_point, work, arguments), nprocs=count)


def _run_worker(rank: int, count: int, meeting_point: str, work: Callable[..., None], arguments: tuple) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=meeting_point, rank=rank, world_size=count)
    try:
        work(Workers(rank, count), *arguments)
    finally:
        dist.destroy_process_group()

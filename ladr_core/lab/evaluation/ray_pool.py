"""The benchmark over a Ray cluster: one worker per device, and no picture lost with a worker or drawn twice.

Ray is an optional package of the laboratory. Every picture has a seed of its own, so the records are those of one
machine with the same batches; only the seconds are other ones.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import InputError
from ...models.contract import DLLM
from .record import PictureRecord
from .runner import Chunk, draw_pictures

LOCAL = "local"
MOST_LOSSES = 3  # workers that one chunk may take down before the run ends with an error
_PACKAGE = Path(__file__).resolve().parents[2]


class Worker:
    """Draws on one device; lives in a process of the cluster."""

    def __init__(self, model: DLLM, device: str) -> None:
        torch.set_num_threads(1)
        self._model, self._device = model, device
        for module in (model.transformer, model.vq):
            if isinstance(module, nn.Module):
                module.to(device)

    def process(self) -> int:
        """Number of the process, known once the worker is ready."""
        return os.getpid()

    def draw(self, chunk: Chunk) -> list[PictureRecord]:
        """Records of the chunk's pictures."""
        configuration, jobs = chunk
        return draw_pictures(self._model, jobs, configuration, device=self._device)[0]


class RayPool:
    """Workers on a cluster, as a way for `run_benchmark` to draw; a context, which ends its workers and leaves."""

    def __init__(self, model: DLLM, address: str) -> None:
        """address: of a running cluster, `auto` for the one of this machine, `local` to start one here for this run."""
        self._ray = _connect(address)
        devices = self._ray.cluster_resources()
        self._has_gpus = devices.get("GPU", 0) >= 1
        self.devices = int(devices["GPU" if self._has_gpus else "CPU"])
        self._model = self._ray.put(model)
        self._workers: list[Any] = []
        self._starting: dict[Any, Any] = {}  # by the answer that is waited for
        self.processes: list[int] = []  # of all workers that were ready so far
        self.lost = 0  # workers

    def __enter__(self) -> RayPool:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            self._ray.kill(worker)
        self._ray.shutdown()

    def draw(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, list[PictureRecord]]]:
        """Every chunk with its records, in the order in which they are done.

        A chunk whose worker was lost goes to another, and a new worker is asked for. Raises RuntimeError for a chunk
        that loses MOST_LOSSES workers.
        """
        waiting, losses = deque(enumerate(chunks)), Counter[int]()
        running: dict[Any, tuple[Any, int, Chunk]] = {}
        lost = self._ray.exceptions.RayActorError
        while len(self._workers) < min(self.devices, len(chunks)):
            self._start_worker()
        idle = [worker for worker in self._workers if worker not in self._starting.values()]
        while waiting or running:
            while idle and waiting:
                number, chunk = waiting.popleft()
                worker = idle.pop()
                running[worker.draw.remote(chunk)] = worker, number, chunk
            (done,), _ = self._ray.wait([*self._starting, *running], num_returns=1)
            if done in self._starting:
                worker = self._starting.pop(done)
                try:
                    self.processes.append(self._ray.get(done))
                except lost:
                    self._replace(worker)
                    continue
                idle.append(worker)
                continue
            worker, number, chunk = running.pop(done)
            try:
                records = self._ray.get(done)
            except lost as error:
                losses[number] += 1
                if losses[number] == MOST_LOSSES:
                    configuration, jobs = chunk
                    texts = ", ".join(sorted({repr(prompt.text) for prompt, _ in jobs}))
                    message = f"{MOST_LOSSES} workers were lost drawing {texts} with {configuration.name}"
                    raise RuntimeError(message) from error
                waiting.appendleft((number, chunk))
                self._replace(worker)
                continue
            idle.append(worker)
            yield chunk, records

    def _start_worker(self) -> None:
        needs = {"num_gpus": 1} if self._has_gpus else {"num_cpus": 1}
        worker = self._ray.remote(**needs)(Worker).remote(self._model, "cuda" if self._has_gpus else "cpu")
        self._workers.append(worker)
        self._starting[worker.process.remote()] = worker

    def _replace(self, worker: Any) -> None:
        self.lost += 1
        self._workers.remove(worker)
        self._start_worker()


def _connect(address: str) -> Any:
    """The package ray, connected to the cluster; InputError where either is missing."""
    try:
        import ray
    except ImportError as error:
        remedy = "Install it (pip install ray), or leave out --ray"
        raise InputError("ray", repr(address), "an address, with the package ray installed", remedy) from error
    carried = {"py_modules": [str(_PACKAGE)]}  # other machines have no copy of this project
    try:
        if address == LOCAL:
            ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
        else:
            ray.init(address=address, runtime_env=carried, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError) as error:
        allowed = f"the address of a running cluster, auto or {LOCAL}"
        raise InputError("ray", repr(address), allowed, "Start a cluster (ray start --head), or give local") from error
    return ray

"""Where random numbers come from: one generator per image, one shared generator, or a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

SEED_RANGE = 2**64


class NoiseSource(Protocol):
    """Gives the random numbers of a run; `rows` are the rows of the batch that need some."""

    def uniform(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Numbers in [0, 1) of shape [len(rows), *shape]."""
        ...

    def exponential(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Exponential numbers of rate 1 of shape [len(rows), *shape]."""
        ...


class PerImageNoise:
    """One generator per image, so that an image does not depend on its batch or the global state.

    On the CPU, the usual place, it does not depend on the model's device either; drawing on that device is faster.
    """

    def __init__(self, seeds: Sequence[int], device: Any = "cpu") -> None:
        self._device = _generator_device(torch.device(device))
        self._generators = [torch.Generator(self._device).manual_seed(seed % SEED_RANGE) for seed in seeds]

    def uniform(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """See NoiseSource."""
        parts = [
            torch.rand(tuple(shape), generator=self._generators[row], dtype=dtype, device=self._device) for row in rows
        ]
        return torch.stack(parts)

    def exponential(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """See NoiseSource."""
        empty = torch.empty(tuple(shape), dtype=dtype, device=self._device)
        return torch.stack([empty.exponential_(1, generator=self._generators[row]).clone() for row in rows])


def _generator_device(device: torch.device) -> torch.device:
    """The device, or the CPU where the device has no generators of its own (DirectML)."""
    try:
        torch.Generator(device)
    except RuntimeError:
        return torch.device("cpu")
    return device


class SharedNoise:
    """One generator for the whole batch, drawn from in one call for all rows, on the generator's device."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def uniform(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """See NoiseSource."""
        device = self._generator.device
        return torch.rand((len(rows), *shape), generator=self._generator, dtype=dtype, device=device)

    def exponential(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """See NoiseSource."""
        empty = torch.empty((len(rows), *shape), dtype=dtype, device=self._generator.device)
        return empty.exponential_(1, generator=self._generator)


class RecordedNoise:
    """Plays back tensors in the order in which they were recorded, whatever their kind."""

    def __init__(self, recording: Iterable[Tensor]) -> None:
        self._recording = iter(recording)

    def uniform(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """See NoiseSource."""
        return self._next((len(rows), *shape)).to(dtype)

    def exponential(self, rows: Sequence[int], shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """See NoiseSource."""
        return self._next((len(rows), *shape)).to(dtype)

    def _next(self, shape: tuple[int, ...]) -> Tensor:
        try:
            return next(self._recording).reshape(shape)
        except StopIteration:
            raise RuntimeError("the recorded noise ended before the run did") from None


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from uniform numbers, same shape; the ends are kept off so that it is finite."""
    tiny = 2.0**-25  # half the spacing of float32 random numbers
    return -torch.log(-torch.log(uniform.clamp(tiny, 1 - 2.0**-24)))

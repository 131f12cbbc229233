"""Reads a report back from its JSON text: of a sampler's `report_json`, or of a file that `generate --report` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from .errors import InputError
from .report import LETTERS, SamplingReport, StepRecord
from .token_grid import TokenGrid

_ALLOWED = "the report_json of LADR Sampler or Baseline dLLM Sampler, or a file of `generate --report`"
_CONNECT = "Connect the report_json output of the sampler that drew this picture"
_MOST_CELLS = 2**24  # of a batch, as in Empty Token Grid


def read_report(name: str, text: Any) -> SamplingReport:
    """The report of a run from its JSON text; InputError names the input `name` where it is none."""
    return report_from_dict(name, read_json(name, text))


def read_json(name: str, text: Any) -> dict[str, Any]:
    """The JSON object in a report's text; InputError where there is none."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(name, "no report", _ALLOWED, _CONNECT)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        given = f"a text that is not JSON ({_shown(text)})"
        raise InputError(name, given, _ALLOWED, f"{_CONNECT}, not its report output") from error
    if not isinstance(data, dict):
        raise InputError(name, f"JSON without a report ({_shown(text)})", _ALLOWED, _CONNECT)
    return data


def report_from_dict(name: str, data: Mapping[str, Any]) -> SamplingReport:
    """The report that `SamplingReport.to_dict` wrote; InputError names the input where a part is missing or wrong."""
    if "runs" in data:
        given = "the report of a sweep"
        raise InputError(name, given, "the report of one run", "Connect it to LADR Sweep Sheet, or give one run's")
    try:
        return _report(data)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error).split("\n")[0]
        given = f"a report that is cut off, changed or of another program ({what})"
        raise InputError(name, given, _ALLOWED, _CONNECT) from error


def _report(data: Mapping[str, Any]) -> SamplingReport:
    grid = TokenGrid(_whole(data["grid"]["height"], 1), _whole(data["grid"]["width"], 1))
    nfe, nfe_per_row = _whole(data["nfe"], 0), [_whole(n, 0) for n in data["nfe_per_row"]]
    batch = len(nfe_per_row)
    if not batch or batch * grid.cells > _MOST_CELLS:
        raise ValueError(f"{batch} images of {grid}")
    shape = (batch, grid.height, grid.width)
    unmasked_at = _cells(data, "unmasked_at", shape, torch.int64, -1, max(-1, nfe - 1))
    steps = [_step(record, batch) for record in data["steps"]]
    step_seconds = [float(second) for second in data["step_seconds"]]
    if unmasked_at is None or len(step_seconds) != nfe:
        raise ValueError("its steps and its evaluations do not agree")
    most_nfe = data["most_nfe"]
    return SamplingReport(
        sampler=str(data["sampler"]),
        grid=grid,
        settings=dict(data["settings"]),
        seeds=[int(seed) for seed in data["seeds"]],
        nfe=nfe,
        most_nfe=None if most_nfe is None else _whole(most_nfe, 0),
        nfe_per_row=nfe_per_row,
        seconds=float(data["seconds"]),
        steps=steps,
        unmasked_at=unmasked_at,
        unmasked_by=_unmasked_by(data["unmasked_by"], shape),
        step_seconds=step_seconds,
        codebook_indices=_cells(data, "codebook_indices", shape, torch.int64, -1, 2**31),
        confidence=_cells(data, "confidence", shape, torch.float32, -1, 1),
        risk=_cells(data, "risk", shape, torch.float32, -1, 1),
        model=str(data.get("model", "")),
        prompts=[str(prompt) for prompt in data.get("prompts", [])],
        negative_prompts=[str(prompt) for prompt in data.get("negative_prompts", [])],
        notices=[str(notice) for notice in data.get("notices", [])],
    )


def _step(record: Mapping[str, Any], batch: int) -> StepRecord:
    known = {field.name for field in fields(StepRecord)}
    step = StepRecord(**{key: value for key, value in record.items() if key in known})
    _whole(step.row, 0, batch - 1)
    for value in (step.step, step.masked, step.scheduled, step.rescued):
        _whole(value, 0)
    for number in (step.time_before, step.time_after, step.mask_ratio, step.accepted_risk):
        float(number)
    return step


def _unmasked_by(images: Sequence[Sequence[str]], shape: tuple[int, int, int]) -> Tensor:
    letters = [[[LETTERS.index(letter) for letter in line] for line in image] for image in images]
    return _shaped(torch.tensor(letters, dtype=torch.int64), "unmasked_by", shape)


def _cells(
    data: Mapping[str, Any], name: str, shape: tuple[int, int, int], dtype: torch.dtype, low: float, high: float
) -> Tensor | None:
    """Values [B, N] of each cell; None where an older report has none."""
    if name not in data:
        return None
    values = _shaped(torch.tensor(data[name], dtype=dtype), name, shape)
    if not bool(((values >= low) & (values <= high)).all()):
        raise ValueError(f"{name} outside {low} to {high}")
    return values


def _shaped(values: Tensor, name: str, shape: tuple[int, int, int]) -> Tensor:
    if tuple(values.shape) != shape:
        raise ValueError(f"{name} has the shape {list(values.shape)} on a grid of {shape[1]} x {shape[2]} cells")
    return values.reshape(shape[0], -1)


def _whole(value: Any, low: int, high: int = 2**31) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{value!r} where a whole number is needed")
    return value


def _shown(text: str) -> str:
    line = " ".join(text[:200].split())
    return repr(line if len(line) <= 40 else line[:37] + "...")

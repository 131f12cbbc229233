"""The rescue of LADR: which frontier cells are safe enough to be unmasked beyond the schedule.

A reconstruction: only the abstract of the paper (arXiv 2603.13450) was available, which names the parts but gives no
formula.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..cell_ranking import rank_cells
from ..settings import RescueSettings
from ..step import Prediction, StepState
from .frontier import find_frontier, keep_apart
from .row_memory import RowMemory

SURE = 0.98  # probability from which a cell is sure of its token


def rescue_cells(
    state: StepState,
    prediction: Prediction,
    scheduled: Tensor,
    confidence: Tensor,
    standard: Tensor,
    settings: RescueSettings,
    *,
    among_scheduled: bool = False,
) -> tuple[Tensor, Tensor]:
    """Cells that are rescued, bool [b, N], and the risk accepted with them, [b].

    scheduled: bool [b, N], what the schedule takes where nothing is rescued; confidence [b, N]: what cells are chosen
    by; standard [b, 1]: the highest probability seen in the run so far; among_scheduled: scheduled cells may be rescued
    too, and others take their place. In this order: frontier, start time, limit per cell, spacing, limit on the sum,
    cap. The most confident cells come first; equal ones by cell number.
    """
    observed = ~state.is_masked
    if settings.count_fresh_as_observed:
        observed = observed | scheduled
    shape, radius, least = settings.frontier_shape, settings.radius, settings.min_neighbors
    waiting = state.is_masked if among_scheduled else state.is_masked & ~scheduled
    frontier = find_frontier(waiting, observed, state.grid, shape, radius, least)
    started = (state.time >= settings.rescue_start).to(state.device).unsqueeze(1)
    risk = cell_risk(prediction, settings.risk_filter)
    candidates = frontier & started
    if settings.risk_filter == "absolute":
        candidates = candidates & (risk <= settings.risk_bound)
    elif settings.risk_filter == "running":
        least_sure = ((1 - settings.risk_bound) * standard).clamp_min(settings.rescue_floor)
        candidates = candidates & (prediction.max_probability >= least_sure)
    elif settings.risk_filter == "relative":
        compared = scheduled_quantile(confidence, scheduled, settings.risk_quantile)
        candidates = candidates & (confidence >= max(0.0, 1 - settings.risk_bound) * compared)
    sureness = confidence if settings.risk_filter == "relative" else -risk
    candidates = keep_apart(rank_cells(sureness, candidates), candidates, state.grid, settings.spacing)

    rank = rank_cells(sureness, candidates)
    accepted = accumulate_risk(risk, rank, candidates, settings.risk_filter)
    if settings.risk_filter in ("budget", "entropy"):
        candidates = candidates & (accepted <= settings.risk_bound)
    most = torch.floor(settings.rescue_cap * scheduled.sum(dim=1, keepdim=True))
    rescued = candidates & (rank < most)
    return rescued, torch.where(rescued, accepted, 0.0).amax(dim=1)


def running_standard(prediction: Prediction, state: StepState, memory: RowMemory) -> Tensor:
    """The highest probability of a token that any masked cell of each image had in the run so far, [b, 1].

    The most confident cell of one step is no standard: late in a run no cell may be sure, and all would pass together.
    """
    now = torch.where(state.is_masked, prediction.max_probability, 0.0).amax(dim=1, keepdim=True)
    standard = torch.maximum(memory.recall(state, now), now)
    memory.keep(state, standard)
    return standard


def all_sure(state: StepState, prediction: Prediction) -> Tensor:
    """The masked cells of images whose every masked cell is sure of its token, bool [b, N]."""
    sure = (prediction.max_probability >= SURE) | ~state.is_masked
    return state.is_masked & sure.all(dim=1, keepdim=True)


def cell_risk(prediction: Prediction, risk_filter: str) -> Tensor:
    """Risk of each cell [b, N]: 1 minus the largest probability, or for the entropy filter the entropy in nats."""
    if risk_filter == "entropy":
        if prediction.entropy is None:
            raise RuntimeError("the entropy filter needs a token draw that returns entropies")
        return prediction.entropy
    return (1 - prediction.max_probability).clamp_min(0)


def accumulate_risk(risk: Tensor, rank: Tensor, candidates: Tensor, risk_filter: str) -> Tensor:
    """Risk of unmasking a candidate together with all ranked before it, [b, N]: the sum of the risks.

    For the entropy filter the largest is left out: sum H - max H bounds the KL divergence of the joint draw
    (EB-Sampler, arXiv 2505.24857). There the candidates are ranked by entropy, so the largest is the cell itself.
    """
    in_order = torch.zeros_like(risk).scatter_(1, rank, torch.where(candidates, risk, 0.0))
    total = in_order.cumsum(dim=1)
    if risk_filter == "entropy":
        total = total - in_order
    return total.gather(1, rank)


def scheduled_quantile(confidence: Tensor, scheduled: Tensor, quantile: float) -> Tensor:
    """Quantile (lower) of the confidences of the scheduled cells of each image, [b, 1]."""
    ascending = torch.where(scheduled, confidence, torch.inf).sort(dim=1).values
    count = scheduled.sum(dim=1, keepdim=True)
    index = torch.floor(quantile * (count - 1).clamp_min(0)).to(torch.int64)
    return ascending.gather(1, index)


def distance_bound(prediction: Prediction, unmasked: Tensor) -> Tensor:
    """Bound [b] on the total-variation distance between drawing these cells at once and drawing them jointly.

    min(sum e, 2 (sum e - max e), 1) with e = 1 - max p. It holds only where the cells were chosen before the tokens
    were drawn, and the tokens from the whole of p.
    """
    risk = torch.where(unmasked, (1 - prediction.max_probability).clamp_min(0), 0.0)
    total = risk.sum(dim=1)
    return torch.minimum(total, 2 * (total - risk.amax(dim=1))).clamp(0, 1)

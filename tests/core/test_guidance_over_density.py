"""Guidance over a share of known cells: when it acts, what is not computed, and that switching makes no cell sure."""

import pytest
import torch
from fake_dllm import FakeDenoiser

from ladr_core.denoising_loop import denoise
from ladr_core.errors import InputError
from ladr_core.guidance import ClassifierFreeGuidance, GuidanceOverDensity
from ladr_core.noise import PerImageNoise
from ladr_core.samplers.ladr import LadrRule
from ladr_core.settings import RescueSettings, SamplerSettings
from ladr_core.step import Choice, Rule
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(4, 6)


def run(denoiser, rule=None, **values):
    settings = SamplerSettings(steps=12, choose_then_sample=True, cfg=3.0, **values)
    batch = len(denoiser.base)
    cells = torch.full((batch, GRID.cells), MASKED)
    rule = rule or LadrRule(settings, RescueSettings(rescue=False))
    noise = PerImageNoise(range(batch))
    return denoise(denoiser, cells, GRID, editable=cells == MASKED, rule=rule, settings=settings, noise=noise)


def base(batch=1):
    return torch.randn(batch, GRID.cells, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.5), (0.3, 1.0), (0.2, 0.6)])
def test_the_unconditional_branch_is_computed_only_where_guidance_acts_and_at_its_borders(start, end):
    denoiser = FakeDenoiser(base())
    _, report = run(denoiser, cfg_start=start, cfg_end=end)
    known = [1 - step.mask_ratio for step in report.steps]
    acts = [start - 1e-6 <= share <= end + 1e-6 for share in known]
    borders = [n > 0 and act != acts[n - 1] for n, act in enumerate(acts)]
    assert denoiser.guided_seen == [a or b for a, b in zip(acts, borders)]
    assert 0 < sum(denoiser.guided_seen) < report.nfe


def test_over_all_of_it_nothing_changes():
    tokens = [run(FakeDenoiser(base(), coupling=1.0), **values)[0] for values in ({}, {"cfg_start": 0, "cfg_end": 1})]
    assert torch.equal(*tokens)


class RecordingRule(Rule):
    """Unmasks a cell after the other and keeps what it is told of each step."""

    name = "recording"

    def __init__(self):
        self.seen = []

    def choose(self, state, prediction):
        self.seen.append((prediction.max_probability[state.is_masked], prediction.confidence[state.is_masked]))
        first = torch.zeros_like(state.is_masked)
        first[torch.arange(len(first)), state.is_masked.int().argmax(dim=1)] = True
        return Choice(first)


@pytest.mark.parametrize("interval", [{"cfg_start": 0.5}, {"cfg_end": 0.5}])
def test_at_the_border_no_cell_is_surer_than_without_the_switch(interval):
    """At the first evaluation after a switch a cell is as sure as the less sure of both; then as guidance says."""
    seen = {}
    for name, values in (("switched", interval), ("on", {}), ("off", {"cfg_start": 1.0, "cfg_end": 1.0})):
        rule = RecordingRule()
        # Tokens that are drawn do not matter to the logits without coupling.
        run(FakeDenoiser(base()), rule=rule, temperature=0.0, **values)
        seen[name] = [max_probability for max_probability, _ in rule.seen]
    border = GRID.cells // 2 + ("cfg_end" in interval)  # cells known at the first evaluation after the switch
    before, after = ("on", "off") if "cfg_end" in interval else ("off", "on")
    for step, switched in enumerate(seen["switched"]):
        if step == border:
            assert torch.allclose(switched, torch.minimum(seen["on"][step], seen["off"][step]))
            # This guidance makes every cell surer: switched on, they wait; switched off, they are what they now are.
            assert torch.allclose(switched, seen["off"][step]) and not torch.allclose(switched, seen["on"][step])
        else:
            assert torch.allclose(switched, seen[before if step < border else after][step])


def test_images_of_a_batch_are_switched_at_their_own_density():
    editable = torch.tensor([8, 8])
    guidance = GuidanceOverDensity(ClassifierFreeGuidance((3.0,)), 0.0, 0.5)

    class State:
        rows, editable_counts = (0, 1), editable

    conditional, unconditional = torch.randn(2, 8, 5).unbind(0)
    for masked, acts, switched in (([5, 5], (True, True), (False, False)), ([5, 3], (True, False), (False, True))):
        State.masked_counts = torch.tensor(masked)
        now = guidance.at(State)
        assert now.acts == acts and now.switched == switched and now.guided
        count = sum(masked)
        logits, before = now.combine((conditional[:count], unconditional[:count].clone()))
        guided = unconditional + 3 * (conditional - unconditional)
        assert torch.allclose(logits[:5], guided[:5], atol=1e-5)
    assert torch.equal(logits[5:], conditional[5:8]) and torch.allclose(before, guided[:8], atol=1e-5)
    State.masked_counts = torch.tensor([3, 3])
    assert guidance.at(State).guided  # the first image is at its border
    assert not guidance.at(State).guided


def test_the_start_is_not_after_the_end():
    with pytest.raises(InputError, match="cfg_start: got 0.6; allowed: at most cfg_end, which is 0.5"):
        SamplerSettings(cfg_start=0.6, cfg_end=0.5)

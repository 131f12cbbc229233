"""The setting finish_sure: a run ends once every cell left is sure, and image by image."""

import torch
from fake_dllm import FakeDenoiser

from ladr_core.denoising_loop import denoise
from ladr_core.noise import PerImageNoise
from ladr_core.samplers.ladr import LadrRule
from ladr_core.settings import RescueSettings, SamplerSettings
from ladr_core.token_grid import MASKED, TokenGrid

GRID = TokenGrid(12, 12)


def nfe(base, **values):
    settings = SamplerSettings(steps=32, choose_then_sample=True, cfg=1.0, cell_order="least_confident")
    cells = torch.full((len(base), GRID.cells), MASKED)
    drawn, report = denoise(
        FakeDenoiser(base), cells, GRID, editable=cells == MASKED, rule=LadrRule(settings, RescueSettings(**values)),
        settings=settings, noise=PerImageNoise(range(len(base))),
    )  # fmt: skip
    assert int((drawn == MASKED).sum()) == 0
    return report.nfe_per_row


def test_sure_cells_far_from_known_ones_do_not_wait():
    base = torch.zeros(2, GRID.cells, 4)
    base[0, :, 0] = 12.0  # sure everywhere
    base[1, : GRID.cells // 2, 0] = 12.0  # sure in one half
    without, together = nfe(base), nfe(base, finish_sure=True)
    assert together[0] == 1 < without[0]
    assert 1 < together[1] <= without[1]
    assert nfe(base[:1], finish_sure=True, rescue=False) == nfe(base[:1], rescue=False)

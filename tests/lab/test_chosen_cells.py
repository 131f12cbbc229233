"""What a sampler unmasks, by the exact probabilities: the counts, and the ranges of the network's probability."""

from __future__ import annotations

import numpy as np
from drawn_sprites import drawn_sprites

from ladr_core.lab.evaluation.chosen_cells import BANDS, Chosen, bands, joined, observe, setups
from ladr_core.lab.evaluation.prompts import EvaluationPrompt
from ladr_core.lab.worlds.emoji.codes import assign_codes
from ladr_core.lab.worlds.emoji.judged import JudgedEmoji
from ladr_core.lab.worlds.emoji.token_posterior import TokenPosterior
from ladr_core.models.builtin.loading import load_builtin


def chosen(network, exact, scheduled=False, lost=0) -> Chosen:
    network = np.array(network, float)
    return Chosen(network, np.array(exact, float), np.full(len(network), scheduled), lost, 1, 5)


def test_every_rescued_token_of_which_the_network_is_sure_is_in_one_range():
    runs = [chosen([0.981, 0.9995, 1.0], [0.5, 1, 1]), chosen([0.97, 1.0], [0, 1]), chosen([1], [0], True)]
    rows = bands(joined(runs))
    assert [(row["from"], row["cells"], row["unsure"]) for row in rows] == [(0.98, 1, 1), (0.999, 1, 0), (0.9999, 2, 0)]
    assert all(low < high for low, high in zip(BANDS, BANDS[1:]))


def test_runs_are_added_up():
    both = joined([chosen([1], [1], lost=1), chosen([1, 1], [1, 0])])
    assert (both.pictures, both.nfe, both.lost, len(both.network)) == (2, 10, 1, 3)


def test_a_picture_that_the_world_does_not_know_is_lost():
    # The shipped network knows the codes of forty things; to the world of six drawn ones its pictures are impossible.
    world = JudgedEmoji(drawn_sprites())
    scene = world.scene_of("single", ("fox",))
    prompt = EvaluationPrompt(0, "single", "tuning", "a fox", False, scene)
    posterior = TokenPosterior(assign_codes(world.sprites))
    found = observe(load_builtin(), posterior, [prompt], 0, next(iter(setups().values())))
    assert found.lost == found.pictures == 1 and 1 <= found.nfe <= 64
    assert ((found.network >= 0) & (found.network <= 1)).all() and len(found.network) >= 1

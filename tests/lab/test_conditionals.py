"""The network's probabilities beside the exact ones: states, and the comparison itself."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_sprites import drawn_sprites

from ladr_core.lab.evaluation.conditionals import CELLS, compared, network_probabilities, states
from ladr_core.lab.worlds.emoji.codes import assign_codes
from ladr_core.lab.worlds.emoji.token_posterior import TokenPosterior
from ladr_core.lab.worlds.emoji.world import EmojiWorld
from ladr_core.models.builtin.loading import EMOJI_WEIGHTS, load_builtin

WORLD = EmojiWorld(drawn_sprites())
POSTERIOR = TokenPosterior(assign_codes(WORLD.sprites))


@pytest.mark.parametrize("category", ["two", "counting", "attribution"])
def test_nothing_belongs_where_all_things_are_there_and_as_many_as_are_hidden_elsewhere(category):
    for hidden in (0, 1, 2):
        for _, known, exact in states(WORLD, POSTERIOR, category, hidden, 12, np.random.default_rng(hidden)):
            opened = known[CELLS] < 0
            assert exact[opened].sum() == pytest.approx(hidden) and not exact[~opened].any()


def test_the_exact_probabilities_have_divergence_0_and_others_more():
    exact = np.array([[0.0, 0.25, 1.0], [0.5, 0.0, 0.0]])
    known = np.where([[True, True, True], [True, False, False]], exact, np.nan)
    assert compared(exact, known)["places"] == 4
    assert compared(exact, known)["divergence"] == pytest.approx(0, abs=1e-4)
    assert compared(exact, np.full((2, 3), 0.5))["divergence"] > 0.3


def test_the_network_is_asked_at_the_open_places_alone():
    drawn = states(WORLD, POSTERIOR, "two", 1, 4, np.random.default_rng(0))
    found = network_probabilities(load_builtin(EMOJI_WEIGHTS), drawn, 1.5, POSTERIOR.background_codes)
    assert (np.isnan(found) == (np.stack([known for _, known, _ in drawn])[:, CELLS] >= 0)).all()
    opened = found[~np.isnan(found)]
    assert ((opened >= 0) & (opened <= 1)).all()

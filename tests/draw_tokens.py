"""Drawing tokens with single values instead of a request and a setup, for tests that change one of them."""

from __future__ import annotations

from typing import Any

from ladr_core import sampling
from ladr_core.models.contract import Prompt
from ladr_core.report import SamplingReport
from ladr_core.sampler_setup import SamplerSetup
from ladr_core.token_grid import TokenGrid

REQUEST = ("seeds", "codebook_indices", "editable")
SETUP = ("sampler", "settings", "rescue", "options")
CALLBACKS = ("on_start", "before_forward", "on_step")


def sample_tokens(
    model: Any, positive: list[Prompt], negative: list[Prompt], grid: TokenGrid, *, device: Any = "cpu", **values: Any
) -> tuple[Any, SamplingReport]:
    """See `ladr_core.sampling.sample_tokens`."""

    def part(names: tuple[str, ...]) -> dict[str, Any]:
        return {name: values.pop(name) for name in names if values.get(name) is not None}

    request = sampling.ImageRequest(positive, negative, grid, **part(REQUEST))
    setup, callbacks = SamplerSetup(**part(SETUP)), sampling.RunCallbacks(**part(CALLBACKS))
    assert not [name for name, value in values.items() if value is not None], values
    return sampling.sample_tokens(model, request, setup, device=device, callbacks=callbacks)

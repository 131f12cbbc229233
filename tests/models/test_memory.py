"""The bytes that the documentation and ComfyUI's memory management are told."""

from __future__ import annotations

import pytest
import torch

from ladr_core.models.contract import Prompt
from ladr_core.models.families import FAMILIES, LUMINA_DIMOO, MMADA
from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
from ladr_core.models.lumina_dimoo.model import LuminaIds, image_tokens
from ladr_core.models.memory import run_bytes, run_bytes_of_prompts, table_bytes, weight_bytes
from ladr_core.settings import SamplerSettings
from ladr_core.token_grid import TokenGrid
from ladr_core.vq.amused_vq import VQModel, VQModelConfig
from ladr_core.vq.magvit2 import MAGVITv2, MAGVITv2Config

ROWS = {LUMINA_DIMOO.name: 134548, MMADA.name: 134656}


def published(rows: int) -> LLaDAConfig:
    return LLaDAConfig(d_model=4096, n_layers=32, n_heads=32, mlp_hidden_size=12288, embedding_size=rows)


def lumina_vq() -> VQModel:
    return VQModel(VQModelConfig(), device="meta")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_published_sizes(family):
    assert weight_bytes(published(ROWS[family.name]), torch.bfloat16) == family.bytes_in_16_bit


def test_published_sizes_of_the_image_tokenizers():
    for family, vq in ((LUMINA_DIMOO, lumina_vq()), (MMADA, MAGVITv2(MAGVITv2Config(), device="meta"))):
        assert sum(value.nbytes for value in vq.state_dict().values()) == family.vq_bytes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_are_counted_as_they_are(dtype: torch.dtype):
    config = LLaDAConfig(d_model=32, n_layers=2, n_heads=2, mlp_hidden_size=64, embedding_size=50)
    real = sum(parameter.nbytes for parameter in LLaDATransformer(config, dtype=dtype).parameters())
    assert weight_bytes(config, dtype) == real


def test_eight_bits_are_for_the_layers_only():
    config = published(ROWS[MMADA.name])
    tables = 2 * 2 * 134656 * 4096  # embedding and head, two bytes a number
    assert table_bytes(config, torch.float8_e4m3fn) == table_bytes(config, torch.bfloat16) == tables
    whole, small = weight_bytes(config, torch.bfloat16), weight_bytes(config, torch.float8_e4m3fn)
    assert small == pytest.approx(tables + (whole - tables) / 2, rel=1e-4)


def test_a_run_grows_with_pictures_and_size():
    config = published(ROWS[MMADA.name])
    one, two, three = (run_bytes(config, 8192, images, TokenGrid(32, 32), 2) for images in (1, 2, 3))
    assert two < 2 * one and three - two == two - one  # the codebook's rows and the MLP's tokens at once are shared
    assert run_bytes(config, 8192, 1, TokenGrid(64, 64), 2) > 2 * one


GRID = TokenGrid(32, 32)
IMAGE = torch.zeros(32, 32, dtype=torch.int64)


def needed(*images: torch.Tensor, ml_cache: bool = False, **settings: float) -> int:
    prompts = [Prompt("a", "edit_add" if images else "text-to-image", images)]
    config, values = published(ROWS[LUMINA_DIMOO.name]), SamplerSettings(**settings)  # type: ignore[arg-type]
    return run_bytes_of_prompts(config, 8192, prompts, GRID, values, 2, ml_cache=ml_cache)


def test_a_run_pays_for_the_branches_it_computes():
    config = published(ROWS[LUMINA_DIMOO.name])
    assert needed() == run_bytes(config, 8192, 1, GRID, 2, branches=2)
    assert needed(cfg=1.0) == run_bytes(config, 8192, 1, GRID, 2, branches=1)
    assert needed() == needed(image_cfg=5.0)  # no reference image, no third branch


def test_an_edit_pays_for_its_reference_images():
    config, tokens = published(ROWS[LUMINA_DIMOO.name]), len(image_tokens(IMAGE, LuminaIds()))
    edit = run_bytes(config, 8192, 1, GRID, 2, branches=3, reference_tokens=2 * tokens)
    assert needed(IMAGE, image_cfg=5.0) == edit > needed(IMAGE) > needed()
    assert needed(IMAGE, IMAGE) - needed(IMAGE) == needed(IMAGE) - needed()
    # 5,600 tokens at 512 x 512 pixels, of which one block holds eight widths.
    assert needed(IMAGE, image_cfg=5.0) > 5600 * 8 * 4096 * 2


def test_ml_cache_pays_for_the_keys_and_values_of_every_layer():
    least = 2 * 32 * 2 * GRID.cells * 4096 * 2  # two branches, layers, keys and values
    assert least < needed(ml_cache=True) - needed() < 2 * least


def test_the_kv_cache_pays_for_keys_and_values_and_keeps_no_logits():
    least = 2 * 32 * 2 * GRID.cells * 4096 * 2
    assert least < needed(kv_cache=True) - needed() < needed(ml_cache=True) - needed() < 2 * least

"""The memory recipes: counted from tensors, consistent from card to card, and the same on every page."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from ladr_core.lab.documents import fill_docs
from ladr_core.models.llada import LLaDATransformer
from ladr_core.models.lumina_dimoo.model import LuminaIds, answer_sequence
from ladr_core.models.ml_cache import MLCacheDenoiser, MLCacheSettings
from ladr_core.token_grid import TokenGrid
from ladr_core.vq import amused_vq, magvit2
from ladr_core.vq.amused_vq import VQModel, VQModelConfig
from ladr_core.vq.magvit2 import MAGVITv2, MAGVITv2Config
from ladr_core.vq.patch_vq import PatchVQ, PatchVQConfig

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "web" / "docs" / "LADR_LoadDLLM").glob("*.md"))


def load(name: str) -> ModuleType:
    return importlib.import_module(f"ladr_core.lab.benchmarks.{name}")


@pytest.fixture(scope="module")
def card_memory() -> ModuleType:
    return load("card_memory")


def test_the_peak_is_that_of_the_tensors_alive_at_once(card_memory: ModuleType):
    layer = nn.Linear(10, 30, bias=False, device="meta")
    x = torch.empty(5, 10, device="meta")

    def run():
        y = layer(x)  # 600 bytes
        z = y * 2 + 1  # two more of them while they are made, one of which goes
        del y
        return z.sum()

    with torch.no_grad():
        assert card_memory._peak_bytes(layer, run) == 3 * 600


def test_a_decode_holds_what_its_widest_block_holds(card_memory: ModuleType):
    """Lumina-DiMOO's last block at full size: 256 channels of input, its norm and its activation."""
    least = 3 * 256 * 512 * 512 * 4
    assert least <= card_memory.decode_bytes("Lumina-DiMOO", 512) < 1.1 * least


TOKENIZERS = {
    "Lumina-DiMOO": VQModel(VQModelConfig(), device="meta"),
    "MMaDA": MAGVITv2(MAGVITv2Config(), device="meta"),
    "builtin": PatchVQ(PatchVQConfig(), device="meta"),
}
# Where the fullest level is not the finest, and a PatchVQ that is wider than its codebook and its patches.
UNUSUAL = {
    "wide in the middle": VQModel(VQModelConfig(block_out_channels=(32, 512, 64)), device="meta"),
    "wide at the end": VQModel(VQModelConfig(block_out_channels=(32, 64, 2048)), device="meta"),
    "wide in the middle, MAGVIT-v2": MAGVITv2(
        MAGVITv2Config(13, 32, (1, 16, 2), (2, 1, 2), 64, (1, 16, 4), (3, 2, 1)), device="meta"
    ),
    "few codes": PatchVQ(PatchVQConfig(codebook_size=32, encoder_width=512, decoder_width=400), device="meta"),
}


@pytest.fixture
def peaks(card_memory: ModuleType, monkeypatch: pytest.MonkeyPatch):
    """Most bytes alive while a tokenizer encodes and decodes, its input among them."""
    for module in (amused_vq, magvit2):  # meta tensors have no values to look at
        monkeypatch.setattr(module, "require_codebook_indices", lambda *_: None)

    @torch.no_grad()
    def measured(vq: nn.Module, batch: int, height: int, width: int) -> tuple[int, int]:
        pixels = torch.empty(batch, 3, height, width, device="meta")
        indices = vq.encode(pixels)
        assert indices.shape == (batch, height // vq.cell_pixels, width // vq.cell_pixels)
        encoding = card_memory._peak_bytes(vq, lambda: vq.encode(pixels)) + pixels.nbytes
        return encoding, card_memory._peak_bytes(vq, lambda: vq.decode(indices)) + indices.nbytes

    return measured


def requests(vq: nn.Module, height: int, width: int) -> tuple[int, int]:
    return vq.encode_memory(height, width), vq.decode_memory(height // vq.cell_pixels, width // vq.cell_pixels)


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize(("height", "width"), [(512, 768), (1024, 1024)])
def test_comfyui_is_asked_for_what_a_picture_takes(peaks, name: str, height: int, width: int):
    vq = TOKENIZERS[name]
    for peak, asked in zip(peaks(vq, 1, height, width), requests(vq, height, width), strict=True):
        assert 1.2 * peak <= asked <= 1.35 * peak


@pytest.mark.parametrize("name", TOKENIZERS)
def test_each_picture_of_a_batch_takes_as_much_as_asked_for(peaks, name: str):
    """ComfyUI divides what is free by the request for one picture."""
    vq = TOKENIZERS[name]
    for peak, asked in zip(peaks(vq, 4, 256, 256), requests(vq, 256, 256), strict=True):
        assert peak <= 4 * asked <= 1.35 * peak


@pytest.mark.parametrize("vq", UNUSUAL.values(), ids=UNUSUAL)
def test_the_request_follows_the_sizes_of_the_tokenizer(peaks, vq: nn.Module):
    for peak, asked in zip(peaks(vq, 1, 256, 256), requests(vq, 256, 256), strict=True):
        assert peak <= asked <= 1.5 * peak


def test_larger_cards_never_do_worse(card_memory: ModuleType):
    found = {(r.model, r.side, r.card): r for r in card_memory.recipes()}
    for model, side in card_memory.PICTURES:
        cards = [found[model, side, card] for card in card_memory.CARDS]
        assert [r.in_ram for r in cards] == sorted((r.in_ram for r in cards), reverse=True)
        for smaller, larger in zip(cards, cards[1:]):
            assert larger.dtype != smaller.dtype or larger.pictures >= smaller.pictures
        assert all(r.in_ram <= r.in_ram_16_bit for r in cards)


def test_a_recipe_fits_its_card(card_memory: ModuleType):
    for r in card_memory.recipes():
        dtype = card_memory.DTYPES[r.dtype]
        needed = card_memory.layer_bytes(r.model, dtype) + card_memory.sampling_bytes(r.model, r.side, r.pictures)
        on_card = needed / card_memory.GIB - r.in_ram + card_memory.KEPT_FREE
        assert on_card <= r.card + 1e-6
        assert r.is_tiled or r.decoding + card_memory.KEPT_FREE <= r.card


@pytest.mark.parametrize("ml_cache", [False, True])
def test_a_forward_at_full_size_takes_what_is_said(card_memory: ModuleType, ml_cache: bool):
    """Counted from the tensors of Lumina-DiMOO's published sizes at 1024 x 1024, without data."""
    reference = load("reference_memory")
    ids, grid, config = LuminaIds(), TokenGrid(64, 64), card_memory.transformer_config("Lumina-DiMOO")
    transformer = LLaDATransformer(config, device="meta", dtype=torch.bfloat16).eval().requires_grad_(False)
    transformer.attention = lambda q, k, v, mask: torch.empty_like(q)  # a fused one keeps no scores
    lengths = (reference.PROMPT, reference.UNCONDITIONAL)
    branches = [[answer_sequence(torch.zeros(length, dtype=torch.int64), grid, ids)] for length in lengths]
    denoiser = MLCacheDenoiser(transformer, branches, ids.vocabulary, "meta", MLCacheSettings(64))
    layout, rows = denoiser._layout((0,), (0, 1)), denoiser.vocabulary_rows

    def run():
        if ml_cache:
            return denoiser._run_all(layout.token_ids, layout).logits
        x = rows.embed(layout.token_ids[None], layout.packed.positions)
        return transformer.run_packed(x, layout.packed, layout.cells.flatten(), [grid.cells] * 2)

    peak = card_memory._peak_bytes(transformer, run)  # without the rows, which were there before
    parts = reference.published_sums(ml_cache)["ours"]
    said = sum(parts.values()) - parts["embedding and head"]
    assert said == pytest.approx(peak, rel=0.05)
    request = card_memory.run_bytes(config, 8192, 1, grid, 2, branches=2, ml_cache=ml_cache)
    assert peak < request < 2 * peak + 1e9


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_help_pages_quote_the_recipes(page: Path):
    text = page.read_text(encoding="utf-8")
    assert re.search(r"<!-- generated: cards_(\w+) -->", text)[1] == page.stem
    assert fill_docs.filled(text) == text, "run: python -m ladr_core.lab fill_docs"

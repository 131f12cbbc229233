"""The memory recipes: counted from tensors, consistent from card to card, and the same on every page."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "web" / "docs" / "LADR_LoadDLLM").glob("*.md"))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "results" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


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
        config, dtype = card_memory.transformer_config(r.model), card_memory.DTYPES[r.dtype]
        needed = card_memory.weight_bytes(config, dtype) + card_memory.sampling_bytes(r.model, r.side, r.pictures)
        on_card = needed / card_memory.GIB - r.in_ram + card_memory.KEPT_FREE
        assert on_card <= r.card + 1e-6
        assert r.is_tiled or r.decoding + card_memory.KEPT_FREE <= r.card


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_help_pages_quote_the_recipes(page: Path):
    text = page.read_text(encoding="utf-8")
    assert re.search(r"<!-- generated: cards_(\w+) -->", text)[1] == page.stem
    assert load("fill_readme").filled(text) == text, "run: python tests/results/fill_readme.py"

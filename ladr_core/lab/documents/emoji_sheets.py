"""Contact sheets of the emoji model, for docs/emoji_world.md: prompts of the benchmark, and sentences people write.

`python -m ladr_core.lab emoji_sheets` draws the first 8 reporting prompts of each category, ten sentences that no
prompt list holds, and the first prompt of each category in both styles, all with seed 0 and the preset balanced, and
writes docs/pictures/emoji.json, which says how. Nothing is chosen. The verdicts of the first sheet are the checker's;
those of the sentences are left to the eye.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from ...command_line.machine import describe_machine
from ...models.builtin.loading import EMOJI_FLAT_TOKENIZER, load_builtin
from ...models.builtin.model import BuiltinDLLM
from ...models.contract import Prompt
from ...pictures.lettering import wrap, write_lines
from ...presets import find_preset
from ...sampling import ImageRequest, sample_tokens
from ..evaluation.prompts import evaluation_prompts
from ..evaluation.runner import to_pictures
from ..evaluation.verdict import shows_scene
from ..worlds.emoji.codes import Codes, assign_codes
from ..worlds.emoji.judged import JudgedEmoji
from ..worlds.emoji.sprites import render_sprites
from ..worlds.emoji.styles import FLAT
from ..worlds.emoji.token_posterior import TokenPosterior

ROOT = Path(__file__).resolve().parents[3]
PICTURES = ROOT / "docs" / "pictures"
PRESET, SEED, PER_CATEGORY, BATCH = "balanced", 0, 8, 8
SENTENCES = (
    "A kitty under a purple umbrella",
    "three donuts on the table, please",
    "My red car at the beach",
    "a penguin and an owl in the snow",
    "two rockets in the night sky",
    "the big yellow bus is right of the house",
    "a small boat at sea",
    "a bunny with a pink balloon",
    "four strawberries",
    "a turtle below a green crown",
)
SCENES = 120  # of the tokenizer
COLUMNS, GAP, LABEL, LETTERS = 8, 8, 34, 11  # of the first sheet; pixels
PASSED, FAILED, INK, PAPER = (44, 140, 70), (214, 72, 50), (40, 40, 46), (255, 255, 255)


def draw_all(model: BuiltinDLLM, texts: Sequence[str]) -> tuple[torch.Tensor, list[int]]:
    """Tokens [B, 16, 16] of texts and their network evaluations."""
    drawn: list[torch.Tensor] = []
    evaluations: list[int] = []
    for first in range(0, len(texts), BATCH):
        part = texts[first : first + BATCH]
        positive, negative = [Prompt(text) for text in part], [Prompt("")] * len(part)
        request = ImageRequest(positive, negative, model.default_grid, [SEED] * len(part))
        indices, report = sample_tokens(model, request, find_preset(PRESET).setup)
        drawn.append(indices)
        evaluations += [int(count) for count in report.nfe_per_row]
    return torch.cat(drawn), evaluations


def decode(model: BuiltinDLLM, indices: torch.Tensor) -> np.ndarray:
    """Pictures uint8 [B, 256, 256, 3] of tokens [B, 16, 16]."""
    with torch.inference_mode():
        return np.concatenate([to_pictures(model.vq.decode(part)) for part in indices.split(BATCH)])


def make_sheet(pictures: Sequence[np.ndarray], labels: Sequence[str], verdicts: Sequence[bool | None], columns: int,
               panel: int) -> Image.Image:
    """Pictures with their labels below, framed where there is a verdict."""
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (panel + GAP) + GAP, rows * (panel + LABEL + GAP) + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (picture, label, verdict) in enumerate(zip(pictures, labels, verdicts)):
        left, top = GAP + number % columns * (panel + GAP), GAP + number // columns * (panel + LABEL + GAP)
        if verdict is not None:
            pen.rectangle([left - 3, top - 3, left + panel + 2, top + panel + 2], fill=PASSED if verdict else FAILED)
        sheet.paste(Image.fromarray(picture).resize((panel, panel), Image.Resampling.LANCZOS), (left, top))
        write_lines(pen, (left, top + panel + 4), wrap(label, panel, LETTERS), LETTERS, INK)
    return sheet


def measure_tokenizer(model: BuiltinDLLM, world: JudgedEmoji, codes: Codes) -> dict[str, float]:
    """The image tokenizer on random scenes: error of the cells with a part of a thing, in dB, and checks passed."""
    posterior = TokenPosterior(codes)
    rng = np.random.default_rng(SEED)
    scenes = [world.sample(rng) for _ in range(SCENES)]
    pixels = torch.from_numpy(np.stack([world.render(scene) for scene in scenes])).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        decoded = model.vq.decode(model.vq.encode(pixels))
    tokens = np.stack([posterior.tokens(scene) for scene in scenes])
    behind = np.concatenate([np.ravel(cells) for cells in posterior.codes.backgrounds.values()])
    error = F.avg_pool2d(((decoded - pixels) ** 2).mean(1), model.cell_pixels).flatten(1).numpy()
    passed = [shows_scene(scene, found) for scene, found in zip(scenes, world.find_objects(to_pictures(decoded)))]
    return {
        "scenes": SCENES, "passed": sum(passed),
        "things_db": round(-10 * float(np.log10(error[~np.isin(tokens, behind)].mean())), 2),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw both sheets; the exit code."""
    torch.set_num_threads(1)
    model, flat = load_builtin(), load_builtin(EMOJI_FLAT_TOKENIZER)
    world, flat_world = JudgedEmoji(), JudgedEmoji(render_sprites(style=FLAT))
    prompts = evaluation_prompts("reporting", PER_CATEGORY, world)
    texts = [prompt.text for prompt in prompts]
    indices, evaluations = draw_all(model, texts)
    pictures, flat_pictures = decode(model, indices), decode(flat, indices)
    verdicts, flat_verdicts = (
        [shows_scene(prompt.scene, things) for prompt, things in zip(prompts, judge.find_objects(drawn))]
        for judge, drawn in ((world, pictures), (flat_world, flat_pictures))
    )
    make_sheet(list(pictures), texts, verdicts, COLUMNS, 128).save(PICTURES / "emoji_48.jpg", quality=85)
    both = [*pictures[::PER_CATEGORY], *flat_pictures[::PER_CATEGORY]]
    labels = texts[::PER_CATEGORY]
    sheet = make_sheet(both, [*labels, *labels], [None] * len(both), len(labels), 160)
    sheet.save(PICTURES / "emoji_styles.jpg", quality=88)
    drawn, own = draw_all(model, SENTENCES)
    make_sheet(list(decode(model, drawn)), SENTENCES, [None] * len(SENTENCES), 5, 192).save(
        PICTURES / "emoji_sentences.jpg", quality=88)
    codes = assign_codes(world.sprites)
    record = {
        "model": model.name, "preset": PRESET, "seed": SEED, "machine": describe_machine(),
        "passed": sum(verdicts), "passed_flat": sum(flat_verdicts), "prompts": len(prompts),
        "mean_nfe": round(float(np.mean(evaluations)), 2),
        "tokenizer": measure_tokenizer(model, world, codes),
        "tokenizer_flat": measure_tokenizer(flat, flat_world, codes),
        "sentences": [{"text": text, "nfe": nfe} for text, nfe in zip(SENTENCES, own)],
    }  # fmt: skip
    (PICTURES / "emoji.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(verdicts)} of {len(prompts)} prompts drawn right, mean NFE {record['mean_nfe']}")
    return 0

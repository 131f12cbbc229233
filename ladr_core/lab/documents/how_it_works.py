"""The pictures of docs/how_it_works.md, drawn from two runs of the built-in model with one prompt and seed.

`python -m ladr_core.lab how_it_works` writes them to docs/pictures with a JSON file that says how they were made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...command_line.machine import describe_machine
from ...models.builtin.loading import load_builtin
from ...models.builtin.model import BuiltinDLLM
from ...models.contract import Prompt
from ...presets import find_preset
from ...report import RESCUED, SCHEDULED, SamplingReport, StepRecord
from ...sampler_setup import SamplerSetup
from ...samplers.frontier import find_frontier
from ...sampling import ImageRequest, sample_tokens
from ..evaluation.plot import label_font

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "pictures"
PROMPT, SEED, PRESET = "a fox to the left of a red umbrella", 1, "balanced"
PANEL, GAP, LABEL = 256, 16, 30  # pixels
INK, PAPER, MASKED, GIVEN = (40, 40, 46), (255, 255, 255), (205, 207, 212), (150, 153, 160)
BLUE, RED, YELLOW = (40, 92, 214), (214, 72, 50), (245, 200, 80)


def draw_run(model: BuiltinDLLM, setup: SamplerSetup) -> SamplingReport:
    """One picture of the prompt."""
    request = ImageRequest([Prompt(PROMPT)], [Prompt("")], model.default_grid, seeds=[SEED])
    return sample_tokens(model, request, setup)[1]


def panels(images: Sequence[Image.Image], labels: Sequence[str]) -> Image.Image:
    """Pictures next to each other, each with a line above it."""
    sheet = Image.new("RGB", (len(images) * (PANEL + GAP) + GAP, PANEL + LABEL + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (image, label) in enumerate(zip(images, labels)):
        left = GAP + number * (PANEL + GAP)
        draw.text((left, LABEL // 2), label, fill=INK, font=label_font(15), anchor="lm")
        sheet.paste(image.resize((PANEL, PANEL), Image.Resampling.NEAREST), (left, LABEL))
    return sheet


def cells_picture(colors: dict[tuple[int, int, int], Tensor], side: int) -> Image.Image:
    """A picture with one pixel per cell: each color where its bool cells [N] are true, later ones on top."""
    image = Image.new("RGB", (side, side), MASKED)
    for color, cells in colors.items():
        for cell in cells.nonzero().flatten().tolist():
            image.putpixel((cell % side, cell // side), color)
    return image


def one_step(model: BuiltinDLLM, setup: SamplerSetup, report: SamplingReport) -> Image.Image:
    """What LADR does in the step that rescues most: known cells, scheduled ones, frontier, rescued ones."""
    step = max(report.steps, key=lambda record: record.rescued)
    at, by = report.unmasked_at[0], report.unmasked_by[0]
    known = at < step.step
    scheduled, rescued = (((at == step.step) & (by == how)) for how in (SCHEDULED, RESCUED))
    values = setup.rescue
    frontier = find_frontier(
        (~known & ~scheduled)[None], known[None], report.grid, values.frontier_shape, values.radius,
        values.min_neighbors,
    )[0]  # fmt: skip
    side = report.grid.width
    pictures = [
        partial_picture(model, report, known),
        cells_picture({GIVEN: known, BLUE: scheduled}, side),
        cells_picture({GIVEN: known, BLUE: scheduled, YELLOW: frontier}, side),
        cells_picture({GIVEN: known, BLUE: scheduled, RED: rescued}, side),
    ]
    count = int(frontier.sum())
    labels = ["1  known before the step", f"2  scheduled: {step.scheduled} cells", f"3  frontier: {count} cells",
              f"4  rescued: {step.rescued} cells"]  # fmt: skip
    return panels(pictures, labels)


def partial_picture(model: BuiltinDLLM, report: SamplingReport, known: Tensor) -> Image.Image:
    """The finished picture where cells [N] are known, gray elsewhere."""
    if report.codebook_indices is None:
        raise RuntimeError("the report holds no tokens")
    grid = report.grid
    pixels = model.vq.decode(report.codebook_indices.view(1, grid.height, grid.width))[0]
    image = Image.fromarray((pixels.movedim(0, -1) * 255).round().to(torch.uint8).cpu().numpy())
    mask = Image.fromarray(known.view(grid.height, grid.width).to(torch.uint8).numpy() * 255).resize(
        image.size, Image.Resampling.NEAREST
    )
    return Image.composite(image, Image.new("RGB", image.size, MASKED), mask)


def order(model: BuiltinDLLM, reports: dict[str, SamplingReport]) -> Image.Image:
    """For each run: the finished picture, and when each cell was unmasked, dark first."""
    pictures, labels = [], []
    for name, report in reports.items():
        at, last = report.unmasked_at[0], max(1, report.nfe - 1)
        shades = {int(t): tuple(round(30 + 225 * int(t) / last) for _ in range(3)) for t in at.unique()}
        pictures += [
            partial_picture(model, report, at >= 0),
            cells_picture({(v, v, min(255, v + 40)): at == t for t, (v, _, _) in shades.items()}, report.grid.width),
        ]
        labels += [f"{name}: {report.nfe} evaluations", "order: first dark, last bright"]
    return panels(pictures, labels)


def clock(reports: dict[str, SamplingReport]) -> Image.Image:
    """Share of masked cells over time: a dot for each network evaluation of each run."""
    width, height, edge = 4 * (PANEL + GAP) + GAP, 360, 56
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)

    def place(record: StepRecord) -> tuple[float, float]:
        across, down = record.time_before, 1 - record.mask_ratio
        return edge + across * (width - 2 * edge), edge / 2 + down * (height - 1.5 * edge)

    draw.line([(edge, edge / 2), (edge, height - edge), (width - edge, height - edge)], fill=INK)
    draw.text((width / 2, height - edge / 2), "time of the mask schedule, 0 to 1", fill=INK, font=label_font(15),
              anchor="mm")  # fmt: skip
    draw.text((edge + 150, height - edge - 12), "share of masked cells, 1 to 0", fill=INK, font=label_font(15),
              anchor="lb")  # fmt: skip
    for number, ((name, report), color) in enumerate(zip(reports.items(), (GIVEN, RED))):
        points = [place(record) for record in report.steps]
        draw.line(points, fill=color, width=1)
        for x, y in points:
            draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=color)
        draw.text((width - edge, edge / 2 + 22 * number), f"{name}: {report.nfe} evaluations", fill=color,
                  font=label_font(16), anchor="rt")  # fmt: skip
    return image


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the pictures."""
    model, ladr = load_builtin(), find_preset(PRESET).setup
    reports = {
        "baseline": draw_run(model, SamplerSetup("baseline", ladr.settings)),
        "LADR": draw_run(model, ladr),
    }
    FOLDER.mkdir(exist_ok=True)
    one_step(model, ladr, reports["LADR"]).save(FOLDER / "one_step.png", optimize=True)
    order(model, reports).save(FOLDER / "order.png", optimize=True)
    clock(reports).save(FOLDER / "clock.png", optimize=True)
    runs = {name: report.to_dict(cells=False)["settings"] | {"nfe": report.nfe} for name, report in reports.items()}
    record = {
        "prompt": PROMPT, "seed": SEED, "preset": PRESET, "model": model.name, "machine": describe_machine(),
        "runs": runs,
    }  # fmt: skip
    (FOLDER / "how_it_works.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

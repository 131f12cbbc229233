"""Programs of the laboratory: `python -m ladr_core.lab PROGRAM ...`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

PROGRAMS = {
    "evaluate": ("evaluation.command_line", "judge samplers on the built-in model, or tune their settings"),
    "oracles": ("oracles.command_line", "every sampler on exactly known distributions"),
    "preset_search": ("oracles.preset_search", "values of LADR's presets, chosen on some seeds, reported on others"),
    "on_top": ("oracles.on_top", "ideas that could be put on top of LADR, on the oracles"),
    "conditionals": ("evaluation.conditionals", "the emoji network's probabilities beside the exact ones"),
    "chosen_cells": ("evaluation.chosen_cells", "how right the emoji network is about the cells that are unmasked"),
    "finish_early": ("oracles.finish", "what ending early would save LADR, on the oracles"),
    "oracle_figure": ("oracles.figure", "evaluations against quality, from a result file of oracles"),
    "potts": ("oracles.potts", "distance of each sampler to the truth on a small, exactly known grid"),
    "train": ("training.command_line", "train and export the built-in model"),
    "verify": ("verify.command_line", "compare models and samplers with recorded reference data"),
    "single_file": ("benchmarks.single_file_sizes", "sizes of the single files that `convert` writes"),
    "card_memory": ("benchmarks.card_memory", "bytes that a run needs on cards of several sizes"),
    "speed_lumina": ("benchmarks.official_lumina", "seconds and memory beside the official Lumina-DiMOO"),
    "speed_mmada": ("benchmarks.official_mmada", "seconds and memory beside the official MMaDA"),
    "speed_picture": ("benchmarks.picture_speed", "seconds from prompt to pixels, with and without cache"),
    "speed_figure": ("documents.speed_figure", "draw seconds against quality, from the result files"),
    "speed_cache": ("benchmarks.cache_gain", "what the KV cache gains and costs on the built-in model"),
    "speed_replay": ("benchmarks.cache_replay", "where the KV cache gains, evaluation by evaluation"),
    "speed_arithmetic": ("benchmarks.builtin_arithmetic", "the built-in model in bfloat16, float16, and compiled"),
    "speed_growth": ("benchmarks.cost_growth", "what a step costs beside the network, over cells, codes and batch"),
    "how_it_works": ("documents.how_it_works", "draw the pictures of docs/how_it_works.md"),
    "emoji_sheets": ("documents.emoji_sheets", "draw the contact sheets of docs/emoji_world.md"),
    "example_pictures": ("documents.example_pictures", "draw the pictures of runs in README and help pages"),
    "help_pictures": ("documents.help_pictures", "draw the pictures of the help pages"),
    "recording_cost": ("benchmarks.recording_cost", "what recording and previews cost at 64 x 64 cells"),
    "fill_docs": ("documents.fill_docs", "fill the tables of the documents from docs/results"),
}
MISTAKE = 2  # exit code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a program of the laboratory; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print("usage: python -m ladr_core.lab PROGRAM ...\n")
        print("\n".join(f"  {name:<16} {meaning}" for name, (_, meaning) in PROGRAMS.items()))
        return 0 if given else MISTAKE
    if given[0] not in PROGRAMS:
        print(f"There is no program {given[0]!r}; give one of {', '.join(PROGRAMS)}.", file=sys.stderr)
        return MISTAKE
    module = importlib.import_module("." + PROGRAMS[given[0]][0], __package__)
    return int(module.main(given[1:]) or 0)


if __name__ == "__main__":
    sys.exit(main())

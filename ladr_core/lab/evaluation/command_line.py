"""Command line of the benchmark: `python -m ladr_core.lab evaluate --samplers ladr --steps 64 16 --out FILE`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from ...command_line import INTERRUPTED, MISTAKE, OneSentenceParser
from ...command_line.machine import describe_machine
from ...command_line.setting_options import typed_value
from ...errors import CheckpointError, InputError
from ...file_reading import read_fields
from ...models.builtin.loading import load_builtin, shipped_models
from ...models.builtin.model import BuiltinDLLM
from ...presets import PRESETS, find_preset
from ...samplers.registry import find_sampler, sampler_names
from ...settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, STEPS
from ..worlds.judged import NAMES
from .ceiling import measure_ceiling
from .configurations import Configuration, configuration_grid, from_preset
from .plot import can_draw_labels, draw_plot
from .power import power_sentence
from .prompts import HALVES, PER_CATEGORY, EvaluationPrompt, evaluation_prompts
from .ray_pool import RayPool
from .record import RecordFile
from .results import best_of_each, reference_configuration, summarize
from .runner import judged_world, measure_latency, model_fingerprint, run_benchmark
from .sheet import draw_sheet
from .tables import to_markdown

DTYPES = ("float32", "bfloat16")


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = OneSentenceParser(
        prog="python -m ladr_core.lab evaluate",
        description="Draw fixed prompts with several sampler configurations, judge every picture by program, and write "
        "FILE (JSON), a table (.md), a plot (.png) and a contact sheet (.sheet.png). A stopped run goes on where it "
        "was when called again.",
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="FILE", help="result file, for example docs/results/emoji.json")
    add("--samplers", nargs="*", default=[], metavar="NAME", help="samplers: " + ", ".join(sampler_names()))
    add("--steps", nargs="+", default=["64"], metavar="N", help="numbers of steps for --samplers")
    words = "a setting or option of --samplers and its values; of several, all combinations are run"
    add("--set", action="append", default=[], metavar="NAME=V,V", dest="varied", help=words)
    words = "result of a run on the tuning half: --samplers take their best values from it"
    add("--tuned", type=Path, metavar="FILE", help=words)
    add("--presets", nargs="*", default=[], metavar="NAME", help="presets: " + ", ".join(PRESETS))
    words = "half of the prompts: choose settings on tuning, report on reporting (default)"
    add("--half", choices=HALVES, default="reporting", help=words)
    words = f"prompts per category, at most {PER_CATEGORY} (default)"
    add("--prompts", type=int, default=PER_CATEGORY, metavar="N", help=words)
    add("--seeds", type=int, default=2, metavar="N", help="pictures per prompt (default 2)")
    add("--batch", type=int, default=12, metavar="N", help="pictures per batch (default 12)")
    words = "also time N pictures one at a time per configuration (default 0)"
    add("--timing", type=int, default=0, metavar="N", help=words)
    words = "draw on a Ray cluster: its address, auto for this machine's, local to start one for this run"
    add("--ray", metavar="ADDRESS", help=words)
    add("--threads", type=int, default=0, metavar="N", help="CPU threads (default: torch decides)")
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="the transformer's arithmetic (default float32)")
    add("--model", type=Path, metavar="FILE", help="weights of a built-in model, if not the shipped ones")
    words = "judge an unfinished training instead: the folder with vq.pt and transformer.pt"
    add("--training_run", "--training-run", type=Path, metavar="FOLDER", help=words)
    add("--world", choices=NAMES, default=NAMES[0], help="world of the model, or of --training_run (default shapes)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 = done, 2 = a mistake that was named in one sentence on stderr."""
    args = make_parser().parse_args(arguments)
    try:
        run(args)
    except (InputError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("interrupted; call it again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Draw, judge and write the result; returns it."""
    for name, value, least, most in (("seeds", args.seeds, 1, 1000), ("prompts", args.prompts, 1, PER_CATEGORY),
                                     ("batch", args.batch, 1, 4096), ("timing", args.timing, 0, 1000),
                                     ("threads", args.threads, 0, 1024)):  # fmt: skip
        if not least <= value <= most:
            nearest = least if value < least else most
            raise InputError(name, value, f"a whole number from {least} to {most}", f"Set --{name} to {nearest}")
    configurations = chosen_configurations(args)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = load_model(args)
    prompts = evaluation_prompts(args.half, args.prompts, judged_world(model))
    name = model_fingerprint(model)
    result: dict[str, Any] = {"model": name, "half": args.half, "prompts": len(prompts), "repetitions": args.seeds,
                              "batch": args.batch, "dtype": args.dtype, "machine": describe_machine()}  # fmt: skip
    result["ceiling"] = measure_ceiling(model, prompts, args.seeds)
    print(f"ceiling (VQ reconstructions of rendered truth): {100 * result['ceiling']['overall']:.1f} %", flush=True)
    result["configurations"] = []
    if configurations:
        file = RecordFile(args.out.with_suffix(".partial.jsonl"), name)
        result["power"] = power_sentence(len(prompts) * args.seeds)
        print(result["power"], flush=True)
        draw_everything(args, model, prompts, configurations, file)
        latency = measure_latency(model, prompts, configurations, args.timing)
        result["reference"] = reference_configuration(configurations).name
        result["configurations"] = summarize(prompts, configurations, args.seeds, file.records, latency)
        result["best"] = best_of_each(result["configurations"])
        if can_draw_labels():
            draw_plot(result).save(args.out.with_suffix(".png"))
            draw_sheet(model, prompts, configurations, file.records).save(args.out.with_suffix(".sheet.png"))
    write_result(args.out, result)
    return result


def draw_everything(
    args: argparse.Namespace, model: BuiltinDLLM, prompts: list[EvaluationPrompt],
    configurations: list[Configuration], file: RecordFile,
) -> None:  # fmt: skip
    """Draw what the file lacks, here or on a cluster."""
    with RayPool(model, args.ray) if args.ray else nullcontext() as pool:
        run_benchmark(
            model, prompts, configurations, args.seeds, file, batch=args.batch,
            progress=lambda line: print(line, flush=True), draw_all=pool.draw if pool else None,
        )  # fmt: skip


def write_result(out: Path, result: dict[str, Any]) -> None:
    """The result as JSON and as a table, side by side."""
    table = to_markdown(result)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


def chosen_configurations(args: argparse.Namespace) -> list[Configuration]:
    """The configurations that the options name."""
    for name in args.samplers:
        if name not in sampler_names():
            raise InputError("samplers", repr(name), "one or more of " + ", ".join(sampler_names()), "Correct the name")
    steps = [typed_value(STEPS, text) for text in args.steps]
    tuned: list[dict[str, Any]] = []
    if args.tuned is not None:
        tuned = read_tuned(args.tuned)
    grid = configuration_grid(args.samplers, steps, read_varied(args.varied, args.samplers), tuned)
    return grid + [from_preset(find_preset(name)) for name in args.presets]


def read_varied(options: Sequence[str], samplers: Sequence[str]) -> dict[str, list[Any]]:
    """Settings, or options of these samplers, and their values out of NAME=V,V."""
    known = SAMPLER_SETTINGS | RESCUE_SETTINGS
    known |= {option.name: option for name in samplers for option in find_sampler(name).options}
    varied = {}
    for option in options:
        name, equals, values = option.partition("=")
        if not equals or name not in known or name == "steps":
            allowed = "NAME=VALUE,VALUE with NAME one of " + ", ".join(n for n in known if n != "steps")
            raise InputError("set", repr(option), allowed, "For example --set choice_temperature=2,4")
        varied[name] = [typed_value(known[name], value) for value in values.split(",")]
    return varied


def read_tuned(path: Path) -> list[dict[str, Any]]:
    """The best values of a result on the tuning half."""
    try:
        result = read_fields(path, "this program")
        half, best = result.text("half"), result.values.get("best")
        if not isinstance(best, list) or not all(_names_a_sampler(values) for values in best):
            raise result.wrong("best", "a list of the best values")
    except CheckpointError as error:
        given = f"{path} ({str(error).rstrip('.')})"
        raise InputError("tuned", given, "a result file of this program", "Run it with --half tuning first") from error
    if half != "tuning":
        raise InputError("tuned", f"{path}, which used the {half} half", "a result of the tuning half",
                         "Run it with --half tuning first")  # fmt: skip
    return best


def _names_a_sampler(values: Any) -> bool:
    return isinstance(values, dict) and {"sampler", "steps"} <= values.keys()


def load_model(args: argparse.Namespace) -> BuiltinDLLM:
    """The shipped model, a given file, or the averaged weights of a training folder."""
    if args.training_run is None:
        return load_builtin(args.model or shipped_models()[args.world], dtype=getattr(torch, args.dtype))
    from ..training.emoji import export_emoji
    from ..training.export import export_builtin
    from ..worlds.shapes.world import ShapesWorld

    for name in ("vq.pt", "transformer.pt"):
        if not (args.training_run / name).is_file():
            raise InputError("training_run", args.training_run, "a folder with vq.pt and transformer.pt",
                             f"Train first; {name} is missing")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.safetensors"
        if args.world == "emoji":
            record = export_emoji(args.training_run, target)
        else:
            record = export_builtin(ShapesWorld(("plain",)), args.training_run, target)
        print(f"training: {record}", flush=True)
        return load_builtin(target, dtype=getattr(torch, args.dtype))

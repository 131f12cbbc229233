"""Runs of an official implementation and of ours in alternation on the same random weights, for official_*.py.

Every run has a process of its own. Seconds per step are those of the draw divided by its steps; end to end adds the
token sequences before and the tokens' way to the CPU after it, and leaves out loading, the text tokenizer and the image
decoder. On a CPU with one thread seconds are those of the process, so that other work on the machine counts little;
else they are those of the clock on the wall. Memory is the peak of what tensors hold beyond the weights, measured in a
run of its own: every allocation is recorded by torch's profiler on a CPU, by the allocator on a GPU.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
WARM_UP = 2  # steps
LEAST_WORDS = 80  # token ids below it stand for words


@dataclass(frozen=True)
class Case:
    """One measurement."""

    model: str
    reference: str  # folder of the official repository
    sizes: dict[str, Any]  # of the transformer
    codebook_size: int
    prompt_tokens: list[int]  # conditional and unconditional
    side: int  # cells
    steps: int
    temperature: float
    cache: bool
    dtype: str
    device: str
    threads: int
    kind: str = "ours"  # or official, or another name that the program knows
    memory: bool = False  # measure memory instead of time


@dataclass(frozen=True)
class Drawing:
    """A picture about to be drawn: `prepare` makes the token sequences, `draw` the cells' indices in so many steps."""

    prepare: Callable[[], Any]
    draw: Callable[[Any, int], Any]


def set_up(case: Case) -> Any:
    """The device, with the official code and this repository importable."""
    sys.path.insert(0, case.reference)
    import torch

    if case.device == "cpu":
        torch.set_num_threads(case.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(case.device)


def random_state(case: Case) -> tuple[Any, dict[str, Any]]:
    """The transformer's configuration and random weights by name, the same for all kinds."""
    import torch

    from ...models.llada import LLaDAConfig, LLaDATransformer

    config, dtype = LLaDAConfig(**case.sizes), getattr(torch, case.dtype)
    generator = torch.Generator(case.device).manual_seed(0)
    shapes = {name: value.shape for name, value in LLaDATransformer(config, device="meta").state_dict().items()}
    state = {
        name: (torch.randn(shape, generator=generator, device=case.device, dtype=dtype) * 0.05 if len(shape) > 1
               else torch.ones(shape, device=case.device, dtype=dtype))
        for name, shape in shapes.items()
    }  # fmt: skip
    return config, state


def our_transformer(config: Any, state: dict[str, Any]) -> Any:
    """Our transformer with these weights."""
    from ...models.llada import LLaDATransformer

    model = LLaDATransformer(config, device="meta")
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def random_words(count: int) -> Any:
    """Token ids of a prompt."""
    import torch

    return torch.randint(0, LEAST_WORDS, (count,), generator=torch.Generator().manual_seed(count))


def observe(case: Case, drawing: Drawing, device: Any) -> dict[str, Any]:
    """Draw one picture: its seconds or its peak of memory, and a digest of its tokens."""
    if device.type != "cpu":
        drawing.draw(drawing.prepare(), WARM_UP)  # loads the kernels
    if case.memory:
        peak, tokens = _peak(lambda: drawing.draw(drawing.prepare(), case.steps).flatten().tolist(), device)
        return {"peak_bytes": peak, "tokens": _digest(tokens)}
    started, cpu_started = _clock(case, device), time.process_time()
    prepared = drawing.prepare()
    loop_started = _clock(case, device)
    found = drawing.draw(prepared, case.steps)
    loop_ended = _clock(case, device)
    tokens = found.flatten().tolist()
    return {
        "seconds_per_step": (loop_ended - loop_started) / case.steps,
        "seconds_end_to_end": _clock(case, device) - started,
        "seconds_of_processor": time.process_time() - cpu_started,
        "tokens": _digest(tokens),
    }


def _digest(tokens: list[int]) -> str:
    return hashlib.sha256(str(tokens).encode()).hexdigest()[:16]


def _clock(case: Case, device: Any) -> float:
    if device.type != "cpu":
        import torch

        torch.accelerator.synchronize()
        return time.perf_counter()
    return time.process_time() if case.threads == 1 else time.perf_counter()


def _peak(run: Callable[[], Any], device: Any) -> tuple[int, Any]:
    """Most bytes that the run's tensors hold at once, and its result."""
    import torch

    if device.type != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = run()
        return torch.cuda.max_memory_allocated(device) - before, result
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        result = run()
    events = profile.profiler.kineto_results.events()  # type: ignore[union-attr]
    changes = sorted((e.start_ns(), place, e.nbytes()) for place, e in enumerate(events) if e.name() == "[memory]")
    held = peak = 0
    for _, _, change in changes:
        held += change
        peak = max(peak, held)
    return peak, result


def compare(case: Case, measure: Callable[[Case], dict[str, Any]], kinds: list[str], repeats: int) -> dict[str, Any]:
    """An entry of the result file: runs of all kinds in alternation (repeats), or their memory (0 repeats)."""
    memory = repeats == 0
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    # Each run is forked off a server that has imported the libraries and nothing else.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "transformers.modeling_utils"])
    with context.Pool(1, maxtasksperchild=1) as pool:
        for _ in range(max(1, repeats)):
            for kind, found in runs.items():
                found.append(pool.apply(measure, (replace(case, kind=kind, memory=memory),)))
                print(kind, found[-1], flush=True)
    entry: dict[str, Any] = {"case": _described(case), "memory" if memory else "time": _machine(case)}
    part = entry["memory" if memory else "time"]
    others = [kind for kind in kinds if kind != "official"]
    part["same_tokens"] = {kind: _tokens(runs[kind]) == _tokens(runs["official"]) for kind in others}
    if memory:
        part["peak_bytes"] = {kind: found[0]["peak_bytes"] for kind, found in runs.items()}
    else:
        for name in ("seconds_per_step", "seconds_end_to_end", "seconds_of_processor"):
            part[name] = {kind: statistics.median(run[name] for run in found) for kind, found in runs.items()}
            part[f"speed_up_{name.removeprefix('seconds_')}"] = {
                kind: _speed_up(name, runs[kind], runs["official"]) for kind in others
            }
    part["runs"] = runs
    return entry


def _speed_up(name: str, ours: list[dict[str, Any]], official: list[dict[str, Any]]) -> dict[str, float]:
    """Times faster than the official code: of the medians, and the least and most of the repeats."""
    ratios = [theirs[name] / own[name] for own, theirs in zip(ours, official)]
    median = statistics.median(run[name] for run in official) / statistics.median(run[name] for run in ours)
    return {"median": median, "least": min(ratios), "most": max(ratios)}


def _tokens(runs: list[dict[str, Any]]) -> set[str]:
    return {run["tokens"] for run in runs}


def _described(case: Case) -> dict[str, Any]:
    """What of a case makes it another one."""
    values = asdict(case)
    for name in ("reference", "kind", "memory", "threads"):
        del values[name]
    return values | {"transformer": values.pop("sizes")}


def _machine(case: Case) -> dict[str, Any]:
    import torch

    on_cpu = case.device == "cpu"
    return {
        "machine": _processor(),
        "device": "cpu" if on_cpu else torch.cuda.get_device_name(case.device),
        "threads": case.threads if on_cpu else None,
        "torch": torch.__version__,
        "clock": "process" if on_cpu and case.threads == 1 else "wall",
    }


def _processor() -> str:
    names = Path("/proc/cpuinfo")
    if names.is_file():
        for line in names.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def record(path: Path, entry: dict[str, Any], note: str) -> None:
    """Put an entry into a result file: time and memory of one case together, in the place of what is there of it."""
    entries = json.loads(path.read_text(encoding="utf-8"))["results"] if path.is_file() else []
    for part in ("time", "memory"):
        if part in entry and note:
            entry[part]["note"] = note
    same = next((known for known in entries if known.get("case") == entry["case"]), None)
    if same is None:
        entries.append(entry)
    else:
        same.update(entry)
    path.write_text(json.dumps({"results": entries}, indent=1) + "\n", encoding="utf-8")


def _folder(path: str) -> str:
    return str(Path(path).resolve())


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that the programs share."""
    parser.add_argument("--reference", type=_folder, required=True, help="folder of the official repository")
    parser.add_argument("--output", type=Path, required=True, help="result file, which keeps its other entries")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="on a CPU")
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    parser.add_argument("--repeats", type=int, default=3, help="0 measures memory instead of time")
    parser.add_argument("--width", type=int, default=512, help="of the transformer, a multiple of 128")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--real_vocabulary", action="store_true", help="the published vocabulary and codebook")
    parser.add_argument("--full", action="store_true", help="the published sizes, 8 billion parameters")
    parser.add_argument("--note", default="", help="what else a reader should know of the run")


def sizes(args: argparse.Namespace, vocabulary: int, codebook: int) -> tuple[dict[str, int], int]:
    """Sizes of the transformer and codebook that the options ask for.

    Reduced with the published shape: heads of 128, an MLP three times as wide, and the head's share of the linear
    layers' work and the codebook's share of the head as published.
    """
    width, layers = (4096, 32) if args.full else (args.width, args.layers)
    rows, codes = vocabulary, codebook
    if not (args.full or args.real_vocabulary):
        rows = round(vocabulary * width * layers / (4096 * 32))
        codes = round(codebook * width * layers / (4096 * 32))
    return {
        "d_model": width, "n_layers": layers, "n_heads": width // 128, "mlp_hidden_size": 3 * width,
        "embedding_size": rows,
    }, codes  # fmt: skip

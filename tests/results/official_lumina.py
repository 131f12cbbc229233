"""Time and memory of Lumina-DiMOO here and in its official implementation, on the same random weights, alternating.

    git clone https://github.com/Alpha-VLLM/Lumina-DiMOO
    python tests/results/official_lumina.py --reference Lumina-DiMOO --output tests/results/official_lumina_cpu.json

`--sides 64` is 1024 x 1024 pixels. At temperature 0 both must give the same tokens; at 1, as published, both draw
noise from the same seed. Every run has a process of its own and is repeated; the medians and all runs are written.
Seconds per step are those of the draw divided by its steps; end to end adds the token sequences before and the
tokens' way to the CPU after it, and still leaves out loading, the text tokenizer and the image decoder. On a CPU
seconds are those of the process, so that other work on the machine does not count, and memory needs Linux. `--full`
takes the published sizes (8 billion parameters, for a large GPU).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import multiprocessing
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PROMPT, UNCONDITIONAL = 100, 20  # tokens
WARM_UP = 2  # steps


@dataclass(frozen=True)
class Case:
    """One measurement."""

    kind: str  # ours or official
    reference: str
    sizes: dict[str, Any]  # of the transformer
    codebook_size: int
    side: int  # cells
    steps: int
    cache: bool
    temperature: float
    device: str
    dtype: str


def measure(case: Case) -> dict[str, Any]:
    """Draw one picture; seconds per step and end to end, peak memory and a digest of the tokens."""
    sys.path[:0] = [str(REPOSITORY), case.reference]
    import torch

    from ladr_core.models.llada import LLaDAConfig, LLaDATransformer
    from ladr_core.models.lumina_dimoo import LuminaIds, answer_sequence, shifted_ids
    from ladr_core.token_grid import TokenGrid

    if case.device == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    device, dtype = torch.device(case.device), getattr(torch, case.dtype)
    config = LLaDAConfig(**case.sizes)
    shift = LuminaIds().image_offset + case.codebook_size - config.embedding_size
    ids, grid = shifted_ids(shift, case.codebook_size), TokenGrid(case.side, case.side)
    generator = torch.Generator(device).manual_seed(0)
    shapes = {name: value.shape for name, value in LLaDATransformer(config, device="meta").state_dict().items()}
    state = {
        name: (torch.randn(shape, generator=generator, device=device, dtype=dtype) * 0.05 if len(shape) > 1
               else torch.ones(shape, device=device, dtype=dtype))
        for name, shape in shapes.items()
    }  # fmt: skip
    prompts = [torch.randint(0, 80, (n,), generator=torch.Generator().manual_seed(n)) for n in (PROMPT, UNCONDITIONAL)]
    draw = (_ours if case.kind == "ours" else _official)(case, config, state, ids, grid, device)
    if case.device != "cpu":
        draw([answer_sequence(prompt, grid, ids) for prompt in prompts], WARM_UP)  # loads the kernels
    before = _memory(device, reset=True)
    started = _clock(device)
    sequences = [answer_sequence(prompt, grid, ids) for prompt in prompts]
    loop_started = _clock(device)
    tokens = draw(sequences, case.steps)
    loop_ended = _clock(device)
    listed = tokens.flatten().tolist()
    return {
        "seconds_per_step": (loop_ended - loop_started) / case.steps,
        "seconds_end_to_end": _clock(device) - started,
        "peak_bytes": _memory(device) - before,
        "tokens": hashlib.sha256(str(listed).encode()).hexdigest()[:16],
    }


def _ours(case: Case, config: Any, state: Any, ids: Any, grid: Any, device: Any) -> Any:
    import torch

    from ladr_core.denoising_loop import denoise
    from ladr_core.models.llada import LLaDATransformer
    from ladr_core.models.ml_cache import MLCacheDenoiser, MLCacheSettings
    from ladr_core.models.sequence import SequenceDenoiser
    from ladr_core.noise import PerImageNoise
    from ladr_core.samplers.lumina_dimoo import GumbelArgmaxDraw, LuminaDiMOORule
    from ladr_core.samplers.upstream import UpstreamGuidance
    from ladr_core.settings import SamplerSettings

    model = LLaDATransformer(config, device="meta")
    model.load_state_dict(state, assign=True)
    model.eval().requires_grad_(False)
    masked, heat = torch.full((1, grid.cells), -1), case.temperature

    def draw(sequences: Any, steps: int) -> Any:
        branches = [[sequence] for sequence in sequences]
        settings = SamplerSettings(steps=steps, cfg=5.0, temperature=heat, choice_temperature=heat)
        denoiser: SequenceDenoiser = SequenceDenoiser(model, branches, ids.vocabulary, device)
        if case.cache:
            denoiser = MLCacheDenoiser(model, branches, ids.vocabulary, device, MLCacheSettings(steps))
        return denoise(
            denoiser, masked, grid, editable=masked < 0, rule=LuminaDiMOORule(settings), settings=settings,
            noise=PerImageNoise([0], device), draw=GumbelArgmaxDraw(heat), guidance=UpstreamGuidance(4.0),
        )[0]  # fmt: skip

    return draw


def _official(case: Case, config: Any, state: Any, ids: Any, grid: Any, device: Any) -> Any:
    from generators.image_generation_generator import generate_image
    from model import LLaDAForMultiModalGeneration
    from model.configuration_llada import LLaDAConfig

    fields = {
        "activation_type": "silu", "block_type": "llama", "layer_norm_type": "rms", "rope": True, "weight_tying": False,
        "rope_full_precision": True, "include_bias": False, "include_qkv_bias": False, "bias_for_layer_norm": False,
        "attention_dropout": 0.0, "residual_dropout": 0.0, "embedding_dropout": 0.0, "max_sequence_length": 8192,
        "n_kv_heads": config.n_heads, "vocab_size": config.embedding_size, "rms_norm_eps": 1e-5, "init_device": "cpu",
        "mask_token_id": ids.mask, "use_cache": False, "alibi": False, "flash_attention": False,
    }  # fmt: skip
    import torch

    with contextlib.redirect_stdout(io.StringIO()):  # it prints its configuration
        model = LLaDAForMultiModalGeneration(LLaDAConfig(**{**case.sizes, **fields, "rope_theta": 500000.0}))
    model.load_state_dict({"model." + name: value for name, value in state.items()}, assign=True)
    model.to(device).eval().requires_grad_(False)

    def draw(sequences: Any, steps: int) -> Any:
        conditional, unconditional = sequences
        torch.manual_seed(0)  # its noise is the global one; ours has the same seed
        with torch.no_grad():
            found = generate_image(
                model, conditional.token_ids[None].clone(), seq_len=grid.cells, newline_every=grid.width,
                timesteps=steps, mask_token_id=ids.mask, newline_id=ids.newline, temperature=case.temperature,
                cfg_scale=4.0, uncon_ids=unconditional.token_ids[None, :UNCONDITIONAL], code_start=PROMPT + 2,
                codebook_size=ids.codebook_size, use_cache=case.cache,
            )  # fmt: skip
        return found - ids.image_offset

    return draw


def _clock(device: Any) -> float:
    if device.type == "cpu":
        return time.process_time()
    import torch

    torch.accelerator.synchronize()
    return time.perf_counter()


def _memory(device: Any, *, reset: bool = False) -> int:
    """Peak bytes since the reset: of the process on a CPU, of the allocator on a GPU. At the reset, bytes in use."""
    if device.type == "cpu":
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024
    import torch

    if reset:
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    return torch.cuda.max_memory_allocated(device)


def main() -> int:
    """Measure all cases and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, help="folder of the official repository")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64], help="cells per side; 64 = 1024 pixels")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.0, 1.0])
    parser.add_argument("--full", action="store_true", help="the published sizes")
    parser.add_argument("--note", default="", help="what else a reader should know of the run")
    args = parser.parse_args()
    # Reduced with the head's share of the work (6 %) and the codebook's share of the head kept as published.
    sizes = {"d_model": 512, "n_layers": 4, "n_heads": 4, "mlp_hidden_size": 1536, "embedding_size": 1824}
    codebook = 112
    if args.full:
        sizes = {"d_model": 4096, "n_layers": 32, "n_heads": 32, "mlp_hidden_size": 12288, "embedding_size": 134548}
        codebook = 8192
    results = []
    cases = [(side, heat, cache) for side in args.sides for heat in args.temperatures for cache in (False, True)]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for side, heat, cache in cases:
            runs: dict[str, list[dict[str, Any]]] = {"ours": [], "official": []}
            for _ in range(args.repeats):
                for kind, found in runs.items():
                    case = Case(
                        kind, str(Path(args.reference).resolve()), sizes, codebook, side, args.steps, cache, heat,
                        args.device, args.dtype,
                    )  # fmt: skip
                    found.append(pool.apply(measure, (case,)))
                    print(side, heat, "cache" if cache else "plain", kind, found[-1], flush=True)
            results.append(_summary(side, heat, cache, runs))
            _write(args, sizes, codebook, results)
    return 0


def _summary(side: int, heat: float, cache: bool, runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    def medians(name: str) -> dict[str, float]:
        return {kind: statistics.median(run[name] for run in found) for kind, found in runs.items()}

    seconds = medians("seconds_per_step")
    return {
        "pixels": side * 16,
        "temperature": heat,
        "ml_cache": cache,
        "seconds_per_step": seconds,
        "speed_up": seconds["official"] / seconds["ours"],
        "seconds_end_to_end": medians("seconds_end_to_end"),
        "peak_bytes": medians("peak_bytes"),
        "same_tokens": len({run["tokens"] for found in runs.values() for run in found}) == 1,
        "runs": runs,
    }


def _write(args: argparse.Namespace, sizes: dict[str, int], codebook: int, results: list[dict[str, Any]]) -> None:
    import torch

    content = {
        "machine": platform.processor() or platform.machine(),
        "device": args.device if args.device == "cpu" else torch.cuda.get_device_name(args.device),
        "threads": 1 if args.device == "cpu" else None,
        "torch": torch.__version__,
        "dtype": args.dtype,
        "note": args.note,
        "steps": args.steps,
        "transformer": sizes,
        "codebook_size": codebook,
        "prompt_tokens": [PROMPT, UNCONDITIONAL],
        "results": results,
    }
    args.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

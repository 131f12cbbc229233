"""`convert`: write a checkpoint as one .safetensors file, or a PEFT LoRA with the names ComfyUI knows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import CheckpointError
from ..weight_dtype import AUTO, DTYPES, find_dtype


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `convert`."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="checkpoint folder or file, or a PEFT LoRA")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the .safetensors file to write")
    parser.add_argument(
        "--dtype",
        default=AUTO,
        metavar="NAME",
        help="of the language model's weights: one of " + ", ".join(DTYPES) + " (default auto, as stored); "
        "float8_e4m3fn needs about half of the memory of bfloat16",
    )
    parser.add_argument(
        "--vq",
        type=Path,
        default=None,
        metavar="PATH",
        help="folder or file of the image tokenizer, if it is elsewhere",
    )


def run(args: argparse.Namespace) -> int:
    """Convert; the exit code."""
    from ..checkpoint.header import readable_bytes
    from ..checkpoint.parts import find_parts
    from ..checkpoint.peft import is_adapter, rename_adapter
    from ..checkpoint.single_file import check_target, write_single_file

    dtype = find_dtype(args.dtype)
    if not args.source.exists():
        raise CheckpointError(f"There is no file or folder {args.source}.")
    target = check_target(args.output)
    if is_adapter(args.source):
        layers = rename_adapter(args.source, target)
        print(f"{target}: LoRA of {layers} layers; put it into models/loras and load it with LoraLoaderModelOnly.")
        return 0
    parts = find_parts(args.source, args.vq)
    size = write_single_file(parts, target, dtype or parts.stored_dtype, _show if sys.stderr.isatty() else None)
    print(
        f"{target}: {parts.family.title}, {readable_bytes(size)}; put it into models/dllm and choose it in Load dLLM."
    )
    return 0


def _show(written: int, whole: int) -> None:
    end = "\n" if written == whole else ""
    print(f"\r{written / 1e9:.2f} of {whole / 1e9:.2f} GB", end=end, file=sys.stderr, flush=True)

"""The sound model folders that mutations start from."""

from __future__ import annotations

from pathlib import Path

from comfyui.tiny_model import write_tiny
from tiny_checkpoints import lora_factors, write_adapter, write_lumina, write_magvit, write_mmada

from ladr_core.command_line import main

LORA_LAYERS = ("transformer.blocks.0.q_proj", "transformer.ff_out")
LORA_ROWS = 134548


def write_sound_folders(root: Path) -> Path:
    """Write one of each: two published models, a converted file, a built-in model and a PEFT adapter."""
    write_lumina(root / "lumina")
    write_mmada(root / "mmada")
    write_magvit(root / "mmada" / "magvitv2")
    (root / "single").mkdir()
    main(["convert", str(root / "lumina"), str(root / "single" / "single.safetensors"), "--dtype", "float8_e4m3fn"])
    write_tiny(root / "builtin" / "tiny.safetensors")
    write_adapter(root / "adapter", lora_factors(LORA_LAYERS, LORA_ROWS), alpha=2.0)
    return root

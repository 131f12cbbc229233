"""Model, sampling and files as the commands need them: load, draw a batch, write the pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, InputError
from ..weight_dtype import AUTO, find_dtype

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..models.contract import DLLM
    from ..report import SamplingReport
    from ..sampler_setup import SamplerSetup

BUILTIN = "builtin"
FORMATS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Drawing:
    """The pictures of one run and its report."""

    pictures: list[Image]
    report: SamplingReport


def find_device(name: str | None) -> Any:
    """The device of that name; without a name the accelerator if torch knows one, else the CPU."""
    import torch

    if name is None:
        accelerator = getattr(torch, "accelerator", None)  # torch 2.6 and newer
        found = accelerator.current_accelerator() if accelerator is not None and accelerator.is_available() else None
        return found or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        allowed = "a device of this machine that torch can use"
        raise InputError("device", repr(name), allowed, "Leave device out") from error
    return device


def load_model(place: str, device: Any, dtype: str = AUTO) -> DLLM:
    """The built-in model, or the checkpoint (folder or .safetensors file) at `place`, on the device."""
    import torch

    from ..checkpoint import load_dllm
    from ..models.builtin.loading import WEIGHTS, BuiltinDLLM

    wanted = find_dtype(dtype)
    if wanted is None and device.type == "cpu":
        wanted = torch.float32
    path = WEIGHTS if place == BUILTIN else Path(place).expanduser()
    if not path.exists():
        raise CheckpointError(f"checkpoint: there is no file or folder {path}; give its path, or {BUILTIN}.")
    model = load_dllm(path, dtype=wanted, device=device)
    if isinstance(model, BuiltinDLLM):
        if wanted == torch.float8_e4m3fn:
            raise InputError("dtype", dtype, "16 or 32 bits for the built-in model", f"Set dtype to {AUTO}")
        # Its layers are too small to share: on a busy machine threads that wait for each other take ten times longer.
        torch.set_num_threads(1)
    return model


def draw(
    model: DLLM,
    prompt: str,
    negative: str = "",
    *,
    setup: SamplerSetup,
    seeds: Sequence[int],
    device: Any,
    width: int | None = None,
    height: int | None = None,
    on_step: Callable[[Any], None] | None = None,
) -> Drawing:
    """Draw one picture per seed; width and height in pixels, the model's own where None."""
    import torch
    from PIL import Image

    from ..models.contract import Prompt
    from ..sampling import ImageRequest, RunCallbacks, sample_tokens
    from ..token_grid import TokenGrid

    own = model.default_grid
    grid = TokenGrid(_cells(model, "height", height, own.height), _cells(model, "width", width, own.width))
    images = len(seeds)
    request = ImageRequest([Prompt(prompt)] * images, [Prompt(negative)] * images, grid, seeds)
    callbacks = RunCallbacks() if on_step is None else RunCallbacks(on_step=on_step)
    indices, report = sample_tokens(model, request, setup, device=device, callbacks=callbacks)
    with torch.no_grad():
        pixels = torch.cat([model.vq.decode(indices[i : i + 1]) for i in range(images)])  # one by one: least memory
    rows = (pixels.clamp(0, 1) * 255).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return Drawing([Image.fromarray(row) for row in rows], report)


def _cells(model: DLLM, name: str, pixels: int | None, own: int) -> int:
    """Cells along one side; InputError with the nearest number of pixels that is a whole number of cells."""
    if pixels is None:
        return own
    if pixels % model.cell_pixels:
        nearest = max(1, round(pixels / model.cell_pixels)) * model.cell_pixels
        raise InputError(name, pixels, f"multiples of {model.cell_pixels} pixels", f"Set {name} to {nearest}")
    return pixels // model.cell_pixels


def check_output(path: Path, images: int) -> list[Path]:
    """The files that `images` pictures go to, made sure of before any work: name.png, or name-1.png, name-2.png, ..."""
    if path.suffix.lower() not in FORMATS:
        allowed = "file names ending in " + ", ".join(FORMATS)
        raise InputError("output", repr(str(path)), allowed, "Name a file such as out.png")
    check_writable("output", path)
    if images == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, images + 1)]


def check_writable(name: str, path: Path) -> None:
    """Make the folder of the file that the option `name` gives; InputError where the file could not be written."""
    make_folder(name, path.parent)
    if path.is_dir():
        raise InputError(name, repr(str(path)), "a file, not a folder", "Add a file name")


def make_folder(name: str, folder: Path) -> None:
    """Make a folder; InputError where that fails or where it may not be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(name, repr(str(folder)), "a folder that can be made", "Choose another place") from error
    if not os.access(folder, os.W_OK):
        raise InputError(name, repr(str(folder)), "a folder you may write to", "Choose another place")

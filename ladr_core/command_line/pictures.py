"""Model, sampling and files as the commands need them: load, draw a batch, write the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError, InputError, cut
from ..weight_dtype import AUTO, find_dtype

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..models.contract import DLLM
    from ..report import SamplingReport
    from ..sampler_setup import SamplerSetup
    from ..token_grid import TokenGrid
    from .starting_picture import StartingPicture

BUILTIN = "builtin"


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
        float(torch.ones(1, device=device).sum())  # some devices hold no numbers
    except (RuntimeError, AssertionError, ImportError, ValueError, TypeError, AttributeError) as error:
        allowed = "a device of this machine that torch can use"
        raise InputError("device", repr(name), allowed, "Leave device out") from error
    return device


def load_model(place: str, device: Any, dtype: str = AUTO, vq: Path | None = None) -> DLLM:
    """The built-in model, or the checkpoint (folder or .safetensors file) at `place`, on the device.

    vq: the image tokenizer (folder or file), where it is not beside the checkpoint.
    """
    import torch

    from ..checkpoint import load_dllm
    from ..models.builtin.loading import BuiltinDLLM, shipped_models

    wanted = find_dtype(dtype)
    if wanted is None and device.type == "cpu":
        wanted = torch.float32
    shipped = shipped_models()
    names = {BUILTIN: next(iter(shipped.values()))} | {f"{BUILTIN}-{world}": path for world, path in shipped.items()}
    path = names.get(place) or Path(place).expanduser()
    for name, given in (("checkpoint", path), ("vq", vq)):
        if given is not None and not _exists(given):
            or_else = ", or " + ", ".join(names) if name == "checkpoint" else ""
            raise CheckpointError(f"{name}: there is no file or folder {cut(given)}; give its path{or_else}.")
    model = load_dllm(path, dtype=wanted, device=device, vq_path=vq)
    if isinstance(model, BuiltinDLLM):
        if wanted == torch.float8_e4m3fn:
            raise InputError("dtype", dtype, "16 or 32 bits for the built-in model", f"Set dtype to {AUTO}")
        # Its layers are too small to share: on a busy machine threads that wait for each other take ten times longer.
        torch.set_num_threads(1)
    return model


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


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
    start: StartingPicture | None = None,
) -> Drawing:
    """Draw one picture per seed; width and height in pixels, the start's or the model's own where None."""
    import torch
    from PIL import Image

    from ..mapped_files import check_mapped
    from ..models.contract import Prompt
    from ..sampling import ImageRequest, RunCallbacks, sample_tokens

    images, indices, editable = len(seeds), None, None
    if start is not None:
        own_width, own_height = start.size
        if (width or own_width, height or own_height) != start.size:
            raise InputError(
                "width x height", f"{width or own_width} x {height or own_height}",
                f"{own_width} x {own_height}, as the image has", "Leave width and height out, or scale the image",
            )  # fmt: skip
        width, height = start.size
        indices = start.codebook_indices.expand(images, -1, -1)
        editable = None if start.editable is None else start.editable.expand(images, -1, -1)
    grid = chosen_grid(model, width, height)
    prompts, negatives = [Prompt(prompt)] * images, [Prompt(negative)] * images
    request = ImageRequest(prompts, negatives, grid, seeds, indices, editable)
    callbacks = RunCallbacks() if on_step is None else RunCallbacks(on_step=on_step)
    indices, report = sample_tokens(model, request, setup, device=device, callbacks=callbacks)
    check_mapped(model.vq)
    with torch.no_grad():
        pixels = torch.cat([model.vq.decode(indices[i : i + 1]) for i in range(images)])  # one by one: least memory
    rows = (pixels.clamp(0, 1) * 255).round().to("cpu", torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return Drawing([Image.fromarray(row) for row in rows], report)


def chosen_grid(model: DLLM, width: int | None, height: int | None) -> TokenGrid:
    """The grid of a size in pixels, the model's own sides where None; InputError advises the nearest it can draw."""
    from ..token_grid import TokenGrid

    side, own = model.cell_pixels, model.default_grid
    width, height = width or own.width * side, height or own.height * side
    if width % side or height % side:
        fits = model.fit_grid(width, height)
        raise InputError(
            "width x height", f"{width} x {height}", f"multiples of {side} pixels for {model.name}",
            f"Set width to {fits.width * side} and height to {fits.height * side}",
        )  # fmt: skip
    return TokenGrid(height // side, width // side)

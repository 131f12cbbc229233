"""Recorded images of both image tokenizers: features, indices, pixels, painting masks."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.lumina_dimoo.model import LuminaIds, grid_tokens, image_tokens
from ...vq.amused_vq import VQModel, VQModelConfig
from ...vq.magvit2 import LookupFreeQuantizer, MAGVITv2, MAGVITv2Config
from .golden_folder import GoldenFolder
from .result import FileCheck

FEATURES_TOLERANCE, VQ_PIXELS_TOLERANCE, MAGVIT_PIXELS_TOLERANCE = 1e-3, 1e-4, 1e-3
ONE_BYTE = 1.0


def to_tensor(image: Any) -> Tensor:
    """Pixels [1, 3, H, W] in 0..1 of a Pillow image."""
    data = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
    return data.view(1, image.height, image.width, 3).movedim(-1, 1).float() / 255


def floor_to_cells(image: Any, cell_pixels: int) -> Any:
    """The image scaled (Lanczos) so that both sides are whole cells, as published; unchanged where they are."""
    from PIL import Image

    width, height = (side // cell_pixels * cell_pixels for side in image.size)
    return image if (width, height) == image.size else image.resize((width, height), Image.Resampling.LANCZOS)


def check_vqmodel(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Lumina-DiMOO's tokenizer on the pictures of the folder."""
    from PIL import Image

    cases, tensors = folder.json(name), name.replace(".json", ".safetensors")
    check, values, data = FileCheck(name), FileCheck(tensors), folder.tensors(tensors)
    model = VQModel(VQModelConfig.from_dict(folder.json("config.json")))
    model.load_state_dict(folder.tensors("diffusion_pytorch_model.safetensors"))
    model.eval()
    pictures = []
    for key, case in cases.items():
        picture = FileCheck(case["png"])
        pictures.append(picture)
        image = Image.open(folder.path / case["png"])
        pixels = to_tensor(image)
        picture.equal("pixels", (pixels[0].movedim(0, -1) * 255).round().to(torch.uint8), data[f"{key}.pixels"])
        prepared = to_tensor(floor_to_cells(image.convert("RGB"), model.cell_pixels))
        picture.close("prepared", prepared, data[f"{key}.input"], 1e-6)
        features = model.features(prepared)
        values.close(f"{key} features", features, data[f"{key}.latents"], FEATURES_TOLERANCE)
        indices = model.to_indices(features)
        values.equal(f"{key} indices", indices[0], data[f"{key}.indices"].long())
        values.close(f"{key} decoded", model.decode_unclipped(indices), data[f"{key}.decoded"], VQ_PIXELS_TOLERANCE)
        found = (model.decode(indices)[0].movedim(0, -1) * 255).round()
        values.close(f"{key} bytes", found, data[f"{key}.recon_uint8"], ONE_BYTE)
        check.equal(f"{key} grid", list(indices.shape[1:]), case["grid_hw"])
        check.equal(f"{key} tokens", image_tokens(indices[0], LuminaIds()), case["tokens_with_breaks"])
        for paint in case["paint"]:
            _check_painting(check, key, indices[0], image.size, prepared.shape[-2:], paint)
        check.keep_margin(case["min_codebook_distance_gap"])
    values.margin = check.margin
    return [check, values, *pictures]


def painting_mask(
    size: tuple[int, int], prepared: tuple[int, int], grid: tuple[int, int], paint: dict[str, Any]
) -> Tensor:
    """Cells [h, w] that a centered rectangle masks; sizes (H, W) of the image, the prepared image and the grid."""
    rectangle = torch.zeros(prepared)
    spans = []
    for side, inner, ratio in zip(size, prepared, (paint["mask_h_ratio"], paint["mask_w_ratio"])):
        length = round(side * ratio)
        first = (side - length) // 2
        spans.append(slice(round(first * inner / side), round((first + length) * inner / side)))
    rectangle[spans[0], spans[1]] = 1
    outside = paint["mask_mode"] == "outpainting"
    if outside:
        rectangle = 1 - rectangle
    share = F.interpolate(rectangle[None, None], size=grid, mode="area")[0, 0]
    masked = share > 0.5 if paint["mask_mode"] == "inpainting" else share >= 0.5
    reach = paint["dilate_latent_k"]
    if reach:
        masked = F.max_pool2d(masked[None, None].float(), 2 * reach + 1, 1, reach)[0, 0] > 0
    return masked


def _check_painting(
    check: FileCheck, key: str, indices: Tensor, size: tuple[int, int], prepared: Any, paint: dict[str, Any]
) -> None:
    ids = LuminaIds()
    masked = painting_mask((size[1], size[0]), (prepared[0], prepared[1]), (indices.shape[0], indices.shape[1]), paint)
    what = f"{key} {paint['mask_mode']} {paint['mask_h_ratio']} x {paint['mask_w_ratio']}"
    check.equal(f"{what} cells", masked, paint["masked_grid"])
    tokens = torch.where(masked, ids.mask, indices + ids.image_offset)
    check.equal(f"{what} tokens", grid_tokens(tokens, ids.newline), paint["tokens"])


def check_magvit(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """MMaDA's tokenizer on recorded pixels."""
    check, data = FileCheck(name), folder.tensors(name)
    model = MAGVITv2(MAGVITv2Config.from_dict(folder.json("config.json")))
    model.load_state_dict(folder.tensors("model.safetensors"))
    model.eval()
    for case in folder.meta["cases"]:
        key = case["name"]
        pixels = data[f"{key}.image_u8"].movedim(-1, 1).float() / 255
        check.close(f"{key} prepared", (pixels - 0.5) / 0.5, data[f"{key}.pixel_values"], 1e-6)
        features = model.features(pixels)
        check.close(f"{key} features", features, data[f"{key}.encoder_out"], FEATURES_TOLERANCE)
        indices = model.to_indices(features)
        check.equal(f"{key} indices", indices.flatten(1), data[f"{key}.indices"].long())
        check.equal(f"{key} grid", list(indices.shape[1:]), case["grid"])
        check.close(f"{key} decoded", model.decode_unclipped(indices), data[f"{key}.decoded"], MAGVIT_PIXELS_TOLERANCE)
        found = (model.decode(indices) * 255).floor().movedim(1, -1)
        check.close(f"{key} bytes", found, data[f"{key}.decoded_u8"], ONE_BYTE)
        check.keep_margin(case["min_abs_encoder_out"])
    indices = data["random_codes.indices"].long()
    for key, (height, width) in (("random_codes", (4, 4)), ("random_codes_2x8", (2, 8))):
        decoded = model.decode_unclipped(indices.view(-1, height, width))
        check.close(key, decoded, data[f"{key}.decoded"], MAGVIT_PIXELS_TOLERANCE)
    return [check]


def check_full_size_keys(folder: GoldenFolder, name: str) -> list[FileCheck]:
    """Names, shapes and dtypes of the real tokenizer."""
    check, published = FileCheck(name), folder.json(name)
    model = MAGVITv2(MAGVITv2Config(), device="meta")
    found = {
        key: [list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in model.state_dict().items()
    }
    check.equal("names", sorted(found), sorted(published["keys"]))
    for key, expected in published["keys"].items():
        check.equal(key, found.get(key), expected)
    check.equal("parameters", sum(p.numel() for p in model.parameters()), published["parameters"])
    return [check]


def check_quantizer(check: FileCheck, data: dict[str, Tensor]) -> None:
    """The recorded bits of lookup-free quantization."""
    for bits in (8, 13):
        key = f"lfq{bits}"
        indices = data[f"{key}.indices"].long()
        height, width = data[f"{key}.entries"].shape[-2:]
        entries = LookupFreeQuantizer.entry(indices.view(-1, height, width), bits)
        check.equal(f"{key} entries", entries, data[f"{key}.entries"])
        found = LookupFreeQuantizer.index(data[f"{key}.z"])
        check.equal(f"{key} indices", found.flatten(), data[f"{key}.z_indices"].long().flatten())
        quantized = LookupFreeQuantizer.entry(found, bits)
        check.equal(f"{key} quantized", quantized, data[f"{key}.z_quantised"])

"""The VAE output of Load dLLM: ComfyUI's VAE around an image tokenizer, in float32 throughout.

A latent holds codebook indices, so half precision is never used (bfloat16 is exact up to 256 only), indices are never
averaged, and masked cells are refused before the lookup.
"""

from __future__ import annotations

from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.utils
import torch
from torch import Tensor

from ..ladr_core.errors import InputError
from ..ladr_core.mapped_files import check_mapped
from ..ladr_core.token_grid import MASKED
from .latent import read_indices
from .latent_origin import check_maker, mark_tokens

_TILE_PIXELS = 512
_OVERLAP_PIXELS = 64


class VQStage(torch.nn.Module):
    """First stage in core's sense: pixels [B, 3, H, W] <-> float32 codebook indices [B, 1, h, w]."""

    def __init__(self, vq: torch.nn.Module) -> None:
        super().__init__()
        self.vq = vq

    def encode(self, pixels: Tensor) -> Tensor:
        """Codebook indices of pixels in 0 ... 1."""
        return self.vq.encode(pixels)[:, None].float()

    def decode(self, samples: Tensor) -> Tensor:
        """Pixels in 0 ... 1 of codebook indices."""
        return self.vq.decode(samples[:, 0].round().long())


class TokenVAE(comfy.sd.VAE):
    """ComfyUI's VAE, whatever ``--bf16-vae`` or ``--fp16-vae`` say, on 32-bit codebook indices."""

    def __init__(self, vq: torch.nn.Module, model: str) -> None:
        # The smallest first stage core knows fills in every field, of later versions too; then ours takes its place.
        super().__init__(sd={"pixel_space_vae": torch.tensor(1.0)}, dtype=torch.float32)
        self.first_stage_model = VQStage(vq).eval()
        self.ladr_model = model  # whose tokens these are
        self.downscale_ratio = self.upscale_ratio = vq.cell_pixels
        self.latent_channels = 1
        self.working_dtypes = [torch.float32]
        self.disable_offload = False
        self.size = None
        self.process_input = lambda pixels: pixels.clamp(0.0, 1.0)
        self.process_output = lambda pixels: pixels.clamp(0.0, 1.0)
        # Of one picture, whatever the batch: core runs as many at once as fit into what is free.
        self.memory_used_encode = lambda shape, dtype: vq.encode_memory(*shape[-2:])
        self.memory_used_decode = lambda shape, dtype: vq.decode_memory(*shape[-2:])
        patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)
        self.patcher = patcher(
            self.first_stage_model,
            load_device=self.device,
            offload_device=comfy.model_management.vae_offload_device(),
        )

    def vae_output_dtype(self) -> torch.dtype:
        """Newer ComfyUI asks for the dtype of latents and pictures: indices need float32."""
        return torch.float32

    def encode(self, pixel_samples: Tensor) -> Tensor:
        """Codebook indices [B, 1, h, w] of pixels [B, H, W, 3]."""
        return self._marked(super().encode(self._large_enough(pixel_samples)))

    def encode_tiled(self, pixel_samples: Tensor, *tiles: Any, **named_tiles: Any) -> Tensor:
        """Like `encode`, tile by tile."""
        return self._marked(super().encode_tiled(self._large_enough(pixel_samples), *tiles, **named_tiles))

    def decode(self, samples_in: Tensor, vae_options: Any = None) -> Tensor:
        """Pixels [B, H, W, 3] of a finished token grid [B, 1, h, w]."""
        return super().decode(self._finished(samples_in))

    def decode_tiled(self, samples: Tensor, tile_x=None, tile_y=None, overlap=None, **video: Any) -> Tensor:
        """Like `decode`, tile by tile; the tiles' pixels are blended."""
        return super().decode_tiled(self._finished(samples), tile_x=tile_x, tile_y=tile_y, overlap=overlap)

    def decode_tiled_(self, samples: Tensor, tile_x=None, tile_y=None, overlap=None) -> Tensor:
        """Core's tiles, with sizes in cells of this tokenizer; core falls back to this when memory runs out."""
        return super().decode_tiled_(samples, **self._tiles(tile_x, tile_y, overlap, self.upscale_ratio))

    def encode_tiled_(self, pixel_samples: Tensor, tile_x=None, tile_y=None, overlap=None) -> Tensor:
        """Codebook indices [B, 1, h, w]: the tiles' features are blended and quantized once, indices never averaged."""
        tile_x, tile_y, overlap = self._tiles(tile_x, tile_y, overlap, 1).values()
        shapes = [(tile_x, tile_y), (tile_x * 2, tile_y // 2), (tile_x // 2, tile_y * 2)]
        vq = self.first_stage_model.vq

        def features(pixels: Tensor) -> Tensor:
            return vq.features(self.process_input(pixels).to(self.device, torch.float32)).float()

        width, height = pixel_samples.shape[3], pixel_samples.shape[2]
        steps = [comfy.utils.get_tiled_scale_steps(width, height, x, y, overlap) for x, y in shapes]
        progress = comfy.utils.ProgressBar(sum(steps) * len(pixel_samples))
        channels = features(pixel_samples[:1, :, : self.downscale_ratio, : self.downscale_ratio]).shape[1]
        blended = sum(
            comfy.utils.tiled_scale(
                pixel_samples, features, x, y, overlap, upscale_amount=1 / self.downscale_ratio, out_channels=channels,
                output_device=self.output_device, pbar=progress,
            )
            for x, y in shapes
        ) / len(shapes)  # fmt: skip
        indices = [vq.to_indices(image[None].to(self.device))[:, None].float() for image in blended]
        return torch.cat(indices).to(self.output_device)

    def _tiles(self, tile_x: int | None, tile_y: int | None, overlap: int | None, cell: int) -> dict[str, int]:
        """Tile sizes in units of `cell` pixels, core's defaults where not given; overlaps stay below half a tile."""
        tile_x, tile_y = tile_x or _TILE_PIXELS // cell, tile_y or _TILE_PIXELS // cell
        step = self.downscale_ratio // cell  # one grid cell in these units
        most = min(tile_x, tile_y) // 4 // step * step
        wanted = _OVERLAP_PIXELS // cell if overlap is None else overlap
        return {"tile_x": tile_x, "tile_y": tile_y, "overlap": min(wanted, most)}

    def _large_enough(self, pixels: Tensor) -> Tensor:
        """The pixels [B, H, W, 3], or a sentence where they are no picture or smaller than one cell."""
        check_mapped(self.first_stage_model.vq)
        cell = self.downscale_ratio
        if not isinstance(pixels, Tensor) or pixels.dim() != 4 or min(pixels.shape) < 1 or pixels.shape[-1] < 3:
            shape = list(pixels.shape) if isinstance(pixels, Tensor) else type(pixels).__name__
            raise InputError("pixels", f"shape {shape}", "pictures [images, height, width, 3]", "Connect an IMAGE")
        height, width = pixels.shape[1:3]
        if height < cell or width < cell:
            raise InputError(
                "pixels", f"a picture of {width} x {height} pixels", f"at least {cell} x {cell}",
                "Enlarge it with Upscale Image before VAE Encode",
            )  # fmt: skip
        return pixels

    def _marked(self, samples: Tensor) -> Tensor:
        mark_tokens(samples, self.ladr_model)
        return samples

    def _finished(self, samples: Tensor) -> Tensor:
        check_mapped(self.first_stage_model.vq)
        check_maker("samples", samples, self.ladr_model)
        indices = read_indices("samples", samples, self.first_stage_model.vq.codebook_size)
        masked = int((indices == MASKED).sum())
        if masked:
            raise InputError(
                "samples", f"a token grid with {masked} masked cells", "a finished token grid",
                "Connect the output of LADR Sampler or Baseline dLLM Sampler",
            )  # fmt: skip
        return samples

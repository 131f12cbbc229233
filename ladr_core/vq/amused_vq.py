"""Lumina-DiMOO's image tokenizer: the aMUSEd VQ-GAN in the file layout of the diffusers library.

Parameter names are those of the published ``vqvae`` folder (Patil et al., aMUSEd, arXiv 2401.01808).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import CheckpointError
from ..file_reading import Fields
from ..leaf_weight import leaf_weight
from .convolution import NORM_EPS, Downsample, ResidualBlock, Upsample
from .footprint import bytes_to_ask_for, decoder_channels, encoder_channels
from .index_check import require_codebook_indices

SHORTCUT = "conv_shortcut"
MOST_WIDTH, MOST_LEVELS = 4096, 8  # beyond any published one
SEARCH_ROWS = 4096  # places compared with the whole codebook at once; bounds the distance table to 128 MiB


@dataclass(frozen=True)
class VQModelConfig:
    """Sizes of a VQModel, under the names of its published ``config.json``."""

    block_out_channels: tuple[int, ...] = (128, 256, 256, 512, 768)
    layers_per_block: int = 2
    latent_channels: int = 64
    num_vq_embeddings: int = 8192
    norm_num_groups: int = 32
    vq_embed_dim: int | None = None
    in_channels: int = 3
    out_channels: int = 3

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | Fields) -> VQModelConfig:
        """Read the fields this class knows; kinds of blocks that this tokenizer does not have are refused.

        Raises CheckpointError, which names the entry that is missing, of another type or out of range.
        """
        given = Fields.of(values, "the image tokenizer's config.json")
        refused = {
            "mid_block_add_attention": given.flag("mid_block_add_attention", True),
            "norm_type": given.text("norm_type", "group") != "group",
            "act_fn": given.text("act_fn", "silu") != "silu",
            "lookup_from_codebook": not given.flag("lookup_from_codebook", True),
        }
        wrong = [name for name, is_wrong in refused.items() if is_wrong]
        if wrong:
            raise CheckpointError(f"{given.source} has unsupported values for {', '.join(wrong)}; {given.remedy}.")
        widths = given.wholes("block_out_channels", 1, MOST_WIDTH, MOST_LEVELS, cls.block_out_channels)
        groups = given.whole("norm_num_groups", 1, MOST_WIDTH, cls.norm_num_groups)
        if any(width % groups for width in widths):
            raise given.wrong("norm_num_groups", "a divisor of every number in block_out_channels")
        return cls(
            block_out_channels=widths,
            layers_per_block=given.whole("layers_per_block", 1, 64, cls.layers_per_block),
            latent_channels=given.whole("latent_channels", 1, MOST_WIDTH, cls.latent_channels),
            num_vq_embeddings=given.whole("num_vq_embeddings", 1, 2**20, cls.num_vq_embeddings),
            norm_num_groups=groups,
            vq_embed_dim=given.whole("vq_embed_dim", 1, MOST_WIDTH, None),
            in_channels=given.whole("in_channels", 3, 3, cls.in_channels),
            out_channels=given.whole("out_channels", 3, 3, cls.out_channels),
        )


class _Level(nn.Module):
    """Residual blocks of one resolution and, except at the coarsest or finest level, the change of resolution."""

    def __init__(self, widths: list[int], groups: int, resample: nn.Module | None, name: str, ops: Any, **factory: Any):
        super().__init__()
        pairs = zip(widths[:-1], widths[1:])
        self.resnets = nn.ModuleList(ResidualBlock(a, b, groups, SHORTCUT, ops, **factory) for a, b in pairs)
        self.resample_name = name if resample is not None else None
        if resample is not None:
            self.add_module(name, nn.ModuleList([resample]))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resnets:
            x = block(x)
        return x if self.resample_name is None else getattr(self, self.resample_name)[0](x)


class _Middle(nn.Module):
    """Two residual blocks at the coarsest resolution."""

    def __init__(self, width: int, groups: int, ops: Any, **factory: Any):
        super().__init__()
        self.resnets = nn.ModuleList(ResidualBlock(width, width, groups, SHORTCUT, ops, **factory) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.resnets[1](self.resnets[0](x))


class _Encoder(nn.Module):
    def __init__(self, config: VQModelConfig, ops: Any, **factory: Any):
        super().__init__()
        widths, groups, last = config.block_out_channels, config.norm_num_groups, len(config.block_out_channels) - 1
        self.conv_in = ops.Conv2d(config.in_channels, widths[0], 3, padding=1, **factory)
        self.down_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            chain = [widths[max(i - 1, 0)]] + [width] * config.layers_per_block
            resample = Downsample(width, ops, **factory) if i < last else None
            self.down_blocks.append(_Level(chain, groups, resample, "downsamplers", ops, **factory))
        self.mid_block = _Middle(widths[-1], groups, ops, **factory)
        self.conv_norm_out = ops.GroupNorm(groups, widths[-1], eps=NORM_EPS, **factory)
        self.conv_out = ops.Conv2d(widths[-1], config.latent_channels, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class _Decoder(nn.Module):
    def __init__(self, config: VQModelConfig, ops: Any, **factory: Any):
        super().__init__()
        widths = config.block_out_channels[::-1]
        groups, last = config.norm_num_groups, len(widths) - 1
        self.conv_in = ops.Conv2d(config.latent_channels, widths[0], 3, padding=1, **factory)
        self.mid_block = _Middle(widths[0], groups, ops, **factory)
        self.up_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            chain = [widths[max(i - 1, 0)]] + [width] * (config.layers_per_block + 1)
            resample = Upsample(width, ops, **factory) if i < last else None
            self.up_blocks.append(_Level(chain, groups, resample, "upsamplers", ops, **factory))
        self.conv_norm_out = ops.GroupNorm(groups, widths[-1], eps=NORM_EPS, **factory)
        self.conv_out = ops.Conv2d(widths[-1], config.out_channels, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for level in self.up_blocks:
            x = level(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VQModel(nn.Module):
    """Pixels to codebook indices and back, in float32 whatever the dLLM computes in."""

    def __init__(self, config: VQModelConfig, *, operations: Any = nn, device: Any = None, dtype: Any = torch.float32):
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        width = config.vq_embed_dim or config.latent_channels
        self.config = config
        self.codebook_size = config.num_vq_embeddings
        self.cell_pixels = 2 ** (len(config.block_out_channels) - 1)
        self.encoder = _Encoder(config, operations, **factory)
        self.quant_conv = operations.Conv2d(config.latent_channels, width, 1, **factory)
        codebook = operations.Embedding(config.num_vq_embeddings, width, **factory)
        self.quantize = nn.ModuleDict({"embedding": codebook})
        self.post_quant_conv = operations.Conv2d(width, config.latent_channels, 1, **factory)
        self.decoder = _Decoder(config, operations, **factory)

    def features(self, pixels: Tensor) -> Tensor:
        """Features [B, C, h, w] before quantization of pixels [B, 3, H, W] in 0..1."""
        return self.quant_conv(self.encoder(pixels.float()))

    def to_indices(self, features: Tensor) -> Tensor:
        """Nearest codebook row (first of equals) of features [B, C, h, w] as int64 [B, h, w]."""
        rows = features.float().movedim(1, -1)  # [B, h, w, C]
        codebook = leaf_weight(self.quantize["embedding"], rows)
        found = [torch.cdist(part, codebook).argmin(dim=1) for part in rows.flatten(0, 2).split(SEARCH_ROWS)]
        return torch.cat(found).view(rows.shape[:-1])

    def encode(self, pixels: Tensor) -> Tensor:
        """Codebook indices int64 [B, H / cell_pixels, W / cell_pixels] of pixels [B, 3, H, W] in 0..1."""
        return self.to_indices(self.features(pixels))

    def decode_unclipped(self, indices: Tensor) -> Tensor:
        """Decoder output [B, 3, H, W] of codebook indices [B, h, w], before clipping to 0..1."""
        require_codebook_indices(indices, self.codebook_size)
        # Not through the leaf's own lookup: it may give the codes in the dtype of a dLLM.
        codebook = leaf_weight(self.quantize["embedding"], torch.empty(0, device=indices.device))
        return self.decoder(self.post_quant_conv(codebook[indices].movedim(-1, 1).contiguous()))

    def decode(self, indices: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] float32 in 0..1 of codebook indices int64 [B, h, w]."""
        return self.decode_unclipped(indices).clamp(0.0, 1.0)

    def encode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free for each picture of H x W pixels that is encoded at once."""
        channels = self.config.in_channels + encoder_channels(self.config.block_out_channels)
        return bytes_to_ask_for(height * width * channels)

    def decode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free for each grid of h x w cells that is decoded at once."""
        # One more number per pixel than the decoder's: the indices and their codes.
        channels = decoder_channels(self.config.block_out_channels) + 1
        return bytes_to_ask_for(height * width * self.cell_pixels**2 * channels)

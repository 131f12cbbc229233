"""MMaDA's image tokenizer: MAGVIT-v2 with lookup-free quantization (Yu et al., arXiv 2310.05737).

Key names are those of the published ``showlab/magvitv2`` files. Those carry no sizes: the defaults here are theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..file_reading import Fields
from .convolution import NORM_EPS, Downsample, ResidualBlock, Upsample
from .footprint import bytes_to_ask_for, decoder_channels, encoder_channels
from .index_check import require_codebook_indices

GROUPS = 32
SHORTCUT = "nin_shortcut"
MOST_BITS, MOST_WIDTH, MOST_LEVELS = 16, 4096, 8  # beyond any published one


@dataclass(frozen=True)
class MAGVITv2Config:
    """Sizes of a MAGVIT-v2 tokenizer."""

    bits: int = 13
    encoder_width: int = 128
    encoder_multipliers: tuple[int, ...] = (1, 2, 2, 4, 4)
    encoder_blocks: tuple[int, ...] = (4, 3, 4, 3, 4)
    decoder_width: int = 128
    decoder_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    decoder_blocks: tuple[int, ...] = (4, 4, 3, 4, 3)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | Fields) -> MAGVITv2Config:
        """Read the sizes where a ``config.json`` has them; the published one has none. Raises CheckpointError."""
        given = Fields.of(values, "config.json")
        encoder, decoder = given.below("encoder", {}), given.below("decoder", {})

        def sizes(part: Fields, own: tuple[int, tuple[int, ...], tuple[int, ...]]) -> tuple[Any, ...]:
            width = part.whole("ch", 1, MOST_WIDTH, own[0])
            multipliers = part.wholes("ch_mult", 1, 64, MOST_LEVELS, own[1])
            blocks = part.wholes("num_res_blocks", 1, 64, MOST_LEVELS, own[2])
            if width % GROUPS:
                raise part.wrong("ch", f"a multiple of {GROUPS}")
            if len(blocks) != len(multipliers):
                raise part.wrong("num_res_blocks", f"as many numbers as ch_mult has, {len(multipliers)}")
            return width, multipliers, blocks

        of_encoder = sizes(encoder, (cls.encoder_width, cls.encoder_multipliers, cls.encoder_blocks))
        of_decoder = sizes(decoder, (cls.decoder_width, cls.decoder_multipliers, cls.decoder_blocks))
        if len(of_encoder[1]) != len(of_decoder[1]):
            raise decoder.wrong("ch_mult", f"as many numbers as the encoder's, {len(of_encoder[1])}")
        bits = given.whole("codebook_dim", 1, MOST_BITS, encoder.whole("z_channels", 1, MOST_BITS, cls.bits))
        return cls(bits, *of_encoder, *of_decoder)

    def to_dict(self) -> dict[str, Any]:
        """The same sizes as a ``config.json`` that ``from_dict`` reads."""
        encoder = (self.encoder_width, self.encoder_multipliers, self.encoder_blocks)
        decoder = (self.decoder_width, self.decoder_multipliers, self.decoder_blocks)

        def part(width: int, multipliers: Sequence[int], blocks: Sequence[int]) -> dict[str, Any]:
            return {"ch": width, "ch_mult": list(multipliers), "num_res_blocks": list(blocks), "z_channels": self.bits}

        parts = {"encoder": part(*encoder), "decoder": part(*decoder)}
        return {"_class_name": "MAGVITv2", **parts, "codebook_dim": self.bits}


class _Attention(nn.Module):
    """One-head attention over the h * w places of x [B, C, h, w], added to it."""

    q: nn.Module
    k: nn.Module
    v: nn.Module
    proj_out: nn.Module

    def __init__(self, width: int, ops: Any, **factory: Any):
        super().__init__()
        self.norm = ops.GroupNorm(GROUPS, width, eps=NORM_EPS, **factory)
        for name in ("q", "k", "v", "proj_out"):
            self.add_module(name, ops.Conv2d(width, width, 1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v = (part(normed).flatten(2).transpose(1, 2).unsqueeze(1) for part in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(q, k, v)  # [B, 1, h * w, C]
        return x + self.proj_out(attended.squeeze(1).transpose(1, 2).reshape(x.shape))


class _Middle(nn.Module):
    def __init__(self, width: int, ops: Any, **factory: Any):
        super().__init__()
        self.block_1 = ResidualBlock(width, width, GROUPS, SHORTCUT, ops, **factory)
        self.attn_1 = _Attention(width, ops, **factory)
        self.block_2 = ResidualBlock(width, width, GROUPS, SHORTCUT, ops, **factory)

    def forward(self, x: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(x)))


class _Level(nn.Module):
    def __init__(self, widths: list[int], resample: tuple[str, nn.Module] | None, ops: Any, **factory: Any):
        super().__init__()
        pairs = zip(widths[:-1], widths[1:])
        self.block = nn.ModuleList(ResidualBlock(a, b, GROUPS, SHORTCUT, ops, **factory) for a, b in pairs)
        self.resample_name = None if resample is None else resample[0]
        if resample is not None:
            self.add_module(*resample)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.block:
            x = block(x)
        return x if self.resample_name is None else self.get_submodule(self.resample_name)(x)


class _Encoder(nn.Module):
    def __init__(self, config: MAGVITv2Config, ops: Any, **factory: Any):
        super().__init__()
        widths = [config.encoder_width * m for m in config.encoder_multipliers]
        self.conv_in = ops.Conv2d(3, config.encoder_width, 3, padding=1, **factory)
        self.down = nn.ModuleList()
        before = config.encoder_width
        for i, (width, blocks) in enumerate(zip(widths, config.encoder_blocks)):
            resample = ("downsample", Downsample(width, ops, **factory)) if i < len(widths) - 1 else None
            self.down.append(_Level([before] + [width] * blocks, resample, ops, **factory))
            before = width
        self.mid = _Middle(before, ops, **factory)
        self.norm_out = ops.GroupNorm(GROUPS, before, eps=NORM_EPS, **factory)
        self.conv_out = ops.Conv2d(before, config.bits, 3, padding=1, **factory)
        self.quant_conv = ops.Conv2d(config.bits, config.bits, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.quant_conv(self.conv_out(F.silu(self.norm_out(self.mid(x)))))


class _Decoder(nn.Module):
    def __init__(self, config: MAGVITv2Config, ops: Any, **factory: Any):
        super().__init__()
        widths = [config.decoder_width * m for m in config.decoder_multipliers]
        self.post_quant_conv = ops.Conv2d(config.bits, config.bits, 1, **factory)
        self.conv_in = ops.Conv2d(config.bits, widths[-1], 3, padding=1, **factory)
        self.mid = _Middle(widths[-1], ops, **factory)
        levels: list[_Level] = []
        for i in reversed(range(len(widths))):
            before, width = widths[min(i + 1, len(widths) - 1)], widths[i]
            resample = ("upsample", Upsample(width, ops, **factory)) if i > 0 else None
            levels.insert(0, _Level([before] + [width] * config.decoder_blocks[i], resample, ops, **factory))
        self.up = nn.ModuleList(levels)
        self.norm_out = ops.GroupNorm(GROUPS, widths[0], eps=NORM_EPS, **factory)
        self.conv_out = ops.Conv2d(widths[0], 3, 3, padding=1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid(self.conv_in(self.post_quant_conv(x)))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class LookupFreeQuantizer(nn.Module):
    """Signs as bits: index = sum over channels c of bit_c * 2 ** (bits - 1 - c), bit_c = 1 where channel c > 0.

    Its tensors follow from the number of bits; they exist so that the published file loads whole.
    """

    def __init__(self, bits: int, **factory: Any):
        super().__init__()
        device = factory.get("device")
        powers = 2 ** torch.arange(bits - 1, -1, -1, device=device)
        signs = (torch.arange(2**bits, device=device)[:, None] & powers != 0).float() * 2 - 1
        self.register_buffer("power_vals", powers)
        self.register_buffer("embedding", signs)

    @staticmethod
    def index(features: Tensor) -> Tensor:
        """Codebook indices int64 [B, h, w] of features [B, bits, h, w]."""
        bits = features.shape[1]
        powers = 2 ** torch.arange(bits - 1, -1, -1, device=features.device)
        return ((features > 0) * powers[:, None, None]).sum(dim=1)

    @staticmethod
    def entry(indices: Tensor, bits: int) -> Tensor:
        """Entries of +1 and -1, float32 [B, bits, h, w], of codebook indices [B, h, w]."""
        powers = 2 ** torch.arange(bits - 1, -1, -1, device=indices.device)
        return (indices[:, None] & powers[:, None, None] != 0).float() * 2 - 1


class MAGVITv2(nn.Module):
    """Pixels to codebook indices and back, in float32 whatever the dLLM computes in."""

    def __init__(self, config: MAGVITv2Config, *, operations: Any = nn, device: Any = None, dtype: Any = torch.float32):
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self.config = config
        self.codebook_size = 2**config.bits
        self.cell_pixels = 2 ** (len(config.encoder_multipliers) - 1)
        self.encoder = _Encoder(config, operations, **factory)
        self.decoder = _Decoder(config, operations, **factory)
        self.quantize = LookupFreeQuantizer(config.bits, device=device)

    def features(self, pixels: Tensor) -> Tensor:
        """Features [B, bits, h, w] before quantization of pixels [B, 3, H, W] in 0..1."""
        return self.encoder((pixels.float() - 0.5) / 0.5)

    def to_indices(self, features: Tensor) -> Tensor:
        """Codebook indices int64 [B, h, w] of features [B, bits, h, w]."""
        return self.quantize.index(features)

    def encode(self, pixels: Tensor) -> Tensor:
        """Codebook indices int64 [B, H / cell_pixels, W / cell_pixels] of pixels [B, 3, H, W] in 0..1."""
        return self.to_indices(self.features(pixels))

    def decode_unclipped(self, indices: Tensor) -> Tensor:
        """Decoder output [B, 3, H, W], around -1..1, of codebook indices [B, h, w]."""
        require_codebook_indices(indices, self.codebook_size)
        return self.decoder(self.quantize.entry(indices, self.config.bits))

    def decode(self, indices: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] float32 in 0..1 of codebook indices int64 [B, h, w]."""
        return ((self.decode_unclipped(indices) + 1) / 2).clamp(0.0, 1.0)

    def encode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free for each picture of H x W pixels that is encoded at once."""
        widths = [self.config.encoder_width * m for m in self.config.encoder_multipliers]
        pixels = 2 * 3  # as given and in -1..1
        return bytes_to_ask_for(height * width * (pixels + encoder_channels(widths)))

    def decode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free for each grid of h x w cells that is decoded at once."""
        widths = [self.config.decoder_width * m for m in self.config.decoder_multipliers]
        channels = decoder_channels(widths) + 1  # the indices and their entries
        return bytes_to_ask_for(height * width * self.cell_pixels**2 * channels)

"""The built-in models' image tokenizer: one codebook index per square patch, decoded with its neighbors in view.

Without `encoder_blocks` the encoder sees one patch only, so the same patch has the same index wherever it lies; the
decoder is a small convolutional network over the grid (van den Oord et al., VQ-VAE, arXiv 1711.00937; unit-length codes
as in Yu et al., arXiv 2110.04627).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..file_reading import Fields
from .footprint import bytes_to_ask_for


@dataclass(frozen=True)
class PatchVQConfig:
    """Sizes of a PatchVQ."""

    codebook_size: int = 1024
    cell_pixels: int = 8
    code_width: int = 16
    encoder_width: int = 256
    decoder_width: int = 160
    decoder_blocks: int = 3
    drawn_codes: int = 0
    """1: the decoder has a vector of decoder_width of its own for each code, and no decoder_in."""
    encoder_blocks: int = 0
    """Blocks that show the encoder the neighboring patches, each one cell further in every direction."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | Fields) -> PatchVQConfig:
        """Read the fields of this class out of a checkpoint's configuration. Raises CheckpointError."""
        given = Fields.of(values, "the image tokenizer's configuration")
        ranges = {f.name: (_LEAST.get(f.name, 1), _MOST[f.name], f.default) for f in fields(cls)}
        return cls(**{name: given.whole(name, *limits) for name, limits in ranges.items()})


_MOST = {
    "codebook_size": 2**16, "cell_pixels": 64, "code_width": 1024, "encoder_width": 4096, "decoder_width": 4096,
    "decoder_blocks": 64, "drawn_codes": 1, "encoder_blocks": 64,
}  # fmt: skip
_LEAST = {"drawn_codes": 0, "encoder_blocks": 0}


class GridBlock(nn.Module):
    """A 3 x 3 and a 1 x 1 convolution with a residual connection."""

    def __init__(self, width: int, operations: Any, **factory: Any):
        super().__init__()
        self.spatial = operations.Conv2d(width, width, 3, padding=1, **factory)
        self.mix = operations.Conv2d(width, width, 1, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, width, h, w] to the same shape."""
        return x + self.mix(F.silu(self.spatial(F.silu(x))))


class PatchVQ(nn.Module):
    """Image tokenizer whose encoder sees one patch, or a few around it; K = ``codebook_size`` unit-length codes."""

    def __init__(self, config: PatchVQConfig, *, operations: Any = nn, device: Any = None, dtype: Any = None):
        super().__init__()
        self.config = config
        self.codebook_size, self.cell_pixels = config.codebook_size, config.cell_pixels
        factory = {"device": device, "dtype": dtype}
        patch = 3 * config.cell_pixels**2
        self.encoder = nn.ModuleList(
            [
                operations.Conv2d(patch, config.encoder_width, 1, **factory),
                operations.Conv2d(config.encoder_width, config.encoder_width, 1, **factory),
                operations.Conv2d(config.encoder_width, config.code_width, 1, **factory),
            ]
        )
        self.around = nn.ModuleList(
            GridBlock(config.encoder_width, operations, **factory) for _ in range(config.encoder_blocks)
        )
        self.codebook = operations.Embedding(config.codebook_size, config.code_width, **factory)
        if config.drawn_codes:
            self.drawn = operations.Embedding(config.codebook_size, config.decoder_width, **factory)
        else:
            self.decoder_in = operations.Conv2d(config.code_width, config.decoder_width, 1, **factory)
        self.decoder = nn.ModuleList(
            GridBlock(config.decoder_width, operations, **factory) for _ in range(config.decoder_blocks)
        )
        self.decoder_out = operations.Conv2d(config.decoder_width, patch, 1, **factory)

    def features(self, pixels: Tensor) -> Tensor:
        """Unit-length features [B, C, h, w] of pixels [B, 3, H, W] in 0 ... 1, before quantization."""
        first, second, last = self.encoder
        x = first(F.pixel_unshuffle(pixels * 2 - 1, self.cell_pixels))
        for block in self.around:
            x = block(x)
        return F.normalize(last(F.silu(second(F.silu(x)))).float(), dim=1)

    def to_indices(self, features: Tensor) -> Tensor:
        """Index [B, h, w] of the nearest code to each of the features [B, C, h, w]."""
        codes = F.normalize(self.codebook.weight.to(features), dim=1)
        return torch.einsum("bchw,kc->bhwk", F.normalize(features, dim=1), codes).argmax(-1)

    def encode(self, pixels: Tensor) -> Tensor:
        """Codebook indices [B, h, w] of pixels [B, 3, H, W] in 0 ... 1."""
        return self.to_indices(self.features(pixels))

    def decode(self, indices: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in 0 ... 1 of codebook indices [B, h, w]."""
        if self.config.drawn_codes:
            return self.draw(self.drawn(indices).permute(0, 3, 1, 2)).clamp(0, 1)
        return self.decode_codes(F.normalize(self.codebook(indices).float(), dim=-1).permute(0, 3, 1, 2)).clamp(0, 1)

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Unclamped pixels [B, 3, H, W] of unit-length codes [B, C, h, w]."""
        return self.draw(self.decoder_in(codes))

    def draw(self, x: Tensor) -> Tensor:
        """Unclamped pixels [B, 3, H, W] of the decoder's first features x [B, decoder_width, h, w]."""
        for block in self.decoder:
            x = block(x)
        return (F.pixel_shuffle(self.decoder_out(x), self.cell_pixels).float() + 1) / 2

    def encode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free for each picture of H x W pixels that is encoded at once."""
        config, patch = self.config, 3 * self.cell_pixels**2
        # Per cell: its pixels, and the encoder's input and layers or the features, twice (a block: three times),
        # and a score for each code.
        at_once = 3 if config.encoder_blocks else 2
        layers, scores = patch + at_once * config.encoder_width, 2 * config.code_width + config.codebook_size
        cells, codes = height * width // self.cell_pixels**2, config.codebook_size * config.code_width
        return bytes_to_ask_for(cells * (patch + max(layers, scores)) + codes)

    def decode_memory(self, height: int, width: int) -> int:
        """Bytes to keep free for each grid of h x w cells that is decoded at once."""
        config, patch = self.config, 3 * self.cell_pixels**2
        # Per cell: index (int64) and code, and the decoder's output while it is scaled, or three tensors of a block.
        numbers = 2 + config.code_width + config.decoder_width + 2 * max(patch, config.decoder_width)
        return bytes_to_ask_for(height * width * numbers)

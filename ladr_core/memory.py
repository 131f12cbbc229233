"""How much memory a model takes: its weights by precision, and what a run of a given size adds."""

from __future__ import annotations

import torch

from .models.llada import LLaDAConfig, LLaDATransformer
from .token_grid import TokenGrid

_TEXT_TOKENS = 512  # room for the prompt, its template and the image marks
_BRANCHES = 3  # conditional, unconditional, and without reference images


def weight_bytes(config: LLaDAConfig, dtype: torch.dtype) -> int:
    """Bytes of a transformer's weights; with 8 bits the layers take one each, embedding, head and norms two."""
    total = 0
    for name, tensor in LLaDATransformer(config, device="meta").state_dict().items():
        in_layer = tensor.dim() == 2 and ".blocks." in name
        total += tensor.numel() * (dtype.itemsize if in_layer else max(2, dtype.itemsize))
    return total


def run_bytes(config: LLaDAConfig, codebook_size: int, images: int, grid: TokenGrid, itemsize: int) -> int:
    """Bytes that sampling needs beside the weights: activations of one block and logits of every branch."""
    tokens = _BRANCHES * images * (grid.cells + grid.height + _TEXT_TOKENS)
    activations = tokens * (8 * config.d_model + 3 * config.mlp_hidden_size) * max(2, itemsize)
    # Logits in the weights' dtype, and twice in float32 while guidance and probabilities are computed.
    logits = _BRANCHES * images * grid.cells * codebook_size * (max(2, itemsize) + 8)
    return activations + logits

"""How much memory a model takes: its weights by precision, and what a run of a given size adds."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..settings import SamplerSettings
from ..token_grid import TokenGrid
from .contract import Prompt
from .llada import MLP_ROWS, LLaDAConfig, LLaDATransformer

_TEXT_TOKENS = 512  # room for the prompt, its template and the image marks
MOST_BRANCHES = 3  # conditional, unconditional, and without reference images


def table_bytes(config: LLaDAConfig, dtype: torch.dtype) -> int:
    """Bytes of embedding and head, which stay in RAM: with 8 bits they take two each."""
    return 2 * config.embedding_size * config.d_model * max(2, dtype.itemsize)


def weight_bytes(config: LLaDAConfig, dtype: torch.dtype) -> int:
    """Bytes of all weights of a transformer; with 8 bits the layers take one each, embedding, head and norms two."""
    total = 0
    for name, tensor in LLaDATransformer(config, device="meta").state_dict().items():
        in_layer = tensor.dim() == 2 and ".blocks." in name
        total += tensor.numel() * (dtype.itemsize if in_layer else max(2, dtype.itemsize))
    return total


def run_bytes(
    config: LLaDAConfig,
    codebook_size: int,
    images: int,
    grid: TokenGrid,
    itemsize: int,
    *,
    branches: int = MOST_BRANCHES,
    reference_tokens: int = 0,
    ml_cache: bool = False,
    kv_cache: bool = False,
) -> int:
    """Bytes that sampling needs on the card beside the layers.

    These are the rows of embedding and head that it uses, activations of one block, logits of every branch, and what
    is cached. reference_tokens: those of the reference images of one image, in all branches together.
    """
    itemsize = max(2, itemsize)
    tokens = images * (branches * (_grid_tokens(grid) + _TEXT_TOKENS) + reference_tokens)
    rows = 2 * (codebook_size + images * branches * _TEXT_TOKENS) * config.d_model * itemsize
    # Input twice, queries, keys and values, and a norm in float32; the MLP of some tokens.
    activations = (tokens * 10 * config.d_model + min(tokens, MLP_ROWS) * 3 * config.mlp_hidden_size) * itemsize
    # Logits in the dtype of the activations, and twice in float32 while guidance and probabilities are computed.
    logits = branches * images * grid.cells * codebook_size * (itemsize + 8)
    # Keys and values of every layer, and for ML-Cache the logits of the cells.
    kept = tokens * 2 * config.n_layers * config.kv_heads * config.head_dim * itemsize if ml_cache or kv_cache else 0
    kept += branches * images * grid.cells * codebook_size * itemsize if ml_cache else 0
    return rows + activations + logits + kept


def run_bytes_of_prompts(
    config: LLaDAConfig,
    codebook_size: int,
    prompts: Sequence[Prompt],
    grid: TokenGrid,
    settings: SamplerSettings,
    itemsize: int,
    *,
    ml_cache: bool = False,
) -> int:
    """The same for the branches and reference images that these prompts and guidance scales ask for."""
    reference_tokens = max(
        sum(_grid_tokens(TokenGrid(*image.shape[-2:])) + 2 for image in prompt.reference_indices) for prompt in prompts
    )
    with_references = 1 + (settings.cfg != 1)  # conditional and unconditional
    without_references = int(reference_tokens > 0 and settings.image_cfg != 1)
    return run_bytes(
        config,
        codebook_size,
        len(prompts),
        grid,
        itemsize,
        branches=with_references + without_references,
        reference_tokens=with_references * reference_tokens,
        ml_cache=ml_cache,
        kv_cache=settings.kv_cache,
    )


def _grid_tokens(grid: TokenGrid) -> int:
    return grid.cells + grid.height  # each row is closed by a newline

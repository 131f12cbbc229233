"""The one transformer of this pack: the LLaDA "llama" block that Lumina-DiMOO, MMaDA and the built-in model share.

Bidirectional attention, rotary positions, RMS norms, a SiLU-gated MLP, no biases (Nie et al., LLaDA, arXiv 2502.09992).
Parameter names are those of the published checkpoints without their leading ``model.``, so weights load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import CheckpointError, cut, shown
from ..file_reading import Fields
from ..leaf_weight import leaf_weight
from .packing import Attention, PackedRows, rotary_tables

# Fields of config.json that would change the result, and the only value of each that this transformer implements.
REQUIRED: dict[str, Any] = {
    "block_type": "llama",
    "block_group_size": 1,
    "activation_type": "silu",
    "layer_norm_type": "rms",
    "rope": True,
    "alibi": False,
    "attention_layer_norm": False,
    "include_bias": False,
    "include_qkv_bias": False,
    "bias_for_layer_norm": False,
    "input_emb_norm": False,
    "scale_logits": False,
    "weight_tying": False,
}
MOST_WIDTH, MOST_LAYERS, MOST_ROWS = 2**16, 1024, 2**24  # far beyond any model; what is larger is a damaged file

TRANSFORMER_PREFIX = "model."  # of its tensors in a checkpoint


def _quoted(value: Any) -> str:
    return repr(value) if isinstance(value, bool) else repr(cut(value, 60)) if isinstance(value, str) else shown(value)


@dataclass(frozen=True)
class LLaDAConfig:
    """Sizes of a LLaDA transformer, under the names of the published ``config.json``."""

    d_model: int
    n_layers: int
    n_heads: int
    mlp_hidden_size: int
    embedding_size: int
    n_kv_heads: int | None = None
    rope_theta: float = 500000.0
    rms_norm_eps: float = 1e-5
    max_sequence_length: int = 4096
    learned_positions: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | Fields) -> LLaDAConfig:
        """Read the fields this class knows from a checkpoint's ``config.json``; other kinds of model are refused.

        Raises CheckpointError, which names the entry that is missing, of another type or out of range.
        """
        given = Fields.of(values, "config.json")
        refused = [name for name, right in REQUIRED.items() if given.values.get(name) not in (None, right)]
        if refused:
            listed = ", ".join(
                f"{name} = {_quoted(given.values[name])} (expected {REQUIRED[name]!r})" for name in refused
            )
            raise CheckpointError(f"{given.source} describes another kind of transformer: {listed}.")
        width = given.whole("d_model", 1, MOST_WIDTH)
        heads = given.whole("n_heads", 1, MOST_WIDTH)
        if width % heads or width // heads % 2:
            raise given.wrong("n_heads", f"a number that cuts d_model = {width} into equal parts of an even width")
        kv_heads = given.whole("n_kv_heads", 1, MOST_WIDTH, None)
        kv_heads = 1 if given.flag("multi_query_attention", False) else kv_heads
        if kv_heads is not None and heads % kv_heads:
            raise given.wrong("n_kv_heads", f"a divisor of n_heads = {heads}")
        wide = given.whole("mlp_hidden_size", 1, 64 * MOST_WIDTH, 0) or given.whole("mlp_ratio", 1, 64, 4) * width
        rows = "embedding_size" if "embedding_size" in given else "vocab_size"
        return cls(
            d_model=width,
            n_layers=given.whole("n_layers", 1, MOST_LAYERS),
            n_heads=heads,
            mlp_hidden_size=wide,
            embedding_size=given.whole(rows, 1, MOST_ROWS),
            n_kv_heads=kv_heads,
            rope_theta=given.number("rope_theta", 1.0, 1e12, cls.rope_theta),
            rms_norm_eps=given.number("rms_norm_eps", 1e-12, 0.1, cls.rms_norm_eps),
            max_sequence_length=given.whole("max_sequence_length", 1, MOST_ROWS, cls.max_sequence_length),
            learned_positions=given.flag("learned_positions", False),
        )

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @property
    def kv_heads(self) -> int:
        """Number of key/value heads (grouped-query attention where it is smaller than ``n_heads``)."""
        return self.n_kv_heads or self.n_heads


def rms_norm_leaf(operations: Any) -> Any:
    """Make the norm leaf class: float32 statistics, rounded to the input dtype before the weight is applied.

    This order is the reference's; a fused norm with weight rounds once less.
    """

    class RMSNorm(operations.RMSNorm):  # type: ignore[misc, name-defined]
        def forward(self, x: Tensor) -> Tensor:
            return F.rms_norm(x, (x.shape[-1],), None, self.eps) * leaf_weight(self, x)

    return RMSNorm


def dot_product_attention(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
    """Attention of q, k, v [B, heads, L, head_dim]; key_mask [B, L] is True where a key may be attended.

    In the dtype of q it is added to the scores instead.
    """
    mask = None if key_mask is None else key_mask[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions in float32 to x [B, heads, L, head_dim], pairing element j with j + head_dim / 2."""
    first, second = x.chunk(2, dim=-1)
    if not torch.is_grad_enabled():
        out = x.new_empty(x.shape)  # written once, and rounded on the way
        left, right = out.chunk(2, dim=-1)
        torch.sub(first * cos, second * sin, out=left)
        torch.add(second * cos, first * sin, out=right)
        return out
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x.dtype)


MLP_ROWS = 2048
"""Tokens whose gated MLP is computed together: that of a whole sequence would be the widest tensor of a run."""


class LLaDABlock(nn.Module):
    """One pre-norm block: attention, then the gated MLP, each with a residual connection."""

    def __init__(self, config: LLaDAConfig, operations: Any, norm: Any, **factory: Any):
        super().__init__()
        d, kv = config.d_model, config.kv_heads * config.head_dim
        self.config = config
        self.attn_norm = norm(d, eps=config.rms_norm_eps, **factory)
        self.ff_norm = norm(d, eps=config.rms_norm_eps, **factory)
        self.q_proj = operations.Linear(d, d, bias=False, **factory)
        self.k_proj = operations.Linear(d, kv, bias=False, **factory)
        self.v_proj = operations.Linear(d, kv, bias=False, **factory)
        self.attn_out = operations.Linear(d, d, bias=False, **factory)
        self.ff_proj = operations.Linear(d, config.mlp_hidden_size, bias=False, **factory)
        self.up_proj = operations.Linear(d, config.mlp_hidden_size, bias=False, **factory)
        self.ff_out = operations.Linear(config.mlp_hidden_size, d, bias=False, **factory)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)

    def queries(self, normed: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Rotated queries [B, heads, L, head_dim] of the normed stream [B, L, d]."""
        return rotate(self._heads(self.q_proj(normed)), cos, sin)

    def keys_values(self, normed: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Rotated keys and values [B, kv heads, L, head_dim] of the normed stream [B, L, d]."""
        return rotate(self._heads(self.k_proj(normed)), cos, sin), self._heads(self.v_proj(normed))

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (both rotated) and values [B, heads, L, head_dim] of the residual stream x [B, L, d]."""
        normed = self.attn_norm(x)
        return self.queries(normed, cos, sin), *self.keys_values(normed, cos, sin)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None, attention: Attention) -> Tensor:
        """Attention output [B, L, d] before the residual connection."""
        groups = self.config.n_heads // self.config.kv_heads
        if groups > 1:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        return self.attn_out(attention(q, k, v, key_mask).transpose(1, 2).flatten(2))

    def mlp(self, x: Tensor) -> Tensor:
        """Gated MLP output [B, L, d] before the residual connection."""
        normed = self.ff_norm(x)
        gate, up = self.ff_proj(normed), self.up_proj(normed)
        if torch.is_grad_enabled():
            return self.ff_out(F.silu(gate) * up)
        # In place: these are the widest tensors of a run.
        return self.ff_out(F.silu(gate, inplace=True).mul_(up))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, key_mask: Tensor | None, attention: Attention) -> Tensor:
        """Map the residual stream x [B, L, d] to the next block's input."""
        return self.add_mlp(x + self.attend(*self.project(x, cos, sin), key_mask, attention))

    def forward_at(self, x: Tensor, cos: Tensor, sin: Tensor, wanted: Tensor, attention: Attention) -> Tensor:
        """The same for the rows wanted [R] only: output [1, R, d] of x [1, L, d], whose every row is attended.

        ``attention`` gets R queries and L keys.
        """
        normed = self.attn_norm(x)
        k, v = self.keys_values(normed, cos, sin)
        q = self.queries(normed[:, wanted], cos[wanted], sin[wanted])
        return self.add_mlp(x[:, wanted] + self.attend(q, k, v, None, attention))

    def add_mlp(self, x: Tensor) -> Tensor:
        """The residual stream x [B, L, d] with the gated MLP's output added, in place where nothing is trained."""
        if torch.is_grad_enabled():
            return x + self.mlp(x)
        for part in x.split(MLP_ROWS, dim=1):
            part.add_(self.mlp(part))
        return x


class LLaDATransformer(nn.Module):
    """LLaDA transformer whose every weight sits in a leaf made by ``operations`` (torch.nn, or ComfyUI's layers)."""

    def __init__(self, config: LLaDAConfig, *, operations: Any = nn, device: Any = None, dtype: Any = None):
        super().__init__()
        self.config = config
        self.attention: Attention = dot_product_attention
        self.compute_dtype: torch.dtype | None = None  # None: that of the embedding
        factory = {"device": device, "dtype": dtype}
        norm = rms_norm_leaf(operations)
        parts: dict[str, nn.Module] = {
            "wte": operations.Embedding(config.embedding_size, config.d_model, **factory),
            "blocks": nn.ModuleList(LLaDABlock(config, operations, norm, **factory) for _ in range(config.n_layers)),
            "ln_f": norm(config.d_model, eps=config.rms_norm_eps, **factory),
            "ff_out": operations.Linear(config.d_model, config.embedding_size, bias=False, **factory),
        }
        if config.learned_positions:
            parts["wpe"] = operations.Embedding(config.max_sequence_length, config.d_model, **factory)
        self.transformer: Any = nn.ModuleDict(parts)  # Any: a type checker cannot know what each name holds

    @property
    def vocabulary_tables(self) -> dict[str, nn.Module]:
        """Embedding and head by name, of which a run needs few rows (see VocabularyRows)."""
        return {"transformer." + name: self.transformer[name] for name in ("wte", "ff_out")}

    def embed(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        """Input [B, L, d] of the first block for token_ids [B, L] at positions [B, L] or [L]."""
        x = self.transformer["wte"](token_ids)
        return self.add_positions(x if self.compute_dtype is None else x.to(self.compute_dtype), positions)

    def add_positions(self, x: Tensor, positions: Tensor) -> Tensor:
        """Embedded tokens x [B, L, d] with the learned positions of a model that has them."""
        return x + self.transformer["wpe"](positions).to(x.dtype) if self.config.learned_positions else x

    def forward(self, token_ids: Tensor, key_mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        """Normalized hidden states [B, L, d] of token_ids [B, L].

        key_mask [B, L] bool is False at padding, which is then never attended; positions [B, L] default to 0 ... L-1.
        """
        if positions is None:
            positions = torch.arange(token_ids.shape[1], device=token_ids.device)
        return self.run_blocks(self.embed(token_ids, positions), positions, key_mask)

    def run_blocks(self, x: Tensor, positions: Tensor, key_mask: Tensor | None = None) -> Tensor:
        """The same of embedded tokens x [B, L, d] at positions [B, L] or [L]."""
        cos, sin = rotary_tables(positions, self.config.head_dim, self.config.rope_theta)
        if positions.dim() == 2:
            cos, sin = cos[:, None], sin[:, None]
        for block in self.transformer["blocks"]:
            x = block(x, cos, sin, key_mask, self.attention)
        return self.transformer["ln_f"](x)

    def run_packed(self, x: Tensor, packed: PackedRows, wanted: Tensor, counts: Sequence[int]) -> Tensor:
        """Normalized hidden states [R, d] at the ascending positions wanted [R] of embedded rows end to end [1, L, d].

        counts: how many of the wanted positions lie in each row. Equals ``forward`` of each row alone, without padding.
        """
        cos, sin = packed.rotary(self.config.head_dim, self.config.rope_theta)
        *blocks, last = self.transformer["blocks"]
        whole = packed.attention(self.attention)
        for block in blocks:
            x = block(x, cos, sin, None, whole)
        x = last.forward_at(x, cos, sin, wanted, packed.attention(self.attention, counts))
        return self.transformer["ln_f"](x)[0]

    def logits(self, hidden: Tensor, first: int, count: int) -> Tensor:
        """Logits [..., count] of hidden [..., d] for the token ids first ... first + count - 1 only."""
        return F.linear(hidden, leaf_weight(self.transformer["ff_out"], hidden, slice(first, first + count)))

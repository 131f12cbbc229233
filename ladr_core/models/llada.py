"""The one transformer of this pack: the LLaDA "llama" block that Lumina-DiMOO, MMaDA and the built-in model share.

Bidirectional attention, rotary positions, RMS norms, a SiLU-gated MLP, no biases (Nie et al., LLaDA, arXiv 2502.09992).
Parameter names are those of the published checkpoints without their leading ``model.``, so weights load as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Attention = Callable[[Tensor, Tensor, Tensor, "Tensor | None"], Tensor]


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
    def from_dict(cls, values: Mapping[str, Any]) -> LLaDAConfig:
        """Read the fields this class knows from a checkpoint's ``config.json``; the rest does not change the result."""
        known = {f.name: values[f.name] for f in fields(cls) if values.get(f.name) is not None}
        known.setdefault("embedding_size", values.get("vocab_size"))
        if values.get("multi_query_attention"):
            known["n_kv_heads"] = 1
        if "mlp_hidden_size" not in known:
            known["mlp_hidden_size"] = int(values.get("mlp_ratio", 4)) * int(values["d_model"])
        return cls(**known)

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.d_model // self.n_heads

    @property
    def kv_heads(self) -> int:
        """Number of key/value heads (grouped-query attention where it is smaller than ``n_heads``)."""
        return self.n_kv_heads or self.n_heads


class RMSNorm(nn.RMSNorm):
    """RMS norm that rounds to the input dtype before the weight is applied, as the reference implementations do."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis of x [..., d] in float32."""
        return F.rms_norm(x.float(), self.normalized_shape, None, self.eps).to(x.dtype) * self.weight.to(x.dtype)


def dot_product_attention(q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None) -> Tensor:
    """Attention of q, k, v [B, heads, L, head_dim]; key_mask [B, L] bool is True where a key may be attended."""
    mask = None if key_mask is None else key_mask[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def rotary_tables(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine [..., L, head_dim] in float32 for token positions [..., L] (Su et al., arXiv 2104.09864)."""
    exponents = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions.float()[..., None] * (1.0 / theta**exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to x [B, heads, L, head_dim], pairing element j with j + head_dim / 2."""
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


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

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys (both rotated) and values [B, heads, L, head_dim] of the residual stream x [B, L, d]."""
        normed = self.attn_norm(x)

        def heads(y: Tensor, count: int) -> Tensor:
            return y.unflatten(-1, (count, self.config.head_dim)).transpose(1, 2)

        q = rotate(heads(self.q_proj(normed), self.config.n_heads), cos, sin)
        k = rotate(heads(self.k_proj(normed), self.config.kv_heads), cos, sin)
        return q, k, heads(self.v_proj(normed), self.config.kv_heads)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, key_mask: Tensor | None, attention: Attention) -> Tensor:
        """Attention output [B, L, d] before the residual connection."""
        groups = self.config.n_heads // self.config.kv_heads
        if groups > 1:
            k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        return self.attn_out(attention(q, k, v, key_mask).transpose(1, 2).flatten(2))

    def mlp(self, x: Tensor) -> Tensor:
        """Gated MLP output [B, L, d] before the residual connection."""
        normed = self.ff_norm(x)
        return self.ff_out(F.silu(self.ff_proj(normed)) * self.up_proj(normed))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, key_mask: Tensor | None, attention: Attention) -> Tensor:
        """Map the residual stream x [B, L, d] to the next block's input."""
        x = x + self.attend(*self.project(x, cos, sin), key_mask, attention)
        return x + self.mlp(x)


class LLaDATransformer(nn.Module):
    """LLaDA transformer whose every weight sits in a leaf made by ``operations`` (torch.nn, or ComfyUI's layers)."""

    def __init__(self, config: LLaDAConfig, *, operations: Any = nn, device: Any = None, dtype: Any = None):
        super().__init__()
        self.config = config
        self.attention: Attention = dot_product_attention
        factory = {"device": device, "dtype": dtype}
        norm = RMSNorm if operations is nn else operations.RMSNorm
        parts: dict[str, nn.Module] = {
            "wte": operations.Embedding(config.embedding_size, config.d_model, **factory),
            "blocks": nn.ModuleList(LLaDABlock(config, operations, norm, **factory) for _ in range(config.n_layers)),
            "ln_f": norm(config.d_model, eps=config.rms_norm_eps, **factory),
            "ff_out": operations.Linear(config.d_model, config.embedding_size, bias=False, **factory),
        }
        if config.learned_positions:
            parts["wpe"] = operations.Embedding(config.max_sequence_length, config.d_model, **factory)
        self.transformer = nn.ModuleDict(parts)

    def embed(self, token_ids: Tensor, positions: Tensor) -> Tensor:
        """Input [B, L, d] of the first block for token_ids [B, L] at positions [B, L] or [L]."""
        x = self.transformer["wte"](token_ids)
        return x + self.transformer["wpe"](positions) if self.config.learned_positions else x

    def forward(self, token_ids: Tensor, key_mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        """Normalised hidden states [B, L, d] of token_ids [B, L].

        key_mask [B, L] bool is False at padding, which is then never attended; positions [B, L] default to 0 ... L-1.
        """
        if positions is None:
            positions = torch.arange(token_ids.shape[1], device=token_ids.device)
        cos, sin = rotary_tables(positions, self.config.head_dim, self.config.rope_theta)
        if positions.dim() == 2:
            cos, sin = cos[:, None], sin[:, None]
        x = self.embed(token_ids, positions)
        for block in self.transformer["blocks"]:
            x = block(x, cos, sin, key_mask, self.attention)
        return self.transformer["ln_f"](x)

    def logits(self, hidden: Tensor, first: int, count: int) -> Tensor:
        """Logits [..., count] of hidden [..., d] for the token ids first ... first + count - 1 only."""
        weight = self.transformer["ff_out"].weight[first : first + count]
        return F.linear(hidden, weight.to(device=hidden.device, dtype=hidden.dtype))

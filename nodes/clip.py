"""The CLIP output of Load dLLM: ComfyUI's own CLIP class over a text side without weights.

A dLLM reads its prompt inside the transformer, with a template that depends on the task, so nothing is encoded here.
The conditioning carries the raw text; its tensor mirrors the text, so that nodes which change the tensor are noticed.
"""

from __future__ import annotations

from typing import Any, ClassVar

import comfy.sd
import torch
from torch import Tensor

TEXT_KEY = "ladr_text"
_TOKENS_KEY = "ladr"


def text_tensor(text: str) -> Tensor:
    """The tensor [1, L, 1] that mirrors a text: its UTF-8 bytes plus one, or a single zero for an empty text."""
    values = [byte + 1.0 for byte in text.encode("utf-8", "surrogatepass")] or [0.0]
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1)


class TextTokens(dict):
    """What the tokenizer returns; a text node made for another kind of model asks for parts that are not there."""

    def __missing__(self, key: str) -> Any:
        raise RuntimeError(
            f"clip: this text node wants the text encoder part {key!r}, which a dLLM does not have; allowed: "
            "CLIP Text Encode. Use CLIP Text Encode (Prompt) with the CLIP of Load dLLM."
        )


class TextTokenizer:
    """ComfyUI's tokenizer interface around raw text."""

    def __init__(self, embedding_directory: Any = None, tokenizer_data: Any = None) -> None:
        pass

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **options: Any) -> TextTokens:
        """Keep the text as it is; weights and embeddings are literal text to a dLLM, which the sampler says."""
        if options.get("images"):
            raise RuntimeError(
                "clip: got images together with the prompt; allowed: text only. "
                "Use VAE Encode and ReferenceLatent to give a dLLM reference images."
            )
        if isinstance(text, (list, tuple)) and len(text) == 1:  # as the A1111 parsers of other packs give it
            text = text[0]
        if not isinstance(text, str):
            given = f"{len(text)} texts" if isinstance(text, (list, tuple)) else type(text).__name__
            raise RuntimeError(
                f"clip: got {given} for one prompt; allowed: one text. A dLLM reads one prompt in all its steps: "
                "remove prompt editing such as [from:to:when]."
            )
        return TextTokens({_TOKENS_KEY: [[(text, 1.0)]]})

    def state_dict(self) -> dict[str, Tensor]:
        """No tensors belong to the tokenizer."""
        return {}


class TextSide(torch.nn.Module):
    """ComfyUI's text encoder interface without weights."""

    def __init__(self, dtype: Any = None, device: Any = None, model_options: Any = None) -> None:
        super().__init__()
        self.dtypes = {torch.float32}

    def reset_clip_options(self) -> None:
        """Nothing is kept between texts."""

    def set_clip_options(self, options: dict[str, Any]) -> None:
        """Refuse CLIP Set Last Layer; the other options concern encoders only."""
        if options.get("layer") is not None:
            raise RuntimeError(
                f"clip: got CLIP Set Last Layer ({options['layer']}); allowed: the CLIP of Load dLLM as it is. "
                "A dLLM has no text encoder layers to stop at: remove CLIP Set Last Layer."
            )

    def encode_token_weights(self, tokens: dict[str, Any]) -> tuple[Tensor, None, dict[str, str]]:
        """The mirror tensor, no pooled output, and the raw text."""
        text = "".join(part for batch in tokens[_TOKENS_KEY] for part, _ in batch)
        return text_tensor(text), None, {TEXT_KEY: text}

    def load_sd(self, sd: dict[str, Tensor]) -> tuple[list[str], list[str]]:
        """Take no weights."""
        return [], list(sd)


class _Target:
    params: ClassVar[dict[str, Any]] = {}
    clip = TextSide
    tokenizer = TextTokenizer


def make_clip() -> comfy.sd.CLIP:
    """A CLIP for CLIP Text Encode, on the CPU so that encoding never moves the dLLM."""
    cpu = torch.device("cpu")
    options = {"load_device": cpu, "offload_device": cpu, "initial_device": cpu, "dtype": torch.float32}
    return comfy.sd.CLIP(_Target(), model_options=options)

"""Published checkpoints: finding, checking, loading and converting them. Nothing is downloaded and no code is run."""

from .loading import is_eight_bit, load_dllm
from .parts import CheckpointParts, find_parts

__all__ = ["CheckpointParts", "find_parts", "is_eight_bit", "load_dllm"]

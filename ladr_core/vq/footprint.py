"""What encoding or decoding a picture takes beside a tokenizer's weights, counted in float32 numbers alive at once.

A picture of a batch takes what it takes alone. The counts follow the forward passes; tests compare them with the peak
of the real ones.
"""

from __future__ import annotations

from collections.abc import Sequence

_BYTES = 4  # of a float32 number
_MARGIN = 1.25  # for what the tensors do not show: work space of convolutions, gaps between blocks of memory


def bytes_to_ask_for(numbers: float) -> int:
    """Bytes to keep free for this many float32 numbers."""
    return int(numbers * _BYTES * _MARGIN)


def encoder_channels(widths: Sequence[int]) -> float:
    """Numbers per pixel in an encoder whose levels, finest first, have these widths and a quarter of the places each.

    Lumina-DiMOO and MMaDA: 640, five times the 128 channels of the finest level.
    """
    return max(_level_channels(widths[max(i - 1, 0)], width) / 4**i for i, width in enumerate(widths))


def decoder_channels(widths: Sequence[int]) -> float:
    """The same of a decoder, which comes to each level from the next coarser one.

    Lumina-DiMOO: 768, as its finest level starts with 256 channels and goes on with 128; MMaDA: 640.
    """
    last = len(widths) - 1
    return max(_level_channels(widths[min(i + 1, last)], width) / 4**i for i, width in enumerate(widths))


def _level_channels(before: int, width: int) -> int:
    """Channels at once in residual blocks of one level, the first of which is given `before` channels.

    That block normalizes and activates its input, which stays for the sum. Each later one holds the level's input, its
    own, the first convolution's output, and the norm and the activation of that.
    """
    return max(3 * before, before + 4 * width)

"""Sizes of the images that Lumina-DiMOO edits: the published list, and the choice from it.

Scaling a picture to one of them is the work of ComfyUI's own nodes: Upscale Image with crop "center".
"""

from __future__ import annotations

from collections.abc import Sequence

EDIT_PATCHES = 256  # patches of 32 x 32 pixels: as many as 512 x 512 pixels have
PATCH = 32
LONGEST_RATIO = 4.0
DRAWING_PATCHES = 1024  # as many as 1024 x 1024 pixels have, the size of text-to-image training
MOST_PATCHES = 1152  # 768 x 1536 pixels, the largest that the published examples draw

Size = tuple[int, int]  # width, height in pixels


def edit_sizes(patches: int = EDIT_PATCHES) -> list[Size]:
    """All sizes with at most this many patches and sides at most 4 : 1, widest first."""
    sizes = []
    width, height = patches, 1
    while width > 0:
        if max(width, height) / min(width, height) <= LONGEST_RATIO:
            sizes.append((width * PATCH, height * PATCH))
        if (height + 1) * width <= patches:
            height += 1
        else:
            width -= 1
    return sizes


def choose_size(size: Size, sizes: Sequence[Size]) -> Size:
    """The size most like an image's own in shape; of equals the widest."""
    width, height = size

    def likeness(candidate: Size) -> tuple[float, Size]:
        across, down = candidate[0] / width, candidate[1] / height
        return min(across, down) / max(across, down), candidate

    return max(sizes, key=likeness)


def size_notice(size: Size) -> str | None:
    """What to do about a reference image of a size the model was not trained on; None for the sizes it was."""
    sizes = edit_sizes()
    if size in sizes:
        return None
    width, height = choose_size(size, sizes)
    return (
        f"A reference image is {size[0]} x {size[1]} pixels; Lumina-DiMOO edits best at its own sizes, here {width} x "
        f"{height}: set Upscale Image, crop center, to that before VAE Encode."
    )


def drawing_notice(size: Size) -> str | None:
    """That the model draws best at another size than this one; None from 512 x 512 pixels to the published largest."""
    width, height = size
    patches = width * height / PATCH**2
    if EDIT_PATCHES <= patches <= MOST_PATCHES and max(size) <= LONGEST_RATIO * min(size):
        return None
    best = choose_size(size, edit_sizes(EDIT_PATCHES if patches < EDIT_PATCHES else DRAWING_PATCHES))
    return (
        f"Lumina-DiMOO was not trained to draw {width} x {height} pixels; the nearest size it was is {best[0]} x "
        f"{best[1]}."
    )


def overhang(size: Size, target: Size) -> Size:
    """Pixels that stick out to the right and at the bottom once an image is scaled to cover the target.

    Images of twice the size or more are halved first, as the published code does.
    """
    while _twice_as_large(size, target):
        size = (size[0] // 2, size[1] // 2)
    width, height = _covering(size, target)
    return width - target[0], height - target[1]


def _covering(size: Size, target: Size) -> Size:
    scale = max(target[0] / size[0], target[1] / size[1])
    return round(size[0] * scale), round(size[1] * scale)


def _twice_as_large(size: Size, target: Size) -> bool:
    return size[0] >= 2 * target[0] and size[1] >= 2 * target[1]

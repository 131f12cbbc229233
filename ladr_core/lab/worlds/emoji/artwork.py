"""Where the emoji world's pictures come from: icons out of a pinned npm package for each style, rendered by resvg.

No artwork is part of the pack. `npm pack @iconify-json/noto@1.2.9` brings a package (those of all styles are in
`styles.py`), `pip install resvg-py` the renderer; the training and the evaluation of the emoji world alone need them.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ....errors import InputError
from .styles import NOTO, Style

FOLDER_VARIABLE = "LADR_ARTWORK"
_FINER = 4  # rendered so many times finer, then averaged


def artwork_folder() -> Path:
    """The folder that holds the npm packages' archives: $LADR_ARTWORK, or training_runs in the working folder."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "training_runs")


def has_artwork(style: Style = NOTO) -> bool:
    """Whether the archive of the style's package and the renderer are there."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        return False
    return (artwork_folder() / style.archive).is_file()


@cache
def _icons(folder: Path, archive: str, package: str, sha256: str) -> dict[str, dict]:
    """The icons of a package by name; raises InputError where it is missing or another version."""
    path = folder / archive
    remedy = f"Run `npm pack {package}` in that folder, or name another folder in {FOLDER_VARIABLE}"
    if not path.is_file():
        raise InputError(FOLDER_VARIABLE, f"{folder}, which has no {archive}", "a folder with that file", remedy)
    with tarfile.open(path) as packed:
        member = packed.extractfile("package/icons.json")
        text = member.read() if member else b""
    if hashlib.sha256(text).hexdigest() != sha256:
        raise InputError(FOLDER_VARIABLE, f"{path} with other icons", f"the icons of {package}", remedy)
    return json.loads(text)["icons"]


def render_icon(name: str, pixels: int, style: Style = NOTO) -> np.ndarray:
    """An icon of a style as straight RGBA, float32 [pixels, pixels, 4] in 0 ... 1.

    Raises InputError where artwork or renderer is missing.
    """
    icons = _icons(artwork_folder(), style.archive, style.package, style.icons_sha256)
    body = icons[name]["body"]
    try:
        import resvg_py
    except ImportError as error:
        raise InputError("artwork", "no package resvg-py to draw it with", "resvg-py 0.5.0",
                         "Run `pip install resvg-py==0.5.0`") from error
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {style.view_box} {style.view_box}">{body}</svg>'
    )
    side = pixels * _FINER
    png = bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=side, height=side))
    fine = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), np.float32) / 255
    # Averaged with the colors weighed by alpha, so that no dark rim comes from transparent pixels.
    fine[..., :3] *= fine[..., 3:]
    coarse = fine.reshape(pixels, _FINER, pixels, _FINER, 4).mean((1, 3))
    coarse[..., :3] /= np.maximum(coarse[..., 3:], 1e-6)
    return coarse.clip(0, 1)

"""Where the emoji world's pictures come from: Noto Emoji, out of a pinned npm package, rendered by resvg.

No artwork is part of the pack. `npm pack @iconify-json/noto@1.2.9` brings the package (Apache-2.0), `pip install
resvg-py` the renderer; both are needed by the training and the evaluation of the emoji world only.
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

PACKAGE = "@iconify-json/noto@1.2.9"
ARCHIVE = "iconify-json-noto-1.2.9.tgz"
ICONS_SHA256 = "9eac6ef4e7ec122b6f0e7ac281d61008afdbc720d0ce861e398b939daaa347c6"
FOLDER_VARIABLE = "LADR_ARTWORK"
_VIEW_BOX = 128  # of every icon of the package
_FINER = 4  # rendered so many times finer, then averaged


def artwork_folder() -> Path:
    """The folder that holds the npm package's archive: $LADR_ARTWORK, or training_runs in the working folder."""
    return Path(os.environ.get(FOLDER_VARIABLE) or "training_runs")


def has_artwork() -> bool:
    """Whether the package's archive and the renderer are there."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        return False
    return (artwork_folder() / ARCHIVE).is_file()


@cache
def _icons(folder: Path) -> dict[str, dict]:
    """The icons of the package by name; raises InputError where it is missing or another version."""
    path = folder / ARCHIVE
    remedy = f"Run `npm pack {PACKAGE}` in that folder, or name another folder in {FOLDER_VARIABLE}"
    if not path.is_file():
        raise InputError(FOLDER_VARIABLE, f"{folder}, which has no {ARCHIVE}", "a folder with that file", remedy)
    with tarfile.open(path) as archive:
        member = archive.extractfile("package/icons.json")
        text = member.read() if member else b""
    if hashlib.sha256(text).hexdigest() != ICONS_SHA256:
        raise InputError(FOLDER_VARIABLE, f"{path} with other icons", f"the icons of {PACKAGE}", remedy)
    return json.loads(text)["icons"]


def render_icon(name: str, pixels: int) -> np.ndarray:
    """An icon as straight RGBA, float32 [pixels, pixels, 4] in 0 ... 1; raises InputError where artwork or renderer is
    missing."""
    body = _icons(artwork_folder())[name]["body"]
    try:
        import resvg_py
    except ImportError as error:
        raise InputError("artwork", "no package resvg-py to draw it with", "resvg-py 0.5.0",
                         "Run `pip install resvg-py==0.5.0`") from error
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {_VIEW_BOX} {_VIEW_BOX}">{body}</svg>'
    )
    side = pixels * _FINER
    png = bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=side, height=side))
    fine = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), np.float32) / 255
    # Averaged with the colors weighed by alpha, so that no dark rim comes from transparent pixels.
    fine[..., :3] *= fine[..., 3:]
    coarse = fine.reshape(pixels, _FINER, pixels, _FINER, 4).mean((1, 3))
    coarse[..., :3] /= np.maximum(coarse[..., 3:], 1e-6)
    return coarse.clip(0, 1)

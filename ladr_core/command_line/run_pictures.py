"""Pictures of what a run did, as options of `generate`: --map and --film."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..pictures.view_settings import MAP, THEME
from .output_files import FORMATS, check_writable, write_whole
from .setting_options import typed_value

if TYPE_CHECKING:
    from PIL.Image import Image

    from .pictures import Drawing

FILM_FORMATS = (".webp", ".gif", ".png")
FRAME_MILLISECONDS = 250


def add_run_pictures(parser: argparse.ArgumentParser) -> None:
    """The options --map, --map_view, --film and --theme."""
    group = parser.add_argument_group("pictures of what the sampler did")
    group.add_argument("--map", type=Path, default=None, metavar="FILE", help="draw the decode map of the run")
    group.add_argument(
        "--map_view", default=None, metavar="WORD", help=f"{MAP.meaning}: {MAP.allowed} (default overview)"
    )
    group.add_argument(
        "--film", type=Path, default=None, metavar="FILE", help="draw the run as an animation: .webp, .gif or .png"
    )
    group.add_argument("--theme", default=None, metavar="WORD", help=f"{THEME.meaning}: {THEME.allowed} (default dark)")


def check_run_pictures(args: argparse.Namespace, files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files of maps and films, checked before any work."""
    typed_value(MAP, args.map_view)
    typed_value(THEME, args.theme)
    if args.map_view is not None and args.map is None:
        raise InputError("map_view", args.map_view, "nothing without map", "Give --map FILE as well, or leave it out")
    maps = [] if args.map is None else _numbered("map", args.map, FORMATS, len(files))
    films = [] if args.film is None else _numbered("film", args.film, FILM_FORMATS, len(files))
    every = [*files, *maps, *films]
    if len({file.absolute() for file in every}) < len(every):
        raise InputError("map", "a file that is given twice", "a file of its own for each", "Give other names")
    return maps, films


def _numbered(name: str, path: Path, formats: Sequence[str], images: int) -> list[Path]:
    """The files that an option's pictures go to, which can be written: name.png, or name-1.png, name-2.png, ..."""
    if path.suffix.lower() not in formats:
        allowed = "file names ending in " + ", ".join(formats)
        raise InputError(name, repr(str(path)), allowed, f"Name a file such as run{formats[0]}")
    numbered = [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, images + 1)]
    files = [path] if images == 1 else numbered
    for file in files:
        check_writable(name, file)
    return files


def write_run_pictures(args: argparse.Namespace, drawing: Drawing, maps: list[Path], films: list[Path]) -> list[Path]:
    """Draw and write maps and films; the files."""
    from ..pictures.decode_map import MapView, draw_maps
    from ..pictures.film import FilmView, draw_film

    theme = typed_value(THEME, args.theme)
    if maps:
        view = MapView(map=typed_value(MAP, args.map_view), theme=theme)
        for file, drawn in zip(maps, draw_maps(drawing.report, drawing.pictures, view)):
            write_whole("map", file, drawn.save)
    for row, file in enumerate(films):
        film = draw_film(drawing.report, drawing.pictures[row], FilmView(batch_index=row, theme=theme))
        write_whole("film", file, partial(_save_film, film.frames))
    return [*maps, *films]


def _save_film(frames: Sequence[Image], path: Path) -> None:
    lossless: dict[str, Any] = {"lossless": True} if path.suffix.lower() == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=FRAME_MILLISECONDS, loop=0, **lossless)

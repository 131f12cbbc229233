"""Sets the templates' values, then draws the pictures beside those of the built-in model: what each shows as it is.

COMFYUI_SRC=... python -m comfyui.draw_thumbnails          (in the folder tests)
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from node_specs import template_values
from PIL import Image

from .client import Run, run
from .launch import PACK, Server
from .template_prompt import api_prompt

SIZE = (400, 300)
GAP = 6


def shown_pictures(server: Server, result: Run) -> list[Image.Image]:
    """The pictures a run showed or saved, by node number."""
    pictures = []
    for _, output in sorted(result.outputs.items(), key=lambda item: int(item[0])):
        for image in output.get("images", []):
            query = urllib.parse.urlencode({key: image[key] for key in ("filename", "subfolder", "type")})
            with urllib.request.urlopen(f"{server.url}/view?{query}", timeout=60) as answer:
                picture = Image.open(io.BytesIO(answer.read()))
                picture.seek(getattr(picture, "n_frames", 1) - 1)  # the end of an animation
                pictures.append(picture.convert("RGB"))
    return pictures


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Pictures next to each other on gray, as large as a thumbnail allows."""
    columns = min(len(pictures), 4)
    rows = -(-len(pictures) // columns)
    room = (SIZE[0] - GAP) // columns - GAP, (SIZE[1] - GAP) // rows - GAP
    scale = min(min(room[0] / picture.width, room[1] / picture.height) for picture in pictures)
    # Halved or doubled cells would blur: LANCZOS keeps edges of both.
    small = [
        picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
        for picture in pictures
    ]
    step = max(picture.width for picture in small) + GAP, max(picture.height for picture in small) + GAP
    sheet = Image.new("RGB", SIZE, (48, 48, 52))
    left, top = (SIZE[0] - columns * step[0] + GAP) // 2, (SIZE[1] - rows * step[1] + GAP) // 2
    for place, picture in enumerate(small):
        row, column = divmod(place, columns)
        sheet.paste(picture, (left + column * step[0], top + row * step[1]))
    return sheet


def main() -> int:
    """Run every template of the built-in model and write its picture."""
    template_values.main()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            known = server.get("/object_info")
            for path in sorted((PACK / "workflows").glob("*.json")):
                text = path.read_text(encoding="utf-8")
                if "built-in emoji" not in text:
                    continue
                prompt = api_prompt(json.loads(text), known)
                result = run(server, prompt, timeout=600)
                if result.status != "success":
                    print(f"{path.stem}: {result.status}: {result.error}", file=sys.stderr)
                    return 1
                side_by_side(shown_pictures(server, result)).save(path.with_suffix(".jpg"), quality=88)
                print(path.with_suffix(".jpg").name, flush=True)
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

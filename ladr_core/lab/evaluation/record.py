"""What is kept of every picture, and the file that keeps it while a run is under way, so that it can go on later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...file_reading import read_text


@dataclass(frozen=True)
class PictureRecord:
    """One picture: its configuration, prompt and repetition, what it cost, what was seen on it, and its tokens."""

    configuration: str  # Configuration.key
    prompt: int
    repetition: int
    passed: bool
    nfe: int
    seconds: float  # from prompt to pixels, share of the batch
    found: list[str]  # "red circle 40 88": color, shape ("?" where none fits), row and column of the center
    tokens: str  # codebook indices, four hexadecimal digits per cell

    @property
    def codebook_indices(self) -> np.ndarray:
        """Tokens [N]."""
        digits = np.frombuffer(bytes.fromhex(self.tokens), dtype=">u2")
        return digits.astype(np.int64)


def pack_tokens(codebook_indices: np.ndarray) -> str:
    """Hexadecimal text of codebook indices [N]."""
    return codebook_indices.astype(">u2").tobytes().hex()


class RecordFile:
    """Picture records, one JSON line each, behind a first line that names the model."""

    def __init__(self, path: Path, model: str):
        self.path = path
        self.records: dict[tuple[str, int, int], PictureRecord] = {}
        if path.exists():
            self._read(model)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"model": model}) + "\n", encoding="utf-8")

    def _read(self, model: str) -> None:
        lines = path_lines(self.path)
        written_for = lines[0].get("model") if lines else None
        if written_for != model:
            remedy = f"Delete {self.path.name} or give another --out"
            raise InputError("out", f"{self.path} with pictures of another model ({written_for})", model, remedy)
        try:
            for line in lines[1:]:
                self._keep(PictureRecord(**line))
        except TypeError as error:
            remedy = f"Delete {self.path.name} or give another --out"
            raise InputError("out", f"{self.path}, which was changed", "records of this program", remedy) from error
        # A last line cut short by a kill must not swallow the next one.
        kept = [json.dumps({"model": model}), *(json.dumps(asdict(record)) for record in self.records.values())]
        self.path.write_text("\n".join(kept) + "\n", encoding="utf-8")

    def _keep(self, record: PictureRecord) -> None:
        self.records[record.configuration, record.prompt, record.repetition] = record

    def add(self, records: list[PictureRecord]) -> None:
        """Keep records and write them down at once."""
        with self.path.open("a", encoding="utf-8") as file:
            for record in records:
                self._keep(record)
                file.write(json.dumps(asdict(record)) + "\n")


def path_lines(path: Path) -> list[dict]:
    """The JSON lines of a file; a last line that was cut short is left out."""
    lines = []
    for text in read_text(path, "this program").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            break
        if not isinstance(line, dict):
            break
        lines.append(line)
    return lines

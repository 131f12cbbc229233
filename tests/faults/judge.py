"""Tries a mutated folder on a version of the pack and says what a user would have seen.

python tests/faults/judge.py PACK SOUND    reads mutations as lines of JSON, answers each with a line of JSON

Sound outcomes are a run that ends, and one bounded sentence. Everything else is a fault: another exception, a line
break or half a character in the sentence, more memory or time than a model of this size can need.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

MOST_SECONDS = 20
MOST_BYTES = 4 * 1024**3  # of address space: torch alone takes one or two
LONGEST_SENTENCE = 2000


class TooLong(BaseException):
    """Raised by the alarm; no handler of the pack can take it for one of its own errors."""


def _alarm(*_: object) -> None:
    raise TooLong


class Pack:
    """The entries of one version of the pack that read files of users."""

    def __init__(self, root: Path):
        sys.path[:0] = [str(root), str(root / "tests"), str(root / "tests" / "node_specs")]
        import torch

        torch.set_num_threads(1)
        import comfyui_stub

        from ladr_core import sampling
        from ladr_core.checkpoint import load_dllm
        from ladr_core.command_line import main
        from ladr_core.errors import CheckpointError, InputError
        from ladr_core.models.contract import Prompt
        from ladr_core.settings import SamplerSettings
        from ladr_core.token_grid import TokenGrid

        self.sentences = (CheckpointError, InputError)
        self.load, self.main, self.sampling = load_dllm, main, sampling
        self.prompt, self.settings, self.grid = Prompt, SamplerSettings, TokenGrid
        comfyui_stub.load_pack()
        self.paths = sys.modules["folder_paths"]
        self.listing = sys.modules[comfyui_stub.PACK_NAME + ".nodes.model_folder"].list_checkpoints

    def draw(self, path: Path) -> None:
        """Load a model and draw with it, one step."""
        model = self.load(path)
        grid = self.grid(2, 3) if model.name == "lumina-dimoo" else model.default_grid
        asked, settings = ([self.prompt("a red fox")], [self.prompt("")], grid), self.settings(steps=1)
        if hasattr(self.sampling, "ImageRequest"):
            setup = self.sampling.SamplerSetup(settings=settings)
            indices, _ = self.sampling.sample_tokens(model, self.sampling.ImageRequest(*asked), setup)
        else:  # as it was called before the mend
            indices, _ = self.sampling.sample_tokens(model, *asked, settings=settings)
        model.vq.decode(indices[:, :2, :2])  # the whole of it would take most of the time

    def list_models(self, root: Path) -> None:
        """Ask for the loader's choices."""
        self.paths.folder_names_and_paths = {"dllm": [str(root)], "checkpoints": [str(root)]}
        self.listing()

    def convert(self, source: Path, target: Path) -> None:
        """Write one file, and load what was written."""
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            code = self.main(["convert", str(source), str(target)])
        if code == 2:
            raise self.sentences[0](errors.getvalue().removesuffix("\n"))
        if source.name != "adapter":
            self.draw(target)


def judge(pack: Pack, sound: Path, mutation: dict[str, Any], scratch: Path) -> dict[str, Any]:
    """Outcome of one mutation: every entry that reads the folder is tried."""
    from mutations import Mutation, apply, copy_folder

    mutation = Mutation(**{**mutation, "path": tuple(mutation["path"])})
    target = scratch / "root" / mutation.target
    copy_folder(sound / mutation.target, target)
    apply(mutation, target)
    model = target / {"single": "single.safetensors", "builtin": "tiny.safetensors"}.get(mutation.target, "")
    uses = {"list": lambda: pack.list_models(scratch / "root"), "draw": lambda: pack.draw(model)}
    if mutation.target == "adapter":
        uses = {"convert": lambda: pack.convert(target, scratch / "out.safetensors")}
    elif mutation.kind in ("json", "node"):
        uses["convert"] = lambda: pack.convert(model, scratch / "out.safetensors")
    outcome: dict[str, Any] = {}
    for name, use in uses.items():
        fault = _try(pack, use)
        if fault:
            outcome[name] = fault
    return outcome


def _try(pack: Pack, use: Any) -> str:
    signal.alarm(MOST_SECONDS)
    try:
        use()
    except pack.sentences as error:
        return _fault_of(str(error))
    except TooLong:
        return f"more than {MOST_SECONDS} seconds"
    except MemoryError:
        return "out of memory"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    except BaseException as error:  # the tokenizers package raises panics of its own kind
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.alarm(0)
    return ""


def _fault_of(sentence: str) -> str:
    if "\n" in sentence or "\r" in sentence:
        return "a sentence with line breaks"
    if len(sentence) > LONGEST_SENTENCE:
        return f"a sentence of {len(sentence)} characters"
    try:
        sentence.encode()
    except UnicodeEncodeError:
        return "a sentence that cannot be printed"
    return ""


def main() -> None:
    """Answer mutations until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may be printed between the answers
    root, sound = (Path(argument).resolve() for argument in sys.argv[1:3])
    pack = Pack(root)
    logging.disable(logging.CRITICAL)
    pack.draw(sound / "lumina")  # imports what is imported late, which takes long on a busy machine
    signal.signal(signal.SIGALRM, _alarm)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    for line in sys.stdin:
        scratch = Path(tempfile.mkdtemp(dir=sound.parent))
        try:
            outcome = judge(pack, sound, json.loads(line), scratch)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        print(json.dumps(outcome), file=answers, flush=True)


if __name__ == "__main__":
    main()

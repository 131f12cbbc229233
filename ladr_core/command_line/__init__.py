"""The command line: one module per command, imported only when it is asked for, so that --help needs no torch."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..errors import CheckpointError, InputError

COMMANDS = {
    "generate": "draw pictures from a prompt",
    "demo": "draw some prompts with the baseline and with LADR, side by side",
    "convert": "write a checkpoint as one .safetensors file, or a PEFT LoRA as ComfyUI knows it",
}
MOVED = {"verify": "python -m ladr_core.lab verify"}  # former commands
MISTAKE, INTERRUPTED = 2, 130  # exit codes


class OneSentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave."""
        print(f"{message}; `{self.prog} --help` lists what is allowed.", file=sys.stderr)
        sys.exit(MISTAKE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 = done, 2 = a mistake that was named on stderr."""
    given = [_with_underscores(text) for text in (sys.argv[1:] if arguments is None else arguments)]
    parser = OneSentenceParser(prog="python -m ladr_core", description="LADR: pictures from diffusion language models.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneSentenceParser)
    asked = next((text for text in given if not text.startswith("-")), None)
    if asked in MOVED:
        print(f"`python -m ladr_core {asked}` is now `{MOVED[asked]}`.", file=sys.stderr)
        return MISTAKE
    module = importlib.import_module(f".{asked}", __package__) if asked in COMMANDS else None
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if module is not None and name == asked:
            module.add_arguments(command)
    parsed = parser.parse_args(given)
    try:
        return int(module.run(parsed) or 0) if module is not None else MISTAKE
    except (InputError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _with_underscores(text: str) -> str:
    """The options are spelled as the inputs of the nodes, --top_k; --top-k is understood as well."""
    name, equals, value = text.partition("=")
    return name.replace("-", "_").replace("__", "--", 1) + equals + value if text.startswith("--") else text

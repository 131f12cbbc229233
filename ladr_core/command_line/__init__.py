"""The command line: one module per command, imported only when it is asked for, so that --help needs no torch."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import CheckpointError, InputError, cut
from ..file_reading import reason

COMMANDS = {
    "generate": "draw pictures from a prompt",
    "sweep": "draw a prompt over a grid of values of two settings, on one sheet",
    "demo": "draw some prompts with the baseline and with LADR, side by side",
    "convert": "write a checkpoint as one .safetensors file, or a PEFT LoRA as ComfyUI knows it",
}
MOVED = {"verify": "python -m ladr_core.lab verify"}  # former commands
MISTAKE, INTERRUPTED, CLOSED = 2, 130, 141  # exit codes; the last two as shells give them


class OneSentenceParser(argparse.ArgumentParser):
    """An argument parser whose errors are one sentence on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print the message and leave."""
        print(f"{cut(message, 400)}; `{self.prog} --help` lists what is allowed.", file=sys.stderr)
        sys.exit(MISTAKE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 = done, 2 = a mistake that was named on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal may not know every character of a prompt or a file name
            stream.reconfigure(errors="backslashreplace")
    with _Interruption() as interruption:
        try:
            code = _run([_with_underscores(text) for text in (sys.argv[1:] if arguments is None else arguments)])
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except (InputError, CheckpointError) as error:
            print(error, file=sys.stderr)
            return MISTAKE
        except BrokenPipeError:  # whoever reads the output has seen enough
            _silence_output()
            return CLOSED
        except OSError as error:
            if not interruption.seen:
                print(f"The output cannot be written ({reason(error)}).", file=sys.stderr)
                _silence_output()
                return MISTAKE
        except KeyboardInterrupt:
            pass
        except Exception:
            if not interruption.seen:
                raise
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(given: list[str]) -> int:
    """Read the arguments and run the command that they name."""
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
    return int(module.run(parsed) or 0) if module is not None else MISTAKE


class _Interruption:
    """Remembers that Ctrl-C was pressed: packages that are being imported may turn it into an error of their own."""

    def __init__(self) -> None:
        self.seen = False
        self._before: Any = None

    def __enter__(self) -> _Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, *_: object) -> NoReturn:
        self.seen = True
        raise KeyboardInterrupt


def _silence_output() -> None:
    """Let nothing more be written, which would fail again while Python ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a stream without a file behind it
        return


def _with_underscores(text: str) -> str:
    """The options are spelled as the inputs of the nodes, --top_k; --top-k is understood as well."""
    name, equals, value = text.partition("=")
    return name.replace("-", "_").replace("__", "--", 1) + equals + value if text.startswith("--") else text

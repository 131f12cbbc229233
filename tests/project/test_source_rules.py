"""Rules of the house, read off the source: who may import whom, what must not appear, and names that say nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("ladr_core", "nodes")
PROGRAMS = ("command_line", "lab")  # run by a person: these may print and set up logging
COMFYUI = {
    "comfy", "comfy_api", "comfy_execution", "comfy_extras", "comfyui_version", "execution", "folder_paths",
    "latent_preview", "node_helpers", "server",
}  # fmt: skip
RUN_TIME = {"numpy", "PIL", "safetensors", "tokenizers", "torch", "transformers"}  # requirements.txt and torch
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "base"}
LONGEST_FILE = 320


def shipped_files() -> list[Path]:
    """Python files of the pack; the laboratory is left out of the archive, and some rules."""
    return [ROOT / "__init__.py", *(path for folder in SHIPPED for path in sorted((ROOT / folder).rglob("*.py")))]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of what is imported absolutely."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""


def is_lab(path: Path) -> bool:
    """Whether a file belongs to the laboratory, which no user gets."""
    return "lab" in path.relative_to(ROOT).parts


def place(path: Path, line: int) -> str:
    """For messages."""
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


def matches(pattern: str, paths: list[Path]) -> list[str]:
    """Places and lines where a regular expression is found."""
    expression = re.compile(pattern)
    return [
        f"{place(path, number)}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if expression.search(line)
    ]


def is_program(path: Path) -> bool:
    """Whether a file belongs to a command rather than to the library or the nodes."""
    return any(part in PROGRAMS for part in path.relative_to(ROOT).parts) or path.name == "__main__.py"


def test_there_is_something_to_check():
    names = {path.relative_to(ROOT).as_posix() for path in shipped_files()}
    assert {"__init__.py", "ladr_core/denoising_loop.py", "nodes/ladr_sampler.py"} <= names


def test_library_never_imports_comfyui():
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in (ROOT / "ladr_core").rglob("*.py")
        for line, name in imports(path)
        if name.split(".")[0] in COMFYUI | {"nodes"}
    ]
    assert not wrong


def test_only_packages_that_come_with_comfyui_are_imported():
    allowed = set(sys.stdlib_module_names) | RUN_TIME | {"__future__"}
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in shipped_files()
        if not is_lab(path)
        for line, name in imports(path)
        if name.split(".")[0] not in allowed | (COMFYUI if "ladr_core" not in path.relative_to(ROOT).parts else set())
    ]
    assert not wrong


def test_imports_within_the_pack_are_relative():
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in shipped_files()
        for line, name in imports(path)
        if name.split(".")[0] in SHIPPED
    ]
    assert not wrong


def test_no_network_process_or_code_from_text():
    wrong = [
        f"{place(path, line)} imports {name}"
        for path in shipped_files()
        if not is_lab(path)
        for line, name in imports(path)
        if name.split(".")[0]
        in {"subprocess", "socket", "urllib", "http", "requests", "ftplib", "pickle", "ctypes", "pip"}
        or name.startswith(("huggingface_hub", "multiprocessing"))
    ]
    for path in shipped_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                wrong.append(f"{place(path, node.lineno)} calls {node.func.id}")
    assert not wrong


def test_weights_come_from_safetensors_only():
    library = [path for path in shipped_files() if "lab" not in path.parts]
    assert not matches(r"torch\.load\(|trust_remote_code\s*=\s*True|from_pretrained\(.*https?:", library)
    for line in matches(r"torch\.load\(", [path for path in shipped_files() if "lab" in path.parts]):
        assert "weights_only=True" in line


def test_no_device_is_named():
    found = matches(r"""["']cuda|\.cuda\(|torch\.cuda""", shipped_files())
    assert not [line for line in found if not line.startswith("ladr_core/lab/")]


def test_nothing_global_is_touched():
    assert not matches(
        r"sys\.path|os\.environ\[|os\.putenv|setdefaulttimeout|set_default_d(evice|type)",
        [path for path in shipped_files() if not is_lab(path)],
    )
    library = [path for path in shipped_files() if not is_program(path)]
    assert not matches(
        r"basicConfig|torch\.manual_seed|random\.seed|np\.random\.(seed|rand)|set_num_threads|print\(", library
    )


def test_no_path_of_a_machine():
    files = [
        path
        for path in ROOT.rglob("*")
        if path.suffix in {".py", ".md", ".toml", ".json", ".yml", ".txt", ".js"}
        and not {".git", ".venv", "demo_output"} & set(path.relative_to(ROOT).parts)
        and not any(part.endswith("_cache") or part == ".hypothesis" for part in path.parts)
    ]
    assert not matches(
        r"(?<![\w.:/])/(?:home|root|work|tmp|mnt|Users)/[\w.+-]+", [p for p in files if p.name != Path(__file__).name]
    )


def test_users_get_sentences_not_asserts():
    wrong = []
    for path in shipped_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert):
                wrong.append(f"{place(path, node.lineno)}: assert")
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{place(path, node.lineno)}: bare except")
    assert not wrong


def test_nothing_is_left_unfinished():
    assert not matches(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", shipped_files())


def test_files_fit_in_a_head():
    long = {
        place(path, 1): count
        for path in shipped_files()
        if (count := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert not long


def test_names_say_something():
    assert not [
        place(path, 1) for path in shipped_files() if path.stem in VAGUE_NAMES or path.parent.name in VAGUE_NAMES
    ]


def in_new_process(code: str) -> dict:
    """What the code, run in a Python of its own, prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("ladr_core", ("torch", "numpy", "transformers", "PIL")),
        ("ladr_core.settings", ("torch", "numpy", "transformers", "PIL")),
        ("ladr_core.command_line.generate", ("torch", "numpy", "transformers", "PIL")),
        ("ladr_core.sampling", ("transformers", "tokenizers", "diffusers", "PIL")),
        ("ladr_core.models.builtin.loading", ("transformers", "tokenizers", "diffusers", "PIL")),
    ],
)
def test_imports_are_light(module: str, absent: tuple[str, ...]):
    loaded = in_new_process(
        f"import json, sys; import {module}; print(json.dumps([m for m in {absent!r} if m in sys.modules]))"
    )
    assert loaded == []


def test_importing_changes_nothing_global():
    seen = in_new_process(
        "import json, logging, os, random, sys, torch\n"
        "def state(): return [list(sys.path), dict(os.environ), len(logging.root.handlers), logging.root.level,"
        " hash(random.getstate()), int(torch.random.get_rng_state().sum()), torch.get_num_threads(),"
        " str(torch.get_default_dtype())]\n"
        "before = state()\n"
        "import ladr_core.sampling, ladr_core.models.builtin.loading, ladr_core.presets, ladr_core.samplers.registry\n"
        "print(json.dumps([a == b for a, b in zip(before, state())]))"
    )
    assert all(seen), seen


def test_spelling_is_american():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    endings = (".py", ".md", ".js", ".toml", ".yml", "locales/en/nodeDefs.json")
    paths = [ROOT / name for name in listed if name.endswith(endings) and (ROOT / name).is_file()]
    british = r"col[o]ur|neighb[o]ur|behavi[o]ur|fav[o]ur|\bcent[r]e|licen[c]e|\bgr[e]y\b|label[l]ed|per c[e]nt\b"
    found = matches(rf"(?i){british}|(quant|token|recogn|normal|summar|organ|optim)i[s](e|ing|at)", paths)
    # Keys of old result files and of recorded data, and words that prompts may hold.
    kept = ("OLD_KEYS", ".z_quanti" + "sed", '"gr' + 'ey": "gray"', "as prompts spell")
    assert not [line for line in found if not any(words in line for words in kept)]

"""A real ComfyUI server around this pack, in a process of its own.

COMFYUI_PATH    a ComfyUI folder that is ready to run; COMFYUI_PYTHON names its interpreter (default: the one running)
COMFYUI_SRC     or: a git repository or work tree of ComfyUI, from which a copy and an environment are made once
                COMFYUI_PYTHON then makes that environment: newer cores want a newer Python
COMFYUI_REF     commit or branch of COMFYUI_SRC (default: its HEAD)
COMFYUI_WORK    where that copy lives (default: a folder in the system's temporary directory)
COMFYUI_PACKS   further node packs for every server: folders, separated like those of PATH
COMFYUI_TORCH   torch of that environment (default: torch==2.13.0); torchvision and torchaudio come without dependencies
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

PACK = Path(__file__).resolve().parents[2]
PROBE_PACK = Path(__file__).resolve().parent / "probe_pack"
WHY_SKIPPED = "set COMFYUI_PATH (a ComfyUI that runs) or COMFYUI_SRC (a git repository of ComfyUI) to run them"

# torchvision and torchaudio are published as CUDA builds. Beside a CPU torch the first misses operators it expects to
# be declared, the second a library it insists on.
_DECLARE_OPERATORS = """
import sys

class _Declare:
    done = False

    def find_spec(self, name, path=None, target=None):
        if name == "torchvision" and not _Declare.done:
            _Declare.done = True
            import torch
            for op in ("nms", "qnms") if torch.version.cuda is None else ():
                torch.library.define("torchvision::" + op, "(Tensor boxes, Tensor scores, float limit) -> Tensor")
        return None

sys.meta_path.insert(0, _Declare())
"""


def configured() -> bool:
    """Whether the environment says where ComfyUI is."""
    return bool(os.environ.get("COMFYUI_PATH") or os.environ.get("COMFYUI_SRC"))


def _call(*command: object, cwd: Path | None = None, stdin: str | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def _clone(work: Path) -> Path:
    """A work tree of COMFYUI_SRC at COMFYUI_REF; files whose content the repository lacks are left out."""
    target = work / "ComfyUI"
    if not (target / ".git").exists():
        _call("git", "clone", "-q", "--no-checkout", os.environ["COMFYUI_SRC"], target)
    commit = _call("git", "rev-parse", os.environ.get("COMFYUI_REF") or "HEAD", cwd=target)
    rows = [line.split("\t", 1) for line in _call("git", "ls-tree", "-r", commit, cwd=target).splitlines()]
    blobs = {path: meta.split()[2] for meta, path in rows if meta.split()[1] == "blob"}
    checked = _call("git", "cat-file", "--batch-check", cwd=target, stdin="\n".join(blobs.values()) + "\n")
    gone = {line.split()[0] for line in checked.splitlines() if line.endswith("missing")}
    absent = ["!/" + path for path, blob in blobs.items() if blob in gone]
    if absent:
        _call("git", "sparse-checkout", "set", "--no-cone", "/*", *absent, cwd=target)
    _call("git", "checkout", "-q", "--detach", commit, cwd=target)
    return target


def _environment(comfy: Path, work: Path) -> Path:
    """The interpreter of a virtual environment with ComfyUI's requirements, made once per set of packages."""
    torch = os.environ.get("COMFYUI_TORCH", "torch==2.13.0")
    extras = (
        ["torchvision==0.28.0", "torchaudio==2.11.0"] if torch == "torch==2.13.0" else ["torchvision", "torchaudio"]
    )
    lines = [line.split("#")[0].strip() for line in (comfy / "requirements.txt").read_text().splitlines()]
    names = [
        line
        for line in lines
        if line and re.split(r"[<>=~!\[ ;]", line)[0] not in ("torch", "torchvision", "torchaudio")
    ]
    packages = [*names, "requests"]
    maker = os.environ.get("COMFYUI_PYTHON") or sys.executable
    key = hashlib.sha256("\n".join([torch, *extras, *packages, maker]).encode()).hexdigest()[:12]
    home = work / f"venv-{key}"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if (home / "complete").exists():
        return python
    _call(maker, "-m", "venv", "--clear", home)
    pip = [python, "-m", "pip", "install", "-q", "--no-input"]
    _call(*pip, torch, "numpy")
    _call(*pip, "--no-deps", *extras)
    (home / "constraints.txt").write_text("\n".join([torch, *extras]))
    _call(*pip, "-c", home / "constraints.txt", *packages)
    site = Path(_call(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"))
    if _call(python, "-c", "import torch; print(torch.version.cuda)") == "None":
        (site / "declare_operators.py").write_text(_DECLARE_OPERATORS)
        (site / "declare_operators.pth").write_text("import declare_operators\n")
        for library in (site / "torchaudio" / "lib").glob("*.so"):
            library.unlink()
    (home / "complete").touch()
    return python


def find_comfyui() -> tuple[Path, Path]:
    """ComfyUI's folder and the interpreter to run it with."""
    if os.environ.get("COMFYUI_PATH"):
        return Path(os.environ["COMFYUI_PATH"]), Path(os.environ.get("COMFYUI_PYTHON") or sys.executable)
    work = Path(os.environ.get("COMFYUI_WORK") or Path(tempfile.gettempdir()) / "ladr-comfyui")
    work.mkdir(parents=True, exist_ok=True)
    comfy = _clone(work)
    return comfy, _environment(comfy, work)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A running server; `base` holds its models, input, output and custom_nodes."""

    base: Path
    arguments: tuple[str, ...] = ()
    pack: Path = PACK
    url: str = ""
    process: subprocess.Popen | None = field(default=None, repr=False)

    def start(self, timeout: float = 600.0) -> Server:
        """Start it and wait until it answers."""
        comfy, python = find_comfyui()
        for folder in ("custom_nodes", "models/dllm", "models/loras", "input", "output", "temp", "user"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        packs = {"ComfyUI-LADR": self.pack, "ladr_probe": PROBE_PACK}
        further = (Path(folder) for folder in os.environ.get("COMFYUI_PACKS", "").split(os.pathsep) if folder)
        for name, source in {**packs, **{folder.name: folder.resolve() for folder in further}}.items():
            link = self.base / "custom_nodes" / name
            if not link.exists():
                link.symlink_to(source, target_is_directory=True)
        port = _free_port()
        command = [
            python, "main.py", "--cpu", "--listen", "127.0.0.1", "--port", port, "--base-directory", self.base,
            "--database-url", f"sqlite:///{self.base / 'user' / 'comfyui.db'}", "--disable-auto-launch",
            "--disable-api-nodes", *self.arguments,
        ]  # fmt: skip
        # One thread: the tiny model gains nothing from more, and on a busy machine they wait for each other.
        quiet = {
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command], cwd=comfy, stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env={**os.environ, **quiet},
            )  # fmt: skip
        self.url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                self.get("/system_stats")
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log_text()[-4000:]}")

    def stop(self) -> None:
        """End the process that `start` began."""
        if self.process is None:
            return
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(sign)
                try:
                    self.process.wait(10)
                except subprocess.TimeoutExpired:
                    continue
        self.process = None

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.base / "server.log"

    def log_text(self) -> str:
        """The log as text."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get(self, path: str):
        """JSON of a GET request."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict) -> tuple[int, bytes]:
        """Status and content of a POST request."""
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

"""pyproject.toml, requirements, changelog and license as the Comfy Registry and the Manager read them."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMFYUI_REQUIREMENTS = {
    "numpy": "1.25.0",
    "pillow": "",
    "safetensors": "0.4.2",
    "tokenizers": "0.13.3",
    "transformers": "4.37.2",
}  # of ComfyUI 0.3.64
NEVER = {"torch", "torchvision", "torchaudio", "torchsde", "diffusers", "accelerate", "flash-attn", "xformers"}
LARGEST_ARCHIVE = 2**20  # bytes beside the weights
ACCELERATORS = ("NVIDIA CUDA", "AMD ROCm", "Intel Arc", "Apple Metal")


def requirements() -> list[str]:
    return (ROOT / "requirements.txt").read_text(encoding="utf-8").split()


def test_both_lists_of_requirements_are_equal():
    assert requirements() == PROJECT["project"]["dependencies"]


def test_the_pack_needs_nothing_that_comfyui_lacks():
    for line in requirements():
        name, lower, version = line.partition(">=")
        assert name in COMFYUI_REQUIREMENTS
        assert name not in NEVER
        assert lower, f"{line}: lower bounds only"
        assert re.fullmatch(r"[\d.]+", version)
        if name != "pillow":
            assert version == COMFYUI_REQUIREMENTS[name], f"{line} would change an existing installation"


def test_registry_metadata():
    project, comfy = PROJECT["project"], PROJECT["tool"]["comfy"]
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,99}", project["name"])
    assert "comfyui" not in project["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["requires-python"] == ">=3.10"
    assert project["license"] == {"file": "LICENSE"}
    assert project["urls"]["Repository"].endswith("/ComfyUI-LADR")
    assert comfy["DisplayName"] == "ComfyUI-LADR"
    assert comfy["PublisherId"]
    assert comfy["requires-comfyui"] == ">=0.3.64"


def test_classifiers_are_those_the_registry_knows():
    allowed = {"Operating System :: OS Independent", *(f"Environment :: GPU :: {name}" for name in ACCELERATORS)}
    assert set(PROJECT["project"]["classifiers"]) <= allowed


def test_license():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "The ComfyUI-LADR authors" in text


def test_changelog_has_this_version_and_explains_its_marks():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(PROJECT['project']['version'])}\b", text, re.MULTILINE)
    assert "changes outputs" in text
    assert "breaks workflows" in text


@pytest.mark.parametrize(
    "needed", ["README.md", "__init__.py", "nodes/__init__.py", "ladr_core/__init__.py", "LICENSE"]
)
def test_the_registry_archive_keeps(needed: str):
    ignored = [line for line in (ROOT / ".comfyignore").read_text().splitlines() if line and line[0] != "#"]
    assert not any(f"/{needed}".startswith(line.rstrip("/") + "/") or f"/{needed}" == line for line in ignored)


def archived_files() -> list[Path]:
    """Tracked files that .comfyignore does not leave out: what the Comfy Registry packs."""

    def listed(*options: str) -> set[str]:
        found = subprocess.run(["git", "ls-files", "-z", *options], cwd=ROOT, capture_output=True, check=True)
        return set(found.stdout.decode().split("\0")) - {""}

    names = listed() - listed("-c", "-i", "--exclude-from=.comfyignore")
    return [ROOT / name for name in sorted(names) if (ROOT / name).is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the archive is made from a git clone")
def test_the_registry_archive_is_small_and_holds_what_runs_alone(tmp_path: Path):
    files = archived_files()
    parts = {path.relative_to(ROOT).parts[:2] for path in files}
    assert not {"docs", "tests", ".ci", ".github"} & {part[0] for part in parts}
    assert ("ladr_core", "lab") not in parts
    packed = tmp_path / "pack.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            if path.suffix != ".safetensors":
                archive.write(path, path.relative_to(ROOT))
    assert packed.stat().st_size <= LARGEST_ARCHIVE


def test_scripts_are_well_formed():
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100

"""README and docs: generated parts up to date, links and pictures there, commands and examples that work."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from ladr_core.command_line import COMMANDS
from ladr_core.lab.__main__ import PROGRAMS
from ladr_core.models.builtin.loading import SHAPES_WEIGHTS
from ladr_core.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").glob("*.md"))
MOVED = {"evaluation", "training"}  # modules that only name the new place
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{path.name}" for path in DOCS)]
LONGEST_README = 125


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return importlib.import_module("ladr_core.lab.documents.fill_docs")


def test_generated_parts_are_up_to_date(program: ModuleType):
    texts = {path: path.read_text(encoding="utf-8") for path in program.pages()}
    used = {name for text in texts.values() for name in re.findall(r"<!-- generated: (\w+) -->", text)}
    assert {name for name in used if not name.startswith("cards_")} == set(program.PARTS)
    old = [path.name for path, text in texts.items() if program.filled(text) != text]
    assert not old, "run: python -m ladr_core.lab fill_docs"


def test_every_document_is_linked_from_the_readme_or_another():
    texts = [TEXT, *(path.read_text(encoding="utf-8") for path in DOCS)]
    assert not [path.name for path in DOCS if not any(f"{path.name})" in text for text in texts)]


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) <= LONGEST_README


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_the_repository_lead_somewhere(document: str):
    text = (ROOT / document).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert not [link for link in links if not ((ROOT / document).parent / link).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_nothing_looks_unfinished(document: str):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert not re.search(r"(?i)\b(todo|tbd|fixme|coming soon|placeholder|to be done|not yet written)\b", text)


def test_first_screen_has_picture_install_and_first_image():
    first = "\n".join(TEXT.splitlines()[:32])
    for words in ("![", "custom_nodes", "Browse Templates", "make demo", "make test"):
        assert words in first


def test_commands_in_the_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", TEXT)) - {"an"} <= targets
    everything = TEXT + "".join(path.read_text(encoding="utf-8") for path in DOCS)
    assert set(re.findall(r"python -m ladr_core ([a-z]+)", everything)) <= set(COMMANDS)
    assert set(re.findall(r"python -m ladr_core\.lab ([a-z_]+)", everything)) <= set(PROGRAMS)


def test_model_folder_and_presets_are_named():
    assert "models/dllm" in TEXT
    assert all(f"`{name}`" in TEXT for name in PRESETS)


def test_the_method_is_called_a_reconstruction():
    assert "reconstruction" in TEXT
    assert "2603.13450" in TEXT


@pytest.mark.skipif(not SHAPES_WEIGHTS.is_file(), reason="the built-in model's weights are not in this tree")
def test_the_library_example_runs(capsys: pytest.CaptureFixture):
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    names: dict = {}
    exec(example, names)
    assert names["pictures"].shape == (1, 3, 256, 256)
    assert "network evaluations" in capsys.readouterr().out


def test_the_contributor_guide_maps_all_files():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    modules = [path for folder in ("nodes", "ladr_core") for path in (ROOT / folder).glob("*.py")]
    names = {path.stem for path in modules if not path.stem.startswith("__")} - MOVED
    names |= {f"{path.name}/" for path in (ROOT / "ladr_core").iterdir() if (path / "__init__.py").is_file()}
    assert not sorted(name for name in names if not re.search(rf"\b{re.escape(name)}", text))


def test_the_places_that_the_design_page_names_exist():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    places = re.findall(r"\| `([\w/.]+)` \|$", text, re.MULTILINE)
    assert len(places) == 26
    assert not [name for name in places if not (ROOT / name).exists()]

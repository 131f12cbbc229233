"""Help pages and translations: complete, and saying what the schemas say."""

import json
import re

import pytest
from node_specs.comfyui_stub import PACK, load_pack, schemas
from node_specs.write_specs import english, locale_file, with_lists

LANGUAGES = ("en", "zh")
NODES = tuple(schemas())


def _texts(language):
    return json.loads(locale_file(language).read_text(encoding="utf-8"))


def _page(node_id, language):
    return (PACK / "web" / "docs" / node_id / f"{language}.md").read_text(encoding="utf-8")


def test_help_is_where_comfyui_looks_for_it():
    assert load_pack().WEB_DIRECTORY == "./web"
    assert {path.name for path in (PACK / "web" / "docs").iterdir()} == set(NODES)


def test_the_english_texts_are_those_of_the_schemas():
    assert _texts("en") == english(), "run tests/node_specs/write_specs.py"


def test_both_languages_have_the_same_keys():
    def keys(value):
        return {name: keys(child) for name, child in value.items()} if isinstance(value, dict) else None

    assert keys(_texts("zh")) == keys(_texts("en"))


def test_no_text_is_empty_or_left_in_english():
    def leaves(value, name=""):
        if isinstance(value, dict):
            for key, child in value.items():
                yield from leaves(child, key)
        else:
            yield name, value

    for language in LANGUAGES:
        assert all(text.strip() for _, text in leaves(_texts(language)))
    for name, text in leaves(_texts("zh")):
        if name in ("tooltip", "description"):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text), text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("node_id", NODES)
def test_help_pages_are_up_to_date_and_name_every_input(node_id, language):
    page = _page(node_id, language)
    assert page == with_lists(page, node_id, language), "run tests/node_specs/write_specs.py"
    for slot in (*schemas()[node_id].inputs, *schemas()[node_id].outputs):
        assert f"`{slot.display_name or slot.id}`" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_loader_page_shows_where_models_go(language):
    page = _page("LADR_LoadDLLM", language)
    for words in ("models/dllm", "Lumina-DiMOO", "MMaDA", "magvitv2", "vqvae", "extra_model_paths.yaml", "GB"):
        assert words in page


def _word_section(page: str) -> int:
    """Number of the section that lists the words."""
    return next(i for i, section in enumerate(page.split("\n## ")) if "lavender" in section)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_loader_page_lists_the_words_of_the_built_in_model(language):
    from ladr_core.models.builtin.loading import load_builtin

    page = _page("LADR_LoadDLLM", language)
    listed = set(re.findall(r"[a-z0-9]+", page.split("\n## ")[_word_section(page)]))
    known = {word for word in load_builtin().layout.words if word != "-"}
    assert {word for word in known if not (word.endswith("s") and word != "cross")} <= listed
    assert not listed & {"five", "dotted", "striped", "checkered", "gradient", "plain"} - known


def test_the_method_is_credited_and_called_a_reconstruction():
    assert "2603.13450" in _page("LADR_Sampler", "en") and "reconstruction" in _page("LADR_Sampler", "en")
    assert "2603.13450" in _page("LADR_Sampler", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_edit_page_lists_the_trained_sizes(language):
    from ladr_core.models.lumina_dimoo.image_sizes import edit_sizes

    listed = set(re.findall(r"(\d+) x (\d+)", _page("LADR_EditTask", language)))
    assert {(str(w), str(h)) for w, h in edit_sizes() if w >= h} == listed

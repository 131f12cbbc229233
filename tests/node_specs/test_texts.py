"""Help pages and translations: complete, and saying what the schemas say."""

import json
import re

import pytest
from node_specs.comfyui_stub import PACK, load_pack, schemas
from node_specs.write_specs import english, locale_file, with_lists

LANGUAGES = ("en", "zh", "ja")
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


def test_all_languages_have_the_same_keys():
    def keys(value):
        return {name: keys(child) for name, child in value.items()} if isinstance(value, dict) else None

    for language in LANGUAGES:
        assert keys(_texts(language)) == keys(_texts("en")), language


def test_no_text_is_empty_or_left_in_english():
    def leaves(value, name=""):
        if isinstance(value, dict):
            for key, child in value.items():
                yield from leaves(child, key)
        else:
            yield name, value

    for language in LANGUAGES:
        assert all(text.strip() for _, text in leaves(_texts(language)))
    for language, first, last in (("zh", "\u4e00", "\u9fff"), ("ja", "\u3041", "\u30ff")):
        for name, text in leaves(_texts(language)):
            if name in ("tooltip", "description"):
                assert any(first <= letter <= last for letter in text), text


# Code, links, generated tables and numbers keep their signs.
_PLAIN = re.compile(
    r"```.*?```|`[^`\n]*`|\[[^\]]*\]\([^)]*\)|https?://\S+|<!--.*?-->|\([A-Za-z ]+\)|\d[,:]\d", re.DOTALL
)
_SCRIPT = "[\u3041-\u30ff\u4e00-\u9fff]"


def _half_width(text: str) -> list[str]:
    """Half-width signs beside Chinese or Japanese letters, and blanks beside full-width signs."""
    text = _PLAIN.sub("x", text)
    return re.findall(rf"{_SCRIPT}[,;:!?()]|[,;:!?(]{_SCRIPT}|[\u3001\u3002\uff0c\uff1a\uff1b] (?=\S)", text)


def test_the_check_of_signs_finds_them():
    assert _half_width("内置模型,128") and _half_width("网格(空)") and _half_width("模型， 网格")
    assert not _half_width("内置模型，128（`a, b`）：VAE Encode (for Inpainting)")


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_chinese_and_japanese_texts_use_full_width_signs(language):
    texts = [json.dumps(_texts(language), ensure_ascii=False).replace('", "', "")]
    texts += [_page(node_id, language) for node_id in NODES]
    for path in sorted((PACK / "workflows").glob("*.json")):
        for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]:
            shown = node["properties"]
            texts += [shown[key][language] for key in ("ladr_title", "ladr_text") if key in shown]
    texts.append((PACK / "web" / "run_result.js").read_text(encoding="utf-8"))
    for text in texts:
        for line in text.split("\n"):
            assert not _half_width(line), line


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
def test_the_loader_page_lists_the_words_of_the_built_in_models(language):
    from ladr_core.models.builtin.loading import load_builtin, shipped_models

    page = _page("LADR_LoadDLLM", language)
    listed = set(re.findall(r"[a-z0-9]+", page.split("\n## ")[_word_section(page)]))
    for path in shipped_models().values():
        known = {word for word in load_builtin(path).layout.words if word != "-"}
        stems = {word[:3] for word in listed}
        plurals = {word for word in known if word != "cross" and word.endswith("s") and word[:3] in stems}
        assert known - plurals <= listed
    assert not listed & {"dotted", "striped", "checkered", "gradient", "plain"}


def test_the_method_is_credited_and_called_a_reconstruction():
    assert "2603.13450" in _page("LADR_Sampler", "en") and "reconstruction" in _page("LADR_Sampler", "en")
    assert all("2603.13450" in _page("LADR_Sampler", language) for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_edit_page_lists_the_trained_sizes(language):
    from ladr_core.models.lumina_dimoo.image_sizes import edit_sizes

    listed = set(re.findall(r"(\d+) x (\d+)", _page("LADR_EditTask", language)))
    assert {(str(w), str(h)) for w, h in edit_sizes() if w >= h} == listed


def test_the_pictures_of_the_help_pages_exist_and_all_are_shown():
    docs = PACK / "web" / "docs"
    for language in LANGUAGES:
        shown = {name for node in NODES for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", _page(node, language))}
        # The front end looks from web/docs, not from the page.
        there = {path.relative_to(docs).as_posix() for end in ("jpg", "png") for path in docs.rglob(f"*.{end}")}
        assert shown == there, language


def test_the_pictures_are_those_of_the_record():
    record = json.loads((PACK / "docs" / "pictures" / "help.json").read_text(encoding="utf-8"))
    drawn = {f"{run['page']}/{run['setting']}.jpg" for run in record["runs"]}
    assert drawn == {path.relative_to(PACK / "web" / "docs").as_posix() for path in (PACK / "web").rglob("*.jpg")}

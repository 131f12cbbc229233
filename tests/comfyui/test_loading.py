"""How the pack loads in the real server: nodes, schemas, help, translations, templates, model folders."""

import json
import urllib.request

from comfyui.conftest import graph
from comfyui.launch import PACK

SNAPSHOT = PACK / "tests" / "node_specs" / "schema.json"


def _fetch(server, path):
    with urllib.request.urlopen(server.url + path, timeout=30) as answer:
        return answer.read().decode()


def test_the_pack_is_imported_without_a_complaint(server):
    log = server.log_text()
    assert "IMPORT FAILED" not in log
    info = server.get("/object_info")
    ours = {name for name, node in info.items() if node["python_module"] == "custom_nodes.ComfyUI-LADR"}
    assert ours == set(json.loads(SNAPSHOT.read_text(encoding="utf-8")))


def test_the_server_shows_the_schemas_of_the_snapshot(server):
    for name, expected in json.loads(SNAPSHOT.read_text(encoding="utf-8")).items():
        node = server.get(f"/object_info/{name}")[name]
        assert (node["display_name"], node["category"]) == (expected["display_name"], expected["category"])
        order = node["input_order"]
        shown = {**node["input"]["required"], **node["input"].get("optional", {})}
        assert [*order["required"], *order.get("optional", [])] == [slot["id"] for slot in expected["inputs"]]
        assert order.get("optional", []) == [slot["id"] for slot in expected["inputs"] if slot.get("optional")]
        for slot in expected["inputs"]:
            kind, facts = shown[slot["id"]]
            assert kind == slot["type"] and facts["tooltip"]
            for key in ("default", "min", "max"):
                assert facts.get(key) == slot.get(key), (name, slot["id"], key)
        assert node["output"] == [slot["type"] for slot in expected["outputs"]]
        assert node["output_name"] == [slot["name"] for slot in expected["outputs"]]
        assert all(node["output_tooltips"])


def test_the_loader_lists_the_built_in_model_first_then_the_model_folders(server):
    options = server.get("/object_info/LADR_LoadDLLM")["LADR_LoadDLLM"]["input"]["required"]["checkpoint"][1]["options"]
    assert options[0] == "built-in emoji"
    assert {"tiny.safetensors", "nan.safetensors", "cut.safetensors"} <= set(options)


def test_a_checkpoint_in_a_subfolder_has_a_forward_slash_and_loads_either_way(server, play):
    folder = server.base / "models" / "dllm" / "more"
    folder.mkdir(exist_ok=True)
    (folder / "deep.safetensors").write_bytes((folder.parent / "tiny.safetensors").read_bytes())
    options = server.get("/object_info/LADR_LoadDLLM")["LADR_LoadDLLM"]["input"]["required"]["checkpoint"][1]["options"]
    assert "more/deep.safetensors" in options
    for name in ("more/deep.safetensors", "more\\deep.safetensors"):
        play(graph("ladr").set("load", checkpoint=name).set("sampler", steps=2))


def test_the_model_folder_is_known_to_the_server(server):
    assert "dllm" in server.get("/models")
    assert "tiny.safetensors" in server.get("/models/dllm")


def test_help_pages_and_translations_are_served(server):
    for name in json.loads(SNAPSHOT.read_text(encoding="utf-8")):
        for language in ("en", "zh"):
            assert _fetch(server, f"/extensions/ComfyUI-LADR/docs/{name}/{language}.md").startswith("# ")
    texts = server.get("/i18n")
    for language in ("en", "zh"):
        assert "LADR_Sampler" in texts[language]["nodeDefs"]


def test_the_scripts_of_the_pack_are_loaded_into_the_page(server):
    found = {path for path in server.get("/extensions") if "ComfyUI-LADR" in path}
    scripts = {path.relative_to(PACK / "web").as_posix() for path in (PACK / "web").rglob("*.js")}
    assert found == {f"/extensions/ComfyUI-LADR/{name}" for name in scripts}


def test_templates_are_offered_with_their_pictures(server):
    names = {path.stem for path in (PACK / "workflows").glob("*.json")}
    assert set(server.get("/workflow_templates")["ComfyUI-LADR"]) == names


def test_seldom_used_inputs_are_folded_and_search_words_given_where_this_core_knows_them(server):
    known = server.get("/object_info")
    core = known["TorchCompileModel"]["input"]["required"]["backend"][1]
    folded = {name for name, (_, facts) in known["LADR_Sampler"]["input"]["optional"].items() if facts.get("advanced")}
    assert bool(folded) == bool(core.get("advanced"))
    if folded:
        assert {"top_k", "mask_schedule", "rescue_start"} <= folded and not {"preview", "temperature"} & folded
        assert "maskgit" in known["LADR_BaselineSampler"]["search_aliases"]

"""Lumina-DiMOO and MMaDA loaded in part: every kind of graph draws what it draws on a model that fits."""

import pytest
from comfyui.conftest import Graph
from comfyui.large_models import (
    LUMINA,
    MMADA,
    edit_graph,
    in_part,
    large_graph,
    loaded_model,
    show_loaded,
    tokens,
    without_picture,
)

pytestmark = pytest.mark.usefixtures("large_models")
SOME_LAYERS = 0.005  # megabytes, a little more than half of what they take


def _prompt(kind, model):
    if kind == "edit":
        return edit_graph().set("task", image_cfg=3.0)
    if kind.startswith("baseline "):
        method = kind.removeprefix("baseline ")
        return large_graph("baseline", model).set("sampler", method=method, ml_cache=model == LUMINA)
    return large_graph(kind, model)


def _same_in_part(play, make, megabytes):
    full, part = play(show_loaded(make())), play(show_loaded(in_part(make(), megabytes)))
    assert loaded_model(part)["lowvram"] and not loaded_model(full)["lowvram"]
    assert loaded_model(part)["bytes"] <= megabytes * 1024**2 < loaded_model(full)["bytes"]
    assert tokens(part) == tokens(full)
    for fact in ("steps", "unmasked_at", "unmasked_by"):
        assert part.json("report")[fact] == full.json("report")[fact]


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (LUMINA, "ladr"), (LUMINA, "baseline"), (LUMINA, "inpaint"), (LUMINA, "edit"),
        (LUMINA, "baseline lumina-dimoo"), (MMADA, "ladr"), (MMADA, "baseline"), (MMADA, "inpaint"),
        (MMADA, "baseline mmada"),
    ],
)  # fmt: skip
def test_the_tokens_are_those_of_the_whole_model(play, model, kind):
    _same_in_part(play, lambda: without_picture(_prompt(kind, model)).set("load", dtype="bfloat16"), 0.001)


@pytest.mark.parametrize("model", [LUMINA, MMADA])
def test_embedding_and_head_stay_where_they_are(play, model):
    prompt = Graph().add("load", "LADR_LoadDLLM", checkpoint=model, dtype="bfloat16")
    found = play(prompt.add("tables", "LADRProbe_ShowTables", model=["load", 0])).json("tables")
    assert found["devices"] == {"transformer.wte": "cpu", "transformer.ff_out": "cpu"}
    assert found["loaded"] == found["others"]
    assert found["clones"] == [found["others"]] * 4


def test_with_a_part_of_the_layers_loaded(play):
    _same_in_part(play, lambda: without_picture(edit_graph()).set("load", dtype="bfloat16"), SOME_LAYERS)


@pytest.mark.parametrize(("model", "dtype"), [(LUMINA, "float32"), (LUMINA, "float8_e4m3fn"), (MMADA, "float8_e4m3fn")])
def test_in_other_dtypes(play, model, dtype):
    _same_in_part(play, lambda: without_picture(large_graph("ladr", model)).set("load", dtype=dtype), 0.001)


def test_the_picture_of_a_model_loaded_in_part(play):
    def pixels(prompt):
        prompt.add("image", "LADRProbe_ShowImage", image=["decode", 0])
        return play(prompt.set("load", dtype="bfloat16")).json("image")

    assert pixels(in_part(edit_graph())) == pixels(edit_graph())

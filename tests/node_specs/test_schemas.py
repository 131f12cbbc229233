"""The node schemas: frozen ids and order, texts on every input and output, settings written once."""

import json

import pytest
from node_specs.comfyui_stub import schemas, snapshot
from node_specs.write_specs import SNAPSHOT

from ladr_core.samplers.published.lumina_dimoo import ML_CACHE
from ladr_core.samplers.registry import METHOD, find_sampler
from ladr_core.settings import RESCUE_SETTINGS, SAMPLER_SETTINGS, SEED

IDS = [
    "LADR_LoadDLLM", "LADR_EmptyTokenGrid", "LADR_Sampler", "LADR_BaselineSampler", "LADR_EditTask", "LADR_DecodeMap",
    "LADR_Film", "LADR_Compare", "LADR_Sweep", "LADR_SweepSheet",
]  # fmt: skip
KSAMPLER = ["model", "seed", "steps", "cfg", "positive", "negative", "latent_image", "denoise"]


def test_the_nodes_and_their_order():
    assert list(schemas()) == IDS
    assert {schema.category for schema in schemas().values()} == {"LADR"}


def test_nothing_that_saved_workflows_depend_on_has_changed():
    """A change here breaks saved workflows; new inputs go to the end. `write_specs.py` takes the new state over."""
    assert snapshot() == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_samplers_begin_like_ksampler_and_share_all_inputs_but_their_own_at_the_end():
    baseline, ladr = ([slot.id for slot in schemas()[f"LADR_{name}"].inputs] for name in ("BaselineSampler", "Sampler"))
    assert baseline[: len(KSAMPLER)] == KSAMPLER
    newest = ["cfg_start", "cfg_end", "kv_cache"]
    assert baseline[-3:] == ladr[-3:] == newest
    shared, own = baseline[:-6], baseline[-6:-3]
    assert ladr[: len(shared)] == shared and shared[-1] == "preview" and own == ["method", "ml_cache", "cell_order"]
    added = ["rescue_scheduling", "rescue_floor", "cell_order"]
    own = [setting.name for setting in RESCUE_SETTINGS.values() if setting.on_node and setting.name not in added]
    assert ladr[len(shared) : -3] == [*own, "mark_rescued", *added]


def test_widgets_are_the_settings_records():
    records = {**SAMPLER_SETTINGS, **RESCUE_SETTINGS, **{s.name: s for s in (SEED, METHOD, ML_CACHE)}}
    for node in ("LADR_Sampler", "LADR_BaselineSampler", "LADR_EditTask"):
        for slot in schemas()[node].inputs:
            if slot.id not in records:
                continue
            record, facts = records[slot.id], slot.facts()
            assert (facts["default"], facts["tooltip"]) == (record.default, record.tooltip)
            assert tuple(facts.get("options", ())) == record.choices
            assert (facts.get("min"), facts.get("max")) == (record.minimum, record.maximum), slot.id


def test_the_method_says_which_inputs_the_published_samplers_ignore():
    for name in ("lumina-dimoo", "mmada"):
        assert f"{name} ignores {', '.join(find_sampler(name).ignores)}" in METHOD.tooltip


def test_every_setting_meant_for_nodes_is_on_a_node():
    wanted = {s.name for s in (*SAMPLER_SETTINGS.values(), *RESCUE_SETTINGS.values()) if s.on_node}
    assert wanted <= {slot.id for slot in schemas()["LADR_Sampler"].inputs}


@pytest.mark.parametrize("node_id", IDS)
def test_every_input_and_output_is_explained(node_id):
    schema = schemas()[node_id]
    assert schema.display_name and len(schema.description) > 40
    for slot in (*schema.inputs, *schema.outputs):
        assert slot.tooltip, f"{slot.id} has no tooltip"
        assert len(slot.tooltip) <= 330, f"{slot.id}: {len(slot.tooltip)} letters hide what stands below it"


def test_no_output_has_the_name_of_an_input():
    for schema in schemas().values():
        assert not {slot.id for slot in schema.inputs} & {slot.id for slot in schema.outputs}

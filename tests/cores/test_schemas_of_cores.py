"""The schemas on an old and a newer core: what is folded, what a saved prompt may lack, what finds a node."""

from __future__ import annotations

import ast
import inspect

import pytest
from node_specs.comfyui_stub import PACK

SAMPLERS = {"LADRSampler": "ladr_sampler", "BaselineSampler": "baseline_sampler"}
KSAMPLER = {"model", "seed", "steps", "cfg", "positive", "negative", "latent_image", "denoise"}
WIDGETS = {"INT", "FLOAT", "BOOLEAN", "STRING", "COMBO"}
NODES = {  # class -> file, of every node
    name.name: statement.module
    for statement in ast.walk(ast.parse((PACK / "nodes" / "__init__.py").read_text(encoding="utf-8")))
    if isinstance(statement, ast.ImportFrom)
    for name in statement.names
}


def _node(on_core, name, newer):
    return getattr(on_core(f"nodes.{NODES[name]}", newer=newer), name)


@pytest.mark.parametrize("name", SAMPLERS)
def test_few_inputs_stay_open_on_a_core_that_folds(on_core, name):
    inputs = _node(on_core, name, newer=True).define_schema().inputs
    shown = {slot.id for slot in inputs if not slot.advanced}
    assert shown >= {*KSAMPLER, "preview", "temperature"}
    assert len(shown - KSAMPLER - {"preview"}) == 3
    assert len(inputs) > len(shown)


@pytest.mark.parametrize("name", SAMPLERS)
def test_folding_changes_neither_the_order_nor_anything_else(on_core, name):
    old, new = (_node(on_core, name, newer).define_schema().inputs for newer in (False, True))
    assert [slot.facts() for slot in old] == [
        {key: value for key, value in slot.facts().items() if key != "advanced"} for slot in new
    ]


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("name", NODES)
def test_optional_inputs_come_last_so_that_the_front_end_keeps_the_order_of_saved_widgets(on_core, name, newer):
    inputs = _node(on_core, name, newer).define_schema().inputs
    optional = [slot.optional for slot in inputs if slot.io_type in WIDGETS]  # sockets have places of their own
    assert optional == sorted(optional)
    assert all(slot.optional for slot in inputs if getattr(slot, "advanced", None))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_prompt_saved_before_an_input_existed_needs_those_of_ksampler_only(on_core, name):
    required = {slot.id for slot in _node(on_core, name, newer=True).define_schema().inputs if not slot.optional}
    assert required == KSAMPLER


@pytest.mark.parametrize("name", NODES)
def test_choices_are_left_to_our_own_sentence(on_core, name):
    """Core checks a choice itself, with a sentence of its own, unless `validate_inputs` names the input."""
    node = _node(on_core, name, newer=True)
    choices = {slot.id for slot in node.define_schema().inputs if slot.io_type == "COMBO"}
    if not choices:
        assert not hasattr(node, "validate_inputs")
        return
    assert set(inspect.getfullargspec(node.validate_inputs).args) - {"cls"} == choices
    assert node.validate_inputs() is True and node.validate_inputs(**dict.fromkeys(choices, "nonsense")) is True


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("words", ["lumina", "dimoo", "mmada", "llada", "dllm", "diffusion llm", "maskgit"])
def test_nodes_are_found_by_the_names_of_their_models(on_core, name, words):
    assert words in _node(on_core, name, newer=True).define_schema().search_aliases


def test_the_fast_sampler_is_found(on_core):
    assert "fast sampler" in _node(on_core, "LADRSampler", newer=True).define_schema().search_aliases

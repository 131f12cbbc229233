"""LoRA and merging on Lumina-DiMOO and MMaDA with core's own nodes, and LoRAs of the PEFT library."""

import pytest
from comfyui.conftest import Graph
from comfyui.large_models import (
    LUMINA,
    MMADA,
    PATCHED,
    in_part,
    large_graph,
    put_before_sampler,
    tokens,
    with_lora,
    without_picture,
)
from tiny_checkpoints import (
    LUMINA_ROWS,
    MMADA_ROWS,
    lora_factors,
    write_adapter,
    write_lora,
    write_lumina,
    write_mmada,
)

from ladr_core.command_line import main

ROWS = {LUMINA: LUMINA_ROWS, MMADA: MMADA_ROWS}
ALPHA = 0.6
both = pytest.mark.parametrize("model", [LUMINA, MMADA])


@pytest.fixture(scope="module", autouse=True)
def loras(server, large_models, tmp_path_factory):
    """One LoRA for each model: under ComfyUI's names, under PEFT's, and converted from PEFT's; and a second model."""
    folder = server.base / "models" / "loras"
    for model, rows in ROWS.items():
        factors, adapter = lora_factors(PATCHED, rows), tmp_path_factory.mktemp("adapter")
        write_lora(folder / f"{model}.safetensors", factors, ALPHA)
        write_adapter(adapter, factors, ALPHA)
        (folder / f"{model} peft.safetensors").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
        assert main(["convert", str(adapter), str(folder / f"{model} converted.safetensors")]) == 0
    write_lumina(large_models / f"{LUMINA} other", seed=1)
    write_mmada(large_models / f"{MMADA} other", seed=1)


def _graph(model):
    return without_picture(large_graph("ladr", model)).set("load", dtype="bfloat16")


def _lora(model, kind="", strength=1.0):
    return with_lora(_graph(model), f"{model}{kind}.safetensors", strength)


def _merge(prompt, model, ratio):
    prompt.add("other", "LADR_LoadDLLM", checkpoint=f"{model} other", dtype="bfloat16")
    prompt.add("merge", "ModelMergeSimple", model1=["load", 0], model2=["other", 0], ratio=ratio)
    return put_before_sampler(prompt, "merge")


@both
def test_a_lora_changes_the_tokens_and_is_gone_without_it(play, server, model):
    plain = tokens(play(_graph(model)))
    log = len(server.log_text())
    assert tokens(play(_lora(model))) != plain
    assert "not loaded" not in server.log_text()[log:].lower()
    assert tokens(play(_lora(model, strength=0.0))) == plain
    assert tokens(play(_graph(model))) == plain


@both
def test_a_lora_on_a_model_loaded_in_part(play, model):
    # In float32: a layer that is not loaded is changed without being rounded to 16 bits again.
    whole, part = (make(_lora(model).set("load", dtype="float32")) for make in (Graph, in_part))
    assert tokens(play(part)) == tokens(play(whole))


@both
def test_a_peft_lora_does_nothing_until_it_is_converted(play, server, model):
    plain, log = tokens(play(_graph(model))), len(server.log_text())
    assert tokens(play(_lora(model, " peft"))) == plain
    missed = [line for line in server.log_text()[log:].splitlines() if "lora key not loaded: base_model." in line]
    assert len(missed) == 2 * len(PATCHED)
    converted = tokens(play(_lora(model, " converted")))
    assert converted != plain and converted == tokens(play(_lora(model)))


@both
def test_merging_with_another_model(play, model):
    ends = tokens(play(_graph(model))), tokens(play(_graph(model).set("load", checkpoint=f"{model} other")))
    assert tokens(play(_merge(_graph(model), model, 1.0))) == ends[0]
    assert tokens(play(_merge(_graph(model), model, 0.0))) == ends[1]
    assert tokens(play(_merge(_graph(model), model, 0.5))) not in ends
